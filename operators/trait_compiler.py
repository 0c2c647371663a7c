"""Traits and segments, compiled together: who reads whom, what is in use, and what cannot be.

`operators.workspace` asks for the mistakes of all that is written, `operators.plan` for the plan of what is in use.
"""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Final, NamedTuple

from xxhash import xxh3_64_intdigest

from operators.durations import parse_duration
from operators.expression_error import ExpressionError
from operators.expression_kinds import MAPPING, NUMBER, TEXT, kind_mistakes, kind_of
from operators.expression_tree import Tree, parse
from operators.expression_uses import Uses, uses_of
from operators.expressions import Expression, compile_expression
from operators.paths import compile_path
from operators.records import to_json
from operators.segment_clock import ClockTest, Sort, changes_by_clock
from operators.trait_definitions import SEGMENT_NAMES, TRAIT_NAMES, TRAIT_WHERE_NAMES, Trait
from operators.trait_keepers import Keeper, build_keeper
from operators.trait_plan import SegmentPlan, TraitPlan

CHAIN_MAX: Final = 20
"""Traits and segments that read each other in a row; reading one recurses."""


class Mistake(NamedTuple):
    """What is wrong with a trait or a segment, seen beside the others."""

    is_segment: bool
    name: str
    key: str | None
    """The field of the trait."""
    message: str


class Timing(NamedTuple):
    """How something changes by time alone."""

    sort: Sort
    windows: frozenset[str]
    """Traits that lose events by time."""
    tests: tuple[ClockTest, ...]


class Definitions:
    """All traits and segments of a workspace, valid each for itself."""

    def __init__(self, traits: Mapping[str, Trait], segments: Mapping[str, str], wrong: Collection[str] = ()) -> None:
        """Gather who reads whom; `wrong` are names of others, of which is told already that they are wrong."""
        self._wrong = frozenset(wrong)
        self.traits = dict(sorted(traits.items()))
        self.segments = dict(sorted(segments.items()))
        self._uses = {f"traits.{name}": uses_of(parse(one.expr)) for name, one in traits.items() if one.expr}
        self._uses |= {f"segments.{name}": uses_of(parse(text)) for name, text in segments.items()}
        self._timings: dict[str, Timing] = {}

    def mistakes_in(self, uses: Uses, tree: Tree | None) -> Iterator[str]:
        """What is wrong with how something else reads traits and segments: names that are none, kinds that do not fit."""
        yield from self.unknown(uses)
        if tree is not None:
            yield from map(str, kind_mistakes(tree, self.kinds))

    @cached_property
    def kinds(self) -> dict[str, str | None]:
        """Kinds of the traits, where they are known."""
        kinds: dict[str, str | None] = {}
        for name in self._in_order(self.traits):
            trait = self.traits[name]
            if trait.expr:
                kinds[name] = kind_of(parse(trait.expr), kinds)
            elif trait.kind in ("first", "last"):
                kinds[name] = {"time": NUMBER, "name": TEXT}.get(trait.first or trait.last or "")
            elif trait.kind != "top":
                kinds[name] = NUMBER if trait.by is None else MAPPING
        return kinds

    def unknown(self, uses: Uses) -> Iterator[str]:
        """A sentence for each trait and segment that is read and not there."""
        for kind, names, there in (
            ("trait", uses.traits, self.traits),
            ("segment", uses.segments, self.segments),
        ):
            for name in sorted(names - there.keys() - self._wrong):
                yield f"there is no {kind} {name!r}; {_nearest(name, {*there, *self._wrong}, kind)}"

    # --- mistakes

    def mistakes(self, journeys: Collection[str] | None = None) -> Iterator[Mistake]:
        """Everything that is wrong, in the order of the names; a segment that cannot be scheduled, too.

        Args:
            journeys: Names of the journeys, or None where they are not known.
        """
        broken = set()
        for name, trait in self.traits.items():
            uses = self._uses.get(f"traits.{name}")
            if uses is not None:
                for message in self._mistakes_of(f"traits.{name}", uses):
                    broken.add(f"traits.{name}")
                    yield Mistake(False, name, "expr", message)
            for key, text in (("expr", trait.expr), ("where", trait.where)):
                if text and f"traits.{name}" not in broken:
                    yield from (Mistake(False, name, key, str(one)) for one in kind_mistakes(parse(text), self.kinds))
            if trait.entries is not None and journeys is not None and trait.entries not in journeys:
                message = f"there is no journey {trait.entries!r}; {_nearest(trait.entries, journeys, 'journey')}"
                yield Mistake(False, name, "entries", message)
        for name in self.segments:
            place = f"segments.{name}"
            for message in self._mistakes_of(place, self._uses[place]):
                broken.add(place)
                yield Mistake(True, name, None, message)
        for name in self.segments:
            place = f"segments.{name}"
            if not broken & {place, *self._below(place)}:
                kinds = kind_mistakes(parse(self.segments[name]), self.kinds)
                yield from (Mistake(True, name, None, str(one)) for one in kinds)
                try:
                    self._check_clock(name)
                except ExpressionError as error:
                    yield Mistake(True, name, None, str(error))

    def _mistakes_of(self, place: str, uses: Uses) -> Iterator[str]:
        yield from self.unknown(uses)
        for root, is_whole in (("traits", uses.all_traits), ("segments", uses.all_segments)):
            if is_whole:
                how = "traits.NAME" if root == "traits" else '"NAME" in segments'
                yield f"`{root}` as a whole cannot be read here, where it would be part of itself; write {how}"
        path = self._cycle(place)
        if path:
            yield f"it is made of itself: {' reads '.join(path)}; leave one of them out"
        elif self._depth(place) > CHAIN_MAX:
            yield f"it reads a chain of more than {CHAIN_MAX} traits and segments; write it with fewer"

    def _read_by(self, place: str) -> list[str]:
        """The traits and segments that one reads, as places."""
        uses = self._uses.get(place)
        if uses is None:
            return []
        read = [f"traits.{name}" for name in sorted(uses.traits) if name in self.traits]
        return read + [f"segments.{name}" for name in sorted(uses.segments) if name in self.segments]

    def _below(self, place: str) -> set[str]:
        """All that one reads, through others, too."""
        found: set[str] = set()
        waiting = self._read_by(place)
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += self._read_by(one)
        return found

    def _cycle(self, place: str) -> list[str]:
        """The way from a place back to itself, if there is one."""
        ways = [[place]]
        seen: set[str] = set()
        while ways:
            way = ways.pop()
            for one in self._read_by(way[-1]):
                if one == place:
                    return [*way, one]
                if one not in seen:
                    seen.add(one)
                    ways.append([*way, one])
        return []

    def _depth(self, place: str) -> int:
        """How many read each other in a row, from a place that is in no cycle; enough to know that they are too many."""
        level, depth = {place}, 0
        while level and depth <= CHAIN_MAX:
            level = {below for one in level for below in self._read_by(one)}
            depth += 1
        return depth

    # --- the clock

    def _check_clock(self, name: str) -> None:
        if self.timing(f"segments.{name}").sort == "running":
            text = self.segments[name]
            raise ExpressionError(f"{text!r} is a number, not a condition: compare it, as in: days_since(...) > 60")

    def changes_by_clock(self, trait: str) -> bool:
        """Whether time alone changes a trait, or it cannot be known."""
        try:
            timing = self.timing(f"traits.{trait}")
        except ExpressionError:
            return True
        return timing.sort != "still" or bool(timing.windows)

    def timing(self, place: str) -> Timing:
        """How a trait or segment changes by time alone.

        Raises:
            ExpressionError: it cannot be known beforehand when.
        """
        if place not in self._timings:
            self._timings[place] = self._timing(place)
        return self._timings[place]

    def _timing(self, place: str) -> Timing:
        root, _, name = place.partition(".")
        if root == "traits" and not self.traits[name].expr:
            windowed = self.traits[name].within is not None
            return Timing("still", frozenset([name] if windowed else ()), ())
        text = self.segments[name] if root == "segments" else self.traits[name].expr or ""
        # What a segment reads of segments has timers of its own.
        below = {one: self.timing(one) for one in self._read_by(place) if one.startswith("traits.")}
        try:
            sort, tests = changes_by_clock(
                text, {one.removeprefix("traits."): timing.sort for one, timing in below.items()}
            )
        except ExpressionError as error:
            if root == "traits":
                raise ExpressionError(f"the trait {name!r} changes by the clock: {error}", error.column) from None
            raise
        windows = frozenset().union(*(timing.windows for timing in below.values()))
        return Timing(sort, windows, (*tests, *(test for timing in below.values() for test in timing.tests)))

    # --- the plan

    def plan(self, uses: Uses) -> TraitPlan | None:
        """Compile what is in use, directly or through others; None where nothing is."""
        wanted = {f"traits.{name}" for name in (self.traits if uses.all_traits else uses.traits)}
        wanted |= {f"segments.{name}" for name in (self.segments if uses.all_segments else uses.segments)}
        wanted &= {*(f"traits.{name}" for name in self.traits), *(f"segments.{name}" for name in self.segments)}
        wanted |= {below for place in wanted for below in self._below(place)}
        if not wanted:
            return None
        keepers: dict[str, Keeper] = {}
        expressions: dict[str, Expression] = {}
        for name, trait in self.traits.items():
            if f"traits.{name}" in wanted:
                if trait.expr:
                    expressions[name] = compile_expression(trait.expr, TRAIT_NAMES)
                else:
                    keepers[name] = _keeper(name, trait)
        segments = [place for place in wanted if place.startswith("segments.")]
        segments.sort(
            key=lambda place: (len([one for one in self._below(place) if one.startswith("segments.")]), place)
        )
        return TraitPlan(
            keepers.values(), expressions, [self._segment(place, keepers, expressions) for place in segments]
        )

    def _segment(self, place: str, keepers: Mapping[str, Keeper], expressions: Mapping[str, Expression]) -> SegmentPlan:
        name = place.removeprefix("segments.")
        timing = self.timing(place)
        condition = compile_expression(self.segments[name], SEGMENT_NAMES)
        traits, waiting = set(), sorted(self._uses[place].traits)
        while waiting:
            trait = waiting.pop()
            if trait not in traits:
                traits.add(trait)
                waiting += self._uses[f"traits.{trait}"].traits if trait in expressions else ()
        return SegmentPlan(
            name,
            condition,
            tuple(keepers[trait] for trait in sorted(timing.windows)),
            timing.tests,
            tuple(keepers[trait] for trait in sorted(traits & keepers.keys())),
            tuple((trait, expressions[trait]) for trait in self._in_order(traits & expressions.keys())),
            self._uses[place].segments,
            any("profile" in one.names for one in (condition, *(expressions[t] for t in traits & expressions.keys()))),
            self._key(place, keepers),
        )

    def _in_order(self, traits: Collection[str]) -> list[str]:
        """None before one that it reads."""
        return sorted(traits, key=lambda trait: (len(self._below(f"traits.{trait}")), trait))

    def _key(self, place: str, keepers: Mapping[str, Keeper]) -> int:
        """A hash of all that a segment is made of."""
        parts: list[object] = [place]
        for one in sorted({place, *self._below(place)}):
            root, _, name = one.partition(".")
            if root == "segments":
                parts.append([one, self.segments[name]])
            else:
                parts.append([one, keepers[name].key if name in keepers else self.traits[name].expr])
        return xxh3_64_intdigest(to_json(parts))


def _keeper(name: str, trait: Trait) -> Keeper:
    kind = trait.kind
    events = trait.count if kind == "count" else [trait.entries] if kind == "entries" else trait.of
    return build_keeper(
        name,
        kind,
        tuple(event for event in events or () if event is not None),
        path=None if kind in ("count", "entries") else compile_path(getattr(trait, kind)),
        where=compile_expression(trait.where, TRAIT_WHERE_NAMES) if trait.where else None,
        by=compile_path(trait.by) if trait.by else None,
        within=parse_duration(trait.within) if trait.within else None,
    )


def _nearest(word: str, names: Collection[str], kind: str) -> str:
    near = get_close_matches(word, sorted(names), 1)
    if near:
        return f"did you mean {near[0]!r}?"
    if names:
        return f"there are: {', '.join(sorted(names))}"
    return "write one of this name" if kind == "journey" else f"write it in {kind}s.yaml"
