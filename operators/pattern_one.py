"""The pattern of one element: `times` events that agree in a value, inside a window, with none of some other events.

Most journeys begin with such a one, so its way is short: what is remembered is times and roles (`operators.pattern_repeats`),
and of the events themselves only what is read later.
"""

from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from operators.durations import format_duration
from operators.events import Event
from operators.expressions import Expression
from operators.moment import Moment
from operators.paths import Path
from operators.pattern import NO_VALUE, Match, begin_anew
from operators.pattern_late import tell_late
from operators.pattern_repeats import (
    BUCKETS_MAX,
    ELEMENT,
    EVENTS_MAX,
    FORBIDDEN,
    VALUE_CHARACTERS_MAX,
    Repeats,
    time_of,
    token_of,
)
from operators.records import storable
from state.customer import JourneyMemory

_NONE: list[Match] = []
"""What nearly every event completes; never changed."""


@dataclass(frozen=True, eq=False)
class Look:
    """Why the pattern looks at an event of some name."""

    roles: int
    """`ELEMENT` or `FORBIDDEN`."""
    where: Expression | None
    by: Path | None
    """The value that the events must agree in; None where the pattern has none, or the event forbids whatever its value."""
    anywhere: bool = False
    """A forbidden event that forbids whatever its value, in a pattern that has values."""
    also: "Look | None" = None
    """How events of this name forbid, where they are wanted and forbidden alike. They are looked at once, with both roles:
    seen twice, an event would lie between the first match and itself."""


class OneElement:
    """A compiled pattern of one element."""

    def __init__(
        self,
        repeats: Repeats,
        looks: dict[str, Look],
        *,
        journey: dict[str, Any],
        mark: int,
        where: Expression | None = None,
        as_name: str | None = None,
        keeps_whole_events: bool = False,
        skips: bool = True,
        warnings: tuple[str, ...] = (),
    ) -> None:
        """Bind what every event needs.

        Args:
            repeats: How often, and in which window.
            looks: By the name of an event.
            journey: What expressions see as `journey`.
            mark: See `begin_anew`.
            where: `enter.where`, which reads nothing of the match itself.
            as_name: The element's `as`.
            keeps_whole_events: Whether more than the ids of remembered events is read later: what they held.
            skips: Whether matched events are used up.
            warnings: See `Pattern`.
        """
        self.repeats = repeats
        self.looks = looks
        self.names: tuple[str, ...] | None = tuple(looks)
        self.paths = frozenset(look.by for look in looks.values() if look.by is not None and look.roles & ELEMENT)
        self.warnings = warnings
        self.mark = mark
        self.keeps_whole_events = keeps_whole_events
        self._journey = journey
        self._where = where
        self._as_name = as_name
        self._skips = skips
        self._max_age = repeats.max_age
        self._remembers = repeats.remembers

    def see(self, memory: JourneyMemory, event: Event, moment: Moment) -> list[Match]:
        """See `Pattern`."""
        look = self.looks.get(event.name)
        if look is None:
            return _NONE
        if look.also is not None:
            return self._see_twice(look, look.also, memory, event, moment)
        if look.where is not None and not look.where.holds(moment.names(self._journey)):
            return _NONE
        now = moment.now
        if event.time < now - self._max_age:
            if look.roles & ELEMENT:
                tell_late(event, moment, self._journey, self._remembers)
            return _NONE
        values = NO_VALUE if look.by is None or look.anywhere else look.by.values(event)
        if not values:
            return _NONE
        if self._remembers and memory.mark != self.mark:
            begin_anew(memory, self.mark)
        if look.anywhere:
            self.repeats.see_anywhere(memory, event.time if event.time < now else now, now)
            return _NONE
        found = _NONE
        if not self._remembers:  # a single event that nothing forbids
            for value in values:
                match = self._match([event], value, token_of(value), None, moment)
                if match is not None:
                    found = [*found, match]
            return found
        for value in values:
            token = (
                value
                if type(value) is str and value[:1] != "\x00" and len(value) < VALUE_CHARACTERS_MAX
                else token_of(value)
            )
            match = self._see_value(value, token, look.roles, memory, event, moment)
            if match is not None:
                found = [*found, match]
        return found

    def _see_twice(
        self, wants: Look, forbids: Look, memory: JourneyMemory, event: Event, moment: Moment
    ) -> list[Match]:
        """See an event of a name that is both wanted and forbidden: once for each value, with all its roles."""
        now = moment.now
        scope = moment.names(self._journey)
        is_wanted = wants.where is None or wants.where.holds(scope)
        is_forbidden = forbids.where is None or forbids.where.holds(scope)
        if not is_wanted and not is_forbidden:
            return _NONE
        if event.time < now - self._max_age:
            if is_wanted:
                tell_late(event, moment, self._journey, self._remembers)
            return _NONE
        if memory.mark != self.mark:
            begin_anew(memory, self.mark)
        values: dict[str, object] = {}
        roles: dict[str, int] = {}
        for look, holds, role in ((wants, is_wanted, ELEMENT), (forbids, is_forbidden, FORBIDDEN)):
            if holds and not look.anywhere:
                for value in NO_VALUE if look.by is None else look.by.values(event):
                    token = token_of(value)
                    values.setdefault(token, value)
                    roles[token] = roles.get(token, 0) | role
        anywhere = is_forbidden and forbids.anywhere
        found = []
        for token, value in values.items():
            match = self._see_value(value, token, roles[token] | (FORBIDDEN if anywhere else 0), memory, event, moment)
            if match is not None:
                found.append(match)
        if anywhere:
            self.repeats.see_anywhere(memory, event.time if event.time < now else now, now, besides=values)
            # Other values' buckets took the event in, and `ANY`'s; the places in those of `found` are as they were.
        return found

    def _see_value(
        self, value: object, token: str, roles: int, memory: JourneyMemory, event: Event, moment: Moment
    ) -> Match | None:
        now, repeats = moment.now, self.repeats
        content: Any = None
        if repeats.keeps_contents:
            content = content_of(event) if self.keeps_whole_events else event.message_id
        when = event.time
        places = repeats.see(memory, token, when if when < now else now, roles, now, content)
        if places is None:
            return None
        events = [event]
        if repeats.keeps_contents:
            contents = memory.contents[token]
            if self.keeps_whole_events:
                events = [Event(**contents[place]) for place in places]
            else:
                # Only ids are kept: what is read of the last matched event is what all of them have alike.
                last = places[-1]
                events = [replace(event, message_id=contents[last], time=time_of(memory.buckets[token][last]))]
        return self._match(events, value, token, places, moment)

    def _match(
        self, events: list[Event], value: object, token: str, places: list[int] | None, moment: Moment
    ) -> Match | None:
        if self._where is not None and not self._where.holds(moment.names(self._journey)):
            return None
        names: dict[str, Any] = {}
        if self._as_name is not None:
            names[self._as_name] = events[0] if self.repeats.times == 1 else events
        return Match(events, value, token, names, places)

    def use_up(self, memory: JourneyMemory, match: Match) -> None:
        """See `Pattern`."""
        if self._skips and match.places is not None and match.token in memory.buckets:
            self.repeats.use_up(memory, match.token, match.places)

    def deadlines(self, memory: JourneyMemory) -> dict[str, int]:
        """See `Pattern`: nothing is waited for."""
        return {}

    def due(self, memory: JourneyMemory, token: str, moment: Moment) -> Match | None:
        """See `Pattern`: nothing is waited for."""
        return None

    def bounds(self) -> list[str]:
        """See `Pattern`."""
        repeats = self.repeats
        if not repeats.remembers:
            return ["nothing is kept: each event is decided on its own"]
        what = "the time of each event" if not repeats.keeps_contents else "the time and the id of each event"
        if repeats.keeps_contents and self.keeps_whole_events:
            what = "each event, whole,"
        age = format_duration(repeats.within + repeats.max_age)
        valued = any(look.by is not None for look in self.looks.values())
        return kept(what, age, valued=valued)


def kept(what: str, age: str, *, valued: bool) -> list[str]:
    """The bounds of what is remembered, in sentences."""
    lines = [f"{what} is kept for {age} (`within` and `max_age`)"]
    each = "of one value of `by`" if valued else "of one customer"
    lines.append(f"at most {EVENTS_MAX:,} events {each}; beyond it the oldest is forgotten")
    if valued:
        lines.append(f"at most {BUCKETS_MAX:,} values of one customer; beyond it the one longest unused is forgotten")
    return lines


def content_of(event: Event) -> dict[str, Any]:
    """What a pattern keeps of an event that is read later."""
    return {
        "kind": event.kind,
        "name": event.name,
        "customer_id": event.customer_id,
        "message_id": event.message_id,
        "time": event.time,
        "properties": storable(event.properties),
        "context": storable(event.context),
    }
