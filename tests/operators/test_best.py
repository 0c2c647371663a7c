"""`best`: the customer's own channel, and their own time."""

import pytest

from operators.activity import GROWTH, PENDING_MAX, PENDING_MS, WEEK_MS
from operators.best_channel import smoothed
from operators.customer_step import CustomerStep
from operators.plan import plan_of as compile_plan
from operators.workspace import read_workspace
from operators.workspace_json import read_workspace_json, workspace_json
from tests.operators.life import DAY, HOUR, MINUTE, T0, Life, at, iso, plan_of

ORCHESTRATION = """
timezone: Europe/Berlin
channels:
  push: {address: profile.device}
  ads: {}
  email: {address: profile.email}
  sms: {address: profile.phone, answer_rate: 30%}
"""


def journey(steps, enter="event: A, again: always"):
    return f"journey: j\nenter: {{{enter}}}\nsteps: [{steps}]"


def life_of(channel="best", more="", **profile):
    life = Life(journey(f"{{id: s, send: {channel}, template: t{more}}}"), orchestration=ORCHESTRATION)
    life.identify(email="bo@example.org", device="t-1", phone="+49 170 1234567", **profile)
    return life


def sent_on(life):
    life.does("A", HOUR)
    return life.actions[-1]["channel"]


def why(life):
    return [(one["channel"], one["by"], one["rate"]) for one in life.fact("decided")["candidates"][0]["best"]]


# --- the channel


def test_best_is_every_channel_with_an_address():
    """A new customer gets what people answer on the whole; of equal ones the first listed."""
    life = life_of()
    assert sent_on(life) == "sms"
    assert why(life) == [("sms", "answers", 0.3), ("push", "listed", 0.2), ("email", "listed", 0.2)]


def test_a_list_of_best_ones_is_that_list():
    """With an address or without."""
    life = life_of("{best: [email, ads]}")
    assert sent_on(life) == "email"
    assert [channel for channel, _, _ in why(life)] == ["email", "ads"]


def test_the_preferred_channel_goes_first():
    """What the customer says counts more than what they do."""
    life = life_of(preferred_channel="email")
    assert sent_on(life) == "email"
    assert why(life)[0] == ("email", "preferred", 0.2)


def test_a_channel_that_is_answered_goes_first():
    """And one that is not goes behind the others: the rate is smoothed, so one message decides little."""
    life = life_of("{best: [push, email]}")
    for _ in range(3):
        assert sent_on(life) == "push"
        life.does("Push Notification Tapped", MINUTE, action_id=life.actions[-1]["action_id"])
    assert life.does("A", HOUR)
    assert why(life)[0] == ("push", "answers", smoothed(3, 3, 2_000) / 1e6)


def test_a_channel_that_is_never_answered_makes_room():
    """Each message without an answer costs it; after the first the other one is better."""
    life = life_of("{best: [push, email]}")
    assert [sent_on(life) for _ in range(4)] == ["push", "email", "push", "email"]


def test_answers_of_ninety_days_count():
    """What was long ago says nothing any more."""
    life = life_of("{best: [push, email]}")
    assert [sent_on(life), sent_on(life)] == ["push", "email"]
    life.does("Email Opened", MINUTE)
    assert sent_on(life) == "email"
    life.later(91 * DAY)
    assert sent_on(life) == "push"


def test_the_next_one_is_tried_where_a_gate_stops_the_best():
    """Without an address there is no message."""
    life = life_of()
    life.identify(phone=None)
    assert sent_on(life) == "push"


def test_the_listed_order_survives_the_log():
    """The canonical JSON sorts its keys; which channel is listed first is said beside it, where it matters."""
    for steps, differs in (("{id: s, send: best, template: t}", True), ("{id: s, send: email, template: t}", False)):
        texts = [
            {"j.yaml": journey(steps), "orchestration.yaml": f"timezone: UTC\nchannels: {{{channels}}}"}
            for channels in (
                "push: {address: profile.p}, email: {address: profile.e}",
                "email: {address: profile.e}, push: {address: profile.p}",
            )
        ]
        one, other = (workspace_json(read_workspace(text)) for text in texts)
        assert (one != other) is differs
    again = read_workspace_json(workspace_json(read_workspace(texts[0])))
    assert workspace_json(again) == one
    plan = plan_of(journey("{id: s, send: best, template: t}"), orchestration=ORCHESTRATION)
    assert plan.journeys[0].steps["s"].channels == ("push", "email", "sms")


def test_without_any_address_there_is_no_best():
    """It is said what to write."""
    found = read_workspace(
        {"j.yaml": journey("{id: s, send: best, template: t}"), "orchestration.yaml": "timezone: UTC"}
    ).complaints
    assert [str(one.path) for one in found] == ["steps[0].send"]
    assert "no channel has an `address`" in found[0].message


# --- the time

TIMED = ", at: best_time within 24h"


@pytest.mark.parametrize("more", ["expires: 3d", "at: best_time within 24h"])
def test_an_older_version_finds_no_channel_with_an_address_any_more(more):
    """Its message is withheld, and the run ends as it would have."""
    files = {"orchestration.yaml": "timezone: UTC\nchannels: {email: {address: profile.email}}"}
    steps = f"{{wait: 1h}}, {{id: s, send: best, template: t, {more}}}"
    old = read_workspace({**files, "j.yaml": journey(steps)})
    new = read_workspace(
        {
            "orchestration.yaml": "timezone: UTC\nchannels: {email: {}}",
            "j.yaml": journey("{id: e, exit: e}").replace("journey: j", "journey: j\nversion: 2"),
        }
    )
    assert not old.complaints + new.complaints
    life = Life(journey(steps), orchestration=files["orchestration.yaml"])
    life.does("A")
    new.older = old.journeys
    life.step = CustomerStep(compile_plan(new))
    life.does("B", 3 * DAY)
    assert not life.sent
    assert (life.fact("withheld")["gate"], life.fact("withheld")["reason"]) == ("unreachable", "no_channel")
    assert life.fact("exited")["reason"] == "completed"


def active(life, hour, days=3, name="Looked"):
    """The customer does something at an hour, on some days; then it is noon of the next day, in Berlin."""
    for _ in range(days):
        local = life.now - life.now % DAY + (hour - 1) * HOUR
        life.does(name, local - life.now if local > life.now else local + DAY - life.now)
    life.until(life.now - life.now % DAY + DAY + 11 * HOUR)


def test_without_history_it_goes_now():
    """And the fact says so."""
    life = Life(journey(f"{{id: s, send: email, template: t{TIMED}}}"))
    life.does("A")
    assert life.sent == ["s"]
    assert life.fact("step")["best_time"]["why"] == "no_history"  # one visit says nothing of anybody's habits


def test_a_customer_whom_nobody_saw_gets_it_now():
    """A segment, or a calendar, may let in who never did anything."""
    life = Life(
        journey(f"{{id: s, send: email, template: t{TIMED}}}", "schedule: {cron: 0 12 * * *}, again: always"),
        orchestration="timezone: UTC",
    )
    life.identify(x=1)
    life.later(2 * DAY)
    assert [iso(at(action["decided_at"]))[11:16] for action in life.actions] == ["12:00", "12:00"]
    assert life.fact("step")["best_time"] == {"why": "no_history", "hour": None}


def test_it_goes_in_the_hour_in_which_the_customer_is_most_active():
    """Local, and within that time."""
    life = Life(journey(f"{{id: s, send: email, template: t{TIMED}}}"))
    active(life, 20)
    life.does("A")
    assert life.sent == []
    fact = life.fact("step")["best_time"]
    assert (fact["why"], fact["hour"], fact["share"]) == ("most_active", 20, 1.0)
    life.later(DAY)
    assert life.actions[0]["decided_at"][11:16] == "19:00"


def test_a_shorter_time_leaves_only_its_hours():
    """The best of those that come; now, where they have none."""
    for hour, sent in ((14, "13:00"), (17, "11:00")):
        life = Life(journey("{id: s, send: email, template: t, at: best_time within 4h}"))
        active(life, 20)
        active(life, hour, days=2)
        life.does("A")
        life.later(DAY)
        assert life.actions[0]["decided_at"][11:16] == sent


def test_of_one_visit_each_hour_counts_once():
    """Not the number of clicks, but how often the customer is there; and the visit that goes on is no history."""
    life = Life(journey(f"{{id: s, send: email, template: t{TIMED}}}"))
    for _ in range(20):
        life.does("Looked", 2 * MINUTE)
    assert life.customer.feedback.hours == []
    life.does("Looked", PENDING_MS)
    assert (life.customer.feedback.hours[11], sum(life.customer.feedback.hours)) == (GROWTH[0], 2 * GROWTH[0])


def test_hours_that_are_no_history_yet_are_bounded():
    """A flood of events that come late makes history of the oldest."""
    life = Life(journey(f"{{id: s, send: email, template: t{TIMED}}}"))
    for hours in range(100):
        life.does("Looked", MINUTE, time=T0 - hours * HOUR)
    assert len(life.customer.feedback.pending) <= 2 * PENDING_MAX
    assert sum(life.customer.feedback.hours[:24]) > 50 * GROWTH[0]


def test_quiet_and_closed_hours_are_none():
    """The second best hour is better than one in which nothing may go out."""
    quiet = (
        "timezone: Europe/Berlin\nchannels: {email: {quiet: '19:00-08:00'}, call_center: {open: 'mon-fri 09:00-16:00'}}"
    )
    for channel, hour in (("email", "16:00"), ("call_center", "11:00")):
        life = Life(journey(f"{{id: s, send: {channel}, template: t{TIMED}}}"), orchestration=quiet)
        active(life, 20, days=2)
        active(life, 17, days=2)
        life.does("A")
        life.later(DAY)
        assert life.actions[0]["decided_at"][11:16] == hour


def test_a_customer_who_moves_while_it_waits_gets_it_at_the_local_hour():
    """20:00 where they are."""
    life = Life(journey(f"{{id: s, send: email, template: t{TIMED}}}"))
    active(life, 20)
    life.does("A")
    life.does("Looked", MINUTE, context={"timezone": "America/New_York"})
    life.later(2 * DAY)
    assert life.actions[0]["decided_at"] == "2026-01-09T01:00:00.000Z"


def test_within_a_week_the_weekday_counts():
    """Saturday evenings, not the evening of today."""
    life = Life(journey("{id: s, send: email, template: t, at: best_time within 7d}"))
    for week in range(3):
        life.until(max(life.now, T0 + week * 7 * DAY))
        life.does("Looked", at("2026-01-10T19:00:00Z") + week * 7 * DAY - life.now)
    life.until(at("2026-01-26T10:00:00Z"))
    life.does("A")
    life.later(8 * DAY)
    assert life.actions[0]["decided_at"] == "2026-01-31T19:00:00.000Z"


def test_what_others_do_to_a_customer_is_no_activity():
    """Deliveries, bounces and data."""
    life = Life(journey(f"{{id: s, send: email, template: t{TIMED}}}"))
    for name in ("Email Delivered", "Email Bounced"):
        life.does(name)
    life.identify(HOUR, plan="a")
    life.does("group", kind="group")
    assert life.customer.feedback is None
    life.does("Email Opened")
    assert life.customer.feedback.pending == [life.now, 12]


def test_what_is_newer_weighs_more():
    """Half a year ago counts little against last week; whole numbers, with no end to them."""
    life = Life(journey(f"{{id: s, send: email, template: t{TIMED}}}"))
    active(life, 20, days=5)
    life.until(life.now + 182 * DAY)
    active(life, 15, days=1)
    life.does("A")
    hours = life.customer.feedback.hours
    assert hours[16] > 90 * hours[20] / 5 > 0  # 14:00 in UTC, and it is summer by then
    assert GROWTH[4] == 2 * GROWTH[0]
    for _ in range(12):
        life.does("Looked", 365 * DAY + HOUR)
    life.does("Looked", DAY)
    hours = life.customer.feedback.hours
    assert hours[20] == 0
    assert 0 < max(hours) < 2**40
    assert life.now // WEEK_MS - life.customer.feedback.week < len(GROWTH)


def test_a_customer_who_was_away_for_years_is_known_by_what_they_did_before():
    """As long as nothing newer is known."""
    life = Life(journey(f"{{id: s, send: email, template: t{TIMED}}}"))
    active(life, 20)
    life.until(life.now + 3_000 * DAY - HOUR)
    life.does("A")
    assert life.fact("step")["best_time"]["hour"] == 20


def test_hours_are_kept_only_where_a_journey_asks_for_them():
    """Everybody else costs nothing."""
    life = Life(journey("{id: s, send: email, template: t, at: '18:00'}"))
    life.does("A")
    assert life.customer.feedback is None
    assert not life.step.plan.wants_hours


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("best_time within", "does not say how long"),
        ("best_time in 3h", "does not say how long"),
        ("best_time within 3", "duration"),
        ("best_time within 8d", "7d at most"),
    ],
)
def test_a_best_time_that_is_none_is_refused(text, says):
    """With what to write."""
    found = read_workspace(
        {"j.yaml": journey(f"{{id: s, send: email, template: t, at: {text}}}"), "orchestration.yaml": "timezone: UTC"}
    ).complaints
    assert [one.path for one in found] == ["steps[0].at"]
    assert says in found[0].message
