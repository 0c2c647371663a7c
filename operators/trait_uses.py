"""Where a journey's values read traits and segments: its expressions, its templates, and the segments that it names.

Looks at values as they are written (params filled in), so that `operators.workspace` can tell the line of a name that is none,
and `operators.plan` what is in use. What cannot be read is passed over here; others say so.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from jinja2 import TemplateSyntaxError

from operators.expression_error import ExpressionError
from operators.expression_tree import Tree, parse
from operators.expression_uses import NOTHING, Uses, uses_of
from operators.templates import paths_used

Location = tuple[str | int, ...]

_EXPRESSIONS: Final = ("where", "when", "value", "until", "expr")
"""Keys that hold expressions, where texts stand there."""
_SEGMENTS: Final = ("entered", "left", "segment")
"""Keys that name a segment."""


class Reading(NamedTuple):
    """One place that reads traits or segments, or may."""

    location: Location
    uses: Uses
    tree: Tree | None
    """The expression; None for a template and for a segment's name."""


def readings(value: Any, location: Location = ()) -> Iterator[Reading]:
    """All places of a journey's values, or of `orchestration.yaml` and `offers.yaml`, that can read traits and segments."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from readings(item, (*location, number))
    if not isinstance(value, Mapping):
        return
    for key, part in value.items():
        place = (*location, key)
        if key == "with":
            yield from _templates(part, place)
        elif key == "set" and isinstance(part, Mapping):  # names of attributes may be any, `where` as well
            for name, attribute in part.items():
                if isinstance(attribute, Mapping):
                    yield from readings(attribute, (*place, name))
        elif key in _SEGMENTS and isinstance(part, str):
            yield Reading(place, Uses(frozenset(), frozenset([part])), None)
        elif key in _EXPRESSIONS and isinstance(part, str):
            try:
                tree = parse(part)
            except ExpressionError:
                continue
            yield Reading(place, uses_of(tree), tree)
        else:
            yield from readings(part, place)


def _templates(value: Any, location: Location) -> Iterator[Reading]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _templates(part, (*location, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _templates(part, (*location, number))
    elif isinstance(value, str):
        try:
            paths = [path.split(".") for path in paths_used(value)]
        except TemplateSyntaxError:
            return
        traits = frozenset(path[1] for path in paths if path[0] == "traits" and len(path) > 1)
        roots = {path[0] for path in paths if len(path) == 1}
        yield Reading(location, Uses(traits, frozenset(), "traits" in roots, "segments" in roots), None)


def used_in(values: list[Any]) -> Uses:
    """All that some values read."""
    uses = NOTHING
    for value in values:
        for reading in readings(value):
            uses = uses.and_those(reading.uses)
    return uses
