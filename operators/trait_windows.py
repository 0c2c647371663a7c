"""What traits keep of their events, and what they make of it: counts, sums, extremes, over a sliding window or for ever.

Called by `operators.trait_keepers`, which knows events and paths; here are only times and values. Everything is a function
of what was added, in whatever order: a window is (at - within, at] of event time for any `at` that is not before the last
one, sums are exact before they are rounded once, and so a recount from all events gives the same.

A windowed item leaves as a whole when its newest event does. Items stand for one event each until there are more than
`Window.events_max`; then the older half is gathered in buckets of `Window.width`, which makes the trait hold on to an
event for at most that long. Sorted by event time, equal times in the order in which they were read.
"""

# The methods of `Kind` say what they do; its subclasses say how.
# ruff: noqa: D102

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from math import fsum
from typing import Any, Final

from operators.expression_values import INTEGER_LEAST, INTEGER_MOST, bounded
from state.traits import Kept

_EXACT_INTEGER: Final = 2**53
_WHOLE: Final = frozenset({int})


@dataclass(frozen=True)
class Window:
    """How far back a trait looks, and how many events of it are kept one by one."""

    within: int
    """ms."""
    events_max: int

    @property
    def width(self) -> int:
        """Of a bucket (ms). A quarter as many buckets as events: half of the events in buckets makes room for as many."""
        return max(1, -(-self.within * 4 // self.events_max))


class Kind(ABC):
    """How one kind of trait keeps events and what it makes of them; subclasses say how, `window` is None for ever."""

    empty: Any = None
    """The value where there is no event."""

    def __init__(self, window: Window | None) -> None:
        self.window = window

    @abstractmethod
    def add(self, kept: Kept, when: int, value: Any, now: int) -> None:
        """Take in an event of event time `when`, at most `now`, that is still in the window."""

    @abstractmethod
    def value(self, kept: Kept, at: int) -> Any:
        """The value at an instant (ms)."""

    def start(self, kept: Kept, at: int) -> int:
        """The place of the first item that is in the window at an instant."""
        return bisect_right(kept.times, at - self.window.within) if self.window is not None else 0

    def next_change(self, kept: Kept, at: int) -> int | None:
        """When (ms), after `at`, the next item leaves the window; None where none does."""
        if self.window is None:
            return None
        start = self.start(kept, at)
        return kept.times[start] + self.window.within if start < len(kept.times) else None

    def is_over(self, kept: Kept, at: int) -> bool:
        """Whether nothing of it is in the window any more."""
        return self.window is not None and kept.times[-1] <= at - self.window.within

    # --- for those that keep every event of the window

    def _forget(self, kept: Kept, at: int) -> None:
        """Drop what has left the window."""
        gone = self.start(kept, at)
        if gone:
            del kept.times[:gone], kept.values[:gone], kept.counts[:gone]

    def _insert(self, kept: Kept, when: int, value: Any, now: int) -> None:
        """Insert an item by its time, and make room where that is too much."""
        self._forget(kept, now)
        times = kept.times
        place = len(times) if not times or times[-1] <= when else bisect_right(times, when)
        times.insert(place, when)
        if value is not None:
            kept.values.insert(place, value)
        if kept.counts:
            kept.counts.insert(place, 1)
        if self.window is not None and len(times) > self.window.events_max:
            self._gather(kept, self.window.width)

    def _gather(self, kept: Kept, width: int) -> None:
        """Gather the older half in buckets."""
        times, values, counts = kept.times, kept.values, kept.counts or [1] * len(kept.times)
        older = len(times) // 2
        new: tuple[list[int], list[Any], list[int]] = ([], [], [])
        start = 0
        for place in range(1, older + 1):
            if place < older and times[place] // width == times[start] // width:
                continue
            new[0].append(times[place - 1])
            if values:
                new[1].append(self.gathered(values[start:place]))
            new[2].append(sum(counts[start:place]))
            start = place
        times[:older], values[:older], counts[:older] = new
        kept.counts = counts

    def gathered(self, values: list[Any]) -> Any:
        """One value for the items of a bucket, which are in the order of their times."""
        return values[0]


class Count(Kind):
    """How many events."""

    empty: Any = 0

    def add(self, kept: Kept, when: int, value: Any, now: int) -> None:
        if self.window is not None:
            self._insert(kept, when, None, now)
            return
        kept.counts = [kept.counts[0] + 1 if kept.counts else 1]
        kept.times = [max(when, *kept.times)] if kept.times else [when]

    def value(self, kept: Kept, at: int) -> Any:
        if kept.counts:
            return sum(kept.counts[self.start(kept, at) :])
        return len(kept.times) - self.start(kept, at)


class Sum(Kind):
    """The sum of numbers, rounded once."""

    empty: Any = 0

    def add(self, kept: Kept, when: int, value: Any, now: int) -> None:
        if self.window is not None:
            self._insert(kept, when, value, now)
            return
        events, floats = kept.counts or (0, 0)
        kept.counts = [events + 1, floats + (type(value) is float)]
        kept.times = [max(when, *kept.times)] if kept.times else [when]
        for part in _floats_of(value):
            kept.values = add_exactly(kept.values, part)

    def value(self, kept: Kept, at: int) -> Any:
        return self.total(kept, at)[0]

    def total(self, kept: Kept, at: int) -> tuple[int | float | None, int]:
        """The sum, None if 64 bits cannot hold it; and of how many events."""
        if self.window is None:
            events, floats = kept.counts
            total = sum_of(kept.values or [0.0]) if floats else bounded(sum(int(part) for part in kept.values))
            return total, events
        start = self.start(kept, at)
        counts = kept.counts
        return sum_of(kept.values[start:]), sum(counts[start:]) if counts else len(kept.times) - start

    def gathered(self, values: list[Any]) -> Any:
        total = sum_of(values)
        return sum_of([float(value) for value in values]) or 0.0 if total is None else total


class Mean(Sum):
    """The mean of numbers."""

    empty: Any = None

    def value(self, kept: Kept, at: int) -> Any:
        total, events = self.total(kept, at)
        return None if total is None or not events else total / events


class Extreme(Kind):
    """The greatest (or least) number; in a window, only events that no later one outdoes are kept."""

    def __init__(self, window: Window | None, outdoes: Callable[[Any, Any], bool]) -> None:
        super().__init__(window)
        self.outdoes = outdoes
        """Whether the first number is at least as good as the second."""

    def add(self, kept: Kept, when: int, value: Any, now: int) -> None:
        times, values = kept.times, kept.values
        if self.window is None:
            if not values or not self.outdoes(values[0], value):
                kept.values = [value]
            kept.times = [max(when, *times)] if times else [when]
            return
        place = bisect_right(times, when)
        if place < len(times) and self.outdoes(values[place], value):
            return
        first = place
        while first and self.outdoes(value, values[first - 1]):
            first -= 1
        del times[first:place], values[first:place], kept.counts[first:place]
        self._insert(kept, when, value, now)

    def value(self, kept: Kept, at: int) -> Any:
        start = self.start(kept, at)
        return kept.values[start] if start < len(kept.values) else None


class First(Kind):
    """The value of the earliest event."""

    def add(self, kept: Kept, when: int, value: Any, now: int) -> None:
        if self.window is not None:
            self._insert(kept, when, value, now)
        elif not kept.times or when < kept.times[0]:
            kept.times, kept.values = [when], [value]

    def value(self, kept: Kept, at: int) -> Any:
        start = self.start(kept, at)
        return kept.values[start] if start < len(kept.values) else None


class Last(Kind):
    """The value of the latest event; all before it leave a window before it does."""

    def add(self, kept: Kept, when: int, value: Any, now: int) -> None:
        if not kept.times or when >= kept.times[0]:
            kept.times, kept.values = [when], [value]

    def value(self, kept: Kept, at: int) -> Any:
        return None if not kept.times or self.is_over(kept, at) else kept.values[0]


# --- exact sums


def sum_of(numbers: list[Any]) -> int | float | None:
    """The sum of numbers whatever their order, rounded once; None where 64 bits cannot hold it.

    >>> sum_of([0.1] * 10), sum_of([1e16, 1, -1e16]), sum_of([2, 3])
    (1.0, 1.0, 5)
    """
    kinds = set(map(type, numbers))
    if kinds <= _WHOLE:
        return bounded(sum(numbers))
    try:
        if (int in kinds and max(numbers) > _EXACT_INTEGER) or min(numbers) < -_EXACT_INTEGER:
            return bounded(fsum(part for number in numbers for part in _floats_of(number)))
        return bounded(fsum(numbers))
    except OverflowError:
        return None


def add_exactly(parts: list[Any], number: float) -> list[Any]:
    """Floats whose exact sum is that of `parts` and `number` (Shewchuk's algorithm, as in Python's own fsum).

    Beyond what a float can hold the sum stays where it was.
    """
    grown = []
    for part in parts:
        large, small = (number, part) if abs(number) >= abs(part) else (part, number)
        number = large + small
        rest = small - (number - large)
        if rest:
            grown.append(rest)
    total = [*grown, number] if number else grown
    return total if bounded(number) is not None else parts


def _floats_of(number: int | float) -> tuple[float, ...]:
    """A number as floats whose exact sum it is."""
    if type(number) is float or -_EXACT_INTEGER <= number <= _EXACT_INTEGER:
        return (float(number),)
    large = min(max(number, INTEGER_LEAST), INTEGER_MOST)
    return (float(large), float(large - int(float(large))))
