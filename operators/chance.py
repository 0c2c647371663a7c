"""Chance that is none: a hash decides, so that a customer's lot is the same live, in a replay, and at every re-entry.

The lot is the first 64 bits of the BLAKE2b-128 hash of a JSON array, as `operators.records.identity` has it:
`["control", journey, customer id]` for a journey's holdout, `["split", experiment, customer id]` for an experiment.
Whoever knows the array can recompute it.

`Lots` is what the engine asks; scenario tests put others in its place, because a hash must not decide a test.
"""

from collections.abc import Sequence

from operators.records import identity

_BITS = 64


def lot(kind: str, name: str, customer_id: str) -> int:
    """The customer's lot, from 0 to 2**64 - 1, evenly."""
    return int(identity(kind, name, customer_id)[: _BITS // 4], 16)


def is_control(journey: str, customer_id: str, hundredths: int) -> bool:
    """Whether a customer is in the holdout of a journey; `hundredths` of a percent are."""
    return lot("control", journey, customer_id) * 10_000 < hundredths << _BITS


def arm_of(experiment: str, customer_id: str, arms: Sequence[tuple[str, float]]) -> str:
    """The customer's arm: (name, weight) in the order of their names share the lots in proportion."""
    place = lot("split", experiment, customer_id) * sum(weight for _, weight in arms) / 2**_BITS
    for name, weight in arms:
        place -= weight
        if place < 0:
            return name
    return [name for name, weight in arms if weight > 0][-1]  # what rounding leaves over


class Lots:
    """Who is in a holdout and who gets which arm: by hash."""

    def is_control(self, journey: str, customer_id: str, hundredths: int) -> bool:
        """Whether a customer is in the holdout of a journey; see the function of the same name."""
        return is_control(journey, customer_id, hundredths)

    def arm_of(self, journey: str, experiment: str, customer_id: str, arms: Sequence[tuple[str, float]]) -> str:
        """The customer's arm of an experiment that they meet in a journey."""
        return arm_of(experiment, customer_id, arms)


BY_HASH = Lots()
