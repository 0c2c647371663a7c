"""The expression language: what it means, what it refuses and how it says so, and that nothing gets out of it.

By behaviour first; then properties over random expressions, random data and random text; then property paths.
"""

import ast
import doctest
import re
from datetime import datetime, timedelta, timezone, tzinfo
from math import inf, nan
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from operators import expressions
from operators.events import Event
from operators.expressions import (
    CHARS_MAX,
    FUNCTIONS,
    INTEGER_LEAST,
    INTEGER_MOST,
    ITEMS_MAX,
    PATH_VALUES_MAX,
    TEXT_CHARS_MAX,
    ExpressionError,
    Path,
    compile_expression,
    compile_path,
)

NAMES = frozenset(
    {"event", "properties", "first", "matched", "entry", "profile", "traits", "segments", "now", "journey", "a", "b", "c", "d"}
)
DAY = 86_400_000


def value(text, /, **scope):
    """What `text` evaluates to, with the given names in scope."""
    expression = compile_expression(text, NAMES)
    result = expression.evaluate(scope)
    assert expression.holds(scope) is bool(result)
    return result


def refusal(text, names=NAMES, **options):
    """The complaint about `text`."""
    with pytest.raises(ExpressionError) as refused:
        compile_expression(text, names, **options)
    return str(refused.value)


def compiled_or_refused(text, names=NAMES):
    """The expression, or the complaint; any other error is a failure."""
    try:
        return compile_expression(text, names)
    except ExpressionError as error:
        return error


def event(time=0, message_id="m", name="Product Viewed", context=None, **properties):
    return Event("track", name, "customer", message_id, time, properties, context or {})


class Thing:
    """An object that shows two of its parts."""

    expression_names = frozenset({"shown", "unset"})
    __slots__ = ("hidden", "shown", "unset")

    def __init__(self, shown):
        self.shown = shown
        self.hidden = "hidden"


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
        "traits": {"average_order": 210.5, "orders_90d": 3, "last_order_at": 11 * DAY, "coupon_orders": 2, "orders_365d": 3}
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
        value("a[3]", a=[1, 2, 3]) is value("a[-4]", a=[1, 2, 3]) is value("a[True]", a=[1, 2]) is value("a[0.0]", a=[1]) is None
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
    for text in ("a == None", "None != a", "a in [None, 1]", "a not in (None,)", "a < None", "None in a", "None == None"):
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


@pytest.mark.parametrize("text", ["a + 1", "1 - a", "a * a", "a / 2", "-a", "a + 'x'", "a + [1]", "a + 1d", "abs(a)", "round(a)"])
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
    assert value("[2w, 14d, 48h, 90m, 30s, 250ms, 0s]") == [1_209_600_000, 1_209_600_000, 172_800_000, 5_400_000, 30_000, 250, 0]
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
        value("a - 1d", a="soon") is value("a - 1d", a=[1]) is value("a - 1d", a=True) is value("1d - a", a="1970-01-01") is None
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


# --- functions


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("len('abc')", 3),
        ("len([1, 2])", 2),
        ("len({'x'})", 1),
        ("len(a)", 2),
        ("len(5)", None),
        ("lower('ABC')", "abc"),
        ("upper('abc')", "ABC"),
        ("lower(5)", None),
        ("abs(-5)", 5),
        ("abs(-2.5)", 2.5),
        ("abs('x')", None),
        ("abs(True)", None),
        ("min(3, 1.5, 2)", 1.5),
        ("max(3, 1, 2)", 3),
        ("max('a', 'b')", "b"),
        ("min([3, 1, 2])", 1),
        ("max({3, 1})", 3),
        ("min([])", None),
        ("min(5)", None),
        ("min(1, 'a')", None),
        ("min(1, b)", None),
        ("max(1, True)", None),
        ("min([1, None])", None),
        ("round(2.5)", 2),
        ("round(3.5)", 4),
        ("round(2.345, 1)", 2.3),
        ("round(7, 2)", 7),
        ("round(2.5, -1)", None),
        ("round(2.5, 99)", None),
        ("round(2.5, 1.0)", None),
        ("round('x')", None),
        ("round(True)", None),
        ("round(1e300)", None),
        ("contains('abc', 'b')", True),
        ("contains([1, 2], 2)", True),
        ("contains(a, 'x')", True),
        ("contains('abc', 5)", False),
        ("contains(b, 'x')", False),
        ("contains('abc', b)", False),
        ("starts_with('abc', 'ab')", True),
        ("starts_with('abc', 'b')", False),
        ("starts_with(5, '5')", False),
        ("ends_with('abc', 'bc')", True),
        ("ends_with(b, 'x')", False),
        ("days_since(0)", 2.0),
        ("days_since(1d)", 1.0),
        ("days_since('1970-01-01T12:00:00Z')", 1.5),
        ("days_since('1970-01-05')", -2.0),
        ("days_until('1970-01-05')", 2.0),
        ("days_until(now)", 0.0),
        ("days_since(b)", None),
        ("days_since('soon')", None),
        ("days_since([1])", None),
        ("days_since(True)", None),
        ("hour(0)", 0),
        ("hour('1970-01-01T23:59:59Z')", 23),
        ("hour(b)", None),
        ("hour(1e300)", None),
        ("weekday(0)", "thursday"),
        ("weekday('2026-01-04')", "sunday"),
        ("weekday('x')", None),
        ("weekday(9223372036854775807)", None),
    ],
)
def test_functions(text, result):
    """Each one, with what fits and what does not."""
    found = value(text, a={"x": 1, "y": 2}, now=2 * DAY)
    assert found == result
    assert type(found) is type(result)


def test_the_least_of_numbers_with_nan_among_them_is_missing():
    """In any place: which of two is less, Python would let the order decide."""
    for a, b in ((nan, 1), (1, nan)):
        assert value("min(a, b)", a=a, b=b) is value("max(a, b)", a=a, b=b) is value("max(c)", c=[a, b]) is None


def test_every_function_is_described():
    """The usage is itself an expression that compiles."""
    for name, says in FUNCTIONS.items():
        usage, meaning = says.split(": ", 1)
        assert usage.startswith(f"{name}(")
        assert meaning
        arguments = {argument.strip() for argument in usage[len(name) + 1 : -1].split(",")}
        assert compile_expression(usage, {*arguments, "now"}).functions == {name}


def test_days_need_a_now():
    """Without it, or with one that is no number, they are missing."""
    assert value("days_since(0)") is value("days_since(0)", now="today") is value("days_until(0)", now=None) is None


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "zone", "instant"),
    [
        ("2026-03-28", BERLIN, "2026-03-27T23:00:00Z"),
        ("2026-07-01T12:30", BERLIN, "2026-07-01T10:30:00Z"),
        ("2026-07-01 12:30:15.25", BERLIN, "2026-07-01T10:30:15.250Z"),
        ("2026-03-29T02:30:00", BERLIN, "2026-03-29T01:00:00Z"),
        ("2026-03-29T02:00:00", BERLIN, "2026-03-29T01:00:00Z"),
        ("2026-10-25T02:30:00", BERLIN, "2026-10-25T00:30:00Z"),
        ("2018-11-04", ZoneInfo("America/Sao_Paulo"), "2018-11-04T03:00:00Z"),
        ("2011-12-30", ZoneInfo("Pacific/Apia"), "2011-12-30T10:00:00Z"),
        ("2026-07-01t12:30:00+02:00", None, "2026-07-01T10:30:00Z"),
        ("2026-07-01T12:30:00-0230", None, "2026-07-01T15:00:00Z"),
        ("2026-07-01T12:30:00 +02", "no zone", "2026-07-01T10:30:00Z"),
        ("2026-07-01T12:30:15.1239Z", None, "2026-07-01T12:30:15.123Z"),
        ("2026-12-31T23:59:60Z", None, "2027-01-01T00:00:00Z"),
        ("1969-12-31T23:59:59.999999999Z", None, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_a_text_without_an_offset_is_the_customers_local_time(text, zone, instant):
    """One that is skipped becomes the next valid instant, one that is repeated the first."""
    expected = datetime.fromisoformat(instant.replace("Z", "+00:00"))
    expected_ms = (expected - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)
    assert value("a + 0d", a=text, zone=zone) == expected_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-1-1",
        "2026-02-30",
        "2026-01-01T25:00",
        "2026-01-01T10:00:61Z",
        "2026-01-01T10:00+24:00",
        "2026-01-01T10:00+01:60",
        "0000-01-01",
        "0001-01-01T00:00+23:00",
        "9999-12-31T23:59:59-23:00",
        "01/02/2026",
        "2026-01-01T10",
        "2026-01-01Z",
        "1" * 1_000_000,
    ],
)
def test_other_texts_are_no_time(text):
    """Missing, whatever is wrong."""
    assert value("a + 0d", a=text) is value("days_since(a)", a=text, now=0) is value("hour(a)", a=text) is None
    assert value("a + 0d", a="0001-01-01", zone=timezone(timedelta(hours=23))) is None


def test_hour_and_weekday_are_the_customers():
    """By the zone in scope; without one, UTC."""
    evening = "2026-01-04T23:30:00Z"
    assert value("hour(a)", a=evening) == 23
    assert value("weekday(a)", a=evening) == "sunday"
    assert value("hour(a)", a=evening, zone=BERLIN) == 0
    assert value("weekday(a)", a=evening, zone=BERLIN) == "monday"


# --- what an expression tells about itself


def test_names_paths_and_functions_are_what_it_reads():
    """Each path as far as it is fixed; `now` where a function needs it."""
    text = (
        "properties.a and a.views[event.properties.b] and len(matched[0].x) and b['c']['d-e'] or c['x y'].z or days_since(d) < 1"
    )
    expression = compile_expression(text, NAMES)
    assert expression.names == {"properties", "a", "event", "matched", "b", "c", "d", "now"}
    assert expression.paths == {"properties.a", "a.views", "event.properties.b", "matched", "b.c.d-e", "c", "d", "now"}
    assert expression.functions == {"len", "days_since"}
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


# --- what is refused


@pytest.mark.parametrize(
    ("text", "column", "what", "instead"),
    [
        ("evnt.name == 'x'", 1, "'evnt' is not a name here", "write 'event'"),
        ("category == 'x'", 1, "'category' is not a name here", "a property of the event is properties.category"),
        ("a.utm-source == 'x'", 7, "'source' is not a name here", "write ['utm-source'] in brackets"),
        ("a == true", 6, "'true' is not a name here", "write True"),
        ("a is null", 6, "'null' is not a name here", "write None"),
        ("a AND b", 3, "'AND' is not part", "write and"),
        ("NOT a", 1, "'NOT' is not part", "write not"),
        ("a equals 5", 3, "'equals' is not part", "write =="),
        ("a contains 'x'", 3, "'contains' is a function", "write contains(x, y)"),
        ("len == 5", 1, "'len' is not a name", "it is a function; write len(x)"),
        ("size(a)", 1, "'size' is not a function", "the functions are len, lower"),
        ("lowr(a)", 1, "'lowr' is not a function", "write lower(text)"),
        ("a.name.lower()", 1, ".lower() cannot be called", "write lower(a.name)"),
        ("a.name.startswith('x')", 1, ".startswith() cannot be called", "write starts_with(a.name, ...)"),
        ("len()", 1, "'len' has 0 arguments", "write len(x)"),
        ("round(1, 2, 3)", 1, "'round' has 3 arguments", "write round(number, digits)"),
        ("len(*a)", 1, "'len' takes plain arguments", "write len(x)"),
        ("a = 5", 3, "'=' is not part", "write == to compare"),
        ("a && b", 3, "'&&' is not part", "write and"),
        ("a || b", 3, "'||' is not part", "write or"),
        ("!a", 1, "'!' is not part", "write not"),
        ("a ** 2", 3, "'**' is not part", "x * x"),
        ("a // 2", 3, "'//' is not part", "write round(a / b)"),
        ("a % 2", 3, "'%' is not part", "no remainder"),
        ("a | b", 3, "'|' is not part", "write or"),
        ("(a := 1)", 4, "':=' is not part", "nothing can be assigned"),
        ("a[1:2]", 4, "':' is not part", "slices"),
        ("a > 18:30", 7, "':' is not part", "'18:30'"),
        ("a ? b : c", 3, "'?' is not part", "a if condition else b"),
        ("a.$x", 3, "'$' is not part", "['$name']"),
        ("a # note", 3, "'#' is not part", "comments outside"),
        ("a == \u201cx\u201d", 6, "'\u201c' is not part", "straight quotes"),
        ("a \u2265 5", 3, "'\u2265' is not part", "write >="),
        ("a == 'x", 6, '"\'" is not part', "close the quote"),
        ("'a' 'b'", 5, "'a' and 'b' stand side by side", "a comma"),
        ("a b", 3, "a and b stand side by side", "write and, or"),
        ("14 d", 1, "'14d' is written with a space", "write 14d"),
        ("14days", 1, "'14days' is neither", "write 14d"),
        ("a > 1.5h", 5, "'1.5h' is neither", "write 90m"),
        ("99999999w", 1, "'99999999w' is longer", "write 36525d or less"),
        ("0x1f", 1, "'0x1f' is neither", "whole number"),
        ("007", 1, "'007' begins with 0", "write 7"),
        ("1__0", 1, "'1__0' is not a number", "write 10"),
        ("99999999999999999999", 1, "99999999999999999999 is too large", "in quotes"),
        ("1e999", 1, "1e999 is too large", "write a number up to"),
        ("a.class", 3, "'class' is a word of the language", "write ['class'] instead of .class"),
        ("lambda", 1, "'lambda' is not part", "conditions only"),
        ("[x for x in a]", 4, "'for' is not part", "conditions only"),
        ("f'{a}'", 1, "'f' before a quote", "the quotes alone"),
        ("rb'x'", 1, "'rb' before a quote", "the quotes alone"),
        ("a == '\\d'", 7, "'\\\\d' is no escape", "write \\\\ for a backslash"),
        ("'\\ud800'", 2, "is no escape", "write \\\\"),
        ("a.\ufb01eld", 3, "has unusual letters", "in brackets and quotes"),
        ("a is b", 6, "'is' tests for None only", "write == b"),
        ("a is not 5", 10, "'is' tests for None only", "write != 5"),
        ("[a]", 2, "'a' in a list is not a literal", "values only"),
        ("{[1]}", 2, "[1] inside braces", "[...] instead of {...}"),
        ("{True, 1}", 2, "True inside braces", "[...] instead of {...}"),
        ("{}", 1, "'{}' is not part", "write []"),
        ("a * 'x'", 5, "'x' is not a number", "write a number"),
        ("-True", 2, "True is not a number", "write a number"),
        ("a + None", 5, "None is not a number", "write a number"),
        ("+a", 1, "'+a' begins with an operator", "leave it out"),
        ("'x'.y", 1, "'x' has no parts", "before the dot"),
        ("5d.y", 1, "5d has no parts", "before the dot"),
        ("a.5d", 3, "5d after a dot", "write ['5d']"),
        ("a.'x'", 3, "'x' after a dot", "write ['x']"),
        ("a +", 3, "nothing follows '+'", "a value after it"),
        ("a if b", 3, "'if' has no 'else'", "a if condition else b"),
        ("(a", 1, "'(' is never closed", "write ')'"),
        ("(a]", 3, "']' closes nothing", "write ')'"),
        ("a)", 2, "')' closes nothing", "leave it out"),
        ("a) or (b", 2, "')' closes nothing", "leave it out"),
        ("a == * b", 6, "'* b' cannot stand here", "write values with an operator"),
        ("größe == 1 and xyz", 1, "'größe' is not a name", "properties.größe"),
        ("a == 'größe' and xyz", 18, "'xyz' is not a name", "properties.xyz"),
        ("a\u00a0== 5d and xyz", 13, "'xyz' is not a name", "properties.xyz"),
        ("", 1, "'' is empty", "write an expression"),
        (" \n", 1, "is empty", "write an expression"),
    ],
)
def test_a_refusal_says_what_where_and_what_to_write(text, column, what, instead):
    """The messages are part of the product."""
    with pytest.raises(ExpressionError) as refused:
        compile_expression(text, NAMES)
    message = str(refused.value)
    assert what in message
    assert instead in message.partition(": " if "closes" not in what else "): ")[2] or instead in message
    assert refused.value.column == column
    assert text.strip() == "" or f"column {column} of {text!r}" in message
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize("text", [None, True, 5, 5.5, ["a"], b"a"])
def test_what_is_not_text_is_refused(text):
    """YAML makes a flag of `when: true`."""
    assert "write it as text, in quotes" in refusal(text)


def test_a_name_for_later_is_refused_with_its_reason():
    """The language has it, this place does not."""
    message = refusal("b.orders > 1", names={"a"}, later={"b": "traits come with version 0.2"})
    assert message == "'b' cannot be used here (column 1 of 'b.orders > 1'): traits come with version 0.2"
    assert compile_expression("b", ["b"], later={"b": "never"}).names == {"b"}
    assert "the time now" in refusal("days_since(a)", names={"a"})
    assert "no clock in traits" in refusal("days_since(a)", names={"a"}, later={"now": "no clock in traits"})


@pytest.mark.parametrize(
    "text",
    [
        "().__class__",
        "().__class__.__bases__[0].__subclasses__()",
        "event.__dict__",
        "event.__class__.__init__.__globals__",
        "a._private",
        "a.\uff3f_class__",
        "\uff3f_import__('os')",
        "__import__('os').system('true')",
        "__builtins__",
        "_",
        "___",
        "a[__import__('os')]",
        "'{0.__class__}'.format(event)",
        "'%s' % a",
        "f'{event.__class__}'",
        "eval('1')",
        "exec('1')",
        "open('/etc/passwd')",
        "getattr(event, 'name')",
        "type(event)",
        "globals()",
        "read(event, 'x')",
        "scope",
        "scope.get",
        "event_class",
        "len.__self__",
        "(len)(a).real()",
        "len(a)(b)",
        "(lambda: 1)()",
        "[x for x in a]",
        "(x for x in a)",
        "{**a}",
        "[*a]",
        "(*a, 1)",
        "(a := 1)",
        "(yield)",
        "(yield a)",
        "await a",
        "a; b",
        "a\nimport os",
        "import os",
        "a if b else __import__('os')",
        "a) or (__import__('os')",
        "'''x'''",
        '"""x"""',
        "b'x'",
        "1j",
        "...",
        "a @ b",
        "~a",
        "a << 1",
        "a[...]",
        "a[1,]()",
        "a[1:]",
        "print(a)",
        "a.b = 1",
        "del a",
        "not",
        "a[{}]",
        "len(x=1)",
        "len(**a)",
    ],
)
def test_there_is_no_way_out(text):
    """Nothing that is not on the list compiles."""
    with pytest.raises(ExpressionError):
        compile_expression(text, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5_000 + ")" * 5_000,
        "(" * 900 + "a" + ")" * 900,
        "[" * 900 + "]" * 900,
        "a[" * 400 + "0" + "]" * 400,
        "-" * 1_990 + "a",
        "not " * 490 + "a",
        "a" + ".b" * 900,
        "a" + "[0]" * 600,
        "1" + "+1" * 900,
        "1 if a else " * 150 + "1",
        "len(" * 300 + "a" + ")" * 300,
        "a" + " < a" * 480 + " if",
        "9" * 1_999,
        "1e" + "9" * 1_990,
        "-" * 70 + "a",
        "'" + "a" * 2_100 + "'",
        "a\x00b",
        "'a\x00b'",
        "'a\x01b'",
        "\x00",
        "'\ud800'",
        "\ud800",
        "a.\udfff",
        "'a\nb'",
        "'a\rb'",
        "'a\\\nb'",
        "\\\n",
        "\ufeffa",
        "a\x0c==\x0c",
        "'" * 1_000,
        '"' * 999,
        "#",
        "a" * 2_001,
    ],
)
def test_monsters_are_refused_like_anything_else(text):
    """Deep, long, or not text at all: an ExpressionError that can be printed."""
    assert refusal(text).encode()


def test_what_is_large_and_allowed_compiles_and_runs():
    """Up to the bounds."""
    assert value(" or ".join(["a.x == 1"] * 160), a={"x": 1}) is True
    assert value(" and ".join(["a"] * 300), a=1) == 1
    assert value("a" + " <= a" * 300, a=1) is True
    assert value("1" + "+1" * 50) == 51
    assert value("(" * 32 + "a" + ")" * 32, a=1) == 1
    assert value("not " * 60 + "a", a=1) is True
    assert value("1 if a else " * 60 + "2") == 2
    assert value("(" * 30 + "a" + " if b else c)" * 30, a=1, b=1) == 1
    assert value("a == '" + "x" * (TEXT_CHARS_MAX - 7) + "'") is False
    assert value("min(" + ", ".join("1" * 100) + ")") == 1


def test_line_breaks_and_odd_spaces_are_spaces():
    """A folded or literal block of YAML, or one pasted from a document."""
    assert value("\n  a\n  and\tb\r\n\u00a0or c\n", a=1, b=2) == 2


def test_text_literals_have_the_usual_escapes():
    """And both quotes."""
    assert value("'it\\'s' + \"\\\"\\n\\t\\\\\" + '\\u00e9\\x41'") == "it's\"\n\t\\éA"
    assert value("'14d # lambda: __x__ \U0001f600'") == "14d # lambda: __x__ \U0001f600"


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


# --- properties over random expressions, data and text

_json = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 3),
        st.integers(),
        st.sampled_from([2**63, -(2**63) - 1, 10**400, 5e-324, 1e308, -0.0]),
        st.floats(),
        st.sampled_from(["", "x", "a", "b", "1", "2026-01-01", "2026-03-29T02:30:00", "X" * 6_000]),
        st.text(max_size=5),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.sampled_from("abcx"), st.integers(-1, 2), st.booleans()), inner, max_size=4),
        inner.map(Thing),
    ),
    max_leaves=12,
)
_sets = st.one_of(st.frozensets(st.sampled_from(["a", "b", 1, True, 0, nan])), st.sets(st.text(max_size=2)))
_events = st.builds(
    Event,
    st.just("track"),
    st.text(max_size=3),
    st.just("customer"),
    st.just("m"),
    st.integers(),
    st.dictionaries(st.sampled_from("abcx"), _json, max_size=3),
    st.dictionaries(st.sampled_from("abcx"), _json, max_size=3),
)
_zones = st.one_of(st.none(), st.sampled_from([BERLIN, timezone.utc, ZoneInfo("Pacific/Apia"), timezone(timedelta(hours=-23))]))
_scopes = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.one_of(_json, _sets) for name in "abcd"},
        "event": st.one_of(_events, _json),
        "first": _events,
        "properties": _json,
        "segments": _sets,
        "now": _json,
        "zone": _zones,
    },
)
_literals = st.one_of(
    st.sampled_from(
        ["0", "1", "-1", "2.5", "1e300", "9223372036854775807", "True", "False", "None", "''", "'a'", "'x'", "5d", "90m"]
    ),
    st.sampled_from(["[]", "[1, 'a']", "(0,)", "{1, 2.5}", "['a', 'b']", "[True, None, [1]]", "'2026-01-01'", '"\'"', "-0.5"]),
)
_roots = st.sampled_from(
    ["a", "b", "c", "d", "event", "first", "properties", "segments", "now", "event.properties", "event.time"]
)


def _grown(inner):
    numeric = st.one_of(_roots, inner.filter(lambda text: text.startswith("(")), st.sampled_from(["1", "2.5", "3d", "-7"]))
    owner = st.one_of(_roots, inner.filter(lambda text: text.endswith(")") and " if " in text))
    return st.one_of(
        st.builds(
            "({} {} {})".format, inner, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]), inner
        ),
        st.builds("({} {} {} {} {})".format, inner, st.sampled_from("<>"), inner, st.sampled_from(["==", "in"]), inner),
        st.builds("({} {} {})".format, numeric, st.sampled_from("+-*/"), numeric),
        st.builds("(-({}))".format, _roots),
        st.builds("(not {})".format, inner),
        st.builds("({} is None)".format, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{}.{}".format, owner, st.sampled_from(["a", "x", "shown", "hidden", "name", "properties", "append"])),
        st.builds("{}[{}]".format, owner, inner),
        st.builds(
            "{}({})".format,
            st.sampled_from(sorted(FUNCTIONS)),
            inner,
        ),
        st.builds(
            "{}({}, {})".format, st.sampled_from(["contains", "starts_with", "ends_with", "min", "max", "round"]), inner, inner
        ),
    )


_expressions = st.recursive(st.one_of(_roots, _literals), _grown, max_leaves=10)


@settings(max_examples=600, deadline=None)
@given(_expressions, _scopes)
@example("(a + b)", {"a": 10**400, "b": 1.5})
@example("(a in b)", {"a": [nan], "b": [[nan]]})
def test_whatever_is_written_and_whatever_is_in_the_data_nothing_raises(text, scope):
    """Every well-formed expression compiles, and evaluates to the same thing twice."""
    assume(len(text) <= TEXT_CHARS_MAX)
    expression = compiled_or_refused(text)
    if isinstance(expression, ExpressionError):
        # The generator may put a literal where only a number or a name makes sense, or too few arguments; nothing else.
        assert any(why in str(expression) for why in ("not a number", "has no parts", "deep", "arguments"))
        return
    result = expression.evaluate(scope)
    assert repr(expression.evaluate(scope)) == repr(result) or isinstance(result, (list, tuple, dict, set, frozenset, Thing))
    assert expression.holds(scope) is bool(result)


def _plainly(node, scope):
    """What `node` means, by walking the tree: no inlining, nothing remembered, one helper per operation."""
    helper = expressions._HELPERS

    def walk(node):
        return _plainly(node, scope)

    def duration(node):
        return isinstance(node, ast.Call) and node.func.id == "duration"

    match node:
        case ast.Constant():
            return node.value
        case ast.List() | ast.Tuple() | ast.Set():
            return ast.literal_eval(node)
        case ast.Name(id="properties"):
            found = scope.get("properties")
            return helper["read"](scope.get("event"), "properties") if found is None else found
        case ast.Name():
            return scope.get(node.id)
        case ast.Attribute():
            return helper["index"](walk(node.value), node.attr)
        case ast.Subscript():
            return helper["index"](walk(node.value), walk(node.slice))
        case ast.UnaryOp(op=ast.Not()):
            return not walk(node.operand)
        case ast.UnaryOp():
            return helper["subtract"](0, walk(node.operand))
        case ast.BoolOp():
            result = walk(node.values[0])
            for operand in node.values[1:]:
                if bool(result) is isinstance(node.op, ast.And):
                    result = walk(operand)
            return result
        case ast.IfExp():
            return walk(node.body) if walk(node.test) else walk(node.orelse)
        case ast.BinOp():
            left, right = walk(node.left), walk(node.right)
            if duration(node.right) and isinstance(node.op, (ast.Add, ast.Sub)):
                left = helper["moment"](left, scope.get("zone")) if type(left) is str else left
            elif duration(node.left) and isinstance(node.op, ast.Add):
                right = helper["moment"](right, scope.get("zone")) if type(right) is str else right
            names = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide"}
            return helper[names[type(node.op)]](left, right)
        case ast.Compare():
            operands = [walk(operand) for operand in (node.left, *node.comparators)]
            return all(_plain_test(*test) for test in zip(node.ops, operands, operands[1:], strict=False))
        case ast.Call():
            if duration(node):
                return node.args[0].value
            function = expressions._FUNCTIONS[node.func.id]
            return function.call(*map(walk, node.args), *(scope.get(key) for key in function.reads))


def _plain_test(operator, left, right):
    helper = expressions._HELPERS
    there = left is not None and right is not None
    match operator:
        case ast.Is():
            return left is None
        case ast.Eq():
            return there and helper["equal"](left, right)
        case ast.NotEq():
            return there and not helper["equal"](left, right)
        case ast.In():
            return there and helper["contains"](right, left)
        case ast.NotIn():
            return there and not helper["contains"](right, left)
    names = {ast.Lt: "less", ast.LtE: "at_most", ast.Gt: "more", ast.GtE: "at_least"}
    return there and helper[names[type(operator)]](left, right)


@settings(max_examples=600, deadline=None)
@given(_expressions, _scopes)
@example("((event.x if a else event.y) and event.x)", {"event": {"x": 1, "y": 2}})
@example("((a == 1) or event.x) and event.x", {"a": 1, "event": {"x": 1}})
@example("(a < b.x < 2) or b.x", {"a": 1, "b": {"x": 5}})
def test_the_compiled_code_means_what_the_tree_means(text, scope):
    """Against a plain walk, for everything that is written out, remembered or skipped for speed."""
    expression = compiled_or_refused(text)
    assume(not isinstance(expression, ExpressionError))
    durations = {"5d": 5 * DAY, "3d": 3 * DAY, "90m": 5_400_000}
    plain = re.sub(r"\b(?:5d|3d|90m)\b", lambda found: f"duration({durations[found[0]]})", text)
    expected = _plainly(ast.parse(plain, mode="eval").body, scope)
    found = expression.evaluate(scope)
    assert type(found) is type(expected)
    assert found is expected or repr(found) == repr(expected)


@settings(max_examples=300, deadline=None)
@given(_expressions)
def test_the_written_code_names_nothing_but_our_helpers(text):
    """No built-ins, no imports, and no attribute but `get` and the fields of an event."""
    expression = compiled_or_refused(text)
    assume(not isinstance(expression, ExpressionError))
    surroundings = expression.evaluate.__globals__
    assert surroundings["__builtins__"] == {}
    constants = {name for name in surroundings if name[0] == "c" and name[1:].isdigit()}
    for function in (expression.evaluate, expression.holds):
        names = set(function.__code__.co_names)
        assert names <= {"get", *expressions._HELPERS, *constants, *Event.expression_names}
        assert function.__code__.co_freevars == ()
        assert not any(hasattr(constant, "co_code") for constant in function.__code__.co_consts)


_soup = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *("a", "b", "event", "in", "not", "and", "or", "is", "if", "else", "None", "True", "lambda", "for", "_", "__x__"),
                *("14d", "1.5h", "5", "0x1", "1e999", "...", "'x'", "'", '"', "f'", "\\", "\\d", "len(", "len", ".x", "[0]"),
                *" .,()[]{}+-*/=<>!#:%~@;?$`\n\t\x00\u00a0\ud800\ufb01\uff3f",
                *("==", "!=", "**", "//", ":="),
            ]
        ),
        st.text(st.characters(), max_size=3),
        st.text(st.characters(categories=["Cs", "Cc", "Nd", "No", "Pc", "Zs"]), max_size=2),
    ),
    max_size=12,
).map("".join)


@settings(max_examples=1_000, deadline=None)
@given(
    st.one_of(
        st.text(),
        _soup,
        st.lists(
            st.sampled_from(["a", "b", "5d", "'x'", "len", "==", "and", "not", "in", "is", "None", "if", "else", *"()[].+-,"])
        ).map(" ".join),
    )
)
def test_random_text_compiles_or_is_refused_and_nothing_else(text):
    """No other error, no warning of Python's; and the message shows a place inside the text and can be printed."""
    expression = compiled_or_refused(text)
    if isinstance(expression, ExpressionError):
        assert 1 <= expression.column <= max(len(text), 1)
        assert str(expression).encode()
        assert ": " in str(expression)
    else:
        expression.evaluate({"a": {"b": 1}, "event": event()})
        assert expression.holds({}) in (True, False)


# A subset in which Python means the same: numbers (no flags), texts, nothing missing.
_ORDERINGS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
_MEMBERSHIPS = st.sampled_from(["in", "not in"])


def _agreeing(depth):
    """Strategies for numbers, texts and conditions, nested up to `depth`."""
    numbers = st.sampled_from(["i", "j", "x", "o.i", "o['x']", "o.o.j", "1", "2", "0.5", "-3"])
    texts = st.sampled_from(["s", "t", "o.s", "'a'", "''", "'B'"])
    flags = st.builds("({} {} {})".format, numbers, _ORDERINGS, numbers)
    for _ in range(depth):
        numbers, texts, flags = (
            st.one_of(
                numbers,
                st.builds("({} {} {})".format, numbers, st.sampled_from("+-*/"), numbers),
                st.builds("(-{})".format, st.sampled_from(["i", "x", "o.i"])),
                st.builds("({} if {} else {})".format, numbers, flags, numbers),
                st.builds("len({})".format, texts),
                st.builds("{}({})".format, st.sampled_from(["abs", "round"]), numbers),
                st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), numbers, numbers),
            ),
            st.one_of(
                texts,
                st.builds("({} {} {})".format, texts, st.sampled_from(["+", "or", "and"]), texts),
                st.builds("{}({})".format, st.sampled_from(["lower", "upper"]), texts),
            ),
            st.one_of(
                st.builds("({} {} {})".format, numbers, _ORDERINGS, numbers),
                st.builds("({} {} {} {} {})".format, numbers, _ORDERINGS, numbers, _ORDERINGS, numbers),
                st.builds("({} {} {})".format, texts, st.one_of(_ORDERINGS, _MEMBERSHIPS), texts),
                st.builds("({} {} {})".format, numbers, _MEMBERSHIPS, st.sampled_from(["l", "[1, 2, 0.5]", "{0, -3}"])),
                st.builds("({} {} {})".format, flags, st.sampled_from(["and", "or"]), flags),
                st.builds("(not {})".format, flags),
            ),
        )
    return st.one_of(numbers, texts, flags)


class Bag(dict):
    """A dictionary that Python, too, reads with a dot."""

    __getattr__ = dict.__getitem__


@settings(max_examples=500, deadline=None)
@given(
    _agreeing(depth=3),
    st.fixed_dictionaries(
        {
            "i": st.integers(-9, 9),
            "j": st.integers(-9, 9),
            "x": st.integers(-72, 72).map(lambda n: n / 8),
            "s": st.text("abAB", max_size=3),
        }
    ),
    st.text("abAB", max_size=3),
    st.lists(st.one_of(st.integers(-3, 3), st.sampled_from([0.5, 2.5])), max_size=3),
)
def test_where_the_languages_agree_python_gives_the_same(text, data, t, items):
    """Python's own eval is the oracle."""
    assume(len(text) <= TEXT_CHARS_MAX)
    scope = {**data, "t": t, "l": items, "o": Bag(data, o=Bag(data))}
    functions = {"lower": str.lower, "upper": str.upper, "len": len, "abs": abs, "round": round, "min": min, "max": max}
    try:
        expected = eval(text, {"__builtins__": {}, **functions}, dict(scope))  # noqa: S307 - the oracle; the text is ours
    except ZeroDivisionError:  # missing with us, and what follows from it
        return
    expression = compiled_or_refused(text, scope)
    if isinstance(expression, ExpressionError):
        assert "deep" in str(expression)
        return
    found = expression.evaluate(scope)
    assert found == expected
    assert type(found) is type(expected)


# --- property paths


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("properties.category", ["tents"]),
        ("properties.nothing", []),
        ("properties.null", []),
        ("properties.category.x", []),
        ("properties.null.x", []),
        ("properties.price.amount-eur", [5]),
        ("properties.$zero", [0]),
        ("properties._id", [False]),
        ("properties.42", [""]),
        ("properties.price", [{"amount-eur": 5}]),
        (
            "properties.products",
            [[{"category": "tents"}, {"category": None}, {}, None, {"category": "boots"}, {"category": "tents"}]],
        ),
        ("properties.products[].category", ["tents", "boots"]),
        ("properties.products[].nothing", []),
        ("properties.products[]", [{"category": "tents"}, {"category": None}, {}, {"category": "boots"}]),
        ("properties.category[]", []),
        ("properties.price[]", []),
        ("properties.tags[]", ["x", 1, True, "1", 0, False]),
        ("properties.nested[].in[].x", [1, 2, 3]),
        ("context.page.path", ["/tents"]),
        ("context.nothing.path", []),
        ("name", ["Product Viewed"]),
        ("time", [7]),
        ("message_id", ["m-1"]),
    ],
)
def test_a_path_finds_what_is_there_in_order_and_without_repeats(text, values):
    """Missing and null are nothing; 1, True and '1' are three things; `[]` opens lists only."""
    seen = event(
        time=7,
        message_id="m-1",
        context={"page": {"path": "/tents"}},
        **{
            "category": "tents",
            "null": None,
            "price": {"amount-eur": 5},
            "$zero": 0,
            "_id": False,
            "42": "",
            "products": [{"category": "tents"}, {"category": None}, {}, None, {"category": "boots"}, {"category": "tents"}],
            "tags": ["x", 1, 1.0, True, "1", None, "x", 0, False],
            "nested": [{"in": [{"x": 1}, {"x": 2}]}, {"in": {"x": 9}}, 5, {"in": [{"x": 2}, {"x": 3}]}],
        },
    )
    path = compile_path(text)
    found = path.values(seen)
    assert found == values
    assert [type(one) for one in found] == [type(one) for one in values]
    assert path.many is ("[]" in text)
    found.append("mine")
    assert path.values(seen) == values


def test_paths_written_alike_are_equal():
    """They are values, too."""
    assert compile_path("properties.x") == compile_path("properties.x") != compile_path("context.x")
    assert isinstance(compile_path("properties.x"), Path)
    assert len({compile_path("properties.x"), compile_path("properties.x")}) == 1


def test_a_path_finds_a_bounded_number_of_values():
    """However long the list is, and whatever it repeats."""
    many = event(items=[{"x": n} for n in range(5_000)])
    assert compile_path("properties.items[].x").values(many) == list(range(PATH_VALUES_MAX))
    assert len(compile_path("properties.items[]").values(many)) == PATH_VALUES_MAX


@pytest.mark.parametrize(
    ("text", "column", "instead"),
    [
        ("category", 1, "write properties.category for a property"),
        ("products[].category", 1, "write properties.products[].category"),
        ("event.properties.category", 1, "write properties.category"),
        ("event.name", 1, "write name"),
        ("propertes.category", 1, "write properties.category"),
        ("profile.email", 1, "write properties.profile.email for a property"),
        ("nam", 1, "write name"),
        ("name.first", 1, "write name, which has no parts"),
        ("properties", 12, "letters, digits"),
        ("properties.", 12, "letters, digits"),
        ("properties..x", 12, "letters, digits"),
        ("properties.x.", 14, "letters, digits"),
        ("properties.products[0].x", 12, "[] for any item"),
        ("properties.products[", 12, "[] for any item"),
        ("properties.[].x", 12, "[] for any item"),
        ("properties.x[][]", 12, "[] for any item"),
        ("properties.a b", 12, "letters, digits"),
        ("properties.x\n", 12, "letters, digits"),
        ("properties[].x", 1, "write properties."),
        ("", 1, "write one, such as properties.category"),
        ("properties." + "x" * 200, 1, "1 to 200 characters"),
        (None, 1, "write one, such as properties.category"),
        (5, 1, "write one, such as properties.category"),
    ],
)
def test_a_path_that_is_none_is_refused_with_what_to_write(text, column, instead):
    """In the words of expressions' errors."""
    with pytest.raises(ExpressionError) as refused:
        compile_path(text)
    assert instead in str(refused.value)
    assert refused.value.column == column


@settings(deadline=None)
@given(
    st.one_of(
        st.text(st.characters()),
        st.lists(st.sampled_from(["properties", "context", ".", "[]", "x", "$", "name", "\ud800"])).map("".join),
    )
)
def test_random_text_is_a_path_or_refused(text):
    """Nothing else is raised, and the message can be printed."""
    try:
        assert compile_path(text).values(event(x=[{"x": 1}])) is not None
    except ExpressionError as error:
        assert str(error).encode()  # noqa: PT017 - the other half of the sentence above


def _walk(data, keys):
    """The oracle of paths: recursive, and in words nearest to their description."""
    if not keys:
        return [] if data is None else [data]
    key, *rest = keys
    below = data.get(key.removesuffix("[]")) if isinstance(data, dict) else None
    if not key.endswith("[]"):
        return _walk(below, rest)
    return [found for item in (below if isinstance(below, list) else []) for found in _walk(item, rest)]


_tree = st.recursive(
    st.one_of(st.none(), st.integers(0, 2), st.sampled_from("xy")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)),
    max_leaves=15,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("ab"), _tree), st.lists(st.sampled_from(["a", "b", "a[]", "b[]"]), min_size=1, max_size=4))
def test_a_path_finds_what_a_plain_walk_finds(properties, keys):
    """Against a recursive walk, repeats removed by comparing each with each."""
    expected = []
    for found in _walk(properties, keys):
        if found not in expected:
            expected.append(found)
    assert compile_path(".".join(["properties", *keys])).values(event(**properties)) == expected


class Lying(tzinfo):
    """A zone that knows nothing."""

    def utcoffset(self, _):
        return None

    def dst(self, _):
        return None


def test_a_zone_that_knows_nothing_gives_no_time():
    """Broken time zone data makes a value missing, not an error."""
    assert value("hour(a)", a="2026-01-01", zone=Lying()) is None


def test_the_examples_in_the_docstrings_are_true():
    """Prose that is not executed drifts."""
    assert doctest.testmod(expressions).failed == 0
