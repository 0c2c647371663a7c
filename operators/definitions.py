"""What an author writes in a journey, as pydantic models; `orchestration.yaml` is in `operators.orchestration`.

The models say what may stand where, and their descriptions are what an editor shows. `operators.workspace` reads the texts and
gathers the complaints, `operators.plan` compiles.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    StrictInt,
    Tag,
    ValidationInfo,
)

from operators.cron import parse_cron
from operators.definition_types import Duration, EventNames, Model, Name, Tags, Text, explained
from operators.durations import parse_duration
from operators.expressions import compile_expression
from operators.pattern_definitions import PatternFields, pattern_mistakes
from operators.step_definitions import Step
from operators.step_types import RUN_NAMES, Condition, PathOrAny, Percent, check_condition, mistake, names_here

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


class SegmentEntry(Model):
    """A change of a segment that enters: `{entered: vip}` or `{left: vip}`."""

    entered: Name | None = Field(None, description="The segment that the customer enters")
    left: Name | None = Field(None, description="The segment that the customer leaves")


class Schedule(Model):
    """Times at which a journey is entered."""

    cron: Annotated[Text, explained(parse_cron)] = Field(
        description="Minute, hour, day of the month, month and weekday, in the customer's time zone: 0 10 * * mon"
    )
    segment: Name | None = Field(None, description="Only customers who are in this segment then; by default all")


class Enter(PatternFields):
    """What brings a customer into the journey."""

    segment: SegmentEntry | None = Field(None, description="A change of a segment: {entered: vip} or {left: vip}")
    schedule: Schedule | None = Field(
        None, description="Times, and whom they are for: {cron: 0 10 * * mon, segment: vip}"
    )
    again: Annotated[Text, explained(_again)] = Field(
        "never", description="Re-entry: never, always, after_exit, or after DURATION since entry"
    )


ENTRY_FORMS = ("event", "pattern", "segment", "schedule")


def enter_mistakes(enter: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What no field of `enter` can see alone: (place below `enter`, sentence)."""
    forms = [form for form in ENTRY_FORMS if enter.get(form) is not None]
    if len(forms) != 1:
        yield (), f"say what enters: one of {', '.join(ENTRY_FORMS)}"
    for form in ("segment", "schedule"):
        if form in forms:
            for key in ("key", "within", "skip"):
                if enter.get(key) is not None:
                    yield (key,), f"`{key}` speaks of events, and `{form}` has none; leave it out"
    segment = enter.get("segment")
    if isinstance(segment, dict) and ("entered" in segment) == ("left" in segment):
        yield ("segment",), "say which change: either `entered` or `left`, one of the two, as in: {entered: vip}"
    yield from pattern_mistakes(enter)


class Goal(Model):
    """What the journey is for."""

    event: EventNames = Field(description="Name of the event, or a list of names")
    where: Condition | None = Field(None, description="Only events for which this expression holds")
    by: PathOrAny | None = Field(
        None, description="Path of the value that must be that of the run's key (or pattern); `any` looks at no value"
    )
    within: Duration = Field("30d", description="After the entry, in event time, whether or not the run is over")
    value: Condition | None = Field(None, description="What it is worth: an expression, as in properties.revenue")


EXIT_FORMS = ("event", "entered", "left", "when")
_EXIT_STEPS = ("send", "set", "release")


def _exit_step(step: Any) -> Any:
    if isinstance(step, dict) and not any(kind in step for kind in _EXIT_STEPS):
        raise mistake(f"what is done at an exit may only {', '.join(_EXIT_STEPS)}; put other steps into the journey")
    if isinstance(step, dict) and "at" in step:
        raise mistake("a message at an exit goes out at once, since the run is over; leave `at` out")
    return step


def _when(text: str, info: ValidationInfo) -> str:
    check_condition(text, info)
    expression = compile_expression(text, (*RUN_NAMES, *names_here(info)))
    if "now" in expression.names:
        raise mistake(
            f"{text!r} changes with the time, and `when` is looked at only when the customer does something; make a segment "
            "of it, and write: entered: SEGMENT"
        )
    return text


When = Annotated[Text, AfterValidator(_when)]


class ExitRule(Model):
    """What ends a run from outside."""

    event: EventNames | None = Field(None, description="Name of the event, or a list of names")
    entered: Name | None = Field(None, description="The segment that the customer enters")
    left: Name | None = Field(None, description="The segment that the customer leaves")
    when: When | None = Field(None, description="An expression; looked at whenever the customer does anything")
    where: Condition | None = Field(None, description="With `event`: only events for which this expression holds")
    by: PathOrAny | None = Field(
        None, description="With `event`: path of the value that must be that of the run's key (or pattern)"
    )
    reason: Annotated[Text, Field(min_length=1, max_length=100)] | None = Field(None, description="Told as the reason")
    do: list[Annotated[Step, BeforeValidator(_exit_step)]] = Field(
        [], description="Steps on the way out: send, set, release"
    )


def _exit_rule(rule: Any) -> Any:
    if isinstance(rule, str) and rule != "goal":
        raise mistake(f"{rule!r} is no exit rule; write goal, or what ends the run, as in: {{event: Unsubscribed}}")
    return rule


ExitOn = Annotated[
    Annotated[
        Annotated[Literal["goal"], Tag("<goal>")] | Annotated[ExitRule, Tag("<exit rule>")],
        Discriminator(lambda rule: "<goal>" if isinstance(rule, str) else "<exit rule>"),
    ],
    BeforeValidator(_exit_rule),
]


VERSION_MAX = 1_000_000_000
"""More than anyone counts to, or a date without dashes; and far inside the 64 bits that JSON is written with."""


class Journey(Model):
    """One journey: who enters, and what happens then."""

    journey: Name = Field(description="Its name, unique in the workspace")
    version: StrictInt = Field(1, ge=1, le=VERSION_MAX, description="Counted up when the journey changes")
    description: Text = Field("", description="The story in a sentence")
    priority: StrictInt = Field(50, ge=0, le=100, description="Between journeys; higher goes first")
    tags: Tags = Field([], description="What caps, consent and suppression speak of")
    control: Percent = Field("0%", description="Share of customers who walk the journey and are sent nothing")
    goal: Goal | None = Field(None, description="What the journey is for; watched after the run has ended, too")
    exit: list[ExitOn] = Field([], description="What ends a run, also in the middle of a wait")
    migrate: dict[Text, Text] = Field(
        {}, description="From a step of an older version to the step of this one that its customers go to, or `exit`"
    )
    enter: Enter = Field(description="What brings a customer in")
    steps: list[Step] = Field(min_length=1, description="What happens then, from top to bottom")
