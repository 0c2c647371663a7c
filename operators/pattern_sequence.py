"""The pattern of several elements: sequences, repeats, absences, values that must differ.

What is remembered is in the words of `operators.pattern_buckets`, what is waited for in those of `operators.pattern_absence`; how a
match is found is in `operators.pattern_search`. An expression that reads nothing of the match is decided here, when the event
is read; one that does, in the search.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from operators.durations import format_duration
from operators.events import Event
from operators.expressions import Expression
from operators.moment import Moment
from operators.paths import Path
from operators.pattern import Match, begin_anew
from operators.pattern_absence import PENDING_MAX, Absence, Pending, forget, pending_of, waiting
from operators.pattern_buckets import Buckets, place_of
from operators.pattern_late import tell_late
from operators.pattern_one import content_of, kept
from operators.pattern_repeats import token_of
from operators.pattern_search import ROLE_BITS, STEPS_MAX, Search, Shape, as_names
from state.customer import JourneyMemory

ELEMENTS_MAX = 7
"""Elements of a pattern: 7 of them, 7 `without` and `OWN` fit into the bits of a role. Nobody's journey begins with more."""

Token = Callable[[Event, Moment], str | None]
"""What must differ from event to event, as a token; None where it is missing."""


@dataclass(frozen=True, eq=False)
class Role:
    """Why the pattern looks at an event of some name."""

    bit: int
    where: Expression | None
    """Decided when the event is read; None where it reads of the match, or there is none."""
    by: Path | None
    """None where events of every value have the role."""
    distinct: int = -1


class Elements:
    """A compiled pattern of several elements."""

    def __init__(
        self,
        shape: Shape,
        roles: Mapping[str, Sequence[Role]],
        *,
        max_age: int,
        mark: int,
        journey: dict[str, Any],
        absence: Absence | None = None,
        distinct: Sequence[Token] = (),
        sees_all: bool = False,
        keeps_whole_events: bool = False,
        where: Expression | None = None,
        skips: bool = True,
        warnings: tuple[str, ...] = (),
    ) -> None:
        """Bind what every event needs.

        Args:
            shape: What is searched for.
            roles: By the name of an event.
            max_age: ms; an older event is not seen.
            mark: See `begin_anew`.
            journey: What expressions see as `journey`.
            absence: What must not come after the last.
            distinct: What must differ; the elements name theirs by its index.
            sees_all: Whether events without a role are remembered, too.
            keeps_whole_events: Whether more than the ids of remembered events is read: what they held.
            where: `enter.where` where it is decided apart from the search: it reads nothing of the match, or the match is at
                the deadline of an absence.
            skips: Whether matched events are used up.
            warnings: See `Pattern`.
        """
        self.shape = shape
        self.roles = roles
        self.names: tuple[str, ...] | None = None if sees_all else tuple(roles)
        self.warnings = warnings
        self.keeps_whole_events = keeps_whole_events
        self.max_age = max_age
        self.mark = mark
        self.absence = absence
        self._journey = journey
        self._distinct = distinct
        self._sees_all = sees_all
        self._skips = skips
        self._where = where
        self._elements = sum(part.bit for part in shape.parts)
        self._absent = absence.bit if absence else 0
        every = [role for these in roles.values() for role in these]
        self.paths = frozenset(role.by for role in every if role.by is not None and role.bit & self._elements)
        self._valued = bool(self.paths)
        self._has_wild = any(role.by is None for role in every)
        self._buckets = Buckets(self._elements, self._valued, sees_all)
        self._remembers = (
            shape.parts[-1].least > 1 or len(shape.parts) > 1 or bool(shape.windows) or absence is not None
        )
        self._span = shape.within + max_age

    # --- an event

    def see(self, memory: JourneyMemory, event: Event, moment: Moment) -> list[Match]:
        """See `Pattern`."""
        now = moment.now
        wild, masks, values, distinct = self._roles_of(event, moment)
        if not wild and not masks and not self._sees_all:
            return []
        if event.time < now - self.max_age:
            if (wild | _any(masks)) & self._elements:
                tell_late(event, moment, self._journey, self._remembers)
            return []
        if memory.mark != self.mark:
            begin_anew(memory, self.mark)
        when = min(event.time, now)
        if (wild | _any(masks)) & self._absent:
            self._cancel(memory, event, when, wild, masks, moment)
        content = [event.message_id, distinct, content_of(event) if self.keeps_whole_events else None]
        horizon = now - self._span
        if not self._valued:
            places = {"": (self._buckets.take_in(memory, "", when, wild, content, horizon), wild)}
            values = {"": ""}
        else:
            places = self._buckets.take_in_by_value(memory, when, wild, masks, content, horizon)
        found = []
        for token, (place, mask) in places.items():
            if place < 0 or not mask & self._elements:
                continue
            chosen = self._search(memory, token, moment).find(place)
            if chosen is None:
                continue
            value = values[token] if token in values else self._value_of(memory, token, chosen)
            if self.absence is not None:
                self.absence.wait(memory, token, value, chosen, now)
            elif self._where is None or self._where.holds(moment.names(self._journey)):
                kept_of = [
                    [memory.buckets[token][at] >> ROLE_BITS, of, memory.contents[token][at]] for at, of in chosen
                ]
                found.append(self._match(kept_of, value, token, [at for at, _ in chosen], moment))
        return found

    def _roles_of(
        self, event: Event, moment: Moment
    ) -> tuple[int, dict[str, int], dict[str, object], list[str | None] | None]:
        """What the event is to the pattern: roles for every value, by value, the values, and what must differ."""
        wild = 0
        masks: dict[str, int] = {}
        values: dict[str, object] = {}
        distinct: list[str | None] | None = None
        if self._distinct:
            distinct = [token(event, moment) for token in self._distinct]
        for role in self.roles.get(event.name, ()):
            if role.distinct >= 0 and (distinct is None or distinct[role.distinct] is None):
                continue
            if role.where is not None and not role.where.holds(moment.names(self._journey)):
                continue
            if role.by is None:
                wild |= role.bit
                continue
            for value in role.by.values(event):
                token = token_of(value)
                values.setdefault(token, value)
                masks[token] = masks.get(token, 0) | role.bit
        return wild, masks, values, distinct

    def use_up(self, memory: JourneyMemory, match: Match) -> None:
        """See `Pattern`."""
        if self._skips and match.places is not None:
            self._buckets.use_up(memory, match.token, match.places)

    # --- absences

    def _cancel(
        self, memory: JourneyMemory, event: Event, when: int, wild: int, masks: dict[str, int], moment: Moment
    ) -> None:
        """What must be absent has come: nothing is waited for any more where it comes after the last matched event."""
        for token in waiting(memory) if wild & self._absent else list(masks):
            pending = pending_of(memory, token)
            if pending is None or not (wild | masks.get(token, 0)) & self._absent or when < pending.so_far[-1][0]:
                continue
            if self._is_meant(pending, event, moment):
                forget(memory, token)

    def _is_meant(self, pending: Pending, event: Event, moment: Moment) -> bool:
        """Whether a `where` of the absent event that reads of the match holds."""
        absent = self.shape.absent
        if absent is None or absent.where is None:
            return True
        match = self._match(pending.so_far, pending.value, "", [], moment)
        scope = {**moment.names(self._journey), **match.names, "matched": match.events, "first": match.events[0]}
        return absent.where.holds({**scope, "event": event, "properties": event.properties})

    def deadlines(self, memory: JourneyMemory) -> dict[str, int]:
        """See `Pattern`."""
        if memory.mark != self.mark:
            return {}
        found = {token: pending_of(memory, token) for token in waiting(memory)}
        return {token: pending.due for token, pending in found.items() if pending is not None}

    def due(self, memory: JourneyMemory, token: str, moment: Moment) -> Match | None:
        """See `Pattern`."""
        pending = pending_of(memory, token) if memory.mark == self.mark else None
        if pending is None or pending.due > moment.now:
            return None
        forget(memory, token)
        bucket, contents = memory.buckets.get(token, []), memory.contents.get(token, [])
        places = [place_of(one, bucket, contents) for one in pending.so_far]
        match = self._match(
            pending.so_far, pending.value, token, sorted(place for place in places if place >= 0), moment
        )
        if self._where is not None:
            scope = {**moment.names(self._journey), **match.names}
            scope.update(matched=match.events, first=match.events[0], entry=match.events[-1])
            if not self._where.holds(scope):
                return None
        return match

    # --- what is remembered

    def _search(self, memory: JourneyMemory, token: str, moment: Moment) -> Search:
        bucket, contents = memory.buckets[token], memory.contents[token]
        events: dict[int, Event] = {}

        def event_at(place: int) -> Event:
            if place not in events:
                events[place] = self._event(bucket[place] >> ROLE_BITS, contents[place], moment)
            return events[place]

        return Search(
            self.shape, bucket, lambda place: contents[place][1], event_at, lambda: moment.names(self._journey)
        )

    def _match(self, so_far: list[list[Any]], value: object, token: str, places: list[int], moment: Moment) -> Match:
        events = [self._event(when, content, moment) for when, _, content in so_far]
        names = as_names(self.shape.parts, [part for _, part, _ in so_far], events)
        return Match(events, value, token, names, places)

    def _event(self, when: int, content: list[Any], moment: Moment) -> Event:
        """A remembered event; only its id and time where no more is kept, since no more is read."""
        if content[2] is not None:
            return Event(**content[2])
        return Event("track", "", moment.customer_id, content[0], when, {}, {})

    def _value_of(self, memory: JourneyMemory, token: str, chosen: list[tuple[int, int]]) -> object:
        """The value of a bucket that an event of every value completed."""
        if not token.startswith("\x00"):
            return token
        if not token.startswith("\x00#"):
            return orjson.loads(token[1:])
        for place, _ in chosen:  # only its hash is kept: an event has it, where anybody reads it
            whole = memory.contents[token][place][2]
            if whole is not None:
                event = Event(**whole)
                for path in self.paths:
                    for value in path.values(event):
                        if token_of(value) == token:
                            return value
        return token[2:]

    def bounds(self) -> list[str]:
        """See `Pattern`."""
        what = "the time and the id of each event" if not self.keeps_whole_events else "each event, whole,"
        if self._sees_all:
            what += " of every name (`strict`)"
        lines = kept(what, format_duration(self._span), valued=self._valued)
        if self._valued and (self._sees_all or self._has_wild):
            lines.append("events that name no value are kept once for each value")
        if not self.shape.forgets:
            lines.append(f"at most {STEPS_MAX:,} steps are taken to find one match; beyond it there is none")
        if self.absence is not None:
            lines.append(f"at most {PENDING_MAX:,} absences are waited for at once; further ones are not")
        return lines


def _any(masks: dict[str, int]) -> int:
    found = 0
    for mask in masks.values():
        found |= mask
    return found
