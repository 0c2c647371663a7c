"""Records of one partition of the customer log, as any reader of Kafka has them, to what a key group takes in.

A batch ends where the definitions change: what comes before is decided by the old ones, what comes after by the new ones,
however the reader cut the log. Pure; the live job, a group that is led on through the log, and a replay of the log call it.
"""

from collections.abc import Iterable
from typing import Any

from operators.log import Definitions, LogBatch, LogRecord
from operators.log_clock import LogClock
from state.instants import INSTANT_MS_MAX, INSTANT_MS_MIN

RawRecord = tuple[int, int, "list[tuple[str, bytes | None]] | None", "bytes | None", "bytes | None"]
"""(offset, timestamp in ms, headers, key, value)."""

KIND, TIME, ARRIVED, HASH = "sojourn-kind", "sojourn-time", "sojourn-arrived", "sojourn-definitions"
"""Headers: what a record is; ingest's low watermark; when an event arrived at its input; the hash of definitions."""

EVENT, HEARTBEAT, DEFINITIONS = b"event", b"heartbeat", b"definitions"

KEYED, STAMPED = 1, 2
"""`keyed` of a batch: a log has keyed the records; and it has had `sojourn-time`, by the end of the batch."""


def read_log(group: int, records: Iterable[RawRecord], clock: LogClock) -> list[LogBatch | Definitions]:
    """What a key group takes in of some records of its partition.

    Args:
        group: The partition.
        records: In the log's order.
        clock: Of the partition, as it was before them; it is moved on.
    """
    pieces: list[LogBatch | Definitions] = []
    events: list[Any] = []
    unread: list[tuple[LogRecord, str, str]] = []
    last, now = -1, clock.now
    see = clock.see
    for offset, stamp, headers, key, value in records:
        kind, low, arrived, digest = _headers(headers) if headers else _NO_HEADERS
        before, now = now, see(low, stamp)
        if kind == HEARTBEAT:
            last = offset
            continue
        if kind == DEFINITIONS and digest is not None and value is not None:
            if last >= 0:
                pieces.append((group, last, before, events, unread, STAMPED if clock.is_stamped else KEYED))
                events, unread, last = [], [], -1
            pieces.append(Definitions(group, offset, now, clock.is_stamped, digest, value))
            continue
        last = offset
        # Undecodable keys stay what they are and fit no customer: they end as misrouted.
        text = (key or b"").decode(errors="replace")
        record = (text, offset, now, stamp if arrived is None else arrived, value or b"", offset)
        if kind != EVENT:
            unread.append((record, "unknown_kind", _unknown(kind)))
        elif not INSTANT_MS_MIN <= record[3] < INSTANT_MS_MAX:
            message = f"the record's own timestamp is {record[3]}; it must lie in 1970 to 2099"
            unread.append((record, "bad_time", message))
        elif value is None:
            unread.append((record, "not_json", "the record has no value (a tombstone); an event is one JSON object"))
        else:
            events += record
    if last >= 0:
        pieces.append((group, last, clock.now, events, unread, STAMPED if clock.is_stamped else KEYED))
    return pieces


_NO_HEADERS: tuple[bytes, "int | None", "int | None", "str | None"] = (EVENT, None, None, None)


def _headers(headers: list[tuple[str, bytes | None]]) -> tuple[bytes, int | None, int | None, str | None]:
    """Kind, low watermark, arrival, and hash of definitions, as far as a record has them."""
    kind, low, arrived, digest = _NO_HEADERS
    for name, value in headers:
        if name == KIND:
            kind = value or b""
        elif name == TIME:
            low = _ms(value)
        elif name == ARRIVED:
            arrived = _ms(value)
        elif name == HASH and value is not None:
            digest = value.decode(errors="replace")
    return kind, low, arrived, digest


def _ms(value: bytes | None) -> int | None:
    """A time in ms; None for what is none."""
    return min(int(value), INSTANT_MS_MAX - 1) if value and len(value) < 20 and value.isdigit() else None


def _unknown(kind: bytes) -> str:
    if kind == DEFINITIONS:
        return (
            f"a record of kind definitions has no value, or no hash of it in the header {HASH}; only ingest writes them"
        )
    return f"`{KIND}` is {kind[:40]!r}; this version knows event, heartbeat and definitions"
