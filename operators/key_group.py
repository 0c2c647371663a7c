"""One key group: its log records in, everything that comes out of them, state in its store.

The order: decode -> reject what cannot be read -> load the customers of the batch -> the customer step, event by event,
each with the group's clock -> put the customers back. Pure but for the store; `operators.key_group_logic` carries it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from operators.customer_step import CustomerStep
from operators.decode import decode
from operators.definitions_change import say_the_same
from operators.events import Event, Rejected
from operators.log import LOG_FIELDS, Definitions, LogBatch, LogRecord, record_at
from operators.log_reading import STAMPED
from operators.moment import Records
from operators.records import ACTIONS, PROFILES, REJECTED, to_json
from operators.steps_in_use import StepsInUse, check_hash, unreadable
from state.codec import Token, decode_customer, encode_customer
from state.customer import Customer, GroupMeta
from state.errors import DefinitionsError, StateError
from state.keygroups import group_of
from state.store import Kept, KeyGroupStore

Out = tuple[str, str, int, bytes, "dict[str, Any] | None"]
"""(topic, key, order, value, details): one record that comes out.

`key` is the customer id, and (key, order) sorts the records of a topic: order is `seq`, or, for a rejected record, its
position in the log. `details` are for rejected records alone: reason, message, and where it came from.
"""


class Told(NamedTuple):
    """What a key group hands to the sink of each of its steps, be it nothing."""

    epoch: int
    """That of the last tick: see `operators.log.Tick`."""
    place: Token
    """Where the group stands after the step."""
    records: list[Out]


@dataclass
class Counted:
    """What one batch adds to the counts of its group."""

    records: int = 0
    rejected: int = 0
    duplicates: int = 0
    customers: int = 0

    def add_to(self, counts: dict[str, int]) -> None:
        """Add it; records = accepted + rejected + duplicates."""
        for name, count in (
            ("records", self.records),
            ("accepted", self.records - self.rejected - self.duplicates),
            ("rejected", self.rejected),
            ("duplicates", self.duplicates),
            ("customers", self.customers),
        ):
            counts[name] = counts.get(name, 0) + count


class KeyGroup:
    """The customers of one key group and the step that moves them."""

    def __init__(self, store: KeyGroupStore, step: CustomerStep, steps: StepsInUse | None = None) -> None:
        """Take over an open store.

        Args:
            store: The group's own.
            step: That of the definitions the job was started with.
            steps: What the groups of a process share; without it, the group has its own.

        Raises:
            DefinitionsError: This version cannot read the definitions that the store has.
        """
        self.store = store
        self._steps = StepsInUse(step) if steps is None else steps
        self._step = step
        meta = store.meta
        text = store.definitions(meta.definitions) if meta.definitions else None
        if text is None:
            self._use(step.plan.hash, step.plan.text)
        elif meta.definitions_in_log or store.behind is not None:
            self._use(meta.definitions, text)
        else:
            self._change()

    def differs_from_wanted(self) -> bool:
        """Whether the log has other definitions in use than the job was started with: the log's count."""
        meta = self.store.meta
        text = self.store.definitions(meta.definitions) if meta.definitions_in_log else None
        return text is not None and not say_the_same(text, self._steps.wanted.plan.text)

    def take_piece(self, piece: LogBatch | Definitions) -> list[Out]:
        """Take in the next piece of the group's log, whatever it is; give all that comes out of it."""
        return self.take_definitions(piece) if isinstance(piece, Definitions) else self.take(piece)

    def take_definitions(self, found: Definitions) -> list[Out]:
        """Take in that the definitions change; timers that are due by then fire under the old ones.

        Raises:
            DefinitionsError: This version cannot read the new ones.
        """
        out: list[Out] = []
        meta = self.store.meta
        counted = Counted(records=1)
        meta.position = max(meta.position, found.position)
        meta.now = max(meta.now, found.now)
        meta.is_stamped = meta.is_stamped or found.is_stamped
        if meta.now:
            self._fire(meta.now, out)
        if check_hash(found.hash, found.text):
            try:
                self._use(found.hash, found.text)
            except DefinitionsError as error:
                raise unreadable(f"the log at {found.position:,} of key group {found.group}", error) from error
            meta.definitions_in_log = True
            return out
        why = Rejected(
            "bad_definitions", f"a `definitions` record whose text is not that of its hash {found.hash[:64]}"
        )
        self._reject(why, ("", found.position, found.now, found.now, found.text, found.position), 0, out)
        counted.rejected += 1
        counted.add_to(meta.counts)
        return out

    def _use(self, digest: str, text: bytes) -> None:
        """Decide by these definitions from now on."""
        self._step = self._steps.of(digest, text)
        if self.store.definitions(digest) is None:
            self.store.keep_definitions(digest, text)
        meta = self.store.meta
        is_change = meta.definitions not in ("", digest)
        meta.definitions = digest
        if is_change and self._step.plan.has_clock:
            self._adopt()

    def _adopt(self) -> None:
        """Set the timers of customers who may do nothing for long: a new segment changes for them on its day, too."""
        store, step = self.store, self._step
        for customer_id, stored in store.every():
            customer = decode_customer(stored)
            was = min(customer.timers.values()) if customer.timers else None
            if step.adopt(customer, store.meta.now):
                self._put_back(store.load([customer_id])[customer_id], customer, was)

    def _change(self) -> None:
        """Let the definitions that the job was started with take the place of those in the store; no log says when."""
        digest = self.store.meta.definitions
        text = self.store.definitions(digest)
        assert text is not None  # noqa: S101 - the callers have looked
        text, digest = self._steps.following(digest, text)
        self._use(digest, text)

    def take(self, batch: LogBatch) -> list[Out]:
        """Take in the next records of the group's log; give all that comes out of them."""
        _, position, now, records, unread, keyed = batch
        out: list[Out] = []
        store, meta, take = self.store, self.store.meta, self._step.take
        counted = Counted(records=len(records) // LOG_FIELDS + len(unread))
        # By customer: a record is decoded right before its customer takes it, and theirs is read and put back once.
        places_of: dict[str, list[int]] = {}
        for place in range(0, len(records), LOG_FIELDS):
            key = records[place]
            theirs = places_of.get(key)
            if theirs is None:
                places_of[key] = [place]
            else:
                theirs.append(place)
        loaded = store.load(places_of)
        clock = meta.now
        told: Records = []
        events: list[tuple[Event, int]] = []
        for key, theirs in places_of.items():
            kept = loaded[key]
            stored = kept.value
            for place in theirs:
                at = records[place + 2]
                found = decode(records[place + 4], records[place + 3], not keyed)
                if type(found) is Event and (not keyed or self._is_home(found, key, stored is None)):
                    events.append((found, at if at > clock else clock))
                else:
                    why = _misrouted(found, key, meta) if isinstance(found, Event) else found
                    self._reject(why, record_at(records, place), keyed, out)
                    counted.rejected += 1
            if not events:
                continue
            if stored is None:
                counted.customers += 1
                customer = Customer()
            else:
                customer = decode_customer(stored)
            was = min(customer.timers.values()) if customer.timers else None
            counted.duplicates += take(customer, key, events, told)
            self._put_back(kept, customer, was)
            events.clear()
            if told:
                self._tell(key, told, out)
                told.clear()
        for record, reason, message in unread:
            self._reject(Rejected(reason, message), record, 0, out)
            counted.rejected += 1
        meta.position = max(meta.position, position)
        meta.now = max(meta.now, now)
        if keyed == STAMPED:
            meta.is_stamped = True
        if meta.now:
            self._fire(meta.now, out)
        counted.add_to(meta.counts)
        return out

    def _is_home(self, event: Event, key: str, is_new: bool) -> bool:
        """Whether a record lies where its customer belongs; whom the store has was looked at before."""
        meta = self.store.meta
        return key == event.customer_id and (not is_new or group_of(key.encode(), meta.groups) == meta.group)

    def _fire(self, through: int, out: list[Out]) -> None:
        """Fire what is due: timers of customers whose next event is later, or never comes."""
        store = self.store
        told: Records = []
        while customer_ids := store.timers.due(through):
            for customer_id, kept in store.load(customer_ids).items():
                customer = decode_customer(kept.value or b"")
                was = min(customer.timers.values())
                self._step.fire(customer, customer_id, through, told)
                self._put_back(kept, customer, was)
                self._tell(customer_id, told, out)
                told.clear()
        store.meta.fired_through = max(store.meta.fired_through, through)

    def _put_back(self, kept: Kept, customer: Customer, was: int | None) -> None:
        """Put a customer back into the store; `was` is when their earliest timer was due."""
        store = self.store
        store.put(kept, encode_customer(customer))
        if was is not None or customer.timers:
            store.timers.change(kept.customer_id, was, min(customer.timers.values(), default=None))

    def _reject(self, rejected: Rejected, record: LogRecord, keyed: int, out: list[Out]) -> None:
        key, position, _, _, value, origin = record
        meta = self.store.meta
        meta.rejected[rejected.reason] = meta.rejected.get(rejected.reason, 0) + 1
        details = {"reason": rejected.reason, "message": rejected.message, "group": meta.group, "position": position,
                   "origin": origin, "key": key if keyed else None}  # fmt: skip
        out.append((REJECTED, "", position, value, details))

    def _tell(self, customer_id: str, told: Records, out: list[Out]) -> None:
        """Write what one customer's events led to; of the profile, the last change alone."""
        profile = None
        for topic, record in told:
            if topic == PROFILES:
                profile = record
                continue
            out.append((topic, customer_id, record["seq"], to_json(record), None))
            if topic.startswith(ACTIONS):
                channels = self.store.meta.actions.setdefault(record["journey"], {})
                channels[record["channel"]] = channels.get(record["channel"], 0) + 1
        if profile is not None:
            out.append((PROFILES, customer_id, profile["seq"], to_json(profile), None))

    def roll_forward(self, log: Iterable[LogBatch | Definitions]) -> None:
        """Lead a store that is behind to where the dataflow goes on from; nothing comes out, for it came out before.

        Args:
            log: The group's records from the store's position on, exactly up to that place.

        Raises:
            StateError: The log does not lead there.
        """
        to = self.store.behind
        for piece in log:
            self.take_piece(piece)
            self.commit()
        if self.store.token() != to:
            raise StateError(
                f"{self.store.path}: the state was led on through the log and stands at {self.store.token()}, not at {to}: the log is not "
                "the one that the state came from; restore state and recovery store from one backup, or rebuild: sojourn state rebuild"
            )
        self.store.behind = None
        if not self.store.meta.definitions_in_log:
            self._change()

    def commit(self) -> Token:
        """End the epoch: what happened since the last one lands on disk, all of it or nothing."""
        return self.store.commit()


def _misrouted(event: Event, key: str, meta: GroupMeta) -> Rejected:
    """Why a record does not lie where its customer belongs: its order against the others is then unknown."""
    if key != event.customer_id:
        return Rejected(
            "misrouted",
            f"the record's key is {key[:80]!r}, its customer {event.customer_id[:80]!r}; key the log by customer id",
        )
    home = group_of(key.encode(), meta.groups)
    return Rejected(
        "misrouted",
        f"the record is in partition {meta.group}, its customer belongs in {home}; produce with the partitioner murmur2 "
        "(librdkafka: partitioner=murmur2_random), which is not librdkafka's default",
    )
