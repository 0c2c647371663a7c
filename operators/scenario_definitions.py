"""What an author writes as a test of a journey: `*.test.yaml`, as pydantic models.

`operators.scenario_files` looks at what no field sees alone; `operators.scenario_run` runs the scenarios.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from operators.definition_types import Model, Name, Text, checked
from operators.scenario_times import parse_time
from operators.step_definitions import literal

FACTS = (
    "entered",
    "not_entered",
    "held_out",
    "assigned",
    "step",
    "waiting",
    "resumed",
    "timed_out",
    "decided",
    "sent",
    "withheld",
    "exposed",
    "outcome",
    "converted",
    "exited",
    "migrated",
    "not_stored",
    "late",
    "duplicate",
)
"""The facts that there are."""

Time = Annotated[Any, BeforeValidator(checked(parse_time))]
Value = Annotated[Any, AfterValidator(literal)]
Values = dict[Text, Value]


def _control(value: Any) -> None:
    if not isinstance(value, bool) and value != "global":
        raise ValueError(f"{value!r} is no control group; write true, false, or global for that of the workspace")


class Given(Model):
    """One event of a scenario."""

    at: Time = Field(
        description="A time; or +DURATION after the first event; or a clock time (monday 09:00): the next one after the event before"
    )
    event: Text = Field(
        min_length=1, description="Name of the event; or page, screen, identify, group, alias for an event of that type"
    )
    properties: Values = Field({}, description="Its properties; of identify and group, the traits")
    context: Values = Field({}, description="Its context, as in {timezone: Europe/Paris, session_id: s-1}")
    of: Name | None = Field(
        None, description="Feedback: a step whose last message it is about; puts that message's action_id into it"
    )


class ExpectedAction(Model):
    """One action; what is not named may be anything."""

    at: Time | None = Field(
        None, description="When, as for events; a clock time is the next one after the action before"
    )
    kind: Literal["send", "suppress", "release"] | None = Field(None, description="send, suppress or release")
    channel: Name | None = Field(None, description="The channel")
    step: Name | None = Field(None, description="The step that it is of")
    template: Text | None = Field(None, description="The template")
    with_: Values | None = Field(
        None, alias="with", description="Values for the template; those not named may be anything"
    )
    tags: list[Name] | None = Field(None, description="Its tags, all of them")
    offer: Name | None = Field(None, description="Of a step that chooses: the offer")
    arm: Name | None = Field(None, description="The arm of the experiment")
    expires_at: Time | None = Field(None, description="When it expires, as for events")


class ExpectedFact(Model):
    """One fact; what is not named may be anything."""

    fact: Literal[FACTS] = Field(description="What happened, as in entered, withheld, exited")  # type: ignore[valid-type]
    at: Time | None = Field(None, description="When, as for events; a clock time is the next one after the first event")
    step: Text | None = Field(None, description="The step")
    reason: Text | None = Field(None, description="Of not_entered, exited and withheld")
    branch: int | None = Field(None, description="Of step and resumed: which way, from 1")
    name: Text | None = Field(None, description="Of assigned and exposed: the experiment")
    arm: Text | None = Field(None, description="Of assigned and exposed: the arm")
    gate: Text | None = Field(None, description="Of withheld: what stopped it")
    then: Text | None = Field(None, description="Of withheld: what becomes of it")
    channel: Text | None = Field(None, description="The channel")
    template: Text | None = Field(None, description="The template")
    key: Value = Field(None, description="The key of the run")
    event: Text | None = Field(None, description="Of resumed and duplicate: the event")
    until: Time | None = Field(None, description="Of waiting: its deadline; of withheld: when it tries again")
    offer: Text | None = Field(None, description="Of sent and withheld by a step that chooses: the offer")
    outcome: Text | None = Field(None, description="Of outcome: delivered, opened, clicked, replied, called, ...")
    chosen: Text | None = Field(None, description="Of decided: the step or the offer, or nothing")
    value: Value = Field(None, description="Of converted and sent: what it is worth")
    kind: Text | None = Field(None, description="Of sent and withheld: suppress or release; a message has none")


class Scenario(Model):
    """One invented customer, what they do, and what is to come of it."""

    name: Annotated[Text, Field(min_length=1, max_length=200)] = Field(description="What it shows, unique in the file")
    profile: Values = Field({}, description="The customer's attributes before the first event")
    control: Annotated[bool | Literal["global"], BeforeValidator(checked(_control))] = Field(
        False, description="Whether the customer is in the journey's control group; global: in that of the workspace"
    )
    arms: dict[Name, Name] = Field({}, description="Experiment -> the customer's arm")
    events: Annotated[list[Given], Field(min_length=1)] = Field(
        description="What the customer does, in the order in which it is read; one with an earlier time arrives late"
    )
    until: Time | None = Field(
        None,
        description="How long to watch; by default until nothing of the journey is left to happen, 400 days at most",
    )
    expect: list[ExpectedAction] = Field(
        [], description="All actions of the journey, in order; none where it is left out"
    )
    facts: list[ExpectedFact] = Field([], description="Facts of the journey that there must be, among others")
    never: list[ExpectedFact] = Field([], description="Facts of the journey that there must not be")


class ScenarioFile(Model):
    """Scenarios of one journey."""

    journey: Name = Field(description="The journey that they are about")
    profile: Values = Field(
        {},
        description="Attributes of every customer of this file before the first event; a scenario's own go before them",
    )
    scenarios: Annotated[list[Scenario], Field(min_length=1)] = Field(description="The scenarios")
