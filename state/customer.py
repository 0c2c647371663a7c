"""What is remembered of one customer, and of one key group: plain records, no behaviour.

Whoever decides (`operators/`) changes a customer's record in place; `state.codec` turns it into bytes. A field is only
ever added at the end, with a default: older bytes then still decode.
"""

from typing import Any

import msgspec

from state.feedback import Feedback
from state.profile import Known
from state.runs import Hold, Run
from state.traits import TraitMemory


class Entry(msgspec.Struct, array_like=True, gc=False):
    """The last entry of a customer into a journey under one key."""

    at: int
    """When, in log time (ms)."""
    refusal_told: bool = False
    """Whether a `not_entered: reentry` fact was given since: there is one per key and closed period."""


class JourneyMemory(msgspec.Struct, array_like=True, gc=False):
    """What one journey needs to know of one customer."""

    buckets: dict[str, list[int]] = {}
    """By value -> events remembered for the pattern, as `operators.pattern_repeats` and `operators.pattern_buckets` code
    them, in (event time, read) order."""
    contents: dict[str, list[Any]] = {}
    """By value -> what is kept of those events, item for item; and what `operators.pattern_absence` waits for."""
    entries: dict[str, Entry] = {}
    """Key -> the last entry."""
    mark: int = 0
    """Of the pattern that `buckets` and `contents` are of: another pattern has no use for them. 0 before any."""


class Sent(msgspec.Struct, array_like=True, gc=False):
    """One message that went out."""

    at: int
    """Log time (ms)."""
    channel: str
    journey: str
    tags: list[str] = []


class Customer(msgspec.Struct, array_like=True, gc=False):
    """Everything that is remembered of one customer."""

    seq: int = 0
    """The number of the last record (action or fact) that came out for this customer."""
    seen: dict[int, int] = {}
    """Hash of a message id -> log time (ms) at which it was read, oldest first."""
    profile: dict[str, Any] = {}
    """Attributes as `identify`, the traits of contexts, and `set` gave them."""
    contacts: dict[str, int] = {}
    """Channel -> log time (ms) of the last action sent on it."""
    journeys: dict[str, JourneyMemory] = {}
    """Journey name -> its memory."""
    timers: dict[str, int] = {}
    """Name of a timer -> when it is due, in log time (ms). Of those due at one time, names order the firing."""
    runs: dict[str, list[Run]] = {}
    """Journey -> runs under way, and runs that are over and watched for the goal; in the order of entry."""
    holds: dict[str, dict[str, dict[str, Hold]]] = {}
    """Channel -> tag (empty: every message) -> holder -> what it holds back."""
    zone: str = ""
    """The last time zone that the context of an event named."""
    traits: TraitMemory | None = None
    """Of traits and segments; None where none is in use."""
    sends: list[Sent] = []
    """The last messages, oldest first, as far as caps count them."""
    bounced: dict[str, str] = {}
    """Channel -> the address there at which messages do not arrive: it bounced, or its token expired."""
    feedback: Feedback | None = None
    """How the customer answers; None before the first message and, where a journey asks for the best time, the first event."""
    known: Known | None = None
    """Since when the profile holds; None before anybody said what is in it."""
    lots: dict[str, str] = {}
    """Experiment, or journey with a control group -> the arm that the customer was dealt, for good."""


class GroupMeta(msgspec.Struct, array_like=True):
    """How far one key group is, and what it has counted on the way."""

    group: int
    groups: int
    position: int = -1
    """Position in the log of the last record taken in; -1 before the first."""
    now: int = 0
    """The group's clock: log time (ms)."""
    fired_through: int = -1
    """Timers due up to here (ms) have fired; -1 where none has."""
    definitions: str = ""
    """Hash of the definitions in use."""
    counts: dict[str, int] = {}
    """`records` = `accepted` + `rejected` + `duplicates`; and `customers`, `late`."""
    rejected: dict[str, int] = {}
    """Reason -> rejected records."""
    actions: dict[str, dict[str, int]] = {}
    """Journey -> channel -> actions sent."""
    is_stamped: bool = False
    """Whether a record of the log has carried `sojourn-time`: the clock is then made of nothing else."""
    definitions_in_log: bool = False
    """Whether the definitions in use came from the log: it alone then says when they change."""
