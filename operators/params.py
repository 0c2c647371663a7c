"""Journeys made of another one: `params` with `${name}` in values, and `use:` with other ones.

Works on the values of a file, before they are validated: what comes out is a journey like any other.

>>> fill({"within": "${window}", "note": "in ${window}"}, {"window": "5d"})
{'within': '5d', 'note': 'in 5d'}
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from operators.yaml_lines import Location

PARAM = re.compile(r"\$\{\s*([A-Za-z0-9][A-Za-z0-9_-]*)\s*\}")

USE_KEYS = ("journey", "use", "params", "version", "description", "priority", "tags", "control")
"""What a file that uses another journey may say itself."""


def fill(value: Any, params: Mapping[str, Any]) -> Any:
    """The value with every `${name}` filled in: a text that is nothing else becomes the param as it is.

    What is not among the params stays; `unknown_params` tells of it.
    """
    if isinstance(value, str):
        whole = PARAM.fullmatch(value)
        if whole and whole[1] in params:
            return params[whole[1]]
        return PARAM.sub(lambda found: _as_text(params[found[1]]) if found[1] in params else found[0], value)
    if isinstance(value, dict):
        return {key: fill(part, params) for key, part in value.items()}
    if isinstance(value, list):
        return [fill(part, params) for part in value]
    return value


def _as_text(value: Any) -> str:
    return {True: "true", False: "false", None: ""}[value] if value is None or isinstance(value, bool) else str(value)


def unknown_params(value: Any, known: Mapping[str, Any], location: Location = ()) -> Iterator[tuple[Location, str]]:
    """(place, sentence) for each `${name}` that is no param."""
    if isinstance(value, str):
        for found in PARAM.finditer(value):
            if found[1] not in known:
                near = get_close_matches(found[1], list(known), 1)
                instead = f"did you mean {near[0]!r}?" if near else f"write it, as in: params: {{{found[1]}: ...}}"
                yield location, f"there is no param {found[1]!r}; {instead}"
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from unknown_params(part, known, (*location, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from unknown_params(part, known, (*location, index))


def params_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The params of a journey, right or wrong in other ways."""
    params = document.get("params")
    return params if isinstance(params, dict) else {}
