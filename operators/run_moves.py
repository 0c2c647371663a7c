"""What events and timers do to the runs of a customer: goals, exits and waits, and the change to a newer version.

Called by the customer step, for customers who have runs, in this order for one event: `meet_goals` -> `take_exits` ->
`end_waits`. A run is moved at most once by one event, and by no event that was read before it reached its step: entries
come after all of this.
"""

from collections.abc import Iterator, Sequence

from operators.events import Event
from operators.feedback import OUTCOMES, action_of
from operators.journey_plan import ExitRulePlan, JourneyPlan
from operators.kept_events import content_of, event_of
from operators.moment import Moment
from operators.paths import Path
from operators.pattern_repeats import token_of
from operators.plan import Plan
from operators.plan_steps import DelayPlan, ReplyPlan, WaitForPlan, WaitPlan
from operators.run_steps import Walk, forget_deferral, is_past
from operators.run_timers import timer_of
from operators.run_waits import can_change, deadline
from operators.send_plans import BestTimePlan, ChoosePlan, SendPlan
from operators.trait_plan import Change
from state.instants import format_instant
from state.runs import Run

OUT = "exit"
"""In `migrate`: out of the journey."""

GONE = "gone"
"""Why a run ends whose step, version or journey nobody knows any more."""


class RunMoves:
    """What moves runs, for one compiled plan."""

    def __init__(self, plan: Plan) -> None:
        """Bind the plan."""
        self._plan = plan

    # --- by an event

    def take(self, moment: Moment, event: Event, changes: Sequence[Change] = ()) -> None:
        """Let an event, and the changes of segments that it led to, do to the customer's runs what they do."""
        plan = self._plan
        name = event.name
        goals, exits, waits = plan.goals.get(name), plan.exits.get(name), plan.waits.get(name)
        met = self._meet_goals(goals, moment, event) if goals else []
        if exits or plan.exits_by_condition or (changes and plan.exits_by_change):
            looking = {*(exits or ()), *plan.exits_by_condition, *self._exits_by(changes)}
            self._take_exits(sorted(looking), moment, event, met, changes)
        if waits:
            self._end_waits(waits, moment, event)

    def _meet_goals(self, journeys: Sequence[str], moment: Moment, event: Event) -> list[str]:
        """Instances whose goal is met now."""
        met = []
        when = min(event.time, moment.now)
        for run, journey in self._runs_of(journeys, moment):
            goal = journey.goal
            if goal is None or run.converted or event.name not in goal.events:
                continue
            if not run.step and is_past(run, journey, moment.now):
                _forget(run, journey.name, moment)
                continue
            if not run.entry_time < when <= run.entry_time + goal.within:
                continue
            if event.time < moment.now - journey.max_age:
                continue
            if not _concerns(event, run, journey, goal.by, goal.looks_at_any):
                continue
            walk = Walk(journey, moment, run, event)
            if goal.where is not None and not goal.where.holds(walk.scope()):
                continue
            run.converted = True
            met.append(run.instance)
            value = goal.value.evaluate(walk.scope()) if goal.value is not None else None
            walk.tell(
                "converted",
                value=value if isinstance(value, (str, int, float, bool)) else None,
                since_entry_ms=when - run.entry_time,
                key=run.key,
                caused_by=moment.cause,
            )
            if not run.step:
                _forget(run, journey.name, moment)
        return met

    def change(self, moment: Moment, changes: Sequence[Change]) -> None:
        """Let changes of segments by the clock do to the customer's runs what they do."""
        self._take_exits(sorted(self._exits_by(changes)), moment, None, [], changes)

    def _exits_by(self, changes: Sequence[Change]) -> set[str]:
        """Journeys with an exit by one of the changes."""
        found = self._plan.exits_by_change
        return {name for change in changes for name in found.get((change.segment, change.entered), ())}

    def _take_exits(
        self,
        journeys: Sequence[str],
        moment: Moment,
        event: Event | None,
        met: list[str],
        changes: Sequence[Change],
    ) -> None:
        for run, journey in self._runs_of(journeys, moment):
            if not run.step or run.leaving or not journey.exits:
                continue
            walk = Walk(journey, moment, run, event)
            for rule in journey.exits:
                if run.instance in met if rule.is_goal else _exits(rule, walk, event, changes):
                    leave(walk, rule)
                    break

    def _end_waits(self, journeys: Sequence[str], moment: Moment, event: Event) -> None:
        for run, journey in self._runs_of(journeys, moment):
            step = journey.steps.get(run.step)
            if not isinstance(step, WaitForPlan):
                continue
            walk = Walk(journey, moment, run, event)
            for place, reply in enumerate(step.replies):
                if event.name in reply.events and _answers(reply, walk, event):
                    if not step.rank:
                        _stop_waiting(walk)
                        walk.tell("resumed", step=step.step, branch=place + 1, event=event.name, caused_by=moment.cause)
                        walk.go(reply.next)
                    elif not run.held or place < run.held[0]:
                        run.held = [place, content_of(event)]
                    break

    # --- by a timer

    def ring(self, moment: Moment, name: str, instance: str, at: str) -> None:
        """The timer of a run at a step rings: its wait is over, or its message goes out."""
        runs = moment.customer.runs.get(name, ())
        run = next((run for run in runs if run.instance == instance and run.step == at), None)
        if run is None:
            return
        moment.timer = at
        journey = self._current(name, run, moment)
        if journey is not None and run.step == at:
            _time_is_up(Walk(journey, moment, run, None))

    def retime(self, moment: Moment) -> None:
        """Work out anew the waits that depend on the customer's zone or profile, which changed."""
        for run, journey in self._runs_of(sorted(moment.customer.runs), moment):
            delay = _delay_of(journey, run)
            if delay is None or not can_change(delay):
                continue
            timer = timer_of(journey.name, run)
            before = moment.customer.timers.get(timer)
            if before is None:  # its time has come already, and what it wants to send is not decided yet
                continue
            walk = Walk(journey, moment, run, None)
            due = deadline(delay, run, moment, walk.scope)
            if due is None or due == before:
                continue
            if due <= moment.now:
                moment.customer.timers.pop(timer, None)
                _time_is_up(walk)
            else:
                moment.customer.timers[timer] = due
                walk.tell("waiting", step=run.step, until=format_instant(due))

    # --- which version

    def _runs_of(self, journeys: Sequence[str], moment: Moment) -> Iterator[tuple[Run, JourneyPlan]]:
        """The runs of some journeys, each with the version it is on; in the order of journeys and entries."""
        runs = moment.customer.runs
        for name in journeys:
            for run in list(runs.get(name, ())):
                journey = self._current(name, run, moment)
                if journey is not None:
                    yield run, journey

    def _current(self, name: str, run: Run, moment: Moment) -> JourneyPlan | None:
        """The version that a run is on, after it went to a newer one if that says so; None where the run is over."""
        newest = self._plan.newest.get(name)
        journey = newest if newest is not None and newest.version == run.version else None
        if journey is None:
            journey = self._plan.versions.get((name, run.version))
            if newest is not None and newest.version > run.version and run.step in newest.migrate:
                return self._migrate(run, newest, newest.migrate[run.step], moment)
        if journey is None and newest is not None and (not run.step or run.step in newest.steps):
            # Nobody kept the version that it is on; the step is there, so it goes on with the one that there is.
            return self._migrate(run, newest, run.step, moment) if run.step else newest
        if journey is None or (run.step and run.step not in journey.steps):
            self._drop(name, run, moment)
            return None
        return journey

    def _migrate(self, run: Run, journey: JourneyPlan, step: str, moment: Moment) -> JourneyPlan | None:
        """Put a run into a newer version, at a step of it."""
        timer, before = timer_of(journey.name, run), (run.version, run.step)
        run.version = journey.version
        walk = Walk(journey, moment, run, None)
        walk.tell("migrated", from_version=before[0], from_step=before[1], step=step)
        if run.is_deferred and step == before[1] and isinstance(journey.steps.get(step), (SendPlan, ChoosePlan)):
            return journey  # its message waits on
        moment.customer.timers.pop(timer, None)
        forget_deferral(run)
        if step == OUT:
            walk.end("migrated")
            return None
        run.step = step
        delay = _delay_of(journey, run)
        if delay is None:  # nothing that waits: it goes on from there
            walk.go(step)
        else:
            due = deadline(delay, run, moment, walk.scope)
            if due is None or due <= moment.now:
                _time_is_up(walk)
            else:
                moment.customer.timers[timer_of(journey.name, run)] = due
        return journey if run.step else None

    def _drop(self, name: str, run: Run, moment: Moment) -> None:
        """End a run that nobody knows how to go on with."""
        customer = moment.customer
        customer.timers.pop(timer_of(name, run), None)
        _forget(run, name, moment)
        if run.step:
            moment.tell("exited", journey=name, version=run.version, instance=run.instance, reason=GONE)


def leave(walk: Walk, rule: ExitRulePlan) -> None:
    """A run ends by an exit rule, with what is done on the way out."""
    _stop_waiting(walk)
    if rule.first is None:
        walk.end(rule.reason, rule=rule.number)
    else:
        walk.reason = walk.run.leaving = rule.reason
        walk.go(rule.first)


def _exits(rule: ExitRulePlan, walk: Walk, event: Event | None, changes: Sequence[Change]) -> bool:
    if rule.when is not None:
        return rule.when.holds(walk.scope())
    if rule.change is not None:
        return rule.change in changes
    if (
        event is None
        or event.name not in rule.events
        or not _concerns(event, walk.run, walk.journey, rule.by, rule.looks_at_any)
    ):
        return False
    return rule.where is None or rule.where.holds(walk.scope())


def _answers(reply: ReplyPlan, walk: Walk, event: Event) -> bool:
    """Whether an event is what a wait is for."""
    run = walk.run
    if reply.outcomes:
        attributed = walk.moment.attributed
        by_touch = attributed[1] if attributed is not None and attributed[0] is event else ""
        step = run.actions.get(action_of(event) or by_touch)
        if step is None or OUTCOMES.get(event.name) not in reply.outcomes or reply.of not in (None, step):
            return False
    elif not _concerns(event, run, walk.journey, None, False):
        return False
    return reply.where is None or reply.where.holds(walk.scope())


def _concerns(event: Event, run: Run, journey: JourneyPlan, by: Path | None, looks_at_any: bool) -> bool:
    """Whether an event is about this run: it has the run's key, or none; and agrees by the path that is asked for."""
    if looks_at_any:
        return True
    if journey.key is not None:
        keys = journey.key.values(event)
        if keys and run.value not in map(token_of, keys):
            return False
    if by is None:
        return True
    wanted = run.values.get(by.text, (run.value,))
    return any(token_of(value) in wanted for value in by.values(event))


def _time_is_up(walk: Walk) -> None:
    """The wait at which a run stands is over by the clock."""
    run = walk.run
    step = walk.journey.steps[run.step]
    if isinstance(step, (SendPlan, ChoosePlan)):
        walk.try_again(step)
    elif isinstance(step, WaitForPlan) and run.held:
        place, content = run.held
        run.held = []
        walk.event = event_of(content)
        cause = walk.event.message_id
        walk.tell("resumed", step=step.step, branch=place + 1, event=walk.event.name, caused_by=cause)
        walk.go(step.replies[place].next)
    else:
        walk.tell("timed_out", step=step.step)
        walk.go(step.next)


def _delay_of(journey: JourneyPlan, run: Run) -> DelayPlan | None:
    """What the step waits for at which a run stands; None where it does not wait."""
    step = journey.steps.get(run.step)
    if isinstance(step, (WaitPlan, WaitForPlan)):
        return step.delay
    if isinstance(step, (SendPlan, ChoosePlan)) and step.at is not None and not run.is_deferred:
        return DelayPlan(best=step.at) if isinstance(step.at, BestTimePlan) else DelayPlan(clock=step.at)
    return None


def _stop_waiting(walk: Walk) -> None:
    walk.moment.customer.timers.pop(timer_of(walk.journey.name, walk.run), None)


def _forget(run: Run, journey: str, moment: Moment) -> None:
    runs = moment.customer.runs[journey]
    runs.remove(run)
    if not runs:
        del moment.customer.runs[journey]
