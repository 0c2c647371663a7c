"""One customer, one decision: what competes at one instant, in which order, and what is told of it."""

import json
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.customer_step import CustomerStep
from operators.events import Event
from state.customer import Customer
from tests.operators.life import DAY, HOUR, ORCHESTRATION, T0, Life, at, plan_of

ONE = f"{ORCHESTRATION}\nconflicts: {{tag: news, keep: 1, then: drop}}"


def journey(name, *steps, enter="event: A", tags="[news]", priority=50, more=""):
    written = "\n".join(f"  - {step}" for step in steps)
    return f"journey: {name}\ntags: {tags}\npriority: {priority}\nenter: {{{enter}, again: always}}\n{more}\nsteps:\n{written}"


def send(step, value=1, channel="email", more=""):
    return f"{{id: {step}, send: {channel}, template: t, value: {value}{more}}}"


def decided(life):
    """Of each decision: what was chosen, and (candidate, gate) of all."""
    facts = [fact for fact in life.facts if fact["fact"] == "decided"]
    return [(fact["chosen"], [(one["name"], one["gate"]) for one in fact["candidates"]]) for fact in facts]


def test_a_message_alone_is_decided_too():
    """Every `sent` has its `decided` before it, with the score of nothing."""
    life = Life(journey("j", send("s", 3)), orchestration=ORCHESTRATION)
    life.does("A")
    facts = [fact for fact in life.facts if fact["fact"] in ("decided", "sent")]
    assert [fact["fact"] for fact in facts] == ["decided", "sent"]
    run = {"journey": "j", "instance": facts[1]["instance"], "step": "s"}
    candidate = {**run, "name": "s", "channel": "email", "score": 3, "gate": None}
    assert run.items() <= facts[0].items()
    assert (facts[0]["candidates"], facts[0]["nothing"], facts[0]["chosen"]) == ([candidate], 0, "s")


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (journey("z", send("s", 2)), journey("a", send("s", 1), priority=99)),
        (journey("z", send("s"), priority=51), journey("a", send("s"))),
        (journey("a", send("s")), journey("b", send("s"))),
    ],
    ids=["score", "priority", "name"],
)
def test_the_better_one_wins_and_the_other_is_told(better, worse):
    """Score, then priority, then name; whichever journey is looked at first."""
    life = Life(better, worse, orchestration=ONE)
    life.does("A")
    assert [action["journey"] for action in life.actions] == [better[9]]
    (fact,) = [fact for fact in life.facts if fact["fact"] == "decided"]
    assert fact["journey"] == better[9]
    assert {(one["journey"], one["gate"]) for one in fact["candidates"]} == {
        (better[9], None),
        (worse[9], "lower_priority"),
    }
    withheld = life.fact("withheld")
    assert (withheld["journey"], withheld["gate"], withheld["then"]) == (worse[9], "lower_priority", "dropped")
    assert life.count("exited") == 2  # a withheld message stops no walk


def test_as_many_as_may_go_out():
    """Each with its own decision, in order of their scores."""
    life = Life(
        *(journey(f"j{value}", send(f"s{value}", value)) for value in (2, 4, 1, 3)),
        orchestration=ONE.replace("keep: 1", "keep: 2"),
    )
    life.does("A")
    assert life.sent == ["s4", "s3"]
    lost = [("s1", "lower_priority"), ("s2", "lower_priority")]
    assert decided(life) == [("s4", [*lost, ("s3", None), ("s4", None)]), ("s3", [("s3", None)])]


def test_a_message_without_the_tag_does_not_compete():
    """It goes out where its step is reached."""
    life = Life(
        journey("a", send("news", 1)),
        journey("b", send("service", 9, more=", tags: [service]"), tags="[]"),
        journey("c", send("more", 2)),
        orchestration=ONE,
    )
    life.does("A")
    assert life.sent == ["service", "more"]


def test_what_is_held_back_takes_no_place():
    """The gates come before the arbitration."""
    life = Life(
        journey("a", send("s", 9)),
        journey("b", send("t", 1, channel="push")),
        journey("h", "{suppress: email, tag: news}", "{id: w, wait: 9d}", enter="event: H", tags="[]"),
        orchestration=ONE,
    )
    life.does("H")
    life.does("A")
    assert life.sent == ["t"]
    assert decided(life) == [("t", [("s", "suppressed"), ("t", None)])]


def test_the_next_channel_of_a_ranked_list_is_told_with_the_one_that_was_closed():
    """Both are candidates of the one step."""
    life = Life(
        journey("a", send("s", channel="[email, push]")),
        journey("h", "{suppress: email, tag: news}", "{id: w, wait: 9d}", enter="event: H", tags="[]"),
    )
    life.does("H")
    life.does("A")
    candidates = life.fact("decided")["candidates"]
    assert [(one["channel"], one["gate"]) for one in candidates] == [("email", "suppressed"), ("push", None)]
    assert life.fact("withheld")["then"] == "next_channel"


def test_the_message_of_a_control_customer_gives_its_place_to_the_next():
    """The world without the journey: exposure is told, and it takes no place."""
    life = Life(
        journey("a", send("s", 9), more="control: 100%\ngoal: {event: G}"),
        journey("b", send("t", 1)),
        orchestration=ONE,
    )
    life.does("A")
    assert life.sent == ["t"]
    assert decided(life) == [("t", [("s", "control"), ("t", None)])]
    assert [(one["journey"], one["gate"]) for one in life.facts if one["fact"] == "withheld"] == [("a", "control")]
    assert [(one["name"], one["arm"]) for one in life.facts if one["fact"] == "exposed"] == [("a", "control")]


def test_where_another_message_wins_a_control_customer_is_not_exposed():
    """Exposure is at the point where the message would have gone out, after all gates."""
    life = Life(
        journey("a", send("s", 1), more="control: 100%\ngoal: {event: G}"),
        journey("b", send("t", 9)),
        orchestration=ONE,
    )
    life.does("A")
    assert (life.sent, life.count("exposed")) == (["t"], 0)
    assert life.fact("withheld")["gate"] == "lower_priority"


def test_timers_of_one_time_are_one_instant():
    """Two waits that end at 09:00 compete; a third journey's timer a minute later does not."""
    life = Life(
        journey("a", "{id: w, wait: {until: '09:00'}}", send("s", 1)),
        journey("b", "{id: w, wait: {until: '09:00'}}", send("t", 2)),
        journey("c", "{id: w, wait: {until: '09:01'}}", send("u", 1)),
        orchestration=ONE,
    )
    life.does("A")
    life.later(2 * DAY)
    assert life.sent == ["t", "u"]
    assert [(one["decided_at"], one["caused_by"]) for one in life.actions] == [
        ("2026-01-06T08:00:00.000Z", "timer:w@2026-01-06T08:00:00.000Z"),
        ("2026-01-06T08:01:00.000Z", "timer:w@2026-01-06T08:01:00.000Z"),
    ]


def test_two_events_are_two_instants():
    """Also at the same time: each is decided before the next is read."""
    life = Life(journey("a", send("s")), journey("b", send("t"), enter="event: B"), orchestration=ONE)
    life.does("A")
    life.does("B")
    assert life.sent == ["s", "t"]


def test_the_second_message_of_a_run_competes_after_its_first():
    """At most `keep` at one instant, whoever they are of."""
    life = Life(journey("a", send("s"), send("t", 5)), journey("b", send("u", 9)), orchestration=ONE)
    life.does("A")
    assert life.sent == ["u"]
    assert decided(life) == [
        ("u", [("s", "lower_priority"), ("u", None)]),
        ("nothing", [("t", "lower_priority")]),
    ]


def test_an_exit_at_the_same_event_comes_before_a_decision():
    """A run that ends takes its message with it; what it does on the way out competes."""
    life = Life(
        journey(
            "a", "{id: w, wait: 1d}", more="exit: [{event: B, do: [{id: bye, send: email, template: t, value: 5}]}]"
        ),
        journey("b", send("s"), enter="event: B"),
        orchestration=ONE,
    )
    life.does("A")
    life.does("B", HOUR)
    assert life.sent == ["bye"]
    assert [(one["journey"], one["reason"]) for one in life.facts if one["fact"] == "exited"] == [
        ("a", "B"),
        ("b", "completed"),
    ]


def test_the_same_event_may_let_the_customer_in_again_where_a_run_only_has_to_send():
    """As good as over: it is neither replaced, nor does it keep the customer out."""
    for again in "always", "after_exit":
        text = journey("a", "{id: w, wait_for: [{event: A}], timeout: 9d}", send("s")).replace("always", again)
        life = Life(text, orchestration=ONE)
        life.does("A")
        life.does("A", HOUR)
        assert life.sent == ["s"]
        assert [one["reason"] for one in life.facts if one["fact"] == "exited"] == ["completed"]
        assert life.count("entered") == 2


def test_a_run_that_is_replaced_at_the_instant_at_which_it_sends_sends_nothing():
    """One run of a journey without key, also within one instant."""
    enter = "pattern: [{event: A, by: 'properties.items[].k'}]"
    life = Life(journey("a", send("s"), "{id: w, wait: 1d}", enter=enter), orchestration=ONE)
    life.does("A", items=[{"k": "x"}, {"k": "y"}])
    assert (life.count("entered"), life.sent) == (2, ["s"])
    assert [one["reason"] for one in life.facts if one["fact"] == "exited"] == ["replaced"]
    assert len(life.customer.runs["a"]) == 1


def test_what_is_worth_nothing_does_not_go_out():
    """Nothing scores 0 and wins ties."""
    life = Life(journey("a", send("s", 0)))
    life.does("A")
    assert life.sent == []
    assert decided(life) == [("nothing", [("s", "nothing")])]


names = st.lists(st.tuples(st.integers(1, 3), st.integers(49, 51)), min_size=2, max_size=4)


@settings(max_examples=60, deadline=None)
@given(names, st.integers(1, 3))
def test_the_order_is_total_and_does_not_depend_on_who_comes_first(values, keep):
    """Journeys named otherwise are looked at in another order; among equals the name alone decides."""
    ranked = sorted(range(len(values)), key=lambda one: (-values[one][0], -values[one][1], one))
    life = Life(
        *(
            journey(f"j{one}", send(f"s{one}", value), priority=priority)
            for one, (value, priority) in enumerate(values)
        ),
        orchestration=ONE.replace("keep: 1", f"keep: {keep}"),
    )
    life.does("A")
    assert life.sent == [f"s{one}" for one in ranked[:keep]]
    facts = [fact for fact in life.facts if fact["fact"] == "decided"]
    assert len(facts[0]["candidates"]) == len(values)
    assert [fact["chosen"] for fact in facts] == life.sent


def test_the_order_of_arrival_is_all_the_same():
    """However the events of one customer that enter three journeys one after another are ordered, 09:00 decides alike."""
    texts = [
        journey(name, "{id: w, wait: {until: '09:00'}}", send(f"s{name}", value), enter=f"event: {name.upper()}")
        for name, value in (("a", 1), ("b", 2), ("c", 2))
    ]
    told = set()
    for order in permutations("ABC"):
        life = Life(*texts, orchestration=ONE)
        for name in order:
            life.does(name, 1)
        life.until(at("2026-01-06T09:00:00Z"))
        told.add(json.dumps([[one["step"], one["decided_at"]] for one in life.actions]))
    assert told == {json.dumps([["sb", "2026-01-06T08:00:00.000Z"]])}
    assert at("2026-01-06T08:00:00Z") > T0


# --- within: a message waits for better ones


WITHIN = ONE.replace("keep: 1", "within: 2h, keep: 1")


def test_a_better_message_that_comes_within_the_time_wins():
    """The first opens the time, and all that came in it compete at its end; the loser is told then."""
    life = Life(journey("a", send("s", 1)), journey("b", send("t", 2), enter="event: B"), orchestration=WITHIN)
    life.does("A")
    life.does("B", HOUR)
    assert life.actions == []
    withheld = [
        (one["step"], one["gate"], one["then"], one["until"]) for one in life.facts if one["fact"] == "withheld"
    ]
    assert withheld == [(step, "arbitration", "deferred", "2026-01-05T12:00:00.000Z") for step in "st"]
    life.later(DAY)
    assert [(one["step"], one["decided_at"]) for one in life.actions] == [("t", "2026-01-05T12:00:00.000Z")]
    assert decided(life)[-1] == ("t", [("s", "lower_priority"), ("t", None)])
    assert life.customer.timers == {}


def test_what_comes_at_the_end_of_the_time_is_too_late():
    """Timers come before the event; it opens a time of its own."""
    life = Life(journey("a", send("s", 1)), journey("b", send("t", 2), enter="event: B"), orchestration=WITHIN)
    life.does("A")
    life.does("B", 2 * HOUR)
    life.later(DAY)
    assert [(one["step"], one["decided_at"][11:16]) for one in life.actions] == [("s", "12:00"), ("t", "14:00")]


def test_a_message_that_is_stopped_anyway_opens_no_time():
    """Only what may go out waits for better ones."""
    closed = "suppress: [{when: profile.stop, channel: email}]"
    texts = journey("a", send("s", 9)), journey("b", send("t", 1, channel="push"), enter="event: B")
    life = Life(*texts, orchestration=f"{WITHIN}\n{closed}")
    life.identify(stop=True)
    life.does("A")
    life.does("B", HOUR)
    life.later(DAY)
    assert [(one["step"], one["decided_at"][11:16]) for one in life.actions] == [("t", "13:00")]


def test_a_message_that_would_expire_in_that_time_does_not_wait():
    """Help that comes too late is none."""
    life = Life(journey("a", send("s", more=", expires: 1h")), orchestration=WITHIN)
    life.does("A")
    assert life.sent == ["s"]


def test_an_exit_cancels_what_waits_for_better_ones():
    """And it is out of the decision."""
    life = Life(
        journey("a", send("s", 9), more="exit: [{event: X}]"),
        journey("b", send("t"), enter="event: B"),
        orchestration=WITHIN,
    )
    life.does("A")
    life.does("B", HOUR)
    life.does("X", 1)
    life.later(DAY)
    assert life.sent == ["t"]


def test_who_lost_may_compete_once_more():
    """`then: defer`: after so long a time, once; then it is dropped."""
    life = Life(
        journey("a", send("s", 1)),
        journey("b", send("t", 2)),
        journey("c", "{id: w, wait: 3h}", send("u", 2)),
        orchestration=ONE.replace("then: drop", "then: defer 3h"),
    )
    life.does("A")
    life.later(DAY)
    assert life.sent == ["t", "u"]
    told = [(one["then"], one.get("until")) for one in life.facts if one["fact"] == "withheld"]
    assert told == [("deferred", "2026-01-05T13:00:00.000Z"), ("dropped", None)]


def test_what_went_out_at_an_event_takes_no_place_at_a_later_timer():
    """Also where both are read in one batch."""
    texts = journey("a", send("s")), journey("b", "{id: w, wait: 3h}", send("t"), enter="event: B")
    step, customer, records = CustomerStep(plan_of(*texts, orchestration=ONE)), Customer(), []
    events = [("B", T0), ("A", T0 + HOUR), ("Z", T0 + DAY)]
    step.take(customer, "c", [(Event("track", name, "c", name, at, {}, {}), at) for name, at in events], records)
    assert [record["step"] for topic, record in records if topic.startswith("actions.")] == ["s", "t"]
