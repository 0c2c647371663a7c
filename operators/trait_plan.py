"""Traits and segments in use, compiled: what the customer step asks, and what it tells.

Built once per set of definitions. Per customer all is in their record (`state.traits`); the plan holds nothing of anybody.
For each event the customer step calls

    ready   before anything is done with it, where `is_ready` says no: what is new since the customer was here last
    see     after the profile has taken it in: traits, then segments; gives the changes of segments
    view    the names `traits` and `segments` for expressions and templates
    due     when to call `tick`, which gives the changes of segments by time alone; a timer of the customer

and where a run begins or sets attributes, `entered` and `profile_changed`. Membership is exact to the event and to the clock: between
calls nothing changes, because every moment at which time alone can change a segment has its timer. A change counts only
if both sides of it were seen: what holds when a segment is first looked at, before the event, is where it starts from.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final, NamedTuple

from xxhash import xxh3_64_intdigest

from operators.events import Event
from operators.expressions import Expression
from operators.records import to_json
from operators.segment_clock import ClockTest
from operators.trait_keepers import ByValue, Keeper
from state.traits import TraitMemory

LOOKS_MAX: Final = 8
"""Moments that are tried for one segment before a timer is set, whether or not it changes then: trying one takes about 3 us,
a timer of a customer who is not warm 50 us and more."""

MANY: Final = 32
"""Items in the windows of one segment from which on it is two moments: such a customer is busy, and mostly back before."""


class Change(NamedTuple):
    """A customer entered a segment, or left it."""

    segment: str
    entered: bool


@dataclass(frozen=True, eq=False)
class SegmentPlan:
    """One segment, compiled."""

    name: str
    condition: Expression
    windows: tuple[Keeper, ...]
    """Traits that it reads, through others, too, and that lose events by time."""
    tests: tuple[ClockTest, ...]
    """Comparisons with the time."""
    keepers: tuple[Keeper, ...]
    """Traits computed from events that it reads, through others, too."""
    expressions: tuple[tuple[str, Expression], ...]
    """The other traits that it reads, in an order in which none comes before one that it reads."""
    reads: frozenset[str]
    """Segments that it reads."""
    reads_profile: bool
    key: int
    """Under which it is kept: a hash of all that it is made of, so that a changed segment starts anew."""

    def holds(self, scope: dict[str, Any], kept: Mapping[str, Any], now: int) -> bool:
        """Whether it holds at `now`, with the values of its traits as they are kept then; `scope` is changed."""
        traits = scope["traits"] = dict(kept)
        scope["now"] = now
        for name, expression in self.expressions:
            traits[name] = expression.evaluate(scope)
        return self.condition.holds(scope)

    def kept_at(self, memory: TraitMemory, at: int) -> dict[str, Any]:
        """The values of its traits computed from events, at an instant."""
        return {keeper.name: keeper.value(memory, at) for keeper in self.keepers}


class View(Mapping[str, Any]):
    """`traits` of an expression: each computed when it is read, and once."""

    __slots__ = ("_known", "_memory", "_now", "_plan", "_profile", "_zone")

    def __init__(
        self,
        plan: "TraitPlan",
        memory: TraitMemory,
        profile: Mapping[str, Any],
        zone: tzinfo,
        now: int,
    ) -> None:
        self._plan = plan
        self._memory = memory
        self._profile = profile
        self._zone = zone
        self._now = now
        self._known: dict[str, Any] = {}

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a trait; None where there is none of the name."""
        known = self._known
        if name not in known:
            keeper = self._plan.keepers.get(name)
            if keeper is not None:
                known[name] = keeper.value(self._memory, self._now)
            elif name in self._plan.expressions:
                scope = {"traits": self, "profile": self._profile, "now": self._now, "zone": self._zone}
                known[name] = self._plan.expressions[name].evaluate(scope)
            else:
                return default
        return known[name]

    def as_record(self) -> dict[str, Any]:
        """All traits in use, as the profile's record shows them."""
        return {name: _writable(self.get(name)) for name in self}

    def __getitem__(self, name: str) -> Any:
        if name not in self._plan.keepers and name not in self._plan.expressions:
            raise KeyError(name)
        return self.get(name)

    def __repr__(self) -> str:
        return repr(dict(self))

    def __iter__(self) -> Any:
        return iter(self._plan.names)

    def __len__(self) -> int:
        return len(self._plan.names)


class TraitPlan:
    """All traits and segments in use of a workspace, compiled."""

    def __init__(
        self, keepers: Iterable[Keeper], expressions: Mapping[str, Expression], segments: Sequence[SegmentPlan]
    ) -> None:
        """Put together what was compiled.

        Args:
            keepers: Traits that are computed from events.
            expressions: Traits that are expressions.
            segments: In an order in which none comes before one that it reads.
        """
        self.keepers = {keeper.name: keeper for keeper in keepers}
        self.expressions = dict(expressions)
        self.segments = tuple(segments)
        self.names = tuple(sorted([*self.keepers, *self.expressions]))
        """Of the traits."""
        self.watches: dict[str, tuple[Keeper, ...]] = _by_event(self.keepers.values(), of_entries=False)
        """Event name -> traits that look at it."""
        self.entries: dict[str, tuple[Keeper, ...]] = _by_event(self.keepers.values(), of_entries=True)
        """Journey -> traits that count entries into it."""
        self._readers: dict[int | str, frozenset[int]] = {
            key: frozenset(
                segment.key for segment in self.segments if key in {keeper.key for keeper in segment.keepers}
            )
            for key in {keeper.key for keeper in self.keepers.values()}
        }
        self._readers["profile"] = frozenset(segment.key for segment in self.segments if segment.reads_profile)
        self._readers["zone"] = frozenset(segment.key for segment in self.segments)
        self._trait_keys = {keeper.key for keeper in self.keepers.values()}
        self._keys = sorted((segment.name, segment.key) for segment in self.segments)
        self._blank: dict[tzinfo, tuple[int, dict[int, bool]]] = {}
        """Zone -> the earliest instant from which on nobody's segments change by time alone, and what they are then."""
        self.mark = xxh3_64_intdigest(to_json([sorted(self._trait_keys), sorted(key for _, key in self._keys)]))
        """Of all definitions in use; never 0, which is that of a customer who was never here."""

    @property
    def has_clock(self) -> bool:
        """Whether time alone can change some segment."""
        return any(segment.windows or segment.tests for segment in self.segments)

    def bounds(self) -> list[str]:
        """What is kept of one customer, and what happens at the bounds, in sentences."""
        lines = [keeper.told() for _, keeper in sorted(self.keepers.items())]
        for segment in sorted(self.segments, key=lambda segment: segment.name):
            by_clock = "by events and by the clock" if segment.windows or segment.tests else "by events alone"
            lines.append(f"segment {segment.name}: changes {by_clock}")
        return lines

    # --- what the customer step calls

    def is_ready(self, memory: TraitMemory | None) -> bool:
        """Whether the customer's record knows the definitions in use."""
        return memory is not None and memory.mark == self.mark

    def ready(self, memory: TraitMemory | None, profile: Mapping[str, Any], now: int, zone: tzinfo) -> TraitMemory:
        """Bring a record up to date with the definitions in use: new segments start from what holds now."""
        if memory is None and not profile:
            return self._of_nobody(now, zone)
        return self._ready(TraitMemory() if memory is None else memory, profile, now, zone)

    def _of_nobody(self, now: int, zone: tzinfo) -> TraitMemory:
        """The record of a customer of whom nothing is known yet: most are the same, and are worked out once for each zone.

        Where no moment is left at which time alone changes a segment, what holds at one instant holds at all later ones.
        """
        since, segments = self._blank.get(zone, (now + 1, {}))
        if since <= now:
            return TraitMemory(mark=self.mark, segments=dict(segments))
        memory = self._ready(TraitMemory(), {}, now, zone)
        if not memory.due:
            self._blank[zone] = (now, dict(memory.segments))
        return memory

    def _ready(self, memory: TraitMemory, profile: Mapping[str, Any], now: int, zone: tzinfo) -> TraitMemory:
        memory.traits = {key: kept for key, kept in memory.traits.items() if key in self._trait_keys}
        known = memory.segments
        memory.segments = {segment.key: known[segment.key] for segment in self.segments if segment.key in known}
        memory.due = {}
        for segment in self.segments:
            scope = self._scope(segment, memory, profile, zone)
            kept = segment.kept_at(memory, now)
            if segment.key not in memory.segments:
                memory.segments[segment.key] = segment.holds(scope, kept, now)
            self._schedule(segment, memory, scope, kept, now)
        memory.mark = self.mark
        return memory

    def see(
        self,
        memory: TraitMemory,
        event: Event,
        profile: Mapping[str, Any],
        now: int,
        zone: tzinfo,
        is_profile_new: bool,
        is_zone_new: bool = False,
    ) -> list[Change]:
        """Take in an event, after the profile did.

        Args:
            memory: The customer's traits; changed.
            event: The event.
            profile: The customer's attributes.
            now: The clock (ms).
            zone: The customer's time zone.
            is_profile_new: Whether an attribute changed with this event.
            is_zone_new: Whether the zone did.
        """
        watches = self.watches.get(event.name)
        if watches is None and not is_profile_new and not is_zone_new:
            return []
        changed: list[int | str] = ["zone"] if is_zone_new else ["profile"] if is_profile_new else []
        if watches is not None:
            scope = {"event": event, "properties": event.properties, "profile": profile, "now": now, "zone": zone}
            when = event.time if event.time < now else now
            changed += [keeper.key for keeper in watches if keeper.take(memory, event, when, now, scope)]
        return self._settle(self._that_read(changed), memory, profile, now, zone) if changed else []

    def due(self, memory: TraitMemory) -> int | None:
        """When (ms) `tick` is due; None where time alone changes nothing."""
        return min(memory.due.values(), default=None)

    def tick(self, memory: TraitMemory, profile: Mapping[str, Any], now: int, zone: tzinfo) -> list[Change]:
        """Look at the segments that are due."""
        for keeper in self.keepers.values():
            keeper.forget(memory, now)
        return self._settle({key for key, due in memory.due.items() if due <= now}, memory, profile, now, zone)

    def entered(
        self, journey: str, memory: TraitMemory, event: Event, profile: Mapping[str, Any], now: int, zone: tzinfo
    ) -> None:
        """Count an entry, at `now`; segments that read the count change a millisecond later, and not within this event."""
        scope = {"event": event, "properties": event.properties, "profile": profile, "now": now, "zone": zone}
        for keeper in self.entries.get(journey, ()):
            if keeper.take(memory, event, now, now, scope):
                self._look_soon(keeper.key, memory, now)

    def profile_changed(self, memory: TraitMemory, now: int) -> None:
        """A step has set attributes; segments that read them change a millisecond later."""
        self._look_soon("profile", memory, now)

    def view(self, memory: TraitMemory, profile: Mapping[str, Any], now: int, zone: tzinfo) -> View:
        """`traits` at an instant."""
        return View(self, memory, profile, zone, now)

    def segments_of(self, memory: TraitMemory) -> tuple[str, ...]:
        """`segments`: the names of those that the customer is in, sorted: a template goes through a set by chance."""
        members = memory.segments
        return tuple([name for name, key in self._keys if members.get(key)])

    # --- segments

    def _that_read(self, changed: Sequence[int | str]) -> set[int]:
        return {key for name in changed for key in self._readers[name]}

    def _look_soon(self, changed: int | str, memory: TraitMemory, now: int) -> None:
        for key in sorted(self._readers[changed]):
            memory.due[key] = min(memory.due.get(key, now + 1), now + 1)

    def _settle(
        self, keys: set[int], memory: TraitMemory, profile: Mapping[str, Any], now: int, zone: tzinfo
    ) -> list[Change]:
        """Look at some segments, and at those that read one that changed."""
        changes: list[Change] = []
        if not keys:
            return changes
        changed: set[str] = set()
        for segment in self.segments:
            if segment.key not in keys and not (changed and changed & segment.reads):
                continue
            scope = self._scope(segment, memory, profile, zone)
            kept = segment.kept_at(memory, now)
            holds = segment.holds(scope, kept, now)
            if holds is not memory.segments[segment.key]:
                memory.segments[segment.key] = holds
                changed.add(segment.name)
                changes.append(Change(segment.name, holds))
            self._schedule(segment, memory, scope, kept, now)
        return changes

    def _scope(
        self, segment: SegmentPlan, memory: TraitMemory, profile: Mapping[str, Any], zone: tzinfo
    ) -> dict[str, Any]:
        """What a segment reads beside traits and time."""
        return {"profile": profile, "zone": zone, "segments": self.segments_of(memory) if segment.reads else None}

    def _schedule(
        self, segment: SegmentPlan, memory: TraitMemory, scope: dict[str, Any], kept: dict[str, Any], now: int
    ) -> None:
        """Note when the segment has to be looked at again: at the moment at which time alone changes it, or before."""
        if not segment.windows and not segment.tests:
            memory.due.pop(segment.key, None)
            return
        is_member = memory.segments[segment.key]
        is_busy = sum([keeper.size(memory) for keeper in segment.windows]) >= MANY
        at = now
        for _ in range(2 if is_busy else LOOKS_MAX):
            moment = _next_moment(segment, memory, scope, kept, at)
            if moment is None:
                memory.due.pop(segment.key, None)
                return
            at = moment
            if segment.windows:
                kept = {**kept, **{keeper.name: keeper.value(memory, at) for keeper in segment.windows}}
            if segment.holds(scope, kept, at) is not is_member:
                break
        memory.due[segment.key] = at


def _next_moment(
    segment: SegmentPlan, memory: TraitMemory, scope: dict[str, Any], kept: Mapping[str, Any], at: int
) -> int | None:
    """The next moment after `at` at which a part of the segment changes."""

    def scope_at(instant: int) -> Mapping[str, object]:
        traits = scope["traits"] = dict(kept)
        scope["now"] = instant
        for name, expression in segment.expressions:
            traits[name] = expression.evaluate(scope)
        return scope

    moments = [keeper.next_change(memory, at) for keeper in segment.windows]
    moments += [test.next_change(scope_at, at) for test in segment.tests]
    return min((moment for moment in moments if moment is not None), default=None)


def _by_event(keepers: Iterable[Keeper], *, of_entries: bool) -> dict[str, tuple[Keeper, ...]]:
    """Name of an event, or a journey -> what looks at it; traits of one definition share what they keep, and see it once."""
    found: dict[str, dict[int, Keeper]] = {}
    for keeper in sorted(keepers, key=lambda keeper: keeper.name):
        if (keeper.kind == "entries") is of_entries:
            for event in keeper.events:
                found.setdefault(event, {}).setdefault(keeper.key, keeper)
    return {event: tuple(these.values()) for event, these in found.items()}


def _writable(value: Any) -> Any:
    """A trait's value as JSON has it: keys are texts."""
    if isinstance(value, ByValue):
        return {key if type(key) is str else to_json(key).decode(): number for key, number in value.items()}
    return value
