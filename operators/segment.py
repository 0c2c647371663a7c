"""The record of the Segment spec, in the forms in which it is read; `operators.decode` makes events of them."""

from typing import Any

import msgspec

_TextOrNumber = str | int | float | None


class Envelope(msgspec.Struct, gc=False):
    """The fields that are read, with the types that they should have."""

    type: str
    event: str | None = None
    userId: str | int | None = None  # noqa: N815 - the names of the spec
    anonymousId: str | int | None = None  # noqa: N815
    messageId: str | int | None = None  # noqa: N815
    timestamp: _TextOrNumber = None
    originalTimestamp: Any = None  # noqa: N815
    sentAt: Any = None  # noqa: N815
    receivedAt: Any = None  # noqa: N815
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None


class LooseEnvelope(msgspec.Struct, gc=False):
    """The same of any type, to tell a wrong one in our words."""

    type: Any = None
    event: Any = None
    userId: Any = None  # noqa: N815
    anonymousId: Any = None  # noqa: N815
    messageId: Any = None  # noqa: N815
    timestamp: Any = None
    originalTimestamp: Any = None  # noqa: N815
    sentAt: Any = None  # noqa: N815
    receivedAt: Any = None  # noqa: N815
    properties: Any = None
    traits: Any = None
    context: Any = None


class Address(msgspec.Struct, gc=False):
    """The few fields that say whose record it is and when it arrived."""

    userId: Any = None  # noqa: N815
    anonymousId: Any = None  # noqa: N815
    timestamp: Any = None
    receivedAt: Any = None  # noqa: N815
    originalTimestamp: Any = None  # noqa: N815
    sentAt: Any = None  # noqa: N815


read_envelope = msgspec.json.Decoder(Envelope).decode
read_loosely = msgspec.json.Decoder(LooseEnvelope).decode
read_address = msgspec.json.Decoder(Address).decode
"""Bytes to `Address`; raises one of `UNREADABLE`."""
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
