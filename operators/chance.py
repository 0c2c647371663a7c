"""Chance that is none: a hash decides, so that a customer's lot is the same live, in a replay, and at every re-entry.

The lot is the first 64 bits of the BLAKE2b-128 hash of a JSON array, as `operators.records.identity` has it:
`["control", journey, customer id]` for a journey's holdout, `["control", "global control", customer id]` for that of the
workspace, `["split", experiment, customer id]` for an experiment, `["layer", layer, customer id]` for a layer of experiments.
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


def is_in_layer(layer: str, customer_id: str, start: int, end: int) -> bool:
    """Whether a customer is in a part of a layer, from `start` on and before `end`, in hundredths of a percent."""
    place = lot("layer", layer, customer_id) * 10_000
    return start << _BITS <= place < end << _BITS


class Lots:
    """Who is in a holdout and who gets which arm: by hash."""

    def is_control(self, journey: str, customer_id: str, hundredths: int) -> bool:
        """Whether a customer is in the holdout of a journey; see the function of the same name."""
        return is_control(journey, customer_id, hundredths)

    def arm_of(self, journey: str, experiment: str, customer_id: str, arms: Sequence[tuple[str, float]]) -> str:
        """The customer's arm of an experiment that they meet in a journey."""
        return arm_of(experiment, customer_id, arms)

    def is_in_layer(self, layer: str, customer_id: str, start: int, end: int) -> bool:
        """Whether a customer is in a part of a layer; see the function of the same name."""
        return is_in_layer(layer, customer_id, start, end)


BY_HASH = Lots()
