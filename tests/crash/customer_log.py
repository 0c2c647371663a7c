"""The customer log that the job is killed over: made from a seed, some simulated days of a few hundred customers.

As ingest writes it, in transactions of which some are aborted, with the low watermark in every record and heartbeats
between them; with what real logs have, too: events sent twice, late ones, records that cannot be read or lie in the wrong
place, and journeys that change in its midst.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import orjson

from flows.definitions import load_plan, read_valid
from operators.definitions_change import change
from operators.log_reading import DEFINITIONS, EVENT, HASH, HEARTBEAT, KIND, TIME
from state.instants import format_instant
from tests.crash import JOURNEYS, JOURNEYS_LATER
from tests.flows.test_run import PARTITIONS, WAIT_S_MAX, Place

FIRST = 1_767_225_600_000  # 2026-01-01
STEP_MS = 90_000
CUSTOMERS = 300
HEARTBEAT_EVERY = 40
TRANSACTION = 80
AFTERWARDS_MS = 6 * 86_400_000  # so long goes time on after the last event: all that waits comes to its end

CATEGORIES = ("tents", "boots", "maps", "stoves")
NAMES = ("Product Viewed",) * 8 + ("Cart Updated",) * 4 + ("Checkout Started",) * 3 + ("Order Completed",) * 3


@dataclass(frozen=True)
class Entry:
    """One record to produce; without a partition, the key chooses it."""

    key: str | None
    value: bytes
    kind: bytes
    at: int
    partition: int = -1
    digest: str = ""

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        found = [(KIND, self.kind), (TIME, str(self.at).encode())]
        return [*found, (HASH, self.digest.encode())] if self.digest else found


def make_log(seed: int, events: int) -> list[Entry]:
    """The log of a seed."""
    chance = random.Random(f"log {seed}")
    entries: list[Entry] = []
    last: dict[str, bytes] = {}
    for number in range(events):
        at = FIRST + number * STEP_MS
        customer = f"c-{int(chance.triangular(0, CUSTOMERS, 0))}"
        if number % HEARTBEAT_EVERY == 0:
            entries += [Entry(None, b"", HEARTBEAT, at, partition) for partition in range(PARTITIONS)]
        if number == events // 2:
            entries += _new_definitions(at)
        luck = chance.random()
        if luck < 0.02 and customer in last:
            entries.append(Entry(customer, last[customer], EVENT, at))  # sent twice
            continue
        if luck < 0.04:
            entries.append(_bad(chance, customer, number, at))
            continue
        last[customer] = orjson.dumps(_event(chance, customer, number, at))
        entries.append(Entry(customer, last[customer], EVENT, at))
    end = FIRST + events * STEP_MS
    for after in (0, AFTERWARDS_MS // 2, AFTERWARDS_MS):
        entries += [Entry(None, b"", HEARTBEAT, end + after, partition) for partition in range(PARTITIONS)]
    return entries


def _event(chance: random.Random, customer: str, number: int, at: int) -> dict[str, Any]:
    when = at - (chance.choice((0, 0, 0, 5_000, 600_000, 100_000_000)))
    event: dict[str, Any] = {"messageId": f"m-{number}", "userId": customer, "timestamp": format_instant(when)}
    luck = chance.random()
    if luck < 0.10:
        return event | {
            "type": "identify",
            "traits": {"email": f"{customer}@{number}.example", "city": f"x{number % 7}"},
        }
    if luck < 0.12:
        return event | {"type": "track", "event": "Unsubscribed"}
    properties = {
        "category": chance.choice(CATEGORIES),
        "cart": f"cart-{number % 3}",
        "revenue": chance.randrange(10_000) / 100,
    }
    return event | {"type": "track", "event": chance.choice(NAMES), "properties": properties}


def _bad(chance: random.Random, customer: str, number: int, at: int) -> Entry:
    event = _event(chance, customer, number, at)
    return chance.choice(
        (
            Entry(customer, b"{" * (number % 5 + 1), EVENT, at),
            Entry(f"not-{customer}", orjson.dumps(event), EVENT, at),
            Entry(customer, orjson.dumps(event | {"timestamp": format_instant(at + 10 * 86_400_000)}), EVENT, at),
            Entry(customer, orjson.dumps(event), b"greeting", at),
            Entry(customer, orjson.dumps(event), EVENT, at, number % PARTITIONS),  # right one time in so many
        )
    )


def _new_definitions(at: int) -> list[Entry]:
    """The journeys change, in every partition."""
    new = change(load_plan(JOURNEYS).text, read_valid(JOURNEYS_LATER))
    assert new is not None
    return [Entry(None, new.text, DEFINITIONS, at, partition, new.hash) for partition in range(PARTITIONS)]


def pour(place: Place, entries: list[Entry], seed: int) -> None:
    """Produce the log, once; but some transactions need a second attempt."""
    chance = random.Random(f"pour {seed}")
    producer = place.producer(**{"transactional.id": f"{place.name}-log", "linger.ms": 1})
    producer.init_transactions(WAIT_S_MAX)
    start = 0
    while start < len(entries):
        some = entries[start : start + chance.randrange(1, 2 * TRANSACTION)]
        producer.begin_transaction()
        for entry in some:
            producer.produce(
                place.events, entry.value, entry.key, entry.partition, timestamp=entry.at, headers=entry.headers
            )
        assert producer.flush(WAIT_S_MAX) == 0
        if chance.random() < 0.15:
            producer.abort_transaction(WAIT_S_MAX)
        else:
            producer.commit_transaction(WAIT_S_MAX)
            start += len(some)
