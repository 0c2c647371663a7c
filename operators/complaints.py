"""Mistakes in definitions, as people are told them: file, line, path, what is wrong and what to write instead.

Turns what pydantic finds in the values of a file into `Complaint`s in our words. `operators.workspace` gathers them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from operators.definition_types import Model
from operators.definitions import ExitRule
from operators.journey_mistakes import nearest
from operators.step_definitions import TAGS
from operators.step_types import NAMES
from operators.yaml_lines import Document, Location

_MODELS: dict[str, type[Model]] = {**TAGS, "<exit rule>": ExitRule}

_MISSING = {
    "timeout": "a wait without an end: `timeout` is missing; write how long it waits, as in: timeout: 3d",
}
"""What is said of a missing key where `is missing; write it here` would not be enough."""


@dataclass(frozen=True, order=True)
class Complaint:
    """One mistake in a definition."""

    file: str
    line: int
    path: str
    """Where in the file, as in `enter.pattern[0].times`; empty for the whole of it."""
    message: str
    value: str = ""
    """What stands there, short; empty where the message shows it or nothing does."""

    def __str__(self) -> str:
        place = f" {self.path}:" if self.path else ""
        value = f" (it is {self.value})" if self.value else ""
        return f"{self.file}:{self.line}:{place} {self.message}{value}"


def complaint_at(file: str, document: Document, location: Location, message: str, value: str = "") -> Complaint:
    """A complaint about a place of a file."""
    return Complaint(file, document.line_of(location), path_of(location), message, value)


def path_of(location: Location) -> str:
    """A place as people write it: `steps[0].send`."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def validated(
    model: type[Model], file: str, document: Document, complaints: list[Complaint], names: tuple[str, ...] = ()
) -> Any:
    """The values of a file as a model, or None; what is wrong with them is added to the complaints.

    `names` are those that a journey gives its own events.
    """
    if not isinstance(document.value, dict):
        complaints.append(
            Complaint(file, 1, "", f"the file is no mapping; it begins with `{next(iter(model.model_fields))}:`")
        )
        return None
    try:
        return model.model_validate(document.value, context={NAMES: names})
    except ValidationError as error:
        complaints += [
            _translated(model, file, document, tuple(mistake["loc"]), mistake)
            for mistake in error.errors(include_url=False)
        ]
    return None


def _translated(model: type[BaseModel], file: str, document: Document, location: Location, mistake: Any) -> Complaint:
    """One complaint of pydantic in our words."""
    tagged, location = location, _in_file(document.value, location)
    kind, message = mistake["type"], mistake["msg"]
    if kind == "extra_forbidden":
        owner = _model_at(model, tagged[:-1])
        key = str(location[-1])
        names = [f.alias or name for name, f in owner.model_fields.items()]
        message = f"there is no key {key!r} here; {nearest(key, names)}"
        return complaint_at(file, document, location, message)
    if kind == "missing":
        key = str(location[-1])
        return complaint_at(file, document, location[:-1], _MISSING.get(key, f"`{key}` is missing; write it here"))
    if kind == "string_pattern_mismatch":
        message = "a name is made of letters, digits, `-` and `_`, and begins with a letter or digit"
    if kind in ("language", "text", "step"):
        return complaint_at(file, document, location, message)
    return complaint_at(file, document, location, message[:1].lower() + message[1:], shown(mistake.get("input")))


def _in_file(value: Any, location: Location) -> Location:
    """The part of pydantic's location that leads through the file: it also names union members and validators."""
    kept: list[str | int] = []
    last = len(location) - 1
    for number, part in enumerate(location):
        steps_in = part in value if isinstance(value, dict) else isinstance(value, list) and part in range(len(value))
        if part == "[key]" and not steps_in:
            continue  # the key itself is wrong; the part before is its place
        if steps_in:
            value = value[part]
        elif not (number == last and isinstance(value, dict)) or (isinstance(part, str) and part.startswith("<")):
            continue
        kept.append(part)
    return tuple(kept)


def _model_at(model: type[BaseModel], location: Location) -> type[Model]:
    """The model that validates the mapping at a place, by the path to it and the members of unions on the way."""
    found: Any = model
    for part in location:
        if part in _MODELS:
            found = _MODELS[str(part)]
            continue
        fields = {f.alias or name: f for name, f in found.model_fields.items()}
        if isinstance(part, str) and part in fields:
            found = next(_models_in(fields[part].annotation), found)
    return found  # type: ignore[no-any-return]


def _models_in(annotation: Any) -> Iterator[type[Model]]:
    """The models that an annotation holds: `list[Element]`, `Without | None`, ..."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models_in(part)


def shown(value: Any) -> str:
    """A value, short enough for a message; empty for none."""
    if value is None:
        return ""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
