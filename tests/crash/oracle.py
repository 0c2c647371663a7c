"""The oracle: the customer log read record by record, customers in a dictionary, nothing of store, batches or Bytewax.

It shares one thing with the engine, the customer step, which has oracles of its own. Clock, routing, timers, order and what
comes out are done here again, as the design's words have them, slow and obvious.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from operators.customer_step import CustomerStep
from operators.decode import decode
from operators.events import Event
from operators.plan import Plan, plan_of
from operators.records import PROFILES, REJECTED, to_json
from operators.workspace_json import read_workspace_json
from state.codec import encode_customer
from state.customer import Customer
from state.keygroups import group_of

Sent = tuple[bytes | None, bytes, tuple[tuple[str, bytes], ...]]
"""(key, value, headers) of one record as a reader sees it; of a rejected one, without the message for people."""


@dataclass(frozen=True)
class GroupState:
    """All that a key group is at a position of its log."""

    customers: str
    """Hash of all customers' stored records."""
    now: int
    definitions: str
    counts: dict[str, int]
    rejected: dict[str, int]
    actions: dict[str, dict[str, int]]


def customer_hash(customer_id: str, stored: bytes) -> int:
    """Summed up over all customers, in whatever order, a hash of a group."""
    return int.from_bytes(blake2b(customer_id.encode() + b"\0" + stored, digest_size=16).digest(), "big")


def group_hash(total: int) -> str:
    return f"{total % (1 << 128):032x}"


@dataclass
class Oracle:
    """What must come out of a log, and how every key group must stand at every position of it."""

    plan: Plan
    groups: int
    sent: defaultdict[str, list[Sent]] = field(default_factory=lambda: defaultdict(list))
    """Topic -> its records; the order is right for each customer. Of profiles the last alone."""
    profiles: dict[str, bytes] = field(default_factory=dict)
    states: dict[tuple[int, int], GroupState] = field(default_factory=dict)
    """(group, position) -> state."""
    ends: dict[int, int] = field(default_factory=dict)
    """Group -> the last position."""
    timers: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    """Group -> the timer index at the end."""

    def read(self, group: int, messages: list[Any], topic: str) -> None:
        """Read one partition from its beginning to its end."""
        step = CustomerStep(self.plan)
        definitions = self.plan.hash
        customers: dict[str, Customer] = {}
        hashes: dict[str, int] = {}
        counts: Counter[str] = Counter()
        rejected: Counter[str] = Counter()
        actions: defaultdict[str, Counter[str]] = defaultdict(Counter)
        now = total = 0

        def tell(customer_id: str, records: list[tuple[str, dict[str, Any]]]) -> None:
            for name, record in records:
                if name == PROFILES:
                    self.profiles[customer_id] = to_json(record)
                    continue
                headers: tuple[tuple[str, bytes], ...] = ()
                if name.startswith("actions."):
                    headers = (("action_id", record["action_id"].encode()),)
                    actions[record["journey"]][record["channel"]] += 1
                self.sent[name].append((customer_id.encode(), to_json(record), headers))

        def changed(customer_id: str) -> None:
            nonlocal total
            new = customer_hash(customer_id, encode_customer(customers[customer_id]))
            total += new - hashes.get(customer_id, 0)
            hashes[customer_id] = new

        def fire(through: int) -> None:
            due = sorted((min(c.timers.values()), i) for i, c in customers.items() if c.timers)
            for at, customer_id in due:
                if at <= through:
                    records: list[tuple[str, dict[str, Any]]] = []
                    step.fire(customers[customer_id], customer_id, through, records)
                    tell(customer_id, records)
                    changed(customer_id)

        def reject(reason: str, message: Any, key: bytes | None) -> None:
            counts["records"] += 1
            counts["rejected"] += 1
            rejected[reason] += 1
            place = {"reason": reason, "topic": topic, "partition": group, "offset": message.offset()}
            headers = tuple((name, str(value).encode()) for name, value in place.items())
            self.sent[REJECTED].append((key, message.value() or b"", headers))

        def take(message: Any) -> None:
            key = (message.key() or b"").decode()
            event = decode(message.value() or b"", message.timestamp()[1])
            if not isinstance(event, Event):
                reject(event.reason, message, key.encode())
            elif event.customer_id != key or group_of(key.encode(), self.groups) != group:
                reject("misrouted", message, key.encode())
            else:
                counts["customers"] += key not in customers
                customer = customers.setdefault(key, Customer())
                records: list[tuple[str, dict[str, Any]]] = []
                duplicates = step.take(customer, key, [(event, now)], records)
                counts["records"] += 1
                counts["duplicates"] += duplicates
                counts["accepted"] += 1 - duplicates
                tell(key, records)
                changed(key)

        for message in messages:
            headers = dict(message.headers() or ())
            now = max(now, min(int(headers["sojourn-time"]), message.timestamp()[1]))
            kind = headers["sojourn-kind"]
            if kind == b"event":
                take(message)
            elif kind == b"definitions":
                fire(now)
                definitions = headers["sojourn-definitions"].decode()
                step = CustomerStep(plan_of(read_workspace_json(message.value())))
            elif kind != b"heartbeat":
                reject("unknown_kind", message, None)
            fire(now)
            self.states[group, message.offset()] = GroupState(
                group_hash(total), now, definitions, +counts, dict(rejected), {j: dict(c) for j, c in actions.items()}
            )
        self.ends[group] = messages[-1].offset()
        self.timers[group] = sorted((min(c.timers.values()), i) for i, c in customers.items() if c.timers)
