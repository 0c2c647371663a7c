"""What definitions are made of: texts, names, durations, paths, and the model that refuses unknown keys.

For `operators.definitions` and its parts; each says what may stand there, and turns a compiler's complaint into pydantic's.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from operators.durations import parse_duration
from operators.expressions import ExpressionError
from operators.paths import compile_path
from operators.templates import TemplateError


def checked(check: Callable[[Any], object]) -> Callable[[Any], Any]:
    """A validator that keeps the text and turns the compiler's complaint into pydantic's."""

    def validate(value: Any) -> Any:
        try:
            check(value)
        except (ExpressionError, TemplateError, ValueError) as error:
            raise PydanticCustomError("language", "{message}", {"message": str(error)}) from error
        return value

    return validate


def explained(check: Callable[[Any], object]) -> AfterValidator:
    """The same, after pydantic has seen that the value is of the right type."""
    return AfterValidator(checked(check))


def text_of(value: Any) -> Any:
    """YAML reads yes, 5 and 2026-01-01 as no text; a name or a text must be quoted then."""
    if isinstance(value, (bool, int, float)) or value is None or not isinstance(value, (str, list, dict)):
        raise PydanticCustomError(
            "text", "YAML reads this as {kind}, not as text; put it in quotes", {"kind": type(value).__name__}
        )
    return value


Text = Annotated[str, BeforeValidator(text_of)]
Name = Annotated[
    Text,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100),
]
Duration = Annotated[str, BeforeValidator(checked(parse_duration))]
Path = Annotated[Text, explained(compile_path)]
EventNames = Annotated[
    Annotated[list[Text], Field(min_length=1)],
    BeforeValidator(
        lambda value: value if isinstance(value, (list, dict)) else [text_of(value)],
        json_schema_input_type=str | list[str],
    ),
]
Tags = list[Name]


class Model(BaseModel):
    """A mapping in a definition file: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
