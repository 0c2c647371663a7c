"""The words of the definitions that decided: for a fact, the file, the line and the lines that the author wrote.

Reads texts and places alone, so it also works for definitions that have mistakes, or that are of another version than
the facts; which version they are is told.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.definitions import read_texts
from flows.facts_files import Record
from operators.offer_files import OFFERS
from operators.sends import GLOBAL
from operators.steps_written import lists_of, steps_in
from operators.uses import Source, sources
from operators.workspace import ORCHESTRATION, SCENARIOS_ENDS
from operators.yaml_lines import Document, Location, read_yaml

LINES_MAX = 60
"""Of one excerpt; the file has the rest."""

_OF_GATES: dict[str, list[Location]] = {
    "cap": [("caps",)],
    "lower_priority": [("conflicts",)],
    "arbitration": [("conflicts",)],
    "suppressed": [("suppress",)],
    "consent": [("channels", "{channel}"), ("bypass",)],
    "unreachable": [("channels", "{channel}")],
    "quiet_hours": [("channels", "{channel}"), ("quiet",), ("quiet_days",)],
}
"""Gate -> where orchestration.yaml says it."""


@dataclass(frozen=True)
class Excerpt:
    """Some lines of a file of definitions."""

    file: str
    line: int
    """Of its first line, from 1."""
    text: str
    version: int | None = None
    """Of the journey in that file; None where it is no journey's."""


class DefinitionTexts:
    """The texts of one directory of definitions."""

    def __init__(self, directory: Path) -> None:
        """Read them.

        Raises:
            InputError: The directory cannot be read.
        """
        self.directory = directory
        self._lines: dict[str, list[str]] = {}
        self._journeys: dict[str, Source] = {}
        self._orchestration: Document | None = None
        self._offers: Document | None = None
        self._steps: dict[str, dict[str, Location]] = {}
        documents: dict[str, Document] = {}
        for file, text in read_texts(directory).items():
            if file.endswith(SCENARIOS_ENDS):
                continue
            self._lines[file] = text.splitlines()
            document = read_yaml(text)
            if file == ORCHESTRATION:
                self._orchestration = document
            elif file == OFFERS:
                self._offers = document
            elif isinstance(document.value, dict) and isinstance(document.value.get("journey"), str):
                documents[file] = document
        for found in sources(documents):
            if isinstance(found, Source):
                value = found.document.value
                self._journeys.setdefault(value["journey"], found)
                self._steps.setdefault(value["journey"], {one.id: one.location for one in steps_in(lists_of(value))})

    def of(self, fact: Record) -> list[Excerpt]:
        """What decided a fact: nothing where the definitions do not say."""
        name = fact.get("journey")
        found = []
        source = self._journeys.get(name) if isinstance(name, str) else None
        if source is not None:
            version = _version(source)
            places = self._places(fact, source)
            found += [self._excerpt(source.file, source.document, place, version) for place in places]
        if fact.get("fact") == "withheld" and self._orchestration is not None:
            places = [("control",)] if _is_global(fact) else _OF_GATES.get(str(fact.get("gate")), [])
            for place in places:
                there = tuple(str(part).replace("{channel}", str(fact.get("channel"))) for part in place)
                if there in self._orchestration.lines:
                    found.append(self._excerpt(ORCHESTRATION, self._orchestration, there, None))
        offer = fact.get("chosen") if fact.get("fact") == "decided" else fact.get("offer")
        if self._offers is not None and isinstance(offer, str) and (offer,) in self._offers.lines:
            found.append(self._excerpt(OFFERS, self._offers, (offer,), None))
        return found

    def version_of(self, journey: str) -> int | None:
        """The version of a journey that the directory has; None where it has none."""
        source = self._journeys.get(journey)
        return _version(source) if source is not None else None

    def step(self, journey: str, step: str) -> Excerpt | None:
        """The lines of one step."""
        source, place = self._journeys.get(journey), self._steps.get(journey, {}).get(step)
        if source is None or place is None:
            return None
        return self._excerpt(source.file, source.document, place, _version(source))

    def _places(self, fact: Record, source: Source) -> list[Location]:
        """Where in its journey a fact was decided."""
        what, lines = fact.get("fact"), source.document.lines
        if what in ("entered", "not_entered", "late"):
            return [("enter",)]
        if _is_global(fact):
            return []
        if what == "held_out" or (what == "withheld" and fact.get("gate") == "control"):
            return [("control",)] if ("control",) in lines else []
        if what == "converted":
            return [("goal",)] if ("goal",) in lines else []
        if what == "exited":
            number = fact.get("rule")  # from 1; only of rules that do nothing on the way out
            place = ("exit", number - 1) if isinstance(number, int) else None
            return [place] if place in lines else self._exit(str(fact.get("reason")), source)
        step = self._steps[source.document.value["journey"]].get(str(fact.get("step")))
        return [step] if step is not None else []

    def _exit(self, reason: str, source: Source) -> list[Location]:
        rules = source.document.value.get("exit")
        for number, rule in enumerate(rules if isinstance(rules, list) else ()):
            if rule == reason or (isinstance(rule, dict) and reason in _names_of(rule)):
                return [("exit", number)]
        return []

    def _excerpt(self, file: str, document: Document, place: Location, version: int | None) -> Excerpt:
        lines, first = self._lines[file], document.line_of(place)
        inside = [line for at, line in document.lines.items() if at[: len(place)] == place]
        after = [line for at, line in document.lines.items() if line > max(inside)]
        last = min(after) - 1 if after else len(lines)
        text = lines[first - 1 : last]
        while text and (not text[-1].strip() or text[-1].lstrip().startswith("#")):
            text.pop()
        left = min((len(line) - len(line.lstrip()) for line in text if line.strip()), default=0)
        shown = [line[left:] for line in text[:LINES_MAX]]
        return Excerpt(file, first, "\n".join([*shown, "..."] if len(text) > LINES_MAX else shown), version)


def _is_global(fact: Record) -> bool:
    """Whether it is the control group of the workspace that a fact is about."""
    return fact.get("gate") == "control" and fact.get("group") == GLOBAL


def _names_of(rule: dict[str, Any]) -> list[Any]:
    """The reasons that an exit rule may give."""
    event = rule.get("event")
    if "reason" in rule:
        return [rule["reason"]]
    changes = [f"{change} {rule[change]}" for change in ("entered", "left") if change in rule]
    one = event[0] if isinstance(event, list) and len(event) == 1 else event
    return changes or [one if isinstance(one, str) else "exit"]


def _version(source: Source) -> int:
    version = source.document.value.get("version", 1)
    return version if isinstance(version, int) else 1
