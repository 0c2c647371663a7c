"""`offers.yaml`, as pydantic models: what may be offered, to whom, when, how often, and what it is worth."""

import math
import re
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictFloat, StrictInt, ValidationInfo

from operators.definition_types import Duration, Model, Tags, Text, checked, explained, text_of
from operators.durations import parse_duration
from operators.expression_functions import moment
from operators.expressions import compile_expression
from operators.send_definitions import Channels, Worth
from operators.step_definitions import is_date
from operators.step_types import TemplateValue, mistake

OFFER_NAMES = ("profile", "traits", "segments", "now", "journey")
"""Root names of the expressions of an offer: many journeys choose it, so it knows of no entry."""

LIMIT_MAX = 100
"""How often an offer may be made in its time: as many are remembered of a customer."""

_LIMIT = re.compile(r"([0-9]+)\s+per\s+(\S+)", re.ASCII)


def _number(value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{value!r} is no measure of worth; write a number of 0 or more")


def _share(value: float) -> None:
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise ValueError(f"{value!r} is no propensity; write a number from 0 to 1, or an expression that gives one")


def _date(text: str) -> None:
    if not is_date(text) or moment(text, None) is None:
        raise ValueError(f"{text!r} is no date; write one as in: 2026-12-31, or 2026-12-31 18:00")


def _written(value: Any) -> Any:
    """YAML makes dates of what looks like one."""
    if isinstance(value, datetime):
        return value.isoformat(" " if value.tzinfo is None else "T")
    return value.isoformat() if isinstance(value, date) else value


def _limit(value: Any) -> Any:
    """`1 per 30d` is short for `{max: 1, per: 30d}`."""
    if isinstance(value, (dict, Limit)):
        return value
    found = _LIMIT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise mistake(f"{value!r} is no limit; write how often in what time, as in: limit: 1 per 30d")
    return {"max": int(found[1]), "per": found[2]}


def _max(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value < 1:
        raise mistake(f"a limit of {value} offers nothing, ever; write at least 1, or take the offer out")
    return value


def _expression(text: str) -> str:
    return str(checked(lambda one: compile_expression(one, OFFER_NAMES))(text))


def _number_or_expression(check: Any) -> Any:
    def validate(value: Any, _info: ValidationInfo) -> Any:
        if isinstance(value, bool):
            raise mistake(f"YAML reads {value!r} as yes or no; write a number, or an expression")
        if isinstance(value, (int, float)):
            return checked(check)(value)
        return _expression(text_of(value)) if not isinstance(value, (dict, list)) else value

    return validate


Propensity = Annotated[StrictInt | StrictFloat | str, BeforeValidator(_number_or_expression(_share))]
Context = Annotated[StrictInt | StrictFloat | str, BeforeValidator(_number_or_expression(_number))]


Day = Annotated[Text, explained(_date), BeforeValidator(_written, json_schema_input_type=Any)]


class Limit(Model):
    """How often an offer is made to one customer."""

    max: Annotated[StrictInt, BeforeValidator(_max), Field(le=LIMIT_MAX)] = Field(description="How often, at most")
    per: Annotated[Duration, explained(parse_duration)] = Field(description="In any so long a time")


class Offer(Model):
    """One thing that may be offered."""

    channel: Channels = Field(
        description="The channel; or a ranked list; or `best`, or {best: [...]}, in the customer's order"
    )
    template: Text = Field(min_length=1, description="Name of the template that the channel's worker fills")
    with_: dict[str, TemplateValue] = Field({}, alias="with", description="Values for the template; texts are Jinja2")
    tags: Tags = Field([], description="Added to the journey's tags; `choose: {from: TAG}` finds it by them")
    value: Worth = Field(1, description="What it is worth when it is taken")
    weight: Worth = Field(1, description="What the business adds or takes: 1.2 is a fifth more")
    propensity: Propensity = Field(
        1,
        description="How probably it is taken, 0 to 1: a number, or an expression such as profile.scores.free_shipping",
    )
    context: Context = Field(
        1,
        description="What the moment adds or takes: a number, or an expression such as 1.5 if 'vip' in segments else 1",
    )
    when: Annotated[Text, AfterValidator(_expression)] | None = Field(
        None, description="Only for customers for whom this expression holds"
    )
    from_: Day | None = Field(None, alias="from", description="The first day, or a time, in the customer's time zone")
    until: Day | None = Field(None, description="The last day, or a time at which it ends, in the customer's time zone")
    limit: Annotated[Limit, BeforeValidator(_limit, json_schema_input_type=Limit | str)] | None = Field(
        None, description="How often for one customer: {max: 1, per: 30d}, or 1 per 30d"
    )
