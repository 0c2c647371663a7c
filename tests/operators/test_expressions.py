"""The expression language: what reading, comparing, computing and choosing mean, and what an expression tells of itself."""

import ast
import doctest
from datetime import datetime, timedelta, timezone
from math import inf, nan
from types import MappingProxyType

import pytest

from operators import (
    expression_scan,
    expressions,
    paths,
)
from operators.expression_values import CHARS_MAX, INTEGER_LEAST, INTEGER_MOST, ITEMS_MAX
from operators.expressions import compile_expression
from tests.operators.expression_cases import DAY, NAMES, Thing, event, value

# --- reading


def test_the_expressions_of_the_design_page_mean_what_they_say():
    """The stories of the product, in one scope."""
    viewed, bought = event(time=3 * DAY, category="tents", step=3), event(time=11 * DAY, category="tents", coupon="X")
    scope = {
        "event": bought,
        "properties": bought.properties,
        "first": viewed,
        "entry": viewed,
        "segments": frozenset({"long_standing", "vip"}),
        "traits": {
            "average_order": 210.5,
            "orders_90d": 3,
            "last_order_at": 11 * DAY,
            "coupon_orders": 2,
            "orders_365d": 3,
        }
        | {"feature_seconds_1d": {"tents": 900}},
        "profile": {"contract_end": "1970-03-01", "renewal_date": "1970-02-01"},
        "now": 40 * DAY,
    }
    for text in (
        '"long_standing" in segments and event.time - first.time >= 7d',
        '"staff" not in segments',
        "properties.coupon is not None",
        "event.properties.category == entry.properties.category",
        "entry.properties.step == 3",
        "traits.average_order > 200 and traits.orders_90d >= 3",
        "days_since(traits.last_order_at) == 29",
        "traits.coupon_orders > 0.5 * traits.orders_365d",
        "profile.contract_end and days_until(profile.contract_end) < 30",
        "traits.feature_seconds_1d[first.properties.category] >= 900",
        "profile.renewal_date - 14d == 17 * 1d",
    ):
        assert compile_expression(text, NAMES).holds(scope) is True, text


def test_parts_of_dictionaries_are_read_by_name_or_by_key():
    """A dot and a key in brackets are the same; keys that are no names need brackets."""
    data = {"b": {"c": 5}, "a-b": 6, "class": 7, "_id": 8, "x y": 9, "größe": 10}
    assert value("a.b.c", a=data) == value("a['b'].c", a=data) == value('a["b"]["c"]', a=data) == 5
    assert value("a['a-b']", a=data) == 6
    assert value("a['class'] + a['_id'] + a['x y']", a=data) == 24
    assert value("a.größe", a=data) == 10


def test_keys_may_be_computed():
    """A trait by category is read with the category of the event."""
    assert value("a[b.c]", a={"tents": 3}, b={"c": "tents"}) == 3
    assert value("a[b.c]", a={"tents": 3}, b={}) is None
    assert value("a[b]", a={2.5: "x"}, b=2.5) == "x"


def test_a_flag_is_no_number_as_a_key_either():
    """A dictionary by flag and one by count are different things."""
    assert value("a[True]", a={1: "one"}) is None
    assert value("a[True]", a={True: "yes"}) == "yes"
    assert value("a[1]", a={True: "yes"}) is None


def test_items_of_lists_and_texts_are_read_by_place():
    """From the front or, with a minus, from the end."""
    assert value("a[0] + a[-1]", a=[1, 2, 3]) == 4
    assert value("a[1]", a=("x", "y")) == "y"
    assert value("a[-3]", a="abc") == "a"
    assert value("['a', 'b', 'c'][a]", a=1) == "b"
    assert (
        value("a[3]", a=[1, 2, 3])
        is value("a[-4]", a=[1, 2, 3])
        is value("a[True]", a=[1, 2])
        is value("a[0.0]", a=[1])
        is None
    )
    assert value("matched[-1].properties.step", matched=[event(step=1), event(step=2)]) == 2


@pytest.mark.parametrize(
    "owner", [None, 5, 5.5, True, "text", [1], (1,), {1}, frozenset("x"), object(), datetime, len, lambda: 0, type]
)
def test_what_is_not_there_is_none_at_any_depth(owner):
    """Whatever the owner is, nothing raises and nothing of Python shows."""
    for text in ("a.x", "a.x.y.z", "a['x']", "a.append", "a.real", "a.format", "a['__class__']", "a[b]", "a[b].c"):
        assert value(text, a=owner, b=[1]) is None
    assert value("a.x") is None


def test_objects_show_only_the_parts_that_their_class_lists():
    """`expression_names` is the whole surface; a listed part that is not set is missing."""
    thing = Thing(shown={"x": 1})
    assert value("a.shown.x", a=thing) == value("a['shown'].x", a=thing) == 1
    for text in ("a.hidden", "a['hidden']", "a.unset", "a['__class__']", "a['expression_names']", "a.expression_names"):
        assert value(text, a=thing) is None


def test_events_are_read_whether_objects_or_dictionaries():
    """The inline path for `Event` and the general one agree."""
    seen = event(time=5, step=3, context={"ip": "1.2.3.4"})
    plain = {"name": "Product Viewed", "time": 5, "properties": {"step": 3}, "context": {"ip": "1.2.3.4"}}
    for root in ("event", "first", "entry", "a"):
        for text in (".name", ".time", ".properties.step", ".context.ip", ".customer_id", ".nothing", ".properties"):
            assert value(root + text, **{root: seen}) == value(root + text, **{root: plain})
    assert value("event.customer_id", event=seen) is None


def test_properties_alone_are_those_of_the_current_event():
    """Whether or not the scope holds them once more."""
    seen = event(step=3)
    assert value("properties.step", event=seen) == value("properties.step", properties=seen.properties) == 3
    assert value("properties.step", event={"properties": {"step": 3}}) == 3
    assert value("properties.step", event=None) is value("properties.step") is None


def test_any_mapping_is_read_like_a_dictionary_and_any_set_like_a_set():
    """A scope may be made of read-only views."""
    view = MappingProxyType({"x": 1})
    assert value("a.x == 1 and 'x' in a and len(a) == 1 and a == b", a=view, b={"x": 1}) is True
    assert value("'x' in a and a == b", a={"x": 1}.keys(), b={"x"}) is True


def test_the_scope_itself_may_be_any_mapping():
    """Names that it lacks are missing."""
    assert compile_expression("a + 1", NAMES).evaluate(MappingProxyType({"a": 1})) == 2
    assert compile_expression("a is None", NAMES).evaluate(MappingProxyType({})) is True


# --- missing


@pytest.mark.parametrize("comparison", ["==", "!=", "<", "<=", ">", ">=", "in", "not in"])
@pytest.mark.parametrize("there", [0, 1, -2.5, "x", "", True, False, [], [None], {}, {"x": 1}, {"x"}, None])
def test_comparing_with_a_missing_value_is_false(comparison, there):
    """In every operator, on either side, with data and with literals."""
    assert value(f"a {comparison} b", a=None, b=there) is False
    assert value(f"a {comparison} b", a=there) is False
    if not isinstance(there, dict) and there not in ([], [None]) and there != {"x"}:
        assert value(f"a {comparison} {there!r}") is False
        assert value(f"{there!r} {comparison} a") is False


def test_comparing_with_none_itself_is_false_and_warned_about():
    """Allowed, because its meaning is plain; told, because it is never meant."""
    for text in (
        "a == None",
        "None != a",
        "a in [None, 1]",
        "a not in (None,)",
        "a < None",
        "None in a",
        "None == None",
    ):
        expression = compile_expression(text, NAMES)
        assert expression.holds({"a": None}) is False
        assert [f"is always false (column {8 if 'in' in text and text[0] == 'a' else 1}" for _ in expression.warnings]
        assert "write 'is None' or 'is not None'" in expression.warnings[0]
    assert compile_expression("a is None", NAMES).warnings == ()


def test_only_is_none_tests_for_a_missing_value():
    """It may stand on the left, too."""
    assert value("a is None") is True
    assert value("a.b is not None", a={"b": 0}) is True
    assert value("a.b is None", a={"b": None}) is True
    assert value("a is None", a=0) is False
    assert value("1 is None") is False
    assert value("None is None") is True
    assert value("None is not None") is False


@pytest.mark.parametrize(
    "text", ["a + 1", "1 - a", "a * a", "a / 2", "-a", "a + 'x'", "a + [1]", "a + 1d", "abs(a)", "round(a)"]
)
def test_arithmetic_with_a_missing_value_is_missing(text):
    """None goes through, to the comparison that is false."""
    assert value(text) is None
    assert value(f"({text}) > 0") is False


def test_missing_is_not_true():
    """As in Python: None is false."""
    assert value("not a") is True
    assert value("a or 'x'") == "x"
    assert value("a and 'x'") is None
    assert value("1 if a else 2") == 2


# --- comparing


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 1.0),
        (2**60, float(2**60)),
        ("x", "x"),
        (True, True),
        ([1, "x"], [1.0, "x"]),
        ([1], (1,)),
        ({"x": [1]}, {"x": [1.0]}),
        ({"x", 1}, {1, "x"}),
        (frozenset("x"), {"x"}),
        ([None], [None]),
        ({}, {}),
        ([{"x": None}], [{"x": None}]),
    ],
)
def test_equal_means_equal_data(left, right):
    """Numbers by value, lists by items, dictionaries by keys."""
    assert value("a == b", a=left, b=right) is True
    assert value("a != b", a=left, b=right) is False
    assert value("a in b", a=left, b=[0, right]) is True


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, "1"),
        (True, 1),
        (False, 0),
        (1.0, True),
        (0, ""),
        ([], {}),
        ([], ""),
        ({}, set()),
        ([1], [True]),
        ({"x": 1}, {"x": True}),
        ({1}, {True}),
        ([1], 1),
        ("x", ["x"]),
        ([1], [1, 2]),
        ([1], [2]),
        ({"x": 1}, {"y": 1}),
        ({"x": None}, {"y": None}),
        ({1}, {2}),
        (2**53, float(2**53) + 2),
        (10**400, 1.5),
        (nan, nan),
        ([nan], [nan]),
        ([None], [0]),
        (object(), object()),
        ({1: 2}, {True: 2}),
    ],
)
def test_different_data_and_different_kinds_are_not_equal(left, right):
    """And `!=` is true, since neither is missing."""
    for a, b in ((left, right), (right, left)):
        assert value("a == b", a=a, b=b) is False
        assert value("a != b", a=a, b=b) is True
        assert value("a in b", a=a, b=[b]) is False


@pytest.mark.parametrize("data", [0, 1, 5, True, False, 0.0, 1.0, "x", "", "5", [1], {}, {"x"}, 2**70, nan, None])
@pytest.mark.parametrize("literal", ["0", "1", "5", "True", "False", "1.0", "0.5", "'x'", "''", "[1]", "{'x'}", "-1"])
def test_a_literal_compares_like_the_same_value_out_of_the_data(data, literal):
    """What is written out for speed means the same as the general helper, for every operator."""
    constant = ast.literal_eval(literal)
    for operator in ("==", "!=", "<", "<=", ">", ">=", "in", "not in"):
        assert value(f"a {operator} {literal}", a=data) is value(f"a {operator} b", a=data, b=constant)
        assert value(f"{literal} {operator} a", a=data) is value(f"b {operator} a", a=data, b=constant)
        if repr(data) != "nan" and data not in (2**70, {}):  # which no literal can say
            assert value(f"{data!r} {operator} {literal}") is value(f"a {operator} b", a=data, b=constant)


@pytest.mark.parametrize(
    ("left", "right"), [(1, 2), (1, 1.5), (-1, 0), ("a", "b"), ("", "a"), ("2026-01-01", "2026-01-02"), (1, 10**400)]
)
def test_numbers_and_texts_have_an_order(left, right):
    """Numbers by value, texts by code point, so ISO dates by time."""
    assert value("a < b and a <= b and not a > b and not a >= b", a=left, b=right) is True
    assert value("b > a and b >= a", a=left, b=right) is True


@pytest.mark.parametrize(
    ("left", "right"), [(1, "2"), ("1", 2), (False, True), (True, 2), ([1], [2]), ({1}, {1, 2}), ({}, {}), (nan, 1)]
)
def test_nothing_else_has_an_order(left, right):
    """All four are false, in both directions."""
    for a, b in ((left, right), (right, left)):
        assert value("a < b or a <= b or a > b or a >= b", a=a, b=b) is False


def test_equal_numbers_and_texts_are_at_most_each_other():
    """The closed ends."""
    assert value("a <= b and a >= b and not a < b and not a > b", a=1, b=1.0) is True
    assert value("a <= 'x' and a >= 'x'", a="x") is True


def test_in_asks_texts_lists_sets_and_dictionaries():
    """A part of a text, an item, a key."""
    assert value("'b' in a", a="abc") is True
    assert value("'b' in a", a=["a", "b"]) is True
    assert value("'b' in a", a={"b": None}) is True
    assert value("'b' in a", a={"a"}) is False
    assert value("'b' not in a", a={"a"}) is True
    assert value("2 in a", a=[1, 2.0]) is True
    assert value("1 in a", a=[True]) is False
    assert value("True in a", a=[1, 0, True]) is True
    assert value("True in a", a={1, 0}) is False
    assert value("a in b", a=[1], b=[[1.0]]) is True
    assert value("a in b", a={"x": 1}, b=[{"x": 1}]) is True
    assert value("a in b", a=["x"], b={"x"}) is False
    assert value("a in b", a=nan, b=[nan]) is False
    assert value("a in b", a=nan, b={nan}) is False


def test_in_something_that_holds_nothing_is_false_and_not_in_true():
    """Neither is missing, and a number contains nothing."""
    assert value("'b' in a", a=5) is False
    assert value("'b' not in a", a=5) is True
    assert value("5 in a", a="5") is False
    assert value("5 not in a", a="5") is True


def test_a_list_of_literals_may_be_mixed():
    """The fast sets are for lists of one kind only."""
    for item in ("x", 1, 2.5, True, [1, 2]):
        assert value("a in ['x', 1, 2.5, True, [1, 2]]", a=item) is True
        assert value("a in []", a=item) is False
        assert value("a not in []", a=item) is True
    assert value("a in [True]", a=1) is False
    assert value("a in [1]", a=True) is False
    assert value("a in {'x', 1}", a="x") is True


def test_comparisons_chain():
    """The middle is read once, and what follows a false one is not asked."""
    assert value("1 < a < 10", a=5) is True
    assert value("1 < a < 10", a=10) is False
    assert value("1 < a < b < 10 != c", a=2, b=3, c=4) is True
    assert value("1 < a == a is not None", a=2) is True
    assert value("3 < a < b", a=2) is False


# --- computing


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1 + 2 * 3 - 4 / 2", 5.0),
        ("(1 + 2) * -3", -9),
        ("7 / 2", 3.5),
        ("'a' + 'b'", "ab"),
        ("[1] + (2,)", [1, 2]),
        ("1 - -1", 2),
        ("- a", -2),
        ("a - a", 0),
        ("0.1 + 0.2", 0.1 + 0.2),
        ("1_000 + .5 + 1e3 + 5.", 2005.5),
    ],
)
def test_arithmetic_is_pythons(text, result):
    """Numbers, and + for texts and lists."""
    found = value(text, a=2)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, "1"),
        ("1", 1),
        (True, 1),
        (1, False),
        (True, True),
        ([1], 1),
        ({1}, {1}),
        ({}, {}),
        ("x", ["x"]),
        (nan, 1),
        (inf, 1),
        (inf, -inf),
        (10**400, 1.5),
        (10**400, 1),
        (object(), 1),
        (1e308, 1e308),
    ],
)
def test_what_cannot_be_computed_is_missing(left, right):
    """Wrong kinds, flags, and results that are not finite or beyond 64 bits."""
    for a, b in ((left, right), (right, left)):
        assert value("a + b", a=a, b=b) is None
        assert value("a * b", a=a, b=b) is None
    assert value("-a", a=10**400) is value("-a", a=True) is value("-a", a="1") is None


def test_results_stay_within_64_bits():
    """The last number that fits, and the next."""
    assert value("a + 1", a=INTEGER_MOST - 1) == INTEGER_MOST
    assert value("a + 1", a=INTEGER_MOST) is None
    assert value("a - 1", a=INTEGER_LEAST + 1) == INTEGER_LEAST
    assert value("a - 1", a=INTEGER_LEAST) is None
    assert value("-a", a=INTEGER_LEAST) is None
    assert value("abs(a)", a=INTEGER_LEAST) is None
    assert value("a * a", a=2**32) is None
    assert value("a * 0", a=10**400) is None


def test_division_by_zero_is_missing():
    """Of integers and of floats."""
    assert value("1 / a", a=0) is value("1 / a", a=0.0) is value("a / 0", a=5) is value("0 / 0") is None


def test_texts_and_lists_grow_to_a_bound():
    """Beyond it the sum is missing, so nothing in the language can fill the memory."""
    half = CHARS_MAX // 2
    assert len(value("a + a", a="x" * half)) == CHARS_MAX
    assert value("a + a", a="x" * (half + 1)) is None
    assert len(value("a + a", a=[1] * (ITEMS_MAX // 2))) == ITEMS_MAX
    assert value("a + b", a=[1] * ITEMS_MAX, b=[1]) is None
    assert value("a * 3", a="x") is value("a * 3", a=[1]) is None


def test_durations_are_milliseconds():
    """In all units, in sums and next to brackets, and not inside of texts."""
    assert value("[2w, 14d, 48h, 90m, 30s, 250ms, 0s]") == [
        1_209_600_000,
        1_209_600_000,
        172_800_000,
        5_400_000,
        30_000,
        250,
        0,
    ]
    assert value("(1d+12h)*2") == 3 * DAY
    assert value("-1d") == -DAY
    assert value("'14d' + \"5m\"") == "14d5m"
    assert value("a.d5 + a.d", a={"d5": 1, "d": 2}) == 3
    assert value("7d < a <= 14d", a=10 * DAY) is True
    assert value("'größe' == a or 5d > 4d") is True


def test_a_date_plus_or_minus_a_duration_is_a_time():
    """A text that is one is read, in the customer's zone; a number stays; anything else is missing."""
    assert value("a - 14d", a="1970-01-15") == 0
    assert value("a + 1d", a="1970-01-01T00:00:00Z") == value("1d + a", a="1970-01-01T00:00:00Z") == DAY
    assert value("a - 1d", a=DAY) == 0
    assert value("a - 1d", a=1.5) == 1.5 - DAY
    assert value("a - 1d", a="1970-01-02", zone=timezone(timedelta(hours=1))) == -3_600_000
    assert value("'1970-01-15' - 14d") == 0
    assert value("a * 1d", a="1970-01-02") is value("a / 1d", a="1970-01-02") is None
    assert (
        value("a - 1d", a="soon")
        is value("a - 1d", a=[1])
        is value("a - 1d", a=True)
        is value("1d - a", a="1970-01-01")
        is None
    )


# --- choosing


def test_and_or_and_if_return_an_operand():
    """As in Python, so that `or` gives a default."""
    assert value("a or 'there'", a="") == "there"
    assert value("a and b", a=0, b=1) == 0
    assert value("a and b and c", a=1, b=2, c=3) == 3
    assert value("a or b or c", a=0, b="", c=[]) == []
    assert value("a if b else c", a=1, b=[0], c=2) == 1
    assert value("not a", a=[0]) is False


def test_what_is_read_in_one_branch_is_read_again_in_the_other():
    """A path is read once where it is certain, never taken from a branch that was not walked."""
    text = "a.x if b else (a.x.y if c else a.x.y or a.x)"
    data = {"x": {"y": 5}}
    assert value(text, a=data, b=1) == {"y": 5}
    assert value(text, a=data, c=1) == 5
    assert value(text, a={"x": {"y": 0}}) == {"y": 0}
    assert value("(b and a.x) or a.x", a=data) == {"y": 5}
    assert value("(1 < b < a.x) or a.x", a={"x": 5}, b=0) == 5
    assert value("(a or b).x", a=None, b={"x": 1}) == value("(a if c else b).x", a={"x": 2}, b={"x": 1}) == 1


def test_lists_in_results_are_made_anew():
    """A caller who changes a result does not change the expression."""
    for text in ("[1, 2]", "a or [1, 2]", "[1, 2] if 1 else 0", "([1, 2], 3)[0]"):
        expression = compile_expression(text, NAMES)
        first = expression.evaluate({})
        assert first == [1, 2]
        if text != "([1, 2], 3)[0]":
            first.append(3)
            assert expression.evaluate({}) == [1, 2]


# --- what an expression tells about itself


def test_names_are_what_it_reads():
    """`now`, too, where a function needs it."""
    text = "properties.a and a.views[event.properties.b] and len(matched[0].x) and b['c']['d-e'] or days_since(d) < 1"
    assert compile_expression(text, NAMES).names == {"properties", "a", "event", "matched", "b", "d", "now"}
    assert compile_expression("1 + 1d", NAMES).names == frozenset()


def test_expressions_written_alike_are_equal_and_frozen():
    """They are values: usable as keys, not to be changed."""
    one, other = compile_expression("a + 1", NAMES), compile_expression("a + 1", ["a"])
    assert one == other
    assert {one: 1}[other] == 1
    assert one != compile_expression("a + 2", NAMES)
    with pytest.raises(AttributeError):
        one.text = "b"
    assert "a + 1" in repr(one)


def test_a_word_that_stands_for_itself_is_warned_about():
    """`x == 'a' or 'b'` is always true."""
    (warning,) = compile_expression("a.x == 'a' or 'b'", NAMES).warnings
    assert warning == (
        "'b' stands for itself, not for a comparison (column 15 of \"a.x == 'a' or 'b'\"): write a.x in [...], or a comparison"
    )
    assert compile_expression("a.name or 'there'", NAMES).warnings == ()


def test_an_impossible_weekday_is_warned_about():
    """They are written small and in full."""
    (warning,) = compile_expression("weekday(now) in ['Mon', 'friday']", NAMES).warnings
    assert "'Mon' is no weekday" in warning
    assert warning.endswith("write 'monday'")


# --- nothing runs away


def test_deep_data_is_compared_without_recursion():
    """A list 100,000 deep equals its copy or not; either way it ends."""

    def deep(depth):
        made = []
        for _ in range(depth):
            made = [made]
        return made

    assert value("a == b", a=deep(10_000), b=deep(10_000)) is True
    assert value("a == b", a=deep(10_000), b=deep(9_999)) is False
    assert value("a == b or a in c", a=deep(10_000), b=deep(9_999), c=[deep(5), deep(10_000)]) is True


def test_one_comparison_visits_a_bounded_number_of_values():
    """Data that holds itself, or the same part over and over, is different from everything in the end."""
    knot: list[object] = []
    knot.extend([knot, knot])
    other: list[object] = []
    other.extend([other, other])
    assert value("a == b", a=knot, b=other) is False
    assert value("a in b", a=knot, b=[other] * 1_000) is False
    circle, ring = Thing(None), Thing(None)
    circle.shown, ring.shown = circle, ring
    assert value("a == b", a=circle, b=ring) is False
    wide = ["x"] * 200_000
    assert value("a == b", a=wide, b=list(wide)) is False
    assert value("a == b", a={1: wide}, b={1: list(wide)}) is False


def test_the_examples_in_the_docstrings_are_true():
    """Prose that is not executed drifts."""
    for module in (expressions, expression_scan, paths):
        tried = doctest.testmod(module)
        assert tried.attempted > 0
        assert tried.failed == 0
