"""`traits.yaml` and `segments.yaml`, read: the definitions in them, and what is wrong with them."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from operators.complaints import Complaint, complaint_at, validated
from operators.trait_compiler import Definitions
from operators.trait_definitions import Segment, Trait, name_mistake, trait_mistakes
from operators.yaml_lines import Document

TRAITS, SEGMENTS = "traits.yaml", "segments.yaml"

_EXAMPLES = {
    TRAITS: "orders_90d: {count: Order Completed, within: 90d}",
    SEGMENTS: 'vip: "traits.orders_90d >= 3"',
}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")

_SEGMENT: TypeAdapter[str] = TypeAdapter(Segment)


class TraitFiles:
    """The two files of a workspace; either may be missing."""

    def __init__(self, documents: Mapping[str, Document]) -> None:
        """Read what is there of them.

        Args:
            documents: File -> what it holds.
        """
        self._documents = documents
        self.complaints: list[Complaint] = []
        self.traits: dict[str, Trait] = {}
        self.segments: dict[str, str] = {}
        for file, example in _EXAMPLES.items():
            document = documents.get(file)
            if document is not None and not isinstance(document.value, (dict, type(None))):
                message = f"the file is no mapping; write a name and what it is made of, as in: {example}"
                self.complaints.append(Complaint(file, 1, "", message))
        for name, value in self._entries(TRAITS):
            self._read_trait(name, value)
        for name, value in self._entries(SEGMENTS):
            self._read_segment(name, value)
        written = [name for file in (TRAITS, SEGMENTS) for name, _ in self._entries(file)]
        wrong = [name for name in written if name not in self.traits and name not in self.segments]
        self.definitions = Definitions(self.traits, self.segments, wrong)

    def check(self, journeys: Collection[str]) -> Iterator[Complaint]:
        """What is wrong with them, beside each other and beside the journeys."""
        yield from self.complaints
        for mistake in self.definitions.mistakes(journeys):
            file = SEGMENTS if mistake.is_segment else TRAITS
            location = (mistake.name,) if mistake.key is None else (mistake.name, mistake.key)
            yield complaint_at(file, self._documents[file], location, mistake.message)

    def _entries(self, file: str) -> Iterator[tuple[Any, Any]]:
        document = self._documents.get(file)
        if document is not None and isinstance(document.value, dict):
            yield from document.value.items()

    def _read_trait(self, name: Any, value: Any) -> None:
        document = self._documents[TRAITS]
        message = name_mistake(name)
        if message is None and not isinstance(value, dict):
            message = "a trait says what it computes, as in: {count: Order Completed, within: 90d}"
        if message is not None:
            self.complaints.append(complaint_at(TRAITS, document, (name,), message))
            return
        found: list[Complaint] = []
        below = {location[1:]: line for location, line in document.lines.items() if location[:1] == (name,)}
        trait = validated(Trait, TRAITS, Document(value, below), found)
        found = [replace(one, path=f"{name}.{one.path}" if one.path else name) for one in found]
        found += [complaint_at(TRAITS, document, (name, *place), said) for place, said in trait_mistakes(value)]
        self.complaints += found
        if not found:
            self.traits[name] = trait

    def _read_segment(self, name: Any, value: Any) -> None:
        document = self._documents[SEGMENTS]
        if _NAME.fullmatch(str(name)) is None:
            message = f"{name!r} cannot be the name of a segment; write letters, digits, `-` and `_`, as in: at_risk"
            self.complaints.append(complaint_at(SEGMENTS, document, (name,), message))
            return
        try:
            self.segments[name] = _SEGMENT.validate_python(value)
        except ValidationError as error:
            message = error.errors(include_url=False)[0]["msg"]
            self.complaints.append(complaint_at(SEGMENTS, document, (name,), message))
