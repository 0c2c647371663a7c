"""A step that sends: what it proposes, and the action when its message was chosen.

In between are the gates (`operators.gates`) and the decision (`operators.decisions`).
"""

from typing import TYPE_CHECKING, Any

from operators.actions import new_action
from operators.best_time import best_time
from operators.candidates import Candidate, Proposal
from operators.offers import OfferPlan
from operators.outcomes import remember_sent
from operators.records import ACTIONS
from operators.run_bounds import ACTIONS_MAX
from operators.send_plans import BestTimePlan, ChoosePlan, SendPlan

if TYPE_CHECKING:
    from operators.moment import Moment
    from operators.run_steps import Walk


CONTROL, TREATMENT = "control", "treatment"
"""The arms of a control group."""

GLOBAL = "global control"
"""The name of the control group of the workspace, as facts have it; no journey and no experiment can be called so."""


def when_to_send(step: SendPlan | ChoosePlan, moment: "Moment") -> tuple[int | None, dict[str, Any]]:
    """When (ms) the message of a step that is reached now goes out, None for now; and what the fact says of it."""
    at, now = step.at, moment.now
    if at is None:
        return None, {}
    if not isinstance(at, BestTimePlan):
        return at.next_after(now, moment.customer_zone), {}
    due, why = best_time(at, now, moment)
    return due if due > now else None, {"best_time": why}


def proposal_of(walk: "Walk", step: SendPlan | ChoosePlan) -> Proposal:
    """What a step proposes: its one message, whose score is what it is worth; or all offers that it chooses from.

    What a step chose once in a run it goes on choosing, as long as there is that offer.
    """
    if isinstance(step, SendPlan):
        return Proposal(walk, step, ((step.step, step, step.value),))
    chosen = walk.run.choices.get(step.step)
    offers = [offer for offer in step.offers if offer.name == chosen] or step.offers
    scope = walk.scope()
    scores = [offer.score(scope) for offer in offers]
    options = [(offer.name, offer, score) for offer, (score, _) in zip(offers, scores, strict=True)]
    proposal = Proposal(walk, step, options, step.nothing)
    for candidate, (_, parts) in zip(proposal.candidates, scores, strict=True):
        candidate.parts = parts
    return proposal


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
    offer = {}
    if isinstance(message, OfferPlan):
        run.choices[proposal.step] = action["offer"] = offer["offer"] = message.name
    walk.tell(
        "sent",
        step=proposal.step,
        action_id=action["action_id"],
        channel=channel,
        template=message.template,
        value=message.value,
        **offer,
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
