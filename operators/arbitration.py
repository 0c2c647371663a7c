"""Arbitration: of the messages of one customer that compete, how many go out, and for how long one waits for better ones."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from operators.candidates import DEFERRED, DROPPED, Candidate, Verdict
from operators.moment import Moment
from operators.run_timers import timer_of

LOST = "lower_priority"
GATHERING = "arbitration"
"""Gates, as facts name them: it lost; it waits for others that may be better."""


def rank(candidate: Candidate) -> tuple[Any, ...]:
    """The place in the order, of which the least goes first: score, priority, journey, step, run, name.

    Total, so that a tie never depends on who came first.
    """
    proposal = candidate.proposal
    walk = proposal.walk
    journey = walk.journey
    return (-candidate.score, -journey.priority, journey.name, proposal.step, walk.run.instance, candidate.name)


@dataclass(frozen=True)
class Conflicts:
    """Which messages compete."""

    tags: frozenset[str]
    """Those with any of these; empty: all."""
    keep: int
    """How many go out at one instant."""
    within: int = 0
    """How long (ms) a message waits for others."""
    defer: int | None = None
    """After how long (ms) one that lost competes once more; None: it is dropped."""

    def concern(self, tags: Collection[str]) -> bool:
        """Whether a message with these tags is one of them."""
        return not self.tags or not self.tags.isdisjoint(tags)

    def lost(self, candidate: Candidate, moment: Moment) -> Verdict | None:
        """Whether a candidate that comes next in the order has lost: as many as may are chosen."""
        if moment.kept < self.keep or not self.concern(candidate.message.tags):
            return None
        if self.defer is None or candidate.proposal.walk.run.has_lost:
            return Verdict(LOST, DROPPED)
        return Verdict(LOST, DEFERRED, moment.now + self.defer)

    def gathering(self, candidate: Candidate, moment: Moment) -> Verdict | None:
        """Whether a candidate that may go waits for others first: until the first that waits has waited long enough."""
        run = candidate.proposal.walk.run
        if not self.within or run.has_gathered or not self.concern(candidate.message.tags):
            return None
        due = moment.now + self.within
        customer = moment.customer
        for journey, runs in customer.runs.items():
            for one in runs:
                if one.has_gathered and one.is_deferred:
                    other = customer.timers.get(timer_of(journey, one), due)
                    due = min(due, other) if other > moment.now else due
        expires_at = candidate.proposal.expires_at
        if expires_at is not None and due >= expires_at:
            return None  # it cannot wait that long
        return Verdict(GATHERING, DEFERRED, due)
