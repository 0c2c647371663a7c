"""The gates between a message and its channel, in their order.

    eligibility -> reachability -> consent -> suppression -> caps -> quiet hours -> arbitration -> control

A gate is a function of one candidate on one channel: None lets it through, a `Verdict` says what becomes of it. The first
channel that all gates leave open is taken. The last two gates are no functions of one candidate: `operators.decisions` has
them, and calls this. Each gate has a module of its own; this one has their order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from operators.candidates import DROPPED, NEXT_CHANNEL, Candidate, Proposal, Verdict
from operators.holds import is_held
from operators.moment import Moment
from operators.templates import TemplateError

if TYPE_CHECKING:
    from operators.definitions import Orchestration

LOST = Verdict("lower_priority", DROPPED)
HELD_OUT = Verdict("control", DROPPED)

Gate = Callable[[Candidate, str, Moment], Verdict | None]


@dataclass(frozen=True)
class Conflicts:
    """Which messages of one instant compete."""

    tags: frozenset[str]
    """Those with any of these; empty: all."""
    keep: int
    """How many go out."""

    def concern(self, tags: Sequence[str]) -> bool:
        """Whether a message with these tags is one of them."""
        return not self.tags or not self.tags.isdisjoint(tags)


class Gates:
    """The gates of one workspace."""

    def __init__(self, gates: Sequence[Gate] = (), conflicts: Conflicts | None = None) -> None:
        """Those of a channel, in their order, and who competes with whom."""
        self._gates = tuple(gates)
        self._conflicts = conflicts

    def compete(self, proposal: Proposal) -> bool:
        """Whether a proposal has to wait for the others of its instant."""
        conflicts = self._conflicts
        return conflicts is not None and any(conflicts.concern(one.message.tags) for one in proposal.candidates)

    def check(self, candidate: Candidate, moment: Moment) -> bool:
        """Send a candidate through the gates, from the first on; whether it may go, and on which channel it says itself."""
        candidate.verdict = None
        proposal, channels = candidate.proposal, channels_of(candidate, moment)
        if proposal.expires_at is not None and proposal.expires_at <= moment.now:
            candidate.stop(channels[0], Verdict("expired", DROPPED))
            return False
        channel = self._open(candidate, channels, moment)
        if channel is None:
            return False
        candidate.channel = channel
        try:
            candidate.values = candidate.message.values(proposal.walk.scope())
        except TemplateError as error:
            candidate.stop(channel, Verdict("template", DROPPED, details={"error": str(error)}))
            return False
        return True

    def _open(self, candidate: Candidate, channels: Sequence[str], moment: Moment) -> str | None:
        """The first channel that is open."""
        last = len(channels) - 1
        for place, channel in enumerate(channels):
            for gate in self._gates:
                verdict = gate(candidate, channel, moment)
                if verdict is not None:
                    break
            else:
                return channel
            if verdict.then != NEXT_CHANNEL:
                candidate.stop(channel, verdict)
                return None
            if place == last:
                candidate.stop(channel, verdict._replace(then=DROPPED))
                return None
            candidate.tried.append((channel, verdict))
        return None

    def arbitration(self, candidate: Candidate, moment: Moment) -> Verdict | None:
        """Whether a candidate that comes next in the order has lost: as many as may are chosen."""
        conflicts = self._conflicts
        if conflicts is None or moment.kept < conflicts.keep or not conflicts.concern(candidate.message.tags):
            return None
        return LOST

    def control(self, candidate: Candidate) -> Verdict | None:
        """Whether the message of a run must not go out, because its customer is there for comparison."""
        return HELD_OUT if candidate.proposal.walk.run.is_control else None

    def count(self, candidate: Candidate, moment: Moment) -> None:
        """A candidate takes its place: among those that are kept, and under the caps."""
        conflicts = self._conflicts
        if conflicts is not None and conflicts.concern(candidate.message.tags):
            moment.kept += 1


def channels_of(candidate: Candidate, moment: Moment) -> tuple[str, ...]:
    """The channels in the order in which they are tried.

    `best` is the customer's preferred channel, then as listed: what the customer answers most is not known in this version.
    """
    message = candidate.message
    channels: tuple[str, ...] = message.channels
    if message.by_preference:
        preferred = moment.customer.profile.get("preferred_channel")
        if preferred in channels:
            return (preferred, *(channel for channel in channels if channel != preferred))
    return channels


def suppression(candidate: Candidate, channel: str, moment: Moment) -> Verdict | None:
    """Whether a step of a journey holds messages of one of its tags back."""
    holds = moment.customer.holds
    if holds and is_held(moment.customer, channel, candidate.message.tags):
        return Verdict("suppressed", NEXT_CHANNEL)
    return None


def gates_of(orchestration: "Orchestration") -> Gates:
    """The gates that a workspace has, compiled."""
    written = orchestration.conflicts
    conflicts = Conflicts(frozenset(written.tag), written.keep) if written is not None else None
    return Gates([suppression], conflicts)
