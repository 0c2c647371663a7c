"""Scenario files as part of a workspace: what no field of one sees alone.

Journeys, steps, experiments and channels that there are not, times in the wrong order, names that come twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timezone

from operators.complaints import Complaint, complaint_at, validated
from operators.definitions import Journey
from operators.journey_mistakes import nearest
from operators.scenario_definitions import Scenario, ScenarioFile
from operators.scenario_times import parse_time
from operators.step_types import parse_percent
from operators.steps_written import Written, lists_of, steps_in
from operators.yaml_lines import Document, Location

Mistake = tuple[Location, str]


def read_scenarios(
    file: str,
    document: Document,
    journeys: Mapping[str, Journey],
    known: Sequence[str],
    channels: Sequence[str] | None,
    complaints: list[Complaint],
) -> ScenarioFile | None:
    """The scenarios of a file, if they are some; what is wrong is added to the complaints.

    Args:
        file: Its name.
        document: What it holds.
        journeys: Those without mistakes, by name.
        known: The names of all journeys, those with mistakes too.
        channels: The channels that there are; None where that is not known.
        complaints: Where to add to.
    """
    found: ScenarioFile | None = validated(ScenarioFile, file, document, complaints)
    if found is None:
        return None
    if found.journey not in known:
        what = nearest(found.journey, sorted(known)) if known else "this directory has none"
        complaints.append(complaint_at(file, document, ("journey",), f"there is no journey {found.journey!r}; {what}"))
        return found
    mistakes = list(_names(found, document))
    for index, scenario in enumerate(found.scenarios):
        own = list(_times(scenario))
        if found.journey in journeys:
            own += _of_journey(scenario, journeys[found.journey])
        own += _channels(scenario, channels) if channels is not None else ()
        mistakes += [(("scenarios", index, *place), message) for place, message in own]
    complaints += [complaint_at(file, document, place, message) for place, message in mistakes]
    scenarios = [one.model_copy(update={"profile": {**found.profile, **one.profile}}) for one in found.scenarios]
    return found.model_copy(update={"scenarios": scenarios})


def _names(found: ScenarioFile, document: Document) -> Iterator[Mistake]:
    lines: dict[str, int] = {}
    for index, scenario in enumerate(found.scenarios):
        place = ("scenarios", index, "name")
        if scenario.name in lines:
            message = (
                f"the scenario {scenario.name!r} stands in line {lines[scenario.name]} already; choose another name"
            )
            yield place, message
        lines.setdefault(scenario.name, document.line_of(place))


def _times(scenario: Scenario) -> Iterator[Mistake]:
    """The first event says when all of it is; the end is not before the last one, as far as offsets tell."""
    first = parse_time(scenario.events[0].at)
    if not first.is_absolute:
        message = "the first event says when everything begins; write its date and time, as in: 2026-01-05T10:00:00Z"
        yield ("events", 0, "at"), message
        return
    start = first.resolve(0, 0, timezone.utc)
    if scenario.until is None:
        return
    until = parse_time(scenario.until)
    offsets = [parse_time(event.at).offset or 0 for event in scenario.events]
    is_early = until.offset is not None and until.offset < max(offsets)
    if until.is_absolute:  # two days for what zones can differ in
        is_early = until.resolve(0, 0, timezone.utc) < start + max(offsets) - 2 * 86_400_000
    if is_early:
        yield ("until",), "this is before the last event; write a time after it, or leave `until` out"


def _of_journey(scenario: Scenario, journey: Journey) -> Iterator[Mistake]:
    values = journey.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    steps = list(steps_in(lists_of(values)))
    ids = [step.id for step in steps]
    if scenario.control is True and not parse_percent(journey.control):
        message = f"{journey.journey} has no control group; give it one, as in: control: 10%, or leave `control` out"
        yield ("control",), message
    arms = _arms(steps)
    for name, arm in scenario.arms.items():
        if name not in arms:
            what = nearest(name, sorted(arms)) if arms else "it has none"
            yield ("arms", name), f"{journey.journey} has no experiment {name!r}; {what}"
        elif arm not in arms[name]:
            yield ("arms", name), f"the experiment {name!r} has no arm {arm!r}; {nearest(arm, sorted(arms[name]))}"
    named = [(("events", index, "of"), event.of) for index, event in enumerate(scenario.events)]
    for part in ("expect", "facts", "never"):
        named += [((part, index, "step"), one.step) for index, one in enumerate(getattr(scenario, part))]
    for place, step in named:
        if step is not None and step not in ids:
            yield place, f"{journey.journey} has no step {step!r}; {nearest(step, ids)}"
    sends = [step.id for step in steps if step.kind == "send"]
    for index, event in enumerate(scenario.events):
        if event.of in ids and event.of not in sends:
            what = nearest(event.of or "", sends) if sends else "no step of this journey does"
            yield ("events", index, "of"), f"the step {event.of!r} sends nothing; {what}"


def _arms(steps: Sequence[Written]) -> dict[str, list[str]]:
    """Experiment -> its arms."""
    splits = [step.step["split"] for step in steps if step.kind == "split"]
    return {split["name"]: list(split["arms"]) for split in splits}


def _channels(scenario: Scenario, channels: Sequence[str]) -> Iterator[Mistake]:
    for part in ("expect", "facts", "never"):
        for index, one in enumerate(getattr(scenario, part)):
            if one.channel is not None and one.channel not in channels:
                message = f"there is no channel {one.channel!r}; {nearest(one.channel, channels)}"
                yield (part, index, "channel"), message
