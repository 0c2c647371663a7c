"""Definitions as one canonical JSON text, and read back from it: what goes into the log when journeys change.

The text holds what the definitions say and nothing of how they were written: no comments, no order of files or keys, no
defaults that were written out, `use` and params filled in. So equal definitions have one hash.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson
from pydantic import BaseModel

from operators.complaints import validated
from operators.definitions import Journey
from operators.offer_definitions import Offer
from operators.offer_files import OfferFile
from operators.orchestration import Orchestration
from operators.records import storable, to_json
from operators.send_definitions import BEST
from operators.trait_definitions import Trait
from operators.trait_files import SEGMENTS, TRAITS, TraitFiles
from operators.workspace import Workspace, own_names
from operators.yaml_lines import Document
from state.errors import DefinitionsError

FORMAT = 1
"""Of the text; a text of another format is refused, never guessed at."""


def canonical_json(
    orchestration: Orchestration,
    journeys: Sequence[Journey],
    older: Sequence[Journey] = (),
    traits: Mapping[str, Trait] = MappingProxyType({}),
    segments: Mapping[str, str] = MappingProxyType({}),
    offers: Mapping[str, Offer] = MappingProxyType({}),
) -> bytes:
    """The definitions as one text: equal for definitions that say the same."""

    def plain(model: BaseModel) -> Any:
        return storable(model.model_dump(mode="json", by_alias=True, exclude_defaults=True))

    said: dict[str, Any] = {
        "format": FORMAT,
        "orchestration": plain(orchestration),
        "journeys": [plain(one) for one in sorted(journeys, key=lambda one: one.journey)],
        "older": [plain(one) for one in sorted(older, key=lambda one: (one.journey, one.version))],
        "traits": {name: plain(trait) for name, trait in traits.items()},
        "segments": dict(segments),
    }
    if offers:
        said["offers"] = {name: plain(offer) for name, offer in offers.items()}
    if _asks_for_best([said["journeys"], said["older"], said.get("offers")]):
        said["channels"] = list(orchestration.channels)  # as listed: the order says which goes first among equals
    return to_json(said)


def _asks_for_best(value: Any) -> bool:
    """Whether a message goes out on plain `best`."""
    if isinstance(value, dict):
        return BEST in (value.get("send"), value.get("channel")) or any(map(_asks_for_best, value.values()))
    return isinstance(value, list) and any(map(_asks_for_best, value))


def workspace_json(workspace: Workspace) -> bytes:
    """The canonical JSON of a workspace without mistakes."""
    assert workspace.orchestration is not None  # noqa: S101 - a workspace without one has a mistake
    return canonical_json(
        workspace.orchestration,
        workspace.journeys,
        workspace.older,
        workspace.traits,
        workspace.segments,
        workspace.offers,
    )


def read_workspace_json(text: bytes) -> Workspace:
    """The definitions that `workspace_json` wrote.

    Raises:
        DefinitionsError: It is no such text, or definitions that this version cannot do.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        message = f"definitions that are no JSON: {error}; write them with this version of Sojourn"
        raise DefinitionsError(message) from None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        found = value.get("format") if isinstance(value, dict) else value
        raise DefinitionsError(f"definitions of format {found!r}; this version of Sojourn reads format {FORMAT}")
    place = "definitions in the log"
    traits = TraitFiles(
        {name: Document(value.get(part)) for name, part in ((TRAITS, "traits"), (SEGMENTS, "segments"))}
    )
    workspace = Workspace(traits=traits.traits, segments=traits.segments, complaints=traits.complaints)
    workspace.orchestration = validated(
        Orchestration, place, Document(value.get("orchestration")), workspace.complaints
    )
    order = value.get("channels")
    if workspace.orchestration is not None and isinstance(order, list):
        channels = workspace.orchestration.channels
        listed = {name: channels[name] for name in order if name in channels}
        workspace.orchestration = workspace.orchestration.model_copy(update={"channels": {**listed, **channels}})
    offers = OfferFile(Document(value.get("offers")))
    workspace.offers = offers.offers
    workspace.complaints += offers.complaints
    for part, into in (("journeys", workspace.journeys), ("older", workspace.older)):
        for one in value.get(part, ()):
            names = own_names(one) if isinstance(one, dict) else ()
            journey = validated(Journey, place, Document(one), workspace.complaints, names)
            if journey is not None:
                into.append(journey)
    if workspace.complaints:
        raise DefinitionsError("\n".join(map(str, workspace.complaints)))
    return workspace
