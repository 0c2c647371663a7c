"""What an author writes: journeys and `orchestration.yaml`, as pydantic models.

The models say what may stand where, and their descriptions are what an editor shows. The language is bigger than this
version: what it has and this version cannot do yet is named in the `LATER_...` tables, so that it is refused in words
and never ignored. `operators.workspace` reads the texts and gathers the complaints, `operators.plan` compiles.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from operators.durations import parse_duration
from operators.expressions import ExpressionError, compile_expression
from operators.paths import compile_path
from operators.patterns import EVENTS_MAX
from operators.templates import TEMPLATE_NAMES, TemplateError, compile_value, names_used
from operators.zones import zone_named

WHERE_NAMES = ("event", "properties", "profile", "now", "journey")
"""Root names of a `where` on an element."""

LATER = "is part of the journey language, but this version of Sojourn cannot do it yet"

LATER_NAMES = dict.fromkeys(
    ("first", "matched", "entry", "traits", "segments"),
    "it is part of the journey language, but not of this version of Sojourn",
)

CHANNELS = ("email", "push", "sms", "in_app", "ads", "web", "call_center")
"""The channels that ship."""


def _checked(check: Callable[[Any], object]) -> Callable[[Any], Any]:
    """A validator that keeps the text and turns the compiler's complaint into pydantic's."""

    def validate(value: Any) -> Any:
        try:
            check(value)
        except (ExpressionError, TemplateError, ValueError) as error:
            raise PydanticCustomError("language", "{message}", {"message": str(error)}) from error
        return value

    return validate


def _explained(check: Callable[[Any], object]) -> AfterValidator:
    return AfterValidator(_checked(check))


def _text(value: Any) -> Any:
    """YAML reads yes, 5 and 2026-01-01 as no text; a name or a text must be quoted then."""
    if isinstance(value, (bool, int, float)) or value is None or not isinstance(value, (str, list, dict)):
        raise PydanticCustomError(
            "text", "YAML reads this as {kind}, not as text; put it in quotes", {"kind": type(value).__name__}
        )
    return value


Text = Annotated[str, BeforeValidator(_text)]
Name = Annotated[
    Text,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100),
]
Duration = Annotated[str, BeforeValidator(_checked(parse_duration))]
Path = Annotated[Text, _explained(compile_path)]
Where = Annotated[Text, _explained(lambda text: compile_expression(text, WHERE_NAMES, later=LATER_NAMES))]
EventNames = Annotated[
    Annotated[list[Text], Field(min_length=1)],
    BeforeValidator(lambda value: value if isinstance(value, (list, dict)) else [_text(value)]),
]
Tags = list[Name]


class Model(BaseModel):
    """A mapping in a definition file: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    later: ClassVar[tuple[str, ...]] = ()
    """Keys of the language that this version cannot do yet."""


class Without(Model):
    """Events that must not have happened."""

    event: EventNames = Field(description="Name of the event, or a list of names")
    where: Where | None = Field(None, description="Only events for which this expression holds")
    by: Annotated[Text, _explained(lambda text: None if text == "any" else compile_path(text))] | None = Field(
        None, description="Path of the value that must be the same; by default the element's; `any` drops the test"
    )
    over: Literal["span", "window"] = Field(
        "span",
        description="`span`: none from the first to the last match; `window`: none in the whole of `within` up to the match",
    )


class Times(Model):
    """`times: 3`, or `times: {at_least: 3}`: the last element of a pattern matches at its nth, so they are the same there."""

    later = ("at_most",)
    at_least: StrictInt = Field(ge=1, le=EVENTS_MAX // 2)


class Element(Model):
    """One element of a pattern."""

    later = ("as", "distinct", "optional", "strict", "absent", "for", "skip")
    event: EventNames = Field(
        description="Name of the event, or a list of names; or page, screen, identify, group, alias"
    )
    where: Where | None = Field(None, description="Only events for which this expression holds")
    times: Annotated[
        Times, BeforeValidator(lambda value: value if isinstance(value, dict) else {"at_least": value})
    ] = Field(Times(at_least=1), description="How often: a number, or {at_least: n}")
    by: Path | None = Field(None, description="Path of the value that must be the same in all of them")
    without: Without | None = Field(None, description="Events that must not have happened meanwhile")


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


class Enter(Model):
    """What brings a customer into the journey."""

    later = ("segment", "schedule", "skip")
    event: EventNames | None = Field(None, description="One event that enters; short for a pattern of one")
    where: Where | None = Field(None, description="With `event`: only events for which this expression holds")
    pattern: Annotated[list[Element], Field(min_length=1)] | None = Field(
        None, description="What must happen, in order"
    )
    within: Duration | None = Field(None, description="From the first to the last matched event, in event time")
    key: Path | None = Field(None, description="One run at a time per customer and value of this path")
    again: Annotated[Text, _explained(_again)] = Field(
        "never", description="Re-entry: never, always, after_exit, or after DURATION since entry"
    )
    max_age: Duration = Field("72h", description="An event older than this against log time never enters")

    @property
    def element(self) -> Element:
        """The one element of the pattern; a bare `event` is a pattern of one."""
        return self.pattern[0] if self.pattern else Element(event=self.event or [], where=self.where)


def enter_mistakes(enter: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What no field of `enter` can see alone: (place below `enter`, sentence).

    Looks at the values as they are written: a validator of the model would not run beside a mistake in a field.
    """
    pattern = enter.get("pattern")
    if any(key in enter for key in ("segment", "schedule")):
        return  # refused by name; what else there should be depends on them
    if (enter.get("event") is None) == (pattern is None):
        yield (), "say what enters: either `event` or `pattern`, one of the two"
    elif enter.get("where") is not None and pattern is not None:
        yield (), f"`where` beside `pattern` {LATER}; write `where` in the element"
    if not isinstance(pattern, list):
        return
    if len(pattern) > 1:
        yield ("pattern",), f"a pattern of several elements {LATER}"
    element = pattern[0] if pattern else None
    if not isinstance(element, dict):
        return
    times, without = element.get("times"), element.get("without")
    at_least = times.get("at_least") if isinstance(times, dict) else times
    if enter.get("within") is None:
        if isinstance(at_least, int) and at_least > 1:
            yield (), "several events need `within`: how long from the first to the last, as in: within: 5d"
        elif without is not None:
            yield (), "`without` needs `within`: how far back it looks, as in: within: 5d"
    if isinstance(without, dict) and element.get("by") is None and without.get("by") not in (None, "any"):
        yield (
            ("pattern", 0, "without", "by"),
            "`by` in `without` is compared with the element's, which has none; write `by` in the element, too",
        )


_TEMPLATE_LATER = ("traits", "segments")


def _template(value: Any) -> None:
    compile_value(value, (*TEMPLATE_NAMES, *_TEMPLATE_LATER))
    for name in sorted(names_used(value) & set(_TEMPLATE_LATER)):
        raise TemplateError(f"the template uses {name!r}, which {LATER}")


TemplateValue = Annotated[Any, _explained(_template)]


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
    timezone: Annotated[Text, _explained(_zone)] = Field(description="Used when a customer has none of their own")
    channels: dict[Name, Channel] = Field({name: Channel() for name in CHANNELS}, description="The channels there are")

    @field_validator("channels", mode="before")
    @classmethod
    def _empty_is_default(cls, value: Any, _info: ValidationInfo) -> Any:
        """`email:` with nothing behind it is a channel without settings."""
        return {name: {} if one is None else one for name, one in value.items()} if isinstance(value, dict) else value
