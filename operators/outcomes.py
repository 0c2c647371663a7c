"""Outcomes: what came of a message, told of the action that it is about, and remembered for the next one.

An event that tells of an outcome (`operators.feedback`) is about the action that it names in `properties.action_id`, if that is
one of this customer's last messages; one that names none is about the last message on its channel that went out in the
`LAST_TOUCH_MS` before the event, by event time. What is about no message is an event like any other, but for two things that hold
for the channel whoever sent the message: it bounced, and the customer unsubscribed.

What follows from outcomes:

- `bounced`: the address is not reachable (`Customer.bounced`), until the customer has another one or something is delivered to it;
  unless the event says that the bounce is a passing one (`properties.bounce_type`: soft, transient, temporary).
- `unsubscribed`: consent is withdrawn for what the channel asks consent for.
- opened, clicked, replied, called: an answer on the channel, once for each message, on the day on which it went out.

Bounds: `RECENT_MAX` messages of the last `RECENT_MS`, of which the oldest is forgotten first, and `ANSWERS_DAYS` days of answers.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from xxhash import xxh3_64_intdigest

from operators.events import Event
from operators.feedback import ANSWERED, action_of, channel_of
from operators.moment import Moment
from operators.profile import withdraw
from state.codec import decode_touches, encode_touches
from state.customer import Customer
from state.feedback import Feedback, Touch

DAY_MS: Final = 86_400_000

RECENT_MAX: Final = 32
"""Messages of one customer that feedback may be about: more than caps let through in a month."""

RECENT_MS: Final = 30 * DAY_MS
"""Log time after which a message is forgotten: most opens and clicks come within days, some in the next weeks."""

LAST_TOUCH_MS: Final = 7 * DAY_MS
"""Event time within which feedback that names no action is about the last message on its channel; Adobe has 7 days, too."""

ANSWERS_DAYS: Final = 90
"""Days, UTC, over which answers are counted."""

PASSING: Final = frozenset(("soft", "transient", "temporary"))
"""Kinds of bounces after which the address is still good."""


def bounds() -> Iterator[str]:
    """What is kept of how one customer answers, and what happens at the bounds, in sentences."""
    days, touch = RECENT_MS // DAY_MS, LAST_TOUCH_MS // DAY_MS
    yield (
        f"feedback: the last {RECENT_MAX} messages of one customer, for {days} days; feedback that names none is about the last one "
        f"on its channel in the {touch} days before"
    )
    yield f"feedback: messages and answers by channel and day (UTC) for {ANSWERS_DAYS} days, exact"


def remember_sent(moment: Moment, action: Mapping[str, Any]) -> None:
    """Remember a message that goes out now, by its action."""
    customer, now = moment.customer, moment.now
    address = action["to"].get(action["channel"])
    feedback = customer.feedback
    if feedback is None:
        feedback = customer.feedback = Feedback()
    recent, channel = decode_touches(feedback.recent), action["channel"]
    while recent and (len(recent) >= RECENT_MAX or recent[0].sent_at <= now - RECENT_MS):
        del recent[0]
    recent.append(
        Touch(
            action_id=action["action_id"],
            channel=channel,
            journey=action["journey"],
            version=action["version"],
            instance=action["instance"],
            step=action["step"],
            arm=action["arm"],
            sent_at=now,
            address=address_hash(address) if address else 0,
        )
    )
    feedback.recent = encode_touches(recent)
    count(feedback.answers.setdefault(channel, []), now // DAY_MS, 1, 0)


def take_outcome(moment: Moment, event: Event, outcome: str) -> None:
    """Take in an event that tells of an outcome; an unsubscription changes the profile."""
    feedback = moment.customer.feedback
    recent = decode_touches(feedback.recent) if feedback is not None else []
    touch, by = _attributed(recent, event, moment.now)
    channel = channel_of(event) if touch is None else touch.channel
    if feedback is not None and touch is not None:
        moment.attributed = event, touch.action_id
        _tell(touch, outcome, by, moment, event)
        feedback.recent = encode_touches(recent)
    if outcome == "bounced":
        _bounce(channel, touch, moment, event)
    elif outcome == "unsubscribed":
        group = moment.gates.consent.groups.get(channel)
        if group is not None:
            withdraw(moment, group, event)
    elif outcome == "delivered" or outcome in ANSWERED:
        moment.customer.bounced.pop(channel, None)


def _tell(touch: Touch, outcome: str, by: str, moment: Moment, event: Event) -> None:
    feedback = moment.customer.feedback
    is_first = outcome not in touch.outcomes
    if is_first:
        if feedback is not None and outcome in ANSWERED and ANSWERED.isdisjoint(touch.outcomes):
            count(feedback.answers.get(touch.channel, []), touch.sent_at // DAY_MS, 0, 1)
        touch.outcomes.append(outcome)
    moment.tell(
        "outcome",
        outcome=outcome,
        is_first=is_first,
        attributed_by=by,
        action_id=touch.action_id,
        channel=touch.channel,
        journey=touch.journey,
        version=touch.version,
        instance=touch.instance,
        step=touch.step,
        arm=touch.arm,
        since_sent_ms=min(event.time, moment.now) - touch.sent_at,
        caused_by=event.message_id,
    )


def _bounce(channel: str, touch: Touch | None, moment: Moment, event: Event) -> None:
    """The customer's address is none that messages arrive at; if it is still the one that the message went to."""
    kind = event.properties.get("bounce_type")
    if isinstance(kind, str) and kind in PASSING:
        return
    address = moment.gates.reachability.address_of(channel, moment)
    if address is not None and (touch is None or not touch.address or touch.address == address_hash(address)):
        moment.customer.bounced[channel] = address


def count(days: list[int], day: int, sent: int, answered: int) -> None:
    """Add to the messages and answers of a day: `days` holds day, messages, answers of each day, the oldest first."""
    place = len(days)
    while place and days[place - 3] > day:
        place -= 3
    if place and days[place - 3] == day:
        days[place - 2] += sent
        days[place - 1] += answered
    elif sent:
        days[place:place] = [day, sent, answered]
        while days[0] <= day - ANSWERS_DAYS:
            del days[:3]


def answers_of(customer: Customer, channel: str, now: int) -> tuple[int, int]:
    """(messages, those of them that were answered) on a channel in the last `ANSWERS_DAYS` days."""
    feedback = customer.feedback
    days = feedback.answers.get(channel, ()) if feedback is not None else ()
    sent = answered = 0
    for place in range(0, len(days), 3):
        if days[place] > now // DAY_MS - ANSWERS_DAYS:
            sent += days[place + 1]
            answered += days[place + 2]
    return sent, answered


def address_hash(address: str) -> int:
    """Where a message went, as it is remembered: no address is kept twice."""
    return xxh3_64_intdigest(address.encode("utf-8", "surrogatepass"))


def _attributed(recent: list[Touch], event: Event, now: int) -> tuple[Touch | None, str]:
    """The message of these that an event is about, and by what it is known."""
    action_id = action_of(event)
    if action_id is not None:
        return next((touch for touch in reversed(recent) if touch.action_id == action_id), None), "action_id"
    channel, when = channel_of(event), min(event.time, now)
    for touch in reversed(recent):
        if touch.sent_at <= when - LAST_TOUCH_MS:
            break
        if touch.channel == channel and touch.sent_at <= when:
            return touch, "last_touch"
    return None, ""
