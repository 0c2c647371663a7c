"""The customer as a state machine: one event in; records out, and the customer changed.

    take(customer, events, each with its now) -> records

No clock, no chance, no input or output: `now` is data, and the same calls give the same records, live and in replay.
The order for one event is fixed: seen before? -> profile -> journeys that look at it, by name: what forbids, then what
enters -> the run from its first step on. Whatever is remembered is bounded; the bounds are named here and in
`operators.patterns`.
"""


from typing import Any

from xxhash import xxh3_64_intdigest

from operators.events import Event
from operators.patterns import ANY, ELEMENT, token_of
from operators.plan import JourneyPlan, Plan, SendPlan, Watch
from operators.records import ACTIONS, FACTS, PROFILES, action_id_of, fact, instance_of, profile_of
from operators.templates import TemplateError
from state.customer import Customer, Entry, JourneyMemory
from state.instants import format_instant

DEDUPE_MS = 86_400_000
"""A message id that comes again within 24 h of log time is the same event (Segment's own horizon is 24 h, too)."""

SEEN_MAX = 1_000
"""Message ids remembered per customer, as 64-bit hashes; beyond it the oldest are forgotten first."""

ATTRIBUTES_MAX = 1_000
"""Attributes of one profile; further new ones are not taken in."""

Records = list[tuple[str, dict[str, Any]]]
"""(topic, record), in the order in which they came about. A profile's is of the moment of its change."""


class CustomerStep:
    """The step, for one compiled plan; holds nothing else."""

    def __init__(self, plan: Plan) -> None:
        """Bind what every event needs."""
        self.plan = plan
        self._watches = plan.watches

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
        seen, watches_of = customer.seen, self._watches.get
        duplicates = 0
        for event, now in events:
            digest = xxh3_64_intdigest(event.message_id.encode())
            if seen:
                before = seen.get(digest)
                if before is not None and before > now - DEDUPE_MS:
                    duplicates += 1
                    self._duplicate(customer, event, now, before, records)
                    continue
                for oldest in seen.values():
                    if oldest <= now - DEDUPE_MS or len(seen) >= SEEN_MAX:
                        self._forget_seen(seen, now - DEDUPE_MS)
                    break
            seen[digest] = now

            if event.kind == "identify" and event.properties:
                self._identify(customer, event, now, records)
            watches = watches_of(event.name)
            if watches is None:
                continue
            scope: dict[str, Any] | None = None
            for watch in watches:
                if watch.where is not None:
                    if scope is None:
                        scope = self._scope(customer, event, now)
                    scope["journey"] = watch.journey.description
                    if not watch.where.holds(scope):
                        continue
                self._look(watch, customer, event, now, records)
        return duplicates

    @staticmethod
    def _duplicate(customer: Customer, event: Event, now: int, before: int, records: Records) -> None:
        details = {"message_id": event.message_id, "event": event.name, "first_seen_at": format_instant(before)}
        records.append((FACTS, fact(customer, event.customer_id, "duplicate", now, **details)))

    @staticmethod
    def _forget_seen(seen: dict[int, int], horizon: int) -> None:
        """Forget message ids of before the horizon, oldest first; and the oldest one at the bound."""
        gone = []
        for digest, at in seen.items():
            if at > horizon:
                break
            gone.append(digest)
        for digest in gone:
            del seen[digest]
        if len(seen) >= SEEN_MAX:
            del seen[next(iter(seen))]

    @staticmethod
    def _identify(customer: Customer, event: Event, now: int, records: Records) -> None:
        profile = customer.profile
        changed = False
        for name, value in event.properties.items():
            value = storable(value)  # noqa: PLW2901
            if profile.get(name, profile) != value and (name in profile or len(profile) < ATTRIBUTES_MAX):
                profile[name] = value
                changed = True
        if changed:
            records.append((PROFILES, profile_of(customer, event.customer_id, now)))

    @staticmethod
    def _scope(customer: Customer, event: Event, now: int) -> dict[str, Any]:
        """The names of expressions and templates."""
        return {"event": event, "properties": event.properties, "profile": customer.profile, "now": now}

    def _look(self, watch: Watch, customer: Customer, event: Event, now: int, records: Records) -> None:
        """Let one journey see the event."""
        journey = watch.journey
        pattern = journey.pattern
        memory = customer.journeys.get(journey.name)
        if memory is None:
            memory = customer.journeys[journey.name] = JourneyMemory()

        if event.time < now - pattern.max_age:
            self._too_late(watch, customer, event, now, records)
            return
        when = event.time if event.time < now else now
        if watch.anywhere:
            pattern.see(memory, ANY, when, watch.roles, now)
            return
        if not pattern.remembers:  # a single event that nothing forbids
            if self._enter(journey, memory, customer, event, now, records, [event]):
                customer.journeys[journey.name] = memory
            return
        content = _content(event) if pattern.keeps_contents else None
        values = ("",) if watch.by is None else watch.by.values(event)
        for value in values:
            token = value if type(value) is str and value[:1] != "\x00" and len(value) < 200 else token_of(value)  # noqa: PLR2004
            match = pattern.see(memory, token, when, watch.roles, now, content)
            if match is not None:
                contents = [Event(**memory.contents[token][i]) for i in match] if pattern.keeps_contents else [event]
                if self._enter(journey, memory, customer, event, now, records, contents):
                    pattern.use_up(memory, token, match)

    @staticmethod
    def _too_late(watch: Watch, customer: Customer, event: Event, now: int, records: Records) -> None:
        """The event is older than `max_age`: it changes nothing in the journey, and that is said."""
        if not watch.roles & ELEMENT:
            return
        journey = watch.journey
        details: dict[str, object] = {
            "journey": journey.name, "version": journey.version, "message_id": event.message_id, "event": event.name,
            "event_time": format_instant(event.time),
        }  # fmt: skip
        if journey.pattern.remembers:
            record = fact(customer, event.customer_id, "late", now, **details)
        else:
            record = fact(customer, event.customer_id, "not_entered", now, reason="late", **details)
        records.append((FACTS, record))

    def _enter(
        self, journey: JourneyPlan, memory: JourneyMemory, customer: Customer, event: Event, now: int, records: Records,
        matched: list[Event],
    ) -> bool:  # fmt: skip
        """Let a match enter the journey, unless something stops it; whether it entered."""
        key = None
        token = ""
        if journey.key is not None:
            values = journey.key.values(event)
            if not values:
                self._not_entered("no_key", journey, customer, event, now, records, key)
                return False
            key = values[0]
            token = token_of(key)
        again = journey.again
        if again.remembers:
            entry = memory.entries.get(token)
            if entry is not None and not again.is_open(entry.at, now):
                if not entry.refusal_told:
                    entry.refusal_told = True
                    self._not_entered("reentry", journey, customer, event, now, records, key)
                return False
            self._remember_entry(memory, token, now, again.period if again.rule == "after" else None)
        self._walk(journey, customer, event, now, records, key, matched)
        return True

    @staticmethod
    def _remember_entry(memory: JourneyMemory, token: str, now: int, period: int | None) -> None:
        """Note the entry; forget those whose period is over, now and then (they refuse nobody any more)."""
        entries = memory.entries
        size = len(entries)
        if period is not None and size >= 8 and not size & (size - 1):  # noqa: PLR2004 - as for buckets
            for over in [name for name, entry in entries.items() if entry.at + period <= now]:
                del entries[over]
        entries[token] = Entry(now)

    @staticmethod
    def _not_entered(
        reason: str, journey: JourneyPlan, customer: Customer, event: Event, now: int, records: Records, key: object
    ) -> None:
        details = {"journey": journey.name, "version": journey.version, "reason": reason, "key": writable(key)}
        records.append((FACTS, fact(customer, event.customer_id, "not_entered", now, caused_by=event.message_id, **details)))

    def _walk(
        self, journey: JourneyPlan, customer: Customer, event: Event, now: int, records: Records, key: object,
        matched: list[Event],
    ) -> None:  # fmt: skip
        """Walk a new run through its steps; none of them waits, so it is over at once."""
        customer_id, key = event.customer_id, writable(key)
        instance = instance_of(customer_id, journey.name, key, event.message_id)
        run = {"journey": journey.name, "version": journey.version, "instance": instance}
        records.append((FACTS, fact(customer, customer_id, "entered", now, key=key, caused_by=event.message_id, **run)))
        scope = self._scope(customer, event, now)
        scope.update(entry=event, first=matched[0], matched=matched, journey=journey.description)
        for step in journey.steps:
            at_step = {**run, "step": step.step}
            records.append((FACTS, fact(customer, customer_id, "step", now, **at_step)))
            self._send(step, customer, event, now, records, at_step, scope)
        records.append((FACTS, fact(customer, customer_id, "exited", now, reason="completed", **run)))

    @staticmethod
    def _send(
        step: SendPlan, customer: Customer, event: Event, now: int, records: Records, at_step: dict[str, Any],
        scope: dict[str, Any],
    ) -> None:  # fmt: skip
        """Emit one action, or say why not."""
        customer_id, channel = event.customer_id, step.channel
        try:
            values = step.values(scope)
        except TemplateError as error:
            details = {**at_step, "channel": channel, "gate": "template", "then": "dropped", "error": str(error)}
            records.append((FACTS, fact(customer, customer_id, "withheld", now, **details)))
            return
        action_id = action_id_of(
            customer_id, at_step["journey"], at_step["version"], at_step["instance"], step.step, channel, attempt=1
        )
        customer.seq += 1
        action = {
            **at_step,
            "action_id": action_id,
            "seq": customer.seq,
            "customer_id": customer_id,
            "channel": channel,
            "kind": "send",
            "arm": None,
            "template": step.template,
            "with": values,
            "to": {},
            "tags": list(step.tags),
            "decided_at": format_instant(now),
            "expires_at": format_instant(now + step.expires) if step.expires is not None else None,
            "caused_by": event.message_id,
        }
        records.append((ACTIONS + channel, action))
        details = {"action_id": action_id, "channel": channel, "template": step.template}
        records.append((FACTS, fact(customer, customer_id, "sent", now, **at_step, **details)))
        customer.contacts[channel] = now
        records.append((PROFILES, profile_of(customer, customer_id, now)))


def _content(event: Event) -> dict[str, Any]:
    """What a pattern keeps of an event, for `first` and `matched`."""
    return {
        "kind": event.kind, "name": event.name, "customer_id": event.customer_id, "message_id": event.message_id,
        "time": event.time, "properties": storable(event.properties), "context": {},
    }  # fmt: skip


def storable(value: Any) -> Any:
    """A JSON value as it can be stored: an integer beyond 64 bits is read as JavaScript reads it, as the nearest double."""
    if type(value) is int:
        return value if -(2**63) <= value < 2**63 else _as_double(value)
    if type(value) is dict:
        return {name: storable(part) for name, part in value.items()}
    if type(value) is list:
        return [storable(part) for part in value]
    return value


def writable(key: object) -> object:
    """A key as records and ids show it: any scalar as it is, anything else as the name of its bucket."""
    value = storable(key)
    return value if value is None or isinstance(value, (str, int, float, bool)) else token_of(value)


def _as_double(value: int) -> float | str:
    try:
        return float(value)
    except OverflowError:  # more than 308 digits: no double is near it
        return str(value)


__all__ = ["ATTRIBUTES_MAX", "DEDUPE_MS", "SEEN_MAX", "CustomerStep", "Records", "storable", "writable"]
