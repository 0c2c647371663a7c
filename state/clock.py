"""The one place that asks the system for the time.

Everything that decides gets its time as data. The edges come here: for the rate that a progress bar shows, for
the age of a sign of life, for the log time of a record that has none.
"""

import time


def wall_ms() -> int:
    """Milliseconds since 1970-01-01T00:00:00Z by the system's clock."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds of a clock that never jumps; only differences mean something."""
    return time.monotonic()
