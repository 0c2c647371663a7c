"""One key group: its log records in, everything that comes out of them, state in its store.

The order: decode -> reject what cannot be read -> load the customers of the batch -> the customer step, event by event,
each with the group's clock -> put the customers back. Pure but for the store; the thin Bytewax logic that carries it is
at the end of the module.
"""

from collections.abc import Callable, Iterable
from typing import Any

from bytewax.operators import StatefulBatchLogic

from operators.customer_step import CustomerStep, Records
from operators.decode import decode
from operators.events import Event, Rejected
from operators.log import EVENT, HEARTBEAT, LogBatch, LogRecord
from operators.records import ACTIONS, PROFILES, REJECTED, to_json
from state.codec import Token, decode_customer, encode_customer
from state.codec import decode as decode_token
from state.codec import encode as encode_token
from state.customer import Customer
from state.keygroups import group_of
from state.store import KeyGroupStore

Out = tuple[str, str, int, bytes, "dict[str, Any] | None"]
"""(topic, key, order, value, details): one record that comes out.

`key` is the customer id, and (key, order) sorts the records of a topic: order is `seq`, or, for a rejected record, its
position in the log. `details` are for rejected records alone: reason, message, and where it came from.
"""


class KeyGroup:
    """The customers of one key group and the step that moves them."""

    def __init__(self, store: KeyGroupStore, step: CustomerStep) -> None:
        """Take over an open store."""
        self.store = store
        self._step = step
        store.meta.definitions = step.plan.hash

    def take(self, records: Iterable[LogRecord]) -> list[Out]:
        """Take in the next records of the group's log."""
        out: list[Out] = []
        events = self._read(records, out)
        if not events:
            return out
        meta, step, store = self.store.meta, self._step.take, self.store
        loaded = store.load({event.customer_id for event, _ in events})
        customers: dict[str, Customer] = {}
        told: Records = []
        profiles: dict[str, dict[str, Any]] = {}
        accepted = duplicates = 0
        for event, now in events:
            customer_id = event.customer_id
            customer = customers.get(customer_id)
            if customer is None:
                stored = loaded[customer_id]
                if stored is None:
                    meta.counts["customers"] = meta.counts.get("customers", 0) + 1
                    customer = Customer()
                else:
                    customer = decode_customer(stored)
                customers[customer_id] = customer
            if step(customer, event, now, told):
                accepted += 1
            else:
                duplicates += 1
            if told:
                for topic, record in told:
                    if topic == PROFILES:
                        profiles[customer_id] = record
                        continue
                    out.append((topic, customer_id, record["seq"], to_json(record), None))
                    if topic.startswith(ACTIONS):
                        self._count_action(record)
                told.clear()
        for customer_id, customer in customers.items():
            store.put(customer_id, encode_customer(customer), loaded[customer_id])
        for customer_id, record in profiles.items():
            out.append((PROFILES, customer_id, record["seq"], to_json(record), None))
        counts = meta.counts
        counts["accepted"] = counts.get("accepted", 0) + accepted
        counts["duplicates"] = counts.get("duplicates", 0) + duplicates
        return out

    def _read(self, records: Iterable[LogRecord], out: list[Out]) -> list[tuple[Event, int]]:
        """Decode a batch; each event with the clock as it is then. What cannot be read goes to `out`."""
        meta = self.store.meta
        now, position, read, group, groups = meta.now, meta.position, 0, meta.group, meta.groups
        events = []
        checked: set[str] = set()
        for kind, position, time, key, value, origin in records:  # noqa: B007 - the last position is where the group is
            if time > now:
                now = time
            if kind == HEARTBEAT:
                continue
            read += 1
            found: Event | Rejected
            if kind == EVENT and value is not None:
                found = decode(value, time)
            elif kind == EVENT:
                found = Rejected("not_json", "the record has no value (a tombstone); an event is one JSON object")
            else:
                found = Rejected("unknown_kind", "`sojourn-kind` is none of event, heartbeat; this version knows no other")
            if type(found) is Event:
                if key is None or found.customer_id in checked:
                    if key is None or key == found.customer_id.encode():
                        events.append((found, now))
                        continue
                misrouted = _misrouted(found, key, group, groups)
                if misrouted is None:
                    checked.add(found.customer_id)
                    events.append((found, now))
                    continue
                found = misrouted
            assert type(found) is Rejected  # noqa: S101 - for the type checker
            meta.rejected[found.reason] = meta.rejected.get(found.reason, 0) + 1
            details = {"reason": found.reason, "message": found.message, "group": group, "position": position, "origin": origin,
                       "key": key}  # fmt: skip
            out.append((REJECTED, "", position, value or b"", details))
        meta.now, meta.position = now, position
        counts = meta.counts
        counts["records"] = counts.get("records", 0) + read
        counts["rejected"] = sum(meta.rejected.values())
        return events

    def _count_action(self, action: dict[str, Any]) -> None:
        channels = self.store.meta.actions.setdefault(action["journey"], {})
        channels[action["channel"]] = channels.get(action["channel"], 0) + 1

    def commit(self) -> Token:
        """End the epoch: what happened since the last one lands on disk, all of it or nothing."""
        return self.store.commit()


def _misrouted(event: Event, key: bytes, group: int, groups: int) -> Rejected | None:
    """Whether a record lies where its customer does not belong: its order against the others is then unknown."""
    customer_id = event.customer_id.encode()
    if key != customer_id:
        return Rejected(
            "misrouted", f"the record's key is {key[:80]!r}, its customer {event.customer_id[:80]!r}; key the log by customer id"
        )
    home = group_of(customer_id, groups)
    if home != group:
        return Rejected(
            "misrouted",
            f"the record is in partition {group}, its customer belongs in {home}; produce with the partitioner murmur2 "
            "(librdkafka: partitioner=murmur2_random), which is not librdkafka's default",
        )
    return None


class KeyGroupLogic(StatefulBatchLogic[LogBatch, list[Out], bytes]):
    """The Bytewax logic of one key group: batches in, lists of records out, a token of our own bytes as snapshot."""

    def __init__(self, open_group: Callable[[int, Token | None], KeyGroup], resume: bytes | None) -> None:
        """Open at the token that the recovery store has; without one, the first batch tells which group it is."""
        self._open = open_group
        self._group: KeyGroup | None = None
        if resume is not None:
            token = decode_token(resume, Token)
            self._group = open_group(token.group, token)

    def on_batch(self, values: list[LogBatch]) -> tuple[Iterable[list[Out]], bool]:
        """Take in the batches, in their order."""
        group = self._group
        if group is None:
            group = self._group = self._open(values[0][0], None)
        told = [out for _, records in values if (out := group.take(records))]
        return told, StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """Commit the epoch; say where the group is."""
        assert self._group is not None  # noqa: S101 - Bytewax snapshots logics that have seen a batch
        return encode_token(self._group.commit())
