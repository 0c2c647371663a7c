"""What a pattern of several elements remembers of one customer: events by value, in (event time, read order).

For one value there is a *bucket*: a list of ints, `event time << 16 | roles`, and beside it, item for item, what is kept of each
event: `[message id, tokens that must differ, whole event]`, the last two None where nobody reads them. A role is a bit.

- An event of every value goes into the bucket `ANY`, with which every new bucket begins, and into all that are there: only
  inside of a bucket is there a read order.
- A used-up event loses its roles as an element. It stays where it still lies between (`strict`), and where it would come back
  with a bucket made anew from `ANY`.
- What is too old to be in any match that an accepted event could still complete is forgotten.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from operators.pattern_repeats import ANY, BUCKETS_MAX, EVENTS_MAX
from operators.pattern_search import ALL_ROLES, ROLE_BITS
from state.customer import JourneyMemory

OWN = 1 << (ROLE_BITS - 1)
"""Of a remembered event: it is in this bucket for its value's sake, and not a copy of what is in `ANY`."""


@dataclass(frozen=True)
class Buckets:
    """How the events of one pattern are remembered."""

    elements: int
    """The roles that an event loses when it is used up."""
    valued: bool
    """Whether events have a value to agree in (`by`)."""
    sees_all: bool
    """Whether events without a role are remembered, too."""

    def take_in_by_value(
        self, memory: JourneyMemory, when: int, wild: int, masks: dict[str, int], content: list[Any], horizon: int
    ) -> dict[str, tuple[int, int]]:
        """Remember the event for each of its values; and for all values, if it is of every one. Token -> (place, roles)."""
        places = {}
        for token, mask in masks.items():
            places[token] = self.take_in(memory, token, when, mask | wild | OWN, content, horizon), mask | wild
        if wild or self.sees_all:
            self.take_in(memory, ANY, when, wild, content, horizon)
            for token in list(memory.buckets):
                if token == ANY or token in masks:
                    continue
                if self.is_over(memory, token, horizon):
                    drop(memory, token)
                else:
                    places[token] = self.take_in(memory, token, when, wild, content, horizon), wild
        return places

    def take_in(self, memory: JourneyMemory, token: str, when: int, mask: int, content: list[Any], horizon: int) -> int:
        """Remember the event in one bucket; its place, or -1 where it is forgotten at once, being the oldest of too many."""
        bucket = memory.buckets.get(token)
        if bucket is None:
            self._make_room(memory, horizon)
            bucket = memory.buckets[token] = list(memory.buckets.get(ANY, ()))
            memory.contents[token] = list(memory.contents.get(ANY, ()))
        contents = memory.contents[token]
        place = bisect_right(bucket, when << ROLE_BITS | ALL_ROLES)
        bucket.insert(place, when << ROLE_BITS | mask)
        contents.insert(place, content)
        gone = 0
        while gone < place and bucket[gone] >> ROLE_BITS <= horizon:
            gone += 1
        gone = max(gone, len(bucket) - EVENTS_MAX)
        del bucket[:gone], contents[:gone]
        return place - gone

    def use_up(self, memory: JourneyMemory, token: str, places: list[int]) -> None:
        """Take the events of a match away; what they forbid, or lie between, stays."""
        bucket = memory.buckets.get(token)
        if bucket is None:
            return
        contents = memory.contents[token]
        stays = self.sees_all or ANY in memory.buckets
        for place in reversed(places):
            bucket[place] &= ~self.elements
            if stays:
                bucket[place] |= OWN
            elif not bucket[place] & ALL_ROLES & ~OWN:
                del bucket[place], contents[place]
        if not bucket:
            drop(memory, token)

    def _make_room(self, memory: JourneyMemory, horizon: int) -> None:
        """Before a new bucket: drop those that are over, now and then; and the one longest unused at the bound."""
        buckets = memory.buckets
        size = len(buckets)
        if size < 8 or size & (size - 1):
            return
        over = [token for token in buckets if self.is_over(memory, token, horizon)]
        if not over and size >= BUCKETS_MAX:
            over = [min((token for token in buckets if token != ANY), key=lambda token: buckets[token][-1])]
        for token in over:
            drop(memory, token)

    def is_over(self, memory: JourneyMemory, token: str, horizon: int) -> bool:
        """Whether a bucket can no longer matter: nothing in it is young enough, or `ANY` has all that is."""
        for coded in reversed(memory.buckets[token]):
            if coded >> ROLE_BITS <= horizon:
                return True
            if coded & OWN or token == ANY or not self.valued:
                return False
        return True


def drop(memory: JourneyMemory, token: str) -> None:
    """Forget a value."""
    del memory.buckets[token]
    memory.contents.pop(token, None)


def place_of(one: list[Any], bucket: list[int], contents: list[list[Any]]) -> int:
    """Where a matched event is remembered; -1 where it is not any more."""
    when, _, content = one
    place = bisect_right(bucket, (when << ROLE_BITS) - 1)
    while place < len(bucket) and bucket[place] >> ROLE_BITS == when:
        if contents[place][0] == content[0]:
            return place
        place += 1
    return -1
