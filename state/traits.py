"""What is remembered of a customer's traits and segments: plain records, no behaviour.

Part of the customer's record (`state.customer`); `operators.trait_plan` and its neighbours change it. A field is only ever
added at the end, with a default: older bytes then still decode.
"""

from typing import Any

import msgspec


class Kept(msgspec.Struct, array_like=True, gc=False):
    """What one trait keeps of its events, all of them or those of one value; which fields are used depends on its kind."""

    times: list[int] = []
    """Event times (ms), rising. Of a trait without a window: that of its latest event, or of the one that it keeps."""
    values: list[Any] = []
    """What they held, item for item. Of a sum without a window: floats whose exact sum it is."""
    counts: list[int] = []
    """How many events each item stands for; empty where each stands for one. Without a window: [events, floats among them]."""


class TraitMemory(msgspec.Struct, array_like=True, gc=False):
    """The traits and segments of one customer."""

    mark: int = 0
    """Hash of all traits and segments in use when this was brought up to date."""
    traits: dict[int, dict[str, Kept]] = {}
    """Hash of a trait's definition -> value of its `by` as a token (one empty token without) -> what is kept; the values
    in the order in which they were last read."""
    segments: dict[int, bool] = {}
    """Hash of a segment's definition -> whether the customer is in it."""
    due: dict[int, int] = {}
    """Hash of a segment's definition -> when (ms) it has to be looked at again, for those that change by the clock."""
