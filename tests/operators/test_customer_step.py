"""The customer step: facts and actions as the contract has them, and what must not matter to them.

Directed cases first; then properties over random customers: where a log is cut into calls, duplicates, a restart between
any two events, other journeys, and whatever JSON can hold.
"""

import json
from hashlib import blake2b
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.customer_step import DEDUPE_MS, SEEN_MAX, CustomerStep
from operators.decode import decode
from operators.events import Event
from operators.plan import compile_plan
from operators.profile import ATTRIBUTES_MAX, PROFILE_BYTES_MAX
from operators.records import to_json
from operators.workspace import read_workspace
from state.codec import decode_customer, encode_customer
from state.customer import Customer

T0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z
HOUR = 3_600_000
DAY = 24 * HOUR
FACTS, PROFILES = "journeys.facts", "profiles"

ORCHESTRATION = "timezone: Europe/Berlin\nchannels: {email: {}, push: {}, sms: {}}"

INTEREST = """
journey: interest
version: 3
tags: [marketing, offers]
enter:
  pattern:
    - event: Product Viewed
      times: 2
      by: properties.category
      without: {event: Order Completed, over: window}
  within: 5d
  key: properties.category
  again: after 5d
steps:
  - id: offer
    send: email
    template: limited-time-offer
    with: {category: "{{ entry.properties.category }}", discount: 10}
    expires: 48h
    tags: [offers, weekly]
"""

WELCOME = """
journey: welcome
enter: {event: Signed Up}
steps:
  - {id: hello, send: push, template: hello, with: {name: "{{ properties.name }}"}}
  - {send: email, template: guide, with: {plan: "{{ profile.plan|default('free') }}"}}
"""

STORY = """
journey: story
enter:
  pattern: [{event: Product Viewed, times: 3}]
  within: 5d
  again: always
steps:
  - id: s
    send: sms
    template: t
    with:
      first: "{{ first.properties.n }}"
      entry: "{{ entry.properties.n }}"
      all: "{% for event in matched %}{{ event.message_id }} {% endfor %}"
      last: "{{ matched[-1].properties.n }}"
      times: "{{ [first.time, matched[-1].time] }}"
"""


def step_of(*journeys, orchestration=ORCHESTRATION):
    """The step of these journeys."""
    texts = {f"{number}.yaml": text for number, text in enumerate(journeys)}
    workspace = read_workspace({"orchestration.yaml": orchestration, **texts})
    assert not workspace.complaints, workspace.complaints
    return CustomerStep(compile_plan(workspace.orchestration, workspace.journeys))


def an_event(name, message_id="m1", time=T0, properties=None, kind="track", context=None):
    return Event(kind, name, "c-42", message_id, time, properties or {}, context or {})


def identify(message_id, properties, time=T0):
    return an_event("identify", message_id, time, properties, kind="identify")


def viewed(message_id, time=T0, category="tents", **properties):
    return an_event("Product Viewed", message_id, time, {"category": category, **properties})


class Shopper:
    """One customer and one step; the clock is the event's time unless said otherwise."""

    def __init__(self, *journeys, orchestration=ORCHESTRATION):
        self.step, self.customer, self.duplicates = step_of(*journeys, orchestration=orchestration), Customer(), 0

    def take(self, *events, now=None):
        """All that comes out of these events, as (topic, record)."""
        records = []
        with_clock = [(event, event.time if now is None else now) for event in events]
        self.duplicates += self.step.take(self.customer, "c-42", with_clock, records)
        return [(topic, json.loads(to_json(record))) for topic, record in records]

    def facts(self, *events, now=None):
        return [record for topic, record in self.take(*events, now=now) if topic == FACTS]

    def actions(self, *events, now=None):
        return [record for topic, record in self.take(*events, now=now) if topic.startswith("actions.")]

    def profiles(self, *events, now=None):
        return [record for topic, record in self.take(*events, now=now) if topic == PROFILES]


def hashed(*parts):
    """BLAKE2b-128, in hex, of the JSON array, as the contract says it."""
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def names(facts):
    return [fact["fact"] for fact in facts]


# --- the contract


def test_an_action_is_as_the_contract_has_it():
    """Every field, `action_id` and `instance` recomputed from the contract's words."""
    shopper = Shopper(INTEREST)
    (topic, action), *more = [
        (topic, record)
        for topic, record in shopper.take(viewed("m1"), viewed("m2", T0 + 1_234))
        if topic.startswith("actions.")
    ]
    assert not more
    instance = hashed("c-42", "interest", "tents", "m2")
    assert topic == "actions.email"
    assert action == {
        "action_id": hashed("c-42", "interest", 3, instance, "offer", "email", 1),
        "customer_id": "c-42",
        "channel": "email",
        "kind": "send",
        "journey": "interest",
        "version": 3,
        "instance": instance,
        "step": "offer",
        "arm": None,
        "template": "limited-time-offer",
        "with": {"category": "tents", "discount": 10},
        "to": {},
        "tags": ["marketing", "offers", "weekly"],
        "decided_at": "2026-01-01T00:00:01.234Z",
        "expires_at": "2026-01-03T00:00:01.234Z",
        "caused_by": "m2",
        "seq": action["seq"],
    }


def test_a_run_is_told_from_entry_to_exit_in_order():
    """`entered`, `step`, `decided`, `sent`, `exited`, each with what the contract asks of it."""
    shopper = Shopper(INTEREST)
    told = shopper.take(viewed("m1"), viewed("m2", T0 + 1_234))
    action = next(record for topic, record in told if topic == "actions.email")
    facts = [record for topic, record in told if topic == FACTS]
    run = {"journey": "interest", "version": 3, "instance": hashed("c-42", "interest", "tents", "m2")}
    expected = [
        {"fact": "entered", "key": "tents", "caused_by": "m2", **run},
        {"fact": "step", "step": "offer", **run},
        {"fact": "decided", "step": "offer", "nothing": 0, "chosen": "offer", **run},
        {
            "fact": "sent",
            "step": "offer",
            "action_id": action["action_id"],
            "channel": "email",
            "template": "limited-time-offer",
            **run,
        },
        {"fact": "exited", "reason": "completed", **run},
    ]
    for fact, fields in zip(facts, expected, strict=True):
        assert {name: fact.get(name) for name in fields} == fields
        assert (fact["at"], fact["customer_id"]) == ("2026-01-01T00:00:01.234Z", "c-42")


def test_the_steps_are_walked_top_to_bottom_and_named_by_place_without_an_id():
    """Two sends; the second has no id and is called 2."""
    told = Shopper(WELCOME).take(an_event("Signed Up", properties={"name": "Bo"}))
    assert names([record for topic, record in told if topic == FACTS]) == [
        "entered", "step", "decided", "sent", "step", "decided", "sent", "exited",
    ]  # fmt: skip
    assert [(t, r["step"]) for t, r in told if t.startswith("actions.")] == [
        ("actions.push", "hello"),
        ("actions.email", "2"),
    ]


def test_without_expires_an_action_has_no_end():
    """The field is there, and null."""
    action = Shopper(WELCOME).actions(an_event("Signed Up", properties={"name": "Bo"}))[0]
    assert action["expires_at"] is None


def test_without_a_key_the_instance_is_hashed_with_null():
    """`instance` is the hash of [customer, journey, key, messageId of the entry event]."""
    action = Shopper(WELCOME).actions(an_event("Signed Up", "m7", properties={"name": "Bo"}))[0]
    assert action["instance"] == hashed("c-42", "welcome", None, "m7")
    assert action["action_id"] == hashed("c-42", "welcome", 1, action["instance"], "hello", "push", 1)


@pytest.mark.parametrize("key", ["tents", "", 'é\u2028\u0007"\\', 7, -1.5, True, False])
def test_a_scalar_key_stands_in_ids_and_facts_as_it_is(key):
    """Texts, numbers, flags: nothing is made of them."""
    facts = Shopper(INTEREST).facts(viewed("m1", category=key), viewed("m2", category=key))
    assert facts[0]["key"] == key
    assert type(facts[0]["key"]) is type(key)
    assert facts[0]["instance"] == hashed("c-42", "interest", key, "m2")


def test_times_are_those_of_the_log_and_not_of_the_event():
    """`at` and `decided_at` are the clock's, also where the event is from yesterday."""
    shopper = Shopper(WELCOME)
    told = shopper.take(an_event("Signed Up", properties={"name": "Bo"}), now=T0 + DAY)
    for topic, record in told:
        at = record["decided_at"] if topic.startswith("actions.") else record["at"]
        assert at == "2026-01-02T00:00:00.000Z"


def test_seq_counts_up_by_one_over_all_that_is_said_of_a_customer():
    """Actions, facts and profiles alike, over all calls and journeys."""
    shopper = Shopper(INTEREST, WELCOME, STORY)
    told = []
    for number in range(8):
        told += shopper.take(
            viewed(f"v{number}", T0 + number, n=number), an_event("Signed Up", f"s{number}", properties={"name": "Bo"})
        )
        told += shopper.take(identify(f"i{number}", {"n": number}), viewed(f"v{number}"))
    assert {topic for topic, _ in told} == {"actions.email", "actions.push", "actions.sms", FACTS, PROFILES}
    assert [record["seq"] for _, record in told] == list(range(1, len(told) + 1))


# --- who does not enter, and why


def test_an_event_of_a_journey_that_is_older_than_max_age_is_told_late():
    """A pattern: the fact `late`. Exactly 72 hours is not older."""
    shopper = Shopper(INTEREST)
    (fact,) = shopper.facts(viewed("m1", T0), now=T0 + 72 * HOUR + 1)
    assert {"fact": "late", "journey": "interest", "version": 3, "message_id": "m1"}.items() <= fact.items()
    assert (fact["event"], fact["event_time"]) == ("Product Viewed", "2026-01-01T00:00:00.000Z")
    assert shopper.facts(viewed("m2", T0 + 2), viewed("m3", T0 + 1), now=T0 + 72 * HOUR + 1)[0]["fact"] == "entered"


def test_a_single_event_that_is_too_old_does_not_enter():
    """`not_entered: late`, because it would have been an entry."""
    (fact,) = Shopper(WELCOME).facts(an_event("Signed Up"), now=T0 + 72 * HOUR + 1)
    assert {"fact": "not_entered", "reason": "late", "journey": "welcome", "version": 1}.items() <= fact.items()
    assert (
        names(Shopper(WELCOME).facts(an_event("Signed Up", properties={"name": "Bo"}), now=T0 + 72 * HOUR))[0]
        == "entered"
    )


def test_a_late_event_changes_nothing():
    """It is no part of a later match, and a late purchase forbids nothing."""
    shopper = Shopper(INTEREST)
    shopper.take(viewed("m1", T0), now=T0 + 80 * HOUR)
    order = an_event("Order Completed", "o1", T0 + HOUR, {"category": "tents"})
    assert shopper.take(order, now=T0 + 80 * HOUR) == []
    assert shopper.take(viewed("m2", T0 + 80 * HOUR)) == []
    assert names(shopper.facts(viewed("m3", T0 + 81 * HOUR)))[0] == "entered"


def test_an_event_without_the_key_does_not_enter_and_uses_up_nothing():
    """`not_entered: no_key`; the match is there for the next event."""
    shopper = Shopper(STORY.replace("within: 5d", "within: 5d\n  key: properties.k"))
    shopper.take(viewed("m1", n=1), viewed("m2", n=2))
    (fact,) = shopper.facts(viewed("m3", n=3))
    assert {"fact": "not_entered", "reason": "no_key", "key": None, "caused_by": "m3"}.items() <= fact.items()
    (action,) = shopper.actions(viewed("m4", n=4, k="here"))
    assert action["with"]["all"] == "m1 m2 m4 "


def test_a_refused_re_entry_is_told_once_for_each_key_and_closed_period():
    """And again in the next period, after the next entry."""
    shopper = Shopper(INTEREST)

    def looks(day, category="tents"):
        events = [viewed(f"{category}{day}{i}", T0 + day * DAY + i, category) for i in range(2)]
        return [(fact["fact"], fact.get("reason"), fact.get("key")) for fact in shopper.facts(*events)]

    names = ("entered", None, "tents"), ("step", None, None), ("decided", None, None), ("sent", None, None)
    entered = [*names, ("exited", "completed", None)]
    refused = [("not_entered", "reentry", "tents")]
    assert looks(0) == entered
    assert [looks(1), looks(2)] == [refused, []]
    assert looks(2, "boots")[0] == ("entered", None, "boots")
    assert looks(3, "boots") == [("not_entered", "reentry", "boots")]
    assert looks(5) == entered  # m2.. of days 1 and 2 are still in the window: a refused match uses up nothing
    assert [looks(6), looks(7)] == [refused, []]


@pytest.mark.parametrize(
    ("again", "entries"),
    [("never", [0]), ("always", [0, 1, 2, 3, 4]), ("after_exit", [0, 1, 2, 3, 4]), ("after 2h", [0, 2, 4]), ("after 7201s", [0, 3])],
)  # fmt: skip
def test_again_counts_from_entry_in_log_time(again, entries):
    """Every hour one knocks; at exactly D after entry the door is open. Event times say otherwise and do not matter."""
    shopper = Shopper(WELCOME.replace("{event: Signed Up}", f"{{event: Signed Up, again: {again}}}"))
    found = []
    for hour in range(5):
        knock = an_event("Signed Up", f"m{hour}", T0 - hour * HOUR, {"name": "Bo"})
        if "entered" in names(shopper.facts(knock, now=T0 + hour * HOUR)):
            found.append(hour)
    assert found == entries


def test_never_holds_for_ever():
    """Twenty years later, too; for every key of its own."""
    shopper = Shopper(INTEREST.replace("after 5d", "never"))
    shopper.take(viewed("m1"), viewed("m2"))
    later = T0 + 20 * 365 * DAY
    assert names(shopper.facts(viewed("m3", later), viewed("m4", later))) == ["not_entered"]
    assert names(shopper.facts(viewed("m5", later, "boots"), viewed("m6", later, "boots")))[0] == "entered"


# --- duplicates


def test_a_message_id_seen_within_24_hours_changes_nothing_and_is_told_and_counted():
    """Whatever else is in it; the customer's record changes in `seq` alone."""
    shopper = Shopper(INTEREST, WELCOME)
    shopper.take(viewed("m1"))
    before = encode_customer(shopper.customer)
    other = identify("m1", {"name": "Eve"}, T0 + DAY - 1)
    assert shopper.duplicates == 0
    (fact,) = shopper.facts(other)
    assert {"fact": "duplicate", "message_id": "m1", "event": "identify"}.items() <= fact.items()
    assert fact["first_seen_at"] == "2026-01-01T00:00:00.000Z"
    assert shopper.duplicates == 1
    shopper.customer.seq = 0
    assert encode_customer(shopper.customer) == before


def test_the_same_message_id_after_24_hours_is_a_new_event():
    """Log time counts, from when it was first read; a duplicate does not prolong it."""
    shopper = Shopper(WELCOME.replace("{event: Signed Up}", "{event: Signed Up, again: always}"))
    again = an_event("Signed Up", "m1", T0, {"name": "Bo"})
    found = [names(shopper.facts(again, now=T0 + ms))[0] for ms in (0, DEDUPE_MS - 1, DEDUPE_MS, DEDUPE_MS + 1)]
    assert found == ["entered", "duplicate", "entered", "duplicate"]
    assert shopper.duplicates == 2


def test_message_ids_are_remembered_up_to_a_bound_the_newest_of_them():
    """Beyond `SEEN_MAX` within 24 hours the oldest are forgotten first."""
    shopper = Shopper(WELCOME)
    shopper.take(*(an_event("Other", f"m{number}") for number in range(SEEN_MAX + 10)), now=T0)
    assert len(shopper.customer.seen) == SEEN_MAX
    shopper.take(*(an_event("Other", f"m{number}") for number in range(10, SEEN_MAX + 10)), now=T0)
    assert shopper.duplicates == SEEN_MAX
    shopper.take(an_event("Other", "m9"), now=T0)
    assert (shopper.duplicates, len(shopper.customer.seen)) == (SEEN_MAX, SEEN_MAX)


def test_message_ids_are_forgotten_after_24_hours():
    """A record does not carry a year of ids."""
    shopper = Shopper(WELCOME)
    for number in range(100):
        shopper.take(an_event("Other", f"m{number}"), now=T0 + number * HOUR)
    assert len(shopper.customer.seen) <= 25


# --- the profile


def test_identify_makes_the_profile_and_a_change_is_told():
    """The traits as they came; the record is the contract's."""
    shopper = Shopper(INTEREST)
    traits = {"email": "bo@example.org", "age": 41, "consents": {"email_marketing": True}, "tags": ["a"], "gone": None}
    (profile,) = shopper.profiles(identify("m1", traits))
    assert {"customer_id": "c-42", "at": "2026-01-01T00:00:00.000Z", "attributes": traits}.items() <= profile.items()
    assert set(profile) >= {"traits", "segments", "journeys", "last_contacts"}


def test_an_identify_adds_and_changes_and_takes_nothing_away():
    """Attributes that it does not name stay."""
    shopper = Shopper(INTEREST)
    shopper.take(identify("m1", {"a": 1, "b": 1}))
    (profile,) = shopper.profiles(identify("m2", {"b": 2, "c": 3}))
    assert profile["attributes"] == {"a": 1, "b": 2, "c": 3}


def test_an_identify_that_changes_nothing_tells_nothing():
    """At most one profile for each change."""
    shopper = Shopper(INTEREST)
    shopper.take(identify("m1", {"a": 1, "b": None}))
    assert shopper.take(identify("m2", {"a": 1, "b": None}), identify("m3", {})) == []


@pytest.mark.parametrize(
    ("before", "after"), [(1, True), (True, 1), (0, False), ([1], [True]), ({"a": 0}, {"a": False})]
)
def test_a_flag_is_another_value_than_a_number(before, after):
    """JSON's true is not 1: expressions tell them apart, so the profile must keep what came last."""
    shopper = Shopper(INTEREST)
    shopper.take(identify("m1", {"vip": before}))
    profiles = shopper.profiles(identify("m2", {"vip": after}))
    assert [to_json(profile["attributes"]) for profile in profiles] == [to_json({"vip": after})]


def test_a_profile_record_is_of_the_moment_of_its_change():
    """Two changes in one call: the first record does not show the second."""
    shopper = Shopper(INTEREST)
    profiles = shopper.profiles(identify("m1", {"a": 1}), identify("m2", {"a": 2}))
    assert [profile["attributes"] for profile in profiles] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (2**63, float(2**63)),
        (-(2**63) - 1, -float(2**63)),
        (10**300, 1e300),
        (10**400, str(10**400)),
    ],
)
def test_an_integer_beyond_64_bits_is_kept_as_the_nearest_double(number, kept):
    """As JavaScript reads it, at any depth; and as text where no double is near."""
    shopper = Shopper(INTEREST)
    (profile,) = shopper.profiles(identify("m1", {"n": number, "deep": [{"n": number}]}))
    assert profile["attributes"] == {"n": kept, "deep": [{"n": kept}]}
    assert type(profile["attributes"]["n"]) is type(kept)
    assert decode_customer(encode_customer(shopper.customer)) == shopper.customer


def test_a_profile_has_a_bound_and_what_it_knows_still_changes():
    """`ATTRIBUTES_MAX` attributes; further new ones are not taken in."""
    shopper = Shopper(INTEREST)
    shopper.take(identify("m1", {f"a{number}": 0 for number in range(ATTRIBUTES_MAX + 100)}))
    assert len(shopper.customer.profile) == ATTRIBUTES_MAX
    assert shopper.take(identify("m2", {"new": 1})) == []
    (profile,) = shopper.profiles(identify("m3", {"a0": 1, "new": 1}))
    assert profile["attributes"]["a0"] == 1
    assert "new" not in profile["attributes"]


def test_a_profile_has_a_bound_of_bytes_and_a_small_change_beside_a_large_one_is_taken():
    """What would make it too large is not taken in; consent that is withdrawn in the same event is."""
    shopper = Shopper(INTEREST)
    shopper.take(identify("m1", {"consents": {"email": True}, "a": "x" * 300_000}))
    shopper.take(identify("m2", {"consents": {"email": False}, "b": "x" * 300_000}))
    assert len(to_json(shopper.customer.profile)) <= PROFILE_BYTES_MAX
    assert shopper.customer.profile["consents"] == {"email": False}


def test_the_traits_of_a_group_and_the_properties_of_a_page_are_no_attributes():
    """Only `identify` speaks of the customer."""
    shopper = Shopper(INTEREST)
    assert shopper.take(an_event("group", "m1", T0, {"plan": "b2b"}, kind="group")) == []
    assert shopper.take(an_event("page", "m2", T0, {"name": "Home"}, kind="page")) == []
    assert shopper.take(an_event("identify", "m3", T0, {"name": "Eve"}, kind="track")) == []
    assert shopper.customer.profile == {}


def test_an_identify_is_in_the_profile_before_journeys_look_at_it():
    """seen before? -> profile -> journeys."""
    journey = """
journey: vip
enter: {event: identify, where: "profile.plan == 'gold'"}
steps: [{id: s, send: email, template: t, with: {plan: "{{ profile.plan }}", name: "{{ properties.name }}"}}]
"""
    shopper = Shopper(journey)
    assert shopper.actions(identify("m1", {"plan": "free"})) == []
    (action,) = shopper.actions(identify("m2", {"plan": "gold", "name": "Bo"}))
    assert action["with"] == {"plan": "gold", "name": "Bo"}


def test_an_action_is_a_contact_and_the_profile_says_so():
    """The channel and the time, after the action."""
    shopper = Shopper(WELCOME)
    told = shopper.take(an_event("Signed Up", properties={"name": "Bo"}), now=T0 + 5)
    assert [topic for topic, _ in told].index("actions.push") < [topic for topic, _ in told].index(PROFILES)
    profiles = [record for topic, record in told if topic == PROFILES]
    at = "2026-01-01T00:00:00.005Z"
    assert [profile["last_contacts"] for profile in profiles] == [{"push": at}, {"push": at, "email": at}]


# --- templates and expressions


def test_a_template_that_fails_withholds_its_message_and_stops_nothing():
    """`withheld`, gate `template`, with the error; the next step is walked, the run ends, others are not touched."""
    other = WELCOME.replace("journey: welcome", "journey: xother")
    shopper = Shopper(WELCOME.replace("properties.name", "properties.nam"), other)
    told = shopper.take(an_event("Signed Up", properties={"name": "Bo"}))
    facts = [record for topic, record in told if topic == FACTS]
    sent = ["step", "decided", "sent"]
    assert names(facts)[:8] == ["entered", "step", "decided", "withheld", *sent, "exited"]
    assert names(facts)[8:] == ["entered", *sent, *sent, "exited"]
    withheld = facts[3]
    expected = {
        "gate": "template",
        "then": "dropped",
        "journey": "welcome",
        "version": 1,
        "step": "hello",
        "channel": "push",
    }
    assert expected.items() <= withheld.items()
    assert "nam" in withheld["error"]
    assert withheld["instance"] == facts[0]["instance"]
    actions = [(record["journey"], topic) for topic, record in told if topic.startswith("actions.")]
    assert actions == [("welcome", "actions.email"), ("xother", "actions.push"), ("xother", "actions.email")]


def test_a_withheld_message_is_no_contact():
    """Nothing went out, so nothing is remembered of it."""
    shopper = Shopper(WELCOME)
    shopper.take(an_event("Signed Up"))
    assert shopper.customer.contacts == {"email": T0}


def test_first_and_matched_are_the_events_of_the_match_by_event_time():
    """Read in another order than they happened; one that was there before and did not match is not among them."""
    shopper = Shopper(STORY)
    assert shopper.actions(viewed("m1", T0 + 20, n=2), viewed("m2", T0 + 10, n=1), now=T0 + DAY) == []
    (action,) = shopper.actions(viewed("m3", T0 + 30, n=3), now=T0 + DAY)
    assert action["with"] == {"first": 1, "entry": 3, "last": 3, "all": "m2 m1 m3 ", "times": [T0 + 10, T0 + 30]}


def test_a_matched_event_in_a_template_is_the_event_as_it_was_read():
    """Its type, name, id, time and properties, however long ago it was stored."""
    journey = STORY.replace("event: Product Viewed", "event: [Product Viewed, page]").replace(
        "{{ first.properties.n }}", "{{ [first.kind, first.name, first.message_id, first.time, first.properties] }}"
    )
    shopper = Shopper(journey)
    shopper.take(an_event("page", "p1", T0, {"n": [1, {"a": None}]}, kind="page"), viewed("m2", n=2))
    shopper.customer = decode_customer(encode_customer(shopper.customer))
    (action,) = shopper.actions(viewed("m3", n=3))
    assert action["with"]["first"] == ["page", "page", "p1", T0, {"n": [1, {"a": None}]}]
    shopper = Shopper(journey)
    (action,) = shopper.actions(*(viewed(f"m{n}", n=n) for n in range(3)))
    assert action["with"]["first"] == ["track", "Product Viewed", "m0", T0, {"category": "tents", "n": 0}]


def test_entry_is_the_last_matched_event_also_where_an_older_one_completes_the_match():
    """`entry` is the last matched event, `first` the first, `matched` all in event-time order."""
    shopper = Shopper(STORY)
    shopper.take(viewed("m1", T0 + 20, n=2), viewed("m2", T0 + 30, n=3), now=T0 + DAY)
    (action,) = shopper.actions(viewed("m3", T0 + 10, n=1), now=T0 + DAY)
    assert action["with"] == {"first": 1, "entry": 3, "last": 3, "all": "m3 m1 m2 ", "times": [T0 + 10, T0 + 30]}
    assert action["instance"] == hashed("c-42", "story", None, "m2")


def test_what_entry_is_does_not_depend_on_what_else_a_template_mentions():
    """The last matched event and the id of the run are the same in a journey that has no use for `first`."""
    journey = STORY[: STORY.index("      first:")] + '      entry: "{{ entry.properties.n }}"\n'
    shopper = Shopper(journey)
    shopper.take(viewed("m1", T0 + 20, n=2), viewed("m2", T0 + 30, n=3), now=T0 + DAY)
    (action,) = shopper.actions(viewed("m3", T0 + 10, n=1), now=T0 + DAY)
    assert (action["with"], action["instance"]) == ({"entry": 3}, hashed("c-42", "story", None, "m2"))


def test_first_has_the_context_of_its_event():
    """An event in a template has `properties`, `context`, `name` and `time`, whichever of the match it is."""
    shopper = Shopper(STORY.replace("{{ first.properties.n }}", "{{ first.context.campaign }}"))
    events = [
        an_event("Product Viewed", f"m{n}", T0 + n, {"n": n}, context={"campaign": f"c{n}"}) for n in range(3)
    ]  # fmt: skip
    (action,) = shopper.actions(*events)
    assert action["with"]["first"] == "c0"


def test_contents_of_used_up_events_go_with_them():
    """The next match has its own events."""
    shopper = Shopper(STORY)
    actions = shopper.actions(*(viewed(f"m{n}", T0 + n, n=n) for n in range(7)))
    assert [action["with"]["all"] for action in actions] == ["m0 m1 m2 ", "m3 m4 m5 "]


def test_where_sees_the_event_the_profile_the_clock_and_the_journey():
    """Each name of a `where`."""
    journey = """
journey: late-hour
tags: [x]
enter:
  event: E
  where: "event.name == 'E' and properties.n > 1 and profile.plan is None and now > event.time and journey.name == 'late-hour'"
  again: always
steps: [{id: s, send: email, template: t}]
"""
    shopper = Shopper(journey)
    assert shopper.actions(an_event("E", "m1", T0, {"n": 1}), now=T0 + 1) == []
    assert shopper.actions(an_event("E", "m2", T0, {"n": 2}), now=T0) == []
    assert len(shopper.actions(an_event("E", "m3", T0, {"n": 2}), now=T0 + 1)) == 1
    shopper.take(identify("m4", {"plan": "free"}))
    assert shopper.actions(an_event("E", "m5", T0, {"n": 2}), now=T0 + 1) == []


def test_clock_times_in_expressions_are_of_the_customers_zone():
    """The profile's, else that of the last context that had one, else the workspace's; a name that is no zone counts as none."""
    journey = """
journey: at-nine
enter: {event: E, where: "hour(event.time) == 9", again: always}
steps: [{id: s, send: email, template: t}]
"""
    nine_in = {"Europe/Berlin": 8, "Asia/Tokyo": 0, "America/New_York": 14}  # in UTC, in January

    def zone_of(shopper, context=None):
        fits = []
        for number, (zone, hour) in enumerate(nine_in.items()):
            shopper.customer.seen.clear()
            if shopper.actions(an_event("E", f"m{number}", T0 + hour * HOUR, context=context)):
                fits.append(zone)
        return fits

    shopper = Shopper(journey)
    assert zone_of(shopper) == ["Europe/Berlin"]
    assert zone_of(shopper, {"timezone": "Asia/Tokyo"}) == ["Asia/Tokyo"]
    assert zone_of(shopper, {"timezone": "Middle-earth/Shire"}) == ["Asia/Tokyo"]
    assert zone_of(shopper) == ["Asia/Tokyo"]
    shopper.take(identify("i1", {"timezone": "America/New_York"}))
    assert zone_of(shopper, {"timezone": "Asia/Tokyo"}) == ["America/New_York"]


def test_pages_screens_and_groups_are_events_by_the_name_of_their_type():
    """`event: page` is entered by a page."""
    for kind in "page", "screen", "group", "alias":
        journey = f"journey: j\nenter: {{event: {kind}}}\nsteps: [{{id: s, send: email, template: t}}]"
        assert len(Shopper(journey).actions(an_event(kind, kind=kind))) == 1


def test_an_event_that_no_journey_mentions_only_leaves_its_message_id():
    """No memory is made for it."""
    shopper = Shopper(INTEREST, WELCOME)
    assert shopper.take(an_event("Other")) == []
    assert (shopper.customer.journeys, len(shopper.customer.seen), shopper.customer.seq) == ({}, 1, 0)


# --- what must not matter: properties over random customers

EVENTS = st.one_of(
    st.builds(
        viewed,
        message_id=st.sampled_from([f"m{n}" for n in range(40)]),
        time=st.integers(-5 * 24, 24).map(lambda hours: hours * HOUR),
        category=st.sampled_from(["tents", "boots", 1, None]),
        n=st.integers(0, 9),
    ),
    st.builds(
        an_event,
        name=st.sampled_from(["Order Completed", "Signed Up", "Signed Up", "Other"]),
        message_id=st.sampled_from([f"m{n}" for n in range(40)]),
        time=st.integers(-5 * 24, 24).map(lambda hours: hours * HOUR),
        properties=st.sampled_from([{}, {"name": "Bo"}, {"category": "tents"}, {"category": 1}]),
    ),
    st.builds(
        identify,
        message_id=st.sampled_from([f"m{n}" for n in range(40)]),
        properties=st.dictionaries(st.sampled_from("ab"), st.sampled_from([1, 2, None, "x", [1]])),
        time=st.just(0),
    ),
)


@st.composite
def logs(draw):
    """Events of some days, event times around the clock of each."""
    now, log = T0, []
    for event in draw(st.lists(EVENTS, max_size=14)):
        now += draw(st.sampled_from([0, 1, HOUR, 20 * HOUR, 30 * HOUR]))
        event.time += now
        log.append((event, now))
    return log


ALL = (INTEREST, WELCOME.replace("{event: Signed Up}", "{event: Signed Up, again: after 2d}"), STORY)
STEP = step_of(*ALL)
ALONE = {name: step_of(text) for name, text in zip(("interest", "welcome", "story"), ALL, strict=True)}


def run(step, log, cuts=(), restarts=()):
    """All records as bytes and the customer's stored form, with the log cut into calls and restarts between them."""
    customer, told, begin = Customer(), [], 0
    for end in sorted({*cuts, *restarts, len(log)}):
        records = []
        step.take(customer, "c-42", log[begin:end], records)
        told += [(topic, to_json(record)) for topic, record in records]
        begin = end
        if end in restarts:
            customer = decode_customer(encode_customer(customer))
    return told, encode_customer(customer)


def without_profiles(told):
    """All but the profiles, and the last of those: of profiles, the last one alone is promised."""
    return [one for one in told if one[0] != PROFILES] + [one for one in told if one[0] == PROFILES][-1:]


@settings(max_examples=100, deadline=None)
@given(logs(), st.data())
def test_where_a_log_is_cut_into_calls_does_not_matter(log, data):
    """Any cut gives the same records, byte for byte, and the same stored customer."""
    places = st.sets(st.integers(0, len(log)))
    whole, cut = run(STEP, log), run(STEP, log, data.draw(places))
    assert without_profiles(cut[0]) == without_profiles(whole[0])
    assert cut[1] == whole[1]


@settings(max_examples=100, deadline=None)
@given(logs(), st.data())
def test_a_restart_between_any_two_events_does_not_matter(log, data):
    """What is not stored is not needed."""
    places = st.sets(st.integers(0, len(log)))
    whole, restarted = run(STEP, log), run(STEP, log, (), data.draw(places))
    assert without_profiles(restarted[0]) == without_profiles(whole[0])
    assert restarted[1] == whole[1]


def actions_of(told):
    found = []
    for topic, record in told:
        if topic.startswith("actions."):
            action = json.loads(record)
            del action["seq"]
            found.append(action)
    return found


@settings(max_examples=100, deadline=None)
@given(logs(), st.data())
def test_duplicates_do_not_change_actions(log, data):
    """Any event may come again within 24 hours of log time, whatever it holds then."""
    once, with_copies = [], []
    for number, (event, now) in enumerate(log):
        event.message_id = str(number)
        once.append((event, now))
        with_copies.append((event, now))
        for earlier, read_at in data.draw(st.lists(st.sampled_from(once), max_size=2)):
            if now - read_at < DEDUPE_MS:
                with_copies.append((viewed(earlier.message_id, now, "boots", n=99), now))
    assert actions_of(run(STEP, with_copies)[0]) == actions_of(run(STEP, once)[0])


def of_journey(told, journey):
    """What was told of one journey, without the numbers that all journeys share."""
    found = []
    for topic, record in told:
        fields = json.loads(record)
        if topic != PROFILES and fields.get("journey") == journey:
            del fields["seq"]
            found.append((topic, fields))
    return found


@settings(max_examples=100, deadline=None)
@given(logs())
def test_journeys_do_not_influence_each_other(log):
    """Each tells the same alone and among others."""
    together = run(STEP, log)[0]
    for journey, step in ALONE.items():
        assert of_journey(together, journey) == of_journey(run(step, log)[0], journey)


@settings(max_examples=100, deadline=None)
@given(logs())
def test_a_journey_changes_nothing_in_the_memory_of_another(log):
    """State, too: the memory of each is what it is alone."""
    together = decode_customer(run(STEP, log)[1])
    for journey, step in ALONE.items():
        alone = decode_customer(run(step, log)[1])
        assert together.journeys.get(journey) == alone.journeys.get(journey)


# --- hostile data

HOSTILE = """
journey: hostile
enter:
  pattern:
    - {event: E, times: 2, by: properties.x, where: "properties.x != 5 or properties.y > 1", without: {event: F}}
  within: 5d
  key: properties.y
  again: always
steps:
  - id: s
    send: email
    template: t
    with:
      x: "{{ properties.x }}"
      text: "{{ properties.x }} and {{ properties.y }}"
      first: "{{ first.properties }}"
      all: "{{ matched }}"
      event: "{{ entry }}"
      profile: "{{ profile }}"
"""
SINGLE = """
journey: single
enter: {event: E, key: "properties.x", again: always}
steps: [{id: s, send: sms, template: t, with: {x: "{{ properties }}", p: "{{ profile.x|default(0) }}"}}]
"""
ITEMS = """
journey: items
enter:
  pattern: [{event: E, times: 2, by: "properties.x[].y"}]
  within: 5d
  key: properties.x
steps: [{id: s, send: push, template: t}]
"""
HOSTILE_STEP = step_of(HOSTILE, SINGLE, ITEMS)

LEAVES = [
    None, True, False, 0, 1, -1, 5, 7.0, 0.1, -0.0, 5e-324, 1e308, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400,
    "", "a", "1", "\x00", "\x00any", "\u2028", "\U0001f600", "x" * 300, "{{ 1/0 }}", "__class__", "\ud83d\ude00",
]  # fmt: skip


def json_value(pick, depth=0):
    """Any JSON, small on the whole, deep now and then."""
    kind = pick(range(10))
    if kind == 0 and depth == 0:
        value = pick(LEAVES)
        for _ in range(pick([10, 49, 60, 150])):
            value = [value] if pick([True, False]) else {"y": value}
        return value
    if kind in (1, 2) and depth < 4:
        return [json_value(pick, depth + 1) for _ in range(pick(range(4)))]
    if kind in (3, 4) and depth < 4:
        return {
            pick(["y", "", "\x00", "items", "é", "__class__"]): json_value(pick, depth + 1)
            for _ in range(pick(range(4)))
        }
    return pick(LEAVES)


def raw_event(pick):
    """An event as bytes, of a few customers and names, so that journeys have something to do."""
    event = {
        "type": pick(["track", "track", "track", "identify"]),
        "event": pick(["E", "E", "E", "F"]),
        "userId": pick(["u", "\u2028", "x" * 1024]),
        "messageId": pick([None, "", 7, 10**30, "\x00", "é", "m" * 5_000]),
        "timestamp": pick(["2026-01-01T00:00:00.000Z", "2025-12-31T23:00:00Z", "1970-01-01T00:00:00Z"]),
        "properties": {name: json_value(pick) for name in ("x", "y", "x\x00") if pick([True, False])},
        "traits": {name: json_value(pick) for name in ("x", "email", "\x00") if pick([True, False])},
    }
    return json.dumps(event).encode()


def take_hostile(batches):
    """Take in raw events, each with its message id made its own; the number of records that came out."""
    customers, told = {}, 0
    for number, raw in enumerate(batches):
        event = decode(raw, T0 + number)
        assert isinstance(event, Event), event
        event.message_id += f"-{number}"
        records = []
        customer = customers.setdefault(event.customer_id, Customer())
        HOSTILE_STEP.take(customer, event.customer_id, [(event, T0 + number)], records)
        for topic, record in records:
            written = json.loads(to_json(record))
            assert json.loads(json.dumps(written, allow_nan=False)) == written
            assert topic in (FACTS, PROFILES, "actions.email", "actions.sms", "actions.push")
            told += topic != FACTS
        customers[event.customer_id] = decode_customer(encode_customer(customer))
        assert customers[event.customer_id] == customer
    return told


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_whatever_json_can_hold_comes_out_as_json(data):
    """Nothing raises, every record can be written and read again, and the customer can be stored."""
    pick = lambda options: data.draw(st.sampled_from(options))  # noqa: E731
    take_hostile([raw_event(pick) for _ in range(pick(range(1, 5)))] * 2)


def test_whatever_json_can_hold_comes_out_as_json_in_long_logs():
    """The same with a seeded generator, over customers to whom much happens."""
    random = Random(7)
    assert take_hostile([raw_event(random.choice) for _ in range(800)]) > 250


def test_the_same_calls_give_the_same_bytes():
    """No chance, no clock: ten runs, one trace."""
    log = [
        (viewed("m1", T0, n=1), T0),
        (an_event("Signed Up", "m2", T0, {"name": "Bo"}), T0),
        (identify("m3", {"a": [1, {"b": None}]}), T0 + 1),
        (viewed("m4", T0 + 2, n=2), T0 + 2),
        (viewed("m5", T0 + 1, n=3), T0 + 3),
        (viewed("m5", T0 + 1, n=3), T0 + 3),
    ]
    assert len({repr(run(step_of(*ALL), log)) for _ in range(10)}) == 1
