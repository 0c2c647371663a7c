"""A run: one customer's walk through the steps of a journey, from one wait to the next.

`begin` starts one at an entry; `operators.run_moves` goes on with one when an event or a timer moves it. A walk goes on
until a step holds it (`HOLD`), or the run is over. What a run keeps between two moments is a `state.runs.Run`; a run that no
step holds leaves nothing behind but what its goal is watched for.

Bounds: `RUNS_MAX` runs of a journey under way for one customer, and as many that are over and watched for their goal, of
which the oldest is forgotten first.
"""

from collections.abc import Callable
from typing import Any, Final

from operators.arbitration import GATHERING, LOST
from operators.candidates import Proposal
from operators.caps import GATE as CAP
from operators.decisions import decide
from operators.events import Event
from operators.experiments import arm_of, is_held_out
from operators.holds import release, release_run, suppress
from operators.journey_plan import JourneyPlan
from operators.kept_events import content_of, event_of, keep, read_kept
from operators.moment import Moment
from operators.pattern import Match
from operators.pattern_repeats import token_of
from operators.plan_steps import (
    BackPlan,
    BranchPlan,
    ExitPlan,
    ReleasePlan,
    SetPlan,
    SplitPlan,
    StepPlan,
    SuppressPlan,
    WaitForPlan,
    WaitPlan,
)
from operators.profile import set_attributes
from operators.records import instance_of
from operators.run_bounds import RUNS_MAX
from operators.run_timers import timer_of
from operators.run_waits import deadline
from operators.send_plans import ChoosePlan, SendPlan
from operators.sends import proposal_of, when_to_send
from state.instants import format_instant
from state.runs import Run

HOLD: Final = "\x00hold"
OVER: Final = "\x00over"
"""What a step gives instead of the next one: the run waits at it, be it for the decision of what goes out; the run is over."""


class Walk:
    """One run on its way, within one moment."""

    __slots__ = ("_match", "_scope", "event", "ids", "journey", "moment", "reason", "run", "stored", "went_back")

    def __init__(
        self, journey: JourneyPlan, moment: Moment, run: Run, event: Event | None, stored: bool = True
    ) -> None:
        """A run of the customer of the moment.

        Args:
            journey: The version that the run is on.
            moment: The customer, and the clock.
            run: It; changed.
            event: What moves the run; None for a timer.
            stored: Whether the run is among those of the customer's record already.
        """
        self.journey = journey
        self.moment = moment
        self.run = run
        self.event = event
        self.stored = stored
        self.reason = run.leaving or "completed"
        self._match: Match | None = None
        self._scope: dict[str, Any] | None = None
        self.went_back = False
        self.ids: dict[str, Any] = {"journey": journey.name, "version": run.version, "instance": run.instance}
        """What every record about the run carries."""

    def begin(self, match: Match) -> None:
        """Walk from the first step on."""
        self._match = match
        self.go(self.journey.first)

    def tell(self, fact: str, **details: object) -> None:
        """Tell a fact about the run."""
        self.moment.tell(fact, **self.ids, **details)

    def scope(self) -> dict[str, Any]:
        """The names that the run's expressions and templates know; made once for each part of the walk."""
        scope = self._scope
        if scope is None:
            scope = self.moment.scope()
            event = self.event
            scope["event"] = event
            scope["properties"] = event.properties if event is not None else {}
            scope["journey"] = self.journey.description
            match = self._match
            matched, names = read_kept(self.run) if match is None else (match.events, match.names)
            if matched:
                scope.update(names, entry=matched[-1], first=matched[0], matched=matched)
            self._scope = scope
        return scope

    def changed(self) -> None:
        """The profile changed: what is read from now on shows it."""
        self._scope = None

    # --- from step to step

    def go(self, step_id: str | None) -> None:
        """Walk on from a step until one holds the run; None is the end of the run."""
        steps = self.journey.steps
        while step_id is not None:
            step = steps[step_id]
            step_id = _HANDLERS[type(step)](self, step)
            if step_id is HOLD or step_id is OVER:
                return
        self.end(self.reason)

    def reach(self, step: StepPlan, **details: object) -> None:
        """Tell that a step was reached, and count it."""
        self.run.step = step.step
        self.run.since = self.moment.now
        self.tell("step", step=step.step, **details)

    def hold(self, due: int) -> str:
        """Wait at the step that was reached last, until `due` (ms) at the latest."""
        run, customer = self.run, self.moment.customer
        customer.timers[timer_of(self.journey.name, run)] = due
        self.tell("waiting", step=run.step, until=format_instant(due))
        self._store()
        return HOLD

    # --- what it sends

    def propose(self, proposal: Proposal) -> str | None:
        """Put down what the step wants to send; what comes next, or HOLD while that is not decided, or deferred.

        What competes with nothing is decided where it is reached, the rest at the end of the instant.
        """
        moment = self.moment
        if not proposal.candidates:  # an older version, of offers that there are no more
            self.tell("decided", step=proposal.step, candidates=[], nothing=proposal.nothing, chosen="nothing")
            return proposal.next
        if moment.gates.compete(proposal):
            moment.proposals.append(proposal)
            return HOLD
        decide(proposal, moment)
        return self._decided(proposal)

    def go_on(self, proposal: Proposal) -> None:
        """It is decided what goes out at the step where the run stands: walk on from there, unless it is deferred."""
        then = self._decided(proposal)
        if then is not HOLD:
            self.go(then)

    def try_again(self, step: SendPlan | ChoosePlan) -> None:
        """The time has come to which a message was deferred, or for which it was meant."""
        if self.run.mover is not None:
            self.event = event_of(self.run.mover)
        then = self.propose(proposal_of(self, step))
        if then is not HOLD:
            self.go(then)

    def _decided(self, proposal: Proposal) -> str | None:
        run, until = self.run, proposal.until
        proposal.candidates = []  # no circle of objects is left for the garbage collector
        if until is None:
            if run.is_deferred:
                forget_deferral(run)
            return proposal.next
        run.is_deferred = True
        if proposal.gate == CAP and run.capped_at is None:
            run.capped_at = self.moment.now
        run.has_gathered = run.has_gathered or proposal.gate == GATHERING
        run.has_lost = run.has_lost or proposal.gate == LOST
        if self.journey.reads_mover:
            run.mover = content_of(self.event) if self.event is not None else None
        self.moment.customer.timers[timer_of(self.journey.name, run)] = until
        self._store()
        return HOLD

    def _store(self) -> None:
        """Keep the run among those of the customer."""
        if not self.stored:
            self.keep(self.journey.reads)
            self.moment.customer.runs.setdefault(self.journey.name, []).append(self.run)
            self.stored = True
            self.moment.tell_profile()

    def keep(self, reads: frozenset[str]) -> None:
        """Keep of the matched events what is read later."""
        if self._match is not None:
            keep(self.run, self._match, reads)

    def end(self, reason: str, **details: object) -> None:
        """The run is over; its goal may still be met."""
        run, customer, journey = self.run, self.moment.customer, self.journey
        customer.timers.pop(timer_of(journey.name, run), None)
        if self.moment.proposals:
            self.moment.proposals = [one for one in self.moment.proposals if one.walk.run is not run]
        if customer.holds:
            release_run(self.moment, run.instance)
        self.tell("exited", reason=reason, **details)
        run.step = ""
        runs = customer.runs.get(journey.name)
        place = len(runs) if runs is not None else 0
        if self.stored and runs is not None:
            place = runs.index(run)
            del runs[place]
        if journey.goal is not None and not run.converted:
            self._watch(runs, place)
        elif runs is not None and not runs:
            del customer.runs[journey.name]
        if self.stored:
            self.moment.tell_profile()
        self.stored = True

    def _watch(self, runs: list[Run] | None, place: int) -> None:
        """Keep the run for its goal alone, at its place: they are in the order of entry."""
        run, journey = self.run, self.journey
        if self.stored:
            if not journey.goal_reads:
                run.events, run.names = [], {}
        else:
            self.keep(journey.goal_reads)
        run.visits, run.backs, run.held, run.actions, run.arms, run.exposed, run.choices = {}, {}, [], {}, {}, [], {}
        run.leaving = ""
        forget_deferral(run)
        if runs is None:
            runs = self.moment.customer.runs[journey.name] = []
        over = [one for one in runs if not one.step]
        for one in over:
            if is_past(one, journey, self.moment.now) or (one is over[0] and len(over) >= RUNS_MAX):
                at = runs.index(one)
                del runs[at]
                place -= at < place
        runs.insert(place, run)


def forget_deferral(run: Run) -> None:
    """The message of a step is decided for good."""
    run.is_deferred, run.mover, run.capped_at, run.has_gathered, run.has_lost = False, None, None, False, False


def begin(journey: JourneyPlan, moment: Moment, key: object, value: str, match: Match) -> None:
    """Begin a run and walk it to its first wait, or its end.

    Args:
        journey: The journey that the customer enters.
        moment: The customer, and the event or timer that completed the match.
        key: The key of the run as records show it; None without one.
        value: Its token; without a key that of what the matched events agree in; empty where there is neither.
        match: What lets the customer in.
    """
    entry = match.events[-1]
    run = Run(
        instance=instance_of(moment.customer_id, journey.name, key, entry.message_id),
        version=journey.version,
        entered_at=moment.now,
        entry_time=min(entry.time, moment.now),
        key=key,
        value=value,
    )
    if journey.entry_paths:
        run.values = {path.text: [token_of(one) for one in path.values(entry)] for path in journey.entry_paths}
    walk = Walk(journey, moment, run, moment.mover, stored=False)
    walk.tell("entered", key=key, caused_by=moment.cause)
    if journey.control and is_held_out(journey, moment):
        run.is_control = True
        walk.tell("held_out")
    walk.begin(match)


def is_past(run: Run, journey: JourneyPlan, now: int) -> bool:
    """Whether no event that is still taken can be in the window of the goal."""
    goal = journey.goal
    return goal is None or now > run.entry_time + goal.within + journey.max_age


# --- what each kind of step does: the next step, None for the end of the run, HOLD or OVER


def _send(walk: Walk, step: SendPlan | ChoosePlan) -> str | None:
    due, why = when_to_send(step, walk.moment)
    walk.reach(step, **why)
    visits = walk.run.visits
    visits[step.step] = visits.get(step.step, 0) + 1
    return walk.propose(proposal_of(walk, step)) if due is None else walk.hold(due)


def _wait(walk: Walk, step: WaitPlan) -> str | None:
    walk.reach(step)
    run = walk.run
    due = deadline(step.delay, run, walk.moment, walk.scope)
    if due is None:
        walk.end("no_date")
        return OVER
    return walk.hold(due) if due > walk.moment.now else step.next


def _wait_for(walk: Walk, step: WaitForPlan) -> str | None:
    walk.reach(step)
    run = walk.run
    run.held = []
    if walk.went_back:
        walk.went_back = False
    elif run.backs:
        run.backs = {name: count for name, count in run.backs.items() if not name.startswith(f"{step.step}.")}
    due = deadline(step.delay, run, walk.moment, walk.scope)
    if due is None:
        walk.end("no_date")
        return OVER
    return walk.hold(due) if due > walk.moment.now else step.next


def _back(walk: Walk, step: BackPlan) -> str | None:
    """Back to the wait, if there is time left in it: one that is over at once would go round for ever."""
    wait, run = walk.journey.steps[step.wait], walk.run
    run.since = walk.moment.now
    due = deadline(wait.delay, run, walk.moment, walk.scope) if isinstance(wait, WaitForPlan) else None
    if due is not None and due <= walk.moment.now:
        return step.next
    if step.most is not None:
        count = run.backs.get(step.step, 0)
        if count >= step.most:
            return step.next
        run.backs[step.step] = count + 1
    walk.went_back = True
    return step.wait


def _branch(walk: Walk, step: BranchPlan) -> str | None:
    for number, (when, then) in enumerate(step.ways, 1):
        if when is None or when.holds(walk.scope()):
            walk.reach(step, branch=number)
            return then
    walk.reach(step, branch=None)
    return step.next


def _split(walk: Walk, step: SplitPlan) -> str | None:
    walk.reach(step)
    arm = arm_of(walk.journey, step, walk.moment)
    if arm is None:
        return next((then for name, _, then in step.arms if name == step.outside), step.next)
    if walk.run.arms.get(step.name) != arm:
        walk.run.arms[step.name] = arm
        walk.tell("assigned", step=step.step, name=step.name, arm=arm)
    return next(then for name, _, then in step.arms if name == arm)


def _suppress(walk: Walk, step: SuppressPlan) -> str | None:
    walk.reach(step)
    suppress(walk, step)
    return step.next


def _release(walk: Walk, step: ReleasePlan) -> str | None:
    walk.reach(step)
    release(walk, step)
    return step.next


def _set(walk: Walk, step: SetPlan) -> str | None:
    walk.reach(step)
    if set_attributes(walk.moment, [(name, evaluate(walk.scope())) for name, evaluate in step.attributes], walk.ids):
        walk.moment.profile_changed = True
        walk.changed()
    return step.next


def _exit(walk: Walk, step: ExitPlan) -> str | None:
    walk.reach(step)
    walk.end(step.reason)
    return OVER


_HANDLERS: dict[type, Callable[[Walk, Any], str | None]] = {
    SendPlan: _send,
    ChoosePlan: _send,
    WaitPlan: _wait,
    WaitForPlan: _wait_for,
    BackPlan: _back,
    BranchPlan: _branch,
    SplitPlan: _split,
    SuppressPlan: _suppress,
    ReleasePlan: _release,
    SetPlan: _set,
    ExitPlan: _exit,
}
