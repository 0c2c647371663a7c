"""One journey, compiled: what enters, the table of its steps, what ends it and what it is for.

`operators.plan` puts the journeys of a workspace together, and what is looked up by the name of an event.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from operators.chance import BY_HASH, Lots
from operators.cron import Cron, parse_cron
from operators.definitions import AGAIN_PERIOD, Enter, ExitRule, Goal, Journey
from operators.durations import parse_duration
from operators.expressions import Expression, compile_expression
from operators.paths import Path, compile_path
from operators.pattern import Pattern
from operators.pattern_compiler import compile_pattern
from operators.pattern_definitions import ENTER_NAMES
from operators.pattern_none import NoPattern
from operators.plan_steps import StepPlan, StepTable, WaitForPlan
from operators.send_plans import BestTimePlan, ChoosePlan, Common, SendPlan
from operators.step_types import parse_percent


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
    number: int = 0
    """Its place among the rules of the journey, from 1."""
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
    wants_hours: bool = False
    """Whether some message goes out at the customer's best time."""
    lots: Lots = BY_HASH
    """Who is in the control group, and who gets which arm."""
    priority: int = 50
    """Between journeys; higher goes first."""
    reads_mover: bool = False
    """Whether a step reads the event that moved the run to it."""


def compile_journey(journey: Journey, common: Common, lots: Lots) -> JourneyPlan:
    """Compile a journey without mistakes."""
    enter = journey.enter
    names = tuple(element.as_ for element in enter.pattern or () if element.as_)
    table = StepTable(journey, common, names)
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
        wants_hours=any(
            isinstance(step, (SendPlan, ChoosePlan)) and isinstance(step.at, BestTimePlan)
            for step in table.steps.values()
        ),
        lots=lots,
        priority=journey.priority,
        reads_mover=any(path.split(".")[0] in ("event", "properties") for path in table.paths_read),
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
        return ExitRulePlan(reason="goal", number=number, is_goal=True, events=events)
    change = (rule.entered or rule.left or "", rule.entered is not None) if rule.entered or rule.left else None
    reason = rule.event[0] if rule.event and len(rule.event) == 1 else "exit"
    if change is not None:
        reason = f"{'entered' if change[1] else 'left'} {change[0]}"
    return ExitRulePlan(
        reason=rule.reason or reason,
        number=number,
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
