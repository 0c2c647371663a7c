"""What an author writes: journeys and `orchestration.yaml`, as pydantic models.

The models say what may stand where, and their descriptions are what an editor shows. The language is bigger than this
version: what it has and this version cannot do yet is named in the `LATER_...` tables, so that it is refused in words
and never ignored. `operators.workspace` reads the texts and gathers the complaints, `operators.plan` compiles.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictInt, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from operators.definition_types import LATER, Duration, Model, Name, Tags, Text, explained
from operators.durations import parse_duration
from operators.pattern_definitions import PatternFields, pattern_mistakes
from operators.templates import TEMPLATE_NAMES, TemplateError, compile_value, names_used
from operators.zones import zone_named

CHANNELS = ("email", "push", "sms", "in_app", "ads", "web", "call_center")
"""The channels that ship."""


AGAIN_PERIOD = re.compile(r"after\s+(\S+)")


def _again(value: str) -> None:
    if value in ("never", "always", "after_exit"):
        return
    period = AGAIN_PERIOD.fullmatch(value)
    if not period:
        raise ValueError(
            f"{value!r} is no re-entry rule; write never, always, after_exit, or `after` and a duration, as in: after 5d"
        )
    parse_duration(period.group(1))


class Enter(PatternFields):
    """What brings a customer into the journey."""

    later = ("segment", "schedule")
    again: Annotated[Text, explained(_again)] = Field(
        "never", description="Re-entry: never, always, after_exit, or after DURATION since entry"
    )


def enter_mistakes(enter: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What no field of `enter` can see alone: (place below `enter`, sentence)."""
    if any(key in enter for key in ("segment", "schedule")):
        return  # refused by name; what else there should be depends on them
    if (enter.get("event") is None) == (enter.get("pattern") is None):
        yield (), "say what enters: either `event` or `pattern`, one of the two"
    yield from pattern_mistakes(enter)
    pattern = enter.get("pattern")
    for index, element in enumerate(pattern if isinstance(pattern, list) else ()):
        if isinstance(element, dict) and element.get("absent") is not None:
            yield ("pattern", index, "absent"), f"`absent` {LATER}"  # its deadline needs the timers of a customer


_TEMPLATE_LATER = ("traits", "segments")


def _template(value: Any) -> None:
    compile_value(value, (*TEMPLATE_NAMES, *_TEMPLATE_LATER))
    for name in sorted(names_used(value) & set(_TEMPLATE_LATER)):
        raise TemplateError(f"the template uses {name!r}, which {LATER}")


TemplateValue = Annotated[Any, explained(_template)]


class Send(Model):
    """A step that sends one message, or starts one task, on a channel."""

    later = ("value", "at", "attach")
    id: Name | None = Field(None, description="Name of the step; by default its place, counted from 1")
    send: Name = Field(description="The channel")
    template: Text = Field(min_length=1, description="Name of the template that the channel's worker fills")
    with_: dict[str, TemplateValue] = Field({}, alias="with", description="Values for the template; texts are Jinja2")
    expires: Duration | None = Field(None, description="Counted from reaching the step: a later delivery is of no use")
    tags: Tags = Field([], description="Added to the journey's tags")


STEP_KINDS = ("send", "wait", "wait_for", "branch", "split", "choose", "suppress", "release", "set", "exit", "use")
_STEPS_NOW = ("send",)


def _known_step(value: Any) -> Any:
    """Refuse a step that is none, or that this version cannot do, before its fields are looked at."""
    if not isinstance(value, dict):
        raise PydanticCustomError("step", "a step is a mapping that begins with what it does, as in: send: email")
    kinds = [kind for kind in STEP_KINDS if kind in value]
    for kind in kinds:
        if kind not in _STEPS_NOW:
            raise PydanticCustomError(
                "step",
                f"the step `{{kind}}` {LATER}",
                {"kind": kind},
            )
    if kinds and isinstance(value["send"], (list, dict)):
        raise PydanticCustomError(
            "step",
            f"a list or a choice of channels {LATER}; name one channel, as in: send: email",
        )
    if not kinds and not any(key in Send.model_fields for key in value):
        raise PydanticCustomError("step", "no step that is known; write send")
    return value


Step = Annotated[Send, BeforeValidator(_known_step)]


VERSION_MAX = 1_000_000_000
"""More than anyone counts to, or a date without dashes; and far inside the 64 bits that JSON is written with."""


class Journey(Model):
    """One journey: who enters, and what happens then."""

    later = ("control", "goal", "exit", "params", "use", "migrate", "skip")
    journey: Name = Field(description="Its name, unique in the workspace")
    version: StrictInt = Field(1, ge=1, le=VERSION_MAX, description="Counted up when the journey changes")
    description: Text = Field("", description="The story in a sentence")
    priority: StrictInt = Field(50, ge=0, le=100, description="Between journeys; higher goes first")
    tags: Tags = Field([], description="What caps, consent and suppression speak of")
    enter: Enter
    steps: list[Step] = Field(min_length=1)


class Channel(Model):
    """What holds for one channel."""

    later = ("address", "consent", "quiet", "open", "zone")


def _zone(value: str) -> None:
    if zone_named(value) is None:
        raise ValueError(f"{value!r} is no time zone; write one of the IANA database, as in: timezone: Europe/Berlin")


class Orchestration(Model):
    """What holds for all journeys."""

    later = ("caps", "bypass", "suppress", "control", "conflicts")
    timezone: Annotated[Text, explained(_zone)] = Field(description="Used when a customer has none of their own")
    channels: dict[Name, Channel] = Field({name: Channel() for name in CHANNELS}, description="The channels there are")

    @field_validator("channels", mode="before")
    @classmethod
    def _empty_is_default(cls, value: Any, _info: ValidationInfo) -> Any:
        """`email:` with nothing behind it is a channel without settings."""
        return {name: {} if one is None else one for name, one in value.items()} if isinstance(value, dict) else value
