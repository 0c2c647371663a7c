"""The steps of a journey, as an author writes them.

One model for each kind of step; `Step` chooses by the key that says what the step does. What no step sees alone - ids,
channels that there are, steps that nobody reaches - is looked at by `operators.journey_mistakes`.
"""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StrictFloat, StrictInt, Tag, ValidationInfo
from pydantic_core import PydanticCustomError

from operators.calendar import parse_clock
from operators.definition_types import Duration, EventNames, Model, Name, Text, checked
from operators.durations import parse_duration
from operators.expression_functions import moment
from operators.send_definitions import Best, Choose, ChooseFrom, Send, StepModel, check_worth
from operators.step_types import Condition, Names, check_condition, mistake

_CLOCK_LIKE = re.compile(r"(?:\w+\s+)?[0-9]{1,2}:[0-9]{1,2}(?::[0-9]{2})?", re.ASCII)
_DATE_LIKE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*", re.ASCII | re.DOTALL)


def is_clock(text: str) -> bool:
    """Whether a text is meant as a clock time, right or wrong: `09:00`, `monday 09:00`, `25:00`."""
    return _CLOCK_LIKE.fullmatch(text.strip()) is not None


def is_date(text: str) -> bool:
    """Whether a text is meant as a date or time, right or wrong: `2026-03-01`, `2026-03-01 09:00`."""
    return _DATE_LIKE.fullmatch(text.strip()) is not None


def _check_date(text: str) -> None:
    if moment(text, None) is None:
        raise ValueError(f"{text!r} is no date and no time; write one as in: 2026-03-01, or 2026-03-01 09:00")


def _until(value: str, info: ValidationInfo) -> str:
    if is_clock(value):
        return str(checked(parse_clock)(value))
    if is_date(value):
        return str(checked(_check_date)(value))
    return check_condition(value, info)


Until = Annotated[Text, AfterValidator(_until)]


class Delay(Model):
    """How long to wait: `3d`, `{for: 3d}`, `{for: 7d, from: entry}`, or `{until: ...}`."""

    for_: Duration | None = Field(None, alias="for", description="A duration: a day is 24 hours")
    from_: Literal["step", "entry"] = Field(
        "step", alias="from", description="With `for`: since when it counts, from reaching the step or from the entry"
    )
    until: Until | None = Field(
        None,
        description="A clock time ('09:00'), a weekday and time (monday 09:00), a date, or an expression that gives one, "
        "in the customer's time zone",
    )


def _delay(value: Any) -> Any:
    """`3d` is short for `{for: 3d}`; both are looked at here, where what to write instead can be said."""
    how = "write a duration, as in 3d, or {until: '09:00'}, {until: monday 09:00}, {until: profile.renewal_date - 14d}"
    if isinstance(value, dict):
        if ("for" in value) == ("until" in value):
            raise mistake(f"say how long, with either `for` or `until`, one of the two; {how}")
        if "until" in value and "from" in value:
            raise mistake("`from` says where a duration begins to count; a time `until` has no beginning, leave it out")
        return value
    if isinstance(value, str) and (is_clock(value) or is_date(value)):
        raise mistake(f"{value!r} is a time, not a duration; write {{until: {value!r}}}")
    if not isinstance(value, str):
        checked(parse_duration)(value)
    return {"for": value}


Wait_ = Annotated[Delay, BeforeValidator(_delay, json_schema_input_type=str | Delay)]


class Wait(StepModel):
    """A step that waits."""

    wait: Wait_ = Field(description="A duration, or {until: ...}")


class Back(Model):
    """How often a branch may go back to the start of its wait."""

    max: StrictInt = Field(ge=1, le=1_000_000, description="How often, each time the wait is reached")


def _back(value: Any) -> Any:
    if isinstance(value, (bool, dict, Back)):
        return value
    raise mistake("write `again: true`, or how often at most, as in: again: {max: 3}")


Again = Annotated[
    Annotated[
        Annotated[bool, Tag("<flag>")] | Annotated[Back, Tag("<back>")],
        Discriminator(lambda value: "<flag>" if isinstance(value, bool) else "<back>"),
    ],
    BeforeValidator(_back),
]


class Reply(Model):
    """One event, or one outcome of an own message, that ends a wait."""

    event: EventNames | None = Field(None, description="Name of the event, or a list of names")
    where: Condition | None = Field(None, description="Only if this expression holds; `event` is the one just read")
    outcome: (
        Literal["delivered", "opened", "clicked", "replied", "engaged", "called", "bounced", "unsubscribed"] | None
    ) = Field(None, description="Feedback on a message that this run sent; `engaged` is opened, clicked or replied")
    of: Name | None = Field(None, description="With `outcome`: the step that sent it; by default any of the run")
    do: list["Step"] = Field([], description="Steps of this branch")
    again: Again = Field(False, description="Afterwards back to the start of the wait: true, or {max: n}")


class Otherwise(Model):
    """What happens at the deadline, where it may go back to the start of the wait."""

    do: list["Step"] = Field([], description="Steps")
    again: Again = Field(False, description="Afterwards back to the start of the wait: true, or {max: n}")


def _otherwise(value: Any) -> Any:
    return {"do": value} if isinstance(value, list) else value


class WaitFor(StepModel):
    """A step that waits for the first of several events, or for its deadline."""

    wait_for: Annotated[list[Reply], Field(min_length=1)] = Field(description="What may come, and what happens then")
    timeout: Wait_ = Field(description="When the wait ends by itself: as `wait`, or {for: 7d, from: entry}")
    else_: Annotated[Otherwise, BeforeValidator(_otherwise, json_schema_input_type=list["Step"] | Otherwise)] | None = (
        Field(None, alias="else", description="Steps for when nothing came; or {do: [...], again: ...}")
    )
    rank: bool = Field(False, description="Wait until the deadline and take the highest listed of what came")


class Choice(Model):
    """One way of a branch."""

    when: Condition | None = Field(None, description="If this expression holds; the last way may do without")
    do: list["Step"] = Field([], description="Steps of this way")


class Branch(StepModel):
    """A step that takes the first way whose condition holds."""

    branch: Annotated[list[Choice], Field(min_length=1)] = Field(description="The ways, in order")


class Arm(Model):
    """One arm of an experiment."""

    weight: Annotated[StrictInt | StrictFloat, AfterValidator(checked(check_worth))] = Field(
        1, description="Share of the customers, relative to the other arms"
    )
    do: list["Step"] = Field([], description="Steps of this arm")


class Experiment(Model):
    """An experiment: who gets which arm is a hash of its name and the customer."""

    name: Name = Field(description="Same name, same arm for a customer, everywhere")
    arms: Annotated[dict[Name, Arm], Field(min_length=1)] = Field(description="The arms, by name")
    else_: Name | None = Field(
        None,
        alias="else",
        description="Where the experiment is in a layer: the arm whose steps those walk who are outside, and not counted",
    )


class Split(StepModel):
    """A step that deals customers to the arms of an experiment."""

    split: Experiment


class Suppress(StepModel):
    """A step that holds messages back."""

    suppress: Names = Field(description="The channel, a list of them, or `all`")
    tag: Names | None = Field(None, description="Only messages with this tag, or with any of a list; by default all")
    for_: Duration | None = Field(None, alias="for", description="How long; without it, until the run ends")


class Release(StepModel):
    """A step that ends what this journey holds back, earlier than it would."""

    release: Names = Field(description="The channel, a list of them, or `all`")
    tag: Names | None = Field(None, description="Only what was held back by this tag")


class Computed(Model):
    """The value of an expression."""

    expr: Condition = Field(description="The expression")


def _attribute_form(value: Any) -> str:
    is_computed = isinstance(value, Computed) or (isinstance(value, dict) and set(value) == {"expr"})
    return "<expr>" if is_computed else "<literal>"


def literal(value: Any) -> Any:
    """A value that JSON can hold."""
    if isinstance(value, dict):
        return {str(key): literal(part) for key, part in value.items()}
    if isinstance(value, list):
        return [literal(part) for part in value]
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float)):
        if isinstance(value, float) and not math.isfinite(value):
            raise mistake(f"{value!r} is no number that JSON can hold")
        return value
    kind = type(value).__name__
    raise PydanticCustomError("text", "YAML reads this as {kind}, not as text; put it in quotes", {"kind": kind})


Attribute = Annotated[
    Annotated[Computed, Tag("<expr>")] | Annotated[Annotated[Any, AfterValidator(literal)], Tag("<literal>")],
    Discriminator(_attribute_form),
]


class Set(StepModel):
    """A step that sets attributes of the profile."""

    set: Annotated[dict[Text, Attribute], Field(min_length=1)] = Field(
        description="Attributes: literals, or {expr: ...}"
    )


class Exit(StepModel):
    """A step that ends the run."""

    exit: Annotated[Text, Field(min_length=1, max_length=100)] = Field(description="The reason")


STEP_MODELS: dict[str, type[StepModel]] = {
    "send": Send,
    "choose": Choose,
    "wait": Wait,
    "wait_for": WaitFor,
    "branch": Branch,
    "split": Split,
    "suppress": Suppress,
    "release": Release,
    "set": Set,
    "exit": Exit,
}
"""What a step does -> its model."""

STEP_KINDS = tuple(STEP_MODELS)


def kind_of(step: Any) -> str:
    """What a step does, from the values as written; empty for what is no step."""
    if isinstance(step, Mapping):
        kinds = [kind for kind in STEP_KINDS if kind in step]
        if not kinds:  # what does it lack?
            kinds = [
                kind for kind, keys in (("wait_for", ("timeout", "else", "rank")),) if any(k in step for k in keys)
            ]
            kinds = kinds or ["send" for key in ("template", "with", "expires") if key in step]
        return kinds[0] if kinds else ""
    return next((kind for kind, model in STEP_MODELS.items() if isinstance(step, model)), "")


def _known_step(value: Any) -> Any:
    """Refuse a step that is none, or that this version cannot do, before its fields are looked at."""
    if isinstance(value, StepModel):
        return value
    if not isinstance(value, dict):
        raise PydanticCustomError("step", "a step is a mapping that begins with what it does, as in: send: email")
    kinds = [kind for kind in STEP_KINDS if kind in value]
    if len(kinds) > 1:
        both = " and ".join(f"`{kind}`" for kind in kinds[:2])
        raise PydanticCustomError("step", f"one step does one thing, and this does {both}; write two steps")
    if not kind_of(value):
        keys = ", ".join(repr(key) for key in value) or "nothing"
        raise PydanticCustomError(
            "step", f"no step that is known: it has {keys}; a step has one of {', '.join(STEP_MODELS)}"
        )
    return value


def _tag_of(step: Any) -> str:
    return f"<{kind_of(step)}>"


TAGS: dict[str, type[Model]] = {
    **{f"<{kind}>": model for kind, model in STEP_MODELS.items()},
    "<back>": Back,
    "<best>": Best,
    "<choice>": ChooseFrom,
    "<expr>": Computed,
}
"""How pydantic's locations tell which kind of step a mistake is in; no key of a file looks like it."""

Step = Annotated[
    Annotated[
        Annotated[Send, Tag("<send>")]
        | Annotated[Choose, Tag("<choose>")]
        | Annotated[Wait, Tag("<wait>")]
        | Annotated[WaitFor, Tag("<wait_for>")]
        | Annotated[Branch, Tag("<branch>")]
        | Annotated[Split, Tag("<split>")]
        | Annotated[Suppress, Tag("<suppress>")]
        | Annotated[Release, Tag("<release>")]
        | Annotated[Set, Tag("<set>")]
        | Annotated[Exit, Tag("<exit>")],
        Discriminator(_tag_of),
    ],
    BeforeValidator(_known_step),
]

for _model in (Reply, Otherwise, WaitFor, Choice, Branch, Arm, Experiment, Split):
    _model.model_rebuild()
