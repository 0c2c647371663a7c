"""What a pattern waits for that ends with `absent ... for`: one match so far for each value, and its deadline.

The deadline is the later of the last matched event's time + `for`, and the clock when it was read + `settle`: what a device that
was offline sends in one burst is read first. What must be absent ends the waiting where it does not come before the last
matched event; a further match takes the place of the one before, and the deadline is the later of both.

It is remembered among the contents, under a name that no value has.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from operators.pattern_buckets import place_of
from operators.pattern_search import ROLE_BITS
from state.customer import JourneyMemory

PENDING_MAX: Final = 4_096
"""Absences that are waited for at once, of one customer and journey, as many as there are values; further ones are not."""

_PENDING: Final = "\x00pending"

SoFar = list[list[Any]]
"""[event time, part, what is kept of the event] of each matched event."""


class Pending(NamedTuple):
    """One absence that is waited for."""

    due: int
    value: object
    so_far: SoFar


@dataclass(frozen=True)
class Absence:
    """`absent ... for`, in ms."""

    bit: int
    for_: int
    settle: int

    def wait(self, memory: JourneyMemory, token: str, value: object, chosen: list[tuple[int, int]], now: int) -> None:
        """Wait after a match so far: (place in the bucket of `token`, part) of its events."""
        bucket, contents = memory.buckets[token], memory.contents[token]
        so_far = [[bucket[place] >> ROLE_BITS, part, contents[place]] for place, part in chosen]
        due = max(so_far[-1][0] + self.for_, now + self.settle)
        pending = memory.contents.setdefault(_PENDING, [{}])[0]
        before = pending.get(token)
        if before is None:
            if len(pending) < PENDING_MAX:
                pending[token] = [due, value, so_far]
        elif chosen[-1][0] >= place_of(before[2][-1], bucket, contents):
            pending[token] = [max(due, before[0]), value, so_far]
        else:
            before[0] = max(due, before[0])


def waiting(memory: JourneyMemory) -> list[str]:
    """The tokens of the values for which an absence is waited for."""
    return list(memory.contents[_PENDING][0]) if _PENDING in memory.contents else []


def pending_of(memory: JourneyMemory, token: str) -> Pending | None:
    """What is waited for with one value."""
    if _PENDING not in memory.contents:
        return None
    pending = memory.contents[_PENDING][0].get(token)
    return None if pending is None else Pending(*pending)


def forget(memory: JourneyMemory, token: str) -> None:
    """Wait no more."""
    pending = memory.contents[_PENDING][0]
    del pending[token]
    if not pending:
        del memory.contents[_PENDING]
