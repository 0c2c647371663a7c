"""What steps, goals and exits are made of besides `operators.definition_types`: expressions and templates of a run, shares.

Names that a journey gives itself (`as` in its pattern) come with pydantic's validation context, under `NAMES`: they may be
used in its steps, exits and goal.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from operators.definition_types import Name, Text, checked, explained, text_of
from operators.expressions import compile_expression
from operators.paths import compile_path
from operators.templates import TEMPLATE_NAMES, compile_value

RUN_NAMES = ("event", "properties", "entry", "first", "matched", "profile", "traits", "segments", "now", "journey")
"""Root names of the expressions of a run: steps, exits and goal."""

NAMES = "names"
"""Key of the validation context: the names that the journey's pattern gives its events."""


def mistake(message: str) -> PydanticCustomError:
    """A complaint in our words, which are shown as they are."""
    return PydanticCustomError("language", "{message}", {"message": message})


def names_here(info: ValidationInfo) -> tuple[str, ...]:
    """The names that the journey gives its own events."""
    return tuple((info.context or {}).get(NAMES, ()))


def check_condition(value: str, info: ValidationInfo) -> str:
    """Check an expression of a run."""
    names = (*RUN_NAMES, *names_here(info))
    checked(lambda text: compile_expression(text, names))(value)
    return value


def _template(value: Any, info: ValidationInfo) -> Any:
    names = (*TEMPLATE_NAMES, *names_here(info))
    return checked(lambda value: compile_value(value, names))(value)


PathOrAny = Annotated[Text, explained(lambda text: None if text == "any" else compile_path(text))]
Condition = Annotated[Text, AfterValidator(check_condition)]
"""An expression of a run."""
TemplateValue = Annotated[Any, AfterValidator(_template)]


Names = Annotated[
    Annotated[list[Name], Field(min_length=1)],
    BeforeValidator(
        lambda value: value if isinstance(value, (list, dict)) else [text_of(value)],
        json_schema_input_type=str | list[str],
    ),
]
"""A name or a list of names."""

_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)\s*%")


def parse_percent(text: object) -> int:
    """Hundredths of a percent.

    >>> parse_percent("12.5%")
    1250

    Raises:
        ValueError: It is no share between 0% and 100%, with at most two digits after the point.
    """
    found = _PERCENT.fullmatch(text) if isinstance(text, str) else None
    hundredths = round(float(found[1]) * 100) if found else -1
    if not 0 <= hundredths <= 10_000:
        raise ValueError(f"{text!r} is no share; write it in percent, from 0% to 100%, as in: control: 10%")
    return hundredths


Percent = Annotated[str, BeforeValidator(checked(parse_percent))]
