"""What wants to go out at one instant: proposals, each of one step of a run, with the candidates of which one may go.

A step that sends makes a proposal of one candidate; a step that chooses makes one of several. They are put down with the
moment (`Moment.proposals`), pass the gates (`operators.gates`) and are decided together when the instant is over
(`operators.decisions`); until then the run stands at its step. Plain data: who decides is elsewhere.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from operators.run_steps import Walk

DROPPED = "dropped"
DEFERRED = "deferred"
NEXT_CHANNEL = "next_channel"
"""What becomes of a message that a gate stops: it is gone; it tries again later; it tries its next channel."""

Number = int | float
"""A score, a value, as it was written: 1 stays 1 in what is told. Where code is compiled, `float` alone makes doubles of whole numbers."""

NOTHING: Mapping[str, Any] = {}


class Verdict(NamedTuple):
    """What a gate says of a message that it stops."""

    gate: str
    then: str
    until: int | None = None
    """When it tries again (ms), where it is deferred."""
    details: Mapping[str, Any] = NOTHING
    """What the fact says besides."""


class HasChannels(Protocol):
    """What goes out on a channel."""

    @property
    def channels(self) -> tuple[str, ...]:
        """In the order in which they are tried."""

    @property
    def by_preference(self) -> bool:
        """Whether the order is the customer's."""


class MessagePlan(HasChannels, Protocol):
    """What can be sent: a step that sends, or an offer."""

    @property
    def template(self) -> str:
        """What the channel's worker fills."""

    @property
    def tags(self) -> tuple[str, ...]:
        """What gates speak of."""

    @property
    def value(self) -> Number:
        """What it is worth."""

    @property
    def attaches_profile(self) -> bool:
        """Whether the action carries all that is known."""

    def values(self, scope: dict[str, Any]) -> Any:
        """What the template is filled with."""


class Candidate:
    """One message that may go out, and what the gates made of it."""

    __slots__ = (
        "address",
        "best",
        "channel",
        "global_arm",
        "message",
        "name",
        "parts",
        "proposal",
        "score",
        "tried",
        "values",
        "verdict",
    )

    def __init__(self, proposal: "Proposal", name: str, message: Any, score: Number) -> None:
        """A message of a proposal, before any gate.

        Args:
            proposal: Whose.
            name: The step's, or the offer's.
            message: A `MessagePlan`.
            score: Against others; the greater, the better.
        """
        self.proposal = proposal
        self.name = name
        self.message = message
        self.score = score
        self.parts: Mapping[str, Number] = {}
        """What the score of an offer is made of."""
        self.best: list[dict[str, Any]] = []
        """Why its channels are tried in this order, where that is the customer's."""
        self.channel = ""
        """The one on which it would go; empty where none is open."""
        self.address: Any = None
        """Where it goes to, on that channel."""
        self.values: Any = None
        """What its template is filled with."""
        self.tried: list[tuple[str, Verdict]] = []
        """Channels on which a gate stopped it, in order, of the last check."""
        self.global_arm = ""
        """Its customer's part in the global control group, where that is about it."""
        self.verdict: Verdict | None = None
        """What stopped it, for good or for now; None while it may go."""

    def stop(self, channel: str, verdict: Verdict) -> None:
        """It does not go out now; `channel` is where it would have gone."""
        self.channel = channel
        self.tried.append((channel, verdict))
        self.verdict = verdict


class Proposal:
    """One step of a run, standing at it until it is decided what goes out."""

    __slots__ = (
        "attempt",
        "candidates",
        "expires_at",
        "gate",
        "is_won",
        "next",
        "nothing",
        "step",
        "timer",
        "until",
        "walk",
    )

    def __init__(
        self, walk: "Walk", step: Any, options: Sequence[tuple[str, Any, Number]], nothing: Number = 0
    ) -> None:
        """What a step proposes.

        Args:
            walk: The run on its way.
            step: A plan with `step`, `next` and `expires`.
            options: (name, message, score) of each candidate.
            nothing: The score of sending nothing; a candidate must have more.
        """
        run = walk.run
        self.walk = walk
        self.step: str = step.step
        self.next: str | None = step.next
        self.nothing = nothing
        self.timer = walk.moment.timer
        """What moved the run here, as `Moment.timer` has it."""
        self.attempt = run.visits.get(self.step, 1)
        expires = step.expires
        self.expires_at: int | None = run.since + expires if expires is not None else None
        self.candidates = [Candidate(self, name, message, score) for name, message, score in options]
        self.is_won = False
        """Whether one of the candidates was chosen."""
        self.until: int | None = None
        """When it tries again (ms), where it has to wait."""
        self.gate = ""
        """What makes it wait."""
