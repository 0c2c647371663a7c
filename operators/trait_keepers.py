"""One trait that is computed from events: which events it takes, what it keeps of them, and its value.

Built by `operators.trait_plan` from what `traits.yaml` says. All that is kept is in the customer's record; a keeper itself
holds nothing and is shared by all customers. `operators.trait_windows` is the arithmetic.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import ge, le
from typing import Any, Final

import orjson
from xxhash import xxh3_64_intdigest

from operators.durations import format_duration
from operators.events import Event
from operators.expression_values import NUMBERS, SCALARS, bounded
from operators.expressions import Expression
from operators.paths import Path
from operators.pattern_repeats import token_of
from operators.records import storable, to_json
from operators.trait_windows import Count, Extreme, First, Kind, Last, Mean, Sum, Window
from state.traits import Kept, TraitMemory

EVENTS_MAX: Final = 256
"""Events that a trait with a window keeps one by one; twenty orders or a hundred sessions are many."""

EVENTS_BY_VALUE_MAX: Final = 64
"""The same for each value of a trait with `by`, and of `top`."""

VALUES_MAX: Final = 100
"""Values of one trait with `by`, and of `top`: those not seen for longest are forgotten first."""

UNIQUE_MAX: Final = 1_000
"""The same for `unique`, which keeps but one time of each."""

VALUE_BYTES_MAX: Final = 1_000
"""As JSON, of what `first` and `last` keep; events with more are passed over."""

NUMBERS_OF: Final = ("count", "sum", "mean", "min", "max", "entries")
"""Kinds that give a number, and can have `by`."""


@dataclass(frozen=True, eq=False)
class Keeper:
    """A trait computed from events, compiled."""

    name: str
    kind: str
    """`count`, `sum`, `mean`, `min`, `max`, `first`, `last`, `top`, `unique` or `entries`."""
    events: tuple[str, ...]
    """Names of the events that it looks at; of `entries`, the journey."""
    path: Path | None
    where: Expression | None
    by: Path | None
    within: int | None
    """ms; None for ever."""
    key: int
    """Under which it is kept: a hash of all of this but the name, so that what is kept never changes its meaning."""
    rule: Kind
    values_max: int
    is_plain: bool
    """Whether all events are kept together, whatever they hold."""

    # --- events in

    def take(self, memory: TraitMemory, event: Event, when: int, now: int, scope: Mapping[str, object]) -> bool:
        """Take in an event of one of the names, as of `when`; whether that can change the value at `now`."""
        if self.within is not None and when <= now - self.within:
            return False
        if self.where is not None and not self.where.holds(scope):
            return False
        values = self._values(event)
        if not values:
            return False
        cells = memory.traits.get(self.key)
        if cells is None:
            cells = memory.traits[self.key] = {}
        add = self.rule.add
        if self.kind in _BY_OWN_VALUE:
            for token in values:
                self._add(cells, token, when, None, now)
        elif self.by is None:
            kept = cells.get("")
            if kept is None:
                kept = cells[""] = Kept()
            for value in values:
                add(kept, when, value, now)
        else:
            for token in _tokens(self.by.values(event)):
                for value in values:
                    self._add(cells, token, when, value, now)
        if not cells:
            del memory.traits[self.key]
        return True

    def _values(self, event: Event) -> list[Any]:
        """What the event holds for this trait; for a count, one item."""
        path = self.path
        if path is None:
            return [None]
        if self.kind in _BY_OWN_VALUE:
            return _tokens(path.values(event))
        found = path.every(event)
        if self.kind in ("first", "last"):
            found = [value for value in map(storable, found) if len(to_json(value)) <= VALUE_BYTES_MAX]
            return found[-1:] if self.kind == "last" else found[:1]
        return [value for value in found if type(value) in NUMBERS and bounded(value) is not None]

    def _add(self, cells: dict[str, Kept], token: str, when: int, value: Any, now: int) -> None:
        """Take in an event under one value, as the one that was read last."""
        kept = cells.pop(token, None)
        if kept is None:
            kept = Kept()
            if len(cells) >= self.values_max or (len(cells) >= 8 and not len(cells) & (len(cells) - 1)):
                self._make_room(cells, now)
        cells[token] = kept
        self.rule.add(kept, when, value, now)

    def _make_room(self, cells: dict[str, Kept], now: int) -> None:
        """Drop values whose events have all left the window (at powers of two, too), then, at the bound, the oldest."""
        for token in [token for token, kept in cells.items() if self.rule.is_over(kept, now)]:
            del cells[token]
        if len(cells) >= self.values_max:
            del cells[next(iter(cells))]

    def forget(self, memory: TraitMemory, now: int) -> None:
        """Drop what is over; it counts no more already."""
        cells = memory.traits.get(self.key)
        if cells is None or self.within is None:
            return
        for token in [token for token, kept in cells.items() if self.rule.is_over(kept, now)]:
            del cells[token]
        if not cells:
            del memory.traits[self.key]

    # --- values out

    def value(self, memory: TraitMemory, at: int) -> Any:
        """The trait's value at an instant (ms) that is not before the last event."""
        cells = memory.traits.get(self.key, _NOTHING)
        if self.is_plain:
            kept = cells.get("")
            return self.rule.empty if kept is None else self.rule.value(kept, at)
        if self.by is not None:
            return ByValue(self.rule, cells, at)
        if self.kind == "top":
            return self._top(cells, at)
        return len(cells) - sum(self.rule.is_over(kept, at) for kept in cells.values())

    def _top(self, cells: Mapping[str, Kept], at: int) -> Any:
        """The value of most events; of equals, that of the latest event, and of those the one that was read last."""
        best, most = "", (0, 0)
        for token, kept in cells.items():
            here = (self.rule.value(kept, at), kept.times[-1])
            if here[0] and here >= most:
                best, most = token, here
        return _value_of(best) if most[0] else None

    def next_change(self, memory: TraitMemory, at: int) -> int | None:
        """When (ms), after `at`, the next event leaves the window; None where none does."""
        if self.within is None:
            return None
        cells = memory.traits.get(self.key, _NOTHING)
        if self.is_plain:
            kept = cells.get("")
            return None if kept is None else self.rule.next_change(kept, at)
        changes = [change for kept in cells.values() if (change := self.rule.next_change(kept, at)) is not None]
        return min(changes, default=None)

    def size(self, memory: TraitMemory) -> int:
        """How many items are kept, about as many as there can be changes by time."""
        return sum([len(kept.times) for kept in memory.traits.get(self.key, _NOTHING).values()])

    def told(self) -> str:
        """What is exact and what is not, for `check -v`."""
        parts = []
        if self.by is not None or self.kind in _BY_OWN_VALUE:
            parts.append(f"the {self.values_max:,} values seen last")
        if isinstance(self.rule.window, Window) and self.kind not in ("last", "unique"):
            window, each = self.rule.window, " of each value" if parts else ""
            parts.append(
                f"exact up to {window.events_max} events{each} in {format_duration(window.within)}; of more, the older ones in "
                f"buckets of {_about(window.width)}, which may leave the window that much too late"
            )
        return f"trait {self.name}: {'; '.join(parts) or 'exact'}"


class ByValue(Mapping[Any, Any]):
    """The value of a trait with `by`: a mapping from value to number, each computed when it is asked for."""

    __slots__ = ("_at", "_cells", "_rule")

    def __init__(self, rule: Kind, cells: Mapping[str, Kept], at: int) -> None:
        self._rule = rule
        self._cells = cells
        self._at = at

    @property
    def when_missing(self) -> Any:
        """What a value reads that has no events: 0 for counts and sums."""
        return self._rule.empty

    def __getitem__(self, key: Any) -> Any:
        if type(key) not in SCALARS:
            return None
        kept = self._cells.get(token_of(key))
        return (
            self._rule.empty if kept is None or self._rule.is_over(kept, self._at) else self._rule.value(kept, self._at)
        )

    def get(self, key: Any, default: Any = None) -> Any:
        """The number of a value."""
        return self[key]

    def __contains__(self, key: object) -> bool:
        if type(key) not in SCALARS:
            return False
        kept = self._cells.get(token_of(key))
        return kept is not None and not self._rule.is_over(kept, self._at)

    def __iter__(self) -> Iterator[Any]:
        """The values, numbers and flags before texts, each in their order: as in JSON with sorted keys."""
        here = sorted(token for token, kept in self._cells.items() if not self._rule.is_over(kept, self._at))
        return map(_value_of, here)

    def __repr__(self) -> str:
        return repr(dict(self))

    def __len__(self) -> int:
        return sum(not self._rule.is_over(kept, self._at) for kept in self._cells.values())


_BY_OWN_VALUE: Final = ("top", "unique")
_HASHED: Final = "\x00#"
"""How `token_of` begins what it made of a value of more than 200 characters."""
_NOTHING: Final[dict[str, Kept]] = {}


_UNITS: Final = (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000), ("ms", 1))


def _about(duration_ms: int) -> str:
    """A width in a unit that a person would choose: `33.8 hours`."""
    name, unit_ms = next((name, ms) for name, ms in _UNITS if duration_ms >= 2 * ms or ms == 1)
    return f"{duration_ms / unit_ms:.3g} {name}"


def build_keeper(
    name: str,
    kind: str,
    events: tuple[str, ...],
    *,
    path: Path | None = None,
    where: Expression | None = None,
    by: Path | None = None,
    within: int | None = None,
) -> Keeper:
    """Compile one trait."""
    events = tuple(sorted(set(events)))
    definition = [kind, events, path and path.text, where and where.text, by and by.text, within]
    many = by is not None or kind in _BY_OWN_VALUE
    window = None if within is None else Window(within, EVENTS_BY_VALUE_MAX if many else EVENTS_MAX)
    return Keeper(
        name,
        kind,
        events,
        path,
        where,
        by,
        within,
        xxh3_64_intdigest(to_json(definition)),
        _rule(kind, window),
        UNIQUE_MAX if kind == "unique" else VALUES_MAX,
        not many,
    )


def _rule(kind: str, window: Window | None) -> Kind:
    match kind:
        case "sum":
            return Sum(window)
        case "mean":
            return Mean(window)
        case "min":
            return Extreme(window, le)
        case "max":
            return Extreme(window, ge)
        case "first":
            return First(window)
        case "last" | "unique":
            return Last(window)
        case _:
            return Count(window)


def _tokens(values: list[object]) -> list[str]:
    """The tokens of values that can be keys: flags, numbers, and texts that are not a whole page."""
    tokens = [
        token_of(value)
        for value in values
        if type(value) in SCALARS and bounded(value if type(value) in NUMBERS else 0) is not None
    ]
    return [token for token in tokens if not token.startswith(_HASHED)]


def _value_of(token: str) -> Any:
    """What `token_of` made the token from."""
    return orjson.loads(token[1:]) if token.startswith("\x00") else token
