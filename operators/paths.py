"""Property paths of events, such as `properties.products[].category` in `by:` and `key:`, compiled once to code.

Checked by the definitions (which turn an `ExpressionError` into file and line), compiled by `operators.plan`, run for every
event that a journey with such a path looks at.

>>> compile_path("properties.products[].category")
Path(text='properties.products[].category')
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from operators.expression_error import ExpressionError, error_at, nearest
from operators.expression_values import COMPARED_MAX, LISTS, SCALARS, alike, read

_DATA: Final = ("properties", "context")
_FIELDS: Final = ("name", "time", "message_id")
# Segment's own events are at most 5 deep; an order of more than 1,000 lines is compared by its first 1,000.
PATH_CHARS_MAX: Final = 200
PATH_VALUES_MAX: Final = 1_000
_KEY = re.compile(r"([\w$-]+)(\[\])?")


@dataclass(frozen=True, slots=True)
class Path:
    """A property path of an event. Equal if written alike.

    `values(event)` are the values found, in order and without repeats; missing and null ones are none, so a path without
    `[]` gives none or one. `every(event)` are the same with repeats, for what adds them up. A value may be a list or a
    dictionary: only what a path with `[]` goes through is opened.
    """

    text: str
    values: Callable[[Any], list[object]] = field(repr=False, compare=False)
    every: Callable[[Any], list[object]] = field(repr=False, compare=False)


def compile_path(text: str) -> Path:
    """Check a property path and compile it: `properties.category`, `properties.products[].category`, `context.ip`, `name`.

    Keys hold letters, digits, `_`, `-` and `$`. A path with `[]` finds at most `PATH_VALUES_MAX` values.

    Raises:
        ExpressionError: it is no path of an event; nothing else is raised.
    """
    if not isinstance(text, str):
        raise ExpressionError(f"{text!r} is not a property path: write one, such as properties.category")
    if not text or len(text) > PATH_CHARS_MAX:
        what = f"a property path has 1 to {PATH_CHARS_MAX} characters"
        raise error_at(text, 0, what, "write one, such as properties.category")
    root, *written = text.split(".")
    if root in _FIELDS and not written:
        return _path(text, lambda event: [getattr(event, root)])
    if root not in _DATA:
        raise error_at(text, 0, f"{root!r} is not a part of an event", _instead(text, root, written))
    keys: list[tuple[str, bool]] = []
    place = len(root) + 1
    for segment in written or [""]:
        found = _KEY.fullmatch(segment)
        if found is None:
            what = f"{segment!r} is not a key" if segment else "a key is missing"
            instead = "letters, digits, _, - and $, and [] for any item of a list, as properties.products[].category"
            raise error_at(text, place, what, f"write {instead}")
        keys.append((found[1], found[2] is not None))
        place += len(segment) + 1
    if any(opened for _, opened in keys):
        every = _many_values(root, keys)
        return Path(text, lambda event: _distinct(every(event)), every)
    return _path(text, _one_value(root, [key for key, _ in keys]))


def _path(text: str, values: Callable[[Any], list[object]]) -> Path:
    """A path that finds one value at most."""
    return Path(text, values, values)


def _instead(text: str, root: str, written: list[str]) -> str:
    known = (*_DATA, *_FIELDS)
    rule = f"a path begins with {', '.join(known)}"
    if not all(map(_KEY.fullmatch, text.split("."))):
        return f"write letters, digits, _, - and $; {rule}"
    if root == "event" and written and written[0] in known:
        return f"write {'.'.join(written)}"
    if root in _FIELDS:
        return f"write {root}, which has no parts"
    near = nearest(root, _DATA if written else _FIELDS)
    return f"write {'.'.join((near, *written))}" if near else f"write properties.{text} for a property; {rule}"


def _one_value(root: str, keys: list[str]) -> Callable[[Any], list[object]]:
    """For each event and pattern: the common `properties.x` is one attribute and one `get`."""
    first, *rest = keys

    def of_properties(event: Any) -> list[object]:
        value = event.properties.get(first)
        return [] if value is None else [value]

    def below(event: Any) -> list[object]:
        value = getattr(event, root)
        for key in keys:
            value = value.get(key) if type(value) is dict else read(value, key)
        return [] if value is None else [value]

    return of_properties if root == "properties" and not rest else below


def _many_values(root: str, keys: list[tuple[str, bool]]) -> Callable[[Any], list[object]]:
    def values(event: Any) -> list[object]:
        value: Any
        found: list[Any] = [getattr(event, root)]
        for key, opened in keys:
            below: list[Any] = []
            for owner in found:
                value = owner.get(key) if type(owner) is dict else read(owner, key)
                if not opened:
                    below.append(value)
                elif type(value) in LISTS:
                    below.extend(value)
            found = below[:PATH_VALUES_MAX]
        return [value for value in found if value is not None]

    return values


def _distinct(found: list[Any]) -> list[object]:
    """The values without repeats, by what `==` means in an expression."""
    scalars: set[object] = set()
    others: list[object] = []
    distinct: list[object] = []
    budget = [COMPARED_MAX]
    for value in found:
        kind = type(value)
        if kind in SCALARS:
            mark = (kind is bool, value)  # True is not 1
            if mark in scalars:
                continue
            scalars.add(mark)
        else:
            if budget[0] > 0 and any(alike(value, other, budget) for other in others):
                continue
            others.append(value)
        distinct.append(value)
    return distinct
