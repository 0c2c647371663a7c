"""Random expressions, random data and random text: nothing raises, nothing gets out, and all means what it says."""

import ast
import re
from datetime import timedelta, timezone
from math import nan
from operator import ge, gt, le, lt
from zoneinfo import ZoneInfo

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from operators.events import Event
from operators.expression_code import HELPERS
from operators.expression_functions import BY_NAME
from operators.expression_scan import TEXT_CHARS_MAX
from operators.expressions import FUNCTIONS, ExpressionError
from operators.pattern_repeats import token_of
from operators.trait_keepers import ByValue
from operators.trait_windows import Count, Window
from state.traits import Kept
from tests.examples import examples
from tests.operators.expression_cases import BERLIN, DAY, Thing, compiled_or_refused, event

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
_zones = st.one_of(
    st.none(), st.sampled_from([BERLIN, timezone.utc, ZoneInfo("Pacific/Apia"), timezone(timedelta(hours=-23))])
)
_by_value = st.builds(
    lambda items: ByValue(Count(Window(5, 64)), {token_of(value): Kept([at], [], []) for value, at in items}, 10),
    st.lists(st.tuples(st.sampled_from(["a", "b", "x", -1, 0, 1, 2.5, True, False]), st.integers(0, 10))),
)
"""A trait with `by`, as the engine keeps it."""
_traits = st.dictionaries(st.sampled_from("abcx"), st.one_of(_by_value, _json), max_size=3)
_scopes = st.fixed_dictionaries(
    {},
    optional={
        "traits": st.one_of(_traits, _by_value),
        **{name: st.one_of(_json, _sets, _by_value) for name in "abcd"},
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
        [
            "0",
            "1",
            "-1",
            "2.5",
            "1e300",
            "9223372036854775807",
            "True",
            "False",
            "None",
            "''",
            "'a'",
            "'x'",
            "5d",
            "90m",
        ]
    ),
    st.sampled_from(
        ["[]", "[1, 'a']", "(0,)", "{1, 2.5}", "['a', 'b']", "[True, None, [1]]", "'2026-01-01'", '"\'"', "-0.5"]
    ),
)
_roots = st.sampled_from(
    [
        "a",
        "b",
        "traits",
        "traits.a",
        "event",
        "first",
        "properties",
        "segments",
        "now",
        "event.properties",
        "event.time",
    ]
)


def _grown(inner):
    numeric = st.one_of(
        _roots, inner.filter(lambda text: text.startswith("(")), st.sampled_from(["1", "2.5", "3d", "-7"])
    )
    owner = st.one_of(_roots, inner.filter(lambda text: text.endswith(")") and " if " in text))
    return st.one_of(
        st.builds(
            "({} {} {})".format,
            inner,
            st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]),
            inner,
        ),
        st.builds("({} {} {} {} {})".format, inner, st.sampled_from("<>"), inner, st.sampled_from(["==", "in"]), inner),
        st.builds("({} {} {})".format, numeric, st.sampled_from("+-*/"), numeric),
        st.builds("(-({}))".format, _roots),
        st.builds("(not {})".format, inner),
        st.builds("({} is None)".format, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds(
            "{}.{}".format, owner, st.sampled_from(["a", "x", "shown", "hidden", "name", "properties", "append"])
        ),
        st.builds("{}[{}]".format, owner, inner),
        st.builds(
            "{}({})".format,
            st.sampled_from(sorted(FUNCTIONS)),
            inner,
        ),
        st.builds(
            "{}({}, {})".format,
            st.sampled_from(["contains", "starts_with", "ends_with", "min", "max", "round"]),
            inner,
            inner,
        ),
    )


_expressions = st.recursive(st.one_of(_roots, _literals), _grown, max_leaves=10)


@settings(max_examples=examples(600), deadline=None)
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
    assert repr(expression.evaluate(scope)) == repr(result) or isinstance(
        result, (list, tuple, dict, set, frozenset, Thing)
    )
    assert expression.holds(scope) is bool(result)


def _plainly(node, scope):
    """What `node` means, by walking the tree: no inlining, nothing remembered, one helper per operation."""
    helper = HELPERS

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
            function = BY_NAME[node.func.id]
            return function.call(*map(walk, node.args), *(scope.get(key) for key in function.reads))


def _plain_test(operator, left, right):
    helper = HELPERS
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
    orders = {ast.Lt: lt, ast.LtE: le, ast.Gt: gt, ast.GtE: ge}
    return there and helper["ordered"](left, right) and orders[type(operator)](left, right)


@settings(max_examples=examples(600), deadline=None)
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


@settings(max_examples=examples(300), deadline=None)
@given(_expressions)
def test_the_written_code_names_nothing_but_our_helpers(text):
    """No built-ins, no imports, and no attribute but `get` and the fields of an event."""
    expression = compiled_or_refused(text)
    assume(not isinstance(expression, ExpressionError))
    surroundings = expression.evaluate.__globals__
    assert surroundings["__builtins__"] == {}
    for function in (expression.evaluate, expression.holds):
        names = set(function.__code__.co_names)
        assert names <= {"get", *HELPERS, *Event.expression_names}
        assert function.__code__.co_freevars == ()
        assert not any(hasattr(constant, "co_code") for constant in function.__code__.co_consts)


_soup = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(
                    "a",
                    "b",
                    "event",
                    "in",
                    "not",
                    "and",
                    "or",
                    "is",
                    "if",
                    "else",
                    "None",
                    "True",
                    "lambda",
                    "for",
                    "_",
                    "__x__",
                ),
                *(
                    "14d",
                    "1.5h",
                    "5",
                    "0x1",
                    "1e999",
                    "...",
                    "'x'",
                    "'",
                    '"',
                    "f'",
                    "\\",
                    "\\d",
                    "len(",
                    "len",
                    ".x",
                    "[0]",
                ),
                *" .,()[]{}+-*/=<>!#:%~@;?$`\n\t\x00\u00a0\ud800\ufb01\uff3f",
                *("==", "!=", "**", "//", ":="),
            ]
        ),
        st.text(st.characters(), max_size=3),
        st.text(st.characters(categories=["Cs", "Cc", "Nd", "No", "Pc", "Zs"]), max_size=2),
    ),
    max_size=12,
).map("".join)


@settings(max_examples=examples(1_000), deadline=None)
@given(
    st.one_of(
        st.text(),
        _soup,
        st.lists(
            st.sampled_from(
                ["a", "b", "5d", "'x'", "len", "==", "and", "not", "in", "is", "None", "if", "else", *"()[].+-,"]
            )
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


@settings(max_examples=examples(500), deadline=None)
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
