"""Definitions, compiled: what the customer step runs.

Built once per set of definitions. Entries are dispatched by event name, so a journey costs nothing for events that it
does not mention; expressions, paths and templates are compiled code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from operators.definitions import AGAIN_PERIOD, WHERE_NAMES, Element, Journey, Orchestration, Send
from operators.durations import parse_duration
from operators.expressions import Expression, compile_expression
from operators.paths import Path, compile_path
from operators.patterns import ELEMENT, FORBIDDEN, Pattern
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
    keeps_whole_events: bool
    """Whether more than the ids of remembered events is needed: what they held."""
    key: Path | None
    again: Again
    steps: tuple[SendPlan, ...]
    description: dict[str, Any] = field(default_factory=dict)
    """What expressions and templates see as `journey`."""


@dataclass(frozen=True, eq=False)
class Watch:
    """Why a journey looks at an event of some name."""

    journey: JourneyPlan
    roles: int
    """`ELEMENT`, `FORBIDDEN` or both."""
    where: Expression | None
    by: Path | None
    """The value that the events must agree in; None where the pattern has none, or the event forbids whatever its value."""
    anywhere: bool = False
    """A forbidden event that forbids whatever its value, in a pattern that has values."""
    also: "Watch | None" = None
    """How events of this name forbid, where they are wanted and forbidden alike. They are looked at once, with both roles:
    seen twice, an event would lie between the first match and itself."""


@dataclass(frozen=True)
class Plan:
    """All journeys of a workspace, compiled."""

    journeys: tuple[JourneyPlan, ...]
    watches: dict[str, tuple[Watch, ...]]
    """Event name -> what looks at it: per journey first what forbids, then the elements; journeys by name."""
    hash: str
    """Of the definitions: BLAKE2b-128 of their canonical JSON."""
    channels: tuple[str, ...]
    warnings: tuple[str, ...]
    """What is allowed and probably not meant, such as `x == 'a' or 'b'`."""
    zone: tzinfo
    """The zone of a customer who has none of their own."""


def compile_plan(orchestration: Orchestration, journeys: Sequence[Journey]) -> Plan:
    """Compile definitions that `operators.workspace` found no mistake in."""
    compiled = []
    watches: dict[str, list[Watch]] = {}
    for journey in sorted(journeys, key=lambda journey: journey.journey):
        plan = _journey(journey)
        compiled.append(plan)
        element = journey.enter.element
        by = compile_path(element.by) if element.by else None
        without = element.without
        enters = Watch(plan, ELEMENT, _where(element.where), by)
        forbids = _forbids(plan, element, by) if without is not None else None
        if without is not None and forbids is not None:
            for name in without.event:
                if name not in element.event:
                    watches.setdefault(name, []).append(forbids)
        for name in element.event:
            alike = without is not None and name in without.event
            watches.setdefault(name, []).append(replace(enters, also=forbids) if alike else enters)
    content = [
        orchestration.model_dump(mode="json"),
        [journey.model_dump(mode="json", by_alias=True) for journey in journeys],
    ]
    digest = blake2b(to_json(storable(content)), digest_size=16).hexdigest()
    return Plan(
        journeys=tuple(compiled),
        watches={name: tuple(these) for name, these in watches.items()},
        hash=digest,
        channels=tuple(sorted(orchestration.channels)),
        warnings=tuple(
            f"{watch.journey.name}: where {watch.where.text!r}: {warning}"
            for watch in _all_watches(watches)
            if watch.where is not None
            for warning in watch.where.warnings
        ),
        zone=ZoneInfo(orchestration.timezone),
    )


def _all_watches(watches: Mapping[str, Sequence[Watch]]) -> list[Watch]:
    """Each watch once, those inside of others, too."""
    found = [watch for these in watches.values() for watch in these]
    found += [watch.also for watch in found if watch.also is not None]
    return list(dict.fromkeys(found))


def _journey(journey: Journey) -> JourneyPlan:
    enter, element = journey.enter, journey.enter.element
    pattern = Pattern(
        times=element.times.at_least,
        within=parse_duration(enter.within) if enter.within else 0,
        max_age=parse_duration(enter.max_age),
        without=element.without.over if element.without else None,
        keeps_contents=element.times.at_least > 1,
    )
    return JourneyPlan(
        name=journey.journey,
        version=journey.version,
        pattern=pattern,
        keeps_whole_events=_reads_events(journey),
        key=compile_path(enter.key) if enter.key else None,
        again=_again(enter.again),
        steps=tuple(_send(step, str(number), journey) for number, step in enumerate(journey.steps, 1)),
        description={
            "name": journey.journey,
            "version": journey.version,
            "tags": list(journey.tags),
            "priority": journey.priority,
        },
    )


def _reads_events(journey: Journey) -> bool:
    """Whether templates, or the key, read of earlier events what the event just read need not have alike.

    `entry` is the last matched event by event time, which is an earlier one where events come out of order. Of it, only
    what the events agree in (`by`) is at hand without keeping what they held.
    """
    enter = journey.enter
    by = enter.element.by
    if enter.key is not None and enter.key != by:
        return True
    alike = {f"entry.{by}"} if by and "[]" not in by else set()
    paths = frozenset().union(*(paths_used(step.with_) for step in journey.steps))
    return any(path.split(".")[0] in ("entry", "first", "matched") and path not in alike for path in paths)


def _forbids(plan: JourneyPlan, element: Element, by: Path | None) -> Watch:
    without = element.without
    assert without is not None  # noqa: S101 - the caller has looked
    anywhere = without.by == "any" and by is not None
    if without.by is not None and without.by != "any" and by is not None:
        by = compile_path(without.by)
    return Watch(plan, FORBIDDEN, _where(without.where), None if anywhere else by, anywhere)


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


def _where(text: str | None) -> Expression | None:
    return compile_expression(text, WHERE_NAMES) if text else None
