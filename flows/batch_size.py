"""How much of the input a replay takes in at once: as much as is of use, and no more than fits into memory.

The longer a batch, the more often it finds a customer more than once, to be read and put back once. But what journeys say
of a batch, and what it changes of its customers, is in memory together. How the input is cut changes nothing of what comes out,
so the clock may be asked here.
"""

from collections.abc import Callable
from time import perf_counter

SECONDS = 4.0
"""As long as a batch may take, about."""

CHANGED_BYTES_MAX = 160 << 20
"""What a batch may change, about: stored records of customers, as they were and as they are."""

_LEAST = 64
"""A batch has at least this part of what it may have at most."""


class BatchSize:
    """The size of the next batch, from what the one before it took."""

    def __init__(self, most: int, changed_bytes: Callable[[], int]) -> None:
        """Begin with a sample.

        Args:
            most: Bytes of the longest batch.
            changed_bytes: What the last batches changed that are not committed, or were committed together last.
        """
        self._most = most
        self._changed_bytes = changed_bytes
        self._taken, self._taken_at = 0, 0.0
        self.bytes_max = most // 8

    def took(self, size: int) -> None:
        """A batch of `size` bytes is handed on."""
        self._taken, self._taken_at = size, perf_counter()

    def adapt(self) -> None:
        """The batch is dealt with: let the next one be as long as suits."""
        if not self._taken:
            return
        by_time = SECONDS / (perf_counter() - self._taken_at)
        by_memory = CHANGED_BYTES_MAX / max(self._changed_bytes(), 1)
        self.bytes_max = min(self._most, max(self._most // _LEAST, int(self._taken * min(by_time, by_memory))))
