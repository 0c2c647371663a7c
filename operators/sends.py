"""One message on its way out: through the gates, in their order, to the action or to the fact that says why not.

Of the gates, those are here that this version has: suppression, and the control group as the last; before them a message
that came too late, or whose template fails for this customer.
"""

from typing import TYPE_CHECKING

from operators.actions import new_action
from operators.holds import is_held
from operators.plan_steps import SendPlan
from operators.records import ACTIONS
from operators.run_bounds import ACTIONS_MAX
from operators.templates import TemplateError

if TYPE_CHECKING:
    from operators.run_steps import Walk


def send(walk: "Walk", step: SendPlan) -> None:
    """Emit the action of a step, or say why not."""
    moment, run = walk.moment, walk.run
    now, customer = moment.now, moment.customer
    attempt = run.visits.get(step.step, 0) + 1
    run.visits[step.step] = attempt
    expires_at = run.since + step.expires if step.expires is not None else None
    channels = _in_order(step, walk)
    if expires_at is not None and expires_at <= now:
        walk.tell("withheld", step=step.step, channel=channels[0], gate="expired", then="dropped")
        return
    channel = _first_open(walk, step, channels)
    if channel is None:
        return
    try:
        values = step.values(walk.scope())
    except TemplateError as error:
        walk.tell("withheld", step=step.step, channel=channel, gate="template", then="dropped", error=str(error))
        return
    if run.arms or walk.journey.control:
        _expose(walk, step)
    if run.is_control:
        walk.tell("withheld", step=step.step, channel=channel, gate="control", then="dropped")
        return
    place = (walk.journey.name, run.version, run.instance, step.step)
    action = new_action(moment, place, channel, "send", attempt, expires_at)
    action["arm"] = list(run.arms.values())[-1] if run.arms else None
    action["template"] = step.template
    action["with"] = values
    action["tags"] = step.tags
    if step.attaches_profile:
        action["profile"] = moment.profile_record()
    moment.records.append((ACTIONS + channel, action))
    walk.tell(
        "sent", step=step.step, action_id=action["action_id"], channel=channel, template=step.template, value=step.value
    )
    if walk.journey.wants_feedback:
        if len(run.actions) >= ACTIONS_MAX:
            del run.actions[next(iter(run.actions))]
        run.actions[action["action_id"]] = step.step
    customer.contacts[channel] = now
    moment.tell_profile()


def _in_order(step: SendPlan, walk: "Walk") -> tuple[str, ...]:
    """The channels in the order in which they are tried.

    `best` is the customer's preferred channel, then as listed: what the customer answers most is not known in this version.
    """
    if step.by_preference:
        preferred = walk.moment.customer.profile.get("preferred_channel")
        if preferred in step.channels:
            return (preferred, *(channel for channel in step.channels if channel != preferred))
    return step.channels


def _first_open(walk: "Walk", step: SendPlan, channels: tuple[str, ...]) -> str | None:
    """The first channel on which nothing holds the message back; each that does is told."""
    for number, channel in enumerate(channels, 1):
        if not is_held(walk.moment.customer, channel, step.tags):
            return channel
        then = "next_channel" if number < len(channels) else "dropped"
        walk.tell("withheld", step=step.step, channel=channel, gate="suppressed", then=then)
    return None


def _expose(walk: "Walk", step: SendPlan) -> None:
    """Tell, once for each experiment of the run, that its first message goes out here, or would."""
    run, journey = walk.run, walk.journey
    experiments = list(run.arms.items())
    if journey.control:
        experiments.insert(0, (journey.name, "control" if run.is_control else "treatment"))
    for name, arm in experiments:
        if name not in run.exposed:
            run.exposed.append(name)
            walk.tell("exposed", step=step.step, name=name, arm=arm)
