"""When a customer is active: by hour of the day and by weekday, fading.

An hour in which a customer does something counts once, as the local hour and weekday in which it happened: what they view and do, and what
they answer. Not counted is what others do to them: deliveries and bounces, and `identify`, `group` and `alias`, which are data. What
they did in the last `PENDING_MS` is no history yet: whoever has just left a cart is not for that to be written to at this hour.

What is newer weighs more: twice as much as what was four weeks before, by log time. The weights are whole numbers, so that equal logs
give equal bytes: an hour adds `GROWTH` of the weeks since the first one, and now and then all are divided by 8,192, which is 52 weeks,
and what was little is nothing then. Kept only where a journey asks for the best time.
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
YEAR: Final = 52
"""Weeks, in which weights are doubled 13 times."""

GROWTH: Final = tuple(round(1_024 * 2 ** (weeks / 4)) for weeks in range(2 * YEAR))
"""The weight of an hour, by the weeks since the one that weights are counted from."""

PENDING_MS: Final = 12 * 3_600_000
"""Log time: longer than a visit, and short enough that yesterday evening counts in the morning."""

PENDING_MAX: Final = 24
"""Hours that are no history yet; of more (events that come late are of any hour), the oldest become it."""

_QUARTER_MS: Final = 900_000  # zones are whole quarters of an hour apart
_DATA = frozenset(("identify", "group", "alias"))
_OF_OTHERS = frozenset(("delivered", "bounced"))


def bound() -> str:
    """What is kept of when one customer is active, in a sentence."""
    return (
        "activity: a weight for each of 24 hours and 7 weekdays, local, what is newer by four weeks twice as great; the last "
        f"{PENDING_MS // 3_600_000} hours do not count yet, at most {PENDING_MAX} of them"
    )


def note_activity(customer: Customer, event: Event, now: int, zone: tzinfo) -> None:
    """Count an event, if it is the customer's own and the first of its hour."""
    if event.kind in _DATA or OUTCOMES.get(event.name) in _OF_OTHERS:
        return
    feedback = customer.feedback
    if feedback is None:
        feedback = customer.feedback = Feedback()
    pending = feedback.pending
    if pending and (pending[0] <= now - PENDING_MS or len(pending) >= 2 * PENDING_MAX):
        settle(feedback, now)
    slot = _slot((event.time if event.time < now else now) // _QUARTER_MS, zone)
    for place in range(1, len(pending), 2):
        if pending[place] == slot:
            return
    pending += (now, slot)


def settle(feedback: Feedback, now: int) -> None:
    """Make history of what was long enough ago."""
    pending = feedback.pending
    while pending and (pending[0] <= now - PENDING_MS or len(pending) >= 2 * PENDING_MAX):
        at, slot = pending[:2]
        del pending[:2]
        week = at // WEEK_MS
        if not feedback.hours:
            feedback.hours = [0] * (HOURS + 7)
            feedback.week = week
        while week - feedback.week >= len(GROWTH):
            feedback.hours = [weight >> YEAR // 4 for weight in feedback.hours]
            feedback.week += YEAR
        weight = GROWTH[week - feedback.week]
        weekday, hour = divmod(slot, HOURS)
        feedback.hours[hour] += weight
        feedback.hours[HOURS + weekday] += weight


@lru_cache(4_096)  # quarters of an hour, times zones: events come in the order of time
def _slot(quarter: int, zone: tzinfo) -> int:
    """The hour of the week, local, from Monday."""
    local = local_time(quarter * _QUARTER_MS, zone)
    return local.weekday() * HOURS + local.hour
