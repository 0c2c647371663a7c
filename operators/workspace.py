"""A workspace: the texts of a directory of definitions, read and validated as a whole.

`read_workspace` takes the texts, not the directory (`flows.definitions` reads files), and gives either the definitions
or every mistake in them: file, line, path, value, and what to write instead.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from operators.complaints import Complaint, complaint_at, validated
from operators.definitions import Journey, enter_mistakes
from operators.expressions_written import readings
from operators.journey_mistakes import journey_mistakes
from operators.offer_definitions import Offer
from operators.offer_files import OFFERS, OfferFile
from operators.orchestration import CHANNELS, Orchestration
from operators.orchestration_mistakes import orchestration_mistakes
from operators.scenario_definitions import ScenarioFile
from operators.scenario_files import read_scenarios
from operators.step_definitions import STEP_KINDS
from operators.steps_written import lists_of, steps_in
from operators.trait_compiler import Definitions
from operators.trait_definitions import Trait
from operators.trait_files import SEGMENTS, TRAITS, TraitFiles
from operators.uses import Source, sources
from operators.yaml_lines import Document, read_yaml

ORCHESTRATION = "orchestration.yaml"
Channels = tuple[Sequence[str] | None, Sequence[str]]
"""Names of all channels, None where that is not known; and of those with an address."""

SCENARIOS_ENDS = (".test.yaml", ".test.yml")


@dataclass
class Workspace:
    """The definitions of one directory, and what is wrong with them."""

    orchestration: Orchestration | None = None
    journeys: list[Journey] = field(default_factory=list)
    """In the order of their names."""
    older: list[Journey] = field(default_factory=list)
    """Versions that nobody enters any more, and that customers inside finish on."""
    traits: dict[str, Trait] = field(default_factory=dict)
    segments: dict[str, str] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    """Name of a journey -> its file."""
    scenarios: dict[str, ScenarioFile] = field(default_factory=dict)
    """File -> its scenarios, of files in which each is one."""
    scenario_lines: dict[str, list[int]] = field(default_factory=dict)
    """File -> the lines at which they begin."""


def read_workspace(texts: Mapping[str, str]) -> Workspace:
    """Read and validate all files of a workspace.

    Args:
        texts: File name, relative to the directory -> text.
    """
    workspace = Workspace()
    documents: dict[str, Document] = {}
    """Journey files that hold a mapping, valid or not: a mistake in one place hides none in another."""
    scenarios: dict[str, Document] = {}
    named: dict[str, Document] = {}
    """What there is of the files of traits and segments."""
    channels: Sequence[str] | None = None
    reachable: Sequence[str] = ()
    written, offered = Document(None), Document(None)
    for file in sorted(texts):
        document = read_yaml(texts[file])
        workspace.complaints += [Complaint(file, line, "", message) for line, message in document.mistakes]
        if document.mistakes and document.value is None:
            continue
        if file.endswith(SCENARIOS_ENDS):
            scenarios[file] = document
        elif file == OFFERS:
            offered = document
        elif file in (TRAITS, SEGMENTS):
            named[file] = document
        elif file == ORCHESTRATION:
            written = document
            workspace.orchestration = validated(Orchestration, file, document, workspace.complaints)
            channels, reachable = _channels(document.value), _reachable(document.value)
        elif isinstance(document.value, dict):
            documents[file] = document
        else:
            validated(Journey, file, document, workspace.complaints)
    traits = TraitFiles(named)
    workspace.traits, workspace.segments = traits.traits, traits.segments
    offers = OfferFile(offered)
    workspace.offers = offers.offers
    workspace.complaints += offers.check(channels, reachable, traits.definitions)
    _read_journeys(workspace, documents, (channels, reachable), traits, offers)
    journeys = [document.value.get("journey") for document in documents.values()]
    names = [name for name in journeys if isinstance(name, str)]
    workspace.complaints += traits.check(names)
    workspace.journeys.sort(key=lambda journey: journey.journey)
    _read_scenarios(workspace, scenarios, names, channels)
    if workspace.orchestration is not None:
        found = orchestration_mistakes(workspace.orchestration, names, _experiments(documents), traits.definitions)
        workspace.complaints += [complaint_at(ORCHESTRATION, written, place, message) for place, message in found]
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
    layers = workspace.orchestration.layers if workspace.orchestration is not None else {}
    layered = {name for parts in layers.values() for name in parts}
    workspace.complaints += _split_mistakes(documents, layered)
    workspace.complaints.sort()
    return workspace


def _channels(value: Any) -> Sequence[str] | None:
    """The channels that an orchestration names, right or wrong in other ways; None where it does not say."""
    if not isinstance(value, dict):
        return None
    channels = value.get("channels", dict.fromkeys(CHANNELS))
    return sorted(channels) if isinstance(channels, dict) else None


def _reachable(value: Any) -> list[str]:
    """The channels that an orchestration gives an address, as listed."""
    channels = value.get("channels") if isinstance(value, dict) else None
    named = channels.items() if isinstance(channels, dict) else ()
    return [name for name, channel in named if isinstance(channel, dict) and channel.get("address") is not None]


def _read_journeys(
    workspace: Workspace, documents: Mapping[str, Document], channels: Channels, traits: TraitFiles, offers: OfferFile
) -> None:
    """Validate the journeys, those that use others too; each name once."""
    files = workspace.files
    wrong: set[str] = set()
    found = list(sources(documents))
    workspace.complaints += [one for one in found if isinstance(one, Complaint)]
    # Those that use others last: what is wrong with the used one is told once.
    for source in sorted((one for one in found if isinstance(one, Source)), key=lambda one: one.uses is not None):
        journey, complaints = _journey(source, channels)
        complaints += _trait_mistakes(source, traits.definitions)
        complaints += offers.check_steps(source.file, source.document)
        file = source.uses.file if source.uses else source.file
        if source.uses is not None:
            told = [] if source.file in wrong else complaints
            complaints = [source.uses.complaint(complaint) for complaint in told]
        elif complaints:
            wrong.add(file)
        name = source.document.value.get("journey")
        if isinstance(name, str) and name in files:
            message = f"the journey {name!r} is in {files[name]} already; choose another name"
            complaints.append(complaint_at(file, documents[file], ("journey",), message))
        elif journey is not None:
            workspace.journeys.append(journey)
        if isinstance(name, str):
            files.setdefault(name, file)
        workspace.complaints += complaints


def _read_scenarios(
    workspace: Workspace, documents: Mapping[str, Document], names: Sequence[str], channels: Sequence[str] | None
) -> None:
    """Validate the scenarios of all journeys that there are, those with mistakes too."""
    journeys = {journey.journey: journey for journey in workspace.journeys}
    for file, document in documents.items():
        found = read_scenarios(file, document, journeys, names, channels, workspace.complaints)
        if found is not None:
            workspace.scenarios[file] = found
            places = range(len(found.scenarios))
            workspace.scenario_lines[file] = [document.line_of(("scenarios", place)) for place in places]


def _journey(source: Source, channels: Channels) -> tuple[Journey | None, list[Complaint]]:
    """One journey, if it is one, and what is wrong with it."""
    complaints: list[Complaint] = []
    document = source.document
    journey = validated(Journey, source.file, document, complaints, own_names(document.value))
    enter = document.value.get("enter")
    found = [(("enter", *place), said) for place, said in enter_mistakes(enter)] if isinstance(enter, dict) else []
    found += journey_mistakes(document, *channels)
    complaints += [complaint_at(source.file, document, location, message) for location, message in found]
    return journey, complaints


def _trait_mistakes(source: Source, definitions: Definitions) -> list[Complaint]:
    """Traits and segments that a journey reads: those that there are not, and kinds that do not fit."""
    found: list[Complaint] = []
    for reading in readings(source.document.value):
        messages = definitions.mistakes_in(reading.uses, reading.tree)
        found += [complaint_at(source.file, source.document, reading.location, message) for message in messages]
        if reading.location[0] == "exit" and reading.location[-1] == "when":
            for name in sorted(reading.uses.traits & definitions.traits.keys()):
                if definitions.changes_by_clock(name):
                    message = (
                        f"the trait {name!r} changes by the clock, and `when` is looked at only when the customer does "
                        "something; make a segment of it, and write: entered: SEGMENT"
                    )
                    found.append(complaint_at(source.file, source.document, reading.location, message))
    return found


def own_names(journey: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that a journey's pattern gives its events (`as`)."""
    enter = journey.get("enter")
    pattern = enter.get("pattern") if isinstance(enter, dict) else None
    named = [one.get("as") for one in pattern if isinstance(one, dict)] if isinstance(pattern, list) else []
    return tuple(name for name in named if isinstance(name, str))


def _experiments(documents: Mapping[str, Document]) -> set[str]:
    """The names of all experiments."""
    splits = [one.step.get("split") for doc in documents.values() for one in steps_in(lists_of(doc.value))]
    names = [split.get("name") for split in splits if isinstance(split, dict)]
    return {name for name in names if isinstance(name, str)}


def _split_mistakes(documents: Mapping[str, Document], layered: Collection[str]) -> list[Complaint]:
    """Experiments of one name and other arms: the same name is to give the same arm everywhere.

    `layered` are those of layers, which have to say what those do who are outside.
    """
    complaints: list[Complaint] = []
    known: dict[str, tuple[str, int, dict[str, Any]]] = {}
    for file, document in documents.items():
        for written in steps_in(lists_of(document.value)):
            split = written.step.get("split")
            if not isinstance(split, dict) or not isinstance(split.get("arms"), dict):
                continue
            arms = {name: arm.get("weight", 1) for name, arm in split["arms"].items() if isinstance(arm, dict)}
            name, place = split.get("name"), (*written.location, "split", "name")
            if not isinstance(name, str):
                continue
            outside = ""
            if name in layered and split.get("else") is None:
                outside = f"the experiment is in a layer; say which arm's steps those walk who are outside, as in: else: {min(arms)}"
            elif name not in layered and split.get("else") is not None:
                outside = (
                    "nobody is outside of an experiment that is in no layer of orchestration.yaml; leave `else` out"
                )
            if outside and arms:
                complaints.append(complaint_at(file, document, (*place[:-1], "else"), outside))
            other = known.setdefault(name, (file, document.line_of(place), arms))
            if other[2] != arms:
                message = (
                    f"the experiment {name!r} has other arms or weights in {other[0]}:{other[1]}; choose another name"
                )
                complaints.append(complaint_at(file, document, place, message))
    return complaints


__all__ = ["STEP_KINDS", "Complaint", "Workspace", "read_workspace"]
