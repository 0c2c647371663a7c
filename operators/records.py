"""What comes out: actions, facts and profiles, as the contract has them.

Names and fields are fixed: other programs read them. Every record carries `seq`, counting up per customer, so that
(customer_id, seq) orders all that was said about a customer.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from state.customer import Customer
from state.instants import format_instant

FACTS = "journeys.facts"
PROFILES = "profiles"
REJECTED = "events.rejected"
ACTIONS = "actions."
"""Topics (and, with `.jsonl`, files); actions go to `actions.<channel>`."""


def identity(*parts: object) -> str:
    """BLAKE2b-128, in hex, of the parts as a JSON array: the same decision always has the same id."""
    return blake2b(orjson.dumps(parts), digest_size=16).hexdigest()


def instance_of(customer_id: str, journey: str, key: object, message_id: str) -> str:
    """The id of one run of one customer through a journey."""
    return identity(customer_id, journey, key, message_id)


def action_id_of(customer_id: str, journey: str, version: int, instance: str, step: str, channel: str, attempt: int) -> str:
    """The id of one action; `attempt` counts the visits of the step."""
    return identity(customer_id, journey, version, instance, step, channel, attempt)


def fact(customer: Customer, customer_id: str, name: str, at: int, **details: object) -> dict[str, object]:
    """A fact about a customer; takes the next `seq`."""
    customer.seq += 1
    return {"fact": name, "at": format_instant(at), "customer_id": customer_id, "seq": customer.seq, **details}


def profile_of(customer: Customer, customer_id: str, at: int) -> dict[str, object]:
    """The customer's profile as other systems may read it."""
    return {
        "customer_id": customer_id,
        "at": format_instant(at),
        "seq": customer.seq,
        "attributes": customer.profile,
        "traits": {},
        "segments": [],
        "journeys": [],
        "last_contacts": {channel: format_instant(ms) for channel, ms in customer.contacts.items()},
    }


def to_json(value: Mapping[str, Any]) -> bytes:
    """The record's bytes: keys sorted, so that equal records are equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
