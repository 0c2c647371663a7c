"""What is remembered of a profile beside its attributes: since when each holds, and how consent came and went.

Part of the customer's record (`state.customer`); `operators.profile` changes it. A field is only ever added at the end, with a
default: older bytes then still decode.
"""

from typing import Any

import msgspec


class Known(msgspec.Struct, array_like=True, gc=False):
    """Since when what is known of a customer holds; times are event times (ms)."""

    at: dict[str, int] = {}
    """Attribute -> when somebody last said what it is."""
    consent_at: dict[str, int] = {}
    """The same for consent, by what it is given for."""
    consent_log: list[tuple[int, str, Any, str]] = []
    """(when, for what, what was said, id of the message or step that said it) of the last changes, the oldest first."""
    locale: str = ""
    """The last one that the context of an event named."""
    locale_at: int = 0
    zone_at: int = 0
    """When the context of an event last named a time zone."""
