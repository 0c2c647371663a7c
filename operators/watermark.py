"""The low watermark of several inputs: the time that no event which is still unread can lie before.

Ingest stamps what it writes into the customer log with it (`sojourn-time`), and the engine's clock is made of nothing
else. So it may be late, and must never be early: a time-out that fires before the event it waited for was read is wrong,
however far behind the readers are. Pure: times come in as arguments. `flows.ingest_writer` calls it.

Each input has a mark, and the low watermark is the least of them. What moves the mark of an input:

- A record was read: its timestamp, for the next one is not older. A timestamp beyond the wall time is not believed and
  moves nothing: one poisoned stamp (2106) must not carry the others away.
- Everything was read that the input held at some wall time: that time, for what is unread came later.

Neither a mark nor the watermark ever falls, and the watermark begins where the one before a restart ended.
"""

from collections.abc import Iterable, Mapping


class Watermark:
    """The low watermark over a fixed set of inputs.

    >>> low = Watermark({"clicks [0]": 1_000, "orders [0]": 5_000})
    >>> low.value
    1000
    >>> low.read("clicks [0]", [1_200, 9_000], wall=9_500)
    [1200, 5000]
    >>> low.caught_up("orders [0]", 9_400)
    >>> low.value
    9000
    """

    def __init__(self, marks: Mapping[str, int], at: int = 0) -> None:
        """Begin.

        Args:
            marks: Input -> a time (ms) that none of its unread records lies before.
            at: Where the watermark has been already; it goes on from there.
        """
        self._marks = dict(marks)
        self.value = max(at, min(self._marks.values(), default=at))
        """The low watermark (ms)."""

    def read(self, source: str, stamps: Iterable[int], wall: int) -> list[int]:
        """Take in that records were read.

        Args:
            source: The input.
            stamps: The timestamps of the records (ms), in their order; negative where there is none.
            wall: The wall time (ms) at which they were read.

        Returns:
            For each record, the low watermark once it is read: what it is stamped with.
        """
        mark = self._marks[source]
        others = min((m for name, m in self._marks.items() if name != source), default=wall)
        low = self.value
        lows = []
        for stamp in stamps:
            if mark < stamp <= wall:
                mark = stamp
                low = max(low, min(mark, others))
            lows.append(low)
        self._marks[source] = mark
        self.value = low
        return lows

    def caught_up(self, source: str, wall: int) -> None:
        """Take in that everything was read which an input held at a wall time (ms)."""
        if wall > self._marks[source]:
            self._marks[source] = wall
            self.value = max(self.value, min(self._marks.values()))
