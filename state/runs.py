"""What is remembered of a customer's runs through journeys, and of what they hold back: plain records, no behaviour.

Part of the customer's record (`state.customer`); `operators.run_steps` and its neighbours change it. A field is only ever
added at the end, with a default: older bytes then still decode.
"""

from typing import Any

import msgspec


class Run(msgspec.Struct, array_like=True, gc=False):
    """One run: one customer inside one journey, or out of it again and watched for the goal."""

    instance: str
    """The run's id, as records carry it."""
    version: int
    """Of the journey, as it was entered."""
    entered_at: int
    """Log time (ms) of the entry."""
    entry_time: int
    """Event time (ms) of the entry: the goal's window begins here."""
    key: Any = None
    """As records show it; None without one."""
    value: str = ""
    """The key, or else the value that the matched events agreed in, as `operators.patterns.token_of` has it."""
    step: str = ""
    """Where the run stands; empty once it is over."""
    since: int = 0
    """Log time (ms) at which it reached that step."""
    visits: dict[str, int] = {}
    """Step -> how often it was reached, for those that send."""
    backs: dict[str, int] = {}
    """Branch of a wait -> how often it went back to its start since the wait was reached."""
    events: list[Any] = []
    """Of the matched events, those that are read later: what they held."""
    names: dict[str, Any] = {}
    """Name in the pattern (`as`) -> the place of its event in `events`, a list of places, or None where it did not come."""
    held: list[Any] = []
    """Of a ranked wait: the branch that would be taken at the deadline, and the event that chose it."""
    actions: dict[str, str] = {}
    """Id of an action sent -> its step, where the journey waits for feedback."""
    arms: dict[str, str] = {}
    """Experiment -> arm, in the order in which they were assigned."""
    exposed: list[str] = []
    """Experiments whose exposure was told."""
    values: dict[str, list[str]] = {}
    """Path -> tokens of what the entry event had there, where a goal or an exit agrees by it and there is no key."""
    is_control: bool = False
    converted: bool = False
    refusal_told: bool = False
    """Whether a `not_entered: reentry` fact was given while this run kept the customer out."""
    leaving: str = ""
    """The reason for which it is on its way out by an exit rule; empty while it is not."""
    is_deferred: bool = False
    """Whether a gate deferred the message of the step at which it stands."""
    mover: Any = None
    """Of a deferred run: what the event held that moved it to its step, where the journey reads that."""
    capped_at: int | None = None
    """When (ms) a cap first deferred the message of its step."""
    has_gathered: bool = False
    """Whether the message of its step has waited for better ones."""
    has_lost: bool = False
    """Whether it lost against a better one once, and is deferred for that."""
    choices: dict[str, str] = {}
    """Step that chooses -> the offer that it made."""


class Hold(msgspec.Struct, array_like=True, gc=False):
    """One reason to hold back messages of one tag on one channel."""

    journey: str
    version: int
    instance: str
    step: str
    visit: int
    """Which visit of the step it is of."""
    since: int
    until: int | None = None
    """Log time (ms) at which it ends; None where it ends with its run."""
