"""Definitions, compiled: what the customer step runs.

Built once per set of definitions. Entries are dispatched by event name, so a journey costs nothing for events that it
does not mention; expressions, paths and templates are compiled code.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from operators.definitions import AGAIN_PERIOD, Journey, Orchestration, Send
from operators.durations import parse_duration
from operators.paths import Path, compile_path
from operators.pattern import Pattern
from operators.pattern_compiler import compile_pattern
from operators.records import storable, to_json
from operators.templates import TEMPLATE_NAMES, Render, compile_value, paths_used


@dataclass(frozen=True)
class Again:
    """The re-entry rule of a journey."""

    rule: str
    """`never`, `always`, `after_exit` or `after`."""
    period: int = 0
    """With `after`: ms since entry."""

    @property
    def remembers(self) -> bool:
        """Whether the last entry matters."""
        return self.rule in ("never", "after")

    def is_open(self, entered_at: int, now: int) -> bool:
        """Whether a customer who entered at `entered_at` may enter again."""
        return self.rule != "never" and now >= entered_at + self.period


@dataclass(frozen=True)
class SendPlan:
    """A step that sends."""

    step: str
    channel: str
    template: str
    values: Render
    expires: int | None
    tags: tuple[str, ...]


@dataclass(frozen=True)
class JourneyPlan:
    """One journey, compiled."""

    name: str
    version: int
    pattern: Pattern
    key: Path | None
    again: Again
    steps: tuple[SendPlan, ...]
    description: dict[str, Any] = field(default_factory=dict)
    """What expressions and templates see as `journey`."""


@dataclass(frozen=True)
class Plan:
    """All journeys of a workspace, compiled."""

    journeys: tuple[JourneyPlan, ...]
    watches: dict[str, tuple[JourneyPlan, ...]]
    """Event name -> the journeys whose pattern looks at it, by name."""
    watches_all: tuple[JourneyPlan, ...]
    """The journeys whose pattern looks at events of every name; those in `watches` have them among theirs."""
    hash: str
    """Of the definitions: BLAKE2b-128 of their canonical JSON."""
    channels: tuple[str, ...]
    warnings: tuple[str, ...]
    """What is allowed and probably not meant, such as `x == 'a' or 'b'`."""
    zone: tzinfo
    """The zone of a customer who has none of their own."""


def compile_plan(orchestration: Orchestration, journeys: Sequence[Journey]) -> Plan:
    """Compile definitions that `operators.workspace` found no mistake in."""
    compiled = [_journey(journey) for journey in sorted(journeys, key=lambda journey: journey.journey)]
    names = {name for plan in compiled for name in plan.pattern.names or ()}
    content = [
        orchestration.model_dump(mode="json"),
        [journey.model_dump(mode="json", by_alias=True) for journey in journeys],
    ]
    digest = blake2b(to_json(storable(content)), digest_size=16).hexdigest()
    return Plan(
        journeys=tuple(compiled),
        watches={
            name: tuple(plan for plan in compiled if plan.pattern.names is None or name in plan.pattern.names)
            for name in sorted(names)
        },
        watches_all=tuple(plan for plan in compiled if plan.pattern.names is None),
        hash=digest,
        channels=tuple(sorted(orchestration.channels)),
        warnings=tuple(f"{plan.name}: {warning}" for plan in compiled for warning in plan.pattern.warnings),
        zone=ZoneInfo(orchestration.timezone),
    )


def _journey(journey: Journey) -> JourneyPlan:
    enter = journey.enter
    description = {
        "name": journey.journey,
        "version": journey.version,
        "tags": list(journey.tags),
        "priority": journey.priority,
    }
    return JourneyPlan(
        name=journey.journey,
        version=journey.version,
        pattern=compile_pattern(enter, description, reads_events=_reads_events(journey)),
        key=compile_path(enter.key) if enter.key else None,
        again=_again(enter.again),
        steps=tuple(_send(step, str(number), journey) for number, step in enumerate(journey.steps, 1)),
        description=description,
    )


def _reads_events(journey: Journey) -> bool:
    """Whether templates, or the key, read of earlier events what the event just read need not have alike.

    `entry` is the last matched event by event time, which is an earlier one where events come out of order. Of it, only
    what the events agree in (`by`) is at hand without keeping what they held.
    """
    enter = journey.enter
    elements = enter.elements
    by = elements[0].by if len(elements) == 1 else None
    if enter.key is not None and enter.key != by:
        return True
    alike = {f"entry.{by}"} if by and "[]" not in by else set()
    paths = frozenset().union(*(paths_used(step.with_) for step in journey.steps))
    names = ("entry", "first", "matched", *(element.as_ for element in elements if element.as_))
    return any(path.split(".")[0] in names and path not in alike for path in paths)


def _send(step: Send, place: str, journey: Journey) -> SendPlan:
    return SendPlan(
        step=step.id or place,
        channel=step.send,
        template=step.template,
        values=compile_value(step.with_, TEMPLATE_NAMES),
        expires=parse_duration(step.expires) if step.expires else None,
        tags=tuple(dict.fromkeys([*journey.tags, *step.tags])),
    )


def _again(rule: str) -> Again:
    period = AGAIN_PERIOD.fullmatch(rule)
    return Again("after", parse_duration(period.group(1))) if period else Again(rule)
