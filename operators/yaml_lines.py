"""YAML text to plain values, with the line of every key and value: what a complaint needs to point at its place."""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

Location = tuple[str | int, ...]
"""The way to a value: keys and indices from the top."""

NODES_MAX = 100_000
"""Of one file; aliases that multiply (the "billion laughs") stop here."""

DEPTH_MAX = 100
"""Values within values. libyaml's composer recurses in C: without a bound, a line of brackets kills the process."""

_TAG = "tag:yaml.org,2002:"
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML forbids; searched for here because libyaml tells no line of it."""
_UNREADABLE = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""What PyYAML's constructors raise for a scalar that is not what its tag or its form says."""

_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class Document:
    """One YAML file, read."""

    value: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    """Location -> line, from 1: of the key for a mapping's values, of the item for a list's."""
    mistakes: list[tuple[int, str]] = field(default_factory=list)
    """(line, sentence) for what is wrong with the YAML itself."""

    def line_of(self, location: Location) -> int:
        """The line of the place, or of the nearest one above it that the file has."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)


def read_yaml(text: str) -> Document:
    """Read one document; never raises for bad text, the mistakes are in the result."""
    document = Document()
    found = _NOT_ALLOWED.search(text)
    if found:
        line = len((text[: found.start()] + ".").splitlines())
        document.mistakes.append(
            (line, f"this is no YAML: the character U+{ord(found[0]):04X} is not allowed; take it out")
        )
        return document
    loader = None
    try:
        _check_depth(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            document.value = _Values(loader, document).value(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.mistakes.append((mark.line + 1 if mark else 1, f"this is no YAML: {error.problem or error.context}"))
    except (yaml.YAMLError, ValueError) as error:
        document.mistakes.append((1, f"this is no YAML: {(str(error) or type(error).__name__).splitlines()[0]}"))
    finally:
        if loader is not None:
            loader.dispose()
    return document


def _check_depth(text: str) -> None:
    """Refuse what nests too deep while it is still a stream of events, which takes no recursion to read."""
    loader = _Loader(text)
    depth = 0
    try:
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEPTH_MAX:
                    raise _error(f"more than {DEPTH_MAX} values within each other", event)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    finally:
        loader.dispose()


def _error(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


class _Values:
    """The nodes of one document, as values; what is wrong with a single one is told, and the rest is read."""

    def __init__(self, loader: Any, document: Document) -> None:
        self.loader = loader
        self.document = document
        self.count = 0
        self.open: set[Any] = set()
        """The nodes around, which compare by identity: one that stands within itself has no end."""

    def value(self, node: Any, location: Location) -> Any:
        self.document.lines.setdefault(location, node.start_mark.line + 1)
        self._bound(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if node in self.open:
            self._mistake(node, "this is no YAML: an alias stands within its own anchor")
            return None
        if len(location) > DEPTH_MAX:  # aliases nest deeper than the text does
            raise _error(f"more than {DEPTH_MAX} values within each other", node)
        self.open.add(node)
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*location, index)) for index, item in enumerate(node.value)]
            mapping = {}
            for key, (key_node, value_node) in self._pairs(node).items():
                self.document.lines[(*location, key)] = key_node.start_mark.line + 1
                mapping[key] = self.value(value_node, (*location, key))
            return mapping
        finally:
            self.open.discard(node)

    def _pairs(self, node: Any) -> dict[str, tuple[Any, Any]]:
        """The keys of a mapping, those that `<<` brings in first. PyYAML's own merge copies them without a bound."""
        merged: dict[str, tuple[Any, Any]] = {}
        own: dict[str, tuple[Any, Any]] = {}
        for key_node, value_node in node.value:
            self._bound(key_node)
            if key_node.tag == f"{_TAG}merge":
                for key, pair in self._merged(value_node).items():
                    merged.setdefault(key, pair)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._mistake(key_node, "a key is a name, not a list or a mapping; write a text before the `:`")
                continue
            key = self._key(key_node)
            if key in own:
                self._mistake(key_node, f"the key {key!r} stands here twice; write it once")
            own[key] = (key_node, value_node)
        return merged | own

    def _merged(self, node: Any) -> dict[str, tuple[Any, Any]]:
        pairs: dict[str, tuple[Any, Any]] = {}
        for one in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(one, yaml.MappingNode) or one in self.open:
                self._mistake(one, "this is no YAML: `<<` takes a mapping, or a list of mappings, from elsewhere")
                continue
            if len(self.open) > DEPTH_MAX:  # a chain of merges nests as values do
                raise _error(f"more than {DEPTH_MAX} merges within each other", one)
            self.open.add(one)
            for key, pair in self._pairs(one).items():
                self._bound(one)
                pairs.setdefault(key, pair)
            self.open.discard(one)
        return pairs

    def _key(self, node: Any) -> str:
        value = node.value if node.tag == f"{_TAG}value" else self._constructed(node)
        if not isinstance(value, str):
            self._mistake(node, f"the key {node.value!r} is not read as text; put it in quotes")
        return str(node.value)

    def _scalar(self, node: Any) -> Any:
        text = node.value
        if node.tag in (f"{_TAG}int", f"{_TAG}float") and ":" in text:
            self._mistake(node, f'YAML reads the clock time {text} as a number; put it in quotes: "{text}"')
            return text
        return self._constructed(node)

    def _constructed(self, node: Any) -> Any:
        try:
            return self.loader.construct_object(node, deep=True)
        except _UNREADABLE as error:
            problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else None
            what = node.tag.removeprefix(_TAG)
            shown = node.value if len(node.value) <= 40 else f"{node.value[:37]}..."
            self._mistake(
                node, f"this is no YAML: {problem or f'{shown!r} cannot be read as {what}; put it in quotes'}"
            )
        return node.value

    def _mistake(self, node: Any, message: str) -> None:
        self.document.mistakes.append((node.start_mark.line + 1, message))

    def _bound(self, node: Any) -> None:
        self.count += 1
        if self.count > NODES_MAX:
            raise _error(f"more than {NODES_MAX:,} values", node)
