"""The expressions of journey files: `event.properties.step == 3 and "vip" in segments`, compiled once to code.

Also their property paths, `properties.products[].category`. Not for templates (Jinja2) and not for schedules: whoever
needs to know when a result changes by the clock finds `now` in `Expression.names`. Called by the definitions (which
turn an `ExpressionError` into file and line) and, for every event, by patterns, traits, segments and steps.

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
>>> sorted(offer.paths)
['event.properties.step', 'traits.orders']
>>> compile_expression("evnt.name == 'Signed Up'", names={"event", "traits"})
Traceback (most recent call last):
    ...
operators.expressions.ExpressionError: 'evnt' is not a name here (column 1 of "evnt.name == 'Signed Up'"): write 'event'

How it is safe: the scanner lets through only the tokens listed here, `ast` parses what is left, every node is checked
against the grammar, and then *new* source is written from the checked tree. That source holds literals, calls of the helpers
below, the fields of `Event`, and nothing that the author named: names and keys appear in it only as quoted strings, and
`__builtins__` is empty.

How fast: `event.properties.step == 3` takes 0.15 us, the path `properties.step` 0.11 us, compiling either under 0.5 ms (CPython
3.11, best of four runs on two cores that had other work). On one line:

    python -m timeit -r 15 -s "from operators.expressions import compile_expression; from operators.events import Event"
        -s "scope = {'event': Event('track', 'n', 'c', 'm', 0, {'step': 3}, {})}"
        -s "evaluate = compile_expression('event.properties.step == 3', scope).evaluate" "evaluate(scope)"
"""

import ast
import keyword
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from difflib import get_close_matches
from math import isfinite
from types import CodeType, FunctionType
from typing import Any, Final, NamedTuple, NoReturn

from operators.durations import parse_duration
from operators.events import Event

# Bounds. An expression is a line or two in a YAML file: the longest in our examples is under 100 characters, 2,000 is a
# page. The depths keep Python's own parser and compiler, which recurse, far from their limits (200 brackets, 100
# indents), so that what compiles does not depend on how deep the caller's stack is.
TEXT_CHARS_MAX: Final = 2_000
BRACKETS_MAX: Final = 32
DEPTH_MAX: Final = 64
# What `+` may build out of what it is given. Nothing else in the language makes a value much larger than its parts.
CHARS_MAX: Final = 10_000
ITEMS_MAX: Final = 1_000
# Values visited by one comparison of lists or dictionaries. Beyond it they count as different: an event is bounded by the
# reader (about a megabyte), so this is for lists that `+` made out of the same large part many times.
COMPARED_MAX: Final = 100_000
INTEGER_LEAST: Final = -(2**63)
INTEGER_MOST: Final = 2**63 - 1

DAY_MS: Final = 86_400_000
UTC: Final = timezone.utc
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

Scope = Mapping[str, object]


class ExpressionError(ValueError):
    """An expression or path that cannot be used: what is wrong, where, and what to write instead.

    `column` counts characters of the text from 1, as editors do.
    """

    def __init__(self, message: str, column: int = 1) -> None:
        super().__init__(message)
        self.column = column


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked and compiled expression. Equal if written alike; safe to share between threads.

    `names` are the root names that it reads, `now` for `days_since` and `days_until` included. `paths` are the dotted paths
    it reads, each as far as it is fixed: `traits.views[event.properties.category]` reads `event.properties.category` and
    something under `traits.views`. `functions` are those it calls. `warnings` are sentences on parts that are allowed and
    surely not meant, such as `x == None`, for `check` to show.

    `evaluate(scope)` gives the value; a list or dictionary that comes out of the scope is not copied. `holds(scope)` gives
    its truth, False for None. The scope holds the root names (one that it lacks is None); `properties` may be left out where
    `event` is there. Beyond these, `now` (integer milliseconds) and `zone` (a `tzinfo`, default UTC) are read by functions.
    """

    text: str
    names: frozenset[str]
    paths: frozenset[str]
    functions: frozenset[str]
    warnings: tuple[str, ...]
    evaluate: Callable[[Scope], object] = field(repr=False, compare=False)
    holds: Callable[[Scope], bool] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Path:
    """A property path of an event, as in `by: properties.category`. Equal if written alike.

    `values(event)` are the values found, in order and without repeats; missing and null ones are none, so a path without
    `[]` gives none or one. A value may be a list or a dictionary: only what a path with `[]` goes through is opened. `many`
    tells whether it has `[]`.
    """

    text: str
    many: bool
    values: Callable[[Any], list[object]] = field(repr=False, compare=False)


def compile_expression(text: str, names: Collection[str], *, later: Mapping[str, str] | None = None) -> Expression:
    """Check `text` and compile it.

    Args:
        text: the expression; line breaks count as spaces.
        names: the root names that may be read here.
        later: root names that the language has but not here or not yet, each with the reason, for the message.

    Raises:
        ExpressionError: it cannot be read or used; whatever `text` is, nothing else is raised.
    """
    if not isinstance(text, str):
        raise ExpressionError(f"{text!r} is not an expression: write it as text, in quotes")
    scanned = _scan(text)
    writer = _Writer(text, scanned, frozenset(names), later or {})
    try:
        tree = ast.parse(scanned.source, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        _refuse_unreadable(text, error)
    writer.check_depth(tree)
    result = writer.value(tree)
    evaluate, holds = writer.functions_returning(result)
    return Expression(
        text=text,
        names=frozenset(writer.names_read),
        paths=frozenset(writer.paths_read),
        functions=frozenset(writer.functions_called),
        warnings=tuple(writer.warnings),
        evaluate=evaluate,
        holds=holds,
    )


_EVENT_DATA: Final = ("properties", "context")
_EVENT_FIELDS: Final = ("name", "time", "message_id")
# Segment's own events are at most 5 deep; an order of more than 1,000 lines is compared by its first 1,000.
PATH_CHARS_MAX: Final = 200
PATH_VALUES_MAX: Final = 1_000
_KEY = re.compile(r"([\w$-]+)(\[\])?")


def compile_path(text: str) -> Path:
    """Check a property path and compile it: `properties.category`, `properties.products[].category`, `context.ip`, `name`.

    Keys hold letters, digits, `_`, `-` and `$`. A path with `[]` finds at most `PATH_VALUES_MAX` values.

    Raises:
        ExpressionError: it is no path of an event; nothing else is raised.
    """
    if not isinstance(text, str):
        raise ExpressionError(f"{text!r} is not a property path: write one, such as properties.category")
    if not text or len(text) > PATH_CHARS_MAX:
        raise _error(
            text, 0, f"a property path has 1 to {PATH_CHARS_MAX} characters", "write one, such as properties.category"
        )
    root, *written = text.split(".")
    if root in _EVENT_FIELDS and not written:
        return Path(text, many=False, values=_field_values(root))
    if root not in _EVENT_DATA:
        raise _error(text, 0, f"{root!r} is not a part of an event", _instead_of_path(text, root, written))
    keys: list[tuple[str, bool]] = []
    place = len(root) + 1
    for segment in written or [""]:
        found = _KEY.fullmatch(segment)
        if found is None:
            what = f"{segment!r} is not a key" if segment else "a key is missing"
            instead = (
                "write letters, digits, _, - and $, and [] for any item of a list, as properties.products[].category"
            )
            raise _error(text, place, what, instead)
        keys.append((found[1], found[2] is not None))
        place += len(segment) + 1
    if any(opened for _, opened in keys):
        return Path(text, many=True, values=_many_values(root, tuple(keys)))
    return Path(text, many=False, values=_one_value(root, tuple(key for key, _ in keys)))


def _instead_of_path(text: str, root: str, written: list[str]) -> str:
    known = (*_EVENT_DATA, *_EVENT_FIELDS)
    rule = f"a path begins with {', '.join(known)}"
    if not all(map(_KEY.fullmatch, text.split("."))):
        return f"write letters, digits, _, - and $; {rule}"
    if root == "event" and written and written[0] in known:
        return f"write {'.'.join(written)}"
    if root in _EVENT_FIELDS:
        return f"write {root}, which has no parts"
    near = _nearest(root, _EVENT_DATA if written else _EVENT_FIELDS)
    return f"write {'.'.join((near, *written))}" if near else f"write properties.{text} for a property; {rule}"


def _field_values(name: str) -> Callable[[Any], list[object]]:
    def values(event: Any) -> list[object]:
        value = getattr(event, name)
        return [] if value is None else [value]

    return values


def _one_value(root: str, keys: tuple[str, ...]) -> Callable[[Any], list[object]]:
    """For each event and pattern: the common `properties.x` is one attribute and one `get`."""
    first, *rest = keys

    def of_properties(event: Any) -> list[object]:
        value = event.properties.get(first)
        return [] if value is None else [value]

    def below(event: Any) -> list[object]:
        value = getattr(event, root).get(first)
        for key in rest:
            value = value.get(key) if type(value) is dict else _read(value, key)
        return [] if value is None else [value]

    return of_properties if root == "properties" and not rest else below


def _many_values(root: str, keys: tuple[tuple[str, bool], ...]) -> Callable[[Any], list[object]]:
    def values(event: Any) -> list[object]:
        value: Any
        found: list[Any] = [getattr(event, root)]
        for key, opened in keys:
            below: list[Any] = []
            for owner in found:
                value = owner.get(key) if type(owner) is dict else _read(owner, key)
                if not opened:
                    below.append(value)
                elif type(value) in _LISTS:
                    below.extend(value)
            found = below[:PATH_VALUES_MAX]
        return _distinct(found)

    return values


def _distinct(found: list[Any]) -> list[object]:
    """The values that are there without repeats, by what `==` means in an expression."""
    scalars: set[object] = set()
    others: list[object] = []
    distinct: list[object] = []
    budget = [COMPARED_MAX]
    for value in found:
        kind = type(value)
        if kind in _SCALARS:
            mark = (bool, value) if kind is bool else value  # True is not 1
            if mark in scalars:
                continue
            scalars.add(mark)
        elif value is None:
            continue
        else:
            if budget[0] > 0 and any(_alike(value, other, budget) for other in others):
                continue
            others.append(value)
        distinct.append(value)
    return distinct


# ---------------------------------------------------------------------------------------------------------------------
# Scanning: from text to source that `ast` reads, of the same length, so that its columns are ours.
#
# A scanner of our own, in front of Python's, for four reasons: `14d` is no Python token; messages at the exact place, the
# same in all versions of Python; Python warns about odd literals, and a warning is an error in our tests; and what never
# reaches the parser cannot be a way around it.
# ---------------------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<text>'(?:[^'\\\n\r]|\\.)*'|"(?:[^"\\\n\r]|\\.)*")
    | (?P<duration>[0-9]+(?:ms|[wdhms])(?!\w))
    | (?P<number>(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?(?!\.?\w))
    | (?P<name>[^\W\d]\w*)
    | (?P<mark>===|!==|<=>|==|!=|<=|>=|\*\*|//|<<|>>|&&|\|\||:=|->|<>|=>|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_MARKS: Final = frozenset(["==", "!=", "<=", ">=", *"<>+-*/()[]{},."])
_INSTEAD_OF_MARK: Final = {
    "=": "write == to compare",
    "===": "write ==",
    "!==": "write !=",
    "<>": "write !=",
    "<=>": "write <= or >=",
    "=>": "write >=",
    "&&": "write and",
    "&": "write and",
    "||": "write or",
    "|": "write or",
    "!": "write not",
    "~": "write not",
    "**": "multiply it out, as in x * x",
    "^": "multiply it out, as in x * x",
    "//": "write round(a / b)",
    "%": "there is no remainder; compare times and counts with < and >= instead",
    "<<": "write <",
    ">>": "write >",
    ":=": "write == to compare; nothing can be assigned here",
    ":": "slices and dictionaries are not part of the language; write a clock time in quotes, as '18:30'",
    "?": "write a if condition else b",
    "#": "write comments outside of the expression",
    "$": "write such a key in brackets and quotes, as properties['$name']",
    "@": "write a text in quotes, as 'a@example.org'",
    ";": "write and, or or between conditions",
    "`": "write a text in quotes",
    "'": "close the quote on the same line; write \\' for one inside the text",
    '"': 'close the quote on the same line; write \\" for one inside the text',
    "\\": "leave it out; a line break needs no mark",
    **dict.fromkeys(
        "\u2018\u2019\u201c\u201d\u00ab\u00bb", "write straight quotes, ' or \""
    ),  # as word processors make them
    **dict(
        zip(
            "\u2264\u2265\u2260\u00d7\u00f7\u2212\u2013",
            ("write <=", "write >=", "write !=", "write *", "write /", "write -", "write -"),
            strict=True,
        )
    ),
}
_WORDS: Final = frozenset(["and", "or", "not", "in", "is", "if", "else", "True", "False", "None"])
_OTHER_KEYWORDS: Final = frozenset(keyword.kwlist) - _WORDS
_INSTEAD_OF_NAME: Final = {
    "true": "True",
    "false": "False",
    "null": "None",
    "nil": "None",
    "none": "None",
    "undefined": "None",
    "AND": "and",
    "OR": "or",
    "NOT": "not",
    "IN": "in",
    "equals": "==",
    "eq": "==",
    "gt": ">",
    "lt": "<",
}
_TEXT_PREFIXES: Final = frozenset(["f", "r", "b", "u", "t", "fr", "rf", "br", "rb", "tr", "rt"])
_ESCAPE = re.compile(r"\\(?:([\\'\"ntr])|x[0-9a-fA-F]{2}|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|(.))", re.DOTALL)
_CLOSES: Final = {"(": ")", "[": "]", "{": "}"}


class _Scanned(NamedTuple):
    source: str
    durations: dict[int, int]  # by place in `source`


def _scan(text: str) -> _Scanned:
    """Refuse what is no token of the language; replace each duration by underscores of its length and note its value."""
    if not text.strip():
        raise ExpressionError(f"{text!r} is empty: write an expression, such as event.properties.step == 3")
    if len(text) > TEXT_CHARS_MAX:
        raise ExpressionError(
            f"{_clipped(text, 0)} has {len(text):,} characters: write at most {TEXT_CHARS_MAX:,}, "
            "or name a part of it as a trait or segment"
        )
    pieces: list[str] = []
    durations: dict[int, int] = {}
    open_brackets: list[tuple[str, int]] = []
    conditions: list[int] = []  # where an `if` waits for its `else`
    before, word_before, before_place = "", "", 0  # of the token before; its kind is "value" where a value ends with it
    for found in _TOKEN.finditer(text):
        kind, word, place = found.lastgroup or "", found.group(), found.start()
        if kind == "space":
            pieces.append(" " * len(word))
            continue
        if kind == "mark":
            _check_mark(text, word, place, open_brackets)
            kind = "value" if word in ")]}" else "mark"
            pieces.append(word)
        elif kind == "name" and word in _WORDS and word_before != ".":
            if word == "if":
                conditions.append(place)
            elif word == "else" and conditions:
                conditions.pop()
            kind = "value" if word in ("True", "False", "None") else "mark"
            pieces.append(word)
        else:
            if kind == "duration":
                try:
                    durations[place + 1] = parse_duration(word, allow_zero=True)
                except ValueError as error:
                    raise _error(text, place, *str(error).split(": ", 1)) from None
                pieces.append("_" * len(word))
            else:
                _CHECKS[kind](text, word, place, word_before)
                pieces.append(word)
            if word_before == "." and kind != "name":
                key = word if kind == "text" else f"'{word}'"
                raise _error(text, place, f"{word} after a dot is not a name", f"write [{key}] instead of .{word}")
            if before == "value":
                _refuse_neighbours(text, (word_before, before_place), (word, place))
            kind = "value"
        before, word_before, before_place = kind, word, place
    if open_brackets:
        mark, place = open_brackets[-1]
        raise _error(text, place, f"{mark!r} is never closed", f"write {_CLOSES[mark]!r} where it ends")
    if conditions:
        raise _error(
            text, conditions[-1], "'if' has no 'else'", "write a if condition else b, or and between conditions"
        )
    if before == "mark":
        raise _error(text, before_place, f"nothing follows {word_before!r}", "write a value after it, or leave it out")
    # In brackets, because the parser refuses leading space; the brackets inside are balanced, so nothing gets out.
    return _Scanned(f"({''.join(pieces)})", durations)


def _check_mark(text: str, mark: str, place: int, open_brackets: list[tuple[str, int]]) -> None:
    if mark.isdigit():
        found = re.match(r"[\w.]+", text[place:])
        raise _error(text, place, *_not_a_number(found[0] if found else mark))
    if mark not in _MARKS:
        instead = _INSTEAD_OF_MARK.get(mark, "leave it out, or write it in quotes as part of a text")
        raise _error(text, place, f"{mark!r} is not part of the language", instead)
    if mark in _CLOSES:
        open_brackets.append((mark, place))
        if len(open_brackets) > BRACKETS_MAX:
            raise _error(
                text, place, f"more than {BRACKETS_MAX} brackets deep", "write it as several traits or segments"
            )
    elif mark in ")]}":
        if not open_brackets or _CLOSES[open_brackets[-1][0]] != mark:
            wanted = f"write {_CLOSES[open_brackets[-1][0]]!r}" if open_brackets else "leave it out"
            raise _error(text, place, f"{mark!r} closes nothing", wanted)
        open_brackets.pop()


def _check_text(text: str, word: str, place: int, word_before: str) -> None:
    del word_before
    for found in _ESCAPE.finditer(word):
        if found[2] is not None:
            at = place + found.start()
            raise _error(
                text, at, f"{found[0]!r} is no escape", "write \\\\ for a backslash, or \\n, \\t, \\', \\\" or \\u00e9"
            )
    for at, character in enumerate(word, place):
        # Python's parser stops at NUL, and a surrogate cannot be encoded; no control character is meant.
        if unicodedata.category(character) in ("Cc", "Cs") and character != "\t":
            raise _error(
                text, at, f"{character!r} cannot stand in a text", "leave it out, or write \\n for a line break"
            )


def _check_number(text: str, word: str, place: int, word_before: str) -> None:
    del word_before
    if re.match(r"0[0-9_]", word):
        raise _error(
            text, place, f"{word!r} begins with 0", f"write {word.lstrip('0_') or '0'}, or in quotes if it is a text"
        )
    if "__" in word or re.search(r"_(?![0-9])", word):
        raise _error(text, place, f"{word!r} is not a number", f"write {word.replace('_', '')}")


def _check_name(text: str, name: str, place: int, word_before: str) -> None:
    if word_before == ".":
        if name in _WORDS or name in _OTHER_KEYWORDS:
            raise _error(text, place, f"{name!r} is a word of the language", f"write ['{name}'] instead of .{name}")
    elif name in _OTHER_KEYWORDS:
        raise _error(
            text, place, f"{name!r} is not part of the language", "write conditions only; a text goes in quotes"
        )
    elif name.lower() in _TEXT_PREFIXES and text[place + len(name) : place + len(name) + 1] in ("'", '"'):
        raise _error(text, place, f"{name!r} before a quote is not part of the language", "write the quotes alone")
    if name.startswith("_"):
        # All of them, so that a name of underscores in the source can only be a duration.
        raise _error(text, place, f"{name!r} begins with '_'", f"write ['{name}'] if it is a key of the data")
    if not name.isidentifier() or unicodedata.normalize("NFKC", name) != name:
        # The parser would quietly change the letters, and the key would not be found in the data.
        raise _error(text, place, f"{name!r} has unusual letters", f"write it in brackets and quotes, as ['{name}']")


_CHECKS: Final = {"text": _check_text, "number": _check_number, "name": _check_name}


def _refuse_neighbours(text: str, left: tuple[str, int], right: tuple[str, int]) -> NoReturn:
    """Two values with nothing between: `a b`, `'a' 'b'` (which Python would glue together), `14 d`, `x AND y`."""
    if left[0].isdigit() and right[0].isalpha():
        raise _error(text, left[1], *_not_a_number(f"{left[0]}{right[0]}"))
    for word, place in (right, left):
        if word in _INSTEAD_OF_NAME:
            raise _error(text, place, f"{word!r} is not part of the language", f"write {_INSTEAD_OF_NAME[word]}")
    for word, place in (right, left):
        if word in FUNCTIONS:
            raise _error(text, place, f"{word!r} is a function", f"write {_usage(word)}")
    what = f"{left[0]} and {right[0]} stand side by side"
    raise _error(text, right[1], what, "write and, or, ==, + or a comma between them")


def _not_a_number(word: str) -> tuple[str, str]:
    """What to say of `14days` or `0x1f`, which begin like a number."""
    try:
        parse_duration(word, allow_zero=True)
    except ValueError as error:
        return f"{word!r} is neither a number nor a duration", str(error).split(": ", 1)[1]
    return f"{word!r} is written with a space", f"write {word}"


def _refuse_unreadable(text: str, error: Exception) -> NoReturn:
    """What the scanner lets through and the grammar does not, such as `a +` or `(,)`."""
    place = 0
    if isinstance(error, SyntaxError) and error.offset:
        place = min(max(error.offset - 2, 0), len(text) - 1)
    rest = text[place:].strip()
    near = f"{rest[:20]!r} cannot stand here" if rest else "the expression is not complete"
    raise _error(
        text, place, near, "write values with an operator between each two, such as a == 1 and b is None"
    ) from None


def _error(text: str, place: int, what: str, instead: str) -> ExpressionError:
    return ExpressionError(f"{what} (column {place + 1} of {_clipped(text, place)}): {instead}", column=place + 1)


def _clipped(text: str, place: int) -> str:
    """`text` as a literal, around `place` if it is too long for a line of a message."""
    if len(text) <= 80:
        return repr(text)
    start = max(0, place - 40)
    return f"{'...' if start else ''}{text[start : start + 60]!r}{'...' if start + 60 < len(text) else ''}"


def _nearest(word: str, words: Iterable[str], likeness: float = 0.6) -> str | None:
    by_lower = {known.lower(): known for known in sorted(words, reverse=True)}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=likeness)
    return by_lower[near[0]] if near else None


# ---------------------------------------------------------------------------------------------------------------------
# Writing: from the tree to straight-line code.
#
# Every operation becomes one statement that stores a variable; `and`, `or`, `if else` and chains become `if` blocks.
# Against one large nested expression this (a) reads a path once however often it is written, (b) cannot exceed the parser's
# limit of brackets, and (c) lets a comparison name its operands twice, which is what makes the common ones fast: they are
# written out with the types known from the literal, and only the rest calls a helper.
# ---------------------------------------------------------------------------------------------------------------------


class _Varies:
    """The `constant` of an operand that is none."""


_VARIES: Final = _Varies()


class _Operand(NamedTuple):
    """A value in the written code: a variable, or a literal (`constant` holds its value then)."""

    code: str
    constant: object = _VARIES


_FIXED_KINDS: Final = (ast.Constant, ast.List, ast.Tuple, ast.Set)
_ORDER: Final[dict[type[ast.cmpop], tuple[str, str]]] = {
    ast.Lt: ("<", "less"),
    ast.LtE: ("<=", "at_most"),
    ast.Gt: (">", "more"),
    ast.GtE: (">=", "at_least"),
}
_ARITHMETIC: Final[dict[type[ast.operator], tuple[str, str]]] = {
    ast.Add: ("+", "add"),
    ast.Sub: ("-", "subtract"),
    ast.Mult: ("*", "multiply"),
    ast.Div: ("/", "divide"),
}
_EVENT_ROOTS: Final = ("event", "first", "entry")
_METHODS: Final = {
    "lower": "lower({0})",
    "upper": "upper({0})",
    "startswith": "starts_with({0}, ...)",
    "endswith": "ends_with({0}, ...)",
    "get": "{0}['key']",
    "count": "len({0})",
    "hour": "hour({0})",
    "weekday": "weekday({0})",
}


class _Writer:
    """Checks a tree node by node and writes the code for it; used once."""

    def __init__(self, text: str, scanned: _Scanned, names: frozenset[str], later: Mapping[str, str]) -> None:
        self.text = text
        self.source = scanned.source.encode()
        self.durations = scanned.durations
        self.names = names
        self.later = later
        self.names_read: set[str] = set()
        self.paths_read: set[str] = set()
        self.functions_called: set[str] = set()
        self.warnings: list[str] = []
        self.lines: list[str] = []
        self.indent = 1
        self.constants: dict[str, object] = {}
        self.variables = 0
        self.known: dict[
            object, _Operand
        ] = {}  # what the code written so far has read, in this block and those around it

    # --- errors

    def place(self, node: ast.expr) -> int:
        """Where `node` begins in the text; the parser counts bytes, and one bracket that we put in front."""
        return max(len(self.source[: node.col_offset].decode()) - 1, 0)

    def error(self, node: ast.expr, what: str, instead: str) -> ExpressionError:
        return _error(self.text, self.place(node), what, instead)

    def warn(self, node: ast.expr, what: str, instead: str) -> None:
        self.warnings.append(str(self.error(node, what, instead)))

    def written(self, node: ast.expr) -> str:
        """The part of the text that `node` is."""
        end = len(self.source[: node.end_col_offset or 0].decode()) - 1
        part = self.text[self.place(node) : end]
        return part if len(part) <= 40 else f"{part[:37]}..."

    def check_depth(self, tree: ast.expr) -> None:
        """Refuse what is nested too deeply, without recursion; everything after this may recurse."""
        level: list[ast.AST] = [tree]
        for _ in range(DEPTH_MAX):
            level = [child for node in level for child in ast.iter_child_nodes(node)]
            if not level:
                return
        node = next((node for node in level if isinstance(node, ast.expr)), tree)
        raise self.error(node, f"more than {DEPTH_MAX} operations deep", "write it as several traits or segments")

    # --- code

    def line(self, code: str) -> None:
        self.lines.append(f"{' ' * self.indent}{code}")

    def fresh(self) -> str:
        self.variables += 1
        return f"v{self.variables}"

    def stored(self, code: str) -> _Operand:
        variable = self.fresh()
        self.line(f"{variable} = {code}")
        return _Operand(variable)

    def assign(self, variable: str, operand: _Operand) -> None:
        self.line(f"{variable} = {self.handed_out(operand)}")

    def handed_out(self, operand: _Operand) -> str:
        """The operand as part of the result: a list is made anew, so that no caller can change a constant."""
        return repr(operand.constant) if isinstance(operand.constant, (list, tuple, set)) else operand.code

    def fixed(self, value: object) -> str:
        """A name for a value that is made once."""
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    @contextmanager
    def block(self, condition: str) -> Iterator[None]:
        """An `if`; what is first read inside is not known after it."""
        self.line(f"{condition}:")
        known = self.known
        self.known = dict(known)
        self.indent += 1
        yield
        self.indent -= 1
        self.known = known

    def functions_returning(self, result: _Operand) -> tuple[Callable[[Scope], object], Callable[[Scope], bool]]:
        body = "\n".join(self.lines)
        value = self.handed_out(result)
        source = f"def evaluate(scope):\n{body}\n return {value}\ndef holds(scope):\n{body}\n return True if {value} else False\n"
        module = compile(source, f"<expression {self.text!r}>", "exec", dont_inherit=True)
        made = {code.co_name: code for code in module.co_consts if isinstance(code, CodeType)}
        surroundings = {**_HELPERS, **self.constants, "__builtins__": {}}
        return (
            FunctionType(made["evaluate"], surroundings, "evaluate"),
            FunctionType(made["holds"], surroundings, "holds"),
        )

    # --- nodes

    def value(self, node: ast.expr) -> _Operand:
        literal = self.literal(node)
        if not isinstance(literal, _Varies):
            code = self.fixed(literal) if isinstance(literal, (list, tuple, set)) else repr(literal)
            return _Operand(code, literal)
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            return self.access(node)
        if isinstance(node, ast.Compare):
            return self.comparison(node)
        if isinstance(node, ast.BoolOp):
            return self.choice_of_operands(node)
        if isinstance(node, ast.BinOp):
            return self.arithmetic(node)
        if isinstance(node, ast.UnaryOp):
            return self.unary(node)
        if isinstance(node, ast.IfExp):
            return self.conditional(node)
        if isinstance(node, ast.Call):
            return self.call(node)
        what = f"{self.written(node)!r} is not part of the language"
        if isinstance(node, ast.Dict):
            raise self.error(node, what, "write [] for an empty list")
        raise self.error(node, what, "write names, values, comparisons, and/or/not, + - * / and listed functions only")

    def literal(self, node: ast.expr) -> object:
        """The value of a literal, a list of literals included, or `_VARIES`."""
        if isinstance(node, ast.Name):
            return self.durations.get(self.place(node) + 1, _VARIES)
        if isinstance(node, ast.Constant):
            return self.checked_constant(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            number = self.literal(node.operand)
            return -number if isinstance(number, (int, float)) and not isinstance(number, bool) else _VARIES
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            items = [self.literal(item) for item in node.elts]
            for item, written in zip(items, node.elts, strict=True):
                if isinstance(item, _Varies):
                    what = f"{self.written(written)!r} in a list is not a literal"
                    raise self.error(written, what, "write values only, or comparisons with or between them")
                if isinstance(node, ast.Set) and isinstance(item, (list, tuple, set, bool)):
                    # Python's set takes no list, and takes True and 1 for the same.
                    raise self.error(written, f"{self.written(written)} inside braces", "write [...] instead of {...}")
            kinds: dict[type[ast.expr], Callable[[list[object]], object]] = {
                ast.List: list,
                ast.Tuple: tuple,
                ast.Set: set,
            }
            return kinds[type(node)](items)
        return _VARIES

    def checked_constant(self, node: ast.Constant) -> object:
        value = node.value
        if isinstance(value, bool) or value is None or isinstance(value, str):
            return value
        if isinstance(value, int) and value <= INTEGER_MOST:
            return value
        if isinstance(value, float) and isfinite(value):
            return value
        if isinstance(value, (int, float)):
            what = f"{self.written(node)} is too large"
            raise self.error(node, what, f"write a number up to {INTEGER_MOST}, or in quotes if it is a text")
        raise self.error(
            node, f"{self.written(node)!r} is not part of the language", "write a number, a text or a name"
        )

    def access(self, node: ast.expr) -> _Operand:
        """A name and what is read under it: `traits.views[event.properties.category]`."""
        links: list[ast.Attribute | ast.Subscript] = []
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            links.append(node)
            node = node.value
        links.reverse()
        path: str | None = None
        of_event = False
        if isinstance(node, ast.Name) and not isinstance(self.literal(node), int):
            path = node.id
            of_event = path in _EVENT_ROOTS
            operand = self.root(node)
        else:
            if isinstance(links[0], ast.Attribute) and isinstance(node, (*_FIXED_KINDS, ast.Name)):
                raise self.error(
                    node, f"{self.written(node)} has no parts", "write a name before the dot, such as event.name"
                )
            operand = self.value(node)
        for link in links:
            key = self.key(link)
            constant = key.constant
            if path is not None and not (isinstance(constant, str) and re.fullmatch(r"[\w$-]+", constant)):
                self.paths_read.add(path)
                path = None
            if path is not None:
                path = f"{path}.{constant}"
            operand = self.part(operand, key, of_event=of_event)
            of_event = False
        if path is not None:
            self.paths_read.add(path)
        return operand

    def key(self, link: ast.Attribute | ast.Subscript) -> _Operand:
        if isinstance(link, ast.Subscript):
            return self.value(link.slice)
        if link.attr.startswith("_"):  # the scanner refuses it first; twice is safer
            raise self.error(
                link, f"{link.attr!r} begins with '_'", f"write ['{link.attr}'] if it is a key of the data"
            )
        return _Operand(repr(link.attr), link.attr)

    def root(self, node: ast.Name) -> _Operand:
        """A root name."""
        name = node.id
        self.check_name(node, name)
        self.names_read.add(name)
        if name not in self.known:
            self.known[name] = self.stored(f"scope.get({name!r})")
            if name == "properties":
                # Those of the current event, whether or not the caller put them into the scope once more.
                variable = self.known[name].code
                self.line(f"if {variable} is None: {variable} = read(scope.get('event'), 'properties')")
        return self.known[name]

    def check_name(self, node: ast.expr, name: str) -> None:
        if name in self.names:
            return
        if name in self.later:
            raise self.error(node, f"{name!r} cannot be used here", self.later[name])
        what = f"{name!r} is not a name here"
        if name in _INSTEAD_OF_NAME:
            raise self.error(node, what, f"write {_INSTEAD_OF_NAME[name]}")
        if name in FUNCTIONS:
            raise self.error(node, what, f"it is a function; write {_usage(name)}")
        if glued := re.search(r"(\w+)-$", self.text[: self.place(node)]):
            raise self.error(node, what, f"write ['{glued[1]}-{name}'] in brackets and quotes if that is one key")
        if near := _nearest(name, self.names, 0.7):
            raise self.error(node, what, f"write {near!r}")
        hints = [f"the names here are {', '.join(sorted(self.names))}"] if self.names else ["there are no names here"]
        if "properties" in self.names or "event" in self.names:
            root = "properties" if "properties" in self.names else "event.properties"
            hints.append(f"a property of the event is {root}.{name}")
        hints.append(f"a text goes in quotes, as '{name}'")
        raise self.error(node, what, "; ".join(hints))

    def part(self, operand: _Operand, key: _Operand, *, of_event: bool) -> _Operand:
        """What is under `key`: inline for events and for dictionaries, which most data is, by a helper for the rest."""
        remembered = (operand.code, key.code)
        if remembered not in self.known:
            if isinstance(key.constant, str) and isinstance(operand.constant, _Varies):
                owner = operand.code
                code = f"{owner}.get({key.code}) if type({owner}) is dict else read({owner}, {key.code})"
                if of_event and key.constant in Event.expression_names:
                    code = f"{owner}.{key.constant} if type({owner}) is event_class else {code}"
            else:
                code = f"index({operand.code}, {key.code})"
            self.known[remembered] = self.stored(code)
        return self.known[remembered]

    def choice_of_operands(self, node: ast.BoolOp) -> _Operand:
        self.check_operands(node)
        result = self.fresh()
        self.assign(result, self.value(node.values[0]))
        condition = f"if {result}" if isinstance(node.op, ast.And) else f"if not {result}"
        for operand in node.values[1:]:
            with self.block(condition):
                self.assign(result, self.value(operand))
        return _Operand(result)

    def check_operands(self, node: ast.BoolOp) -> None:
        """`x == 'a' or 'b'` is true for every x; who writes it means `x in ['a', 'b']`."""
        compared = next((operand for operand in node.values if isinstance(operand, ast.Compare)), None)
        for operand in node.values:
            if compared is not None and isinstance(operand, (ast.Constant, ast.List, ast.Tuple, ast.Set)):
                instead = f"write {self.written(compared.left)} in [...], or a comparison"
                self.warn(operand, f"{self.written(operand)} stands for itself, not for a comparison", instead)

    def conditional(self, node: ast.IfExp) -> _Operand:
        condition = self.value(node.test)
        result = self.fresh()
        with self.block(f"if {condition.code}"):
            self.assign(result, self.value(node.body))
        with self.block("else"):
            self.assign(result, self.value(node.orelse))
        return _Operand(result)

    def unary(self, node: ast.UnaryOp) -> _Operand:
        operand = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return self.stored(f"not {operand.code}")
        if isinstance(node.op, ast.USub):
            self.check_number(node.operand, operand)
            return self.stored(f"subtract(0, {operand.code})")
        raise self.error(node, f"{self.written(node)!r} begins with an operator", "leave it out")

    def arithmetic(self, node: ast.BinOp) -> _Operand:
        if type(node.op) not in _ARITHMETIC:  # the scanner refuses the others first; twice is safer
            raise self.error(node, f"{self.written(node)!r} is not part of the language", "write + - * or /")
        mark, helper = _ARITHMETIC[type(node.op)]
        left, right = self.value(node.left), self.value(node.right)
        shifts_left = mark in "+-" and self.is_duration(node.right)
        shifts_right = mark == "+" and self.is_duration(node.left)
        for part, operand in ((node.left, left), (node.right, right)):
            joins = mark == "+" and isinstance(operand.constant, (str, list, tuple))
            is_date = shifts_left and part is node.left and isinstance(operand.constant, str)
            if not joins and not is_date:
                self.check_number(part, operand)
        if shifts_left:
            left = self.moment(left)
        elif shifts_right:
            right = self.moment(right)
        return self.stored(f"{helper}({left.code}, {right.code})")

    def check_number(self, node: ast.expr, operand: _Operand) -> None:
        if not isinstance(operand.constant, _Varies) and type(operand.constant) not in _NUMBERS:
            what = f"{self.written(node)} is not a number, so the result is always missing"
            raise self.error(node, what, "write a number or a name")

    def is_duration(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and self.place(node) + 1 in self.durations

    def moment(self, operand: _Operand) -> _Operand:
        """The operand, read as a date if it is a text."""
        code = operand.code
        return self.stored(f"moment({code}, scope.get('zone')) if type({code}) is str else {code}")

    def call(self, node: ast.Call) -> _Operand:
        name = self.called(node)
        function = _FUNCTIONS[name]
        arguments = node.args
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in arguments):
            raise self.error(node, f"{name!r} takes plain arguments only", f"write {_usage(name)}")
        if not function.least <= len(arguments) <= function.most:
            raise self.error(node, f"{name!r} has {len(arguments)} arguments", f"write {_usage(name)}")
        self.functions_called.add(name)
        codes = [self.value(argument).code for argument in arguments]
        for key in function.reads:
            if key == "now":
                self.check_now(node, name)
            codes.append(f"scope.get({key!r})")
        return self.stored(f"call_{name}({', '.join(codes)})")

    def called(self, node: ast.Call) -> str:
        callee = node.func
        if isinstance(callee, ast.Name) and callee.id in FUNCTIONS:
            return callee.id
        if isinstance(callee, ast.Attribute):
            subject = self.written(callee.value)
            what = f".{callee.attr}() cannot be called"
            instead = _METHODS.get(callee.attr, f"{_usage(callee.attr)}" if callee.attr in FUNCTIONS else "")
            listed = f"the functions are {', '.join(FUNCTIONS)}"
            raise self.error(node, what, f"write {instead.format(subject)}" if instead else listed)
        if not isinstance(callee, ast.Name):
            raise self.error(
                node, f"{self.written(callee)!r} cannot be called", f"the functions are {', '.join(FUNCTIONS)}"
            )
        near = _nearest(callee.id, FUNCTIONS)
        instead = f"write {_usage(near)}" if near else f"the functions are {', '.join(FUNCTIONS)}"
        raise self.error(node, f"{callee.id!r} is not a function", instead)

    def check_now(self, node: ast.expr, function: str) -> None:
        if "now" not in self.names:
            reason = self.later.get("now", "compare event.time with another time instead")
            raise self.error(node, f"{function!r} needs the time now, which cannot be used here", reason)
        self.names_read.add("now")
        self.paths_read.add("now")

    # --- comparisons

    def comparison(self, node: ast.Compare) -> _Operand:
        """`a < b`, and chains: `a < b < c` is `a < b and b < c` with `b` read once."""
        result = self.fresh()
        left_node, left = node.left, self.value(node.left)
        for index, (operator, right_node) in enumerate(zip(node.ops, node.comparators, strict=True)):
            if index == 0:
                right = self.value(right_node)
                self.check_comparison(operator, left_node, right_node, left, right)
                self.line(f"{result} = {self.test(operator, left, right)}")
            else:
                with self.block(f"if {result}"):
                    right = self.value(right_node)
                    self.check_comparison(operator, left_node, right_node, left, right)
                    self.line(f"{result} = {self.test(operator, left, right)}")
            left_node, left = right_node, right
        return _Operand(result)

    def check_comparison(
        self, operator: ast.cmpop, left_node: ast.expr, right_node: ast.expr, left: _Operand, right: _Operand
    ) -> None:
        if isinstance(operator, (ast.Is, ast.IsNot)):
            if right.constant is not None:
                equals = "==" if isinstance(operator, ast.Is) else "!="
                written = self.written(right_node)
                raise self.error(right_node, "'is' tests for None only", f"write {equals} {written}")
            return
        for operand, node in ((left, left_node), (right, right_node)):
            listed = operand.constant if isinstance(operand.constant, (list, tuple, set)) else ()
            if operand.constant is None or (isinstance(operator, (ast.In, ast.NotIn)) and None in listed):
                self.warn(node, "comparing with None is always false", "write 'is None' or 'is not None'")
        for call, other, operand in ((left_node, right_node, right), (right_node, left_node, left)):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "weekday":
                days = operand.constant if isinstance(operand.constant, (list, tuple, set)) else [operand.constant]
                for day in days:
                    if isinstance(day, str) and day not in WEEKDAYS:
                        self.warn(other, f"{day!r} is no weekday", f"write {_nearest(day, WEEKDAYS) or 'monday'!r}")

    def test(self, operator: ast.cmpop, left: _Operand, right: _Operand) -> str:
        """The code of one comparison, written out as far as the literals tell the types."""
        varies = isinstance(left.constant, _Varies), isinstance(right.constant, _Varies)
        if isinstance(operator, ast.Is):
            return f"{left.code} is None" if varies[0] else repr(left.constant is None)
        if isinstance(operator, ast.IsNot):
            return f"{left.code} is not None" if varies[0] else repr(left.constant is not None)
        if isinstance(operator, (ast.In, ast.NotIn)):
            positive, negated = self.membership(left, right), isinstance(operator, ast.NotIn)
        elif isinstance(operator, (ast.Eq, ast.NotEq)):
            positive, negated = self.equality(left, right), isinstance(operator, ast.NotEq)
        else:
            return self.order(operator, left, right)
        if not negated:
            return positive
        # Of two values that are there, the opposite; with one missing, false all the same.
        if left.constant is None or right.constant is None:
            return "False"
        there = [f"{o.code} is not None and " for o, does_vary in zip((left, right), varies, strict=True) if does_vary]
        return f"{''.join(there)}not ({positive})"

    def equality(self, left: _Operand, right: _Operand) -> str:
        if isinstance(right.constant, _Varies):
            left, right = right, left
        constant = right.constant
        if not isinstance(left.constant, _Varies):
            return repr(_equal(left.constant, constant))
        code = left.code
        if isinstance(constant, _Varies):
            # Two properties of different events, most often: ids, which are texts.
            return (
                f"{code} == {right.code} if type({code}) is type({right.code}) is str else equal({code}, {right.code})"
            )
        if constant is None:
            return "False"
        if isinstance(constant, bool):
            return f"{code} is {constant}"
        if isinstance(constant, (list, tuple, set)):
            return f"equal({code}, {right.code})"
        if constant in (0, 1):
            return f"{code} == {right.code} and type({code}) is not bool"
        return f"{code} == {right.code}"

    def order(self, operator: ast.cmpop, left: _Operand, right: _Operand) -> str:
        mark, helper = _ORDER[type(operator)]
        operands = left, right
        constants = [operand.constant for operand in operands if not isinstance(operand.constant, _Varies)]
        if not constants:
            inline = f"{left.code} {mark} {right.code}"
            return (
                f"{inline} if type({left.code}) is type({right.code}) is int else {helper}({left.code}, {right.code})"
            )
        if len(constants) == 2:
            return f"{helper}({left.code}, {right.code})"
        variable = next(operand.code for operand in operands if isinstance(operand.constant, _Varies))
        if type(constants[0]) in _NUMBERS:
            return f"(type({variable}) is int or type({variable}) is float) and {left.code} {mark} {right.code}"
        if isinstance(constants[0], str):
            return f"type({variable}) is str and {left.code} {mark} {right.code}"
        return "False"

    def membership(self, left: _Operand, right: _Operand) -> str:
        items = right.constant
        if isinstance(left.constant, _Varies) and isinstance(items, (list, tuple, set)):
            kinds = {type(item) for item in items}
            if kinds == {str}:
                return f"type({left.code}) is str and {left.code} in {self.fixed(frozenset(items))}"
            if kinds <= _NUMBERS:
                numbers = self.fixed(frozenset(items))
                return f"(type({left.code}) is int or type({left.code}) is float) and {left.code} in {numbers}"
        elif isinstance(left.constant, str) and isinstance(items, _Varies):
            sets = f"type({right.code}) is set or type({right.code}) is frozenset"
            return f"{left.code} in {right.code} if {sets} else contains({right.code}, {left.code})"
        return f"contains({right.code}, {left.code})"


# ---------------------------------------------------------------------------------------------------------------------
# Running: the helpers that the written code calls. None of them raises or recurses, whatever JSON they are given.
#
# Kinds are told by exact type, as JSON readers make them; a subclass is opaque (equal to nothing, unordered), except
# that any Mapping is read like a dictionary and any Set like a set.
# ---------------------------------------------------------------------------------------------------------------------

_NUMBERS: Final = frozenset({int, float})
_SCALARS: Final = frozenset({int, float, str, bool})
_LISTS: Final = frozenset({list, tuple})
_KEYED: Final = frozenset({set, frozenset, dict})
_WITHOUT_PARTS: Final = _SCALARS | _LISTS | {type(None), set, frozenset}


def _read(owner: Any, name: str) -> object:
    """The part `name` of what is not exactly a dictionary: an object that lists it in `expression_names`, or a Mapping."""
    kind = type(owner)
    if kind in _WITHOUT_PARTS:
        return None
    try:
        listed = kind.expression_names
    except AttributeError:
        return owner.get(name) if isinstance(owner, Mapping) else None
    return getattr(owner, name, None) if name in listed else None


def _index(owner: Any, key: Any) -> object:
    """`owner[key]`: an item of a list or text by place, -1 the last; a part of anything else by key."""
    if type(key) is str:
        return _read(owner, key) if type(owner) is not dict else owner.get(key)
    if type(owner) in _LISTS or type(owner) is str:
        return owner[key] if type(key) is int and -len(owner) <= key < len(owner) else None
    if isinstance(owner, Mapping):
        return owner.get(key) if _has(owner, key) else None
    return None


def _has(keys: Any, item: Any) -> bool:
    """Is `item` among the keys of a set or dictionary? True is not 1, and NaN is nowhere."""
    kind = type(item)
    if kind is str:
        return item in keys
    if kind not in _SCALARS or item != item or item not in keys:  # noqa: PLR0124 - the test for NaN
        return False
    # A set cannot hold both True and 1, so the only item that equals it decides; 0 and 1 alone can be mistaken.
    return item not in (0, 1) or any(key == item and (type(key) is bool) is (kind is bool) for key in keys)


def _equal(left: Any, right: Any) -> bool:
    kind, other = type(left), type(right)
    if kind in _SCALARS or other in _SCALARS:
        return (kind is other or (kind in _NUMBERS and other in _NUMBERS)) and bool(left == right)
    return left is not None and right is not None and _alike(left, right, [COMPARED_MAX])


def _alike(left: Any, right: Any, budget: list[int]) -> bool:
    """Equal as data, however deep: a stack instead of recursion, and at most `budget` values visited.

    Not by identity, not even as a shortcut: after a restart equal objects are no longer the same object.
    """
    pairs = [(left, right)]
    while pairs:
        a, b = pairs.pop()
        kind, other = type(a), type(b)
        budget[0] -= 1
        if kind in _SCALARS or other in _SCALARS:
            if not ((kind is other or (kind in _NUMBERS and other in _NUMBERS)) and a == b):
                return False
        elif a is None or b is None:
            if a is not b:
                return False
        elif kind in _LISTS and other in _LISTS:
            if len(a) != len(b) or len(a) > budget[0]:
                return False
            pairs.extend(zip(a, b, strict=True))
        elif isinstance(a, Mapping) and isinstance(b, Mapping):
            if len(a) != len(b) or len(a) > budget[0] or not all(_has(b, key) for key in a):
                return False
            pairs.extend((a[key], b[key]) for key in a)
        elif isinstance(a, Set) and isinstance(b, Set):
            if len(a) != len(b) or len(a) > budget[0] or not all(_has(b, item) for item in a):
                return False
        elif kind is other and hasattr(kind, "expression_names"):
            pairs.extend((_read(a, name), _read(b, name)) for name in kind.expression_names)
        else:
            return False
        if budget[0] <= 0:
            return False
    return True


def _contains(container: Any, item: Any) -> bool:
    """A text contains a text, a list an item, a set or dictionary a key."""
    kind = type(container)
    if kind is str:
        return type(item) is str and item in container
    if item is None:
        return False
    if kind in _LISTS:
        # The fast scan is right for texts, and for integers that no flag equals.
        if type(item) is str or (type(item) is int and item not in (0, 1)):
            return item in container
        if type(item) in _SCALARS:
            return any(_equal(item, one) for one in container)
        budget = [COMPARED_MAX]
        return any(one is not None and _alike(item, one, budget) for one in container)
    return (kind in _KEYED or isinstance(container, (Set, Mapping))) and _has(container, item)


def _is_ordered(left: object, right: object) -> bool:
    kind, other = type(left), type(right)
    return kind is other is str or (kind in _NUMBERS and other in _NUMBERS)


def _less(left: Any, right: Any) -> bool:
    return _is_ordered(left, right) and left < right


def _at_most(left: Any, right: Any) -> bool:
    return _is_ordered(left, right) and left <= right


def _more(left: Any, right: Any) -> bool:
    return _is_ordered(left, right) and left > right


def _at_least(left: Any, right: Any) -> bool:
    return _is_ordered(left, right) and left >= right


def _bounded(number: Any) -> int | float | None:
    """The number, if 64 bits can hold it."""
    if type(number) is int:
        return number if INTEGER_LEAST <= number <= INTEGER_MOST else None
    return number if type(number) is float and isfinite(number) else None


def _add(left: Any, right: Any) -> object:
    kind, other = type(left), type(right)
    if kind in _NUMBERS and other in _NUMBERS:
        try:
            return _bounded(left + right)
        except OverflowError:  # an integer that no float can hold
            return None
    if kind is other is str:
        return left + right if len(left) + len(right) <= CHARS_MAX else None
    if kind in _LISTS and other in _LISTS:
        return [*left, *right] if len(left) + len(right) <= ITEMS_MAX else None
    return None


def _subtract(left: Any, right: Any) -> int | float | None:
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        try:
            return _bounded(left - right)
        except OverflowError:
            return None
    return None


def _multiply(left: Any, right: Any) -> int | float | None:
    # Factors are bounded first: the product of two integers of a million digits takes seconds.
    if (
        type(left) in _NUMBERS
        and type(right) in _NUMBERS
        and _bounded(left) is not None
        and _bounded(right) is not None
    ):
        return _bounded(left * right)
    return None


def _divide(left: Any, right: Any) -> int | float | None:
    if type(left) in _NUMBERS and type(right) in _NUMBERS and right != 0:
        try:
            return _bounded(left / right)
        except OverflowError:
            return None
    return None


# --- times

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?\s?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)


def _moment(value: Any, zone: object) -> int | float | None:
    """A time in milliseconds: a number is one, a text is read as RFC 3339 or an ISO date, anything else is none.

    A text without an offset is the customer's local time, a date its midnight. Of a local time that daylight saving skips
    the next valid instant is taken, of one that it repeats the first.
    """
    if type(value) is not str:
        return _bounded(value)
    found = _TIME.fullmatch(value)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[group] or 0) for group in range(1, 7))
    leap_second = second == 60  # RFC 3339 allows it; counted as the second after
    try:
        local = datetime(year, month, day, hour, minute, 59 if leap_second else second, tzinfo=UTC)
        offset = found[8]
        if offset is None:
            instant = _instant(local.replace(tzinfo=None), zone if isinstance(zone, tzinfo) else UTC)
        elif offset in "Zz":
            instant = local
        else:
            hours, minutes = int(offset[1:3]), int(offset[3:].removeprefix(":") or 0)
            if hours > 23 or minutes > 59:
                return None
            ahead = timedelta(hours=hours, minutes=minutes)
            instant = local + ahead if offset[0] == "-" else local - ahead
    except (ValueError, OverflowError):  # the 30th of February, 25:00, or outside the years 1 to 9999
        return None
    seconds = (instant - _EPOCH) // timedelta(seconds=1) + leap_second
    return seconds * 1_000 + int((found[7] or "0").ljust(3, "0")[:3])


def _instant(local: datetime, zone: tzinfo) -> datetime:
    late = local.replace(tzinfo=zone).astimezone(UTC)
    if late.astimezone(zone).replace(tzinfo=None) == local:
        return late
    # Skipped. Read with the offset after the change it lies before the change, and the other way round: halve between.
    early = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == early.astimezone(zone).utcoffset():
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)


def _local(time: Any, zone: object) -> datetime | None:
    time_ms = _moment(time, zone)
    if time_ms is None:
        return None
    try:
        instant = _EPOCH + timedelta(milliseconds=time_ms)
        return instant.astimezone(zone if isinstance(zone, tzinfo) else UTC)
    except (ValueError, OverflowError):  # outside the years 1 to 9999
        return None


# --- functions


def _call_len(value: Any) -> int | None:
    return len(value) if type(value) is str or type(value) in _LISTS or isinstance(value, (Set, Mapping)) else None


def _call_lower(value: Any) -> str | None:
    return value.lower() if type(value) is str else None


def _call_upper(value: Any) -> str | None:
    return value.upper() if type(value) is str else None


def _call_abs(value: Any) -> int | float | None:
    return _bounded(abs(value)) if type(value) in _NUMBERS else None


def _call_min(*values: Any) -> object:
    return _extreme(min, values)


def _call_max(*values: Any) -> object:
    return _extreme(max, values)


def _extreme(pick: Callable[[Any], Any], values: Any) -> object:
    if len(values) == 1:
        values = values[0]
        if not (type(values) in _LISTS or isinstance(values, Set)):
            return None
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return pick(values)
    if not kinds or not kinds <= _NUMBERS or any(value != value for value in values):  # noqa: PLR0124 - NaN
        return None
    return _bounded(pick(values))


def _call_round(value: Any, digits: Any = None) -> int | float | None:
    if _bounded(value) is None:
        return None
    if digits is None:
        return _bounded(round(value))
    return round(value, digits) if type(digits) is int and 0 <= digits <= 15 else None  # a double has 15 digits


def _call_contains(container: Any, item: Any) -> bool:
    return _contains(container, item)


def _call_starts_with(text: Any, start: Any) -> bool:
    return type(text) is type(start) is str and text.startswith(start)


def _call_ends_with(text: Any, end: Any) -> bool:
    return type(text) is type(end) is str and text.endswith(end)


def _call_days_since(time: Any, now: Any, zone: object) -> int | float | None:
    return _divide(_subtract(now, _moment(time, zone)), DAY_MS)


def _call_days_until(time: Any, now: Any, zone: object) -> int | float | None:
    return _divide(_subtract(_moment(time, zone), now), DAY_MS)


def _call_hour(time: Any, zone: object) -> int | None:
    local = _local(time, zone)
    return None if local is None else local.hour


def _call_weekday(time: Any, zone: object) -> str | None:
    local = _local(time, zone)
    return None if local is None else WEEKDAYS[local.weekday()]


class _Function(NamedTuple):
    call: Callable[..., object]
    least: int  # arguments
    most: int
    says: str  # the usage, a colon, the meaning
    reads: tuple[str, ...] = ()  # keys of the scope, handed over after the arguments


_ANY_NUMBER: Final = 100  # of arguments; the length of the text bounds it already
_FUNCTIONS: Final = {
    "len": _Function(_call_len, 1, 1, "len(x): how many items a list, keys a dictionary or characters a text has"),
    "lower": _Function(_call_lower, 1, 1, "lower(text): in small letters"),
    "upper": _Function(_call_upper, 1, 1, "upper(text): in capital letters"),
    "abs": _Function(_call_abs, 1, 1, "abs(number): without its sign"),
    "min": _Function(_call_min, 1, _ANY_NUMBER, "min(a, b): the least of numbers or texts, or of one list of them"),
    "max": _Function(_call_max, 1, _ANY_NUMBER, "max(a, b): the greatest of numbers or texts, or of one list of them"),
    "round": _Function(
        _call_round, 1, 2, "round(number, digits): to digits after the point (0-15; none: an integer), halves to even"
    ),
    "contains": _Function(
        _call_contains, 2, 2, "contains(x, y): whether y is part of the text x, an item of the list x or a key of it"
    ),
    "starts_with": _Function(_call_starts_with, 2, 2, "starts_with(text, start): whether it begins so"),
    "ends_with": _Function(_call_ends_with, 2, 2, "ends_with(text, end): whether it ends so"),
    "days_since": _Function(
        _call_days_since, 1, 1, "days_since(time): 24-hour days from time to now, with fractions", ("now", "zone")
    ),
    "days_until": _Function(
        _call_days_until, 1, 1, "days_until(time): 24-hour days from now to time, with fractions", ("now", "zone")
    ),
    "hour": _Function(_call_hour, 1, 1, "hour(time): 0 to 23, in the customer's time zone", ("zone",)),
    "weekday": _Function(
        _call_weekday, 1, 1, "weekday(time): 'monday' to 'sunday', in the customer's time zone", ("zone",)
    ),
}
# What the documentation and `check` show. A time is milliseconds, or a text: RFC 3339 or an ISO date.
FUNCTIONS: Final[Mapping[str, str]] = {name: function.says for name, function in _FUNCTIONS.items()}


def _usage(name: str) -> str:
    return FUNCTIONS[name].split(":")[0]


_HELPERS: Final[dict[str, object]] = {
    "event_class": Event,
    **{kind.__name__: kind for kind in (type, int, float, str, bool, dict, set, frozenset)},
    **{f"call_{name}": function.call for name, function in _FUNCTIONS.items()},
    "read": _read,
    "index": _index,
    "equal": _equal,
    "contains": _contains,
    "less": _less,
    "at_most": _at_most,
    "more": _more,
    "at_least": _at_least,
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "moment": _moment,
}
