"""Several inputs made one sequence in the order of arrival, and the time at each place of it: the low watermark.

What is read of one input ahead of another is held until the other has come as far. So the sequence is what one input would
have had, however fast or late each of them is read: events that came five minutes apart are five minutes apart, and the
watermark at a record is the record's own arrival. (Without that a wait would begin at the time of the slowest input, and
be over too early.) Kafka Streams chooses among its partitions in the same way. Pure: times come in as arguments.

Each input has a mark: a time that no record which has not been given on lies before. What moves it:

- A record: its timestamp, for the next one is not older. A timestamp beyond the wall time is not believed and moves
  nothing: one poisoned stamp (2106) must not carry the others away.
- Everything was read that the input held at some wall time: that time, for what is unread came later.

The low watermark is the least of the marks. It may be late, and must never be early: a time-out that fires before the event
it waited for was read is wrong. Neither it nor a mark ever falls; it begins where the one before a restart ended.

An input from which nothing comes, neither records nor that it was read to its end, can be given up: it holds nobody back
any more, until it gives a sign. But it still holds the watermark.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heapreplace
from typing import Generic, TypeVar

T = TypeVar("T")

_NEVER = 2**63


class _Lane(Generic[T]):
    """One input."""

    __slots__ = ("is_given_up", "mark", "name", "queue", "tail")

    def __init__(self, name: str, mark: int) -> None:
        self.name = name
        self.mark = mark
        self.tail = mark  # what the mark will be when the queue is empty
        self.queue: deque[tuple[int, T | None]] = deque()  # records by what the mark is after them; None moves it alone
        self.is_given_up = False

    def settle(self) -> None:
        """Take what only moves the mark off the head of the queue."""
        queue = self.queue
        while queue and queue[0][1] is None:
            self.mark = max(self.mark, queue.popleft()[0])


class Alignment(Generic[T]):
    """A fixed set of inputs.

    >>> inputs: Alignment[str] = Alignment({"clicks": 1_000, "orders": 1_000})
    >>> inputs.add("clicks", [(1_200, "a"), (5_000, "b")], wall=9_500)
    >>> list(inputs.ready()), inputs.value
    ([], 1000)
    >>> inputs.add("orders", [(3_000, "c")], wall=9_500)
    >>> list(inputs.ready()), inputs.value
    ([('clicks', 'a', 1200), ('orders', 'c', 3000)], 3000)
    >>> inputs.caught_up("orders", 9_400)
    >>> list(inputs.ready()), inputs.value
    ([('clicks', 'b', 5000)], 5000)
    """

    def __init__(self, marks: Mapping[str, int], at: int = 0) -> None:
        """Begin.

        Args:
            marks: Input -> a time (ms) that none of its unread records lies before.
            at: Where the watermark has been already; it goes on from there.
        """
        self._lanes: list[_Lane[T]] = [_Lane(name, marks[name]) for name in sorted(marks)]
        self._by_name = {lane.name: lane for lane in self._lanes}
        self.value = max(at, min(marks.values(), default=at))
        """The low watermark (ms)."""

    def add(self, source: str, records: Iterable[tuple[int, T]], wall: int) -> None:
        """Take in records that were read.

        Args:
            source: The input.
            records: Each with its timestamp (ms), in their order; negative where there is none.
            wall: The wall time (ms) at which they were read.
        """
        lane = self._by_name[source]
        lane.is_given_up = False
        tail, append = lane.tail, lane.queue.append
        for stamp, record in records:
            if tail < stamp <= wall:
                tail = stamp
            append((tail, record))
        lane.tail = tail

    def caught_up(self, source: str, wall: int) -> None:
        """Take in that everything was read which an input held at a wall time (ms)."""
        lane = self._by_name[source]
        lane.is_given_up = False
        if wall > lane.tail:
            lane.tail = wall
            lane.queue.append((wall, None))
            lane.settle()

    def ready(self) -> Iterator[tuple[str, T, int]]:
        """The records whose turn it is: (input, record, the low watermark at it). To be taken to the end."""
        lanes = self._lanes
        heads = [(lane.queue[0][0], number) for number, lane in enumerate(lanes) if lane.queue]
        heapify(heads)
        waited_for = min((lane.mark for lane in lanes if not lane.queue and not lane.is_given_up), default=_NEVER)
        lowest = min((lane.mark for lane in lanes if not lane.queue), default=_NEVER)
        low = self.value
        while heads:
            key, number = heads[0]
            if key > waited_for:
                break
            lane = lanes[number]
            queue = lane.queue
            record = queue.popleft()[1]
            lane.mark = key
            at = min(key, lowest)
            low = max(low, at)
            if queue and queue[0][1] is None:
                lane.settle()
            if queue:
                heapreplace(heads, (queue[0][0], number))
            else:
                heappop(heads)
                waited_for, lowest = min(waited_for, lane.mark), min(lowest, lane.mark)
            assert record is not None  # noqa: S101 - `settle` has taken all others off the head
            yield lane.name, record, low
        bound = min(lowest, heads[0][0] if heads else _NEVER)
        self.value = max(low, bound) if lanes else low

    def holds(self, source: str) -> int:
        """How many records of an input wait for the others."""
        return len(self._by_name[source].queue)

    def waits_for(self) -> list[str]:
        """The inputs that hold others back."""
        first = min((lane.queue[0][0] for lane in self._lanes if lane.queue), default=-1)
        return [lane.name for lane in self._lanes if not lane.queue and not lane.is_given_up and lane.mark < first]

    def give_up(self, source: str) -> None:
        """Let an input hold nobody back until it gives a sign."""
        self._by_name[source].is_given_up = True
