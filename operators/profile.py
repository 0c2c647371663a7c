"""The attributes of a customer's profile: what `identify` says and what steps set, within bounds."""

from collections.abc import Sequence
from typing import Any

from operators.expression_values import COMPARED_MAX, alike
from operators.moment import Moment
from operators.records import storable, to_json
from operators.templates import TemplateError, plain

ATTRIBUTES_MAX = 1_000
"""Attributes of one profile; further new ones are not taken in."""

PROFILE_BYTES_MAX = 512 << 10
"""Of one profile as JSON, half of what a broker takes in one record; what would make it larger is not taken in."""


def identify(moment: Moment, attributes: dict[str, Any], message_id: str) -> bool:
    """Take the attributes of an `identify` into the profile; whether it changed."""
    return _take([(name, storable(value)) for name, value in attributes.items()], moment, {"message_id": message_id})


def set_attributes(moment: Moment, attributes: Sequence[tuple[str, Any]], told: dict[str, Any]) -> bool:
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
    return _take(taken, moment, told)


def _take(attributes: Sequence[tuple[str, Any]], moment: Moment, told: dict[str, Any]) -> bool:
    profile = moment.customer.profile
    changed: dict[str, Any] = {}
    budget = [COMPARED_MAX]
    for name, value in attributes:
        if name in profile:
            before = profile[name]
            # `==` takes true for 1, also inside of lists and objects.
            if before != value or (type(value) is not str and not alike(before, value, budget)):
                changed[name] = value
        elif len(profile) + len(changed) < ATTRIBUTES_MAX:
            changed[name] = value
    if not changed:
        return False
    # Another dictionary, not this one changed: records that are out already show the profile as it was.
    whole = {**profile, **changed}
    if len(to_json(whole)) > PROFILE_BYTES_MAX:
        whole = _as_much_as_fits(profile, changed, moment, told)
        if whole == profile:
            return False
    moment.customer.profile = whole
    moment.tell_profile()
    return True


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
