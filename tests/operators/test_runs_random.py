"""Runs over random journeys and logs: equal to the oracle, however the log is cut and whenever the process begins anew."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from operators.customer_step import CustomerStep
from operators.events import Event
from operators.records import instance_of
from state.codec import decode_customer, encode_customer
from state.customer import Customer
from state.instants import parse_instant
from tests.examples import examples
from tests.operators.life import HOUR, T0, plan_of
from tests.run_oracle import Happened, Journey, Oracle

NAMES = ("A", "B", "C", "D")
LENGTHS = (HOUR, 3 * HOUR, 24 * HOUR, 25 * HOUR)
CUSTOMER = "c-42"

backs = st.sampled_from([0, 0, 0, 1, 2])
limits = st.integers(-1, 2)


def numbered(steps, numbers):
    """The same steps, with ids."""
    found = []
    for kind, *rest in steps:
        name = f"s{next(numbers)}"
        if kind == "branch":
            limit, yes, no = rest
            rest = [limit, numbered(yes, numbers), numbered(no, numbers)]  # noqa: PLW2901
        elif kind == "wait_for":
            replies, ms, from_entry, rank, otherwise, most = rest
            replies = [(event, limit, numbered(do, numbers), again) for event, limit, do, again in replies]
            rest = [replies, ms, from_entry, rank, numbered(otherwise, numbers), most]  # noqa: PLW2901
        found.append((kind, name, *rest))
    return found


def waits_for(inner, least=1):
    replies = st.tuples(st.sampled_from(NAMES), limits, inner, backs)
    return st.tuples(
        st.just("wait_for"),
        st.lists(replies, min_size=least, max_size=2),
        st.sampled_from(LENGTHS),
        st.booleans(),
        st.booleans(),
        inner,
        backs,
    )


def step_lists(inner):
    step = st.one_of(
        st.just(("send",)),
        st.tuples(st.just("wait"), st.sampled_from(LENGTHS)),
        st.tuples(st.just("branch"), limits, inner, inner),
        waits_for(inner),
    )
    return st.lists(step, max_size=3)


lists = st.recursive(st.lists(st.just(("send",)), max_size=1), step_lists, max_leaves=6)
journeys = st.builds(
    Journey,
    enters=st.sampled_from(NAMES),
    keyed=st.booleans(),
    again=st.sampled_from(["never", "always", "after_exit", 26 * HOUR]),
    steps=st.builds(
        lambda first, steps: numbered([first, *steps, ("wait", 2 * HOUR), ("send",)], iter(range(1000))),
        waits_for(lists, 2),
        step_lists(lists),
    ),
    goal=st.sampled_from([None, "B", "C"]),
    within=st.sampled_from([5 * HOUR, 48 * HOUR]),
    exits=st.sampled_from([(), ("D",), ("C", "goal")]),
    max_age=st.just(30 * HOUR),
)


def written(steps):
    """The steps as an author writes them."""
    found = []
    for kind, name, *rest in steps:
        if kind == "send":
            found.append({"id": name, "send": "email", "template": "t"})
        elif kind == "wait":
            found.append({"id": name, "wait": f"{rest[0] // HOUR}h"})
        elif kind == "branch":
            ways = [{"when": f"entry.properties.n > {rest[0]}", "do": written(rest[1])}, {"do": written(rest[2])}]
            found.append({"id": name, "branch": ways})
        else:
            replies, ms, from_entry, rank, otherwise, most = rest
            found.append(
                {
                    "id": name,
                    "wait_for": [
                        {"event": event, "where": f"properties.n > {limit}", "do": written(do), **again(most_)}
                        for event, limit, do, most_ in replies
                    ],
                    "timeout": {"for": f"{ms // HOUR}h", "from": "entry" if from_entry else "step"},
                    "rank": rank,
                    "else": {"do": written(otherwise), **again(most)},
                }
            )
    return found


def again(most):
    return {"again": {"max": most}} if most else {}


def text_of(journey):
    rule = f"after {journey.again // HOUR}h" if isinstance(journey.again, int) else journey.again
    enter = {"event": journey.enters, "again": rule, "max_age": f"{journey.max_age // HOUR}h"}
    if journey.keyed:
        enter["key"] = "properties.key"
    exits = [one if one == "goal" else {"event": one} for one in journey.exits if one != "goal" or journey.goal]
    goal = {"goal": {"event": journey.goal, "within": f"{journey.within // HOUR}h"}} if journey.goal else {}
    return json.dumps({"journey": "j", "enter": enter, "exit": exits, "steps": written(journey.steps), **goal})


events = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from([0, 0, 0, HOUR, 31 * HOUR]),  # how late it comes
    st.sampled_from(["x", "y", None]),
    st.integers(0, 2),
    st.sampled_from([0, 1, HOUR, HOUR, 5 * HOUR, 24 * HOUR]),  # after the one before
)
logs = st.lists(events, max_size=14)


def happen(log):
    """(what happened, when it was read)."""
    now, found = T0, []
    for number, (name, late, key, n, after) in enumerate(log):
        now += after
        found.append((Happened(name, now - late, key, n, f"m{number}"), now))
    return found


def as_event(one):
    properties = {"n": one.n} if one.key is None else {"n": one.n, "key": one.key}
    return Event("track", one.name, CUSTOMER, one.message_id, one.time, properties, {})


def short(records):
    """The facts as the oracle tells them."""
    found = []
    for topic, record in records:
        if topic == "journeys.facts" and record["fact"] != "decided":
            what = record.get("step") or record.get("reason") or record.get("key")
            found.append((parse_instant(record["at"]), record["fact"], what))
    return found


END = 20_000 * HOUR
"""After the longest journey of these: waits within waits that begin anew twice each."""


@settings(max_examples=examples(300), deadline=None)
@given(journeys, logs)
def test_the_engine_tells_what_the_oracle_tells(journey, log):
    """Every fact, in order, at its time."""
    if journey.goal is None:
        journey = Journey(**{**vars(journey), "exits": tuple(one for one in journey.exits if one != "goal")})
    oracle = Oracle(journey, lambda key, message_id: instance_of(CUSTOMER, "j", key, message_id))
    step, customer, records = CustomerStep(plan_of(text_of(journey))), Customer(), []
    happened = happen(log)
    for one, now in happened:
        oracle.read(one, now)
    oracle.until(T0 + END)
    step.take(customer, CUSTOMER, [(as_event(one), now) for one, now in happened], records)
    step.fire(customer, CUSTOMER, T0 + END, records)
    assert short(records) == oracle.told
    assert not customer.timers


@settings(max_examples=examples(150), deadline=None)
@given(journeys, logs, st.data())
def test_it_does_not_matter_how_the_log_is_cut_nor_when_the_process_begins_anew(journey, log, data):
    """Calls of any size, timers asked about at any time in between, records stored and read again."""
    step, happened = CustomerStep(plan_of(text_of(journey))), happen(log)
    whole, records = Customer(), []
    step.take(whole, CUSTOMER, [(as_event(one), now) for one, now in happened], records)
    step.fire(whole, CUSTOMER, T0 + END, records)
    parts, told, place = Customer(), [], 0
    while place < len(happened):
        size = data.draw(st.integers(1, len(happened) - place))
        step.take(parts, CUSTOMER, [(as_event(one), now) for one, now in happened[place : place + size]], told)
        place += size
        following = happened[place][1] if place < len(happened) else T0 + END
        reached = happened[place - 1][1]
        for _ in range(data.draw(st.integers(0, 2))):
            reached = data.draw(st.integers(reached, following))
            step.fire(parts, CUSTOMER, reached, told)
            assert all(due > reached for due in parts.timers.values())
        running = sum(1 for runs in parts.runs.values() for run in runs if run.step)
        assert len(parts.timers) == running  # each run that is under way has the one timer that moves it on
        parts = decode_customer(encode_customer(parts))
    step.fire(parts, CUSTOMER, T0 + END, told)
    assert told == records
    assert encode_customer(parts) == encode_customer(whole)
    seqs = [record["seq"] for _, record in told]
    assert seqs == list(range(1, len(seqs) + 1))
    ids = [record["action_id"] for topic, record in told if topic.startswith("actions.")]
    assert len(ids) == len(set(ids))
