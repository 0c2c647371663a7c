"""What is remembered of how a customer answers: messages that went out, what came of them, and when the customer is active.

Part of the customer's record (`state.customer`); `operators.outcomes` and `operators.activity` change it. A field is only
ever added at the end, with a default: older bytes then still decode.
"""

import msgspec


class Touch(msgspec.Struct, array_like=True, gc=False):
    """One message that went out."""

    action_id: str
    channel: str
    journey: str
    version: int
    instance: str
    step: str
    arm: str | None
    sent_at: int
    """Log time (ms)."""
    address: int = 0
    """Hash of where it went; 0 for a channel without addresses."""
    outcomes: list[str] = []
    """What came of it so far, each once, in the order in which it came first."""


class Feedback(msgspec.Struct, array_like=True, gc=False):
    """How one customer answers."""

    recent: bytes = b""
    """Messages that feedback may still be about, the oldest first: `Touch`es as `state.codec` stores them, apart from the
    rest, because few events ask for them and every visit of the customer would read them."""
    answers: dict[str, list[int]] = {}
    """Channel -> day of log time (since 1970, UTC), messages sent on it, those of them that were answered; the next day, ..."""
    hours: list[int] = []
    """Weight of the customer's activity by hour of the day (24) and by weekday (7, from Monday), local; empty before any."""
    week: int = 0
    """Week of log time (since 1970) that the weights are counted from."""
    pending: list[int] = []
    """Of the last half day: log time (ms) at which the customer was active, and the local hour of the week; the next, ..."""
    offers: dict[str, list[int]] = {}
    """Offer with a limit -> log times (ms) at which it was made, as many as the limit counts; the oldest first."""
