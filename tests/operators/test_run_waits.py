"""Waits: in all their forms, over daylight saving, leap days and month ends, and while the customer moves house."""

import pytest

from tests.operators.life import DAY, HOUR, MINUTE, T0, Life, at, iso, when


def waiting(wait, enter="event: A, again: always"):
    """A journey that waits and then sends."""
    return f"journey: j\nenter: {{{enter}}}\nsteps:\n  - {{id: w, wait: {wait}}}\n  - {{id: s, send: email, template: t}}\n"


def sent_at(life):
    """When the message went out."""
    return [iso(when(action)) for action in life.actions]


def test_a_wait_counts_from_reaching_its_step():
    """To the millisecond; a day is 24 hours."""
    life = Life(waiting("3d"))
    life.does("A")
    assert life.story == ["entered", "step w", "waiting w"]
    assert life.fact("waiting")["until"] == iso(T0 + 3 * DAY)
    life.later(3 * DAY - 1)
    assert life.sent == []
    life.later(1)
    assert life.sent == ["s"]
    assert life.story[3:] == ["timed_out w", "step s", "sent s", "exited completed"]
    assert life.customer.runs == {}
    assert life.customer.timers == {}


def test_a_message_after_a_wait_says_when_and_why_it_was_sent():
    """At the deadline, however late it is asked about; caused by the timer of the step."""
    life = Life(waiting("3d"))
    life.does("A")
    life.later(30 * DAY)
    assert sent_at(life) == [iso(T0 + 3 * DAY)]
    assert life.actions[0]["caused_by"] == f"timer:w@{iso(T0 + 3 * DAY)}"


@pytest.mark.parametrize(
    ("entered", "until", "sent"),
    [
        # in Berlin, UTC+1 in winter and UTC+2 in summer
        ("2026-01-05T07:59:59.999Z", "'09:00'", "2026-01-05T08:00:00Z"),
        ("2026-01-05T08:00:00.000Z", "'09:00'", "2026-01-06T08:00:00Z"),  # exactly then: tomorrow
        ("2026-01-05T08:00:00.001Z", "'09:00'", "2026-01-06T08:00:00Z"),
        ("2026-01-05T10:00:00Z", "monday 09:00", "2026-01-12T08:00:00Z"),
        ("2026-01-05T07:00:00Z", "mon 9:00", "2026-01-05T08:00:00Z"),
        ("2026-01-05T10:00:00Z", "Friday 18:30", "2026-01-09T17:30:00Z"),
        # daylight saving: 02:00 - 03:00 is skipped on 29 March, and comes twice on 25 October
        ("2026-03-28T12:00:00Z", "'09:00'", "2026-03-29T07:00:00Z"),
        ("2026-03-28T12:00:00Z", "'02:30'", "2026-03-29T01:00:00Z"),
        ("2026-03-29T00:30:00Z", "'02:30'", "2026-03-29T01:00:00Z"),
        ("2026-03-29T01:00:00Z", "'02:30'", "2026-03-30T00:30:00Z"),
        ("2026-10-24T12:00:00Z", "'02:30'", "2026-10-25T00:30:00Z"),
        ("2026-10-25T00:30:00Z", "'02:30'", "2026-10-26T01:30:00Z"),
        ("2026-10-24T12:00:00Z", "sunday 09:00", "2026-10-25T08:00:00Z"),
        # months and years end, and February sometimes on the 29th
        ("2026-01-31T20:00:00Z", "'09:00'", "2026-02-01T08:00:00Z"),
        ("2026-12-31T22:59:59Z", "'00:00'", "2026-12-31T23:00:00Z"),
        ("2028-02-28T20:00:00Z", "'09:00'", "2028-02-29T08:00:00Z"),
        ("2027-02-28T20:00:00Z", "'09:00'", "2027-03-01T08:00:00Z"),
        # a date of its own
        ("2026-01-05T10:00:00Z", "'2026-03-29 02:30'", "2026-03-29T01:00:00Z"),
        ("2026-01-05T10:00:00Z", "'2028-02-29'", "2028-02-28T23:00:00Z"),
        ("2026-01-05T10:00:00Z", "'2026-02-01T09:00:00+05:00'", "2026-02-01T04:00:00Z"),
    ],
)
def test_clock_times_and_dates_are_local(entered, until, sent):
    """The next such time, strictly later; what is skipped is the next valid instant, what is repeated its first."""
    life = Life(waiting(f"{{until: {until}}}"))
    life.now = at(entered)
    life.does("A")
    life.later(1_000 * DAY)
    assert sent_at(life) == [iso(at(sent))]


def test_a_day_of_a_duration_has_24_hours_when_the_clocks_change_too():
    """So a wait of a day over that night ends at another time of day."""
    life = Life(waiting("1d"))
    life.now = at("2026-03-28T12:00:00Z")
    life.does("A")
    life.later(10 * DAY)
    assert sent_at(life) == ["2026-03-29T12:00:00.000Z"]


@pytest.mark.parametrize(
    ("until", "sent"),
    [
        ("profile.renewal_date - 14d", "2026-02-14T23:00:00Z"),
        ("profile.renewal_date + 1h", "2026-03-01T00:00:00Z"),
        ("profile.at", "2026-01-31T10:00:00Z"),
        ("entry.time + 90m", "2026-01-05T11:30:00Z"),
        ("event.time + 1d", "2026-01-06T10:00:00Z"),
        ("now + 2d", "2026-01-07T10:00:00Z"),
        ("profile.ms", "2026-01-05T10:00:01.234Z"),
    ],
)
def test_an_expression_says_until_when(until, sent):
    """Of the profile, the entry, the event that led here; a date without a time is local midnight."""
    life = Life(waiting(f"{{until: {until}}}"))
    life.identify(renewal_date="2026-03-01", at="2026-01-31T10:00:00Z", ms=T0 + 1_234)
    life.does("A")
    life.later(100 * DAY)
    assert sent_at(life) == [iso(at(sent))]


def test_a_date_that_is_past_passes_at_once():
    """Without waiting; also one that is now."""
    for ago in DAY, 0:
        life = Life(waiting("{until: profile.at}"))
        life.identify(at=iso(T0 - ago))
        life.does("A")
        assert life.story == ["entered", "step w", "step s", "sent s", "exited completed"]


@pytest.mark.parametrize("value", [None, "soon", True, [1], {}])
def test_without_a_date_the_run_ends_and_says_so(value):
    """Nobody is told that a contract ends of which nobody knows when."""
    life = Life(waiting("{until: profile.renewal_date - 14d}"))
    if value is not None:
        life.identify(renewal_date=value)
    life.does("A")
    assert life.story == ["entered", "step w", "exited no_date"]


# --- the customer moves


def test_a_customer_who_moves_while_waiting_waits_for_the_new_local_time():
    """Berlin to New York: 09:00 comes six hours later; and it is told."""
    life = Life(waiting("{until: '09:00'}"))
    life.does("A")  # Monday 11:00 in Berlin
    assert life.fact("waiting")["until"] == "2026-01-06T08:00:00.000Z"
    life.identify(HOUR, timezone="America/New_York")  # 06:00 there
    assert life.fact("waiting")["until"] == "2026-01-05T14:00:00.000Z"
    life.later(10 * DAY)
    assert sent_at(life) == ["2026-01-05T14:00:00.000Z"]


def test_a_wait_that_is_over_where_the_customer_is_now_passes_at_once():
    """09:00 of the day was while they were still on the way."""
    life = Life(waiting("{until: '09:00'}"))
    life.now = at("2026-01-05T05:00:00Z")  # 06:00 in Berlin
    life.does("A")
    life.does("Landed", 2 * HOUR, context={"timezone": "Asia/Tokyo"})  # 16:00; it was 14:00 when the wait began
    assert life.fact("waiting")["until"] == "2026-01-06T00:00:00.000Z"
    life.does("Landed", 0, context={"timezone": "Europe/Moscow"})  # 10:00; it was 08:00 when the wait began
    assert sent_at(life) == ["2026-01-05T07:00:00.000Z"]


def test_the_zone_of_the_last_event_that_named_one_holds_at_timers():
    """The profile's zone goes before it; a name that is no zone changes nothing."""
    life = Life(waiting("{until: '09:00'}"))
    life.does("A", context={"timezone": "Asia/Tokyo"})
    life.does("B", HOUR, context={"timezone": "Middle-earth/Shire"})
    life.does("B", HOUR, context={"timezone": 7})
    life.does("B", HOUR)
    life.later(10 * DAY)
    assert sent_at(life) == ["2026-01-06T00:00:00.000Z"]
    life.identify(timezone="Europe/Berlin")
    life.now = T0 + 20 * DAY
    life.does("A", context={"timezone": "Asia/Tokyo"})
    life.later(10 * DAY)
    assert sent_at(life)[1:] == ["2026-01-26T08:00:00.000Z"]


def test_durations_do_not_care_where_the_customer_is():
    """An hour is an hour."""
    life = Life(waiting("1h"))
    life.does("A")
    life.identify(MINUTE, timezone="America/New_York")
    assert life.count("waiting") == 1
    life.later(DAY)
    assert sent_at(life) == [iso(T0 + HOUR)]


def test_a_wait_for_a_date_of_the_profile_follows_it():
    """The contract is renewed meanwhile: the reminder moves with it. One of the event that led here stays."""
    life = Life(waiting("{until: profile.renewal_date - 14d}"))
    life.identify(renewal_date="2026-03-01")
    life.does("A")
    life.identify(DAY, renewal_date="2026-06-01")
    life.later(300 * DAY)
    assert sent_at(life) == ["2026-05-17T22:00:00.000Z"]
    life = Life(waiting("{until: properties.day}"))
    life.does("A", day="2026-02-01")
    life.identify(DAY, timezone="Asia/Tokyo")
    life.later(300 * DAY)
    assert sent_at(life) == ["2026-01-31T23:00:00.000Z"]


def test_a_date_that_goes_from_the_profile_does_not_end_a_wait_that_began():
    """It ends when it would have."""
    life = Life(waiting("{until: profile.renewal_date - 14d}"))
    life.identify(renewal_date="2026-03-01")
    life.does("A")
    life.identify(DAY, renewal_date=None)
    life.later(300 * DAY)
    assert sent_at(life) == ["2026-02-14T23:00:00.000Z"]


def test_what_a_run_sets_moves_the_wait_of_another():
    """In the same instant."""
    setter = "journey: k\nenter: {event: K}\nsteps:\n  - {set: {day: '2026-01-10'}}\n"
    life = Life(waiting("{until: profile.day}"), setter)
    life.identify(day="2026-02-01")
    life.does("A")
    life.does("K", HOUR)
    life.later(100 * DAY)
    assert sent_at(life) == ["2026-01-09T23:00:00.000Z"]


# --- at


def test_a_message_at_a_local_time_holds_the_run_until_then():
    """And the steps after it."""
    steps = "steps:\n  - {id: s, send: email, template: t, at: '18:00', expires: 48h}\n  - {id: n, send: push, template: t}\n"
    life = Life(f"journey: j\nenter: {{event: A}}\n{steps}")
    life.does("A")
    assert life.story == ["entered", "step s", "waiting s"]
    life.later(DAY)
    assert [(a["step"], a["decided_at"]) for a in life.actions] == [
        ("s", "2026-01-05T17:00:00.000Z"),
        ("n", "2026-01-05T17:00:00.000Z"),
    ]
    assert life.actions[0]["expires_at"] == "2026-01-07T10:00:00.000Z"  # from reaching the step


def test_a_message_that_would_go_out_when_it_has_expired_does_not():
    """It is withheld, and the walk goes on."""
    steps = "steps:\n  - {id: s, send: email, template: t, at: monday 18:00, expires: 48h}\n  - {id: n, send: push, template: t}\n"
    life = Life(f"journey: j\nenter: {{event: A}}\n{steps}")
    life.now = T0 + DAY
    life.does("A")
    life.later(10 * DAY)
    assert life.sent == ["n"]
    assert (life.fact("withheld")["gate"], life.fact("withheld")["then"]) == ("expired", "dropped")
