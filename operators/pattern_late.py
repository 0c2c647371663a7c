"""What is told of an event that is older than `max_age`: it changes nothing in the journey."""

from typing import Any

from operators.events import Event
from operators.moment import Moment
from state.instants import format_instant


def tell_late(event: Event, moment: Moment, journey: dict[str, Any], remembers: bool) -> None:
    """Tell it as `late` where the event would have been remembered, as `not_entered` where it would have entered at once."""
    details: dict[str, object] = {"journey": journey["name"], "version": journey["version"]}
    details |= {"message_id": event.message_id, "event": event.name, "event_time": format_instant(event.time)}
    if remembers:
        moment.tell("late", **details)
    else:
        moment.tell("not_entered", reason="late", **details)
