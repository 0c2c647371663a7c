"""When a wait is over: durations count in log time, clock times and dates are the customer's local ones.

A wait counts from reaching its step (`Run.since`). So it can be worked out anew when the customer moves to another time
zone, or the profile changes, while the run waits.
"""

from collections.abc import Callable
from typing import Any

from operators.best_time import best_time
from operators.expression_functions import moment as time_in
from operators.moment import Moment
from operators.plan_steps import DelayPlan
from state.instants import INSTANT_MS_MAX
from state.runs import Run

Scope = Callable[[], dict[str, Any]]


def deadline(delay: DelayPlan, run: Run, moment: Moment, scope: Scope) -> int | None:
    """When (ms) a wait that began at `run.since` is over; in the past where it is over at once.

    None where an expression gives no date: the profile has none, or it is none.
    """
    if delay.duration is not None:
        return (run.entered_at if delay.from_entry else run.since) + delay.duration
    if delay.best is not None:
        return best_time(delay.best, run.since, moment)[0]
    zone = moment.customer_zone
    if delay.clock is not None:
        return delay.clock.next_after(run.since, zone)
    value: object = delay.date
    if delay.expression is not None:
        value = delay.expression.evaluate({**scope(), "now": run.since})
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return None
    found = time_in(value, zone)
    # Later than any log lasts: such a wait ends with the run's exits, or never.
    return None if found is None else min(int(found), INSTANT_MS_MAX)


def can_change(delay: DelayPlan) -> bool:
    """Whether the customer's zone or profile decides when a wait is over, and the event that led to it does not."""
    expression = delay.expression
    return delay.duration is None and (expression is None or not expression.names & {"event", "properties"})
