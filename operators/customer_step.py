"""The customer as a state machine: events in, records out, and the customer changed.

    take(customer, events, each with its now) -> records
    fire(customer, through) -> records

No clock, no chance, no input or output: `now` is data, and the same calls give the same records, live and in replay.
A timer's own `now` is the time at which it is due, so it is all the same when it is asked to fire: before the customer's
next event (`take` does that by itself) or without one (`fire`).

The order for one event is fixed: timers that are due -> seen before? -> profile -> journeys that look at it, by name:
what forbids, then what enters -> the run from its first step on (`operators.run_steps`). Whatever is remembered is bounded;
the bounds are named here and in `operators.pattern`. Only entries by key of a journey that says `again: never` are kept
for ever.
"""

from typing import Any

from xxhash import xxh3_64_intdigest

from operators.events import Event
from operators.expression_values import COMPARED_MAX, alike
from operators.moment import Moment, Records
from operators.pattern import Match
from operators.pattern_repeats import token_of
from operators.plan import JourneyPlan, Plan
from operators.records import PROFILES, profile_of, storable, to_json, writable
from operators.run_steps import walk
from state.customer import Customer, Entry, JourneyMemory
from state.instants import format_instant

DEDUPE_MS = 86_400_000
"""A message id that comes again within 24 h of log time is the same event (Segment's own horizon is 24 h, too)."""

SEEN_MAX = 1_000
"""Message ids remembered per customer, as 64-bit hashes; beyond it the oldest are forgotten first."""

ATTRIBUTES_MAX = 1_000
"""Attributes of one profile; further new ones are not taken in."""

PROFILE_BYTES_MAX = 512 << 10
"""Of one profile as JSON, half of what a broker takes in one record; what would make it larger is not taken in."""


class CustomerStep:
    """The step, for one compiled plan; holds nothing else."""

    def __init__(self, plan: Plan) -> None:
        """Bind what every event needs."""
        self.plan = plan
        self._watches = plan.watches
        self._watches_all = plan.watches_all
        self._zone = plan.zone

    def take(self, customer: Customer, customer_id: str, events: list[tuple[Event, int]], records: Records) -> int:
        """Take in events of one customer, in the log's order.

        Args:
            customer: The customer's record; changed.
            customer_id: Whose it is.
            events: The events, each with `now`: the clock of the customer's key group as it was read.
            records: Where to append what comes out.

        Returns:
            How many were duplicates, which change nothing but `seq`.
        """
        moment = Moment(customer, customer_id, records, self._zone)
        seen, journeys = customer.seen, customer.journeys
        watches_of, watches_all = self._watches.get, self._watches_all
        duplicates = 0
        timers = customer.timers
        for event, now in events:
            if timers:
                self._fire_due(moment, now)
            moment.event, moment.now = event, now
            digest = xxh3_64_intdigest(event.message_id.encode())
            if seen:
                before = seen.get(digest)
                if before is not None and before > now - DEDUPE_MS:
                    duplicates += 1
                    moment.tell(
                        "duplicate", message_id=event.message_id, event=event.name, first_seen_at=format_instant(before)
                    )
                    continue
                for oldest in seen.values():
                    if oldest <= now - DEDUPE_MS or len(seen) >= SEEN_MAX:
                        _forget_seen(seen, now - DEDUPE_MS)
                    break
            seen[digest] = now

            if event.kind == "identify" and event.properties:
                _identify(moment)
            for journey in watches_of(event.name, watches_all):
                memory = journeys.get(journey.name)
                if memory is None:
                    memory = JourneyMemory()
                    matches = journey.pattern.see(memory, event, moment)
                    if matches or memory.buckets:
                        journeys[journey.name] = memory
                else:
                    matches = journey.pattern.see(memory, event, moment)
                for match in matches:
                    if _enter(journey, match, memory, moment):
                        journey.pattern.use_up(memory, match)
        return duplicates

    def fire(self, customer: Customer, customer_id: str, through: int, records: Records) -> None:
        """Fire the timers of one customer that are due at or before `through` (ms), in the order of (due, name).

        `records` takes what comes out. A timer that firing sets is fired, too, if it is due by then.
        """
        if customer.timers:
            self._fire_due(Moment(customer, customer_id, records, self._zone), through)

    def _fire_due(self, moment: Moment, through: int) -> None:
        timers = moment.customer.timers
        while timers:
            due, name = min((due, name) for name, due in timers.items())
            if due > through:
                return
            del timers[name]
            moment.now = due
            self._ring(name, moment)

    def _ring(self, name: str, moment: Moment) -> None:
        """Do what a timer is for; one of a journey that is gone is for nothing any more."""


def _forget_seen(seen: dict[int, int], horizon: int) -> None:
    """Forget message ids of before the horizon, oldest first; and the oldest one at the bound."""
    for newest in reversed(seen.values()):
        if newest <= horizon:  # mostly: few customers are back within a day
            seen.clear()
            return
        break
    gone = []
    for digest, at in seen.items():
        if at > horizon:
            break
        gone.append(digest)
    for digest in gone:
        del seen[digest]
    if len(seen) >= SEEN_MAX:
        del seen[next(iter(seen))]


def _identify(moment: Moment) -> None:
    """Take the attributes of an `identify` into the profile."""
    profile = moment.customer.profile
    changed: dict[str, Any] = {}
    budget = [COMPARED_MAX]
    for name, value in moment.event.properties.items():
        value = storable(value)  # noqa: PLW2901
        if name in profile:
            before = profile[name]
            # `==` takes true for 1, also inside of lists and objects.
            if before != value or (type(value) is not str and not alike(before, value, budget)):
                changed[name] = value
        elif len(profile) + len(changed) < ATTRIBUTES_MAX:
            changed[name] = value
    if not changed:
        return
    # Another dictionary, not this one changed: records that are out already show the profile as it was.
    whole = {**profile, **changed}
    if len(to_json(whole)) > PROFILE_BYTES_MAX:
        whole = _as_much_as_fits(profile, changed, moment)
        if whole == profile:
            return
    moment.customer.profile = whole
    moment.records.append((PROFILES, profile_of(moment.customer, moment.customer_id, moment.now)))


def _as_much_as_fits(profile: dict[str, Any], changed: dict[str, Any], moment: Moment) -> dict[str, Any]:
    """Take the changes that fit, the small ones first: consent is withdrawn even beside an attribute that is too large."""
    whole, refused, size = dict(profile), [], len(to_json(profile))
    lengths = {name: len(to_json({name: value})) for name, value in changed.items()}
    for name in sorted(changed, key=lambda name: (lengths[name], name)):
        larger = size + lengths[name] - (len(to_json({name: profile[name]})) if name in profile else 0)
        if larger <= PROFILE_BYTES_MAX:
            whole[name], size = changed[name], larger
        else:
            refused.append(name)
    reason = f"the profile would have more than {PROFILE_BYTES_MAX:,} bytes"
    moment.tell("not_stored", attributes=refused, reason=reason, message_id=moment.event.message_id)
    return whole


def _enter(journey: JourneyPlan, match: Match, memory: JourneyMemory, moment: Moment) -> bool:
    """Let a match enter the journey, unless something stops it; whether it entered."""
    key, token = None, ""
    if journey.key is not None:
        values = [match.value] if journey.key in journey.pattern.paths else journey.key.values(moment.event)
        if not values:
            _not_entered("no_key", journey, moment, None)
            return False
        key, token = writable(values[0]), token_of(values[0])
    again, now = journey.again, moment.now
    if again.remembers:
        entry = memory.entries.get(token)
        if entry is not None and not again.is_open(entry.at, now):
            if not entry.refusal_told:
                entry.refusal_told = True
                _not_entered("reentry", journey, moment, key)
            return False
        _remember_entry(memory, token, now, again.period if again.rule == "after" else None)
    walk(journey, moment, key, match)
    return True


def _remember_entry(memory: JourneyMemory, token: str, now: int, period: int | None) -> None:
    """Note the entry; forget those whose period is over, now and then (they refuse nobody any more)."""
    entries = memory.entries
    size = len(entries)
    if period is not None and size >= 8 and not size & (size - 1):  # at powers of two, as for buckets
        for over in [name for name, entry in entries.items() if entry.at + period <= now]:
            del entries[over]
    entries[token] = Entry(now)


def _not_entered(reason: str, journey: JourneyPlan, moment: Moment, key: object) -> None:
    moment.tell(
        "not_entered",
        journey=journey.name,
        version=journey.version,
        reason=reason,
        key=key,
        caused_by=moment.event.message_id,
    )
