"""The clock of one partition of the customer log, made of nothing but its records, in their order.

Two kinds of log have a clock:

- One that ingest writes. Every record carries `sojourn-time`, the low watermark of ingest's inputs, and that is the time:
  the record's own timestamp tells when it was written, which may be hours after it arrived. Once a record has carried
  it, a record without moves the clock no more: whoever wrote that did not know what ingest has not yet read.
- One that its producers write, stamped by the broker (`LogAppendTime`). The stamp is the time.

A `sojourn-time` later than the broker's stamp of the same record cannot be: it counts as that stamp. A stamp outside of
1970 to 2099 says nothing. So a clock at the writer that jumps to 2106 moves this one no further than the broker's own,
and one that jumps back leaves it where it is.
"""

from state.instants import INSTANT_MS_MAX, INSTANT_MS_MIN


class LogClock:
    """Where the clock of a partition is, and what moves it.

    >>> clock = LogClock()
    >>> clock.see(None, 5_000)
    5000
    >>> clock.see(4_000, 6_000), clock.see(5_500, 6_000), clock.see(None, 9_000), clock.see(99_999, 9_500)
    (5000, 5500, 5500, 9500)
    """

    __slots__ = ("is_stamped", "now")

    def __init__(self, now: int = 0, is_stamped: bool = False) -> None:
        """Go on from what was read before."""
        self.now = now
        self.is_stamped = is_stamped
        """Whether a record has carried `sojourn-time`."""

    def see(self, low: int | None, stamp: int) -> int:
        """Take in the next record; give the time at it.

        Args:
            low: Its `sojourn-time` (ms); None where it has none.
            stamp: Its timestamp (ms).
        """
        if not INSTANT_MS_MIN <= stamp < INSTANT_MS_MAX:
            return self.now
        if low is not None:
            self.is_stamped = True
            stamp = min(stamp, low)
        elif self.is_stamped:
            return self.now
        self.now = max(self.now, stamp)
        return self.now
