"""What comes out: actions, facts and profiles, as the contract has them.

Names and fields are fixed: other programs read them. Every record carries `seq`, counting up per customer, so that
(customer_id, seq) orders all that was said about a customer.
"""

from hashlib import blake2b
from typing import Any

import orjson

from operators.zones import zone_named
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


def action_id_of(
    customer_id: str, journey: str, version: int, instance: str, step: str, channel: str, attempt: int
) -> str:
    """The id of one action; `attempt` counts the visits of the step."""
    return identity(customer_id, journey, version, instance, step, channel, attempt)


def profile_of(
    customer: Customer, customer_id: str, at: int, traits: dict[str, Any], segments: list[str]
) -> dict[str, Any]:
    """The customer's profile as other systems may read it; takes the next `seq`, so that the last one is known."""
    customer.seq += 1
    known = customer.known
    return {
        "customer_id": customer_id,
        "at": format_instant(at),
        "seq": customer.seq,
        "attributes": customer.profile,
        "attributes_at": {name: format_instant(ms) for name, ms in known.at.items()} if known else {},
        "consent_history": [
            {"at": format_instant(ms), "group": group, "given": given, "caused_by": cause}
            for ms, group, given, cause in (known.consent_log if known else ())
        ],
        "timezone": _zone(customer),
        "locale": (known.locale if known else "") or None,
        "traits": traits,
        "segments": segments,
        "journeys": [
            {
                "journey": journey,
                "version": run.version,
                "instance": run.instance,
                "key": run.key,
                "entered_at": format_instant(run.entered_at),
            }
            for journey in sorted(customer.runs)
            for run in customer.runs[journey]
            if run.step
        ],
        "last_contacts": {channel: format_instant(ms) for channel, ms in customer.contacts.items()},
    }


def _zone(customer: Customer) -> str | None:
    """The customer's time zone as they said it, or as the last event that named one did; None where nobody did."""
    given = customer.profile.get("timezone")
    return given if isinstance(given, str) and zone_named(given) is not None else customer.zone or None


def to_json(value: Any) -> bytes:
    """The record's bytes: keys sorted, so that equal records are equal bytes."""
    # Copied, because orjson shrinks a buffer of at least a kilobyte where it lies, and many records are kept at one time:
    # what it leaves behind took five times as much memory as they (measured, 60,000 events and the journeys that ship).
    return b"".join((orjson.dumps(value, option=orjson.OPT_SORT_KEYS), b""))


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
    """A key as records and ids show it: any scalar as it is, anything else as JSON text."""
    value = storable(key)
    return value if value is None or isinstance(value, (str, int, float, bool)) else to_json(value).decode()


def _as_double(value: int) -> float | str:
    try:
        return float(value)
    except OverflowError:  # more than 308 digits: no double is near it
        return str(value)
