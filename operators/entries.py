"""Entries: whether a match, a segment or a schedule lets a customer into a journey, and the run that begins then."""

from collections.abc import Sequence
from typing import Any

from operators.events import Event
from operators.journey_plan import JourneyPlan
from operators.moment import Moment
from operators.pattern import Match
from operators.pattern_none import match_of
from operators.pattern_repeats import token_of
from operators.records import writable
from operators.run_bounds import RUNS_MAX
from operators.run_steps import Walk, begin
from state.customer import Entry, JourneyMemory
from state.runs import Run


def enter(journey: JourneyPlan, match: Match, memory: JourneyMemory, moment: Moment) -> bool:
    """Let a match enter the journey, unless something stops it; whether a run began.

    Args:
        journey: In its newest version.
        match: What lets the customer in.
        memory: What the journey knows of the customer; changed.
        moment: The customer, and the event or timer that completed the match.
    """
    key, token, value = None, "", match.token
    if journey.key is not None:
        keys: Sequence[object] = [match.value]
        if journey.key not in journey.pattern.paths:
            keys = journey.key.values(moment.mover or match.events[-1])
        if not keys:
            _refuse("no_key", journey, moment, None)
            return False
        key, token = writable(keys[0]), token_of(keys[0])
        value = token
    runs = moment.customer.runs.get(journey.name)
    running = [run for run in runs if run.step and not run.leaving] if runs else []
    if moment.proposals:
        running = _pending(running, journey, moment)
    mine = running if journey.key is None else [run for run in running if run.value == token]
    again, now = journey.again, moment.now
    if again.remembers:
        entry = memory.entries.get(token)
        if entry is not None and not again.is_open(entry.at, now):
            if not entry.refusal_told:
                entry.refusal_told = True
                _refuse("reentry", journey, moment, key)
            return False
    elif again.rule == "after_exit" and mine:
        if not mine[-1].refusal_told:
            mine[-1].refusal_told = True
            _refuse("reentry", journey, moment, key)
        return False
    if len(running) - len(mine) >= RUNS_MAX:
        _refuse("instances", journey, moment, key)
        return False
    if again.remembers:
        _remember(memory, token, now, again.period if again.rule == "after" else None)
    for run in mine:
        _replace(run, journey, moment)
    traits, customer = moment.traits, moment.customer
    if traits is not None and customer.traits is not None:
        zone = moment.customer_zone
        traits.entered(journey.name, customer.traits, match.events[-1], customer.profile, now, zone)
        moment.renew()
    begin(journey, moment, key, value, match)
    return True


def _pending(running: list[Run], journey: JourneyPlan, moment: Moment) -> list[Run]:
    """With the runs that began at this very instant; without those that are over once it is decided what they send."""
    walks = {one.walk.run.instance: one for one in moment.proposals if one.walk.journey.name == journey.name}
    running = [run for run in running if run.instance not in walks or walks[run.instance].next is not None]
    return running + [one.walk.run for one in walks.values() if not one.walk.stored]


def enter_by_change(journey: JourneyPlan, change: tuple[str, bool], moment: Moment) -> None:
    """Let a customer in who entered, or left, a segment; at an event, which is the entry, or by the clock."""
    name = "Segment Entered" if change[1] else "Segment Left"
    event = moment.mover
    if event is not None and event.time < moment.now - journey.max_age:
        _refuse("late", journey, moment, None)
        return
    _enter_without_pattern(journey, event or _event_of("segment", name, {"segment": change[0]}, moment), moment)


def enter_by_schedule(journey: JourneyPlan, moment: Moment) -> None:
    """Let a customer in at a time of the calendar."""
    _enter_without_pattern(journey, _event_of("schedule", "schedule", {}, moment), moment)


def _enter_without_pattern(journey: JourneyPlan, entry: Event, moment: Moment) -> None:
    if journey.where is not None:
        scope = moment.scope()
        scope.update(entry=entry, first=entry, matched=[entry], journey=journey.description)
        if not journey.where.holds(scope):
            return
    memory = moment.customer.journeys.get(journey.name)
    if memory is None:
        memory = JourneyMemory()
    enter(journey, match_of(entry), memory, moment)
    if memory.entries:
        moment.customer.journeys[journey.name] = memory


def _event_of(kind: str, name: str, properties: dict[str, Any], moment: Moment) -> Event:
    """What stands for the entry where no event is."""
    return Event(kind, name, moment.customer_id, moment.cause, moment.now, properties, {})


def _replace(run: Run, journey: JourneyPlan, moment: Moment) -> None:
    """A run under way makes room for the new entry, by the rules of the version that is entered."""
    pending = [one.walk for one in moment.proposals if one.walk.run is run]
    walk = pending[0] if pending else Walk(journey, moment, run, moment.mover)
    walk.end("replaced")


def _remember(memory: JourneyMemory, token: str, now: int, period: int | None) -> None:
    """Note the entry; forget those whose period is over, now and then (they refuse nobody any more)."""
    entries = memory.entries
    size = len(entries)
    if period is not None and size >= 8 and not size & (size - 1):  # at powers of two, as for buckets
        for over in [name for name, entry in entries.items() if entry.at + period <= now]:
            del entries[over]
    entries[token] = Entry(now)


def _refuse(reason: str, journey: JourneyPlan, moment: Moment, key: object) -> None:
    moment.tell(
        "not_entered",
        journey=journey.name,
        version=journey.version,
        reason=reason,
        key=key,
        caused_by=moment.cause,
    )
