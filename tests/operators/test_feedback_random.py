"""Outcomes, best channel, best time and offers over random lives: how the log is cut changes nothing, and no rule is broken."""

from hypothesis import given, settings
from hypothesis import strategies as st

from operators.customer_step import CustomerStep
from operators.events import Event
from operators.outcomes import RECENT_MAX
from operators.records import to_json
from state.codec import decode_customer, decode_touches, encode_customer
from state.customer import Customer
from state.instants import parse_instant
from tests.examples import examples
from tests.operators.life import DAY, HOUR, MINUTE, T0, plan_of

ORCHESTRATION = """
timezone: Europe/Berlin
channels:
  email: {address: profile.email, consent: news, quiet: "21:00-08:00"}
  push: {address: profile.device}
  call_center: {open: "mon-fri 09:00-18:00"}
caps: [{channel: email, max: 2, per: 24h, then: defer 24h}]
"""
OFFERS = """
big: {channel: best, template: big, value: 5, when: profile.plan == 'a', limit: 1 per 3d}
small: {channel: {best: [push, email]}, template: small, value: 2, propensity: profile.score, limit: 2 per 1d}
"""
JOURNEYS = (
    "journey: a\nenter: {event: A, again: always}\nsteps: [{id: s, send: best, template: t, at: best_time within 24h}, "
    "{id: w, wait_for: [{outcome: engaged, of: s, do: [{exit: yes_please}]}], timeout: 2d}, "
    "{id: c, choose: {from: [big, small], nothing: 1}, expires: 2d}]",
    "journey: b\nenter: {event: B, again: always}\nsteps: [{id: s, send: call_center, template: t, at: best_time within 3d}]",
)
PLAN = plan_of(*JOURNEYS, orchestration=ORCHESTRATION, offers=OFFERS)

NAMES = ("A", "B", "Looked", "Email Opened", "Email Link Clicked", "Email Delivered", "Email Bounced", "Unsubscribed",
         "Push Notification Tapped", "Push Notification Bounced", "Call Completed", "Message Opened")  # fmt: skip
TRAITS = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(["a@example.org", "b@example.org", "none", None]),
        "device": st.sampled_from(["d-1", "d-2", 7]),
        "plan": st.sampled_from(["a", "b"]),
        "score": st.sampled_from([0.1, 0.9, 3, "x", None]),
        "preferred_channel": st.sampled_from(["email", "push", "fax"]),
        "timezone": st.sampled_from(["America/New_York", "Asia/Kathmandu", "Nowhere"]),
        "consents": st.sampled_from([{"news": True}, {"news": False}, {"other": True}, "all"]),
    },
)
STEPS = st.tuples(
    st.sampled_from([0, 1, MINUTE, HOUR, 5 * HOUR, DAY, 9 * DAY]),
    st.sampled_from([0, 0, MINUTE, HOUR, 2 * DAY]),
    st.one_of(st.sampled_from(NAMES), st.tuples(st.just("identify"), TRAITS)),
    st.sampled_from([None, None, 0, 1, -1]),
)
LIVES = st.lists(STEPS, min_size=1, max_size=40)


def told(life, cuts, plan=PLAN):
    """All records of a life, and what is kept in the end; the events are taken in pieces, timers fired between them."""
    step = CustomerStep(plan)
    customer, records, now, sent, batch = Customer(), [], T0, [], []

    def flush():
        nonlocal customer
        if batch:
            step.take(customer, "c", batch, records)
            batch.clear()
        customer = decode_customer(encode_customer(customer))

    for number, (after, late, what, of) in enumerate(life):
        if of is not None:
            flush()  # to know what was sent; in every cut, so that the events are the same
            sent = [record["action_id"] for topic, record in records if topic.startswith("actions.")]
        now += after
        name, properties = (what, {}) if isinstance(what, str) else what
        properties = dict(properties)
        if of is not None and -len(sent) <= of < len(sent):
            properties["action_id"] = sent[of]
        if name == "Message Opened":
            properties["channel"] = "push"
        kind = "identify" if name == "identify" else "track"
        event = Event(kind, name, "c", f"m{number}", now - late, properties, {"locale": "de"} if late else {})
        if cuts[number % len(cuts)]:
            flush()
            step.fire(customer, "c", now, records)
        batch.append((event, now))
    flush()
    step.fire(customer, "c", now + 30 * DAY, records)
    return [(topic, to_json(record)) for topic, record in records], customer, records


@settings(max_examples=examples(60), deadline=None)
@given(LIVES, st.lists(st.booleans(), min_size=1, max_size=7))
def test_how_the_log_is_cut_changes_nothing(life, cuts):
    """Bytes that come out, and what is kept, are those of one piece."""
    whole, customer, _ = told(life, [False])
    cut, other, _ = told(life, cuts)
    assert cut == whole
    assert encode_customer(other) == encode_customer(customer)


@settings(max_examples=examples(60), deadline=None)
@given(LIVES)
def test_no_rule_is_broken(life):
    """Whatever a customer does."""
    _, customer, records = told(life, [True])
    actions = {record["action_id"]: record for topic, record in records if topic.startswith("actions.")}
    facts = [record for topic, record in records if topic == "journeys.facts"]
    made = {}
    for action in actions.values():
        if action["channel"] in ("email", "push"):
            assert action["to"][action["channel"]]
        if "offer" in action:
            made.setdefault(action["offer"], []).append(parse_instant(action["decided_at"]))
    for name, most, per in (("big", 1, 3 * DAY), ("small", 2, DAY)):
        times = made.get(name, [])
        assert all(sum(at - per < other <= at for other in times) <= most for at in times)
    for fact in facts:
        if fact["fact"] == "outcome":
            action = actions[fact["action_id"]]
            assert (fact["channel"], fact["step"], fact["journey"]) == (
                action["channel"],
                action["step"],
                action["journey"],
            )
    firsts = [(fact["action_id"], fact["outcome"]) for fact in facts if fact["fact"] == "outcome" and fact["is_first"]]
    assert len(firsts) == len(set(firsts))
    feedback = customer.feedback
    if feedback is not None:
        for days in feedback.answers.values():
            assert days[::3] == sorted(set(days[::3]))
            assert all(0 <= answered <= sent for sent, answered in zip(days[1::3], days[2::3], strict=True))
        assert len(decode_touches(feedback.recent)) <= RECENT_MAX
