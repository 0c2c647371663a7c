"""YAML text to plain values, with the line of every key and value: what a complaint needs to point at its place."""

from dataclasses import dataclass, field
from typing import Any

import yaml

Location = tuple[str | int, ...]
"""The way to a value: keys and indices from the top."""

NODES_MAX = 100_000
"""Of one file; aliases that multiply (the "billion laughs") stop here."""

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
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            document.value = _value(loader, node, (), document, [0])
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.mistakes.append((mark.line + 1 if mark else 1, f"this is no YAML: {error.problem or error.context}"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        document.mistakes.append(
            (1, f"this is no YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
        )
    finally:
        if loader is not None:
            loader.dispose()
    return document


def _value(loader: Any, node: Any, location: Location, document: Document, count: list[int]) -> Any:
    line = node.start_mark.line + 1
    document.lines.setdefault(location, line)
    count[0] += 1
    if count[0] > NODES_MAX:
        raise ValueError(f"more than {NODES_MAX:,} values")
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node)
            key_line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                document.mistakes.append(
                    (key_line, f"the key {key_node.value!r} is not read as text; put it in quotes")
                )
                key = str(key_node.value)
            elif key in mapping:
                document.mistakes.append((key_line, f"the key {key!r} stands here twice; write it once"))
            document.lines[(*location, key)] = key_line
            mapping[key] = _value(loader, value_node, (*location, key), document, count)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*location, index), document, count) for index, item in enumerate(node.value)]
    if node.tag == "tag:yaml.org,2002:int" and ":" in node.value:
        document.mistakes.append(
            (line, f'YAML reads the clock time {node.value} as a number; put it in quotes: "{node.value}"')
        )
        return node.value
    return loader.construct_object(node)
