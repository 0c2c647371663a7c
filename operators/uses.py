"""Which journeys a workspace has, once `use:` is followed and params are filled in: values like those of any other file.

A journey that uses another is that one's values with other params; what is wrong with them is told at the file that chose
the params, unless the used file is wrong by itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from operators.complaints import Complaint, complaint_at, path_of
from operators.journey_mistakes import nearest
from operators.params import USE_KEYS, fill, params_of, unknown_params
from operators.yaml_lines import Document, Location


@dataclass(frozen=True)
class Source:
    """One journey's values, ready to be validated, and where a mistake in them is to be told."""

    file: str
    document: Document
    """The values; lines are those of the file that has them."""
    uses: "Use | None" = None


@dataclass(frozen=True)
class Use:
    """A file that uses another journey."""

    file: str
    document: Document
    of: str
    """File of the journey that is used."""

    def complaint(self, complaint: Complaint) -> Complaint:
        """A mistake in the filled-in values, told where the params were chosen."""
        place: Location = ("params",) if params_of(self.document.value) else ("use",)
        key = complaint.path.split(".")[0].split("[")[0]
        if key in self.document.value and key in USE_KEYS:
            return Complaint(
                self.file, self.document.line_of((key,)), complaint.path, complaint.message, complaint.value
            )
        message = f"with these params, {complaint.path or 'the journey'} in {self.of}: {complaint.message}"
        return Complaint(self.file, self.document.line_of(place), path_of(place), message, complaint.value)


def sources(documents: Mapping[str, Document]) -> Iterator[Source | Complaint]:
    """The journeys of a workspace, and what is wrong with how they use each other.

    Args:
        documents: File -> what it holds, a mapping.
    """
    by_name: dict[str, str] = {}
    for file, document in documents.items():
        name = document.value.get("journey")
        if isinstance(name, str):
            by_name.setdefault(name, file)
    for file, document in documents.items():
        value = document.value
        found: list[tuple[Location, str]] = []
        if "params" in value and not isinstance(value["params"], dict):
            found.append((("params",), "params are a mapping of names and values, as in: params: {window: 5d}"))
        if "use" not in value:
            found += unknown_params({key: part for key, part in value.items() if key != "params"}, params_of(value))
            yield from (complaint_at(file, document, location, message) for location, message in found)
            yield Source(file, _filled(document, value, params_of(value)))
            continue
        found += [
            ((key,), f"`{key}` is that of the journey that is used; beside `use` there may be {', '.join(USE_KEYS)}")
            for key in value
            if key not in USE_KEYS
        ]
        chain = _chain(file, documents, by_name)
        if isinstance(chain, str):
            found.append((("use",), chain))
        else:
            found += _unknown_given(value, [documents[one].value for one in chain[1:]])
        yield from (complaint_at(file, document, location, message) for location, message in found)
        if not found and not isinstance(chain, str):
            yield _used(chain, documents)


def _chain(file: str, documents: Mapping[str, Document], by_name: Mapping[str, str]) -> list[str] | str:
    """The files from one that uses another to the one that uses none; or what is wrong on the way."""
    chain = [file]
    while "use" in documents[chain[-1]].value:
        name = documents[chain[-1]].value["use"]
        if not isinstance(name, str):
            return f"`use` names a journey, and {name!r} is no name"
        used = by_name.get(name)
        if used is None:
            return f"there is no journey {name!r}; {nearest(name, sorted(by_name))}"
        chain.append(used)
        if used in chain[:-1]:
            names = [str(documents[one].value.get("journey")) for one in chain]
            return f"journeys use each other in a circle: {' -> '.join(names)}; one of them has to say its steps itself"
    return chain


def _unknown_given(value: Mapping[str, Any], used: list[dict[str, Any]]) -> Iterator[tuple[Location, str]]:
    known = sorted({name for one in used for name in params_of(one)})
    for name in params_of(value):
        if name not in known:
            instead = nearest(str(name), known) if known else "it has none"
            yield ("params", name), f"the journey {value['use']!r} has no param {name!r}; {instead}"


def _used(chain: list[str], documents: Mapping[str, Document]) -> Source:
    base = documents[chain[-1]]
    values = dict(base.value)
    params: dict[str, Any] = {}
    for file in reversed(chain):
        params |= params_of(documents[file].value)
        if file != chain[-1]:
            values |= {key: part for key, part in documents[file].value.items() if key not in ("use", "params")}
    return Source(chain[-1], _filled(base, values, params), Use(chain[0], documents[chain[0]], chain[-1]))


def _filled(document: Document, value: Mapping[str, Any], params: Mapping[str, Any]) -> Document:
    values = {key: part for key, part in value.items() if key != "params"}
    return Document(fill(values, params), document.lines)
