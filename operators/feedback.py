"""Feedback on messages: which events tell of an outcome, and of which.

Event names are those of Segment's e-mail and mobile specs, and the same words for the other channels. What an event is
about it says itself, in `properties.action_id`; without it, it is an event like any other.
"""

from operators.events import Event

ENGAGED = frozenset(("opened", "clicked", "replied"))
"""The outcomes that `engaged` stands for."""

_WORDS = {
    "Delivered": "delivered",
    "Received": "delivered",
    "Opened": "opened",
    "Link Clicked": "clicked",
    "Clicked": "clicked",
    "Tapped": "clicked",
    "Replied": "replied",
    "Answered": "replied",
    "Bounced": "bounced",
    "Failed": "bounced",
    "Unsubscribed": "unsubscribed",
}
_SENDERS = ("Email", "Push Notification", "SMS", "In-App Message", "Ad", "Web Message", "Call", "Message")

OUTCOMES: dict[str, str] = {f"{sender} {words}": outcome for sender in _SENDERS for words, outcome in _WORDS.items()}
"""Event name -> outcome: `Email Opened` is opened, `Push Notification Tapped` clicked."""
OUTCOMES["Unsubscribed"] = "unsubscribed"


def names_of(outcomes: frozenset[str]) -> frozenset[str]:
    """The names of the events that tell of these outcomes."""
    return frozenset(name for name, outcome in OUTCOMES.items() if outcome in outcomes)


def action_of(event: Event) -> str | None:
    """The action that an event is about."""
    action = event.properties.get("action_id")
    return action if isinstance(action, str) else None
