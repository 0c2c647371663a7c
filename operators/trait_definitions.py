"""What an author writes in `traits.yaml` and `segments.yaml`.

A trait says what it computes by the key that holds of what: `{sum: properties.revenue, of: Order Completed}`. A segment is an
expression. What no field sees alone is looked at by `trait_mistakes`, and what no file sees alone by `operators.trait_compiler`.
"""

import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from operators.definition_types import Duration, EventNames, Model, Name, Path, Text, explained
from operators.expressions import compile_expression
from operators.trait_keepers import NUMBERS_OF

KINDS: Final = ("count", "sum", "mean", "min", "max", "first", "last", "top", "unique", "entries", "expr")

TRAIT_WHERE_NAMES: Final = ("event", "properties", "profile", "now")
"""Root names of a trait's `where`."""
TRAIT_NAMES: Final = ("traits", "profile", "now")
"""Root names of a trait that is an expression."""
SEGMENT_NAMES: Final = ("traits", "profile", "segments", "now")
"""Root names of a segment."""

_OF_A_CUSTOMER: Final = dict.fromkeys(
    ("event", "properties", "entry", "first", "matched", "journey"),
    "this is asked of a customer at any time, not of one event; count or keep what matters of events in a trait",
)
_WHERE_LATER: Final = dict.fromkeys(
    ("traits", "segments", "entry", "first", "matched", "journey"),
    "a trait sees each event alone; write a trait with `expr` to put traits together",
)
_EXPR_LATER: Final = {**_OF_A_CUSTOMER, "segments": "traits are what segments are made of; write a segment instead"}

TRAIT_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""Written in expressions, as `traits.NAME`."""


class Trait(Model):
    """One trait: something that is known of a customer, computed from their events."""

    count: EventNames | None = Field(None, description="How many events of this name, or of any in a list")
    sum: Path | None = Field(None, description="The sum of the numbers at this path")
    mean: Path | None = Field(None, description="Their mean")
    min: Path | None = Field(None, description="The least of them")
    max: Path | None = Field(None, description="The greatest of them")
    first: Path | None = Field(None, description="The value of the earliest event that has one; `time` is its time")
    last: Path | None = Field(None, description="The value of the latest event that has one; `time` is its time")
    top: Path | None = Field(None, description="The value that most events have; of equals, the one seen last")
    unique: Path | None = Field(None, description="How many different values")
    entries: Name | None = Field(
        None, description="How often this customer entered the journey, the present run included"
    )
    expr: Annotated[Text, explained(lambda text: compile_expression(text, TRAIT_NAMES, later=_EXPR_LATER))] | None = (
        Field(None, description="An expression of other traits and the profile")
    )
    of: EventNames | None = Field(None, description="Name of the events, or a list of names")
    where: (
        Annotated[Text, explained(lambda text: compile_expression(text, TRAIT_WHERE_NAMES, later=_WHERE_LATER))] | None
    ) = Field(None, description="Only events for which this expression holds")
    by: Path | None = Field(None, description="A number for each value of this path: traits.NAME[VALUE]")
    within: Duration | None = Field(None, description="Only events of the last so much time; for ever without it")

    @property
    def kind(self) -> str:
        """What it computes."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)


Segment = Annotated[Text, explained(lambda text: compile_expression(text, SEGMENT_NAMES, later=_OF_A_CUSTOMER))]
"""An expression that is true for the customers in the segment."""


def name_mistake(name: object) -> str | None:
    """What is wrong with the name of a trait."""
    if not isinstance(name, str):
        return f"YAML reads the name {name!r} as {type(name).__name__}, not as text; put it in quotes"
    if TRAIT_NAME.fullmatch(name) is None or keyword.iskeyword(name):
        return f"{name!r} cannot be the name of a trait; write letters, digits and `_`, as in: orders_90d"
    return None


def trait_mistakes(trait: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What no field of a trait can see alone: (place below the trait, sentence); of values as they are written."""
    kinds = [kind for kind in KINDS if trait.get(kind) is not None]
    if not kinds and any(key not in Trait.model_fields for key in trait):
        return  # a key that is misspelt, of which the model tells
    if len(kinds) != 1:
        found = f"it has {' and '.join(kinds)}" if kinds else "it has none"
        yield (), f"a trait is one of {', '.join(KINDS)}, as in: {{count: Order Completed, within: 90d}}; {found}"
        return
    kind = kinds[0]
    if kind == "expr":
        for key in ("of", "where", "by", "within"):
            if trait.get(key) is not None:
                yield (key,), f"`{key}` has no meaning beside `expr`, which looks at no events; leave it out"
        return
    if kind in ("count", "entries"):
        if trait.get("of") is not None:
            what = "the events" if kind == "count" else "the journey"
            yield ("of",), f"`{kind}` names {what} itself; leave `of` out"
    elif trait.get("of") is None:
        yield (), f"say of which events, as in: {{{kind}: {trait[kind]}, of: Order Completed}}"
    by = trait.get("by")
    if by is None:
        return
    if kind not in NUMBERS_OF:
        yield ("by",), f"`by` goes with {', '.join(NUMBERS_OF)}, which give a number for each value; leave it out"
    elif isinstance(by, str) and "[]" in by and "[]" in str(trait[kind]) and kind not in ("count", "entries"):
        what = "every number would count for every value of the same event, whichever item it is of"
        yield ("by",), f"two paths with [] in one trait: {what}; write a path without [] in one of them"
