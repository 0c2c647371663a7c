"""How much is remembered of runs: the bounds, each with its unit, and what happens there."""

from collections.abc import Collection, Iterator

RUNS_MAX = 64
"""Instances of one journey under way for one customer: more keys than anyone shops in at once, and small to store."""

KEPT_BYTES_MAX = 64 << 10
"""Of what the kept events of one run held, as JSON. Beyond it the largest properties are left out, first of the context; a
template that reads one of them then withholds its message, and says so."""

ACTIONS_MAX = 100
"""Messages of one run whose feedback its waits know; of more, the oldest are forgotten."""

HOLDS_MAX = 1_000
"""Holders of one customer, over all channels and tags: far more than journeys have steps that hold back."""


def bounds(reads: Collection[str], goal: bool) -> Iterator[str]:
    """The bounds of one journey's runs, in sentences; `reads` are the events of the match that its steps read."""
    yield f"at most {RUNS_MAX} runs of one customer are under way; beyond it nobody enters (`instances`)"
    if goal:
        yield f"at most {RUNS_MAX} that are over are watched for the goal; beyond it the oldest is forgotten"
    if reads:
        names = ", ".join(sorted(reads))
        size = f"{KEPT_BYTES_MAX >> 10} KiB"
        yield f"what {names} held is kept with the run, at most {size}; beyond it the largest properties are left out"
