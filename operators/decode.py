"""Bytes of one record to an `Event`, or to `Rejected` with the reason.

The format is the Segment spec (RudderStack writes the same with extras): one JSON object with `type`, ids, times and
`properties` or `traits`. Nothing here raises for bad input: a record that cannot be read is a value like any other.
Sources call `address_of` to deal a raw record to its key group; `operators.key_group` calls `decode`.
"""

import re
from hashlib import blake2b
from typing import Any

import orjson

from operators.events import Event, Rejected
from operators.segment import UNREADABLE, Address, read_envelope, read_loosely
from state.instants import parse_instant

REASONS = {
    "too_large": "the record has more bytes than are taken",
    "not_json": "the bytes are not JSON",
    "not_an_object": "JSON, but no object",
    "too_deep": "nested more deeply than is taken",
    "bad_type": "`type` is none of track, identify, page, screen, group, alias",
    "no_event_name": "a `track` without a name in `event`",
    "no_id": "neither `userId` nor `anonymousId`",
    "bad_id": "an id that is no text, or too long",
    "no_time": "no time at all",
    "bad_time": "a time that cannot be read",
    "future": "a time more than a day after its log time",
    "bad_properties": "`properties`, `traits` or `context` that is no object",
    "misrouted": "the key, or the partition, is not that of the customer",
    "bad_definitions": "a `definitions` record of the log that is not what it says",
    "unknown_kind": "a log record of a kind that this version does not know",
}
"""Why a record is rejected: code -> what it means. `events.rejected` carries the code."""

RECORD_BYTES_MAX = 1 << 20
"""1 MiB, as Kafka's brokers have it by default (`message.max.bytes`)."""

DEPTH_MAX = 200
"""Nesting of a record: what can be written again (orjson stops at 254); no event of a real source comes near."""

ID_CHARACTERS_MAX = 1024
"""An id is a key in every store and topic; the longest in use are URNs of a few hundred characters."""

FUTURE_MS_MAX = 86_400_000
"""How far event time may be ahead of log time: a day, for clocks set to the wrong zone."""

_TIMES = "write RFC 3339, such as 2026-01-05T10:00:00.000Z, or Unix milliseconds, from 1970 to 2099"
_NUMBER_BITS_MAX = (
    256  # of an id that is a number: none in use has more than 64; Python refuses to print very long ones
)
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(rb"[{}\[\]]")
_NAMED_BY_TYPE = {name: name for name in ("identify", "page", "screen", "group", "alias")}
_WITH_TRAITS = ("identify", "group")


def decode(raw: bytes, log_time: int | None, own_time: bool = False) -> Event | Rejected:
    """Read one record.

    Args:
        raw: The bytes of one JSON object.
        log_time: When it arrived (ms); times of the record itself are held against it. None where only the record
            could have told and does not.
        own_time: Whether `log_time` was taken from the record itself (`address_of`), so that it need not be read again.
    """
    size = len(raw)
    if size > RECORD_BYTES_MAX:
        return Rejected("too_large", f"{size:,} bytes; at most {RECORD_BYTES_MAX:,} are taken")
    found: Any
    try:
        found = read_envelope(raw)
    except UNREADABLE:
        try:
            found = read_loosely(raw)
        except UNREADABLE as error:
            return _why_unreadable(raw, error)
    if not raw.isascii():
        # Fields that nobody reads are skipped without a look at their text; half-valid records are not taken either.
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            return Rejected("not_json", f"not JSON: not UTF-8 at byte {error.start}")
    if size > 2 * DEPTH_MAX and raw.count(b"{") + raw.count(b"[") > DEPTH_MAX and _depth(raw) > DEPTH_MAX:
        return _too_deep()

    kind = found.type
    if kind == "track":
        name = found.event
        if type(name) is not str or not name:
            return Rejected("no_event_name", f"`event` is {_shown(name)}; a `track` needs the name of the event there")
        properties = found.properties
    else:
        name = _NAMED_BY_TYPE.get(kind) if type(kind) is str else None
        if name is None:
            return Rejected(
                "bad_type", f"`type` is {_shown(kind)}; write one of track, identify, page, screen, group, alias"
            )
        properties = found.traits if kind in _WITH_TRAITS else found.properties
    if type(properties) is not dict:
        if properties is not None:
            field = "traits" if kind in _WITH_TRAITS else "properties"
            return Rejected("bad_properties", f"`{field}` is {_shown(properties)}; it must be an object")
        properties = {}
    context = found.context
    if type(context) is not dict:
        if context is not None:
            return Rejected("bad_properties", f"`context` is {_shown(context)}; it must be an object")
        context = {}

    customer_id = found.userId
    if type(customer_id) is not str or not 0 < len(customer_id) <= ID_CHARACTERS_MAX:
        identified = customer_id_of(customer_id, found.anonymousId)
        if isinstance(identified, Rejected):
            return identified
        customer_id = identified

    stamp = found.timestamp
    if log_time is None:
        return _no_log_time(found)
    if own_time and stamp is not None and (found.receivedAt is None or found.receivedAt == stamp):
        time = log_time
    else:
        read = parse_instant(stamp)
        derived = _time_of(found, log_time) if read is None else read
        if isinstance(derived, Rejected):
            return derived
        time = derived
        if time > log_time + FUTURE_MS_MAX:
            return Rejected("future", f"`timestamp` {_shown(stamp)} is more than a day after the record's log time")

    message_id = found.messageId
    if type(message_id) is not str or not message_id:
        # Not there: the bytes stand for themselves, so a record that is sent twice is still one event.
        is_number = type(message_id) is int and message_id.bit_length() <= _NUMBER_BITS_MAX
        message_id = str(message_id) if is_number else blake2b(raw, digest_size=16).hexdigest()
    return Event(kind, name, customer_id, message_id, time, properties, context)


def address_of(found: Address) -> tuple[str, int | None]:
    """Whose record it is and when it arrived, for a record that no log has dealt and stamped yet.

    Returns:
        The customer id (empty where there is none that can be used) and the log time (ms; None where it has none):
        `receivedAt`, else the event's own time.
    """
    customer_id = customer_id_of(found.userId, found.anonymousId)
    received = found.receivedAt
    time = parse_instant(found.timestamp if received is None else received)
    if time is None and received is None:
        derived = _time_of(found, None)
        time = derived if type(derived) is int else None
    return customer_id if type(customer_id) is str else "", time


def customer_id_of(user_id: object, anonymous_id: object) -> str | Rejected:
    """The customer that the ids of an event stand for: `userId`, else `anon:` + `anonymousId`."""
    if type(user_id) is str and user_id:
        if len(user_id) <= ID_CHARACTERS_MAX:
            return user_id
    elif user_id is None or user_id == "":
        if type(anonymous_id) is str and anonymous_id:
            if len(anonymous_id) <= ID_CHARACTERS_MAX:
                return "anon:" + anonymous_id
        elif anonymous_id is None or anonymous_id == "":
            return Rejected("no_id", "neither `userId` nor `anonymousId` says whose event it is")
        elif type(anonymous_id) is int and anonymous_id.bit_length() <= _NUMBER_BITS_MAX:
            return f"anon:{anonymous_id}"
        return _bad_id("anonymousId", anonymous_id)
    elif type(user_id) is int and user_id.bit_length() <= _NUMBER_BITS_MAX:
        return str(user_id)
    return _bad_id("userId", user_id)


def _time_of(found: Any, log_time: int | None) -> int | Rejected:
    """The event time where `timestamp` does not say it: by the spec, receivedAt - (sentAt - originalTimestamp)."""
    if found.timestamp is not None:
        return Rejected("bad_time", f"`timestamp` is {_shown(found.timestamp)}; {_TIMES}")
    original, sent, received = (parse_instant(t) for t in (found.originalTimestamp, found.sentAt, found.receivedAt))
    arrived = received if received is not None else log_time
    if original is not None:
        return max(arrived - (sent - original), 0) if arrived is not None and sent is not None else original
    if arrived is not None:
        return arrived
    return Rejected("no_time", "there is no `timestamp`, and no other time to take its place")


def _no_log_time(found: Any) -> Rejected:
    """Why a record that no log has stamped has no log time."""
    if found.receivedAt is not None:
        return Rejected("bad_time", f"`receivedAt` is {_shown(found.receivedAt)}; {_TIMES}")
    why = _time_of(found, None)
    return why if type(why) is Rejected else Rejected("no_time", "there is no time that can be used")


def _why_unreadable(raw: bytes, error: Exception) -> Rejected:
    """The reason in words; orjson's are better than msgspec's, so it reads the record once more."""
    if isinstance(error, RecursionError):
        return _too_deep()
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as better:
        return _too_deep() if "depth" in str(better) else Rejected("not_json", f"not JSON: {better}")
    if not isinstance(value, dict):
        return Rejected("not_an_object", f"JSON, but {_shown(value)}; an event is one object")
    return Rejected("not_json", f"not JSON that can be read: {error}")


def _too_deep() -> Rejected:
    return Rejected("too_deep", f"nested more than {DEPTH_MAX} deep")


def _depth(raw: bytes) -> int:
    """How deeply the JSON in `raw` is nested; it has been read before, so its brackets match."""
    depth = deepest = 0
    for found in _BRACKETS.finditer(_STRINGS.sub(b"", raw)):
        depth += 1 if found.group() in b"{[" else -1
        deepest = max(deepest, depth)
        if deepest > DEPTH_MAX:
            break
    return deepest


def _bad_id(field: str, value: object) -> Rejected:
    if type(value) is int:
        return Rejected("bad_id", f"`{field}` is a number of more than {_NUMBER_BITS_MAX} bits; an id is text")
    if isinstance(value, str):
        return Rejected("bad_id", f"`{field}` has {len(value):,} characters; at most {ID_CHARACTERS_MAX:,} are taken")
    return Rejected("bad_id", f"`{field}` is {_shown(value)}; an id is text")


def _shown(value: object) -> str:
    """The value, short enough for a message."""
    if value is None:
        return "missing"
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits, on its own or inside
        return "a number too long to print"
    return text if len(text) <= 60 else f"{text[:57]}..."
