"""The search for a match: which remembered events of one value, one of them just read, are what a pattern of elements says.

Candidates are tried in the order in which a match is to be preferred: the earliest first event, then the earliest second, and
so on, in an earlier element rather than in a later one (so repeats are greedy). The first that holds is the match. An event
just read is nearly always the newest and then the last of the match, so most searches end before they begin.

A search is bounded: where what was matched before decides what may come next (`distinct`, or a `where` that reads `matched` or
an `as` name), a log made for it could keep it going for ever. After `STEPS_MAX` steps the event completes no match.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from operators.events import Event
from operators.expressions import Expression

ROLE_BITS = 16
"""Of a remembered event: `event time << ROLE_BITS | roles`. Times up to the year 9999 stay inside of 64 bits."""
ALL_ROLES = (1 << ROLE_BITS) - 1

STEPS_MAX = 50_000
"""Events looked at in one search; an expression that reads of the match counts for `EXPRESSION_STEPS`. That is some 50 ms. What
can need more is a pattern with `distinct`, or with a `where` that reads `matched` or an `as` name, and a log made for it."""

EXPRESSION_STEPS = 20

Scope = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Without:
    """What must not have happened."""

    bit: int
    where: Expression | None
    """The part that reads of the match; what does not was decided when the event was read."""


@dataclass(frozen=True, eq=False)
class Part:
    """One element of a pattern, as the search sees it."""

    bit: int
    """Events that can be in it have this role."""
    least: int
    most: int
    optional: bool = False
    strict: bool = False
    where: Expression | None = None
    """As in `Without`."""
    distinct: int = -1
    """Which of the remembered tokens must differ; -1 for none."""
    as_name: str | None = None
    without: Without | None = None
    """Over the span."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A pattern, as the search sees it."""

    parts: Sequence[Part]
    within: int
    """ms; 0 where there is one event."""
    windows: Sequence[Without] = ()
    """Not in the whole of `within`."""
    absent: Without | None = None
    """Not after the last."""
    where: Expression | None = None
    """`enter.where`."""
    forgets: bool = True
    """Whether how the search came to an event, but for the first of the match, plays no part in how it goes on from there."""
    reads_first: bool = False
    """Whether the first of the match plays one."""
    where_reads_ends: bool = False
    """Whether `where` reads at most the first and the last of the match."""

    def nexts(self, part: int) -> Sequence[int]:
        """The parts that can come after one (-1 before the first): up to the first that is not optional."""
        found = []
        for index in range(part + 1, len(self.parts)):
            found.append(index)
            if not self.parts[index].optional:
                break
        return found


class Search:
    """One search: see `find`."""

    def __init__(
        self,
        shape: Shape,
        bucket: list[int],
        tokens: Callable[[int], Sequence[str | None]],
        event_at: Callable[[int], Event],
        scope: Callable[[], Scope],
    ) -> None:
        """What is searched.

        Args:
            shape: The pattern.
            bucket: The events that are remembered for the value, in order.
            tokens: Place -> tokens of the values that must differ.
            event_at: Place -> what the event held.
            scope: The names that expressions know, but for those of a match.
        """
        self.shape = shape
        self.bucket = bucket
        self.tokens = tokens
        self.event_at = event_at
        self.scope = scope
        self.chosen: list[tuple[int, int]] = []
        """(place, part) of the match so far."""
        self._new = 0
        self._end = 0
        self._last = len(shape.parts) - 1
        self._failed: set[tuple[int, int, int, bool]] = set()
        self._clear: dict[int, bool] = {}
        self._steps = 0

    def find(self, new: int) -> list[tuple[int, int]] | None:
        """The best match that contains the event at place `new`; None where there is none."""
        shape, bucket = self.shape, self.bucket
        if new == len(bucket) - 1 and not bucket[new] & shape.parts[self._last].bit:
            return None  # the newest event is the last of a match, or of none
        self._new = new
        when = bucket[new] >> ROLE_BITS
        start = bisect_right(bucket, (when - shape.within) << ROLE_BITS | ALL_ROLES) if shape.within else new
        if not self._is_possible(start) or (new == len(bucket) - 1 and not self._is_clear(new)):
            return None
        openings = shape.nexts(-1)
        for first in range(start, new + 1):
            end = new + 1
            if shape.within:
                end = bisect_left(bucket, ((bucket[first] >> ROLE_BITS) + shape.within) << ROLE_BITS)
            if end != self._end or shape.reads_first:
                self._failed.clear()  # what failed may do with other events, or after another first
            self._end = end
            if shape.where_reads_ends and new == len(bucket) - 1 and not self._enters([first, new]):
                continue  # the newest event is the last of the match
            for part in openings:
                if self._fits(first, part, 0) and self._goes_on(first, part, 1):
                    return self.chosen
            if self._steps > STEPS_MAX:
                return None
        return None

    def _is_possible(self, start: int) -> bool:
        """Whether there are enough events of each element in order, all else aside: mostly there are not, and that is cheap."""
        parts = [part for part in self.shape.parts if not part.optional]
        index, count, seen = 0, 0, set[str | None]()
        part = parts[0]
        for place in range(start, len(self.bucket)):
            if not self.bucket[place] & part.bit:
                continue
            if part.distinct >= 0:
                token = self.tokens(place)[part.distinct]
                if token in seen:
                    continue
                seen.add(token)
            count += 1
            if count == part.least:
                index, count = index + 1, 0
                seen.clear()
                if index == len(parts):
                    return True
                part = parts[index]
        return False

    def _goes_on(self, place: int, part: int, count: int) -> bool:
        """Take one event into the match and find the rest of it; leave it out again where there is none."""
        self.chosen.append((place, part))
        if self._rest(place, part, count):
            return True
        self.chosen.pop()
        return False

    def _rest(self, last: int, part: int, count: int) -> bool:
        """Whether the match can be completed after its event at place `last`, the `count`-th of a part."""
        shape, bucket, here = self.shape, self.bucket, self.shape.parts[part]
        has_new = last >= self._new
        if part == self._last and count == here.least:
            return has_new and self._holds(last)
        # That there are more than enough already makes no difference.
        step = (last, part, count if here.most < len(bucket) else min(count, max(here.least, 2)), has_new)
        if step in self._failed:
            return False
        options = [part] if count < here.most else []
        if (
            count > 1
            and options
            and here.without is not None
            and bucket[last] & here.without.bit
            and self._forbids(here.without, last)
        ):
            options = []  # the event lies inside of its element
        if count >= here.least:
            options += shape.nexts(part)
        for place in range(last + 1, self._end if has_new else self._new + 1):
            if not options:
                break
            self._steps += 1
            if self._steps > STEPS_MAX:
                return False
            for option in options:
                before = count if option == part else 0
                if self._fits(place, option, before) and self._goes_on(place, option, before + 1):
                    return True
            if self._steps > STEPS_MAX:
                return False
            options = [option for option in options if not self._blocks(place, shape.parts[option])]
        if shape.forgets:
            self._failed.add(step)
        return False

    def _blocks(self, place: int, part: Part) -> bool:
        """Whether an event that lies between keeps a part from coming after it."""
        if part.strict:
            return True
        without = part.without
        return without is not None and bool(self.bucket[place] & without.bit) and self._forbids(without, place)

    def _fits(self, place: int, index: int, count: int) -> bool:
        """Whether an event can be the next of a part that has `count`."""
        part = self.shape.parts[index]
        if not self.bucket[place] & part.bit:
            return False
        if part.distinct >= 0 and not self._differs(place, index, count):
            return False
        return part.where is None or part.where.holds(self._names(self.event_at(place), part))

    def _differs(self, place: int, index: int, count: int) -> bool:
        """Whether the event has another value than those of its part before it, and leaves room for the event just read."""
        part = self.shape.parts[index]
        token = self.tokens(place)[part.distinct]
        if any(self.tokens(other)[part.distinct] == token for other, _ in self.chosen[len(self.chosen) - count :]):
            return False
        if place < self._new and self.tokens(self._new)[part.distinct] == token:
            # The event just read must be in the match, and if it can only be in this part, this one cannot.
            later = sum(other.bit for other in self.shape.parts[index + 1 :])
            return bool(self.bucket[self._new] & later)
        return True

    def _holds(self, last: int) -> bool:
        """Whether a match that ends with the event at place `last` is one in the eyes of all that looks at the whole."""
        shape, bucket = self.shape, self.bucket
        if shape.windows:
            clear = self._clear.get(last)
            if clear is None:
                clear = self._clear[last] = self._is_clear(last)
            if not clear or not self._is_clear(last, of_match=True):
                return False
        absent = shape.absent
        if absent is not None and any(
            bucket[place] & absent.bit and self._forbids(absent, place) for place in range(last + 1, len(bucket))
        ):
            return False
        return shape.where is None or self._enters([place for place, _ in self.chosen])

    def _is_clear(self, last: int, *, of_match: bool = False) -> bool:
        """Whether nothing forbidden is in the whole window of a match that ends at `last`; that reads of the match, or not."""
        shape, bucket = self.shape, self.bucket
        moment = bucket[last] >> ROLE_BITS
        for without in shape.windows:
            if (without.where is not None) != of_match:
                continue
            low = bisect_left(bucket, (moment - shape.within + 1) << ROLE_BITS)
            high = bisect_right(bucket, moment << ROLE_BITS | ALL_ROLES, lo=last)
            if any(bucket[place] & without.bit and self._forbids(without, place) for place in range(low, high)):
                return False
        return True

    def _forbids(self, without: Without, place: int) -> bool:
        return without.where is None or without.where.holds(self._names(self.event_at(place), None))

    def _enters(self, places: list[int]) -> bool:
        """Whether `enter.where` holds for a match, or for its ends."""
        where = self.shape.where
        if where is None:
            return True
        self._steps += EXPRESSION_STEPS
        matched = [self.event_at(place) for place in places]
        names = as_names(self.shape.parts, [part for _, part in self.chosen], matched) if self.chosen else {}
        return where.holds({**self.scope(), **names, "matched": matched, "first": matched[0], "entry": matched[-1]})

    def _names(self, event: Event, part: Part | None) -> Scope:
        """The names for an expression that reads of the match so far."""
        self._steps += EXPRESSION_STEPS
        matched = [self.event_at(place) for place, _ in self.chosen]
        names = as_names(self.shape.parts, [part for _, part in self.chosen], matched)
        scope = {**self.scope(), **names, "matched": matched}
        scope["event"], scope["properties"] = event, event.properties
        scope["first"] = matched[0] if matched else event
        if part is not None and part.as_name is not None and part.most == 1:
            scope[part.as_name] = event
        return scope


def as_names(parts: Sequence[Part], indices: Sequence[int], events: Sequence[Event]) -> Scope:
    """`as` name -> its event, or the list of its events where there may be several."""
    names: Scope = {}
    for index, part in enumerate(parts):
        if part.as_name is not None:
            own = [event for event, of in zip(events, indices, strict=True) if of == index]
            names[part.as_name] = own if part.most > 1 else (own[0] if own else None)
    return names
