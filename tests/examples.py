"""How many examples property tests try: `SOJOURN_EXAMPLES` times as many as in CI, as `make long` sets it."""

import os

TIMES = int(os.environ.get("SOJOURN_EXAMPLES", "1"))


def examples(count: int) -> int:
    """As many as CI tries, times what the long run asks for."""
    return count * TIMES
