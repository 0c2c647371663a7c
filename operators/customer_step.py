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

from collections.abc import Sequence
from datetime import tzinfo

from xxhash import xxh3_64_intdigest

from operators.activity import note_activity
from operators.decisions import settle
from operators.entries import enter, enter_by_change, enter_by_schedule
from operators.events import Event
from operators.feedback import OUTCOMES
from operators.holds import TIMER as HOLD_TIMER
from operators.holds import hold_is_over
from operators.journey_plan import JourneyPlan
from operators.moment import NO_EVENT, Moment, Records
from operators.outcomes import take_outcome
from operators.plan import Plan
from operators.profile import OF_CUSTOMER, hear_context, identify
from operators.run_moves import RunMoves
from operators.trait_plan import Change
from state.customer import Customer, JourneyMemory
from state.instants import format_instant

DEDUPE_MS = 86_400_000
"""A message id that comes again within 24 h of log time is the same event (Segment's own horizon is 24 h, too)."""

SEEN_MAX = 1_000
"""Message ids remembered per customer, as 64-bit hashes; beyond it the oldest are forgotten first."""

ABSENT = "~"
"""In the name of a timer, in the place of a run's instance: the deadline of an absence. It sorts after all instances."""

SCHEDULE = "~~"
"""In the same place: the next time of the calendar at which a journey is entered."""

TRAIT_TIMER = "!traits"
"""The timer of all segments of a customer: before those of journeys, for who is in a segment at an instant is in it for their
steps."""

NEVER = 2**63
"""Later than any timer."""

_NO_CHANGES: Sequence[Change] = ()

RETIMES_MAX = 10
"""Rounds in which runs change the profile that other runs wait for, within one instant: more is a circle."""


class CustomerStep:
    """The step, for one compiled plan; holds nothing else."""

    def __init__(self, plan: Plan) -> None:
        """Bind what every event needs."""
        self.plan = plan
        self._moves = RunMoves(plan)
        self._watches = plan.watches
        self._watches_all = plan.watches_all
        self._traits = plan.traits
        self._zone, self._gates, self._layers = plan.zone, plan.gates, plan.layers

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
        moment = self._moment(customer, customer_id, records)
        seen, journeys = customer.seen, customer.journeys
        watches_of, watches_all = self._watches.get, self._watches_all
        has_traits, has_hours, has_schedules = (
            self._traits is not None,
            self.plan.wants_hours,
            bool(self.plan.schedules),
        )
        trait_watches = self._traits.watches if self._traits is not None else {}
        has_zone = has_traits or has_hours
        zone = here = self.plan.zone
        duplicates = 0
        timers = customer.timers
        for event, now in events:
            if timers:
                self._fire_due(moment, now)
            moment.event, moment.now, moment.kept = event, now, 0
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

            profile = customer.profile
            if has_zone:
                zone = moment.customer_zone
                if has_traits:
                    self._ready(moment, zone)
            moved = False
            context = event.context
            if context and not OF_CUSTOMER.isdisjoint(context):
                moved = hear_context(moment, event)
            if event.kind == "identify":
                if event.properties:
                    identify(moment, event)
            elif event.name in OUTCOMES:
                take_outcome(moment, event, OUTCOMES[event.name])
            changes = _NO_CHANGES
            if has_zone:
                is_new = customer.profile is not profile
                here = moment.customer_zone if moved or is_new else zone
                if has_hours:
                    note_activity(customer, event, now, here)
                if is_new or here is not zone or event.name in trait_watches:
                    changes = self._see(moment, event, is_new, here, here is not zone)
            if customer.runs:
                if moved or customer.profile is not profile:
                    self._moves.retime(moment)
                self._moves.take(moment, event, changes)
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
                    if enter(journey, match, memory, moment):
                        journey.pattern.use_up(memory, match)
                if journey.waits_for_absence:
                    _set_deadlines(journey, memory, moment)
            if changes:
                self._enter_by(changes, moment)
            if moment.proposals or moment.profile_changed:
                self._settle(moment)
            if has_schedules or (has_traits and ((customer.traits and customer.traits.due) or TRAIT_TIMER in timers)):
                self._set_clocks(moment, moved or customer.profile is not profile)
        return duplicates

    def fire(self, customer: Customer, customer_id: str, through: int, records: Records) -> None:
        """Fire the timers of one customer that are due at or before `through` (ms), in the order of (due, name).

        `records` takes what comes out. A timer that firing sets is fired, too, if it is due by then.
        """
        if customer.timers:
            self._fire_due(self._moment(customer, customer_id, records), through)

    def adopt(self, customer: Customer, now: int) -> bool:
        """Set the timers by which time alone moves a customer, at the moment (ms) from which on these definitions hold.

        For customers who were here before. Nothing comes out: who is in a segment then does not enter. A customer whose timers
        stay as they are need not be stored, for until their next event nothing changes.

        Returns:
            Whether timers changed.
        """
        before = dict(customer.timers)
        moment = self._moment(customer, "", [])
        moment.now = now
        if self._traits is not None:
            self._ready(moment, moment.customer_zone)
        self._set_clocks(moment, True)
        return customer.timers != before

    def _moment(self, customer: Customer, customer_id: str, records: Records) -> Moment:
        return Moment(customer, customer_id, records, self._zone, self._traits, self._gates, self._layers)

    def _fire_due(self, moment: Moment, through: int) -> None:
        customer = moment.customer
        timers = customer.timers
        moment.kept = 0  # the event before these timers was another instant
        while timers or moment.proposals:
            due, name = min((due, name) for name, due in timers.items()) if timers else (NEVER, "")
            if moment.proposals and due > moment.now:  # the instant is over: what all its timers proposed is decided
                profile = customer.profile
                self._settle(moment)
                self._set_clocks(moment, customer.profile is not profile)
                moment.timer, moment.kept = "", 0
                continue
            if due > through:
                return
            del timers[name]
            moment.event, moment.timer, moment.now = NO_EVENT, name, due
            moment.renew()
            profile = customer.profile
            if self._traits is not None:
                self._ready(moment, moment.customer_zone)
            self._ring(name, moment)
            if moment.profile_changed:
                self._retime(moment)
            self._set_clocks(moment, customer.profile is not profile)
            moment.timer = ""

    def _ring(self, name: str, moment: Moment) -> None:
        """Do what a timer is for; one of a journey that is gone is for nothing any more."""
        if name == TRAIT_TIMER:
            self._tick(moment)
            return
        if name.startswith(HOLD_TIMER):
            hold_is_over(moment, name)
            return
        parts = name.split(" ", 2)
        if len(parts) != 3:
            return
        if parts[1] not in (ABSENT, SCHEDULE):
            self._moves.ring(moment, *parts)
            return
        journey, memory = self.plan.newest.get(parts[0]), moment.customer.journeys.get(parts[0])
        if journey is None:
            return
        if parts[1] == SCHEDULE:
            moment.timer = "schedule"
            if journey.schedule is not None and self._is_scheduled(journey, moment):
                enter_by_schedule(journey, moment)
        elif memory is not None:
            moment.timer = "absent"
            match = journey.pattern.due(memory, parts[2], moment)
            if match is not None and enter(journey, match, memory, moment):
                journey.pattern.use_up(memory, match)
            _set_deadlines(journey, memory, moment)

    # --- traits, segments and schedules

    def _ready(self, moment: Moment, zone: tzinfo) -> None:
        """Bring the customer's traits up to date with the definitions in use, before anything is done."""
        traits, customer = self._traits, moment.customer
        if traits is not None and not traits.is_ready(customer.traits):
            customer.traits = traits.ready(customer.traits, customer.profile, moment.now, zone)

    def _see(
        self, moment: Moment, event: Event, is_profile_new: bool, zone: tzinfo, is_zone_new: bool
    ) -> Sequence[Change]:
        """Let the traits see an event, after the profile did; the changes of segments."""
        traits, customer = self._traits, moment.customer
        if traits is None or customer.traits is None:
            return _NO_CHANGES
        changes = traits.see(customer.traits, event, customer.profile, moment.now, zone, is_profile_new, is_zone_new)
        if changes:
            moment.tell_profile()
        return changes

    def _tick(self, moment: Moment) -> None:
        """Segments change by the clock."""
        traits, customer = self._traits, moment.customer
        if traits is None or customer.traits is None:
            return
        moment.timer = "segments"
        changes = traits.tick(customer.traits, customer.profile, moment.now, moment.customer_zone)
        if changes:
            moment.tell_profile()
            if customer.runs:
                self._moves.change(moment, changes)
            self._enter_by(changes, moment)

    def _enter_by(self, changes: Sequence[Change], moment: Moment) -> None:
        for change in changes:
            for journey in self.plan.entries_by_change.get((change.segment, change.entered), ()):
                enter_by_change(journey, change, moment)

    def _is_scheduled(self, journey: JourneyPlan, moment: Moment) -> bool:
        """Whether the customer is among those for whom a schedule is."""
        traits, memory = self._traits, moment.customer.traits
        segment = journey.scheduled_for
        return segment is None or (traits is not None and memory is not None and segment in traits.segments_of(memory))

    def _set_clocks(self, moment: Moment, is_elsewhere: bool) -> None:
        """Set the timers of segments and schedules, as they are now; `is_elsewhere`: the customer's zone may be another."""
        traits, customer, now = self._traits, moment.customer, moment.now
        timers = customer.timers
        if traits is not None and customer.traits is not None:
            due = traits.due(customer.traits) if customer.traits.due else None
            if due is not None:
                timers[TRAIT_TIMER] = max(due, now + 1)
            elif timers:
                timers.pop(TRAIT_TIMER, None)
        for journey in self.plan.schedules:
            timer = f"{journey.name} {SCHEDULE} "
            if journey.schedule is None or not self._is_scheduled(journey, moment):
                timers.pop(timer, None)
            elif is_elsewhere or timer not in timers:
                timers[timer] = journey.schedule.next_after(now, moment.customer_zone)

    def _settle(self, moment: Moment) -> None:
        """The instant is over: decide what goes out, and whatever follows from that at once."""
        for _ in range(RETIMES_MAX):
            if moment.proposals:
                settle(moment)
            if moment.profile_changed:
                self._retime(moment)
            if not moment.proposals:
                return
        settle(moment)
        moment.profile_changed = False

    def _retime(self, moment: Moment) -> None:
        """Steps changed the profile: waits for a date of it are over at another time; each such wait may change it again."""
        for _ in range(RETIMES_MAX):
            if not moment.profile_changed:
                return
            moment.profile_changed = False
            if self._traits is not None and moment.customer.traits is not None:
                self._traits.profile_changed(moment.customer.traits, moment.now)
            self._moves.retime(moment)
        moment.profile_changed = False


def _set_deadlines(journey: JourneyPlan, memory: JourneyMemory, moment: Moment) -> None:
    """Set the timers of the absences that a journey's pattern waits for, as they are now."""
    timers, prefix = moment.customer.timers, f"{journey.name} {ABSENT} "
    deadlines = {prefix + token: due for token, due in journey.pattern.deadlines(memory).items()}
    for name in [name for name in timers if name.startswith(prefix) and name not in deadlines]:
        del timers[name]
    timers.update(deadlines)


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
