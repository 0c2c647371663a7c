"""What comes in: an `Event`, or a `Rejected` that keeps the bytes and says why."""

from typing import Any, ClassVar

import msgspec


class Event(msgspec.Struct, gc=False):
    """One thing that a customer did, read from whatever format it came in."""

    kind: str
    """`track`, `identify`, `page`, `screen`, `group` or `alias`."""
    name: str
    """`event` of a `track`; the kind itself for the others."""
    customer_id: str
    message_id: str
    time: int
    """Event time (ms): when it happened."""
    properties: dict[str, Any]
    """`properties`, or the `traits` of `identify` and `group`."""
    context: dict[str, Any]

    expression_names: ClassVar[frozenset[str]] = frozenset(
        ("kind", "name", "time", "properties", "context", "message_id")
    )
    """What expressions and templates may read of it."""


class Rejected(msgspec.Struct, gc=False):
    """A record that cannot be read as an event: never dropped, never in the way of the next one."""

    reason: str
    """A code out of `operators.decode.REASONS`."""
    message: str
    """A sentence: what is wrong, and what would be right."""
