"""The oracle of traits and segments: it keeps every event for ever and recomputes everything from scratch, at any instant.

No windows that move, no buckets, no running sums, no timers, nothing of the engine but the expressions, which have tests of
their own: where the two differ, one of them is wrong. The words of the design:

- An event counts at `when`, its event time or the clock at which it was read, whichever is earlier. A window is half-open:
  at `at`, it holds what has `at - within < when <= at`. Who read it later than that never saw it.
- Empty counts and sums are 0, everything else None; of a trait by value, each value for itself.
- `first` and `last` are by event time, of equal times by read order; `top` is the value of most events, of equals that with
  the latest event, of those the one read last.
- An entry counts when it happened, for everybody who looks from the next millisecond on (segments) or at once (traits).
- A segment changes when its condition does, at a millisecond; where it was before anything was known of it is no change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

from operators.expressions import Expression, compile_expression
from operators.paths import compile_path

NUMBER_KINDS = ("sum", "mean", "min", "max")


@lru_cache(1000)
def compiled(text: str, *names: str) -> Expression:
    return compile_expression(text, names)


class ByKey(Mapping[Any, Any]):
    """A value by key for expressions: what is not there is what no event gives."""

    def __init__(self, pairs: list[tuple[Any, Any]], empty: Any) -> None:
        self.pairs = pairs
        self.when_missing = empty

    def __getitem__(self, key: Any) -> Any:
        return next((value for known, value in self.pairs if same(known, key)), self.when_missing)

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key]

    def __iter__(self) -> Any:
        return iter([key for key, _ in self.pairs])

    def __len__(self) -> int:
        return len(self.pairs)


def is_number(value: Any) -> bool:
    return type(value) in (int, float)


def same(one: Any, other: Any) -> bool:
    """Equal values of a property: 7 is 7.0, true is not 1."""
    return (type(one) is bool) == (type(other) is bool) and one == other


@dataclass
class Seen:
    """One event that a trait took: when, in which order it was read, and what it held."""

    when: int
    number: int
    read_at: int
    values: list[Any]
    keys: list[Any]


@dataclass
class TraitOracle:
    """One trait, as `traits.yaml` has it: `{sum: properties.x, of: [A], within: 5}`, durations in ms."""

    name: str
    spec: dict[str, Any]
    seen: list[Seen] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return next(key for key in self.spec if key not in ("of", "where", "by", "within"))

    def read(self, event: Any, number: int, now: int, profile: dict[str, Any], journey: str | None = None) -> None:
        """Take an event, or, with the name of a journey, an entry that it caused."""
        kind, spec = self.kind, self.spec
        names = spec["count"] if kind == "count" else spec.get("of", [])
        if (journey != spec["entries"]) if kind == "entries" else (journey is not None or event.name not in names):
            return
        when = now if journey else min(event.time, now)
        if spec.get("within") and not now - spec["within"] < when:
            return
        where = spec.get("where")
        scope = {"event": event, "properties": event.properties, "profile": profile, "now": now}
        if where and not compiled(where, *scope).holds(scope):
            return
        values: list[Any] = [None]
        if kind not in ("count", "entries"):
            path = compile_path(spec[kind])
            values = (path.values if kind in ("top", "unique") else path.every)(event)
            if kind in NUMBER_KINDS:
                values = [value for value in values if is_number(value)]
            if kind in ("top", "unique"):
                values = [value for value in values if is_number(value) or type(value) in (str, bool)]
        keys = [None]
        if spec.get("by"):
            keys = [key for key in compile_path(spec["by"]).values(event) if is_number(key) or type(key) in (str, bool)]
        self.seen.append(Seen(when, number, now, values, keys))

    def value(self, at: int) -> Any:
        """The value at an instant, with all that was read by then."""
        within = self.spec.get("within")
        there = [one for one in self.seen if one.read_at <= at and (not within or at - within < one.when <= at)]
        if not self.spec.get("by"):
            return self.of([(one, value) for one in there for value in one.values])
        keys: list[Any] = []
        for one in there:
            keys += [key for key in one.keys if one.values and not any(same(key, known) for known in keys)]
        pairs = [
            (key, self.of([(one, v) for one in there if any(same(key, k) for k in one.keys) for v in one.values]))
            for key in keys
        ]
        return ByKey(pairs, self.of([]))

    def of(self, items: list[tuple[Seen, Any]]) -> Any:
        """The value of some events."""
        kind = self.kind
        items = sorted(items, key=lambda item: (item[0].when, item[0].number))
        values = [value for _, value in items]
        match kind:
            case "count" | "entries":
                return len(values)
            case "sum" | "mean":
                total = sum(map(Fraction, values), Fraction())
                whole = all(type(value) is int for value in values)
                number = int(total) if whole else float(total)
                if kind == "sum":
                    return number
                return number / len(values) if values else None
            case "min":
                return min(values, default=None)
            case "max":
                return max(values, default=None)
            case "first":
                return values[0] if values else None
            case "last":
                return values[-1] if values else None
        different: list[Any] = []
        for value in values:
            if not any(same(value, other) for other in different):
                different.append(value)
        if kind == "unique":
            return len(different)

        def rank(value: Any) -> tuple[int, int, tuple[int, int]]:
            events = [one for one, other in items if same(value, other)]
            read = [(one.number, place) for one in self.seen for place, v in enumerate(one.values) if same(value, v)]
            return len(events), max(one.when for one in events), max(read)

        return max(different, key=rank, default=None)


@dataclass
class SegmentOracle:
    """Segments over traits, at every millisecond."""

    traits: dict[str, TraitOracle]
    expressions: dict[str, str]
    segments: dict[str, str]
    profile: dict[str, Any] = field(default_factory=dict)

    def trait_values(self, at: int) -> dict[str, Any]:
        """All traits at an instant."""
        values = {name: trait.value(at) for name, trait in self.traits.items()}
        for name, text in self.expressions.items():  # in an order in which none reads a later one
            scope = {"traits": values, "profile": self.profile, "now": at}
            values[name] = compiled(text, *scope).evaluate(scope)
        return values

    def members(self, at: int) -> set[str]:
        """The segments that hold at an instant."""
        members: set[str] = set()
        scope = {"traits": self.trait_values(at), "profile": self.profile, "now": at, "segments": members}
        for name, text in self.segments.items():  # the same
            if compiled(text, *scope).holds(scope):
                members.add(name)
        return members
