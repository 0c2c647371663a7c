"""The steps of a journey, compiled: a flat table of steps, each of which knows what comes after it.

However deep the author nests lists, a run stands at one step of this table; the last step of a branch leads on to the
step after the branch. A branch that says `again` leads to a step of its own that goes back to the wait (`BackPlan`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from operators.calendar import ClockTime, parse_clock
from operators.definitions import Journey
from operators.durations import parse_duration
from operators.expressions import Expression, compile_expression
from operators.feedback import ENGAGED, names_of
from operators.send_definitions import Choose, Send, StepModel
from operators.send_plans import BestTimePlan, ChoosePlan, Common, SendPlan, choose_plan, offers_named, send_plan
from operators.step_definitions import (
    Back,
    Branch,
    Computed,
    Delay,
    Exit,
    Otherwise,
    Release,
    Set,
    Split,
    Suppress,
    Wait,
    WaitFor,
    is_clock,
    is_date,
)
from operators.step_types import RUN_NAMES
from operators.templates import paths_used


@dataclass(frozen=True)
class DelayPlan:
    """How long a wait takes."""

    duration: int | None = None
    """ms."""
    from_entry: bool = False
    clock: ClockTime | None = None
    date: str | None = None
    """A local date or time, as text."""
    expression: Expression | None = None
    best: BestTimePlan | None = None


@dataclass(frozen=True)
class WaitPlan:
    """Waits."""

    step: str
    next: str | None
    delay: DelayPlan


@dataclass(frozen=True)
class ReplyPlan:
    """One thing that ends a wait."""

    events: frozenset[str]
    where: Expression | None
    outcomes: frozenset[str]
    """Of a message of this run; empty for a plain event."""
    of: str | None
    next: str | None


@dataclass(frozen=True)
class WaitForPlan:
    """Waits for the first of several events."""

    step: str
    next: str | None
    """What comes at the deadline."""
    replies: tuple[ReplyPlan, ...]
    delay: DelayPlan
    rank: bool


@dataclass(frozen=True)
class BackPlan:
    """The end of a branch that goes back to the start of its wait. No step of the author's, so none that is told."""

    step: str
    next: str | None
    """What comes where it goes back no more."""
    wait: str
    most: int | None


@dataclass(frozen=True)
class BranchPlan:
    """Takes the first way whose condition holds."""

    step: str
    next: str | None
    """What comes where none holds."""
    ways: tuple[tuple[Expression | None, str | None], ...]


@dataclass(frozen=True)
class Layer:
    """An experiment's part of a layer: nobody is in two experiments of one."""

    name: str
    start: int
    end: int
    """From and to, in hundredths of a percent."""
    others: tuple[str, ...]
    """The other experiments of the layer."""


@dataclass(frozen=True)
class SplitPlan:
    """Deals customers to arms."""

    step: str
    next: str | None
    name: str
    arms: tuple[tuple[str, float, str | None], ...]
    """(name, weight, what comes), in the order of the names."""
    outside: str | None = None
    """The arm whose steps those walk who are outside of the experiment; they are no part of it."""


@dataclass(frozen=True)
class SuppressPlan:
    """Holds messages back."""

    step: str
    next: str | None
    channels: tuple[str, ...]
    tags: tuple[str, ...]
    """Empty for every message."""
    duration: int | None


@dataclass(frozen=True)
class ReleasePlan:
    """Ends what is held back."""

    step: str
    next: str | None
    channels: tuple[str, ...]
    tags: tuple[str, ...] | None


@dataclass(frozen=True)
class SetPlan:
    """Sets attributes of the profile."""

    step: str
    next: str | None
    attributes: tuple[tuple[str, Callable[[Mapping[str, Any]], Any]], ...]


@dataclass(frozen=True)
class ExitPlan:
    """Ends the run."""

    step: str
    next: str | None
    reason: str


StepPlan = (
    SendPlan
    | ChoosePlan
    | WaitPlan
    | WaitForPlan
    | BackPlan
    | BranchPlan
    | SplitPlan
    | SuppressPlan
    | ReleasePlan
    | SetPlan
    | ExitPlan
)


class StepTable:
    """Compiles the lists of steps of one journey into one table."""

    def __init__(self, journey: Journey, common: Common, names: Sequence[str]) -> None:
        """A journey without mistakes.

        Args:
            journey: It.
            common: What the workspace has.
            names: What its pattern calls its events.
        """
        self.steps: dict[str, StepPlan] = {}
        """By id, in the order of the file."""
        self.paths_read: set[str] = set()
        """What templates and expressions read, as dotted paths as far as they are known; of expressions the root names."""
        self.unnamed: list[str] = []
        """Steps that send or wait and have no id of their own."""
        self._journey = journey
        self._common = common
        self._names = tuple(names)

    def compile(self, steps: Sequence[Any], prefix: str, after: str | None) -> str | None:
        """Compile a list of steps; the first of them, or `after` where there is none.

        Args:
            steps: Models of steps.
            prefix: Of their default ids.
            after: The step to which the last one leads on; None for the end of the run.
        """
        ids = [step.id or f"{prefix}{number}" for number, step in enumerate(steps, 1)]
        following = [*ids[1:], after] if ids else []
        for number, (step, name, then) in enumerate(zip(steps, ids, following, strict=True), 1):
            if step.id is None and isinstance(step, (Send, Choose, Wait, WaitFor)):
                self.unnamed.append(name)
            self.steps[name] = WaitPlan(name, None, DelayPlan())  # keeps its place before those inside of it
            self.steps[name] = self._step(step, name, f"{prefix}{number}", then)
        return ids[0] if ids else after

    def expression(self, text: str) -> Expression:
        """Compile an expression of the run."""
        expression = compile_expression(text, (*RUN_NAMES, *self._names))
        self.paths_read |= expression.names
        return expression

    def _step(self, step: StepModel, name: str, path: str, then: str | None) -> StepPlan:
        match step:
            case Send():
                self.paths_read |= paths_used(step.with_)
                return send_plan(step, name, then, self._journey.tags, self._names, self._common)
            case Choose():
                self.paths_read |= paths_used(step.with_)
                for one in offers_named(step.choose.from_, self._common.offers):
                    self.paths_read |= paths_used(self._common.offers[one].with_)
                return choose_plan(step, name, then, self._journey.tags, self._names, self._common)
            case Wait():
                return WaitPlan(name, then, self._delay(step.wait))
            case WaitFor():
                return self._wait_for(step, name, path, then)
            case Branch():
                ways = tuple(
                    (
                        self.expression(way.when) if way.when is not None else None,
                        self.compile(way.do, f"{path}.{number}.", then),
                    )
                    for number, way in enumerate(step.branch, 1)
                )
                return BranchPlan(name, then, ways)
            case Split():
                arms = {
                    arm: (float(one.weight), self.compile(one.do, f"{path}.arms.{arm}.", then))
                    for arm, one in step.split.arms.items()
                }
                arms_by_name = tuple((arm, *arms[arm]) for arm in sorted(arms))
                return SplitPlan(name, then, step.split.name, arms_by_name, step.split.else_)
            case Suppress():
                duration = parse_duration(step.for_) if step.for_ else None
                return SuppressPlan(name, then, self._named(step.suppress), tuple(step.tag or ()), duration)
            case Release():
                return ReleasePlan(name, then, self._named(step.release), tuple(step.tag) if step.tag else None)
            case Set():
                return SetPlan(name, then, tuple((key, self._attribute(value)) for key, value in step.set.items()))
            case Exit():
                return ExitPlan(name, then, step.exit)
        raise AssertionError(step)

    def _delay(self, delay: Delay) -> DelayPlan:
        if delay.for_ is not None:
            return DelayPlan(duration=parse_duration(delay.for_), from_entry=delay.from_ == "entry")
        until = delay.until or ""
        if is_clock(until):
            return DelayPlan(clock=parse_clock(until))
        if is_date(until):
            return DelayPlan(date=until)
        return DelayPlan(expression=self.expression(until))

    def _wait_for(self, step: WaitFor, name: str, path: str, then: str | None) -> WaitForPlan:
        replies = []
        for number, reply in enumerate(step.wait_for, 1):
            after = self._back(reply.again, f"{name}.{number}.again", name, then)
            outcomes: frozenset[str] = frozenset((reply.outcome,) if reply.outcome else ())
            if reply.outcome == "engaged":
                outcomes = ENGAGED
            replies.append(
                ReplyPlan(
                    events=frozenset(reply.event or ()) | names_of(outcomes),
                    where=self.expression(reply.where) if reply.where else None,
                    outcomes=outcomes,
                    of=reply.of,
                    next=self.compile(reply.do, f"{path}.{number}.", after),
                )
            )
        otherwise = step.else_ or Otherwise()
        after = self._back(otherwise.again, f"{name}.else.again", name, then)
        return WaitForPlan(
            step=name,
            next=self.compile(otherwise.do, f"{path}.else.", after),
            replies=tuple(replies),
            delay=self._delay(step.timeout),
            rank=step.rank,
        )

    def _back(self, again: bool | Back, name: str, wait: str, then: str | None) -> str | None:
        """Where a branch of a wait leads: on, or back."""
        if again is False:
            return then
        self.steps[name] = BackPlan(name, then, wait, again.max if isinstance(again, Back) else None)
        return name

    def _named(self, channels: Sequence[str]) -> tuple[str, ...]:
        return self._common.channels if "all" in channels else tuple(dict.fromkeys(channels))

    def _attribute(self, value: Any) -> Callable[[Mapping[str, Any]], Any]:
        if isinstance(value, Computed):
            return self.expression(value.expr).evaluate
        return lambda _scope: value
