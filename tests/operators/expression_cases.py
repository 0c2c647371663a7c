"""What the tests of expressions and paths share: how to evaluate a text, and things to evaluate it on."""

from zoneinfo import ZoneInfo

import pytest

from operators.events import Event
from operators.expressions import ExpressionError, compile_expression

NAMES = frozenset(
    {
        "event",
        "properties",
        "first",
        "matched",
        "entry",
        "profile",
        "traits",
        "segments",
        "now",
        "journey",
        "a",
        "b",
        "c",
        "d",
    }
)
DAY = 86_400_000
BERLIN = ZoneInfo("Europe/Berlin")


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
