"""The oracle: patterns and entries as the design's words have them, slow, obvious and sequential.

It keeps every event of a customer for ever and, for every event, tries every combination of the events so far. No
buckets, no horizons, no bisection, nothing of the engine: where the two differ, one of them is wrong. The words:

- `when` is the event time, at most the clock. An event older than `max_age` against the clock is late: it is not seen.
- Windows are half-open, (t - D, t]. Events at one time are taken in the order in which they were read.
- A match contains the event just read. Of several the one with the earliest first event wins, then with the earliest
  second, and so on.
- `without` over `span`: none between the first and the last event of the match. Over `window`: none in the whole of
  `within` up to and including the moment of the match, its greatest time.
- Events agree in a value if any of theirs does; a missing value neither matches nor forbids; `by: any` drops the test.
- Matched events are used up for that value; a match that is refused entry uses up nothing.
- A used-up event matches no more; it still happened, so where it is forbidden it still forbids.
- Entry: without the key, `no_key`; where the key's path is that of `by`, the key is the value that matched. `again`
  counts in log time from the last entry of that key; a refusal is told once for each closed period.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, NamedTuple

ANY = "any"
"""For `without_by`: whatever the value."""

DEDUPE_MS = 24 * 60 * 60 * 1000


class Known(NamedTuple):
    """One event as a pattern of one value knows it; sorts by time, then by read order."""

    when: int
    number: int
    is_element: bool
    is_forbidden: bool


def best_match(
    known: Iterable[Known], newest: int, times: int, within: int, without: str | None
) -> tuple[int, ...] | None:
    """The numbers of the events of the winning match that contains event `newest`, by time; None where there is none."""
    events = sorted(known)
    for match in combinations([event for event in events if event.is_element], times):  # earliest first, by definition
        first, last = match[0], match[-1]
        if newest not in [event.number for event in match]:
            continue
        if times > 1 and not last.when - within < first.when:
            continue
        if without == "span" and any(event.is_forbidden and first < event < last for event in events):
            continue
        if without == "window" and any(
            event.is_forbidden and last.when - within < event.when <= last.when for event in events
        ):
            continue
        return tuple(event.number for event in match)
    return None


@dataclass(frozen=True)
class Rule:
    """What enters one journey."""

    event: Sequence[str]
    times: int = 1
    within: int = 0
    by: Callable[[Any], list[Any]] | None = None
    without: Sequence[str] = ()
    over: str = "span"
    without_by: Callable[[Any], list[Any]] | str | None = None
    """None: as `by`."""
    key: Callable[[Any], list[Any]] | None = None
    again: str | int = "never"
    """`never`, `always`, `after_exit`, or ms since entry."""
    max_age: int = 72 * 60 * 60 * 1000


@dataclass
class _Seen:
    number: int
    when: int
    message_id: str
    element: list[Any] | None
    """The values in which it can match; None where it is no element."""
    forbids: list[Any] | str | None
    """The values that it forbids, or ANY."""


def same(one: Any, other: Any) -> bool:
    """Equal as JSON has it: 7 is 7.0, true is not 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


@dataclass
class Oracle:
    """One customer and one journey."""

    rule: Rule
    _events: list[_Seen] = field(default_factory=list)
    _used: list[tuple[int, Any]] = field(default_factory=list)
    _entries: list[list[Any]] = field(default_factory=list)
    """[key, entered at, refusal told], the last entry of each key."""
    _read: list[tuple[str, int]] = field(default_factory=list)

    def read(self, event: Any, now: int) -> list[tuple[Any, ...]]:
        """What comes of one event: ("duplicate",), ("late",), ("no_key",), ("reentry", key), ("entered", key, match)."""
        if any(message_id == event.message_id and at > now - DEDUPE_MS for message_id, at in self._read):
            return [("duplicate",)]
        self._read = [one for one in self._read if one[0] != event.message_id]
        self._read.append((event.message_id, now))
        rule = self.rule
        is_element, is_forbidden = event.name in rule.event, event.name in rule.without
        if event.time < now - rule.max_age:
            return [("late",)] if is_element else []
        values = [None] if rule.by is None else rule.by(event)
        forbids: Any = None
        if is_forbidden:
            forbids = ANY if rule.without_by == ANY or rule.by is None else (rule.without_by or rule.by)(event)
        number = len(self._events)
        seen = _Seen(number, min(event.time, now), event.message_id, values if is_element else None, forbids)
        self._events.append(seen)
        told = []
        for value in values if is_element else ():
            match = best_match(self._known(value), number, rule.times, rule.within, rule.over if rule.without else None)
            if match is not None:
                outcome = self._enter(event, value, now, match)
                told += outcome
                if outcome and outcome[0][0] == "entered":
                    self._used += [(each, value) for each in match]
        return told

    def _known(self, value: Any) -> list[Known]:
        """All events so far, as the pattern for one value knows them."""
        known = []
        for event in self._events:
            used = any(event.number == number and same(value, of) for number, of in self._used)
            is_element = not used and any(same(value, one) for one in event.element or ())
            forbids = event.forbids == ANY or any(same(value, one) for one in event.forbids or ())
            known.append(Known(event.when, event.number, is_element, forbids))
        return known

    def _enter(self, event: Any, value: Any, now: int, match: tuple[int, ...]) -> list[tuple[Any, ...]]:
        key = None
        if self.rule.key is not None:
            keys = [value] if self.rule.key is self.rule.by else self.rule.key(event)
            if not keys:
                return [("no_key",)]
            key = keys[0]
        entry = next((entry for entry in self._entries if same(entry[0], key)), None)
        again = self.rule.again
        if entry is not None and (again == "never" or (isinstance(again, int) and now < entry[1] + again)):
            told = [] if entry[2] else [("reentry", key)]
            entry[2] = True
            return told
        self._entries = [other for other in self._entries if other is not entry] + [[key, now, False]]
        return [("entered", key, [self._events[number].message_id for number in match])]
