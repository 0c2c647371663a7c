"""Journeys that read traits and segments, enter and end by them; from the texts of a workspace to what comes out."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.customer_step import CustomerStep
from operators.events import Event
from operators.plan import plan_of as compile_workspace
from operators.records import to_json
from operators.workspace import read_workspace
from operators.workspace_json import canonical_json, read_workspace_json
from state.codec import decode_customer, encode_customer
from state.customer import Customer
from tests.operators.life import DAY, HOUR, ORCHESTRATION, T0, Life, iso

TRAITS = """
orders: {count: Order Completed}
orders_90d: {count: Order Completed, within: 90d}
average_order: {mean: properties.revenue, of: Order Completed, within: 365d}
last_order_at: {last: time, of: Order Completed}
views_by_category: {count: Product Viewed, by: properties.category, within: 5d}
abandoned: {entries: cart, within: 180d}
price_sensitive: {expr: "traits.orders > 3"}
never_used: {count: Order Completed, by: properties.x}
"""
SEGMENTS = """
vip: "traits.average_order > 200 and traits.orders_90d >= 2"
lapsing: "days_since(traits.last_order_at) > 60"
staff: "profile.staff == True"
abandoner: "traits.abandoned >= 2"
unused: "traits.never_used['x'] > 1"
"""


def journey(name, enter, steps="[{id: hello, send: email, template: t}]", more=""):
    return f"journey: {name}\nenter: {{{enter}}}\n{more}\nsteps: {steps}\n"


CART = journey("cart", "event: Never")


def workspace_of(*journeys, traits=TRAITS, segments=SEGMENTS):
    if "cart" in traits and not any("journey: cart" in text for text in journeys):
        journeys = (*journeys, CART)
    texts = {"orchestration.yaml": ORCHESTRATION, "traits.yaml": traits, "segments.yaml": segments}
    return read_workspace(texts | {f"{number}.yaml": text for number, text in enumerate(journeys)})


def plan_of(*journeys, **files):
    workspace = workspace_of(*journeys, **files)
    assert not workspace.complaints, [str(one) for one in workspace.complaints]
    return compile_workspace(workspace)


class Shopper(Life):
    """A customer of a workspace with traits and segments."""

    def __init__(self, *journeys, **files):
        self.step = CustomerStep(plan_of(*journeys, **files))
        self.customer, self.customer_id = Customer(), "c-42"
        self.now, self.number, self.told = T0, 0, []

    def renew(self, *journeys, **files):
        self.step = CustomerStep(plan_of(*journeys, **files))

    @property
    def profiles(self):
        return [record for topic, record in self.told if topic == "profiles"]


# --- in expressions and templates


def test_a_where_reads_traits_and_segments_with_the_event_in_them():
    """The event that is read counts already."""
    shopper = Shopper(
        journey("j", "event: Order Completed, where: 'traits.orders == 2 and not (\"staff\" in segments)'"),
        journey("k", "event: Order Completed, again: always, where: '\"staff\" in segments'"),
    )
    shopper.does("Order Completed")
    assert shopper.count("entered") == 0
    shopper.does("Order Completed")
    assert [one["journey"] for one in shopper.facts if one["fact"] == "entered"] == ["j"]
    shopper.identify(staff=True)
    shopper.does("Order Completed")
    assert [one["journey"] for one in shopper.facts if one["fact"] == "entered"] == ["j", "k"]


def test_a_trait_by_value_is_read_by_the_event():
    """Three looks at the category of this event; what was never looked at has none."""
    where = "'traits.views_by_category[event.properties.category] >= 3'"
    shopper = Shopper(journey("j", f"event: Product Viewed, where: {where}, key: properties.category"))
    for category in ("tents", "boots", "tents", "tents", "boots"):
        shopper.does("Product Viewed", category=category)
    assert [one["key"] for one in shopper.facts if one["fact"] == "entered"] == ["tents"]


def test_branches_and_templates_read_traits_as_they_are_then():
    """After a wait, at the timer."""
    steps = """
  - {id: w, wait: 3d}
  - branch:
      - {when: traits.orders_90d >= 1, do: [{id: a, send: email, template: t, with: {n: "{{ traits.orders_90d }}",
          text: "{% for s in segments %}{{ s }} {% endfor %}", tents: "{{ traits.views_by_category['tents'] }}",
          none: "{{ traits.views_by_category.boots }}", mean: "{{ traits.average_order|round(1) }}"}}]}
      - do: [{id: b, send: email, template: t}]
"""
    shopper = Shopper(journey("j", "event: Signed Up", steps))
    shopper.does("Order Completed", revenue=300)
    shopper.does("Signed Up", 1 * HOUR)
    shopper.does("Order Completed", 1 * HOUR, revenue=101)
    shopper.does("Product Viewed", category="tents")
    shopper.later(3 * DAY)
    (action,) = shopper.actions
    assert action["step"] == "a"
    assert action["with"] == {"n": 2, "text": "vip ", "tents": 1, "none": 0, "mean": 200.5}
    late = Shopper(journey("j", "event: Signed Up", steps))
    late.does("Order Completed", revenue=300)
    late.does("Signed Up", 89 * DAY)
    late.later(3 * DAY)
    assert late.sent == ["b"]


def test_what_a_template_prints_of_traits_is_data():
    """As a whole, too: no object whose text would be another in the next run."""
    text = "{{ traits ~ '' }} {{ traits.views_by_category }} {{ segments }} {{ traits.views_by_category|length }}"
    steps = (
        f'[{{id: a, send: email, template: t, with: {{text: "{text}", all: "{{{{ traits.views_by_category }}}}"}}}}]'
    )
    shopper = Shopper(
        journey("j", "event: Signed Up", steps), segments="staff: profile.staff == True\nb: profile.staff"
    )
    shopper.does("Product Viewed", category="tents")
    shopper.does("Product Viewed", category=7)
    shopper.identify(staff=True)
    shopper.does("Signed Up")
    assert shopper.count("sent") == 1, shopper.facts
    (action,) = shopper.actions
    assert action["with"]["all"] == {"7": 1, "tents": 1}
    assert "object at" not in action["with"]["text"]
    assert "'views_by_category': {7: 1, 'tents': 1}" in action["with"]["text"]
    assert "['b', 'staff'] 2" in action["with"]["text"]


def test_a_value_that_is_missing_withholds_the_message_that_prints_it():
    """Nobody is greeted with None; who says what to print instead is."""
    steps = "[{id: a, send: email, template: t, with: {m: '{{ traits.average_order }}!'}}]"
    shopper = Shopper(journey("j", "event: Signed Up", steps))
    shopper.does("Signed Up")
    assert shopper.fact("withheld")["gate"] == "template"


# --- entries


def test_a_customer_enters_by_a_segment_at_the_event_that_changes_it():
    """`entry` is that event."""
    steps = "[{id: hello, send: email, template: t, with: {r: '{{ entry.properties.revenue }}'}}]"
    shopper = Shopper(journey("j", "segment: {entered: vip}", steps))
    shopper.does("Order Completed", revenue=300)
    shopper.does("Order Completed", 5, revenue=500)
    assert shopper.story == ["entered", "step hello", "sent hello", "exited completed"]
    assert shopper.fact("entered")["caused_by"] == "m2"
    assert shopper.actions[0]["with"] == {"r": 500}


def test_a_customer_enters_by_the_clock_on_the_day():
    """Nothing happens on it; the timer says what caused it."""
    steps = "[{id: hello, send: email, template: t, with: {s: '{{ entry.properties.segment }}'}}]"
    shopper = Shopper(journey("j", "segment: {entered: lapsing}, again: always", steps))
    shopper.does("Order Completed", revenue=1)
    shopper.until(T0 + 60 * DAY)
    assert shopper.count("entered") == 0
    shopper.until(T0 + 60 * DAY + 1)
    entered = shopper.fact("entered")
    assert entered["at"] == iso(T0 + 60 * DAY + 1)
    assert entered["caused_by"] == f"timer:segments@{iso(T0 + 60 * DAY + 1)}"
    assert shopper.actions[0]["with"] == {"s": "lapsing"}
    shopper.does("Order Completed", 10 * DAY, revenue=1)
    shopper.later(99 * DAY)
    assert shopper.count("entered") == 2
    assert len({one["instance"] for one in shopper.facts if one["fact"] == "entered"}) == 2


def test_a_customer_enters_by_leaving_a_segment():
    """At the millisecond at which an order is 90 days old."""
    shopper = Shopper(journey("j", "segment: {left: vip}"))
    shopper.does("Order Completed", revenue=300)
    shopper.does("Order Completed", DAY, revenue=500)
    shopper.until(T0 + 200 * DAY)
    assert shopper.fact("entered")["at"] == iso(T0 + 90 * DAY)


def test_where_and_again_hold_for_entries_by_a_segment():
    """`where` is looked at when the segment changes; re-entry as for events."""
    shopper = Shopper(
        journey("j", "segment: {entered: staff}, where: 'profile.country == \"DE\"', again: after 5d"),
    )
    shopper.identify(staff=True, country="FR")
    shopper.identify(staff=False)
    shopper.identify(staff=True, country="DE")
    shopper.identify(staff=False)
    shopper.identify(staff=True)
    assert [one for one in shopper.story if "entered" in one] == ["entered", "not_entered reentry"]


def test_an_event_later_than_a_timer_comes_after_it():
    """The order that comes on day 61 ends a lapse that began on day 60."""
    shopper = Shopper(journey("j", "segment: {entered: lapsing}"), journey("k", "segment: {left: lapsing}"))
    shopper.does("Order Completed", revenue=1)
    shopper.does("Order Completed", 61 * DAY, revenue=1)
    entered = [(one["journey"], one["at"]) for one in shopper.facts if one["fact"] == "entered"]
    assert entered == [("j", iso(T0 + 60 * DAY + 1)), ("k", iso(T0 + 61 * DAY))]


def test_entries_are_counted_and_make_a_segment_a_millisecond_later():
    """The run that counts them sees its own."""
    steps = "[{branch: [{when: traits.abandoned > 1, do: [{id: again, send: email, template: t}]}]}, {id: w, wait: 1h}]"
    shopper = Shopper(
        journey("cart", "event: Cart, again: always", steps), journey("j", "segment: {entered: abandoner}")
    )
    shopper.does("Cart")
    assert shopper.sent == []
    shopper.does("Cart", 1 * HOUR)
    assert shopper.sent == ["again"]
    shopper.later(1)
    assert shopper.sent == ["again", "hello"]
    assert shopper.fact("entered")["at"] == iso(T0 + HOUR + 1)


def test_a_journey_that_looks_after_an_entry_counts_it():
    """At one event, in the order of the names, whether or not the trait was read before."""
    shopper = Shopper(
        journey("a", "event: Cart, where: traits.abandoned == 0"),
        journey("cart", "event: Cart"),
        journey("z", "event: Cart, where: traits.abandoned == 1"),
    )
    shopper.does("Cart")
    assert [one["journey"] for one in shopper.facts if one["fact"] == "entered"] == ["a", "cart", "z"]


# --- exits


EXITS = "exit: [{entered: vip, reason: they are one now}, {left: staff}]"
WAITING = "[{id: w, wait: 200d}, {id: hello, send: email, template: t}]"


def test_a_run_ends_when_a_segment_is_entered_or_left():
    """In the middle of a wait, at the event; with the author's reason or ours."""
    shopper = Shopper(journey("j", "event: Signed Up, again: always", WAITING, EXITS))
    shopper.identify(staff=True)
    shopper.does("Signed Up")
    shopper.does("Order Completed", revenue=300)
    shopper.does("Order Completed", revenue=300)
    assert shopper.story[-1] == "exited they are one now"
    shopper.does("Signed Up")
    shopper.identify(staff=False)
    assert shopper.story[-1] == "exited left staff"


def test_a_run_ends_by_the_clock_before_it_goes_on():
    """A wait and a segment that are due at the same millisecond: the segment comes first."""
    shopper = Shopper(
        journey(
            "j",
            "event: Signed Up",
            "[{id: w, wait: 90d}, {id: hello, send: email, template: t}]",
            "exit: [{left: vip}]",
        )
    )
    shopper.does("Order Completed", revenue=300)
    shopper.does("Order Completed", revenue=300)
    shopper.does("Signed Up")
    shopper.until(T0 + 90 * DAY)
    assert shopper.sent == []
    assert (shopper.story[-1], shopper.fact("exited")["at"]) == ("exited left vip", iso(T0 + 90 * DAY))


def test_set_attributes_change_segments_a_millisecond_later():
    """Not in the middle of the walk that set them."""
    steps = (
        "[{set: {staff: true}}, {branch: [{when: '\"staff\" in segments', do: [{id: a, send: email, template: t}]}]}]"
    )
    shopper = Shopper(journey("j", "event: A", steps), journey("k", "segment: {entered: staff}"))
    shopper.does("A")
    assert shopper.sent == []
    shopper.later(1)
    assert shopper.sent == ["hello"]


# --- the record of the profile


def test_the_profile_shows_traits_and_segments_in_use():
    """Whenever it is told: an attribute or a segment changed, a run began or ended."""
    shopper = Shopper(
        journey("j", "segment: {entered: vip}", WAITING), journey("k", "event: B, where: traits.price_sensitive")
    )
    shopper.does("Order Completed", revenue=300)
    assert shopper.profiles == []
    shopper.does("Order Completed", revenue=500)
    assert shopper.profiles[-1]["segments"] == ["vip"]
    assert shopper.profiles[-1]["traits"] == {
        "average_order": 400.0,
        "orders": 2,
        "orders_90d": 2,
        "price_sensitive": False,
    }
    shopper.until(T0 + 90 * DAY)
    assert shopper.profiles[-1]["segments"] == []
    assert shopper.profiles[-1]["at"] == iso(T0 + 90 * DAY)
    assert shopper.profiles[-1]["traits"]["orders_90d"] == 0


def test_without_traits_in_use_nothing_is_kept():
    """Definitions that no journey reads cost nothing."""
    shopper = Shopper(journey("j", "event: A"))
    assert shopper.step.plan.traits is None
    shopper.does("Order Completed", revenue=1)
    assert shopper.customer.traits is None
    assert shopper.customer.timers == {}


def test_who_is_in_a_segment_when_it_is_deployed_does_not_enter():
    """A later change does."""
    shopper = Shopper(journey("k", "event: B, where: traits.orders_90d > 5 and traits.average_order > 9"))
    shopper.does("Order Completed", revenue=300)
    shopper.does("Order Completed", DAY, revenue=300)
    shopper.renew(journey("j", "segment: {entered: vip}"), journey("k", "segment: {left: vip}"))
    shopper.does("Order Completed", DAY, revenue=300)
    assert shopper.facts == []
    shopper.until(T0 + 200 * DAY)
    assert [(one["journey"], one["at"]) for one in shopper.facts if one["fact"] == "entered"] == [
        ("k", iso(T0 + 91 * DAY))
    ]


def test_a_timer_of_a_segment_that_is_gone_is_for_nothing():
    """Definitions without traits: the old timer rings once and is gone."""
    shopper = Shopper(journey("j", "segment: {entered: lapsing}"))
    shopper.does("Order Completed", revenue=1)
    shopper.renew(journey("k", "event: A"))
    shopper.until(T0 + 99 * DAY)
    assert shopper.customer.timers == {}
    assert shopper.facts == []


# --- batches


def test_how_the_log_is_cut_into_calls_changes_nothing():
    """All at once, or each event by itself with time passing in between: the same bytes."""
    journeys = (
        journey("j", "segment: {entered: vip}, again: always", WAITING, "exit: [{entered: lapsing}]"),
        journey(
            "cart", "event: Cart, again: always, where: traits.orders < 9", "[{id: w, wait: 2d}, {set: {staff: true}}]"
        ),
        journey("k", "segment: {entered: staff}"),
        journey("l", "segment: {entered: abandoner}"),
    )
    names = ["Order Completed", "Cart", "Product Viewed", "Cart", "Order Completed", "identify"]
    events = []
    for number in range(120):
        name = names[number * 7 % 6]
        now = T0 + number * number * HOUR // 2
        kind = "identify" if name == "identify" else "track"
        properties = {"staff": number % 4 == 0} if kind == "identify" else {"revenue": number * 37 % 400}
        events.append((Event(kind, name, "c", f"m{number}", now - number % 5 * HOUR, properties, {}), now))

    def told(each):
        step, customer, records = CustomerStep(plan_of(*journeys)), Customer(), []
        if each:
            for event, now in events:
                step.fire(customer, "c", now - 1, records)
                step.take(customer, "c", [(event, now)], records)
        else:
            step.take(customer, "c", events, records)
        return json.dumps(records), customer

    one, other = told(False), told(True)
    assert one == other
    assert {record["journey"] for _, record in json.loads(one[0]) if record.get("fact") == "entered"} == {
        "j",
        "k",
        "l",
        "cart",
    }


journeys_of_cuts = (
    journey("j", "segment: {entered: vip}, again: always", WAITING, "exit: [{entered: lapsing}]"),
    journey(
        "cart", "event: Cart, again: always, where: traits.orders < 9", "[{id: w, wait: 2d}, {set: {staff: true}}]"
    ),
    journey("k", "segment: {entered: staff}, again: always", more="exit: [{left: staff}]"),
    journey("l", "segment: {left: lapsing}, again: always"),
    journey("m", "pattern: [{event: Cart, times: 2, where: '\"vip\" in segments'}], within: 5d, again: always"),
)
PLAN = plan_of(*journeys_of_cuts)
logs = st.lists(
    st.tuples(
        st.sampled_from(["Order Completed", "Cart", "identify", "Product Viewed"]),
        st.sampled_from([0, 1, HOUR, DAY, 20 * DAY, 61 * DAY, 90 * DAY]),  # after the one before
        st.sampled_from([0, 0, HOUR, 5 * DAY]),  # late
        st.sampled_from([50, 300, True, False, "Europe/Berlin", "Asia/Tokyo"]),
        st.booleans(),  # a new call begins
        st.booleans(),  # time is let pass before it
    ),
    max_size=20,
)


@settings(max_examples=150, deadline=None)
@given(logs)
def test_whatever_the_cuts_and_restarts_the_records_are_the_same(log):
    """Events one by one or together, timers fired by the group or by the next event, records stored in between or not."""
    events, cuts, now = [], [], T0
    for number, (name, after, late, value, cut, passes) in enumerate(log):
        now += after
        kind = "identify" if name == "identify" else "track"
        properties = {"staff": value, "timezone": value} if kind == "identify" else {"revenue": value}
        events.append((Event(kind, name, "c", f"m{number}", now - late, properties, {}), now))
        cuts.append((cut, passes))
    whole, customer = [], Customer()
    if events:
        CustomerStep(PLAN).take(customer, "c", events, whole)
    CustomerStep(PLAN).fire(customer, "c", now + 100 * DAY, whole)

    pieces, other, waiting = [], Customer(), []
    for event, (cut, passes) in zip(events, cuts, strict=True):
        if cut and waiting:
            CustomerStep(PLAN).take(other, "c", waiting, pieces)
            waiting = []
            other = decode_customer(encode_customer(other))
        if passes and not waiting:
            CustomerStep(PLAN).fire(other, "c", event[1] - 1, pieces)
        waiting.append(event)
    if waiting:
        CustomerStep(PLAN).take(other, "c", waiting, pieces)
    for day in range(100):
        CustomerStep(PLAN).fire(other, "c", now + day * DAY, pieces)
    CustomerStep(PLAN).fire(other, "c", now + 100 * DAY, pieces)
    assert to_json(storable_records(pieces)) == to_json(storable_records(whole))
    assert encode_customer(other) == encode_customer(customer)


def storable_records(records):
    return [[topic, record] for topic, record in records]


# --- definitions


def text_of(workspace):
    return canonical_json(
        workspace.orchestration, workspace.journeys, workspace.older, workspace.traits, workspace.segments
    )


def test_definitions_with_traits_are_read_back_from_their_json():
    """The same plan and the same hash; traits and segments are part of it."""
    workspace = workspace_of(journey("j", "segment: {entered: vip}"))
    again = read_workspace_json(text_of(workspace))
    assert text_of(again) == text_of(workspace)
    one, other = compile_workspace(again), compile_workspace(workspace)
    assert (one.hash, one.traits.mark) == (other.hash, other.traits.mark)
    changed = workspace_of(journey("j", "segment: {entered: vip}"), traits=TRAITS.replace("90d", "91d"))
    assert compile_workspace(changed).hash != one.hash
    assert b"90d" not in text_of(workspace_of(journey("j", "event: A"), traits="", segments=""))


def test_an_older_version_keeps_the_traits_that_it_reads():
    """Customers inside finish on it."""
    old = workspace_of(journey("j", "event: A, where: traits.orders > 1")).journeys
    workspace = workspace_of(journey("j", "event: B"))
    assert compile_workspace(workspace).traits is None
    workspace.older = [one for one in old if one.journey == "j"]
    assert compile_workspace(workspace).traits.names == ("orders",)


PLAIN = journey("j", "event: A")


@pytest.mark.parametrize(
    ("files", "place", "message"),
    [
        ({"traits": "orders: {count: A, within: 0d}"}, "traits.yaml:1: orders.within", "'0d' is no time at all"),
        (
            {"traits": "a: {count: A}\n\norders: {sum: x, of: A}"},
            "traits.yaml:3: orders.sum",
            "'x' is not a part of an event",
        ),
        (
            {"traits": "orders: {sum: properties.x}"},
            "traits.yaml:1: orders",
            "say of which events, as in: {sum: properties.x, of:",
        ),
        ({"traits": "orders: {within: 5d}"}, "traits.yaml:1: orders", "a trait is one of count, sum, mean"),
        ({"traits": "orders: {count: A, sum: properties.x}"}, "traits.yaml:1: orders", "it has count and sum"),
        (
            {"traits": "orders: {cuont: A}"},
            "traits.yaml:1: orders.cuont",
            "there is no key 'cuont' here; did you mean 'count'?",
        ),
        (
            {"traits": "orders-90d: {count: A}"},
            "traits.yaml:1: orders-90d",
            "cannot be the name of a trait; write letters, digits and `_`",
        ),
        ({"traits": "'5': {count: A}"}, "traits.yaml:1: 5", "cannot be the name of a trait"),
        ({"traits": "in: {count: A}"}, "traits.yaml:1: in", "cannot be the name of a trait"),
        (
            {"traits": "a: {first: properties.x, of: A, by: properties.y}"},
            "traits.yaml:1: a.by",
            "`by` goes with count, sum, mean",
        ),
        (
            {"traits": "a: {expr: traits.b, within: 5d}"},
            "traits.yaml:1: a.within",
            "`within` has no meaning beside `expr`",
        ),
        (
            {"traits": "a: {sum: 'properties.p[].x', of: A, by: 'properties.p[].k'}"},
            "traits.yaml:1: a.by",
            "two paths with [] in one trait",
        ),
        ({"traits": "a: {count: A, where: 'traits.b > 1'}"}, "traits.yaml:1: a.where", "a trait sees each event alone"),
        (
            {"traits": "a: {expr: 'event.name'}"},
            "traits.yaml:1: a.expr",
            "asked of a customer at any time, not of one event",
        ),
        ({"traits": "a: {expr: '\"x\" in segments'}"}, "traits.yaml:1: a.expr", "write a segment instead"),
        ({"traits": "a: {entries: k}"}, "traits.yaml:1: a.entries", "there is no journey 'k'"),
        ({"traits": "a: [5]"}, "traits.yaml:1: a", ""),
        (
            {"traits": "[5]"},
            "traits.yaml:1:",
            "the file is no mapping; write a name and what it is made of, as in: orders_90d",
        ),
        (
            {"segments": "[5]"},
            "segments.yaml:1:",
            "the file is no mapping; write a name and what it is made of, as in: vip",
        ),
        ({"segments": "vip: 5"}, "segments.yaml:1: vip", "YAML reads this as int, not as text"),
        ({"segments": "vip: 'traits.orders >'"}, "segments.yaml:1: vip", "nothing follows '>'"),
        (
            {"segments": "vip: 'traits.ordrs > 1'"},
            "segments.yaml:1: vip",
            "there is no trait 'ordrs'; did you mean 'orders'?",
        ),
        ({"segments": "vip: hour(now) > 9"}, "segments.yaml:1: vip", "it cannot be known beforehand when this changes"),
        (
            {"segments": "v ip: traits.orders > 1"},
            "segments.yaml:1: v ip",
            "cannot be the name of a segment; write letters",
        ),
    ],
)
def test_mistakes_in_traits_and_segments_are_told_at_their_place(files, place, message):
    """File, line, path, what is wrong and what to write."""
    found = [
        str(one) for one in workspace_of(PLAIN, **({"traits": "orders: {count: A}", "segments": ""} | files)).complaints
    ]
    assert len(found) == 1, found
    assert found[0].startswith(place), found
    assert message in found[0], found


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (
            journey("j", "event: A, where: 'traits.order > 1'"),
            "0.yaml:2: enter.where",
            "no trait 'order'; did you mean 'orders'?",
        ),
        (
            journey("j", "segment: {entered: vop}"),
            "0.yaml:2: enter.segment.entered",
            "no segment 'vop'; did you mean 'vip'?",
        ),
        (
            journey("j", "segment: {entered: vip, left: vip}"),
            "0.yaml:2: enter.segment",
            "either `entered` or `left`, one of the two",
        ),
        (journey("j", "segment: {}"), "0.yaml:2: enter.segment", "either `entered` or `left`, one of the two"),
        (
            journey("j", "segment: {entered: vip}, key: properties.x"),
            "0.yaml:2: enter.key",
            "`segment` has none; leave it out",
        ),
        (journey("j", "event: A", more="exit: [{left: vop}]"), "0.yaml:3: exit[0].left", "no segment 'vop'"),
        (
            journey("j", "event: A", more="exit: [{left: vip, where: now > 1}]"),
            "0.yaml:3: exit[0].where",
            "looks at an event",
        ),
        (
            journey("j", "event: A", "[{id: a, send: email, template: t, with: {x: ['{{ traits.order }}']}}]"),
            "0.yaml:4: steps[0].with.x",
            "no trait 'order'",
        ),
        (
            journey("j", "event: A", "[{branch: [{when: \"'vop' in segments\", do: []}]}]"),
            "0.yaml:4: steps[0].branch[0].when",
            "no segment 'vop'",
        ),
        (
            journey("j", "event: A, where: 'traits.views_by_category > 3'"),
            "0.yaml:2: enter.where",
            "traits.views_by_category is a mapping and 3 is a number",
        ),
        (
            journey("j", "event: A", "[{set: {where: traits.nothing, x: {expr: traits.nothing}}}]"),
            "0.yaml:4: steps[0].set.x.expr",
            "no trait 'nothing'",
        ),
    ],
)
def test_what_a_journey_says_of_traits_and_segments_is_checked(text, place, message):
    """Names and kinds, at their place."""
    found = [str(one) for one in workspace_of(text).complaints]
    assert len(found) == 1, found
    assert found[0].startswith(place), found
    assert message in found[0], found


def test_a_trait_that_is_wrong_is_told_once():
    """Not again wherever it is read."""
    text = journey("j", "event: A, where: traits.orders > 1")
    found = workspace_of(text, traits="orders: {count: A, of: B}", segments="vip: traits.orders > 1").complaints
    assert [(one.file, one.path) for one in found] == [("traits.yaml", "orders.of")]
