"""What is known of a customer: what `identify` and the context of events say and what steps set, within bounds.

Each attribute has the event time at which somebody last said what it is: what happened earlier and is read later overwrites
nothing, attribute by attribute. `consents` is looked at group by group: who says something of e-mail says nothing of the rest, and how
consent came and went is kept. Time zone and locale of an event's context are kept beside the attributes, which go before them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from operators.events import Event
from operators.expression_values import COMPARED_MAX, alike
from operators.moment import Moment
from operators.records import storable, to_json
from operators.templates import TemplateError, plain
from operators.zones import zone_named
from state.customer import Customer
from state.profile import Known

ATTRIBUTES_MAX = 1_000
"""Attributes of one profile; further new ones are not taken in."""

PROFILE_BYTES_MAX = 512 << 10
"""Of one profile as JSON, half of what a broker takes in one record; what would make it larger is not taken in."""

CONSENTS_MAX = 100
"""Groups of consent of one customer; nobody can answer for more."""

CONSENT_LOG_MAX = 50
"""Changes of consent that are remembered; of more, the oldest are forgotten, and the facts still tell them."""

LOCALE_MAX = 35
"""Characters of a locale: what BCP 47 asks everybody to have room for."""

CONSENTS = "consents"

OF_CUSTOMER = frozenset(("traits", "timezone", "locale"))
"""What of an event's context is about the customer."""

Attributes = Sequence[tuple[str, Any]]


def bounds() -> Iterator[str]:
    """What is kept of one customer's profile, and what happens at the bounds, in sentences."""
    yield (
        f"profile: at most {ATTRIBUTES_MAX:,} attributes and {PROFILE_BYTES_MAX >> 10} KiB of JSON; what would be more is not taken in "
        "(`not_stored`)"
    )
    yield f"profile: at most {CONSENTS_MAX} groups of consent, and the last {CONSENT_LOG_MAX} changes of them"


def identify(moment: Moment, event: Event) -> bool:
    """Take the attributes of an `identify` into the profile; whether it changed."""
    return _say(event.properties, moment, event)


def hear_context(moment: Moment, event: Event) -> bool:
    """Take what the context of an event says of the customer; whether the time zone changed."""
    context, customer = event.context, moment.customer
    traits = context.get("traits")
    if type(traits) is dict and traits:
        _say(traits, moment, event)
    named, locale = context.get("timezone"), context.get("locale")
    if named is None and locale is None:
        return False
    known, when = _known(customer), min(event.time, moment.now)
    if type(locale) is str and 0 < len(locale) <= LOCALE_MAX and when >= known.locale_at:
        known.locale, known.locale_at = locale, when
    if type(named) is str and when >= known.zone_at and zone_named(named) is not None:
        known.zone_at = when
        if named != customer.zone:
            customer.zone = named
            return True
    return False


def set_attributes(moment: Moment, attributes: Attributes, told: dict[str, Any]) -> bool:
    """Take attributes that a step sets; whether the profile changed. `told` is what a fact about it carries."""
    taken, refused = [], []
    for name, value in attributes:
        try:
            taken.append((name, storable(plain(value))))
        except TemplateError as error:
            refused.append(name)
            reason = str(error)
    if refused:
        moment.tell("not_stored", attributes=refused, reason=reason, **told)
    return _take(taken, moment, told, moment.now)


def withdraw(moment: Moment, group: str, event: Event) -> bool:
    """Take back the customer's consent; whether the profile changed."""
    told = {"message_id": event.message_id}
    return _take([(CONSENTS, {group: False})], moment, told, min(event.time, moment.now))


def _say(attributes: dict[str, Any], moment: Moment, event: Event) -> bool:
    told = {"message_id": event.message_id}
    taken = [(name, storable(value)) for name, value in attributes.items()]
    return _take(taken, moment, told, min(event.time, moment.now))


def _known(customer: Customer) -> Known:
    known = customer.known
    if known is None:
        known = customer.known = Known()
    return known


def _take(attributes: Attributes, moment: Moment, told: dict[str, Any], when: int) -> bool:
    customer = moment.customer
    profile, known = customer.profile, _known(customer)
    changed: dict[str, Any] = {}
    older: list[str] = []
    budget = [COMPARED_MAX]
    at = known.at
    for name, value in attributes:
        if name == CONSENTS:
            value = _consents(value, moment, told, when, older)  # noqa: PLW2901 - what is left of it
            if value is None:
                continue
        elif at.get(name, when) > when:
            older.append(name)
            continue
        if name in profile:
            at[name] = when
            before = profile[name]
            # `==` takes true for 1, also inside of lists and objects.
            if before != value or (type(value) is not str and not alike(before, value, budget)):
                changed[name] = value
        elif len(profile) + len(changed) < ATTRIBUTES_MAX:
            at[name] = when
            changed[name] = value
    if older:
        moment.tell("not_stored", attributes=older, reason="older than what is known", **told)
    if not changed:
        return False
    # Another dictionary, not this one changed: records that are out already show the profile as it was.
    whole = {**profile, **changed}
    if len(to_json(whole)) > PROFILE_BYTES_MAX:
        whole = _as_much_as_fits(profile, changed, moment, told)
        for name in changed:
            if name not in whole:
                del at[name]
        if whole == profile:
            return False
    if whole.get(CONSENTS) is not profile.get(CONSENTS):
        _log_consents(profile.get(CONSENTS), whole[CONSENTS], moment, known, when)
    customer.profile = whole
    moment.tell_profile()
    return True


def _consents(value: Any, moment: Moment, told: dict[str, Any], when: int, older: list[str]) -> dict[str, Any] | None:
    """All consents as they are after some were said, or None where nothing of that can be taken in."""
    if type(value) is not dict:
        reason = f"{CONSENTS} are a mapping, as in {{email_marketing: true}}, and this is {type(value).__name__}"
        moment.tell("not_stored", attributes=[CONSENTS], reason=reason, **told)
        return None
    before = moment.customer.profile.get(CONSENTS)
    whole = dict(before) if type(before) is dict else {}
    at = _known(moment.customer).consent_at
    for group, given in value.items():
        if at.get(group, when) > when:
            older.append(f"{CONSENTS}.{group}")
        elif group in whole or len(whole) < CONSENTS_MAX:
            whole[group] = given
            at[group] = when
    return whole


def _log_consents(before: Any, after: dict[str, Any], moment: Moment, known: Known, when: int) -> None:
    was = before if type(before) is dict else {}
    for group, given in after.items():
        if group not in was or was[group] != given or type(was[group]) is not type(given):
            known.consent_log.append((when, group, given, moment.cause))
    del known.consent_log[:-CONSENT_LOG_MAX]


def _as_much_as_fits(
    profile: dict[str, Any], changed: dict[str, Any], moment: Moment, told: dict[str, Any]
) -> dict[str, Any]:
    """Take the changes that fit, the small ones first: consent is withdrawn even beside an attribute that is too large."""
    whole, refused, size = dict(profile), [], len(to_json(profile))
    lengths = {name: len(to_json({name: value})) for name, value in changed.items()}
    for name in sorted(changed, key=lambda name: (lengths[name], name)):
        larger = size + lengths[name] - (len(to_json({name: profile[name]})) if name in profile else 0)
        if larger <= PROFILE_BYTES_MAX:
            whole[name], size = changed[name], larger
        else:
            refused.append(name)
    reason = f"the profile would have more than {PROFILE_BYTES_MAX:,} bytes"
    moment.tell("not_stored", attributes=refused, reason=reason, **told)
    return whole
