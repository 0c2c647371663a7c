"""A workspace: the texts of a directory of definitions, read and validated as a whole.

`read_workspace` takes the texts, not the directory (`flows.definitions` reads files), and gives either the definitions
or every mistake in them: file, line, path, value, and what to write instead.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from operators.definition_types import LATER, Model
from operators.definitions import CHANNELS, STEP_KINDS, Journey, Orchestration, enter_mistakes
from operators.yaml_lines import Document, Location, read_yaml

ORCHESTRATION = "orchestration.yaml"
LATER_FILES = ("traits.yaml", "segments.yaml", "offers.yaml")
SCENARIOS_END = ".test.yaml"


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


@dataclass
class Workspace:
    """The definitions of one directory, and what is wrong with them."""

    orchestration: Orchestration | None = None
    journeys: list[Journey] = field(default_factory=list)
    """In the order of their names."""
    complaints: list[Complaint] = field(default_factory=list)
    scenario_files: list[str] = field(default_factory=list)


def read_workspace(texts: Mapping[str, str]) -> Workspace:
    """Read and validate all files of a workspace.

    Args:
        texts: File name, relative to the directory -> text.
    """
    workspace = Workspace()
    documents: dict[str, Document] = {}
    """Journey files that hold a mapping, valid or not: a mistake in one place hides none in another."""
    files: dict[str, str] = {}
    """Name of a journey -> its file."""
    channels: Sequence[str] | None = None
    for file in sorted(texts):
        if file.endswith(SCENARIOS_END):
            workspace.scenario_files.append(file)
            continue
        document = read_yaml(texts[file])
        workspace.complaints += [Complaint(file, line, "", message) for line, message in document.mistakes]
        if document.mistakes and document.value is None:
            continue
        if file in LATER_FILES:
            if document.value is not None:
                workspace.complaints.append(
                    Complaint(
                        file,
                        1,
                        "",
                        f"{file} {LATER}",
                    )
                )
        elif file == ORCHESTRATION:
            workspace.orchestration = _validated(Orchestration, file, document, workspace.complaints)
            channels = _channels(document.value)
        else:
            journey = _validated(Journey, file, document, workspace.complaints)
            if not isinstance(document.value, dict):
                continue
            documents[file] = document
            name = document.value.get("journey")
            if isinstance(name, str) and name in files:
                message = f"the journey {name!r} is in {files[name]} already; choose another name"
                workspace.complaints.append(_complaint(file, document, ("journey",), message))
                continue
            if isinstance(name, str):
                files[name] = file
            if journey is not None:
                workspace.journeys.append(journey)
    workspace.journeys.sort(key=lambda journey: journey.journey)
    if ORCHESTRATION not in texts:
        workspace.complaints.append(
            Complaint(
                ORCHESTRATION,
                1,
                "",
                "the file is missing; write it with at least a time zone, as in: timezone: Europe/Berlin",
            )
        )
    if not workspace.journeys and not workspace.complaints:
        workspace.complaints.append(
            Complaint(".", 1, "", "there is no journey in this directory; a journey is a file NAME.yaml")
        )
    for file, document in documents.items():
        workspace.complaints += _across_fields(file, document, channels)
    workspace.complaints.sort()
    return workspace


def _channels(value: Any) -> Sequence[str] | None:
    """The channels that an orchestration names, right or wrong in other ways; None where it does not say."""
    if not isinstance(value, dict):
        return None
    channels = value.get("channels", dict.fromkeys(CHANNELS))
    return sorted(channels) if isinstance(channels, dict) else None


def _across_fields(file: str, document: Document, channels: Sequence[str] | None) -> Iterator[Complaint]:
    """What no field sees alone, from the values as written: what enters, channels there are, steps of one name."""
    enter, steps = document.value.get("enter"), document.value.get("steps")
    if isinstance(enter, dict):
        for location, message in enter_mistakes(enter):
            yield _complaint(file, document, ("enter", *location), message)
    ids: dict[str, int] = {}
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        if not isinstance(step, dict):
            continue
        channel, name = step.get("send"), step.get("id")
        if isinstance(channel, str) and channels is not None and channel not in channels:
            message = f"there is no channel {channel!r}; {_nearest(channel, channels)}"
            if channel == "best":
                message = f"a choice of the best channel {LATER}; name one channel, as in: send: email"
            yield _complaint(file, document, ("steps", index, "send"), message)
        name = name if isinstance(name, str) else str(index + 1)
        if name in ids:
            message = f"the step {name!r} stands in line {ids[name]} already; choose another id"
            yield _complaint(file, document, ("steps", index, "id"), message)
        ids.setdefault(name, document.line_of(("steps", index)))


def _validated(model: type[Any], file: str, document: Document, complaints: list[Complaint]) -> Any:
    if not isinstance(document.value, dict):
        complaints.append(
            Complaint(file, 1, "", f"the file is no mapping; it begins with `{next(iter(model.model_fields))}:`")
        )
        return None
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        for mistake in error.errors(include_url=False):
            location = tuple(mistake["loc"])
            complaints.append(_translated(model, file, document, location, mistake))
    return None


def _translated(model: type[BaseModel], file: str, document: Document, location: Location, mistake: Any) -> Complaint:
    """One complaint of pydantic in our words."""
    location = _in_file(document.value, location)
    kind, message = mistake["type"], mistake["msg"]
    if kind == "extra_forbidden":
        owner = _model_at(model, location[:-1])
        key = str(location[-1])
        if key in owner.later:
            return _complaint(
                file,
                document,
                location,
                f"`{key}` {LATER}",
            )
        names = [f.alias or name for name, f in owner.model_fields.items()]
        return _complaint(
            file, document, location, f"there is no key {key!r} here; {_nearest(key, [*names, *owner.later])}"
        )
    if kind == "missing":
        return _complaint(file, document, location[:-1], f"`{location[-1]}` is missing; write it here")
    if kind == "string_pattern_mismatch":
        message = "a name is made of letters, digits, `-` and `_`, and begins with a letter or digit"
    if kind in ("language", "text", "step"):
        return _complaint(file, document, location, message)
    return _complaint(file, document, location, message[:1].lower() + message[1:], _shown(mistake.get("input")))


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
        elif not (number == last and isinstance(value, dict)):
            continue
        kept.append(part)
    return tuple(kept)


def _model_at(model: type[BaseModel], location: Location) -> type[Model]:
    """The model that validates the mapping at a place of a file."""
    found: Any = model
    for part in location:
        fields = {f.alias or name: f for name, f in found.model_fields.items()}
        if isinstance(part, str) and part in fields:
            found = _model_in(fields[part].annotation) or found
    return found  # type: ignore[no-any-return]


def _model_in(annotation: Any) -> type[Model] | None:
    """The model that an annotation holds: `list[Step]`, `Without | None`, ..."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _model_in(part)
        if found is not None:
            return found
    return None


def _complaint(file: str, document: Document, location: Location, message: str, value: str = "") -> Complaint:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return Complaint(file, document.line_of(location), path, message, value)


def _nearest(word: str, names: Sequence[str]) -> str:
    near = get_close_matches(word, names, 1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


__all__ = ["STEP_KINDS", "Complaint", "Workspace", "read_workspace"]
