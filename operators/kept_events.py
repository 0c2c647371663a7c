"""The events of a match that a run still reads after it has waited: what they held, within a bound.

Only what the journey's steps name is kept: all of them for `matched` and the names of the pattern, else the first, the last
(`entry`), or none.
"""

from collections.abc import Sequence
from typing import Any

from operators.events import Event
from operators.pattern import Match
from operators.records import storable, to_json
from operators.run_bounds import KEPT_BYTES_MAX
from state.runs import Run


def keep(run: Run, match: Match, reads: frozenset[str]) -> None:
    """Note in the run what it needs of the events of its match."""
    matched = match.events
    names = {name: _places(value, matched) for name, value in match.names.items() if name in reads}
    if "matched" in reads or names:
        chosen = list(range(len(matched)))
    elif "first" in reads:
        chosen = sorted({0, len(matched) - 1})
    elif "entry" in reads:
        chosen = [len(matched) - 1]
    else:
        chosen = []
    share = KEPT_BYTES_MAX // max(len(chosen), 1)
    run.events = [content_of(matched[place], share) for place in chosen]
    run.names = names


def _places(value: Any, matched: Sequence[Event]) -> Any:
    """Where the event, or the events, of a name are among the matched ones; None where there is none."""
    if isinstance(value, list):
        return [_places(one, matched) for one in value]
    return None if value is None else next(place for place, event in enumerate(matched) if event is value)


def read_kept(run: Run) -> tuple[list[Event], dict[str, Any]]:
    """The events that were kept, and what the names of the pattern stand for."""
    events = [event_of(content) for content in run.events]
    return events, {name: _at(places, events) for name, places in run.names.items()}


def _at(places: Any, events: Sequence[Event]) -> Any:
    if isinstance(places, list):
        return [_at(place, events) for place in places]
    return None if places is None else events[places]


def event_of(content: dict[str, Any]) -> Event:
    """The event of which `content_of` kept what it held."""
    return Event(**content)


def content_of(event: Event, bytes_max: int = KEPT_BYTES_MAX) -> dict[str, Any]:
    """What an event held, as it can be stored."""
    context, properties = storable(event.context), storable(event.properties)
    rest = bytes_max - len(to_json(properties))
    if rest < len(to_json(context)):
        context = _smallest(context, max(rest, 0))
        if rest < 0:
            properties = _smallest(properties, bytes_max)
    return {
        "kind": event.kind,
        "name": event.name,
        "customer_id": event.customer_id,
        "message_id": event.message_id,
        "time": event.time,
        "properties": properties,
        "context": context,
    }


def _smallest(values: dict[str, Any], bytes_max: int) -> dict[str, Any]:
    """The parts that fit, the small ones first."""
    lengths = {name: len(to_json({name: value})) for name, value in values.items()}
    kept, size = set(), 0
    for name in sorted(values, key=lambda name: (lengths[name], name)):
        size += lengths[name]
        if size > bytes_max:
            break
        kept.add(name)
    return {name: value for name, value in values.items() if name in kept}
