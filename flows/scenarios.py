"""`sojourn test`: runs the scenarios of a workspace, tells how they went, and writes it down for CI (JUnit)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from xml.etree import ElementTree as Xml

from flows.author_files import write_text
from flows.definitions import read_directory
from operators.scenario_coverage import Coverage, coverage_of
from operators.scenario_definitions import Scenario
from operators.scenario_match import Verdict, judge
from operators.scenario_run import Life, ScenarioRunner
from operators.workspace import Workspace
from state.errors import DefinitionsError, InputError, UsageError


@dataclass(frozen=True)
class Result:
    """How one scenario went."""

    file: str
    line: int
    journey: str
    scenario: Scenario
    life: Life
    verdict: Verdict

    @property
    def name(self) -> str:
        """As people and `-k` name it."""
        return f"{self.journey}: {self.scenario.name}"


class Watch(Protocol):
    """Is told of each scenario that has run."""

    def __call__(self, result: Result) -> None:
        """One has run."""


def run_scenarios(directory: Path, wanted: str, watch: Watch) -> tuple[list[Result], list[Coverage]]:
    """Run the scenarios of a directory.

    Args:
        directory: Of the definitions.
        wanted: Only scenarios whose name, with the journey's before it, contains this; in any case of letters.
        watch: Is called after each.

    Returns:
        The results in the order of files, and the coverage of each journey in the order of names; with `wanted`, of
        those of which a scenario ran.

    Raises:
        InputError: The directory cannot be read, or has no scenarios.
        DefinitionsError: There are mistakes in it.
        UsageError: No scenario is wanted.
    """
    workspace = read_directory(directory)
    if workspace.complaints:
        raise DefinitionsError("\n".join(f"{directory}/{complaint}" for complaint in workspace.complaints))
    if not workspace.scenarios:
        raise InputError(f"{directory} has no scenarios; write some beside a journey, in NAME.test.yaml")
    runner = ScenarioRunner(workspace)
    coverage = {journey.name: coverage_of(journey) for journey in runner.plan.journeys}
    results = []
    for result in _results(workspace, runner, wanted.casefold()):
        coverage[result.journey].see(result.life.facts)
        results.append(result)
        watch(result)
    if not results:
        raise UsageError(f"no scenario in {directory} has {wanted!r} in its name; see them all without -k")
    ran = {result.journey for result in results}
    return results, [one for name, one in coverage.items() if name in ran or not wanted]


def _results(workspace: Workspace, runner: ScenarioRunner, wanted: str) -> Iterator[Result]:
    for file, found in workspace.scenarios.items():
        for scenario, line in zip(found.scenarios, workspace.scenario_lines[file], strict=True):
            if wanted in f"{found.journey}: {scenario.name}".casefold():
                life = runner.run(found.journey, scenario)
                yield Result(file, line, found.journey, scenario, life, judge(scenario, life))


def write_junit(path: Path, results: list[Result], texts: list[tuple[str, list[str]]]) -> None:
    """Write the results as JUnit XML; the file appears whole.

    Args:
        path: The file.
        results: How the scenarios went.
        texts: For each, what is told of a failure, in one line and in many; empty where it passed.

    Raises:
        OutsideError: It cannot be written.
    """
    root = Xml.Element(
        "testsuites", name="sojourn", tests=str(len(results)), failures=str(sum(bool(lines) for _, lines in texts))
    )
    for file in dict.fromkeys(result.file for result in results):
        own = [(result, *text) for result, text in zip(results, texts, strict=True) if result.file == file]
        failures = sum(bool(lines) for *_, lines in own)
        suite = Xml.SubElement(root, "testsuite", name=file, tests=str(len(own)), failures=str(failures))
        for result, reason, lines in own:
            name, line = result.scenario.name, str(result.line)
            case = Xml.SubElement(suite, "testcase", classname=result.journey, name=name, file=file, line=line)
            if lines:
                failure = Xml.SubElement(case, "failure", message=reason)
                failure.text = "\n".join(lines)
    Xml.indent(root)
    write_text(path, _allowed(Xml.tostring(root, encoding="unicode")) + "\n")


def _allowed(text: str) -> str:
    """XML without the characters that XML has no form for."""
    return '<?xml version="1.0" encoding="utf-8"?>\n' + "".join(
        one if one in "\t\n\r" or " " <= one <= "\ud7ff" or "\ue000" <= one <= "\ufffd" or one > "\uffff" else "\ufffd"
        for one in text
    )
