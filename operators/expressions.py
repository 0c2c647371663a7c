"""The expressions of journey files: `event.properties.step == 3 and "vip" in segments`, compiled once to code.

Checked by the definitions (which turn an `ExpressionError` into file and line), compiled by `operators.plan`, run for every
event that a journey with a `where` looks at. Not for templates (Jinja2) and not for schedules: whoever needs to know when a
result changes by the clock finds `now` in `Expression.names`.

What is written is a small subset of Python's expression grammar, and what it means differs from Python in five ways:

1. **Missing.** What is not there is None, at any depth (of an object of ours, all but what its class lists in
   `expression_names`). Comparing with None is false, whatever the operator (`!=`, `in`, `not in` and the functions that
   ask, such as `contains`, too); arithmetic and the other functions give None; only `is None` and `is not None` test for it.
2. **Nothing raises, nothing runs away.** Values that do not fit together compare false (`"a" < 1`) and compute to None
   (`"a" * 3`). So do results outside 64 bits or not finite, texts above `CHARS_MAX` and lists above `ITEMS_MAX`.
3. **A flag is not a number.** `true == 1` is false, `true + 1` is None, and `1 in [true]` is false: a property that is
   a flag in one source and a count in another must not match by accident.
4. **Equal means equal data.** 1 equals 1.0, a list equals a tuple of the same items, and nothing else crosses kinds. Only
   numbers and texts have an order.
5. **Durations** are whole milliseconds: `event.time - first.time >= 7d`. A text plus or minus a duration literal is read
   as a date or time: `profile.renewal_date - 14d` is milliseconds, too.

`and`, `or` and `if else` return one of their operands, as in Python (`profile.name or "there"`); comparisons and `not`
return True or False. NaN, which no JSON has, compares as in Python and computes to None.

>>> offer = compile_expression("event.properties.step == 3 and traits.orders > 2", names={"event", "traits"})
>>> offer.holds({"event": {"properties": {"step": 3}}, "traits": {"orders": 5}})
True
>>> offer.holds({"event": {"properties": {}}, "traits": None})
False
>>> sorted(offer.names)
['event', 'traits']
>>> compile_expression("evnt.name == 'Signed Up'", names={"event", "traits"})
Traceback (most recent call last):
    ...
operators.expression_error.ExpressionError: 'evnt' is not a name here (column 1 of "evnt.name == 'Signed Up'"): write 'event'

How it is safe: `operators.expression_scan` lets through only the tokens of the language, `ast` parses what is left, and
`operators.expression_code` checks every node and writes *new* source. That holds literals, calls of our helpers, the fields
of `Event`, and nothing that the author named: names and keys appear in it only as quoted strings, and `__builtins__` is empty.

How fast: `event.properties.step == 3` takes 0.15 us, compiling it under 0.5 ms (CPython 3.11, best of four runs on two cores
that had other work). On one line:

    python -m timeit -r 15 -s "from operators.expressions import compile_expression; from operators.events import Event"
        -s "scope = {'event': Event('track', 'n', 'c', 'm', 0, {'step': 3}, {})}"
        -s "evaluate = compile_expression('event.properties.step == 3', scope).evaluate" "evaluate(scope)"
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from operators.expression_code import Scope, write_code
from operators.expression_error import ExpressionError
from operators.expression_functions import BY_NAME
from operators.expression_tree import parse

__all__ = ["FUNCTIONS", "Expression", "ExpressionError", "compile_expression"]

FUNCTIONS: Final[Mapping[str, str]] = {name: f"{one.usage}: {one.meaning}" for name, one in BY_NAME.items()}
"""For the documentation: what each function is called with and gives."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked and compiled expression. Equal if written alike; safe to share between threads.

    `names` are the root names that it reads, `now` for `days_since` and `days_until` included. `warnings` are sentences on
    parts that are allowed and surely not meant, such as `x == None`, for `check` to show.

    `evaluate(scope)` gives the value; a list or dictionary that comes out of the scope is not copied. `holds(scope)` gives
    its truth, False for None. The scope holds the root names (one that it lacks is None); `properties` may be left out where
    `event` is there. Beyond these, `now` (integer milliseconds) and `zone` (a `tzinfo`, default UTC) are read by functions.
    """

    text: str
    names: frozenset[str]
    warnings: tuple[str, ...]
    evaluate: Callable[[Scope], object] = field(repr=False, compare=False)
    holds: Callable[[Scope], bool] = field(repr=False, compare=False)


def compile_expression(text: str, names: Collection[str], *, later: Mapping[str, str] | None = None) -> Expression:
    """Check `text` and compile it.

    Args:
        text: the expression; line breaks count as spaces.
        names: the root names that may be read here.
        later: root names that the language has but not here or not yet, each with the reason, for the message.

    Raises:
        ExpressionError: it cannot be read or used; whatever `text` is, nothing else is raised.
    """
    return Expression(text, *write_code(parse(text), frozenset(names), later or {}))
