r"""The scanner of expressions: from text to source of the same length that Python's parser reads, so columns are ours.

Called by `operators.expressions`. A scanner of our own, in front of Python's, for four reasons: `14d` is no Python token;
messages at the exact place, the same in all versions of Python; Python warns about odd literals, and a warning is an error
in our tests; and what never reaches the parser cannot be a way around it.

>>> scan("a >= 7d")
Scanned(source='(a >= __)', durations={6: 604800000})
"""

import keyword
import re
import unicodedata
from typing import Final, NamedTuple

from operators.durations import parse_duration
from operators.expression_error import ExpressionError, clipped, error_at
from operators.expression_functions import BY_NAME

# An expression is a line or two in a YAML file: the longest in our examples is under 100 characters, 2,000 is a page.
TEXT_CHARS_MAX: Final = 2_000
BRACKETS_MAX: Final = 32
"""Far from the 200 that Python's parser takes, which recurses."""

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
_CLOSES: Final = {"(": ")", "[": "]", "{": "}"}
_WORDS: Final = frozenset(["and", "or", "not", "in", "is", "if", "else", "True", "False", "None"])
_OTHER_KEYWORDS: Final = frozenset(keyword.kwlist) - _WORDS
_TEXT_PREFIXES: Final = frozenset(["f", "r", "b", "u", "t", "fr", "rf", "br", "rb", "tr", "rt"])
_ESCAPE = re.compile(r"\\(?:([\\'\"ntr])|x[0-9a-fA-F]{2}|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|(.))", re.DOTALL)
# What to write, and what other languages, or word processors, write in its place.
_OTHERS: Final = {
    "True": "true",
    "False": "false",
    "None": "null nil none undefined",
    "and": "AND && &",
    "or": "OR || |",
    "not": "NOT ! ~",
    "in": "IN",
    "== to compare": "= === equals eq",
    "== to compare; nothing can be assigned here": ":=",
    "!=": "!== <> \u2260",
    "<": "lt <<",
    ">": "gt >>",
    "<=": "\u2264",
    ">=": "=> \u2265",
    "<= or >=": "<=>",
    "*": "\u00d7",
    "/": "\u00f7",
    "-": "\u2212 \u2013",
    "x * x for a power": "** ^",
    "round(a / b)": "//",
    "comparisons of times and counts with < and > instead; there is no remainder": "%",
    "a clock time in quotes, as '18:30'; slices and dictionaries are not part of the language": ":",
    "a if condition else b": "?",
    "comments outside of the expression": "#",
    "such a key in brackets and quotes, as properties['$name']": "$",
    "a text in quotes, as 'a@example.org'": "@ `",
    "and, or or between conditions": ";",
    "straight quotes, ' or \"": "\u2018 \u2019 \u201c \u201d \u00ab \u00bb",
}
INSTEAD: Final = {
    **{word: f"write {instead}" for instead, words in _OTHERS.items() for word in words.split()},
    **dict.fromkeys("'\"", "close the quote on the same line; write \\ before one inside the text"),
}
"""Words and marks that are not part of the language, each with what to write."""


class Scanned(NamedTuple):
    """Source that holds tokens of the language only, in brackets."""

    source: str
    durations: dict[int, int]
    """Milliseconds, by place in `source`; underscores stand there, and nowhere else."""


def scan(text: str) -> Scanned:
    """Refuse what is no token of the language; replace each duration by underscores and note its value."""
    if not text.strip():
        raise ExpressionError(f"{text!r} is empty: write an expression, such as event.properties.step == 3")
    if len(text) > TEXT_CHARS_MAX:
        instead = f"write at most {TEXT_CHARS_MAX:,}, or name a part of it as a trait or segment"
        raise ExpressionError(f"{clipped(text)} has {len(text):,} characters: {instead}")
    return _Scanner(text).scanned()


class _Scanner:
    """Goes through one text, once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.open_brackets: list[tuple[str, int]] = []
        self.conditions: list[int] = []  # where an `if` waits for its `else`
        # The token before; it is a value if one ends with it.
        self.before, self.place_before, self.value_before = "", 0, False

    def error(self, place: int, what: str, instead: str) -> ExpressionError:
        return error_at(self.text, place, what, instead)

    def scanned(self) -> Scanned:
        pieces: list[str] = []
        durations: dict[int, int] = {}
        for found in _TOKEN.finditer(self.text):
            kind, word, place = found.lastgroup, found.group(), found.start()
            if kind == "space":
                pieces.append(" " * len(word))
                continue
            is_value = True
            if kind == "mark":
                self.take_mark(word, place)
                is_value = word in ")]}"
            elif word in _WORDS and self.before != ".":
                if word == "if":
                    self.conditions.append(place)
                elif word == "else" and self.conditions:
                    self.conditions.pop()
                is_value = word in ("True", "False", "None")
            else:
                if kind == "duration":
                    durations[place + 1] = self.duration(word, place)
                elif kind == "text":
                    self.check_text(word, place)
                elif kind == "number":
                    self.check_number(word, place)
                else:
                    self.check_name(word, place)
                self.check_neighbours(kind, word, place)
            pieces.append("_" * len(word) if kind == "duration" else word)
            self.before, self.place_before, self.value_before = word, place, is_value
        self.check_end()
        # In brackets, because the parser refuses leading space; the brackets inside are balanced, so nothing gets out.
        return Scanned(f"({''.join(pieces)})", durations)

    def take_mark(self, mark: str, place: int) -> None:
        if mark.isdigit():
            found = re.match(r"[\w.]+", self.text[place:])
            raise self.error(place, *_not_a_number(found[0] if found else mark))
        if mark not in _MARKS:
            instead = INSTEAD.get(mark, "leave it out, or write it in quotes as part of a text")
            raise self.error(place, f"{mark!r} is not part of the language", instead)
        if mark in _CLOSES:
            self.open_brackets.append((mark, place))
            if len(self.open_brackets) > BRACKETS_MAX:
                what = f"more than {BRACKETS_MAX} brackets deep"
                raise self.error(place, what, "write it as several traits or segments")
        elif mark in ")]}":
            wanted = _CLOSES[self.open_brackets[-1][0]] if self.open_brackets else None
            if wanted != mark:
                raise self.error(place, f"{mark!r} closes nothing", f"write {wanted!r}" if wanted else "leave it out")
            self.open_brackets.pop()

    def duration(self, word: str, place: int) -> int:
        try:
            return parse_duration(word, allow_zero=True)
        except ValueError as error:
            raise self.error(place, *str(error).split(": ", 1)) from None

    def check_text(self, word: str, place: int) -> None:
        for found in _ESCAPE.finditer(word):
            if found[2] is not None:
                instead = "write \\\\ for a backslash, or \\n, \\t, \\', \\\" or \\u00e9"
                raise self.error(place + found.start(), f"{found[0]!r} is no escape", instead)
        for at, character in enumerate(word, place):
            # Python's parser stops at NUL, and a surrogate cannot be encoded; no control character is meant.
            if unicodedata.category(character) in ("Cc", "Cs") and character != "\t":
                what = f"{character!r} cannot stand in a text"
                raise self.error(at, what, "leave it out, or write \\n for a line break")

    def check_number(self, word: str, place: int) -> None:
        if re.match(r"0[0-9_]", word):
            instead = f"write {word.lstrip('0_') or '0'}, or in quotes if it is a text"
            raise self.error(place, f"{word!r} begins with 0", instead)
        if "__" in word or re.search(r"_(?![0-9])", word):
            raise self.error(place, f"{word!r} is not a number", f"write {word.replace('_', '')}")

    def check_name(self, name: str, place: int) -> None:
        if self.before == ".":
            if name in _WORDS or name in _OTHER_KEYWORDS:
                raise self.error(place, f"{name!r} is a word of the language", f"write ['{name}'] instead of .{name}")
        elif name in _OTHER_KEYWORDS:
            what = f"{name!r} is not part of the language"
            raise self.error(place, what, "write conditions only; a text goes in quotes")
        elif name.lower() in _TEXT_PREFIXES and self.text[place + len(name) :].startswith(("'", '"')):
            raise self.error(place, f"{name!r} before a quote is not part of the language", "write the quotes alone")
        if name.startswith("_"):
            # All of them, so that a name of underscores in the source can only be a duration.
            raise self.error(place, f"{name!r} begins with '_'", f"write ['{name}'] if it is a key of the data")
        if not name.isidentifier() or unicodedata.normalize("NFKC", name) != name:
            # The parser would quietly change the letters, and the key would not be found in the data.
            raise self.error(place, f"{name!r} has unusual letters", f"write it in brackets and quotes, as ['{name}']")

    def check_neighbours(self, kind: str | None, word: str, place: int) -> None:
        """Two values with nothing between: `a b`, `'a' 'b'` (which Python would glue together), `14 d`, `x AND y`."""
        if self.before == "." and kind != "name":
            key = word if kind == "text" else f"'{word}'"
            raise self.error(place, f"{word} after a dot is not a name", f"write [{key}] instead of .{word}")
        if not self.value_before:
            return
        both = {self.before: self.place_before, word: place}
        left = self.before
        if left.isdigit() and word.isalpha():
            raise self.error(self.place_before, *_not_a_number(left + word))
        for one in (word, left):
            if one in INSTEAD:
                raise self.error(both[one], f"{one!r} is not part of the language", INSTEAD[one])
        for one in (word, left):
            if one in BY_NAME:
                raise self.error(both[one], f"{one!r} is a function", f"write {BY_NAME[one].usage}")
        what = f"{left} and {word} stand side by side"
        raise self.error(place, what, "write and, or, ==, + or a comma between them")

    def check_end(self) -> None:
        if self.open_brackets:
            mark, place = self.open_brackets[-1]
            raise self.error(place, f"{mark!r} is never closed", f"write {_CLOSES[mark]!r} where it ends")
        if self.conditions:
            instead = "write a if condition else b, or and between conditions"
            raise self.error(self.conditions[-1], "'if' has no 'else'", instead)
        if not self.value_before:
            what = f"nothing follows {self.before!r}"
            raise self.error(self.place_before, what, "write a value after it, or leave it out")


def _not_a_number(word: str) -> tuple[str, str]:
    """What to say of `14days` or `0x1f`, which begin like a number."""
    try:
        parse_duration(word, allow_zero=True)
    except ValueError as error:
        return f"{word!r} is neither a number nor a duration", str(error).split(": ", 1)[1]
    return f"{word!r} is written with a space", f"write {word}"
