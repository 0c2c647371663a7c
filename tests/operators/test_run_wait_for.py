"""Waiting for events: the first to come, the highest ranked, feedback on own messages, and back to the start."""

import pytest

from tests.operators.life import DAY, HOUR, T0, Life, iso, when


def journey(wait_for, timeout="3d", more="", otherwise="[{id: e, send: email, template: e}]", top=""):
    """A journey that sends, waits for something, and sends what came of it."""
    return f"""journey: j
enter: {{event: A, again: always}}
{top}
steps:
  - {{id: s, send: email, template: t}}
  - id: w
    wait_for: {wait_for}
    timeout: {timeout}
    else: {otherwise}
    {more}
  - {{id: n, send: sms, template: n}}
"""


BC = "[{event: B, do: [{id: b, send: push, template: b}]}, {event: [C, D], do: [{id: c, send: push, template: c}]}]"


def test_the_first_event_to_come_decides():
    """Its branch is walked, and what comes after the wait; the deadline is off."""
    life = Life(journey(BC))
    life.does("A")
    life.does("X", HOUR)
    life.does("D", HOUR)
    life.later(10 * DAY)
    assert life.sent == ["s", "c", "n"]
    assert life.story[5:8] == ["resumed w", "step c", "sent c"]
    assert life.fact("resumed")["branch"] == 2
    assert life.fact("resumed")["event"] == "D"
    assert life.fact("resumed")["caused_by"] == "m3"
    assert life.actions[1]["caused_by"] == "m3"


def test_at_the_deadline_it_is_else():
    """An event exactly at the deadline is too late."""
    life = Life(journey(BC))
    life.does("A")
    life.does("B", 3 * DAY)
    assert life.sent == ["s", "e", "n"]
    assert "timed_out w" in life.story
    assert life.actions[1]["decided_at"] == iso(T0 + 3 * DAY)
    life = Life(journey(BC))
    life.does("A")
    life.does("B", 3 * DAY - 1)
    assert life.sent == ["s", "b", "n"]


def test_if_one_event_fits_several_the_first_listed_takes_it():
    """Conditions are looked at in order."""
    replies = """
      - {event: B, where: event.properties.n > 5, do: [{id: big, send: push, template: t}]}
      - {event: B, where: event.properties.n > 1, do: [{id: small, send: push, template: t}]}
"""
    for n, sent in ((9, "big"), (3, "small"), (1, "e")):
        life = Life(journey(replies))
        life.does("A")
        life.does("B", HOUR, n=n)
        life.later(10 * DAY)
        assert life.sent == ["s", sent, "n"]


def test_the_entering_event_and_those_before_do_not_end_a_wait():
    """It takes events read after it is reached; one event ends one wait of a run."""
    twice = (
        "steps:\n  - {id: v, wait_for: [{event: A}], timeout: 1d}\n  - {id: w, wait_for: [{event: A}], timeout: 1d}\n"
    )
    life = Life(f"journey: j\nenter: {{event: A}}\n{twice}")
    life.does("A")
    assert life.story[-1] == "waiting v"
    life.does("A", HOUR)
    assert life.story[3:6] == ["resumed v", "step w", "waiting w"]


def test_event_is_what_moved_the_run_and_nothing_after_a_timer():
    """In templates and conditions."""
    values = "with: {n: \"{{ event.properties.n if event else 'none' }}\"}"
    sends = [f"{{id: {name}, send: push, template: t, {values}}}" for name in "bc"]
    do = f"[{{event: B, do: [{sends[0]}, {{id: v, wait: 1d}}, {sends[1]}]}}]"
    life = Life(journey(do))
    life.does("A", n=1)
    life.does("B", HOUR, n=2)
    life.later(10 * DAY)
    assert [action["with"].get("n") for action in life.actions] == [None, 2, "none", None]


def test_the_entry_is_known_after_any_wait():
    """Its properties, and `first` and `matched`; after a restart, too."""
    text = """
journey: j
enter: {pattern: [{event: A, times: 2}], within: 5d}
steps:
  - {id: w, wait: 1d}
  - {id: s, send: email, template: t, with: {e: "{{ entry.properties.n }}", f: "{{ first.properties.n }}",
     m: "{{ matched|length }}", c: "{{ entry.context.page }}"}}
"""
    life = Life(text)
    life.does("A", n=1)
    life.does("A", HOUR, n=2, context={"page": "x"})
    life.later(2 * DAY)
    assert life.actions[0]["with"] == {"e": 2, "f": 1, "m": 2, "c": "x"}


# --- deadlines


def test_a_deadline_can_count_from_the_entry():
    """However late the wait is reached; one that is past is over at once."""
    text = """
journey: j
enter: {event: A}
steps:
  - {id: v, wait: DELAY}
  - {id: w, wait_for: [{event: B}], timeout: {for: 7d, from: entry}, else: [{id: e, send: email, template: e}]}
"""
    life = Life(text.replace("DELAY", "2d"))
    life.does("A")
    life.later(30 * DAY)
    assert [when(action) for action in life.actions] == [T0 + 7 * DAY]
    life = Life(text.replace("DELAY", "8d"))
    life.does("A")
    life.later(30 * DAY)
    assert [when(action) for action in life.actions] == [T0 + 8 * DAY]
    assert life.count("waiting") == 1


@pytest.mark.parametrize("timeout", ["{until: monday 09:00}", "{until: profile.day}", "{until: '2026-01-12 09:00'}"])
def test_a_deadline_can_be_a_time(timeout):
    """As for `wait`."""
    life = Life(journey(BC, timeout))
    life.identify(day="2026-01-12 09:00")
    life.does("A")
    life.later(30 * DAY)
    assert life.sent == ["s", "e", "n"]
    assert life.actions[1]["decided_at"] == "2026-01-12T08:00:00.000Z"


# --- rank


def test_ranked_the_highest_listed_of_what_came_is_taken_at_the_deadline():
    """Whichever came first; and the run goes on with that event."""
    replies = """
      - {event: Paid, do: [{id: p, send: push, template: t, with: {n: "{{ event.properties.n }}"}}]}
      - {event: Looked, do: [{id: l, send: push, template: t, with: {n: "{{ event.properties.n }}"}}]}
"""
    life = Life(journey(replies, more="rank: true"))
    life.does("A")
    life.does("Looked", HOUR, n=1)
    life.does("Paid", HOUR, n=2)
    life.does("Looked", HOUR, n=3)
    assert life.sent == ["s"]
    life.later(10 * DAY)
    assert life.sent == ["s", "p", "n"]
    assert [action["with"].get("n") for action in life.actions] == [None, 2, None]
    assert when(life.actions[1]) == T0 + 3 * DAY
    assert (life.fact("resumed")["branch"], life.fact("resumed")["event"]) == (1, "Paid")
    life = Life(journey(replies, more="rank: true"))
    life.does("A")
    life.does("Looked", HOUR, n=1)
    life.does("Looked", HOUR, n=3)
    life.later(10 * DAY)
    assert life.actions[1]["with"] == {"n": 1}


def test_ranked_it_is_else_where_nothing_came():
    """At the deadline."""
    life = Life(journey(BC, more="rank: true"))
    life.does("A")
    life.later(10 * DAY)
    assert life.sent == ["s", "e", "n"]


# --- again


def test_a_branch_goes_back_to_the_start_of_the_wait_and_its_time_begins_anew():
    """As often as the event comes."""
    again = "[{event: B, do: [{id: b, send: push, template: b}], again: true}]"
    life = Life(journey(again))
    life.does("A")
    for _ in range(5):
        life.does("B", 2 * DAY)
    life.later(30 * DAY)
    assert life.sent == ["s", "b", "b", "b", "b", "b", "e", "n"]
    assert when(life.actions[-1]) == T0 + 13 * DAY
    assert len({action["action_id"] for action in life.actions}) == len(life.actions)


def test_a_branch_goes_back_so_often_at_most():
    """Then it goes on after the wait."""
    again = "[{event: B, do: [{id: b, send: push, template: b}], again: {max: 2}}, {event: C, again: {max: 1}}]"
    life = Life(journey(again))
    life.does("A")
    life.does("C", HOUR)
    life.does("B", HOUR)
    life.does("B", HOUR)
    life.does("B", HOUR)
    assert life.sent == ["s", "b", "b", "b", "n"]


def test_else_can_go_back_too():
    """A reminder, twice at most, until the deadline is the last."""
    life = Life(journey(BC, "1d", otherwise="{do: [{id: e, send: email, template: e}], again: {max: 2}}"))
    life.does("A")
    life.later(30 * DAY)
    assert life.sent == ["s", "e", "e", "e", "n"]
    assert [when(action) - T0 for action in life.actions[1:]] == [DAY, 2 * DAY, 3 * DAY, 3 * DAY]


def test_a_wait_whose_deadline_is_past_does_not_go_round_in_circles():
    """`again` there leads on."""
    for timeout in "{for: 1d, from: entry}", "{until: profile.day}":
        life = Life(
            journey(
                BC,
                timeout,
                otherwise="{do: [{id: e, send: email, template: e}], again: true}",
                top="exit: [{event: Z}]",
            )
        )
        life.identify(day="2026-01-06T10:00:00Z")
        life.does("A")
        life.later(30 * DAY)
        assert life.sent == ["s", "e", "n"]


def test_a_wait_that_is_reached_from_outside_counts_anew():
    """The inner wait of a loop has its own count each time."""
    text = """
journey: j
enter: {event: A}
steps:
  - id: outer
    wait_for:
      - event: B
        do:
          - {id: inner, wait_for: [{event: C, do: [{id: c, send: push, template: c}], again: {max: 1}}], timeout: 1d}
        again: true
    timeout: 10d
"""
    life = Life(text)
    life.does("A")
    for _ in range(2):
        life.does("B", HOUR)
        life.does("C", HOUR)
        life.does("C", HOUR)
    assert life.sent == ["c"] * 4
    assert life.story[-1] == "waiting outer"


# --- feedback on own messages


def feedback(outcome, of=""):
    return journey(f"[{{outcome: {outcome}{of}, do: [{{id: b, send: push, template: b}}]}}]")


@pytest.mark.parametrize(
    ("outcome", "event"),
    [
        ("opened", "Email Opened"),
        ("clicked", "Email Link Clicked"),
        ("delivered", "Email Delivered"),
        ("bounced", "Email Bounced"),
        ("unsubscribed", "Unsubscribed"),
        ("engaged", "Email Opened"),
        ("engaged", "Email Link Clicked"),
        ("engaged", "Email Replied"),
        ("clicked", "Push Notification Tapped"),
        ("replied", "SMS Replied"),
    ],
)
def test_feedback_on_an_own_message_ends_a_wait(outcome, event):
    """By the id of the action; another message's, or what is none, is not feedback on this one."""
    life = Life(feedback(outcome, ", of: s"))
    life.does("A")
    life.does(event, HOUR, action_id="0" * 32)
    life.does(event, HOUR, action_id=["x"])
    assert life.sent == ["s"]
    life.does("Email Deferred", HOUR, action_id=life.actions[0]["action_id"])
    assert life.sent == ["s"]
    life.does(event, HOUR, action_id=life.actions[0]["action_id"])
    assert life.sent == ["s", "b", "n"]


def test_feedback_that_names_no_message_is_on_the_last_one_of_its_channel():
    """So it ends the wait of the run that sent it, and of no other."""
    other = "journey: k\nenter: {event: B}\nsteps: [{id: o, send: OTHER, template: t}]"
    for channel, ends in (("sms", True), ("email", False)):
        life = Life(feedback("opened", ", of: s"), other.replace("OTHER", channel))
        life.does("A")
        life.does("Push Notification Opened", HOUR)
        life.does("B", HOUR)
        life.does("Email Opened", HOUR)
        assert life.sent == (["s", "o", "b", "n"] if ends else ["s", "o"])


def test_feedback_is_of_the_step_that_is_named_or_of_any():
    """Two messages went out."""
    text = """
journey: j
enter: {event: A}
steps:
  - {id: one, send: email, template: t}
  - {id: two, send: email, template: t}
  - {id: w, wait_for: [{outcome: opened OF, do: [{id: b, send: push, template: b}]}], timeout: 3d}
"""
    for of, moved in ((", of: two", [False, True]), ("", [True])):
        life = Life(text.replace(" OF", of))
        life.does("A")
        for number, ends in enumerate(moved):
            life.does("Email Opened", HOUR, action_id=life.actions[number]["action_id"])
            assert life.sent[2:] == (["b"] if ends else [])
