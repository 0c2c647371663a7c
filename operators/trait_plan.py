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
"""Moments that are tried for one segment before a timer is set, whether or not it changes then: trying one is a hundred
times cheaper than a timer, and most customers have fewer events in a window."""


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
    reads: frozenset[str]
    """Segments that it reads."""
    reads_traits: frozenset[int]
    """Keys of the traits computed from events that it reads, through others, too."""
    reads_profile: bool
    key: int
    """Under which it is kept: a hash of all that it is made of, so that a changed segment starts anew."""


class View(Mapping[str, Any]):
    """`traits` of an expression: each computed when it is read, and once."""

    __slots__ = ("_known", "_memory", "_now", "_plan", "_profile", "_windows_at", "_zone")

    def __init__(
        self,
        plan: "TraitPlan",
        memory: TraitMemory,
        profile: Mapping[str, Any],
        zone: tzinfo,
        now: int,
        windows_at: int | None = None,
    ) -> None:
        self._plan = plan
        self._memory = memory
        self._profile = profile
        self._zone = zone
        self._now = now
        self._windows_at = now if windows_at is None else windows_at
        self._known: dict[str, Any] = {}

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a trait; None where there is none of the name."""
        known = self._known
        if name not in known:
            keeper = self._plan.keepers.get(name)
            if keeper is not None:
                known[name] = keeper.value(self._memory, self._windows_at)
            elif name in self._plan.expressions:
                known[name] = self._plan.expressions[name].evaluate(self.scope())
            else:
                return default
        return known[name]

    def scope(self) -> dict[str, Any]:
        """What the expression of a trait or a segment reads."""
        return {
            "traits": self,
            "profile": self._profile,
            "segments": self._plan.segments_of(self._memory),
            "now": self._now,
            "zone": self._zone,
        }

    def as_record(self) -> dict[str, Any]:
        """All traits in use, as the profile's record shows them."""
        return {name: _writable(self.get(name)) for name in self}

    def __getitem__(self, name: str) -> Any:
        if name not in self._plan.keepers and name not in self._plan.expressions:
            raise KeyError(name)
        return self.get(name)

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
            key: frozenset(segment.key for segment in self.segments if key in segment.reads_traits)
            for key in {keeper.key for keeper in self.keepers.values()}
        }
        self._readers["profile"] = frozenset(segment.key for segment in self.segments if segment.reads_profile)
        self._readers["zone"] = frozenset(segment.key for segment in self.segments)
        self._trait_keys = {keeper.key for keeper in self.keepers.values()}
        self._by_key = {segment.key: segment for segment in self.segments}
        self.mark = xxh3_64_intdigest(to_json([sorted(self._trait_keys), sorted(self._by_key)]))
        """Of all definitions in use; never 0, which is that of a customer who was never here."""

    # --- what the customer step calls

    def is_ready(self, memory: TraitMemory | None) -> bool:
        """Whether the customer's record knows the definitions in use."""
        return memory is not None and memory.mark == self.mark

    def ready(self, memory: TraitMemory | None, profile: Mapping[str, Any], now: int, zone: tzinfo) -> TraitMemory:
        """Bring a record up to date with the definitions in use: new segments start from what holds now."""
        if memory is None:
            memory = TraitMemory()
        memory.traits = {key: kept for key, kept in memory.traits.items() if key in self._trait_keys}
        known = memory.segments
        memory.segments = {key: known[key] for key in self._by_key if key in known}
        memory.due = {}
        for segment in self.segments:
            view = View(self, memory, profile, zone, now)
            if segment.key not in memory.segments:
                memory.segments[segment.key] = segment.condition.holds(view.scope())
            self._schedule(segment, memory, profile, now, zone)
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

    def segments_of(self, memory: TraitMemory) -> frozenset[str]:
        """`segments`: the names of those that the customer is in."""
        members = memory.segments
        return frozenset([segment.name for segment in self.segments if members.get(segment.key)])

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
        view = View(self, memory, profile, zone, now)
        for segment in self.segments:
            if segment.key not in keys and not (changed and changed & segment.reads):
                continue
            holds = segment.condition.holds(view.scope())
            if holds is not memory.segments[segment.key]:
                memory.segments[segment.key] = holds
                changed.add(segment.name)
                changes.append(Change(segment.name, holds))
            self._schedule(segment, memory, profile, now, zone)
        return changes

    def _schedule(
        self, segment: SegmentPlan, memory: TraitMemory, profile: Mapping[str, Any], now: int, zone: tzinfo
    ) -> None:
        """Note when the segment has to be looked at again."""
        due = self._next_look(segment, memory, profile, now, zone)
        if due is None:
            memory.due.pop(segment.key, None)
        else:
            memory.due[segment.key] = due

    def _next_look(
        self, segment: SegmentPlan, memory: TraitMemory, profile: Mapping[str, Any], now: int, zone: tzinfo
    ) -> int | None:
        """The moment at which time alone changes the segment, or one before it."""
        if not segment.windows and not segment.tests:
            return None
        is_member = memory.segments[segment.key]
        at = now
        for _ in range(LOOKS_MAX):
            moment = self._next_moment(segment, memory, profile, at, zone)
            if moment is None:
                return None
            at = moment
            if segment.condition.holds(View(self, memory, profile, zone, at).scope()) is not is_member:
                break
        return at

    def _next_moment(
        self, segment: SegmentPlan, memory: TraitMemory, profile: Mapping[str, Any], at: int, zone: tzinfo
    ) -> int | None:
        """The next moment at which a part of the segment changes."""

        def scope_at(instant: int) -> Mapping[str, object]:
            return View(self, memory, profile, zone, instant, windows_at=at).scope()

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
