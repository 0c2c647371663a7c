"""Suppression: what is held back from a customer for now, by steps of journeys and by rules of the workspace."""

from collections.abc import Sequence
from dataclasses import dataclass

from operators.candidates import NEXT_CHANNEL, Candidate, Verdict
from operators.expressions import Expression
from operators.holds import is_held
from operators.moment import Moment

GATE = "suppressed"


@dataclass(frozen=True)
class Rule:
    """A condition under which messages are held back."""

    when: Expression
    text: str
    channels: frozenset[str]
    """Empty: all."""
    tags: frozenset[str]
    """Messages with any of these; empty: all."""


class Suppression:
    """The gate of what is held back."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """The rules of a workspace."""
        self._rules = tuple(rules)

    def __call__(self, candidate: Candidate, channel: str, moment: Moment) -> Verdict | None:
        """Stop a message that a step of a journey, or a rule, holds back."""
        tags = candidate.message.tags
        if moment.customer.holds and is_held(moment.customer, channel, tags):
            return Verdict(GATE, NEXT_CHANNEL)
        for rule in self._rules:
            if rule.channels and channel not in rule.channels:
                continue
            if rule.tags and rule.tags.isdisjoint(tags):
                continue
            if rule.when.holds(candidate.proposal.walk.scope()):
                return Verdict(GATE, NEXT_CHANNEL, details={"rule": rule.text})
        return None
