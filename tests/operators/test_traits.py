"""Traits by hand: what each kind makes of a few events, what is bounded and how far off it may be then, what is stored."""

import doctest
from datetime import timezone

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators import expression_uses, trait_windows
from operators.events import Event
from operators.expression_uses import Uses
from operators.trait_compiler import Definitions
from operators.trait_definitions import Trait
from operators.trait_keepers import EVENTS_BY_VALUE_MAX, EVENTS_MAX, UNIQUE_MAX, VALUES_MAX
from operators.trait_windows import add_exactly, sum_of
from state.traits import TraitMemory

UTC = timezone.utc
NOW = 1_767_225_600_000
DAY = 86_400_000


class Customer:
    """A customer of whom only traits are known."""

    def __init__(self, **traits):
        traits = {name: Trait.model_validate(spec) for name, spec in traits.items()}
        self.plan = Definitions(traits, {}).plan(Uses(frozenset(), frozenset(), all_traits=True))
        self.profile = {}
        self.memory = self.plan.ready(None, self.profile, NOW, UTC)
        self.now = NOW
        self.number = 0

    def does(self, name, after=0, late=0, **properties):
        """An event, `after` ms after the last one, that happened `late` ms before it is read."""
        self.now += after
        self.number += 1
        event = Event("track", name, "c", f"m{self.number}", self.now - late, properties, {})
        self.plan.see(self.memory, event, self.profile, self.now, UTC, False)
        return self

    def __getitem__(self, trait):
        return self.plan.view(self.memory, self.profile, self.now, UTC)[trait]

    @property
    def bytes(self):
        return len(msgspec.msgpack.encode(self.memory))


def test_empty_counts_and_sums_are_0_and_the_rest_is_missing():
    """For a customer who did nothing, and again when all has left the window."""
    kinds = {kind: {kind: "properties.x", "of": "A", "within": "1d"} for kind in ("sum", "mean", "min", "max", "first")}
    kinds |= {kind: {kind: "properties.x", "of": "A", "within": "1d"} for kind in ("last", "top", "unique")}
    customer = Customer(count={"count": "A", "within": "1d"}, **kinds)
    empty = {"count": 0, "sum": 0, "unique": 0} | dict.fromkeys(("mean", "min", "max", "first", "last", "top"))
    assert {name: customer[name] for name in empty} == empty
    customer.does("A", x=3)
    assert all(customer[name] in (1, 3) for name in empty)
    customer.does("B", after=DAY)
    assert {name: customer[name] for name in empty} == empty


def test_windows_are_half_open():
    """Of two events exactly a window apart the older is outside."""
    customer = Customer(n={"count": "A", "within": "5d"}).does("A").does("A", after=5 * DAY - 1)
    assert customer["n"] == 2
    customer.does("B", after=1)
    assert customer["n"] == 1


def test_late_events_count_where_they_happened():
    """What is read late leaves the window when it would have left it in time; what is too old was never in it."""
    customer = Customer(n={"count": "A", "within": "5d"}, last={"last": "properties.x", "of": "A"})
    customer.does("A", x="now").does("A", after=1, late=3 * DAY, x="earlier").does("A", late=5 * DAY, x="too old")
    assert (customer["n"], customer["last"]) == (2, "now")
    customer.does("B", after=2 * DAY)
    assert customer["n"] == 1


def test_the_last_and_first_are_by_event_time():
    """Of events at the same time, by the order in which they were read."""
    customer = Customer(first={"first": "properties.x", "of": "A"}, last={"last": "properties.x", "of": "A"})
    customer.does("A", x=1).does("A", x=2).does("A", late=1, x=0).does("A", y=9)
    assert (customer["first"], customer["last"]) == (0, 2)


def test_times_are_values_too():
    """`last: time`, as days_since takes it."""
    customer = Customer(at={"last": "time", "of": "A"}, days={"expr": "days_since(traits.at)"})
    customer.does("A").does("B", after=3 * DAY // 2)
    assert (customer["at"], customer["days"]) == (NOW, 1.5)


def test_a_value_without_events_reads_0_for_counts_and_nothing_for_means():
    """Whatever the value is, as long as it is one; items of a list count each, and once per event."""
    customer = Customer(
        n={"count": "A", "by": "properties.items[].k"}, mean={"mean": "properties.x", "of": "A", "by": "properties.k"}
    )
    customer.does("A", items=[{"k": "a"}, {"k": "a"}, {"k": 1}], k="a", x=3)
    assert [customer["n"][key] for key in ("a", 1, 1.0, True, "b", 7, None, ["a"])] == [1, 1, 1, 0, 0, 0, None, None]
    assert [customer["mean"][key] for key in ("a", "b")] == [3, None]
    assert dict(customer["n"]) == {1: 1, "a": 1}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("traits.n[event.properties.k] >= 1", True),
        ("traits.n['b'] == 0", True),
        ("traits.n[7] == 0", True),
        ("traits.n[event.properties.none] == 0", False),
        ("traits.n.a", 1),
        ("traits.n[1]", 1),
        ("traits.n[True]", 0),
        ("len(traits.n)", 2),
        ("'a' in traits.n", True),
        ("contains(traits.n, 'b')", False),
        ("traits.n >= 1", False),
        ("traits.n == traits.n", True),
    ],
)
def test_expressions_read_values_of_a_mapping(text, value):
    """By what the event holds, by a literal, by a missing value."""
    from operators.expressions import compile_expression

    customer = Customer(n={"count": "A", "by": "properties.k"}).does("A", k="a").does("A", k=1)
    event = Event("track", "A", "c", "m", NOW, {"k": "a"}, {})
    scope = {"traits": customer.plan.view(customer.memory, {}, NOW, UTC), "event": event}
    assert compile_expression(text, scope.keys()).evaluate(scope) == value


def test_sums_of_items_count_each_item():
    """Two tents of one price are two."""
    customer = Customer(worth={"sum": "properties.items[].p", "of": "A"})
    assert customer.does("A", items=[{"p": 50}, {"p": 50}, {"p": "x"}, {"p": True}])["worth"] == 100


def test_sums_are_exact_whatever_the_order():
    """Floats are added exactly and rounded once, for ever and in a window; integers stay integers."""
    customer = Customer(a={"sum": "properties.x", "of": "A"}, b={"sum": "properties.x", "of": "A", "within": "1d"})
    for x in (1e16, 0.1, 1, -1e16, 0.1, 0.1):
        customer.does("A", x=x)
    assert customer["a"] == customer["b"] == 1.3
    none = Customer(a={"sum": "properties.x", "of": "A"}).does("A", x=2.0).does("A", x=-2)
    assert (none["a"], type(none["a"])) == (0, float)
    whole = Customer(a={"sum": "properties.x", "of": "A"})
    for x in (2**62, -(2**62), 2**53 + 1):
        whole.does("A", x=x)
    assert whole["a"] == 2**53 + 1
    assert type(whole["a"]) is int
    assert whole.does("A", x=2**62).does("A", x=2**62)["a"] is None


@settings(max_examples=200)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32)))
def test_adding_exactly_is_adding_all_at_once(numbers):
    """The parts that are kept have the sum of everything."""
    parts = []
    for number in numbers:
        parts = add_exactly(parts, number)
    assert sum_of([float(part) for part in parts]) == sum_of(numbers)
    assert len(parts) <= 40


def test_a_sum_beyond_what_a_float_holds_stays_where_it_was():
    """It does not become infinite, from where there is no way back."""
    parts = add_exactly(add_exactly([], 1e308), 1e308)
    assert add_exactly(parts, -1e308) == []


# --- bounds


kinds = st.sampled_from(["count", "sum", "mean", "min", "max", "first", "last", "unique", "top"])


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["count", "sum", "max", "min", "first"]),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 300), st.integers(1, 50)), min_size=300, max_size=500),
    st.booleans(),
)
def test_beyond_the_bound_an_event_stays_at_most_one_bucket_too_long(kind, log, rising):
    """Whatever comes in whatever order: the value is that of the events of the window and perhaps some of the bucket before."""
    within = 1_000
    spec = {"count": "A"} if kind == "count" else {kind: "properties.x", "of": "A"}
    customer = Customer(trait={**spec, "within": f"{within}ms"})
    keeper = customer.plan.keepers["trait"]
    width = keeper.rule.window.width
    assert width == within * 4 // EVENTS_MAX + 1
    seen = []
    for number, (after, late, drawn) in enumerate(log):
        x = number if rising else drawn
        customer.does("A", after=after, late=late, x=x)
        seen.append((customer.now - late, x))
    here = sorted(one for one in seen if one[0] > customer.now - within)
    more = sorted(one for one in seen if one[0] > customer.now - within - width)
    value = customer["trait"]
    match kind:
        case "count":
            assert len(here) <= value <= len(more)
        case "sum":
            assert sum(x for _, x in here) <= value <= sum(x for _, x in more)
        case "max":
            assert max(x for _, x in here) <= value <= max(x for _, x in more)
        case "min":
            assert min(x for _, x in more) <= value <= min(x for _, x in here)
        case "first":
            assert value in [x for _, x in more]
    (kept,) = customer.memory.traits[keeper.key].values()
    assert len(kept.times) <= EVENTS_MAX


def test_up_to_the_bound_everything_is_exact():
    """The 256th event, too; the 257th makes buckets."""
    customer = Customer(n={"count": "A", "within": "1d"})
    for _ in range(EVENTS_MAX):
        customer.does("A", after=1000)
    (kept,) = next(iter(customer.memory.traits.values())).values()
    assert not kept.counts
    assert customer["n"] == EVENTS_MAX
    customer.does("A", after=1000)
    assert kept.counts
    assert customer["n"] == EVENTS_MAX + 1
    assert len(kept.times) < EVENTS_MAX // 2 + 10


def test_what_is_kept_of_a_customer_is_bounded():
    """A million events of a million values, over a trait of each kind."""
    path = {"of": "A", "within": "7d"}
    customer = Customer(
        count={"count": "A", "within": "7d"},
        by={"count": "A", "by": "properties.k", "within": "7d"},
        sum={"sum": "properties.x", **path},
        max={"max": "properties.x", **path},
        first={"first": "properties.x", **path},
        top={"top": "properties.k", **path},
        unique={"unique": "properties.k", **path},
        ever={"unique": "properties.k", "of": "A"},
        total={"sum": "properties.x", "of": "A", "by": "properties.k"},
    )
    for number in range(3_000):
        customer.does("A", after=10, x=-number / 7, k=f"value {number}" if number % 2 else "often")
    assert customer["unique"] == customer["ever"] == UNIQUE_MAX
    assert len(customer["by"]) == len(customer["total"]) == VALUES_MAX
    assert customer["top"] == "often"
    assert customer["by"]["often"] == 1_500
    assert customer["by"]["value 2999"] == 1
    assert customer["by"]["value 1"] == 0
    assert customer.bytes < 80_000
    assert EVENTS_BY_VALUE_MAX < EVENTS_MAX


def test_what_is_over_is_forgotten():
    """A tick drops what has left its window; a value whose events are over makes room at powers of two."""
    customer = Customer(n={"count": "A", "by": "properties.k", "within": "1d"})
    for number in range(20):
        customer.does("A", after=DAY // 4, k=number)
    assert len(next(iter(customer.memory.traits.values()))) < 13
    customer.now += DAY
    customer.plan.tick(customer.memory, {}, customer.now, UTC)
    assert customer.memory.traits == {}


def test_values_that_are_a_whole_page_are_passed_over():
    """Of texts that tell values apart, and of what `first` and `last` keep."""
    customer = Customer(
        top={"top": "properties.k", "of": "A"},
        last={"last": "properties.k", "of": "A"},
        n={"count": "A", "by": "properties.k"},
    )
    customer.does("A", k="short").does("A", k="x" * 2_000).does("A", k={"deep": [1]}).does("A", k="x" * 500)
    assert customer["top"] == "short"
    assert customer["last"] == "x" * 500
    assert dict(customer["n"]) == {"short": 1}


# --- stored


def test_traits_of_one_definition_share_what_they_keep():
    """Under two names it counts once."""
    customer = Customer(one={"count": ["A", "B"]}, other={"count": ["B", "A"]}).does("A").does("B")
    assert (customer["one"], customer["other"]) == (2, 2)
    assert len(customer.memory.traits) == 1


def test_a_changed_definition_starts_anew_and_the_old_one_is_dropped():
    """What was kept under one meaning is never read under another."""
    before = Customer(n={"count": "A"}, same={"count": "B"}).does("A").does("B")
    after = Customer(n={"count": "A", "where": "properties.x > 0"}, same={"count": "B"})
    assert not after.plan.is_ready(before.memory)
    after.memory = after.plan.ready(before.memory, {}, NOW, UTC)
    assert after.plan.is_ready(after.memory)
    assert (after["n"], after["same"]) == (0, 1)
    assert len(after.memory.traits) == 1


def test_the_profile_shows_traits_as_json_has_them():
    """Keys of a mapping are texts; all traits in use are there."""
    customer = Customer(
        n={"count": "A", "by": "properties.k"}, m={"expr": "traits.none_such"}, last={"last": "time", "of": "A"}
    )
    customer.does("A", k="a").does("A", k=7).does("A", k=True)
    view = customer.plan.view(customer.memory, {}, NOW, UTC)
    assert view.as_record() == {"last": NOW, "m": None, "n": {"7": 1, "a": 1, "true": 1}}


def test_a_customer_without_events_takes_a_few_bytes():
    """The record of everybody has it."""
    assert Customer(n={"count": "A", "within": "7d"}, last={"last": "time", "of": "A"}).bytes < 20
    assert len(msgspec.msgpack.encode(TraitMemory())) == 5


def test_check_tells_what_is_exact():
    """In words with numbers and units."""
    customer = Customer(
        n={"count": "A", "within": "90d"},
        by={"count": "A", "by": "properties.k", "within": "5d"},
        ever={"count": "A"},
        unique={"unique": "properties.k", "of": "A", "within": "30d"},
    )
    assert [customer.plan.keepers[name].told() for name in ("n", "by", "ever", "unique")] == [
        "trait n: exact up to 256 events in 90d; of more, the older ones in buckets of 33.8 hours, which may leave the window "
        "that much too late",
        "trait by: the 100 values seen last; exact up to 64 events of each value in 5d; of more, the older ones in buckets "
        "of 7.5 hours, which may leave the window that much too late",
        "trait ever: exact",
        "trait unique: the 1,000 values seen last",
    ]


@pytest.mark.parametrize("module", [trait_windows, expression_uses])
def test_the_examples_of_the_modules_hold(module):
    """What their docstrings show."""
    assert doctest.testmod(module).failed == 0
