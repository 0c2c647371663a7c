"""Offers, compiled: what a step that chooses may send, who may get it, and what it is worth for this customer now.

The score is that of Pega's arbitration: propensity x value x weight x context, in this order. Propensity is a number, or what a model
has left on the profile; until it has, or where it is no number, it is 1. It counts from 0 to 1, context from 0 up.

Eligibility is the first gate: the offer's condition, its dates, and how often the customer was made it. Dates are the customer's:
from midnight of the first day to the end of the last. The limit counts what went out, by log time, half-open as caps are.

Bound: as many sends of an offer are remembered of a customer as its limit counts, 100 at most.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final

from operators.calendar import instant_of, local_time
from operators.candidates import DROPPED, Candidate, Number, Verdict
from operators.expression_functions import moment as time_in
from operators.expressions import Expression
from operators.templates import Render
from state.feedback import Feedback

if TYPE_CHECKING:
    from operators.moment import Moment

GATE: Final = "eligibility"
_DAY_LENGTH: Final = len("2026-12-31")


@dataclass(frozen=True)
class OfferPlan:
    """One offer of one step that chooses: a message (`operators.candidates.MessagePlan`), and what makes it one of several."""

    name: str
    channels: tuple[str, ...]
    by_preference: bool
    template: str
    values: Render
    tags: tuple[str, ...]
    value: Number
    weight: Number
    propensity: Expression | Number
    context: Expression | Number
    when: Expression | None
    start: str | None
    """A local day, or time."""
    end: str | None
    limit_max: int = 0
    """0: no limit."""
    limit_per: int = 0
    """ms."""
    attaches_profile: bool = False

    def score(self, scope: Mapping[str, Any]) -> tuple[Number, dict[str, Number]]:
        """What it is worth for a customer, and what that is made of."""
        propensity = min(_number(self.propensity, scope), 1)
        context = _number(self.context, scope)
        score = propensity * self.value * self.weight * context
        parts = {"propensity": propensity, "value": self.value, "weight": self.weight, "context": context}
        return score, parts


def _number(given: Expression | Number, scope: Mapping[str, Any]) -> Number:
    """A number of 0 or more; 1 where an expression gives none."""
    if not isinstance(given, Expression):
        return given
    value = given.evaluate(dict(scope))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 1
    return max(value, 0) if value < _GREATEST else _GREATEST


_GREATEST: Final = 1e12
"""Of one factor: no score is infinite then."""


def eligibility(candidate: Candidate, channel: str, moment: "Moment") -> Verdict | None:
    """The gate of offers; every other message passes."""
    offer = candidate.message
    if not isinstance(offer, OfferPlan):
        return None
    reason = _why_not(offer, candidate, moment)
    return None if reason is None else Verdict(GATE, DROPPED, details={"reason": reason, "offer": offer.name})


def _why_not(offer: OfferPlan, candidate: Candidate, moment: "Moment") -> str | None:
    now = moment.now
    if offer.start is not None and now < _instant(offer.start, moment.customer_zone, is_end=False):
        return "not_yet"
    if offer.end is not None and now >= _instant(offer.end, moment.customer_zone, is_end=True):
        return "over"
    if offer.when is not None and not offer.when.holds(candidate.proposal.walk.scope()):
        return "when"
    if offer.limit_max:
        made = moment.customer.feedback.offers.get(offer.name, ()) if moment.customer.feedback is not None else ()
        if sum(1 for at in made if at > now - offer.limit_per) >= offer.limit_max:
            return "limit"
    return None


def count_offer(candidate: Candidate, moment: "Moment") -> None:
    """An offer is made: it counts for its limit."""
    offer, customer = candidate.message, moment.customer
    if not isinstance(offer, OfferPlan) or not offer.limit_max:
        return
    feedback = customer.feedback
    if feedback is None:
        feedback = customer.feedback = Feedback()
    made = feedback.offers.setdefault(offer.name, [])
    made.append(moment.now)
    del made[: -offer.limit_max]


def _instant(text: str, zone: tzinfo, is_end: bool) -> float:
    """When a day begins, or is over; or a time."""
    at = time_in(text, zone)
    assert at is not None, f"{text!r} is no date, and the model takes nothing else"  # noqa: S101
    if is_end and len(text) <= _DAY_LENGTH:
        return instant_of(local_time(int(at), zone).replace(tzinfo=None) + timedelta(days=1), zone)
    return at
