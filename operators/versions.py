"""From one set of definitions to the next: what the change may not do, and what is kept for the customers inside.

A customer inside finishes on the version that they entered, so a version stays among the definitions after its file was
replaced. What changes has a new version number; and a step at which customers may stand is not taken away without a word
about where they go (`migrate`).
"""

from collections.abc import Iterator
from dataclasses import replace

from operators.complaints import Complaint
from operators.definitions import Journey
from operators.steps_written import Written, lists_of, steps_in
from operators.workspace import Workspace

VERSIONS_MAX = 50
"""Older versions of one journey that are kept; of more, the oldest go, and who is still inside goes on with the newest that
has their step, or leaves. Fifty changes of a journey within one customer's run are more than anyone makes."""


def change_mistakes(before: Workspace, after: Workspace) -> Iterator[Complaint]:
    """What is wrong with putting `after`, which has no mistakes of its own, in the place of `before`, which is in use."""
    old = {journey.journey: journey for journey in before.journeys}
    for journey in after.journeys:
        was = old.get(journey.journey)
        if was is None or was == journey:
            continue
        file = after.files.get(journey.journey, journey.journey)
        if journey.version < was.version:
            message = f"version {was.version} is in use already; write version: {was.version + 1}"
            yield Complaint(file, 1, "version", message, str(journey.version))
        elif journey.version == was.version and _without_words(journey) != _without_words(was):
            message = f"the journey is not what version {was.version} was; write version: {was.version + 1}"
            yield Complaint(file, 1, "version", message)
        elif journey.version > was.version:
            gone = [step for step in waits_of(was) if step not in steps_of(journey) and step not in journey.migrate]
            for step in gone:
                message = (
                    f"customers of version {was.version} may be waiting at the step {step!r}, which is gone; say where they "
                    f"go, as in: migrate: {{{step}: exit}}"
                )
                yield Complaint(file, 1, "migrate", message)
            for step in journey.migrate:
                if step not in steps_of(was) and not any(step in steps_of(one) for one in before.older):
                    message = f"no version in use has a step {step!r}; take it out"
                    yield Complaint(file, 1, f"migrate.{step}", message)


def succeed(before: Workspace, after: Workspace) -> Workspace:
    """`after`, with the versions of `before` that customers may be inside of."""
    newest = {(journey.journey, journey.version) for journey in after.journeys}
    kept: dict[str, dict[int, Journey]] = {}
    for journey in (*after.older, *before.older, *before.journeys):
        if (journey.journey, journey.version) not in newest:
            kept.setdefault(journey.journey, {})[journey.version] = journey
    older = [versions[number] for _, versions in sorted(kept.items()) for number in sorted(versions)[-VERSIONS_MAX:]]
    return replace(after, older=older)


def steps_of(journey: Journey) -> set[str]:
    """The ids of a journey's steps, but for those on the way out at an exit."""
    return {written.id for written in _written(journey)}


def waits_of(journey: Journey) -> list[str]:
    """The ids of the steps at which a run may stand, in their order."""
    return [
        written.id
        for written in _written(journey)
        if written.kind in ("wait", "wait_for") or (written.kind == "send" and "at" in written.step)
    ]


def _written(journey: Journey) -> list[Written]:
    values = journey.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return [written for written in steps_in(lists_of(values)) if written.location[0] == "steps"]


def _without_words(journey: Journey) -> Journey:
    """All that decides; what a journey says of itself for people may change."""
    return journey.model_copy(update={"description": ""})
