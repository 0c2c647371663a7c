"""`best`: the channels of a message in the customer's own order.

The channel that they prefer (`profile.preferred_channel`) goes first, then the one on which they answer most, then as listed. How often
they answer is smoothed: as if `PRIOR_MESSAGES` more messages had been answered as often as people answer on that channel
(`answer_rate` in orchestration.yaml), so that one message without an answer does not close a channel, and a new customer gets what
works for others. It counts in whole millionths: equal logs give equal orders.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from operators.outcomes import answers_of

if TYPE_CHECKING:
    from operators.moment import Moment

PRIOR_MESSAGES: Final = 10
"""Weight of what is known of people in general: an own rate counts as much after ten messages."""

ANSWER_RATE: Final = "20%"
"""Where the workspace says nothing of a channel: between what e-mails and text messages get."""

PREFERRED, ANSWERS, LISTED = "preferred", "answers", "listed"
"""Why a channel goes before the next one."""


def smoothed(sent: int, answered: int, hundredths: int) -> int:
    """The answer rate in millionths.

    >>> smoothed(0, 0, 2_000), smoothed(10, 10, 2_000), smoothed(1, 0, 2_000)
    (200000, 600000, 181818)
    """
    return (answered * 1_000_000 + PRIOR_MESSAGES * hundredths * 100) // (sent + PRIOR_MESSAGES)


def in_best_order(
    channels: tuple[str, ...], moment: "Moment", rates: Mapping[str, int]
) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """The channels in the order in which they are tried, and why: what the fact says of each.

    Args:
        channels: As listed.
        moment: The customer, and the clock.
        rates: How often people answer, in hundredths of a percent, by channel.
    """
    customer = moment.customer
    preferred = customer.profile.get("preferred_channel")
    rows = []
    for place, channel in enumerate(channels):
        sent, answered = answers_of(customer, channel, moment.now)
        rate = smoothed(sent, answered, rates.get(channel, 2_000))
        rows.append((channel != preferred, -rate, place, channel, sent, answered))
    rows.sort()
    why = []
    rates_there = [row[1] for row in rows if row[0]]
    for is_other, rate, _, channel, sent, answered in rows:
        reason = PREFERRED if not is_other else LISTED if rates_there.count(rate) > 1 else ANSWERS
        why.append({"channel": channel, "sent": sent, "answered": answered, "rate": -rate / 1_000_000, "by": reason})
    return tuple(row[3] for row in rows), why
