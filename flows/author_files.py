"""Files that help authors: JSON Schemas for their editors, and diagrams of their journeys."""

import json
import os
from pathlib import Path

from flows.definitions import read_directory
from operators.diagram import draw
from operators.diagram_mermaid import mermaid
from operators.diagram_svg import svg
from operators.journey_mistakes import nearest
from operators.schema import KINDS, schema_of
from state.errors import DefinitionsError, OutsideError, UsageError


def schema_text(kind: str) -> str:
    """The JSON Schema of one kind of file.

    Raises:
        UsageError: There is no such kind.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no kind of file {kind!r}; {nearest(kind, KINDS)}")
    return json.dumps(schema_of(kind), indent=2) + "\n"


def write_schemas(directory: Path) -> list[Path]:
    """Write those of all kinds; gives their paths.

    Raises:
        OutsideError: They cannot be written.
    """
    paths = [directory / f"{kind}.schema.json" for kind in KINDS]
    for kind, path in zip(KINDS, paths, strict=True):
        write_text(path, schema_text(kind))
    return paths


def draw_journey(directory: Path, name: str, *, is_svg: bool) -> str:
    """The diagram of one journey of a directory, as SVG or as Mermaid text.

    Raises:
        UsageError: There is no such journey.
        DefinitionsError: There may be one; the directory has mistakes.
    """
    workspace = read_directory(directory)
    found = next((journey for journey in workspace.journeys if journey.journey == name), None)
    if found is None:
        if workspace.complaints:
            raise DefinitionsError("\n".join(f"{directory}/{complaint}" for complaint in workspace.complaints))
        names = [journey.journey for journey in workspace.journeys]
        raise UsageError(f"there is no journey {name!r} in {directory}; {nearest(name, names)}")
    diagram = draw(found)
    return svg(diagram) if is_svg else mermaid(diagram)


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all.

    Raises:
        OutsideError: It cannot be written.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise OutsideError(f"{path}: {error.strerror or error}; name a file that can be written") from error
