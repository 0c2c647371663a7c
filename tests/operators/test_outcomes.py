"""Outcomes: which message feedback is about, what is told of it, and what is remembered for the next one."""

import pytest

from operators.events import Event
from operators.feedback import OUTCOMES, channel_of
from operators.outcomes import ANSWERS_DAYS, LAST_TOUCH_MS, RECENT_MAX, RECENT_MS, answers_of, count
from state.codec import decode_touches
from tests.operators.life import DAY, HOUR, MINUTE, Life, plan_of

MAIL = "journey: mail\nenter: {event: A, again: always}\nsteps: [{id: s, send: email, template: t}]"
PUSH = "journey: push\nenter: {event: B, again: always}\nsteps: [{id: p, send: push, template: t}]"


def outcomes(life):
    return [(one["outcome"], one["action_id"], one["attributed_by"]) for one in life.facts if one["fact"] == "outcome"]


def test_feedback_that_names_an_action_is_about_it():
    """Not about the last one; with all that the action was."""
    life = Life(MAIL)
    life.does("A")
    life.does("A", HOUR)
    first, second = (action["action_id"] for action in life.actions)
    life.does("Email Opened", MINUTE, action_id=first)
    assert outcomes(life) == [("opened", first, "action_id")]
    fact = life.fact("outcome")
    assert (fact["journey"], fact["version"], fact["step"], fact["channel"]) == ("mail", 1, "s", "email")
    assert (fact["instance"], fact["arm"]) == (life.actions[0]["instance"], None)
    assert (fact["since_sent_ms"], fact["caused_by"], fact["is_first"]) == (HOUR + MINUTE, "m3", True)
    assert second != first


def test_feedback_that_names_none_is_about_the_last_message_on_its_channel():
    """By event time: what is read late is about what was the last one then."""
    life = Life(MAIL, PUSH)
    life.does("A")
    life.does("B", HOUR)
    life.does("A", HOUR)
    first, push, second = (action["action_id"] for action in life.actions)
    life.does("Email Opened", HOUR)
    life.does("Push Notification Tapped", HOUR)
    life.does("Email Link Clicked", HOUR, time=life.now - 3 * HOUR)
    assert outcomes(life) == [
        ("opened", second, "last_touch"),
        ("clicked", push, "last_touch"),
        ("clicked", first, "last_touch"),
    ]


def test_the_window_of_the_last_touch_is_half_open():
    """Exactly seven days later it is about no message; an open before the message neither."""
    life = Life(MAIL)
    life.does("A")
    life.does("Email Opened", 0, time=life.now - 1)
    life.does("Email Opened", LAST_TOUCH_MS - 1)
    assert len(outcomes(life)) == 1
    life.does("Email Opened", 1)
    assert len(outcomes(life)) == 1


def test_an_action_that_is_none_of_this_customer_has_no_outcome():
    """Nor has the last one: the event says that it is about another."""
    life = Life(MAIL)
    life.does("A")
    life.does("Email Opened", HOUR, action_id="0f" * 16)
    assert outcomes(life) == []


def test_an_outcome_that_comes_again_is_told_and_says_so():
    """Each event is a fact; an answer counts once for each message."""
    life = Life(MAIL)
    life.does("A")
    for name in ("Email Delivered", "Email Opened", "Email Opened", "Email Link Clicked"):
        life.does(name, MINUTE)
    told = [(one["outcome"], one["is_first"]) for one in life.facts if one["fact"] == "outcome"]
    assert told == [("delivered", True), ("opened", True), ("opened", False), ("clicked", True)]
    assert answers_of(life.customer, "email", life.now) == (1, 1)


def test_the_same_event_read_twice_has_one_outcome():
    """Duplicates change nothing."""
    life = Life(MAIL)
    life.does("A")
    life.does("Email Opened", MINUTE, message_id="o")
    life.does("Email Opened", MINUTE, message_id="o")
    assert len(outcomes(life)) == 1


def test_answers_count_on_the_day_of_the_message_for_ninety_days():
    """An answer that comes when its message is out of the window counts no more."""
    life = Life(MAIL)
    life.does("A")
    life.does("A", DAY)
    life.does("Email Opened", HOUR)
    now = life.now
    assert answers_of(life.customer, "email", now) == (2, 1)
    assert answers_of(life.customer, "email", now + (ANSWERS_DAYS - 1) * DAY) == (1, 1)
    assert answers_of(life.customer, "email", now + ANSWERS_DAYS * DAY) == (0, 0)
    assert answers_of(life.customer, "push", now) == (0, 0)


def test_days_of_answers_are_bounded():
    """Days beyond the window go as new ones come."""
    days = []
    for day in range(500):
        count(days, day, 2, 0)
        count(days, day - 3, 0, 1)
    assert len(days) == 3 * ANSWERS_DAYS
    assert days[:3] == [410, 2, 1]


def test_messages_that_feedback_may_be_about_are_bounded():
    """By number and by age; the oldest goes first."""
    life = Life(MAIL)
    for _ in range(RECENT_MAX + 5):
        life.does("A", MINUTE)
    recent = decode_touches(life.customer.feedback.recent)
    assert [one.action_id for one in recent] == [action["action_id"] for action in life.actions[5:]]
    life.does("A", RECENT_MS)
    assert len(decode_touches(life.customer.feedback.recent)) == 1
    assert answers_of(life.customer, "email", life.now) == (RECENT_MAX + 6, 0)


def test_a_call_that_was_made_is_an_outcome():
    """And what a wait may be for."""
    call = (
        "journey: c\nenter: {event: A}\nsteps: [{id: c, send: call_center, template: t}, "
        "{id: w, wait_for: [{outcome: called, do: [{exit: called}]}], timeout: 3d}]"
    )
    life = Life(call, orchestration="timezone: UTC")
    life.does("A")
    life.does("Call Completed", HOUR)
    assert outcomes(life) == [("called", life.actions[0]["action_id"], "last_touch")]
    assert life.story[-1] == "exited called"
    assert answers_of(life.customer, "call_center", life.now) == (1, 1)


@pytest.mark.parametrize(
    ("name", "properties", "channel"),
    [
        ("Email Opened", {}, "email"),
        ("Push Notification Tapped", {}, "push"),
        ("SMS Replied", {}, "sms"),
        ("Push Token Expired", {}, "push"),
        ("In-App Message Clicked", {}, "in_app"),
        ("Unsubscribed", {}, "email"),
        ("Unsubscribed", {"channel": "sms"}, "sms"),
        ("Message Opened", {"channel": "whatsapp"}, "whatsapp"),
        ("Message Opened", {}, ""),
        ("Message Opened", {"channel": 7}, ""),
    ],
)
def test_the_channel_of_an_outcome_is_what_the_event_says(name, properties, channel):
    """`properties.channel`, else its name."""
    assert name in OUTCOMES
    assert channel_of(Event("track", name, "c", "m", 0, properties, {})) == channel


# --- what follows for address and consent

REACH = """
timezone: UTC
channels:
  email: {address: profile.email, consent: news}
  push: {}
"""


def reached(**more):
    """A customer with an address and consent, who was sent a message."""
    life = Life(MAIL, orchestration=REACH)
    life.identify(email="bo@example.org", consents={"news": True}, **more)
    life.does("A")
    assert life.sent == ["s"]
    return life


def test_who_bounced_is_not_reached_any_more():
    """Until the customer has another address."""
    life = reached()
    life.does("Email Bounced", MINUTE)
    life.does("A", HOUR)
    assert life.sent == ["s"]
    assert (life.fact("withheld")["gate"], life.fact("withheld")["reason"]) == ("unreachable", "bounced")
    life.identify(email="new@example.org")
    life.does("A", HOUR)
    assert life.sent == ["s", "s"]


def test_a_device_whose_token_expired_is_not_reached():
    """Nor does it matter whether it was we who found out."""
    life = Life(PUSH, orchestration="timezone: UTC\nchannels: {email: {}, push: {address: profile.device}}")
    life.identify(device="d-1")
    life.does("Push Token Expired")
    life.does("B", HOUR)
    life.identify(device="d-2")
    life.does("B", HOUR)
    assert len(life.sent) == 1
    assert life.fact("withheld")["reason"] == "bounced"


def test_a_delivery_clears_a_bounce():
    """Whoever sent what arrived."""
    life = reached()
    life.does("Email Bounced", MINUTE)
    life.does("Email Delivered", MINUTE, action_id="of another system")
    life.does("A", HOUR)
    assert life.sent == ["s", "s"]


@pytest.mark.parametrize("kind", ["soft", "transient", "temporary"])
def test_a_passing_bounce_closes_nothing(kind):
    """It is an outcome all the same."""
    life = reached()
    life.does("Email Bounced", MINUTE, bounce_type=kind)
    life.does("A", HOUR)
    assert life.sent == ["s", "s"]
    assert life.fact("outcome")["outcome"] == "bounced"


@pytest.mark.parametrize("kind", [["soft"], {"soft": True}, 4, None])
def test_a_bounce_of_a_kind_that_nobody_knows_closes_the_address(kind):
    """Whatever a sender writes there, it is no trouble of ours."""
    life = reached()
    life.does("Email Bounced", MINUTE, bounce_type=kind)
    life.does("A", HOUR)
    assert life.sent == ["s"]


def test_a_bounce_from_an_address_of_before_closes_nothing():
    """The message went to the old one."""
    life = reached()
    life.identify(MINUTE, email="new@example.org")
    life.does("Email Bounced", MINUTE)
    life.does("A", HOUR)
    assert life.sent == ["s", "s"]


@pytest.mark.parametrize("name", ["Unsubscribed", "Email Unsubscribed", "Email Marked as Spam"])
def test_who_unsubscribed_has_withdrawn_consent(name):
    """For what the channel asks for, and for nothing else; the history says by what."""
    life = reached()
    life.does(name, MINUTE, message_id="u")
    life.does("A", HOUR)
    assert life.sent == ["s"]
    assert (life.fact("withheld")["gate"], life.fact("withheld")["reason"]) == ("consent", "withdrawn")
    assert life.customer.profile["consents"] == {"news": False}
    assert life.customer.known.consent_log[-1][1:] == ("news", False, "u")


def test_who_subscribed_after_that_gets_messages_again():
    """By event time: an older word that is read later does not count."""
    life = reached()
    life.does("Unsubscribed", MINUTE)
    life.identify(MINUTE, consents={"news": True})
    life.does("Unsubscribed", MINUTE, time=life.now - 30_000)
    life.does("A", HOUR)
    assert life.sent == ["s", "s"]


def test_other_channels_lose_no_consent():
    """`Unsubscribed` is of e-mail, as Segment has it, unless it says another channel."""
    life = reached()
    life.does("Unsubscribed", MINUTE, channel="push")
    life.does("Unsubscribed", MINUTE, channel="fax")
    assert life.customer.profile["consents"] == {"news": True}


def test_what_is_kept_is_told():
    """By `sojourn check -v`, with its bounds; of activity only where it is kept."""
    lines = plan_of(MAIL).bounds()
    assert any("the last 32 messages of one customer, for 30 days" in line for line in lines)
    assert any("at most 1,000 attributes and 512 KiB" in line for line in lines)
    assert not any(line.startswith("activity:") for line in lines)
    assert any(
        "what is newer by four weeks twice as great" in line
        for line in plan_of(MAIL.replace("template", "at: best_time, template")).bounds()
    )
