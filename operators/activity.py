"""When a customer is active: by hour of the day and by weekday, fading.

Every event of the customer's own counts in the local hour and on the local weekday in which it happened: what they view and do, and what
they answer. Not counted is what others do to them: deliveries and bounces, and `identify`, `group` and `alias`, which are data.

The weights are whole numbers, so that equal logs give equal bytes: an event adds `WEIGHT`, and with each week of log time all weights
become 861/1024 of what they were, rounded down - half in four weeks, nothing in about a year. Kept only where a journey asks
for the best time.
"""

from datetime import tzinfo
from functools import lru_cache
from typing import Final

from operators.calendar import local_time
from operators.events import Event
from operators.feedback import OUTCOMES
from state.customer import Customer
from state.feedback import Feedback

HOURS: Final = 24
WEEK_MS: Final = 7 * 86_400_000
WEIGHT: Final = 1_024

_QUARTER_MS: Final = 900_000  # zones are whole quarters of an hour apart
_DATA = frozenset(("identify", "group", "alias"))
_OF_OTHERS = frozenset(("delivered", "bounced"))


def note_activity(customer: Customer, event: Event, now: int, zone: tzinfo) -> None:
    """Count an event, if it is the customer's own."""
    if event.kind in _DATA or OUTCOMES.get(event.name) in _OF_OTHERS:
        return
    feedback = customer.feedback
    if feedback is None:
        feedback = customer.feedback = Feedback()
    week = now // WEEK_MS
    hours = feedback.hours
    if not hours:
        hours = feedback.hours = [0] * (HOURS + 7)
        feedback.week = week
    elif week > feedback.week:
        hours = feedback.hours = faded(hours, week - feedback.week)
        feedback.week = week
    hour, weekday = _local((event.time if event.time < now else now) // _QUARTER_MS, zone)
    hours[hour] += WEIGHT
    hours[HOURS + weekday] += WEIGHT


def faded(hours: list[int], weeks: int) -> list[int]:
    """The weights some weeks later."""
    for _ in range(weeks):
        if not any(hours):
            break
        hours = [weight * 861 >> 10 for weight in hours]
    return hours


@lru_cache(4_096)  # quarters of an hour, times zones: events come in the order of time
def _local(quarter: int, zone: tzinfo) -> tuple[int, int]:
    local = local_time(quarter * _QUARTER_MS, zone)
    return local.hour, local.weekday()
