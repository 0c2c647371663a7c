"""Random rules for all journeys, random lives: no rule is broken, and it does not matter how the log is cut."""

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.customer_step import CustomerStep
from operators.events import Event
from operators.records import to_json
from state.codec import decode_customer, encode_customer
from state.customer import Customer
from tests.examples import examples
from tests.invariants import Invariants
from tests.operators.life import DAY, HOUR, MINUTE, T0, plan_of
from tests.operators.test_arbitration import journey, send

CUSTOMER = "c-42"
HOLD = "{id: w, wait_for: [{event: X}], timeout: 2d}"
LATE = "{id: w, wait: {until: '22:30'}}"
EXITS = "exit: [{event: [A, X], do: [{id: bye, send: email, template: t}]}]"
JOURNEYS = (
    journey("a", send("s", 1), enter="event: A", tags="[marketing]"),
    journey(
        "b",
        LATE,
        send("t", 2, channel="[push, email]"),
        "{id: v, wait: 3h}",
        send("t2", 1),
        enter="event: B",
        tags="[marketing, offers]",
    ),
    journey(
        "c",
        send("u", 3, channel="[email, in_app]", more=", expires: 10h"),
        send("u2", 1),
        enter="event: C",
        tags="[offers]",
        more="control: 30%\ngoal: {event: G}",
    ),
    journey("d", LATE, send("v", 1), enter="event: D", tags="[transactional]", priority=90),
    journey(
        "f", LATE, send("x", 1), send("x2", 4, channel="in_app"), enter="event: [B, D, A]", tags="[offers, marketing]"
    ),
    journey("e", "{id: w, wait: 9h}", enter="event: E", tags="[marketing]", more=EXITS),
    journey("h", "{suppress: [email, push], tag: marketing}", HOLD, enter="event: H", tags="[]"),
)

hours = st.sampled_from([None, "21:00-08:00", "09:00-17:00", "mon-fri 12:00-23:00"])
opened = st.sampled_from([None, "06:00-22:45", "mon-sat 08:00-20:00"])
zones = st.sampled_from(["customer", "workspace"])
channels = st.fixed_dictionaries({}, optional={"quiet": hours, "open": opened, "zone": zones})
tags = st.sampled_from(["marketing", ["offers", "transactional"]])
caps = st.lists(
    st.fixed_dictionaries(
        {
            "max": st.integers(1, 3),
            "per": st.sampled_from(["2h", "24h", "day", "week"]),
            "then": st.sampled_from(["drop", "next_channel", "defer 30h"]),
        },
        optional={"channel": st.sampled_from(["email", ["push", "in_app"]]), "tag": tags},
    ),
    max_size=2,
)
some_conflicts = st.fixed_dictionaries(
    {
        "keep": st.sampled_from([1, 1, 2]),
        "within": st.sampled_from(["0s", "0s", "1h"]),
        "then": st.sampled_from(["drop", "defer 5h"]),
    },
    optional={"tag": st.sampled_from(["marketing", ["marketing", "offers"], ["offers", "transactional"]])},
)
conflicts = st.one_of(st.none(), some_conflicts, some_conflicts, some_conflicts)


@st.composite
def rules(draw):
    email, push = draw(channels), draw(channels)
    email |= {"address": "profile.email"} if draw(st.booleans()) else {}
    email |= {"consent": "mail"} if draw(st.booleans()) else {}
    found = {
        "timezone": "Europe/Berlin",
        "channels": {"email": email, "push": push, "in_app": {}},
        "bypass": ["transactional"],
    }
    for channel in (email, push):
        for key in [key for key, value in channel.items() if value is None]:
            del channel[key]
        if "quiet" not in channel and "open" not in channel:
            channel.pop("zone", None)
        if {"quiet", "open"} <= set(channel) and channel["quiet"] != "21:00-08:00":
            del channel["open"]
    unique = {}
    for one in draw(caps):
        cap = {**one, "window": "calendar" if one["per"] in ("day", "week") else "rolling"}
        unique[str(cap.get("channel")), str(cap.get("tag")), cap["per"]] = cap
    found["caps"] = list(unique.values())
    found["suppress"] = [{"when": "profile.stop", "tag": "marketing"}] if draw(st.booleans()) else []
    found["control"] = draw(st.sampled_from(["0%", "40%"]))
    conflict = draw(conflicts)
    if conflict is not None:
        found["conflicts"] = conflict
    return found


profiles = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(["a@example.org", "b@example.org", "none"]),
        "consents": st.fixed_dictionaries({"mail": st.booleans()}),
        "stop": st.booleans(),
        "timezone": st.sampled_from(["America/New_York", "Asia/Tokyo", "Nowhere"]),
    },
)
logs = st.lists(
    st.tuples(
        st.one_of(st.sampled_from("AAABBBBCCDDEEHXG"), profiles),
        st.sampled_from([1, MINUTE, HOUR, 5 * HOUR, 13 * HOUR, DAY]),
    ),
    min_size=3,
    max_size=18,
)


def happen(log):
    """What happens, as the invariants read it; no two at one time."""
    now = T0
    yield {"type": "identify", "traits": {"email": "a@example.org", "consents": {"mail": True}}, "now": now}
    for what, after in log:
        now += after
        if isinstance(what, str):
            yield {"type": "track", "event": what, "properties": {}, "now": now}
        else:
            yield {"type": "identify", "traits": what, "now": now}


def as_event(one, number):
    name, properties = (one["event"], {}) if one["type"] == "track" else ("identify", one["traits"])
    return Event(one["type"], name, CUSTOMER, f"m{number}", one["now"], properties, {})


END = T0 + 60 * DAY


@settings(max_examples=examples(300), deadline=None)
@given(rules(), logs, st.data())
def test_no_rule_is_broken_and_the_cut_of_the_log_is_all_the_same(found, log, data):
    """The log is read at once; and in pieces, the customer stored and read again in between, timers asked about at any time."""
    step = CustomerStep(plan_of(*JOURNEYS, orchestration=orjson.dumps(found).decode()))
    log = list(happen(log))
    events = [(as_event(one, number), one["now"]) for number, one in enumerate(log)]
    whole, records = Customer(), []
    step.take(whole, CUSTOMER, events, records)
    step.fire(whole, CUSTOMER, END, records)
    told = [orjson.loads(to_json(record)) for topic, record in records if topic != "profiles"]
    look = Invariants(
        found, lambda profile, _events, _now: ["marketing"] if found["suppress"] and profile.get("stop") is True else []
    )
    look.customer(CUSTOMER, log, told)
    assert look.violations == []
    assert whole.timers == {}
    assert not any(run.step for runs in whole.runs.values() for run in runs)
    facts = [record["fact"] for record in told if "fact" in record]
    assert facts.count("entered") == facts.count("exited")  # no run, and no message, is forgotten on the way

    parts, again, place = Customer(), [], 0
    while place < len(events):
        size = data.draw(st.integers(1, len(events) - place))
        step.take(parts, CUSTOMER, events[place : place + size], again)
        place += size
        following = events[place][1] if place < len(events) else END
        reached = data.draw(st.integers(events[place - 1][1], following))
        parts = decode_customer(encode_customer(parts))
        step.fire(parts, CUSTOMER, reached, again)
        parts = decode_customer(encode_customer(parts))
    step.fire(parts, CUSTOMER, END, again)
    assert again == records
    assert encode_customer(parts) == encode_customer(whole)
