"""One customer, one decision: what goes out of all that wants to at one instant, and what is told of it.

An instant is one event, or all timers of a customer that are due at the same time. What competes is decided together when
all has been moved that the instant moves; what does not, where it is reached. The order of a decision:

1. every candidate passes the gates, or is stopped by one (`operators.gates`);
2. those that are left are put in order: score, then the journey's priority, then its name, the step, the run, the name of the
   candidate - a total order, so a tie never depends on who came first;
3. the best one is chosen, if it is worth more than nothing, until as many are chosen as may be; a candidate that the gates
   let through before another one was sent passes them again, since that one took its place under a cap;
4. of what was chosen, the message of a control customer does not go out: it is told as exposure where it would have
   (a ghost exposure), and gives its place to the next;
5. the runs walk on, each from its step; a deferred one stands there. What they propose then is decided in turn.

A `decided` fact comes before each message, with all candidates among which it was chosen, and one where nothing was.
"""

from collections.abc import Sequence
from typing import Any

from operators.arbitration import LOST, rank
from operators.candidates import DROPPED, Candidate, Proposal, Verdict
from operators.holdout import GATE as CONTROL_GATE
from operators.moment import Moment
from operators.sends import emit, expose
from state.instants import format_instant

WORTHLESS = Verdict("nothing", DROPPED)


def settle(moment: Moment) -> None:
    """Decide all that was proposed, and let the runs walk on, until nothing is proposed any more."""
    while moment.proposals:
        proposals = moment.proposals
        moment.proposals = []
        for proposal in proposals:
            proposal.walk.changed()  # what they read is what holds now, for all of them
        _decide([candidate for proposal in proposals for candidate in proposal.candidates], moment)
        for proposal in proposals:
            moment.timer = proposal.timer
            proposal.walk.go_on(proposal)


def decide(proposal: Proposal, moment: Moment) -> None:
    """Decide a proposal that competes with no other."""
    _decide(proposal.candidates, moment)


def _decide(candidates: list[Candidate], moment: Moment) -> None:
    """Choose among candidates, and let go out what was chosen."""
    gates = moment.gates
    hopeful = []
    for candidate in candidates:
        if not gates.check(candidate, moment):
            continue
        if candidate.score <= candidate.proposal.nothing:
            candidate.stop(candidate.channel, WORTHLESS)
            continue
        waits = gates.gathering(candidate, moment)
        if waits is not None:
            candidate.stop(candidate.channel, waits)
            continue
        hopeful.append(candidate)
    if len(hopeful) > 1:
        hopeful.sort(key=rank)
    chosen: list[Candidate] = []
    for best in hopeful:
        proposal = best.proposal
        if proposal.is_won:  # by another one of the same step
            continue
        if chosen and not gates.check(best, moment):
            continue
        lost = gates.arbitration(best, moment)
        if lost is not None:
            best.stop(best.channel, lost)
            continue
        proposal.is_won = True
        held_out = gates.control(best, moment)
        if held_out is not None:
            best.stop(best.channel, held_out)
            continue
        gates.count(best, moment)
        chosen.append(best)
    _tell(candidates, chosen, moment)
    for candidate in candidates:
        proposal, verdict = candidate.proposal, candidate.verdict
        if verdict is None or verdict.until is None or proposal.is_won:
            continue
        if proposal.until is None or verdict.until < proposal.until:
            proposal.until, proposal.gate = verdict.until, verdict.gate


def _tell(candidates: list[Candidate], chosen: list[Candidate], moment: Moment) -> None:
    """Tell what was decided, what was withheld and why; and emit what was chosen."""
    _tell_decided(candidates, chosen, moment)
    for candidate in candidates:
        _tell_withheld(candidate)
    for place, candidate in enumerate(chosen):
        if place:
            _tell_decided(chosen[place:], chosen[place:], moment)
        moment.timer = candidate.proposal.timer
        expose(candidate)
        emit(candidate, moment)


def _tell_decided(candidates: Sequence[Candidate], chosen: Sequence[Candidate], moment: Moment) -> None:
    """Tell that the first of `chosen` was, out of which, and what stopped the others."""
    rows = []
    for one in candidates:
        walk = one.proposal.walk
        row: dict[str, Any] = {
            "name": one.name,
            "journey": walk.journey.name,
            "instance": walk.run.instance,
            "step": one.proposal.step,
            "score": one.score,
            **({"parts": one.parts} if one.parts else {}),
            **({"best": one.best} if one.best else {}),
        }
        for channel, verdict in one.tried:
            rows.append({**row, "channel": channel, "gate": verdict.gate})
        if one.verdict is None:
            gate = None if one in chosen else LOST
            rows.append({**row, "channel": one.channel, "gate": gate})
    of = (chosen or candidates)[0]
    proposal = of.proposal
    proposal.walk.tell(
        "decided",
        step=proposal.step,
        candidates=rows,
        nothing=proposal.nothing,
        chosen=of.name if chosen else "nothing",
    )


def _tell_withheld(candidate: Candidate) -> None:
    """Tell what stopped a candidate on each of its channels."""
    proposal = candidate.proposal
    for channel, verdict in candidate.tried:
        if verdict.gate == CONTROL_GATE:
            expose(candidate)
        details = dict(verdict.details)
        if verdict.until is not None:
            details["until"] = format_instant(verdict.until)
        if len(proposal.candidates) > 1:
            details["offer"] = candidate.name
        proposal.walk.tell(
            "withheld", step=proposal.step, channel=channel, gate=verdict.gate, then=verdict.then, **details
        )
