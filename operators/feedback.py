"""Feedback on messages: which events tell of an outcome, and of which.

Event names are those of Segment's e-mail and mobile specs, and the same words for the other channels. Which message an
event is about it says itself, in `properties.action_id`; without it, `operators.outcomes` takes the last one on its channel.
"""

from operators.events import Event

ENGAGED = frozenset(("opened", "clicked", "replied"))
"""The outcomes that `engaged` stands for."""

ANSWERED = ENGAGED | {"called"}
"""The outcomes that count as an answer of the customer on a channel."""

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
    "Marked as Spam": "unsubscribed",
}
_SENDERS = {
    "Email": "email",
    "Push Notification": "push",
    "SMS": "sms",
    "In-App Message": "in_app",
    "Ad": "ads",
    "Web Message": "web",
    "Call": "call_center",
    "Message": "",
}
"""How event names begin -> the channel that they are of; `Message` says it in `properties.channel`."""

OUTCOMES: dict[str, str] = {f"{sender} {words}": outcome for sender in _SENDERS for words, outcome in _WORDS.items()}
"""Event name -> outcome: `Email Opened` is opened, `Push Notification Tapped` clicked."""
OUTCOMES["Unsubscribed"] = "unsubscribed"
OUTCOMES["Push Token Expired"] = "bounced"  # nothing arrives there any more
OUTCOMES["Call Made"] = OUTCOMES["Call Completed"] = "called"

CHANNELS: dict[str, str] = {f"{sender} {words}": channel for sender, channel in _SENDERS.items() for words in _WORDS}
"""Event name -> channel; empty where the event says it."""
CHANNELS["Unsubscribed"] = "email"  # Segment's e-mail spec has it
CHANNELS["Push Token Expired"] = "push"
CHANNELS["Call Made"] = CHANNELS["Call Completed"] = "call_center"


def names_of(outcomes: frozenset[str]) -> frozenset[str]:
    """The names of the events that tell of these outcomes."""
    return frozenset(name for name, outcome in OUTCOMES.items() if outcome in outcomes)


def action_of(event: Event) -> str | None:
    """The action that an event says it is about: None where it says nothing, empty where what it says is no id."""
    action = event.properties.get("action_id")
    return action if action is None or isinstance(action, str) else ""


def channel_of(event: Event) -> str:
    """The channel that an outcome is of, as far as the event says it: `properties.channel`, else its name; empty for neither."""
    channel = event.properties.get("channel")
    return channel if isinstance(channel, str) and channel else CHANNELS.get(event.name, "")
