"""Definitions, compiled: what the customer step runs.

Built once per set of definitions. Entries are dispatched by event name, so a journey costs nothing for events that it
does not mention; expressions, paths and templates are compiled code.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from operators.chance import BY_HASH, Lots
from operators.cron import Cron, parse_cron
from operators.definitions import AGAIN_PERIOD, Enter, ExitRule, Goal, Journey, Orchestration
from operators.durations import parse_duration
from operators.expression_uses import NOTHING, Uses
from operators.expressions import Expression, compile_expression
from operators.expressions_written import readings
from operators.paths import Path, compile_path
from operators.pattern import Pattern
from operators.pattern_compiler import compile_pattern
from operators.pattern_definitions import ENTER_NAMES
from operators.pattern_none import NoPattern
from operators.plan_steps import StepPlan, StepTable, WaitForPlan
from operators.run_bounds import bounds as run_bounds
from operators.step_types import parse_percent
from operators.trait_compiler import Definitions
from operators.trait_definitions import Trait
from operators.trait_plan import TraitPlan
from operators.workspace import Workspace
from operators.workspace_json import canonical_json


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
class GoalPlan:
    """What a journey is for."""

    events: frozenset[str]
    where: Expression | None
    by: Path | None
    looks_at_any: bool
    """`by: any`: whatever the value, in a keyed run, too."""
    within: int
    """After the entry, in event time (ms)."""
    value: Expression | None


@dataclass(frozen=True)
class ExitRulePlan:
    """What ends a run from outside."""

    reason: str
    is_goal: bool = False
    events: frozenset[str] = frozenset()
    when: Expression | None = None
    where: Expression | None = None
    by: Path | None = None
    looks_at_any: bool = False
    change: tuple[str, bool] | None = None
    """(segment, whether it is entered), where a change of a segment ends the run."""
    first: str | None = None
    """The first of the steps on the way out."""


@dataclass(frozen=True)
class JourneyPlan:
    """One journey, compiled."""

    name: str
    version: int
    pattern: Pattern
    key: Path | None
    again: Again
    max_age: int
    """ms: an older event neither enters nor meets the goal."""
    first: str | None
    """The step that a run begins with."""
    steps: Mapping[str, StepPlan]
    """All of them by id, those on the way out at an exit, too."""
    description: dict[str, Any] = field(default_factory=dict)
    """What expressions and templates see as `journey`."""
    control: int = 0
    """Share of the customers who are sent nothing, in hundredths of a percent."""
    goal: GoalPlan | None = None
    exits: tuple[ExitRulePlan, ...] = ()
    migrate: Mapping[str, str] = field(default_factory=dict)
    """Step of an older version -> step of this one, or `exit`."""
    reads: frozenset[str] = frozenset()
    """Names of events of the match that the run reads: `entry`, `first`, `matched`, and those of the pattern."""
    goal_reads: frozenset[str] = frozenset()
    """The same of the goal alone, which is watched when the run is over."""
    entry_paths: tuple[Path, ...] = ()
    """What of the entry event goals and exits compare with, where there is no key."""
    wants_feedback: bool = False
    """Whether a wait of the journey is for an outcome of its own messages."""
    where: Expression | None = None
    """Of an entry by segment or schedule; that of a pattern is part of it."""
    change: tuple[str, bool] | None = None
    """(segment, whether it is entered), where a change of a segment enters."""
    schedule: Cron | None = None
    """Where the calendar enters."""
    scheduled_for: str | None = None
    """The segment that the schedule is for; None for all."""
    waits_for_absence: bool = False
    """Whether the pattern has deadlines."""
    unnamed: tuple[str, ...] = ()
    """Steps that send or wait and have no id of their own."""
    lots: Lots = BY_HASH
    """Who is in the control group, and who gets which arm."""


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
    text: bytes
    """Their canonical JSON."""
    channels: tuple[str, ...]
    warnings: tuple[str, ...]
    """What is allowed and probably not meant, such as `x == 'a' or 'b'`."""
    zone: tzinfo
    """The zone of a customer who has none of their own."""
    newest: Mapping[str, JourneyPlan] = field(default_factory=dict)
    """Journey name -> the version that entries take."""
    versions: Mapping[tuple[str, int], JourneyPlan] = field(default_factory=dict)
    """(name, version) -> that version: the newest, and those that customers inside finish on."""
    goals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Event name -> journeys, by name, of which some version has a goal of it."""
    exits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The same for exit rules, but for those of `exits_by_condition`."""
    exits_by_condition: tuple[str, ...] = ()
    """Journeys, by name, with an exit that looks at every event."""
    waits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Event name -> journeys, by name, of which some step waits for it."""
    traits: TraitPlan | None = None
    """Traits and segments in use; None where none is."""
    exits_by_change: Mapping[tuple[str, bool], tuple[str, ...]] = field(default_factory=dict)
    """(segment, whether it is entered) -> journeys, by name, with an exit by it."""
    entries_by_change: Mapping[tuple[str, bool], tuple[JourneyPlan, ...]] = field(default_factory=dict)
    """The same for entries, of the newest versions."""
    schedules: tuple[JourneyPlan, ...] = ()
    """Journeys, by name, that the calendar enters."""
    unused: tuple[str, ...] = ()
    """Traits and segments that nothing reads: `trait NAME`, `segment NAME`."""

    @property
    def has_clock(self) -> bool:
        """Whether the calendar, or time in a segment, moves customers who do nothing."""
        return bool(self.schedules) or (self.traits is not None and self.traits.has_clock)

    def bounds(self) -> list[str]:
        """What is kept of one customer, and what happens at the bounds, in sentences."""
        lines = [
            f"{plan.name}: {bound}"
            for plan in self.journeys
            for bound in (*plan.pattern.bounds(), *run_bounds(plan.reads, plan.goal is not None))
        ]
        lines += self.traits.bounds() if self.traits is not None else []
        return lines + [f"{name}: nothing reads it, so it is not kept" for name in self.unused]


def plan_of(workspace: Workspace, lots: Lots = BY_HASH) -> Plan:
    """Compile a workspace without mistakes; `lots` deals control groups and arms."""
    assert workspace.orchestration is not None  # noqa: S101 - a workspace without one has a mistake
    return compile_plan(
        workspace.orchestration, workspace.journeys, workspace.older, workspace.traits, workspace.segments, lots
    )


def compile_plan(
    orchestration: Orchestration,
    journeys: Sequence[Journey],
    older: Sequence[Journey] = (),
    traits: Mapping[str, Trait] = MappingProxyType({}),
    segments: Mapping[str, str] = MappingProxyType({}),
    lots: Lots = BY_HASH,
) -> Plan:
    """Compile definitions that `operators.workspace` found no mistake in.

    Args:
        orchestration: What holds for all.
        journeys: The journeys, each in its newest version.
        older: Versions that nobody enters any more, and that customers inside finish on.
        traits: All there are; only those in use are kept.
        segments: The same.
        lots: What deals customers to control groups and arms.
    """
    channels = sorted(orchestration.channels)
    in_use = Definitions(traits, segments).plan(_uses([*journeys, *older]))
    compiled = [_journey(journey, channels, lots) for journey in sorted(journeys, key=lambda journey: journey.journey)]
    every = [*compiled, *(_journey(journey, channels, lots) for journey in older)]
    names = {name for plan in compiled for name in plan.pattern.names or ()}
    text = canonical_json(orchestration, journeys, older, traits, segments)
    return Plan(
        journeys=tuple(compiled),
        watches={
            name: tuple(plan for plan in compiled if plan.pattern.names is None or name in plan.pattern.names)
            for name in sorted(names)
        },
        watches_all=tuple(plan for plan in compiled if plan.pattern.names is None),
        hash=blake2b(text, digest_size=16).hexdigest(),
        text=text,
        channels=tuple(channels),
        warnings=tuple(f"{plan.name}: {warning}" for plan in compiled for warning in plan.pattern.warnings)
        + tuple(warning for plan in compiled for warning in _warnings(plan)),
        zone=ZoneInfo(orchestration.timezone),
        newest={plan.name: plan for plan in compiled},
        versions={(plan.name, plan.version): plan for plan in reversed(every)},
        goals=_by_event((plan.name, plan.goal.events) for plan in every if plan.goal),
        exits=_by_event((plan.name, rule.events) for plan in every for rule in plan.exits),
        exits_by_condition=tuple(sorted({plan.name for plan in every for rule in plan.exits if rule.when})),
        waits=_by_event(
            (plan.name, reply.events)
            for plan in every
            for step in plan.steps.values()
            if isinstance(step, WaitForPlan)
            for reply in step.replies
        ),
        traits=in_use,
        unused=_unused(traits, segments, in_use),
        exits_by_change=_by_event((plan.name, [rule.change]) for plan in every for rule in plan.exits if rule.change),
        entries_by_change={
            change: tuple(plan for plan in compiled if plan.change == change)
            for change in {plan.change for plan in compiled if plan.change}
        },
        schedules=tuple(plan for plan in compiled if plan.schedule),
    )


def _unused(traits: Iterable[str], segments: Iterable[str], in_use: TraitPlan | None) -> tuple[str, ...]:
    read = {f"trait {name}" for name in in_use.names} if in_use is not None else set()
    read |= {f"segment {one.name}" for one in in_use.segments} if in_use is not None else set()
    there = [*(f"trait {name}" for name in sorted(traits)), *(f"segment {name}" for name in sorted(segments))]
    return tuple(name for name in there if name not in read)


def _uses(journeys: Iterable[Journey]) -> Uses:
    """The traits and segments that journeys read."""
    uses = NOTHING
    for journey in journeys:
        for reading in readings(journey.model_dump(mode="json", by_alias=True, exclude_defaults=True)):
            uses = uses.and_those(reading.uses)
    return uses


Key = TypeVar("Key")


def _by_event(named: Iterable[tuple[str, Iterable[Key]]]) -> dict[Key, tuple[str, ...]]:
    """Event name, or change of a segment -> names of the journeys that look at it, sorted."""
    found: dict[Key, set[str]] = {}
    for journey, events in named:
        for event in events:
            found.setdefault(event, set()).add(journey)
    return {event: tuple(sorted(journeys)) for event, journeys in found.items()}


def _warnings(plan: JourneyPlan) -> Iterator[str]:
    for step in plan.unnamed:
        yield (
            f"{plan.name}: step {step} sends or waits and has no id of its own; give it one, for its place may change with "
            "the next version"
        )


def _journey(journey: Journey, channels: Sequence[str], lots: Lots) -> JourneyPlan:
    enter = journey.enter
    names = tuple(element.as_ for element in enter.pattern or () if element.as_)
    table = StepTable(journey, channels, names)
    goal = _goal(journey.goal, table) if journey.goal else None
    events = ("entry", "first", "matched", *names)
    goal_reads = frozenset(table.paths_read & set(events))
    first = table.compile(journey.steps, "", None)
    exits = tuple(_exit_rule(rule, number, journey, table) for number, rule in enumerate(journey.exit, 1))
    compared = [one.by for one in (goal, *exits) if one is not None and one.by is not None]
    description = {
        "name": journey.journey,
        "version": journey.version,
        "tags": list(journey.tags),
        "priority": journey.priority,
    }
    by_events = enter.segment is None and enter.schedule is None
    pattern: Pattern = NoPattern()
    if by_events:
        pattern = compile_pattern(enter, description, reads_events=_reads_events(enter, table.paths_read, events))
    return JourneyPlan(
        name=journey.journey,
        version=journey.version,
        pattern=pattern,
        key=compile_path(enter.key) if enter.key else None,
        again=_again(enter.again),
        max_age=parse_duration(enter.max_age),
        first=first,
        steps=table.steps,
        description=description,
        control=parse_percent(journey.control),
        goal=goal,
        exits=exits,
        migrate=dict(journey.migrate),
        reads=frozenset(root for path in table.paths_read if (root := path.split(".")[0]) in events),
        goal_reads=goal_reads,
        # The run's own value is the key, or what the events of the pattern agree in; without either, the entry event's.
        entry_paths=() if enter.key or pattern.paths else tuple(dict.fromkeys(compared)),
        wants_feedback=any(
            reply.outcomes for step in table.steps.values() if isinstance(step, WaitForPlan) for reply in step.replies
        ),
        where=compile_expression(enter.where, ENTER_NAMES) if enter.where and not by_events else None,
        change=(enter.segment.entered or enter.segment.left or "", enter.segment.entered is not None)
        if enter.segment
        else None,
        schedule=parse_cron(enter.schedule.cron) if enter.schedule else None,
        scheduled_for=enter.schedule.segment if enter.schedule else None,
        waits_for_absence=any(element.absent for element in enter.pattern or ()),
        unnamed=tuple(table.unnamed),
        lots=lots,
    )


def _goal(goal: Goal, table: StepTable) -> GoalPlan:
    return GoalPlan(
        events=frozenset(goal.event),
        where=table.expression(goal.where) if goal.where else None,
        by=compile_path(goal.by) if goal.by not in (None, "any") else None,
        looks_at_any=goal.by == "any",
        within=parse_duration(goal.within),
        value=table.expression(goal.value) if goal.value else None,
    )


def _exit_rule(rule: ExitRule | str, number: int, journey: Journey, table: StepTable) -> ExitRulePlan:
    if isinstance(rule, str):
        events = frozenset(journey.goal.event if journey.goal else ())
        return ExitRulePlan(reason="goal", is_goal=True, events=events)
    change = (rule.entered or rule.left or "", rule.entered is not None) if rule.entered or rule.left else None
    reason = rule.event[0] if rule.event and len(rule.event) == 1 else "exit"
    if change is not None:
        reason = f"{'entered' if change[1] else 'left'} {change[0]}"
    return ExitRulePlan(
        reason=rule.reason or reason,
        change=change,
        events=frozenset(rule.event or ()),
        when=table.expression(rule.when) if rule.when else None,
        where=table.expression(rule.where) if rule.where else None,
        by=compile_path(rule.by) if rule.by not in (None, "any") else None,
        looks_at_any=rule.by == "any",
        first=table.compile(rule.do, f"exit.{number}.", None),
    )


def _reads_events(enter: Enter, paths: Iterable[str], events: Collection[str]) -> bool:
    """Whether the run, or the key, reads of earlier events what the event just read need not have alike.

    `entry` is the last matched event by event time, which is an earlier one where events come out of order. Of it, only
    what the events agree in (`by`) is at hand without keeping what they held.
    """
    elements = enter.elements
    by = elements[0].by if len(elements) == 1 else None
    if enter.key is not None and enter.key != by:
        return True
    alike = {f"entry.{by}"} if by and "[]" not in by else set()
    return any(path.split(".")[0] in events and path not in alike for path in paths)


def _again(rule: str) -> Again:
    period = AGAIN_PERIOD.fullmatch(rule)
    return Again("after", parse_duration(period.group(1))) if period else Again(rule)
