"""The oracle of patterns of several elements: the design's words, slow and obvious.

It keeps every event of a customer for ever and, for every event read, builds every sequence of events that could be a match, looks
at each as a whole, and takes the best. No buckets, no horizons, no search: where engine and oracle differ, one is wrong. Words:

- `when` is the event time, at most the clock; what is older than `max_age` against the clock is not seen. Order is `when`, then
  read order.
- A match takes events in that order, `least` to `most` of each element in turn (none where it is optional), each event once; of
  the last element exactly `least`. First and last are less than `within` apart. It contains the event just read.
- All of it is about one value of `by`: an element with a path takes events that have the value, one without takes any.
- `without` over `span`: nothing forbidden between the event before the element and its first, nor between its first and its last.
  Over `window`: nothing forbidden in (moment - within, moment], the moment being the greatest event time of the match.
- `strict`: no event at all between each event of the element and the one before it in the match.
- Best is the earliest first event, then the earliest second, ...; of one event in two elements, the earlier element.
- Used-up events match no more for that value; they still forbid and still lie between.
- `absent`: a match so far waits. It ends when the absent event is there behind the last matched event. Of two matches so far the
  one with the later last event waits on (of the same: the new one), until the later of the deadlines.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import combinations, pairwise, product
from typing import Any, NamedTuple

from tests.oracle import same

Where = Callable[[Any, Any, list[Any], dict[str, Any]], bool]
"""(event, first, matched, names) -> whether it holds."""


@dataclass(frozen=True)
class Thing:
    """Events of some names, for which something holds, of some value."""

    names: tuple[str, ...]
    where: Where | None = None
    by: Callable[[Any], list[Any]] | None = None


@dataclass(frozen=True)
class Part:
    """One element."""

    what: Thing
    least: int = 1
    most: int = 1
    optional: bool = False
    strict: bool = False
    distinct: Callable[[Any], Any] | None = None
    without: Thing | None = None
    over: str = "span"
    name: str | None = None


@dataclass(frozen=True)
class Rule:
    """A pattern."""

    parts: tuple[Part, ...]
    within: int
    max_age: int
    absent: Thing | None = None
    for_: int = 0
    settle: int = 0
    where: Where | None = None
    """`enter.where`: of (event just read, first, matched, names)."""
    skips: bool = True

    @property
    def valued(self) -> bool:
        """Whether there is a value to agree in."""
        return any(part.what.by for part in self.parts)


class Known(NamedTuple):
    """An event that was read; sorts as events are taken."""

    when: int
    number: int
    event: Any


Chosen = tuple[tuple[Known, int], ...]
"""A match: its events in order, each with the index of its element."""


@dataclass
class Waiting:
    """A match so far that waits for an absence."""

    due: int
    value: Any
    chosen: Chosen


@dataclass
class Oracle:
    """One customer and one pattern."""

    rule: Rule
    known: list[Known] = field(default_factory=list)
    used: list[tuple[int, Any]] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)

    def read(self, event: Any, now: int) -> list[tuple[Any, Chosen]]:
        """The matches that an event completes, one for each value at most: (value, match)."""
        if event.time < now - self.rule.max_age:
            return []
        new = Known(min(event.time, now), len(self.known), event)
        self.known = sorted([*self.known, new])
        self.waiting = [one for one in self.waiting if not self._comes(one.chosen, one.value, new)]
        found = []
        for value in self._values():
            best = min(self._matches(value, new, event), key=_preference, default=None)
            if best is None:
                continue
            if self.rule.absent is None:
                found.append((value, best))
            else:
                self._wait(value, best, now)
        return found

    def use_up(self, value: Any, chosen: Chosen) -> None:
        """A match let somebody enter."""
        if self.rule.skips:
            self.used += [(known.number, value) for known, _ in chosen]

    def due(self, now: int) -> list[tuple[int, Any, Chosen]]:
        """The matches whose deadline has come: (deadline, value, match)."""
        over = [one for one in self.waiting if one.due <= now]
        self.waiting = [one for one in self.waiting if one.due > now]
        return [(one.due, one.value, one.chosen) for one in over if self._enters(one.chosen, None)]

    def _wait(self, value: Any, chosen: Chosen, now: int) -> None:
        due = max(chosen[-1][0].when + self.rule.for_, now + self.rule.settle)
        for one in self.waiting:
            if same(one.value, value):
                one.due = max(one.due, due)
                if chosen[-1][0] >= one.chosen[-1][0]:
                    one.chosen = chosen
                return
        self.waiting.append(Waiting(due, value, chosen))

    def _comes(self, chosen: Chosen, value: Any, known: Known) -> bool:
        """Whether an event is what must be absent after a match so far."""
        absent = self.rule.absent
        if absent is None or known <= chosen[-1][0]:
            return False
        return _is(absent, known, value, [one.event for one, _ in chosen], self._named(chosen))

    def _values(self) -> list[Any]:
        """All values that any event has had."""
        if not self.rule.valued:
            return [""]
        values: list[Any] = []
        for known in self.known:
            for part in self.rule.parts:
                for value in part.what.by(known.event) if part.what.by else ():
                    if not any(same(value, one) for one in values):
                        values.append(value)
        return values

    def _matches(self, value: Any, new: Known, event: Any) -> Iterable[Chosen]:
        """Every match of a value that contains the event just read."""
        parts = self.rule.parts
        free = [known for known in self.known if not any(n == known.number and same(v, value) for n, v in self.used)]
        fitting = [[known for known in free if known.event.name in part.what.names] for part in parts]
        counts = []
        for index, part in enumerate(parts):
            most = part.least if index == len(parts) - 1 else part.most
            several = list(range(part.least, min(most, len(fitting[index])) + 1))
            counts.append([0, *several] if part.optional else several)
        for count in product(*counts):
            chosen_of = [
                [tuple((known, index) for known in some) for some in combinations(fitting[index], number)]
                for index, number in enumerate(count)
            ]
            for chosen in product(*chosen_of):
                whole = tuple(one for some in chosen for one in some)
                if any(known is new for known, _ in whole) and self._holds(whole, value, event):
                    yield whole

    def _holds(self, chosen: Chosen, value: Any, event: Any) -> bool:
        """Whether a sequence of events is a match."""
        rule = self.rule
        knowns = [known for known, _ in chosen]
        if any(not one < other for one, other in pairwise(knowns)):
            return False
        first, last = knowns[0], knowns[-1]
        if len(chosen) > 1 and not last.when - first.when < rule.within:
            return False
        for place, (known, index) in enumerate(chosen):
            part = rule.parts[index]
            before = chosen[:place]
            names = self._named(before)
            if part.name and part.most == 1:
                names[part.name] = known.event
            if not _is(part.what, known, value, [one.event for one, _ in before], names):
                return False
            if part.strict and before and any(before[-1][0] < other < known for other in self.known):
                return False
        return (
            all(self._part_holds(chosen, index, value) for index in range(len(rule.parts)))
            and not any(self._comes(chosen, value, known) for known in self.known)
            and (rule.absent is not None or self._enters(chosen, event))
        )

    def _part_holds(self, chosen: Chosen, index: int, value: Any) -> bool:
        """What an element says of all of its events together."""
        rule, part = self.rule, self.rule.parts[index]
        places = [place for place, (_, of) in enumerate(chosen) if of == index]
        own = [chosen[place][0] for place in places]
        if part.distinct is not None:
            seen = [part.distinct(known.event) for known in own]
            if None in seen or any(same(one, other) for one, other in combinations(seen, 2)):
                return False
        if part.without is None:
            return True
        if part.over == "window":
            moment = chosen[-1][0].when
            between = [known for known in self.known if moment - rule.within < known.when <= moment]
            return not any(self._forbids(part.without, known, value, chosen) for known in between)
        if not own:
            return True
        gaps = [(own[0], own[-1], place) for place in places[:1]]
        for gap_first, gap_last, place in gaps:
            # Who lies where decides what was matched before it: `where` may read that.
            for known in self.known:
                if place > 0 and chosen[place - 1][0] < known < own[0]:
                    before = chosen[:place]
                elif gap_first < known < gap_last:
                    before = tuple(one for one in chosen if one[0] <= known)
                else:
                    continue
                if self._forbids(part.without, known, value, before):
                    return False
        return True

    def _forbids(self, what: Thing, known: Known, value: Any, before: Chosen) -> bool:
        return _is(what, known, value, [one.event for one, _ in before], self._named(before))

    def _enters(self, chosen: Chosen, event: Any) -> bool:
        events = [known.event for known, _ in chosen]
        return self.rule.where is None or self.rule.where(event, events[0], events, self._named(chosen))

    def _named(self, chosen: Chosen) -> dict[str, Any]:
        names: dict[str, Any] = {}
        for index, part in enumerate(self.rule.parts):
            if part.name is not None:
                own = [known.event for known, of in chosen if of == index]
                names[part.name] = own if part.most > 1 else (own[0] if own else None)
        return names


def _is(what: Thing, known: Known, value: Any, matched: list[Any], names: dict[str, Any]) -> bool:
    """Whether an event is what is meant, for one value, after what was matched before it."""
    event = known.event
    if event.name not in what.names:
        return False
    if what.by is not None and not any(same(value, one) for one in what.by(event)):
        return False
    return what.where is None or what.where(event, matched[0] if matched else event, matched, names)


def _preference(chosen: Chosen) -> list[tuple[int, int, int]]:
    return [(known.when, known.number, index) for known, index in chosen]
