"""The steps of a journey as its file has them, each with its place and id, before anything is known to be right.

`operators.journey_mistakes` looks at them: a mistake in one step hides none in another. The ids are the same that
`operators.plan_steps` gives: what the author wrote, else the path, counted from 1 (`2.else.1`, `3.arms.a.1`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from operators.step_definitions import kind_of
from operators.yaml_lines import Location


class Written(NamedTuple):
    """One step as it is written."""

    location: Location
    id: str
    path: str
    """The default id."""
    kind: str
    """What it does; empty for what is no step."""
    step: Mapping[str, Any]


class StepList(NamedTuple):
    """One list of steps, somewhere in a journey."""

    location: Location
    prefix: str
    """Of the default ids of its steps."""
    steps: list[Any]


def lists_of(journey: Mapping[str, Any]) -> Iterator[StepList]:
    """The lists that a journey begins with: its steps, and what is done at exits."""
    steps = journey.get("steps")
    if isinstance(steps, list):
        yield StepList(("steps",), "", steps)
    rules = journey.get("exit")
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict) and isinstance(rule.get("do"), list):
            yield StepList(("exit", index, "do"), f"exit.{index + 1}.", rule["do"])


def lists_in(step: Mapping[str, Any], location: Location, path: str) -> Iterator[StepList]:
    """The lists of steps right inside of a step."""
    kind = kind_of(step)
    if kind in ("wait_for", "branch"):
        ways = step.get(kind)
        for index, way in enumerate(ways if isinstance(ways, list) else ()):
            if isinstance(way, dict) and isinstance(way.get("do"), list):
                yield StepList((*location, kind, index, "do"), f"{path}.{index + 1}.", way["do"])
    if kind == "wait_for":
        otherwise = step.get("else")
        if isinstance(otherwise, list):
            yield StepList((*location, "else"), f"{path}.else.", otherwise)
        elif isinstance(otherwise, dict) and isinstance(otherwise.get("do"), list):
            yield StepList((*location, "else", "do"), f"{path}.else.", otherwise["do"])
    if kind == "split":
        split = step["split"]
        arms = split.get("arms") if isinstance(split, dict) else None
        for name, arm in arms.items() if isinstance(arms, dict) else ():
            if isinstance(arm, dict) and isinstance(arm.get("do"), list):
                yield StepList((*location, "split", "arms", name, "do"), f"{path}.arms.{name}.", arm["do"])


def steps_in(lists: Iterator[StepList]) -> Iterator[Written]:
    """All steps of some lists, and those inside of them, in the order of the file."""
    for one in lists:
        for index, step in enumerate(one.steps):
            if not isinstance(step, dict):
                continue
            location, path = (*one.location, index), f"{one.prefix}{index + 1}"
            name = step.get("id")
            yield Written(location, name if isinstance(name, str) else path, path, kind_of(step), step)
            yield from steps_in(lists_in(step, location, path))
