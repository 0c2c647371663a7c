"""JSON Schema of the files of a workspace, for editors: what may stand where, and what it means.

Made from the models that `check` uses, so that an editor refuses nothing that `check` takes. `check` knows more: expressions,
names, what two places say together.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from operators.definition_types import Model
from operators.definitions import Journey
from operators.offer_definitions import Offer
from operators.orchestration import Orchestration
from operators.params import USE_KEYS
from operators.scenario_definitions import ScenarioFile
from operators.trait_definitions import Trait

Schema = dict[str, Any]

_DIALECT: Final = "http://json-schema.org/draft-07/schema#"
"""The one that YAML language servers know best."""

_PARAM: Final = {"type": "string", "pattern": r"\$\{"}
"""A param in the place of a number: `${days}`."""


def schema_of(kind: str) -> Schema:
    """The schema of one kind of file; one of `KINDS`."""
    schema = _plain(_MAKERS[kind]())
    return {"$schema": _DIALECT, "title": f"Sojourn: {_TITLES[kind]}", **schema}


def _journey() -> Schema:
    """A journey, or one that uses another."""
    whole = _of(Journey)
    properties = whole["properties"]
    properties["params"] = {
        "type": "object",
        "description": "Names and values that `${name}` stands for in any value of this file",
    }
    using = {key: properties[key] for key in USE_KEYS if key in properties}
    using["use"] = {
        "type": "string",
        "description": "Another journey of the workspace, of which this is one with other params",
    }
    definitions = whole.pop("$defs")
    definitions["JourneyByUse"] = {
        "type": "object",
        "description": "A journey that uses another one, with other params.",
        "properties": using,
        "required": ["journey", "use"],
        "additionalProperties": False,
    }
    definitions["Journey"] = whole
    # Not `anyOf`: an editor then tells all that is wrong with both forms, where one is meant.
    return {
        "if": {"required": ["use"]},
        "then": {"$ref": "#/$defs/JourneyByUse"},
        "else": {"$ref": "#/$defs/Journey"},
        "$defs": _with_params(definitions),
    }


def _with_params(value: Any) -> Any:
    """The same, with a param wherever a number or a yes or no is wanted; texts take one anyway."""
    if isinstance(value, list):
        return [_with_params(part) for part in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") in ("integer", "number", "boolean"):
        told = {key: part for key, part in value.items() if key in ("description", "default", "title")}
        return {**told, "anyOf": [{key: part for key, part in value.items() if key not in told}, _PARAM]}
    return {key: _with_params(part) for key, part in value.items()}


def _orchestration() -> Schema:
    schema = _of(Orchestration)
    channels = schema["properties"]["channels"]
    channels["additionalProperties"] = {"anyOf": [channels["additionalProperties"], {"type": "null"}]}  # `email:` alone
    return schema


def _traits() -> Schema:
    trait = _of(Trait)
    definitions = {**trait.pop("$defs", {}), "Trait": trait}
    return {
        "type": "object",
        "description": "Traits by name: what is known of a customer, computed from their events.",
        "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_]*$"},
        "additionalProperties": {"$ref": "#/$defs/Trait"},
        "$defs": definitions,
    }


def _segments() -> Schema:
    return {
        "type": "object",
        "description": "Segments by name: an expression that is true for the customers in it.",
        "additionalProperties": {"type": "string", "description": "An expression of traits, profile, segments and now"},
    }


def _offers() -> Schema:
    offer = _of(Offer)
    definitions = {**offer.pop("$defs", {}), "Offer": offer}
    return {
        "type": "object",
        "description": "Offers by name: what a step that chooses may send.",
        "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$"},
        "additionalProperties": {"$ref": "#/$defs/Offer"},
        "$defs": definitions,
    }


def _of(model: type[Model]) -> Schema:
    return TypeAdapter(model).json_schema(by_alias=True, ref_template="#/$defs/{model}", mode="validation")


def _plain(value: Any) -> Any:
    """Without what is said by itself: titles made of names, and defaults that are nothing."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if not isinstance(value, Mapping):
        return value
    kept = {}
    for key, part in value.items():
        if key in ("properties", "$defs"):
            kept[key] = {name: _plain(inner) for name, inner in part.items()}
        elif key != "title" and not (key == "default" and part in (None, [], {})):
            # Any literal may stand where an expression may: one that is both is right, so not exactly one form fits.
            kept["anyOf" if key == "oneOf" else key] = _plain(part)
    return kept


_MAKERS: Final[Mapping[str, Callable[[], Schema]]] = {
    "journey": _journey,
    "orchestration": _orchestration,
    "traits": _traits,
    "segments": _segments,
    "offers": _offers,
    "scenarios": lambda: _of(ScenarioFile),
}
_TITLES: Final = {
    "journey": "a journey",
    "orchestration": "orchestration.yaml",
    "traits": "traits.yaml",
    "segments": "segments.yaml",
    "offers": "offers.yaml",
    "scenarios": "scenarios of a journey (*.test.yaml)",
}

KINDS: Final = tuple(_MAKERS)
"""The kinds of files."""
