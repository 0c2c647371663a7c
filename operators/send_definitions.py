"""Steps that send, as an author writes them: one message, or the best of several offers; on which channel, and when."""

import math
import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StrictFloat, StrictInt, Tag

from operators.calendar import parse_clock
from operators.definition_types import Duration, Model, Name, Tags, Text, checked
from operators.durations import parse_duration
from operators.step_types import TemplateValue, mistake

BEST: Final = "best"
"""In the place of a channel: all channels with an address, in the customer's order."""

BEST_TIME_MS_MAX: Final = 7 * 86_400_000
"""A week has every hour of the week; nobody waits longer for a better one."""

_BEST_TIME = re.compile(r"best_time(?:\s+within\s+(\S+))?", re.ASCII)


class StepModel(Model):
    """What every step may have."""

    id: Name | None = Field(None, description="Name of the step; by default its path, counted from 1, as in 2.else.1")


class Best(Model):
    """Channels in the order in which the customer answers on them."""

    best: Annotated[list[Name], Field(min_length=1)] = Field(
        description="The channels to choose from: the preferred one, then the one that is answered most, then as listed"
    )


def _channel_form(value: Any) -> str:
    return "<best>" if isinstance(value, (dict, Best)) else "<ranked>" if isinstance(value, (list, tuple)) else "<one>"


Channels = Annotated[
    Annotated[Name, Tag("<one>")]
    | Annotated[Annotated[list[Name], Field(min_length=1)], Tag("<ranked>")]
    | Annotated[Best, Tag("<best>")],
    Discriminator(_channel_form),
]


def parse_best_time(text: str) -> int | None:
    """How long (ms) a message may wait for the customer's best time; None for what does not speak of it.

    >>> parse_best_time("best_time within 24h"), parse_best_time("best_time"), parse_best_time("09:00")
    (86400000, 86400000, None)

    Raises:
        ValueError: It speaks of it, and does not say how long, or too long.
    """
    if text.split()[:1] != ["best_time"]:
        return None
    found = _BEST_TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} does not say how long it may wait; write it as in: at: best_time within 24h")
    within = parse_duration(found[1] or "24h")
    if within > BEST_TIME_MS_MAX:
        raise ValueError(f"{text!r} is longer than a week, which has every hour already; write 7d at most")
    return within


def _check_at(text: str) -> None:
    if parse_best_time(text) is None:
        parse_clock(text)


def check_worth(value: float) -> None:
    """Refuse what no message can be worth."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{value!r} is no value; write a number of 0 or more")


At = Annotated[Text, AfterValidator(checked(_check_at))]
Worth = Annotated[StrictInt | StrictFloat, AfterValidator(checked(check_worth))]

_AT: Final = (
    "When it goes: a clock time, or weekday and time, in the customer's time zone; or `best_time within 24h`: the hour of that time "
    "in which the customer is most active, now where nobody knows"
)
_EXPIRES: Final = "Counted from reaching the step: a later delivery is of no use"


class Send(StepModel):
    """A step that sends one message, or starts one task, on a channel."""

    send: Channels = Field(
        description="The channel; or a ranked list, of which the first that passes; or, in the customer's order, {best: [...]} or "
        "`best`: every channel with an address"
    )
    template: Text = Field(min_length=1, description="Name of the template that the channel's worker fills")
    with_: dict[str, TemplateValue] = Field({}, alias="with", description="Values for the template; texts are Jinja2")
    expires: Duration | None = Field(None, description=_EXPIRES)
    tags: Tags = Field([], description="Added to the journey's tags")
    value: Worth = Field(1, description="What the message is worth, against others of the same moment")
    at: At | None = Field(None, description=_AT)
    attach: Literal["profile"] | None = Field(None, description="`profile`: the action carries all that is known")


def _choice(value: Any) -> Any:
    if isinstance(value, (str, list)):
        raise mistake(f"say what it chooses from under `from`, as in: choose: {{from: {value!r}}}")
    return value


OfferNames = Annotated[
    Annotated[Name, Tag("<tag>")] | Annotated[Annotated[list[Name], Field(min_length=1)], Tag("<offers>")],
    Discriminator(lambda value: "<offers>" if isinstance(value, (list, tuple)) else "<tag>"),
]


class ChooseFrom(Model):
    """What is chosen from, and how."""

    from_: OfferNames = Field(
        alias="from", description="A list of offers of offers.yaml; or a tag: all offers that have it"
    )
    by: Literal["value"] = Field(
        "value", description="The best is the one of the highest propensity x value x weight x context"
    )
    nothing: Worth = Field(0, description="The score of sending nothing, which wins ties")


class Choose(StepModel):
    """A step that sends the best of several offers, or nothing."""

    choose: Annotated[ChooseFrom, BeforeValidator(_choice)] = Field(
        description="{from: [OFFER, ...] or TAG, nothing: SCORE}"
    )
    with_: dict[str, TemplateValue] = Field(
        {}, alias="with", description="Values for the template, beside and before those of the offer"
    )
    expires: Duration | None = Field(None, description=_EXPIRES)
    tags: Tags = Field([], description="Added to the journey's and the offer's tags")
    at: At | None = Field(None, description=_AT)
