"""A step that sends: what it proposes, and the action when its message was chosen.

In between are the gates (`operators.gates`) and the decision (`operators.decisions`).
"""

from typing import TYPE_CHECKING

from operators.actions import new_action
from operators.candidates import Candidate, Proposal
from operators.outcomes import remember_sent
from operators.plan_steps import SendPlan
from operators.records import ACTIONS
from operators.run_bounds import ACTIONS_MAX

if TYPE_CHECKING:
    from operators.moment import Moment
    from operators.run_steps import Walk


CONTROL, TREATMENT = "control", "treatment"
"""The arms of a control group."""

GLOBAL = "global control"
"""The name of the control group of the workspace, as facts have it; no journey and no experiment can be called so."""


def proposal_of(walk: "Walk", step: SendPlan) -> Proposal:
    """What a step that sends proposes: its one message, whose score is what it is worth."""
    return Proposal(walk, step, ((step.step, step, step.value),))


def emit(candidate: Candidate, moment: "Moment") -> None:
    """A message goes out: the action, and the fact that it did."""
    proposal, message, channel = candidate.proposal, candidate.message, candidate.channel
    walk = proposal.walk
    run, customer = walk.run, moment.customer
    place = (walk.journey.name, run.version, run.instance, proposal.step)
    action = new_action(moment, place, channel, "send", proposal.attempt, proposal.expires_at)
    action["arm"] = list(run.arms.values())[-1] if run.arms else None
    action["template"] = message.template
    action["with"] = candidate.values
    action["tags"] = message.tags
    if candidate.address is not None:
        action["to"] = {channel: candidate.address}
    if message.attaches_profile:
        action["profile"] = moment.profile_record()
    moment.records.append((ACTIONS + channel, action))
    walk.tell(
        "sent",
        step=proposal.step,
        action_id=action["action_id"],
        channel=channel,
        template=message.template,
        value=message.value,
    )
    if walk.journey.wants_feedback:
        if len(run.actions) >= ACTIONS_MAX:
            del run.actions[next(iter(run.actions))]
        run.actions[action["action_id"]] = proposal.step
    customer.contacts[channel] = moment.now
    remember_sent(moment, action)
    moment.tell_profile()


def expose(candidate: Candidate) -> None:
    """Tell, once for each experiment of the run, that its first message goes out here, or would.

    Of a customer in the global control group nothing is told of the journey's own experiments: they are no part of them.
    """
    walk = candidate.proposal.walk
    run, journey = walk.run, walk.journey
    if not (run.arms or journey.control or candidate.global_arm):
        return
    experiments = [(GLOBAL, candidate.global_arm)] if candidate.global_arm else []
    if candidate.global_arm != CONTROL:
        if journey.control:
            experiments.append((journey.name, CONTROL if run.is_control else TREATMENT))
        experiments += run.arms.items()
    for name, arm in experiments:
        if name not in run.exposed:
            run.exposed.append(name)
            walk.tell("exposed", step=candidate.proposal.step, name=name, arm=arm)
