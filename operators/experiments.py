"""Who is dealt what: arms of experiments and control groups of journeys, once and for good.

`operators.chance` deals by hash; here a customer keeps what they were dealt, so that new weights, or another share of control,
concern those who come later and reshuffle nobody. An arm that there is no more is dealt anew.

Experiments of one layer exclude each other: a customer's lot in the layer says in which one they are, if in any, and whoever is
in one of them is in no other, also after the parts of the layer have changed.

Bound: `LOTS_MAX` for each customer; what comes after is dealt by hash each time.
"""

from operators.journey_plan import JourneyPlan
from operators.moment import Moment
from operators.plan_steps import SplitPlan
from operators.sends import CONTROL, TREATMENT

LOTS_MAX = 1_000
"""Experiments and control groups of one customer that are remembered: more than a company runs in years."""


def is_held_out(journey: JourneyPlan, moment: Moment) -> bool:
    """Whether the customer is in the control group of a journey that has one."""
    dealt = moment.customer.lots.get(f"control {journey.name}")
    if dealt is not None:
        return dealt == CONTROL
    is_control = journey.lots.is_control(journey.name, moment.customer_id, journey.control)
    _keep(f"control {journey.name}", CONTROL if is_control else TREATMENT, moment)
    return is_control


def arm_of(journey: JourneyPlan, split: SplitPlan, moment: Moment) -> str | None:
    """The customer's arm of an experiment; None where they are outside of it, in another one of its layer or in none."""
    name, dealt = split.name, moment.customer.lots
    arm = dealt.get(f"split {name}")
    if arm is not None and any(arm == one for one, _, _ in split.arms):
        return arm
    layer = moment.layers.get(name)
    if layer is not None:
        if any(f"split {other}" in dealt for other in layer.others):
            return None
        if not journey.lots.is_in_layer(layer.name, moment.customer_id, layer.start, layer.end):
            return None
    arm = journey.lots.arm_of(journey.name, name, moment.customer_id, [(one, weight) for one, weight, _ in split.arms])
    _keep(f"split {name}", arm, moment)
    return arm


def _keep(name: str, arm: str, moment: Moment) -> None:
    dealt = moment.customer.lots
    if len(dealt) < LOTS_MAX or name in dealt:
        dealt[name] = arm
