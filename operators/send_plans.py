"""Steps that send, compiled: one message, or the best of several offers; at once, at a clock time, or at the customer's best time.

`operators.plan_steps` puts them into the table of a journey's steps. What is in `Common` all journeys of a workspace share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from operators.calendar import ClockTime, parse_clock
from operators.candidates import Number
from operators.durations import parse_duration
from operators.expressions import Expression, compile_expression
from operators.offer_definitions import OFFER_NAMES, Offer
from operators.offers import OfferPlan
from operators.send_definitions import BEST, Best, Choose, Send, parse_best_time
from operators.templates import TEMPLATE_NAMES, Render, compile_value


@dataclass(frozen=True)
class Common:
    """What the steps of all journeys of a workspace may speak of."""

    channels: tuple[str, ...] = ()
    """All there are, for `all`."""
    reachable: tuple[str, ...] = ()
    """Those with an address, as listed, for `best`."""
    offers: Mapping[str, Offer] = field(default_factory=lambda: MappingProxyType({}))
    """By name."""


@dataclass(frozen=True)
class BestTimePlan:
    """The hour in which a customer is most active."""

    within: int
    """ms."""
    channels: tuple[str, ...]
    """Of the message: the first one has to be open then."""
    by_preference: bool
    tags: tuple[str, ...]


@dataclass(frozen=True)
class SendPlan:
    """Sends one message."""

    step: str
    next: str | None
    channels: tuple[str, ...]
    """In the order in which they are tried."""
    by_preference: bool
    """Whether the order is the customer's."""
    template: str
    values: Render
    expires: int | None
    tags: tuple[str, ...]
    value: Number
    at: ClockTime | BestTimePlan | None
    attaches_profile: bool


@dataclass(frozen=True)
class ChoosePlan:
    """Sends the best of several offers, or nothing."""

    step: str
    next: str | None
    offers: tuple[OfferPlan, ...]
    """By name."""
    nothing: Number
    """The score of sending nothing."""
    expires: int | None
    at: ClockTime | BestTimePlan | None


def send_plan(
    step: Send, name: str, then: str | None, tags: Sequence[str], names: Sequence[str], common: Common
) -> SendPlan:
    """A step that sends.

    Args:
        step: As it is written.
        name: Its id.
        then: What comes after it.
        tags: Of the journey.
        names: What the journey calls its events.
        common: What the workspace has.
    """
    channels, by_preference = _channels(step.send, common)
    whole = tuple(dict.fromkeys([*tags, *step.tags]))
    return SendPlan(
        step=name,
        next=then,
        channels=channels,
        by_preference=by_preference,
        template=step.template,
        values=compile_value(step.with_, (*TEMPLATE_NAMES, *names)),
        expires=parse_duration(step.expires) if step.expires else None,
        tags=whole,
        value=step.value,
        at=_at(step.at, channels, by_preference, whole),
        attaches_profile=step.attach is not None,
    )


def choose_plan(
    step: Choose, name: str, then: str | None, tags: Sequence[str], names: Sequence[str], common: Common
) -> ChoosePlan:
    """A step that chooses; the same."""
    chosen = offers_named(step.choose.from_, common.offers)
    offers = tuple(_offer(one, common.offers[one], step, tags, names, common) for one in sorted(chosen))
    first = offers[0] if offers else None  # an older version may choose from offers that there are no more
    return ChoosePlan(
        step=name,
        next=then,
        offers=offers,
        nothing=step.choose.nothing,
        expires=parse_duration(step.expires) if step.expires else None,
        at=_at(step.at, first.channels, first.by_preference, first.tags) if first is not None else None,
    )


def offers_named(named: str | Sequence[str], offers: Mapping[str, Any]) -> list[str]:
    """The offers that a step chooses from: those of a list, or those with a tag. Also of what is written and not looked at yet."""
    if not isinstance(named, str):
        return [name for name in dict.fromkeys(named) if name in offers]
    return [name for name, offer in offers.items() if named in _tags_of(offer)]


def _tags_of(offer: Any) -> Sequence[Any]:
    tags = offer.tags if isinstance(offer, Offer) else offer.get("tags") if isinstance(offer, dict) else ()
    return tags if isinstance(tags, list) else ()


def _offer(
    name: str, offer: Offer, step: Choose, tags: Sequence[str], names: Sequence[str], common: Common
) -> OfferPlan:
    channels, by_preference = _channels(offer.channel, common)
    return OfferPlan(
        name=name,
        channels=channels,
        by_preference=by_preference,
        template=offer.template,
        values=compile_value({**offer.with_, **step.with_}, (*TEMPLATE_NAMES, *names)),
        tags=tuple(dict.fromkeys([*tags, *offer.tags, *step.tags])),
        value=offer.value,
        weight=offer.weight,
        propensity=_number(offer.propensity),
        context=_number(offer.context),
        when=compile_expression(offer.when, OFFER_NAMES) if offer.when else None,
        start=offer.from_,
        end=offer.until,
        limit_max=offer.limit.max if offer.limit else 0,
        limit_per=parse_duration(offer.limit.per) if offer.limit else 0,
    )


def _number(given: Number | str) -> Expression | Number:
    return compile_expression(given, OFFER_NAMES) if isinstance(given, str) else given


def _channels(named: Any, common: Common) -> tuple[tuple[str, ...], bool]:
    """The channels of a message, and whether their order is the customer's."""
    if isinstance(named, Best):
        return tuple(dict.fromkeys(named.best)), True
    if named == BEST and BEST not in common.channels:
        return common.reachable, True
    return ((named,) if isinstance(named, str) else tuple(dict.fromkeys(named))), False


def _at(text: str | None, channels: tuple[str, ...], by_preference: bool, tags: tuple[str, ...]) -> Any:
    if text is None:
        return None
    within = parse_best_time(text)
    return parse_clock(text) if within is None else BestTimePlan(within, channels, by_preference, tags)
