"""What the live job tells whoever listens: value objects, one for each thing that happened. Metrics are one listener.

The job knows no listener: it calls what it was given, and `Silence` is what it is given where nobody listens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class GroupCommitted:
    """A key group has ended an epoch on disk."""

    group: int
    seconds: float
    """That the write took."""
    position: int
    loaded: int
    """Customers looked up since the group was opened."""
    missed: int
    """Of those, how many the cache did not have."""
    timers: int
    """Customers who wait for a timer, about."""
    counts: dict[str, int]
    """`records`, `accepted`, `rejected`, `duplicates`, `customers`, over the life of the group."""
    rejected: dict[str, int]
    """Reason -> records."""
    actions: dict[str, dict[str, int]]
    """Journey -> channel -> actions."""


@dataclass(frozen=True)
class Read:
    """How far a partition of the log is read, and how far it goes."""

    partition: int
    next_offset: int
    end_offset: int
    now_ms: int
    """The partition's clock as far as it is read; 0 where nothing was read since the start."""


@dataclass(frozen=True)
class Sent:
    """Output is where its readers see it."""

    seconds: float | None
    """That sending took, from the beginning of the transaction to its end; None where each record goes by itself."""
    records: int
    actions: Sequence[bytes]
    """Those of them that are actions: their bytes."""


class Listener(Protocol):
    """Whoever wants to know."""

    def committed(self, happened: GroupCommitted) -> None:
        """A key group has ended an epoch on disk."""

    def read(self, happened: Read) -> None:
        """A partition has been read so far, at the end of an epoch."""

    def sent(self, happened: Sent) -> None:
        """Output is where its readers see it."""


class Silence:
    """Nobody wants to know."""

    def committed(self, happened: GroupCommitted) -> None:
        """So what."""

    def read(self, happened: Read) -> None:
        """So what."""

    def sent(self, happened: Sent) -> None:
        """So what."""


SILENCE = Silence()


_DECIDED_AT = b'"decided_at":"'


def decided_at_of(action: bytes) -> str:
    """The instant in the bytes of an action, without reading all of it.

    >>> decided_at_of(b'{"action_id":"0f","decided_at":"2026-01-05T10:00:00.000Z","kind":"send"}')
    '2026-01-05T10:00:00.000Z'
    """
    start = action.find(_DECIDED_AT) + len(_DECIDED_AT)
    return action[start : start + 24].decode()
