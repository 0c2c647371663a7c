"""Stored bytes: a format byte, then MessagePack.

The first byte of every value that is written, customer records, group meta, undo records and resume tokens alike, says
which format follows. Each format that was ever written decodes for ever (golden files in `tests/state/golden/`); a
byte that is none of them is refused. Why MessagePack by msgspec: it writes and reads the records' types themselves, and
dictionaries with integer keys, which JSON has not.
"""

from typing import TypeVar

import msgspec

from state.customer import Customer
from state.errors import StateFormatError
from state.feedback import Touch

FORMAT = b"\x01"
"""The format that is written. 1: MessagePack of the records in `state.customer` as arrays."""

T = TypeVar("T")


class Undo(msgspec.Struct, array_like=True):
    """The way back over one epoch: what stood in the store before it."""

    meta: bytes | None
    """The group's meta; None where the epoch was the group's first."""
    customers: list[tuple[str, bytes | None]]
    """Customer id and stored record; None where there was none."""
    timers: list[tuple[bytes | None, bytes | None]] = []
    """Keys of the timer index that the epoch deleted and put, in pairs; None where it did but one of the two."""


class Token(msgspec.Struct, array_like=True, frozen=True):
    """Where a key group stands: what a recovery store keeps of it, and what a store is opened at."""

    group: int
    position: int
    fired_through: int


_encode = msgspec.msgpack.Encoder().encode
# Counts by name: in which order they came up depends on how the log was cut into batches, and the bytes must not.
_encode_sorted = msgspec.msgpack.Encoder(order="deterministic").encode
_decode_customer = msgspec.msgpack.Decoder(Customer).decode
_decode_touches = msgspec.msgpack.Decoder(list[Touch]).decode


def encode_customer(customer: Customer) -> bytes:
    """The stored form of a customer's record."""
    return FORMAT + _encode(customer)


def decode_customer(stored: bytes) -> Customer:
    """The record that `encode_customer` stored.

    Raises:
        StateFormatError: The bytes are of no known format.
    """
    if stored[:1] != FORMAT:
        raise _unknown("a customer record", stored)
    try:
        return _decode_customer(memoryview(stored)[1:])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unknown("a customer record", stored) from error


def encode_touches(touches: list[Touch]) -> bytes:
    """The form in which a customer's record holds them; part of it, so without a format byte."""
    return _encode(touches)


def decode_touches(stored: bytes) -> list[Touch]:
    """What `encode_touches` stored; nothing is no messages.

    Raises:
        StateFormatError: The bytes are of no known format.
    """
    try:
        return _decode_touches(stored) if stored else []
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unknown("a customer's last messages", stored) from error


def encode(value: msgspec.Struct) -> bytes:
    """The stored form of one of the smaller records."""
    return FORMAT + _encode_sorted(value)


def decode(stored: bytes, form: type[T]) -> T:
    """The record of type `form` that `encode` stored.

    Raises:
        StateFormatError: The bytes are of no known format.
    """
    if stored[:1] != FORMAT:
        raise _unknown(f"a record of type {form.__name__}", stored)
    try:
        return msgspec.msgpack.decode(memoryview(stored)[1:], type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unknown(f"a record of type {form.__name__}", stored) from error


def _unknown(what: str, stored: bytes) -> StateFormatError:
    return StateFormatError(
        f"{what} is stored in no format that this version of Sojourn knows (it begins {stored[:8].hex(' ') or 'with nothing'}): "
        "it was written by a newer version, or is damaged; run that version, or rebuild the state from the log"
    )
