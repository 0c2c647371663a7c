"""A run: one customer's walk through the steps of a journey.

None of the steps of this version waits, so a run is over in the moment in which it begins.
"""

from typing import Any

from operators.moment import Moment
from operators.pattern import Match
from operators.plan import JourneyPlan, SendPlan
from operators.records import ACTIONS, PROFILES, action_id_of, instance_of, profile_of
from operators.templates import TemplateError
from state.instants import format_instant


def walk(journey: JourneyPlan, moment: Moment, key: object, match: Match) -> None:
    """Begin a run and walk it to its end.

    Args:
        journey: The journey that the customer enters.
        moment: The customer, and the event that completed the match.
        key: The key of the run; None without one.
        match: What lets them enter.
    """
    event, matched = moment.event, match.events
    entry = matched[-1]
    instance = instance_of(moment.customer_id, journey.name, key, entry.message_id)
    run = {"journey": journey.name, "version": journey.version, "instance": instance}
    moment.tell("entered", key=key, caused_by=event.message_id, **run)
    scope = moment.scope()
    scope.update(match.names, entry=entry, first=matched[0], matched=matched, journey=journey.description)
    for step in journey.steps:
        at_step = {**run, "step": step.step}
        moment.tell("step", **at_step)
        _send(step, moment, at_step, scope)
    moment.tell("exited", reason="completed", **run)


def _send(step: SendPlan, moment: Moment, at_step: dict[str, Any], scope: dict[str, Any]) -> None:
    """Emit one action, or say why not."""
    customer, customer_id, now, channel = moment.customer, moment.customer_id, moment.now, step.channel
    try:
        values = step.values(scope)
    except TemplateError as error:
        moment.tell("withheld", channel=channel, gate="template", then="dropped", error=str(error), **at_step)
        return
    action_id = action_id_of(
        customer_id, at_step["journey"], at_step["version"], at_step["instance"], step.step, channel, attempt=1
    )
    action = {
        **at_step,
        "action_id": action_id,
        "seq": moment.next_seq(),
        "customer_id": customer_id,
        "channel": channel,
        "kind": "send",
        "arm": None,
        "template": step.template,
        "with": values,
        "to": {},
        "tags": step.tags,
        "decided_at": format_instant(now),
        "expires_at": format_instant(now + step.expires) if step.expires is not None else None,
        "caused_by": moment.event.message_id,
    }
    moment.records.append((ACTIONS + channel, action))
    moment.tell("sent", action_id=action_id, channel=channel, template=step.template, **at_step)
    customer.contacts[channel] = now
    moment.records.append((PROFILES, profile_of(customer, customer_id, now)))
