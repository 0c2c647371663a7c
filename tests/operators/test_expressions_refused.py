"""What the expression language refuses and how it says so, and that nothing gets out of it."""

import pytest

from operators.expression_scan import TEXT_CHARS_MAX
from operators.expressions import ExpressionError, compile_expression
from tests.operators.expression_cases import NAMES, refusal, value


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
