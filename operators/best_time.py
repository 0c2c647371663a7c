"""`at: best_time within 24h`: the hour in which the customer is most active, of those that come within that time.

What they did says when (`operators.activity`). Looked at are the moment itself and every full local hour up to the end of that
time, as far as the first channel of the message may be used then: outside of its quiet hours, inside of its opening hours. The
hour of the greatest weight wins, of equal ones the first to come. Where it may be more than a day, the weekday counts, too: the weight
of the hour times that of the day, to which a seventh of all weight is added, so that no day is out of the question for want of
history. Who has no history, or none in any of these hours, gets it now.
"""

from typing import TYPE_CHECKING, Any, Final

from operators.activity import HOURS, settle
from operators.calendar import local_time

if TYPE_CHECKING:
    from operators.moment import Moment
    from operators.send_plans import BestTimePlan

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS


def best_time(plan: "BestTimePlan", since: int, moment: "Moment") -> tuple[int, dict[str, Any]]:
    """When (ms) a message goes out that is ready at `since`, and why: what the fact says."""
    feedback = moment.customer.feedback
    if feedback is not None:
        settle(feedback, moment.now)
    hours = feedback.hours if feedback is not None else []
    if not any(hours):
        return since, {"why": "no_history", "hour": None}
    total = sum(hours[:HOURS])
    zone = moment.customer_zone
    gates = moment.gates
    channels, _ = gates.channels_of(plan, moment)
    best, found = 0, since
    at = since
    while channels and at <= since + plan.within:
        local = local_time(at, zone)
        weight = hours[local.hour]
        if plan.within > DAY_MS:
            weight *= hours[HOURS + local.weekday()] + total // 7
        if weight > best and gates.is_open(channels[0], at, plan.tags, moment):
            best, found = weight, at
        at += HOUR_MS - (local.minute * 60_000 + local.second * 1_000 + local.microsecond // 1_000)
    if not best:
        return since, {"why": "no_open_hour", "hour": None}
    hour = local_time(found, zone).hour
    return found, {"why": "most_active", "hour": hour, "share": round(hours[hour] / total, 4)}
