"""Caps: exactly so many messages, in any so long a time or by the calendar; and what becomes of one more."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.calendar import calendar_window
from state.instants import parse_instant
from tests.examples import examples
from tests.operators.life import DAY, HOUR, MINUTE, Life, at, when
from tests.operators.test_arbitration import decided, journey, send
from tests.operators.test_gates import stopped

BERLIN = ZoneInfo("Europe/Berlin")
CHANNELS = "timezone: Europe/Berlin\nchannels: {email: {}, push: {}, sms: {}}\nbypass: [transactional]\n"


def life_of(caps, *journeys):
    return Life(*(journeys or (journey("j", send("s")),)), orchestration=f"{CHANNELS}caps:\n{caps}")


def cap(text):
    return f"  - {{{text}}}\n"


def times(life):
    return [(one["step"], one["decided_at"][5:16]) for one in life.actions]


def test_a_rolling_cap_counts_what_was_sent_in_so_long_a_time():
    """Half-open: a message exactly so long ago counts no more."""
    life = life_of(cap("channel: email, max: 2, per: 24h"))
    for after in (0, HOUR, HOUR, 22 * HOUR - 1, 1, 1):
        life.does("A", after)
    assert times(life) == [("s", "01-05T10:00"), ("s", "01-05T11:00"), ("s", "01-06T10:00")]
    assert stopped(life) == [("email", "cap", "dropped")] * 3
    assert life.fact("withheld")["cap"] == "at most 2 per 24h (channel email)"


def test_a_deferred_message_goes_out_when_the_cap_is_free():
    """To the millisecond; a rolling cap of one is free exactly `per` after the last."""
    life = life_of(cap("max: 1, per: 24h, then: defer 24h"))
    life.does("A")
    life.does("A", 90 * MINUTE + 7)
    assert life.fact("withheld")["until"] == "2026-01-06T10:00:00.000Z"
    life.later(2 * DAY)
    assert times(life) == [("s", "01-05T10:00"), ("s", "01-06T10:00")]
    assert life.customer.timers == {}


def test_a_message_waits_at_most_so_long_as_the_cap_says():
    """Counted from when it was first deferred; what comes too late is dropped at once."""
    life = life_of(cap("max: 1, per: 24h, then: defer 2h"))
    life.does("A")
    life.does("A", 21 * HOUR)
    assert stopped(life) == [("email", "cap", "dropped")]
    life.does("A", HOUR + 1)
    assert stopped(life)[1:] == [("email", "cap", "deferred")]
    life.later(DAY)
    assert len(life.sent) == 2


def test_messages_that_wait_for_one_place_compete_for_it_and_the_rest_waits_on():
    """The better one first; the other gets the next place, if that comes soon enough."""
    three = (
        journey("a", send("x", 1), enter="event: X"),
        journey("b", send("y", 5), enter="event: Y"),
        journey("j", send("s")),
    )
    life = life_of(cap("max: 1, per: 24h, then: defer 30h"), *three)
    life.does("A")
    life.does("X", HOUR)
    life.does("Y", HOUR)
    life.later(9 * DAY)
    assert times(life) == [("s", "01-05T10:00"), ("y", "01-06T10:00")]
    assert stopped(life) == [
        ("email", "cap", "deferred"), ("email", "cap", "deferred"), ("email", "cap", "dropped"),
    ]  # fmt: skip
    assert life.count("exited") == 3


def test_a_calendar_cap_begins_anew_at_midnight_on_monday_and_on_the_first():
    """In the customer's zone; seven days are the week."""
    for per, free in (("24h", "2026-01-06T05:00"), ("7d", "2026-01-12T05:00"), ("month", "2026-02-01T05:00")):
        life = life_of(cap(f"max: 1, per: {per}, window: calendar, then: defer 40d"))
        life.identify(timezone="America/New_York")
        life.does("A")
        life.does("A", HOUR)
        assert life.fact("withheld")["until"].startswith(free), per
        life.later(40 * DAY)
        assert len(life.sent) == 2


@pytest.mark.parametrize(
    ("day", "length"), [("2026-03-29", 23 * HOUR), ("2026-10-25", 25 * HOUR)], ids=["forward", "back"]
)
def test_a_calendar_day_is_as_long_as_the_clock_makes_it(day, length):
    """23 or 25 hours, where the clock changes."""
    life = life_of(cap("max: 1, per: day, window: calendar, then: defer 30h"))
    start = calendar_window(at(f"{day}T10:00:00Z"), "day", BERLIN)[0]
    life.until(start)
    life.does("A")
    life.does("A", 1)
    assert parse_instant(life.fact("withheld")["until"]) == start + length


def test_a_rolling_day_is_24_hours_where_the_clock_changes_too():
    """Durations are elapsed time."""
    life = life_of(cap("max: 1, per: 24h, then: defer 30h"))
    life.until(at("2026-03-28T20:00:00Z"))
    life.does("A")
    life.does("A", 1)
    assert life.fact("withheld")["until"] == "2026-03-29T20:00:00.000Z"


def test_a_cap_speaks_of_channels_tags_and_journeys():
    """All that it names must fit."""
    life = life_of(
        cap("channel: [email, sms], tag: news, journey: a, max: 1, per: 7d"),
        journey("a", send("s"), send("p", channel="push"), send("t", channel="sms"), tags="[news]"),
        journey("b", send("u"), send("v"), tags="[news]"),
        journey("c", send("w"), send("x"), tags="[other]"),
    )
    life.does("A")
    assert sorted(life.sent) == ["p", "s", "u", "v", "w", "x"]
    assert decided(life)[-1] == ("nothing", [("t", "cap")])


def test_next_channel_tries_the_next_one():
    """And where there is none, the message is dropped."""
    life = life_of(
        cap("channel: push, max: 1, per: 1d, then: next_channel"),
        journey("j", send("s", channel="[push, email]"), send("t", channel="push")),
    )
    life.does("A")
    life.does("A")
    assert [(one["step"], one["channel"]) for one in life.actions] == [("s", "push"), ("s", "email")]
    assert stopped(life) == [
        ("push", "cap", "dropped"), ("push", "cap", "next_channel"), ("push", "cap", "dropped"),
    ]  # fmt: skip


def test_the_strictest_cap_wins():
    """drop before next_channel before defer; of those that defer the last to be free, and the shortest patience."""
    defer = cap("max: 1, per: 5h, then: defer 9h")
    for more, told in (
        ("", ("email", "cap", "deferred")),
        (cap("channel: email, max: 1, per: 1h, then: next_channel"), ("email", "cap", "next_channel")),
        (
            cap("channel: email, max: 1, per: 1h, then: next_channel") + cap("tag: news, max: 1, per: 1h"),
            ("email", "cap", "dropped"),
        ),
    ):
        life = life_of(defer + more, journey("j", send("s", channel="[email, sms]")))
        life.does("A")
        life.does("A", MINUTE)
        assert stopped(life)[0] == told
    life = life_of(defer + cap("channel: email, max: 1, per: 7h, then: defer 8h"))
    life.does("A")
    life.does("A", MINUTE)
    assert life.fact("withheld")["until"] == "2026-01-05T17:00:00.000Z"
    life = life_of(defer + cap("channel: email, max: 1, per: 7h, then: defer 4h"))
    life.does("A")
    life.does("A", MINUTE)
    assert stopped(life) == [("email", "cap", "dropped")]


def test_a_transactional_message_passes_caps_and_is_counted():
    """Caps count what was sent."""
    life = life_of(
        cap("max: 1, per: 1d"),
        journey("a", send("t"), tags="[transactional]"),
        journey("b", send("s"), enter="event: B"),
    )
    life.does("A")
    life.does("A")
    life.does("B")
    assert life.sent == ["t", "t"]
    assert stopped(life) == [("email", "cap", "dropped")]


def test_the_messages_of_control_customers_count_in_no_cap():
    """The counterfactual is the world without the journey."""
    life = life_of(
        cap("max: 1, per: 7d"),
        journey("a", send("c"), more="control: 100%\ngoal: {event: G}"),
        journey("b", send("s"), enter="event: B"),
    )
    life.does("A")
    life.does("B", HOUR)
    assert life.sent == ["s"]
    assert life.customer.contacts.keys() == {"email"}


def test_of_one_instant_the_better_message_takes_the_place():
    """Whichever journey is looked at first."""
    life = life_of(cap("max: 1, per: 1d"), journey("a", send("s", 1)), journey("b", send("t", 2)))
    life.does("A")
    assert life.sent == ["t"]
    assert decided(life) == [("t", [("s", "cap"), ("t", None)])]


def test_a_message_whose_channel_was_taken_by_a_better_one_goes_to_its_next():
    """Winners take places one by one, and the gates are passed again for each."""
    life = life_of(
        cap("channel: email, max: 1, per: 1d, then: next_channel"),
        journey("a", send("s", 1, channel="[email, sms]")),
        journey("b", send("t", 2)),
    )
    life.does("A")
    assert [(one["step"], one["channel"]) for one in life.actions] == [("t", "email"), ("s", "sms")]


def test_a_new_cap_counts_what_an_older_one_kept():
    """Definitions change at a place of the log; the journal is the customer's."""
    life = life_of(cap("channel: email, max: 5, per: 30d"))
    for _ in range(2):
        life.does("A", HOUR)
    life.renew(journey("j", send("s")), orchestration=f"{CHANNELS}caps:\n{cap('max: 2, per: 1d')}")
    life.does("A", HOUR)
    assert len(life.sent) == 2


def test_no_more_is_kept_than_caps_can_count():
    """However many messages go out."""
    life = life_of(cap("channel: email, max: 3, per: 1h") + cap("tag: news, max: 2, per: 2h"))
    for _ in range(60):
        life.does("A", 25 * MINUTE)
        assert len(life.customer.sends) <= 5
    assert len(life.sent) > 15


# --- the oracle: every message is looked at against all that went out before, by the words of the design

CAPS = st.fixed_dictionaries(
    {
        "channel": st.sampled_from([[], ["email"], ["push"]]),
        "tag": st.sampled_from([[], ["news"], ["offers"]]),
        "max": st.integers(1, 3),
        "per": st.sampled_from([HOUR, 5 * HOUR, 24 * HOUR, "day", "week"]),
        "then": st.sampled_from(["drop", "next_channel", "defer 3h", "defer 40h"]),
    }
)
JOURNEYS = {
    "A": ("a", "news", ("email",)),
    "B": ("b", "offers", ("push", "email")),
    "C": ("c", "news, offers", ("email", "push")),
    "D": ("d", "news, transactional", ("email",)),
}


def written(caps):
    found = []
    for one in caps:
        per = one["per"]
        span = f"{per}, window: calendar" if isinstance(per, str) else f"{per // HOUR}h"
        of = "".join(f"{key}: {one[key]}, " for key in ("channel", "tag") if one[key])
        found.append(cap(f"{of}max: {one['max']}, per: {span}, then: {one['then']}"))
    return "".join(found)


def concerns(one, channel, tags):
    """Whether a cap speaks of a message."""
    return (not one["channel"] or channel in one["channel"]) and (not one["tag"] or bool(set(one["tag"]) & set(tags)))


def is_full(one, sent, now):
    """Whether a cap has no room at `now` for one more, by counting."""
    if isinstance(one["per"], str):
        start = calendar_window(now, one["per"], BERLIN)[0]
        count = sum(start <= time <= now for time in sent)
    else:
        count = sum(now - one["per"] < time <= now for time in sent)
    return count >= one["max"]


def counted(one, actions):
    return [when(action) for action in actions if concerns(one, action["channel"], action["tags"])]


LOGS = st.lists(
    st.tuples(st.sampled_from("ABCD"), st.sampled_from([0, 1, MINUTE, HOUR, 4 * HOUR, 25 * HOUR])),
    min_size=4,
    max_size=16,
)


@settings(max_examples=examples(120), deadline=None)
@given(st.lists(CAPS, min_size=1, max_size=3), LOGS)
def test_no_cap_ever_lets_one_more_through_and_none_stops_what_has_room(caps, log):
    """Whatever the interleaving; what was stopped had no room, and what waits goes out as soon as there is some."""
    unique = {(str(one["channel"]), str(one["tag"]), one["per"]): one for one in caps}
    caps = list(unique.values())
    texts = [
        journey(name, send(f"s{name}", channel=f"[{', '.join(channels)}]"), enter=f"event: {event}", tags=f"[{tags}]")
        for event, (name, tags, channels) in JOURNEYS.items()
    ]
    life = life_of(written(caps), *texts)
    for name, after in log:
        life.does(name, after)
    life.later(60 * DAY)
    actions = life.actions
    for place, action in enumerate(actions):
        if "transactional" in action["tags"]:
            continue
        for one in caps:
            if concerns(one, action["channel"], action["tags"]):
                assert not is_full(one, counted(one, actions[:place]), when(action)), (one, action)
    since = {}
    """(run, step) -> when a cap first deferred it."""
    for fact in (fact for fact in life.facts if fact["fact"] == "withheld"):
        assert fact["gate"] == "cap"
        now = when(fact)
        # Stopped before anything went out at its instant, or by a better message of it; only timers are more than one.
        before = [one for one in actions if one["seq"] < fact["seq"]]
        better = [one for one in actions[len(before) :] if when(one) == now and one["caused_by"].startswith("timer:")]
        assert any(is_right(fact, caps, [*before, *better[:number]], since) for number in range(len(better) + 1)), fact
        if fact["then"] == "deferred":
            since.setdefault((fact["instance"], fact["step"]), now)
    assert life.customer.timers == {}


def is_right(fact, caps, sent, since):
    """Whether a cap stopped a message as it should, after these had gone out."""
    _, tags, channels = next(one for one in JOURNEYS.values() if one[0] == fact["journey"])
    now, tags = when(fact), tags.split(", ")
    full = [one for one in caps if concerns(one, fact["channel"], tags) and is_full(one, counted(one, sent), now)]
    if not full or "transactional" in tags:
        return False
    kinds = {one["then"].split()[0] for one in full}
    if "drop" in kinds:
        return fact["then"] == "dropped"
    if "next_channel" in kinds:
        return fact["then"] == ("dropped" if fact["channel"] == channels[-1] else "next_channel")
    first = since.get((fact["instance"], fact["step"]), now)
    end = first + min(int(one["then"].split()[1][:-1]) * HOUR for one in full)
    if fact["then"] == "deferred":
        until = parse_instant(fact["until"])
        was_full, is_free = (any(is_full(one, counted(one, sent), at) for one in full) for at in (until - 1, until))
        return now < until <= end and was_full and not is_free
    return end < now or any(is_full(one, counted(one, sent), end) for one in full)
