"""The form that every action has, whatever its kind: what the contract asks of it."""

from typing import Any

from operators.moment import Moment
from operators.records import action_id_of
from state.instants import format_instant


def new_action(
    moment: Moment, place: tuple[str, int, str, str], channel: str, kind: str, attempt: int, expires_at: int | None
) -> dict[str, Any]:
    """An action without what only messages have; takes the customer's next `seq`.

    Args:
        moment: The customer, and the clock.
        place: Journey, version, instance and step that it is of.
        channel: Where it goes.
        kind: `send`, `suppress` or `release`.
        attempt: Which visit of the step it is of.
        expires_at: ms, or None.
    """
    journey, version, instance, step = place
    return {
        "journey": journey,
        "version": version,
        "instance": instance,
        "step": step,
        "action_id": action_id_of(moment.customer_id, journey, version, instance, step, channel, attempt),
        "seq": moment.next_seq(),
        "customer_id": moment.customer_id,
        "channel": channel,
        "kind": kind,
        "arm": None,
        "template": None,
        "with": {},
        "to": {},
        "tags": (),
        "decided_at": format_instant(moment.now),
        "expires_at": format_instant(expires_at) if expires_at is not None else None,
        "caused_by": moment.cause,
    }
