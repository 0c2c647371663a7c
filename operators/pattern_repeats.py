"""The pattern engine: which events of a customer, taken together, are what a journey waits for.

A pattern here has one element: `times` events that agree in a value (`by`), inside a sliding window of event time
(`within`), with none of some other events (`without`). Theory:

- What is remembered for one value is a *bucket*: a list of ints, `event time << 8 | roles`, in the order of (event time,
  read order). `ELEMENT` and `FORBIDDEN` are roles; an event can have both. One list gives windows by bisection, ties by
  read order, and one small object per value to store.
- Windows are half-open, (t - within, t], as in Flink: of two events exactly `within` apart the older is outside.
- A match contains the event just read. Of several, the one with the earliest first event wins, then with the earliest
  second, and so on. Its moment is its greatest event time. `without` is part of it: a sequence with a forbidden event in
  the wrong place is no match, and the next one is tried.
- After a match its events are used up, unless the entry is refused: `see` finds, `use_up` takes away.
- What is too old to be part of any match that an accepted event could still complete is forgotten: events count for
  `max_age` against the clock, so nothing older than `within + max_age` matters.

Bounds: `EVENTS_MAX` events a bucket and `BUCKETS_MAX` values a customer and journey; at the bound the oldest goes.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from state.customer import JourneyMemory

ELEMENT, FORBIDDEN = 1, 2
_ROLE_BITS = 8
_ALL_ROLES = (1 << _ROLE_BITS) - 1

EVENTS_MAX = 256
"""Events remembered for one value. `times` may be at most half of it, so that the bound never hides a match of few."""

BUCKETS_MAX = 4096
"""Values (categories, carts, ...) remembered for one customer and journey at once."""

VALUE_CHARACTERS_MAX = 200
"""A longer value is remembered as its hash."""

ANY = "\x00any"
"""The bucket of forbidden events that forbid whatever their value (`without: {by: any}`): new buckets begin with them."""


@dataclass(frozen=True)
class Repeats:
    """How often events of one element must come, and what must not. Durations in ms."""

    times: int
    within: int
    """0 where nothing spans time: one event, nothing forbidden."""
    max_age: int
    without: str | None = None
    """`span` or `window`; None where nothing is forbidden."""
    keeps_contents: bool = False
    """Whether something is kept of each event, its id or what it held, and not only when it was."""

    @property
    def remembers(self) -> bool:
        """Whether any event but the one just read matters."""
        return self.times > 1 or self.without is not None

    def see(
        self, memory: JourneyMemory, value: str, when: int, roles: int, now: int, content: Any = None
    ) -> list[int] | None:
        """Take in one event; give the match that it completes, as places in the bucket of `value`.

        Args:
            memory: The journey's memory of the customer; changed.
            value: The value that the events must agree in (`token_of`), or empty without `by`.
            when: Event time, at most `now`.
            roles: `ELEMENT`, `FORBIDDEN` or both.
            now: The clock.
            content: What to keep of the event, if the pattern keeps contents: its id, or all that it held.
        """
        buckets = memory.buckets
        bucket = buckets.get(value)
        horizon = now - self.within - self.max_age
        coded = when << _ROLE_BITS | roles
        if bucket is None:
            size = len(buckets)
            if size >= 8 and not size & (size - 1):  # now and then: at powers of two
                self._make_room(memory, horizon)
            if (
                ANY not in buckets and self.times > 1
            ):  # nearly always: the first event of its value, which completes nothing
                buckets[value] = [coded]
                if self.keeps_contents:
                    memory.contents[value] = [content or ""]
                return None
            bucket = buckets[value] = list(buckets.get(ANY, ()))  # read before whatever comes now
            if self.keeps_contents:
                memory.contents[value] = ["" for _ in bucket]
        if not bucket or bucket[-1] >> _ROLE_BITS <= when:  # nearly always: the newest
            place = len(bucket)
            bucket.append(coded)
        else:
            place = bisect_right(bucket, when << _ROLE_BITS | _ALL_ROLES)
            bucket.insert(place, coded)
        if self.keeps_contents:
            memory.contents[value].insert(place, content or "")

        gone = 0
        while gone < place and bucket[gone] >> _ROLE_BITS <= horizon:
            gone += 1
        if len(bucket) - gone > EVENTS_MAX:
            gone = len(bucket) - EVENTS_MAX
        if gone:
            self._forget(memory, value, slice(0, gone))
            place -= gone
            if place < 0:
                return None
        if not roles & ELEMENT or len(bucket) < self.times:
            return None
        return self._match(bucket, place)

    def see_anywhere(self, memory: JourneyMemory, when: int, now: int, besides: Collection[str] = ()) -> None:
        """Take in a forbidden event that forbids whatever its value.

        It goes into every bucket, and through `ANY` into those to come: only inside of a bucket is there a read order,
        which decides between events of one time. Such events are rare, and a look at one value stays as cheap as it is.
        `besides` are the values whose buckets have the event already.
        """
        self.see(memory, ANY, when, FORBIDDEN, now)
        horizon = now - self.within - self.max_age
        for value, bucket in list(memory.buckets.items()):
            if value == ANY or value in besides:
                continue
            if _is_over(bucket, horizon, True):
                del memory.buckets[value]
                memory.contents.pop(value, None)
            else:
                self.see(memory, value, when, FORBIDDEN, now)

    def use_up(self, memory: JourneyMemory, value: str, match: list[int]) -> None:
        """Take the events of a match away; what else is in the bucket stays, and what they forbid."""
        bucket = memory.buckets[value]
        for place in reversed(match):
            if bucket[place] & FORBIDDEN:
                bucket[place] &= ~ELEMENT
            else:
                self._forget(memory, value, slice(place, place + 1))
        if not bucket:
            del memory.buckets[value]
            memory.contents.pop(value, None)

    def _match(self, bucket: list[int], place: int) -> list[int] | None:
        """The match that the event at `place` completes."""
        when = bucket[place] >> _ROLE_BITS
        if self.times == 1:
            return [place] if self._allowed(bucket, place, place) else None
        start = bisect_right(bucket, (when - self.within) << _ROLE_BITS | _ALL_ROLES)
        if place == len(bucket) - 1:
            return self._match_newest(bucket, start)
        for first in range(start, place + 1):
            if not bucket[first] & ELEMENT:
                continue
            end = bisect_left(bucket, ((bucket[first] >> _ROLE_BITS) + self.within) << _ROLE_BITS)
            inside = [i for i in range(first, end) if bucket[i] & ELEMENT]
            for match in self._choices(inside, place):
                if self._allowed(bucket, match[0], match[-1]):
                    return match
        return None

    def _match_newest(self, bucket: list[int], start: int) -> list[int] | None:
        """The same, where the event just read is the newest of its bucket: one look at the window from `start` on.

        It is the last event of every match then, so `window` allows all of them or none, and `span` those that begin
        after the last forbidden event before it.
        """
        last = len(bucket) - 1
        if last - start + 1 < self.times:
            return None
        inside: list[int] = []
        for i in range(start, last + 1):
            roles = bucket[i] & _ALL_ROLES
            if roles & FORBIDDEN and self.without is not None:
                if self.without == "window":
                    return None
                if i < last:
                    inside.clear()  # what begins before it, or with it, has it inside; with it only if it is an element
            if roles & ELEMENT:
                inside.append(i)
        return [*inside[: self.times - 1], last] if len(inside) >= self.times else None

    def _choices(self, inside: list[int], place: int) -> Iterator[list[int]]:
        """The matches that begin with the first of `inside` and contain `place`, the earliest first.

        One for each possible last event: whether a match is allowed depends on its first and its last alone.
        """
        times, at = self.times, inside.index(place)
        for last in range(max(at, times - 1), len(inside)):
            if last == at or at < times - 1:
                yield [*inside[: times - 1], inside[last]]
            elif times > 2:
                yield [*inside[: times - 2], place, inside[last]]

    def _allowed(self, bucket: list[int], first: int, last: int) -> bool:
        """Whether nothing forbidden is in the way of a match from `first` to `last`."""
        if self.without is None:
            return True
        moment = bucket[last] >> _ROLE_BITS
        if self.without == "window":
            low = bisect_left(bucket, (moment - self.within + 1) << _ROLE_BITS)
            high = bisect_right(bucket, moment << _ROLE_BITS | _ALL_ROLES, lo=last)
        else:
            low, high = first + 1, last
        for i in range(low, high):  # noqa: SIM110 - mypyc makes a plain loop of it, and an object of a generator
            if bucket[i] & FORBIDDEN:
                return False
        return True

    def _make_room(self, memory: JourneyMemory, horizon: int) -> None:
        """Before a new bucket: drop those that are over; and the one longest unused at the bound."""
        buckets = memory.buckets
        anywhere = ANY in buckets
        over = [value for value, bucket in buckets.items() if _is_over(bucket, horizon, anywhere and value != ANY)]
        if not over and len(buckets) >= BUCKETS_MAX:
            # Never the one of what forbids every value: the values to come would be allowed what they are not.
            over = [min((value for value in buckets if value != ANY), key=lambda value: buckets[value][-1])]
        for value in over:
            del buckets[value]
            memory.contents.pop(value, None)

    def _forget(self, memory: JourneyMemory, value: str, places: slice) -> None:
        del memory.buckets[value][places]
        if self.keeps_contents:
            del memory.contents[value][places]


def _is_over(bucket: list[int], horizon: int, anywhere: bool) -> bool:
    """Whether a bucket can no longer matter.

    Where something forbids whatever its value (`anywhere`), what forbids is in `ANY`, too, and is no reason to keep the
    bucket of a value that nobody was interested in for long.
    """
    if not anywhere:
        return bucket[-1] >> _ROLE_BITS <= horizon
    for coded in reversed(bucket):
        if coded >> _ROLE_BITS <= horizon:
            return True
        if coded & ELEMENT:
            return False
    return True


def time_of(coded: int) -> int:
    """The event time (ms) of a remembered event."""
    return coded >> _ROLE_BITS


def token_of(value: object) -> str:
    r"""A JSON value as the name of its bucket: equal values have one name, different ones never share it.

    >>> token_of("tents"), token_of(7), token_of(7.0), token_of("7")
    ('tents', '\x007', '\x007', '7')
    """
    if type(value) is str and not value.startswith("\x00"):
        token = value
    else:
        whole = _whole(value)
        try:
            token = "\x00" + orjson.dumps(whole, option=orjson.OPT_SORT_KEYS).decode()
        except TypeError:  # an int beyond 64 bits
            token = "\x00" + json.dumps(whole, sort_keys=True, separators=(",", ":"))
    if len(token) < VALUE_CHARACTERS_MAX:
        return token
    return "\x00#" + blake2b(token.encode(), digest_size=16).hexdigest()


def _whole(value: Any) -> Any:
    """The value with whole floats as integers: JSON has one kind of number."""
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is list:
        return [_whole(part) for part in value]
    if type(value) is dict:
        return {name: _whole(part) for name, part in value.items()}
    return value
