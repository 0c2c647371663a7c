"""`orchestration.yaml`, as pydantic models: what holds for all journeys of a workspace.

Channels with what they need of a customer and when they are open, caps, suppression, the global control group, conflicts,
layers of experiments. What two places say together is in `operators.orchestration_mistakes`; `operators.gates` compiles.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictInt, field_validator

from operators.best_channel import ANSWER_RATE
from operators.calendar import parse_hours
from operators.definition_types import Model, Name, Text, checked, explained
from operators.durations import parse_duration
from operators.expressions import compile_expression
from operators.step_types import Names, Percent, parse_percent
from operators.zones import zone_named

CHANNELS = ("email", "push", "sms", "in_app", "ads", "web", "call_center")
"""The channels that ship."""

ADDRESS_NAMES = ("profile",)
SUPPRESS_NAMES = ("profile", "traits", "segments", "now")
"""Root names of the expressions: of addresses; of suppression."""

CAP_MAX = 1_000
"""Messages that one cap can count; that many are remembered of a customer for it."""

CAPS_MAX = 20
"""Caps of a workspace (Braze has ten rules at most)."""

CALENDAR = {"day": "day", "24h": "day", "1d": "day", "week": "week", "7d": "week", "1w": "week", "month": "month"}
"""How a calendar window may be written -> what it is."""

_ALMOST = re.compile(r"defer\s*(\S*)")
DEFER = re.compile(r"defer\s+(\S+)")


def _zone(value: str) -> None:
    if zone_named(value) is None:
        raise ValueError(f"{value!r} is no time zone; write one of the IANA database, as in: timezone: Europe/Berlin")


def _channel_zone(value: str) -> None:
    if value not in ("customer", "workspace") and zone_named(value) is None:
        raise ValueError(
            f"{value!r} is no time zone; write customer, workspace, or one of the IANA database, as in: zone: Europe/Berlin"
        )


def _max(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value < 1:
        raise ValueError(
            f"a cap of {value} lets nothing out, ever; write at least 1, or take the channel out of the journeys, or write a "
            "rule under `suppress`"
        )
    return value


def parse_then(text: str) -> tuple[str, int]:
    """What becomes of a message: (drop, 0), (next_channel, 0) or (defer, ms).

    Raises:
        ValueError: It is none of them.
    """
    found = DEFER.fullmatch(text)
    if found:
        return "defer", parse_duration(found[1])
    if text in ("drop", "next_channel"):
        return text, 0
    if _ALMOST.fullmatch(text):
        raise ValueError(f"{text!r} does not say how long; write `defer` and how long at most, as in: then: defer 24h")
    raise ValueError(f"{text!r} is none of drop, next_channel, or `defer` and how long at most, as in: then: defer 24h")


def _conflict_then(text: str) -> None:
    if parse_then(text)[0] == "next_channel":
        raise ValueError(
            "what loses against a better message loses on every channel; write drop, or defer and a duration"
        )


def _per(value: Any) -> Any:
    if value not in CALENDAR:
        parse_duration(value)
    return value


def _within(value: Any) -> Any:
    parse_duration(value, allow_zero=True)
    return value


Hours_ = Annotated[str, BeforeValidator(checked(parse_hours))]


class Channel(Model):
    """What holds for one channel."""

    address: Annotated[Text, explained(lambda text: compile_expression(text, ADDRESS_NAMES))] | None = Field(
        None, description="Where the customer is reached: an expression, as in profile.email; without one, no message"
    )
    consent: Name | None = Field(
        None, description="The group of consent that a message needs: x is read as profile.consents.x, and must be true"
    )
    quiet: Hours_ | None = Field(
        None, description="Hours in which nothing goes out, as in '21:00-08:00'; it waits for their end"
    )
    open: Hours_ | None = Field(None, description="Hours in which alone anything goes out, as in 'mon-fri 09:00-18:00'")
    answer_rate: Percent = Field(
        ANSWER_RATE,
        description="How many messages people answer here, on the whole: where `best` starts from for each customer",
    )
    zone: Annotated[Text, explained(_channel_zone)] = Field(
        "customer", description="Whose clock `quiet` and `open` go by: customer, workspace, or a time zone"
    )


class Cap(Model):
    """How many messages a customer gets at most."""

    channel: Names = Field([], description="Messages on this channel, or on any of a list; by default all")
    tag: Names = Field([], description="Messages with this tag, or with any of a list; by default all")
    journey: Names = Field([], description="Messages of this journey, or of any of a list; by default all")
    max: Annotated[StrictInt, BeforeValidator(checked(_max)), Field(le=CAP_MAX)] = Field(
        description="How many, at most"
    )
    per: Annotated[Text, BeforeValidator(checked(_per))] = Field(
        description="In how long: a duration; for a calendar window day, week or month"
    )
    window: Literal["rolling", "calendar"] = Field(
        "rolling",
        description="rolling: any so long a time; calendar: from midnight, Monday, the 1st, in the customer's zone",
    )
    then: Annotated[Text, explained(parse_then)] = Field(
        "drop", description="What becomes of one more: drop, next_channel, or `defer` and how long at most"
    )

    def __str__(self) -> str:
        """As facts and messages show it: `at most 2 per 24h (channel email)`."""
        of = [f"{key} {' or '.join(names)}" for key in ("channel", "tag", "journey") if (names := getattr(self, key))]
        calendar = "calendar " if self.window == "calendar" else ""
        return f"at most {self.max} per {calendar}{self.per}" + (f" ({', '.join(of)})" if of else "")


class SuppressRule(Model):
    """A condition under which messages are held back."""

    when: Annotated[Text, explained(lambda text: compile_expression(text, SUPPRESS_NAMES))] = Field(
        description="An expression of profile, traits, segments and now"
    )
    channel: Names = Field([], description="On this channel, or on any of a list; by default all")
    tag: Names = Field([], description="Messages with this tag, or with any of a list; by default all")


class ConflictsRule(Model):
    """Which messages of one customer at one instant compete, and how many of them go out."""

    tag: Names = Field([], description="Messages with this tag, or with any of a list; by default all")
    within: Annotated[str, BeforeValidator(checked(_within))] = Field(
        "0s", description="How long a message waits for better ones; 0s: only those of the same instant compete"
    )
    keep: StrictInt = Field(1, ge=1, le=100, description="How many go out")
    then: Annotated[Text, explained(_conflict_then)] = Field(
        "drop",
        description="What becomes of the others: drop, or `defer` and a duration, after which they compete once more",
    )


_SHARE = re.compile(r"([0-9.]+)\s*-\s*([0-9.]+)\s*%")


def parse_range(text: object) -> tuple[int, int]:
    """A part of a layer, from and to in hundredths of a percent.

    >>> parse_range("0-50%"), parse_range("62.5-100%")
    ((0, 5000), (6250, 10000))

    Raises:
        ValueError: It is no part.
    """
    found = _SHARE.fullmatch(text.strip()) if isinstance(text, str) else None
    try:
        start, end = (parse_percent(f"{part}%") for part in found.groups()) if found else (0, 0)
    except ValueError:
        start = end = 0
    if start >= end:
        raise ValueError(f"{text!r} is no part of a layer; write from where to where in percent, as in: 0-50%")
    return start, end


class Orchestration(Model):
    """What holds for all journeys."""

    timezone: Annotated[Text, explained(_zone)] = Field(description="Used when a customer has none of their own")
    channels: dict[Name, Channel] = Field({name: Channel() for name in CHANNELS}, description="The channels there are")
    caps: Annotated[list[Cap], Field(max_length=CAPS_MAX)] = Field(
        [], description="How many messages a customer gets at most; all hold, the strictest wins"
    )
    bypass: list[Name] = Field([], description="Tags of messages that go out whatever caps, hours and consent say")
    suppress: list[SuppressRule] = Field([], description="Conditions under which messages are held back")
    control: Percent = Field(
        "0%", description="Share of customers who are sent nothing with the tag marketing, for comparison"
    )
    conflicts: ConflictsRule | None = Field(None, description="Messages of one customer at one instant compete")
    layers: dict[Name, dict[Name, Annotated[str, BeforeValidator(checked(parse_range))]]] = Field(
        {},
        description="Experiments that exclude each other: layer -> experiment -> its part of the customers, as in 0-50%",
    )

    @field_validator("channels", mode="before")
    @classmethod
    def _empty_is_default(cls, value: Any) -> Any:
        """`email:` with nothing behind it is a channel without settings."""
        return {name: {} if one is None else one for name, one in value.items()} if isinstance(value, dict) else value
