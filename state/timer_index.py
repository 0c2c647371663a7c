"""Which customers have a timer due, and when: the column family `timers` of a key group, and its near end in memory.

A customer has one entry, for the earliest of their timers; the timers themselves are in the customer's record. The key is
the due time in eight big-endian bytes, then the customer id: RocksDB's order is the order in which timers fire. The value
is empty.

What fires first is read again and again, and RocksDB walks over every entry that was deleted there. So entries up to a
*horizon* are kept in memory as well, in a heap; behind it there is only the disk, read once, a stretch at a time.
Used by `state.store`, which writes what `changed` collects.
"""

from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush

NEAR_MAX = 10_000
"""Entries read from disk in one go; a customer id and its numbers take about 250 bytes."""

DUE_MS_MAX = (1 << 63) - 1


def timer_key(due: int, customer_id: str) -> bytes:
    """The key of an entry: due time first, because the index is read in that order."""
    return due.to_bytes(8, "big") + customer_id.encode()


class TimerIndex:
    """The timers of one key group, one entry a customer.

    >>> index = TimerIndex(lambda start: iter(()))
    >>> index.change("c-1", None, 500)
    >>> index.change("c-2", None, 400)
    >>> index.due(400), index.due(450), index.due(500)
    (['c-2'], [], ['c-1'])
    """

    def __init__(self, read: Callable[[bytes], Iterator[bytes]]) -> None:
        """Read the disk through `read`: the keys from a given one on, in their order."""
        self._read = read
        self._near: dict[str, int] = {}  # customer -> due, of all entries before the horizon
        self._heap: list[tuple[int, str]] = []  # the same; what `_near` does not confirm is stale
        self._horizon = 0
        """Entries due from here on (ms) are on disk alone."""
        self.changed: dict[str, tuple[int | None, int | None]] = {}
        """This epoch's changes: customer -> due on disk, due now."""

    def change(self, customer_id: str, was: int | None, due: int | None) -> None:
        """The earliest timer of a customer is another one; None is none."""
        if was == due:
            return
        before = self.changed.get(customer_id)
        self.changed[customer_id] = (was if before is None else before[0], due)
        if due is not None and due < self._horizon:
            self._near[customer_id] = due
            heappush(self._heap, (due, customer_id))
            if len(self._heap) > 4 * NEAR_MAX:
                self._tidy()
        else:
            self._near.pop(customer_id, None)

    def due(self, through: int) -> list[str]:
        """Customers whose earliest timer is due at `through` (ms) or before, in the order of their timers; not all at once.

        Each is given once: whoever takes them fires their timers and says what is due next (`change`). An empty list means
        that there are none any more.
        """
        found: list[str] = []
        while True:
            near, heap = self._near, self._heap
            while heap and heap[0][0] <= through:
                due, customer_id = heappop(heap)
                if near.get(customer_id) == due:
                    del near[customer_id]
                    found.append(customer_id)
            if found or self._horizon > through:
                return found
            self._read_on()

    def _read_on(self) -> None:
        """Take the next stretch of the disk into memory, and this epoch's changes that lie in it."""
        start = last = self._horizon
        horizon = DUE_MS_MAX
        for key in self._read(start.to_bytes(8, "big")):
            due = int.from_bytes(key[:8], "big")
            if due > last and len(self._near) >= NEAR_MAX:
                horizon = due  # the stretch ends between two times, never inside of one: `change` knows times alone
                break
            last = due
            customer_id = key[8:].decode()
            if customer_id not in self.changed:
                self._near[customer_id] = due
        for customer_id, (_, due_now) in self.changed.items():
            if due_now is not None and start <= due_now < horizon:
                self._near[customer_id] = due_now
        self._set_horizon(horizon)

    def _tidy(self) -> None:
        """Give back what the near end has too much of: entries that are on disk as well, or among this epoch's changes."""
        horizon = self._horizon
        if len(self._near) > 4 * NEAR_MAX:
            horizon = sorted(self._near.values())[NEAR_MAX]
            self._near = {customer_id: due for customer_id, due in self._near.items() if due < horizon}
        self._set_horizon(horizon)

    def _set_horizon(self, horizon: int) -> None:
        self._horizon = horizon
        self._heap = [(due, customer_id) for customer_id, due in self._near.items()]
        heapify(self._heap)

    def committed(self) -> None:
        """This epoch's changes are on disk."""
        self.changed.clear()

    def writes(self) -> Iterable[tuple[bytes | None, bytes | None]]:
        """What is to be written for this epoch: keys to delete and keys to put, in pairs."""
        for customer_id, (was, due) in self.changed.items():
            if was != due:
                yield (
                    None if was is None else timer_key(was, customer_id),
                    None if due is None else timer_key(due, customer_id),
                )
