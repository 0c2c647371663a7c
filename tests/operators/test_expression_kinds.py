"""What `check` says about kinds: only what is known, and only where it can never be meant."""

import pytest
from hypothesis import given, settings

from operators.expression_kinds import FLAG, LIST, MAPPING, NUMBER, TEXT, kind_mistakes, kind_of
from operators.expression_tree import parse
from operators.expressions import ExpressionError, compile_expression
from tests.operators.expression_cases import NAMES
from tests.operators.test_expressions_random import _expressions, _scopes

TRAITS = {"orders": NUMBER, "by": MAPPING, "top": None, "vip": FLAG, "worth": NUMBER}


def mistakes(text):
    compile_expression(text, NAMES)  # all of this runs, and is false or missing
    return [str(mistake) for mistake in kind_mistakes(parse(text), TRAITS)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'traits.orders > "3"',
            "they are not in any order (column 1 of 'traits.orders > \"3\"'): write 3 without quotes",
        ),
        ("traits.orders == '3'", "traits.orders is a number and '3' is a text: they are never equal"),
        ("traits.by >= 3", "write traits.by[VALUE] for one of its values"),
        ("traits.orders == True", "is a number and True is true or false: they are never equal"),
        ("traits.vip > 1", "they are not in any order"),
        ("traits.vip < traits.vip", "are true or false each and not in any order"),
        ("traits.orders.total > 1", "traits.orders is a number and has no parts"),
        ("segments.vip", 'write "vip" in segments'),
        ("segments['vip'] == True", 'write "vip" in segments'),
        ("segments == 'vip'", "segments is a set of names and 'vip' is a text: they are never equal"),
        ("3 in segments", "never one in the other"),
        ("'a' in traits.orders", "never one in the other"),
        ("traits.orders in ['1', '2']", "never one in the other"),
        ("event.time > '2026-01-01'", "write days_since('...') or days_until('...') to compare with a date"),
        ("event.name == 3", "event.name is a text and 3 is a number"),
        ("traits.vip + 1", "traits.vip is true or false, so 'traits.vip + 1' is always missing"),
        ("traits.by * 2", "traits.by is a mapping"),
        ("-traits.by", "always missing"),
        ("traits.orders + len('a') == 'x'", "is a number and 'x' is a text"),
        (
            "len(traits.orders) > 1",
            "traits.orders is a number, of which len(...) makes nothing",
        ),
        ("lower(traits.orders) == 'a'", "): give it a text"),
        ("days_since(traits.vip) > 1", "): give it a number or a text"),
        ("hour(now) == '9'", "write 9 without quotes"),
        ("weekday(now) == 1", "weekday(now) is a text and 1 is a number"),
        ("contains(traits.orders, 'a')", "never one in the other"),
        ("contains(segments, 3)", "never one in the other"),
        ("journey.name == 3", "journey.name is a text"),
        ("(traits.orders if traits.vip else 3) == 'a'", "never equal"),
        ("(traits.orders or 3) == 'a'", "never equal"),
        ("14d == 'x'", "14d is a number"),
        ("not traits.orders == 'a'", "never equal"),
        ("1 < traits.orders < 'a'", "not in any order"),
    ],
)
def test_what_can_never_hold_is_told(text, told):
    """With both kinds and what to write."""
    found = mistakes(text)
    assert any(told in mistake for mistake in found), found


@pytest.mark.parametrize(
    "text",
    [
        "traits.orders > 3 and 'vip' in segments",
        "traits.by['a'] >= traits.orders",
        "traits.by[event.properties.x] == 3",
        "traits.top == 'a' or traits.top == 3",
        "event.properties.x == '3' and properties.y > 3",
        "profile.renewal_date - 14d < now",
        "'2026-01-01' + 3d > event.time",
        "traits.vip == True and traits.vip != False",
        "profile.name + '!' == 'Bo!'",
        "'a' + profile.name == 'ab'",
        "event.properties.tags + ['a'] == ['a']",
        "days_since('2026-01-01') > 3",
        "len(segments) > 1 or len(traits.by) > 2 or len('a') > 0",
        "traits.orders is None",
        "traits.orders in [1, '2']",
        "traits.orders in []",
        "event.name in ['a', 'b'] and 'a' in event.name",
        "'a' in traits.by",
        "min(traits.orders, 3) > 'a'",
        "hour(now) >= 9 and weekday(now) == 'monday'",
        "traits.worth / traits.orders > 0.5 * traits.worth",
        "matched[0].properties.x == 1",
        "contains(event.name, 'a') == True",
        "round(traits.worth, 2) == -1.5",
    ],
)
def test_what_may_be_meant_is_not_spoken_of(text):
    """Properties can hold anything, and both sides of a kind are fine."""
    assert mistakes(text) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("traits.orders * 2", NUMBER),
        ("traits.orders > 2", FLAG),
        ("'a' if traits.vip else 'b'", TEXT),
        ("[1] + [2]", LIST),
        ("profile.x", None),
        ("profile.x + 1", None),
        ("traits.orders or 'none'", None),
        ("profile.date - 14d", NUMBER),
        ("not profile.x", FLAG),
    ],
)
def test_kinds_of_results(text, kind):
    """What a trait that is an expression passes on to its readers."""
    assert kind_of(parse(text), TRAITS) == kind


@settings(max_examples=400, deadline=None)
@given(_expressions, _scopes)
def test_what_is_known_of_a_kind_is_true(text, scope):
    """Whatever is in the data: the result is of the kind that was told beforehand, or missing."""
    try:
        expression = compile_expression(text, NAMES)
    except ExpressionError:
        return
    tree = parse(text)
    kind_mistakes(tree)
    kind = kind_of(tree, {})
    scope = {
        name: value for name, value in scope.items() if name not in ("now", "segments", "event", "first", "properties")
    }
    value = expression.evaluate(scope)
    kinds = {int: NUMBER, float: NUMBER, str: TEXT, bool: FLAG, list: LIST, tuple: LIST, set: LIST}
    assert kind is None or value is None or kinds.get(type(value)) == kind
