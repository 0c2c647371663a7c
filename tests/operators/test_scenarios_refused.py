"""Mistakes in scenario files: file, line, path, and what to write instead, as for journeys."""

import pytest

from operators.workspace import read_workspace
from tests.operators.test_scenarios import JOURNEY, ORCHESTRATION

FIRST = "{at: 2026-01-05T10:00:00Z, event: Signed Up}"


def complaints(text, **more):
    """What is said of a scenario file beside the journey `welcome`."""
    files = {"orchestration.yaml": ORCHESTRATION, "j.yaml": JOURNEY, "j.test.yaml": text, **more}
    return [str(one) for one in read_workspace(files).complaints]


def of(scenario):
    """What is said of one scenario, without the place of the file."""
    found = complaints(f"journey: welcome\nscenarios:\n  - {scenario}\n")
    assert all(one.startswith("j.test.yaml:3: scenarios[0]") for one in found), found
    return [one.removeprefix("j.test.yaml:3: scenarios[0]") for one in found]


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ("{events: [%s]}", ": `name` is missing; write it here"),
        ("{name: it}", ": `events` is missing; write it here"),
        ("{name: it, events: []}", ".events: list should have at least 1 item after validation, not 0 (it is [])"),
        ("{name: it, events: [%s], expects: []}", ".expects: there is no key 'expects' here; did you mean 'expect'?"),
        ("{name: it, events: [{event: page}]}", ".events[0]: `at` is missing; write it here"),
        (
            "{name: it, events: [{at: +1d, event: page}]}",
            ".events[0].at: the first event says when everything begins; write its date and time, as in: 2026-01-05T10:00:00Z",
        ),
        (
            "{name: it, events: [{at: soon, event: page}]}",
            ".events[0].at: 'soon' is no time; write one as in: 2026-01-05T10:00:00Z, 2026-01-05 10:00, +3d, '09:00' or "
            "monday 09:00",
        ),
        (
            "{name: it, events: [%s, {at: '+3', event: page}]}",
            ".events[1].at: '3' is not a duration: it has no unit; write a whole number and a unit: w, d (24 hours), h, m "
            "(minutes), s or ms, such as 5d, 48h or 30m",
        ),
        (
            "{name: it, events: [%s], control: 10%%}",
            ".control: '10%' is no control group; write true, false, or global for that of the workspace",
        ),
        (
            "{name: it, events: [%s], arms: {subjekt: a}}",
            ".arms.subjekt: welcome has no experiment 'subjekt'; did you mean 'subject'?",
        ),
        (
            "{name: it, events: [%s], arms: {subject: c}}",
            ".arms.subject: the experiment 'subject' has no arm 'c'; there are: a, b",
        ),
        (
            "{name: it, events: [%s], expect: [{step: helo}]}",
            ".expect[0].step: welcome has no step 'helo'; did you mean 'hello'?",
        ),
        (
            "{name: it, events: [%s], expect: [{channel: sms}]}",
            ".expect[0].channel: there is no channel 'sms'; there are: email, push",
        ),
        (
            "{name: it, events: [%s], facts: [{fact: entered, step: helo}]}",
            ".facts[0].step: welcome has no step 'helo'; did you mean 'hello'?",
        ),
        (
            "{name: it, events: [%s, {at: +1d, event: Email Opened, of: answer}]}",
            ".events[1].of: the step 'answer' sends nothing; there are: hello, thanks, short, long, gift",
        ),
        (
            "{name: it, until: +1h, events: [%s, {at: +1d, event: page}]}",
            ".until: this is before the last event; write a time after it, or leave `until` out",
        ),
        (
            "{name: it, profile: {born: 2026-01-01}, events: [%s]}",
            ".profile.born: YAML reads this as date, not as text; put it in quotes",
        ),
    ],
)
def test_each_mistake_is_named_with_what_to_write(scenario, said):
    """At its place."""
    assert of(scenario.replace("%s", FIRST).replace("%%", "%")) == [said]


def test_a_fact_that_there_is_not_is_named_with_those_that_there_are():
    """By pydantic's own sentence, which lists them."""
    (said,) = of(f"{{name: it, events: [{FIRST}], never: [{{fact: opened}}]}}")
    assert said.startswith(".never[0].fact: input should be 'entered', 'not_entered'")
    assert said.endswith("(it is 'opened')")


def test_every_mistake_at_once():
    """One hides none of the others, in this file or another."""
    found = complaints(
        f"journey: welcome\nscenarios:\n  - {{name: a, events: [{FIRST}], arms: {{x: y}}}}\n"
        f"  - {{name: a, events: [{FIRST}], expect: [{{step: x}}]}}\n",
        **{"k.test.yaml": "journey: nobody\nscenarios: 5", "l.test.yaml": "[]", "m.test.yaml": "a: [18:30"},
    )
    assert [one.split(" ")[0] for one in found] == [
        "j.test.yaml:3:",
        "j.test.yaml:4:",
        "j.test.yaml:4:",
        "k.test.yaml:2:",
        "l.test.yaml:1:",
        "m.test.yaml:2:",
    ]


def test_a_journey_that_there_is_not():
    """With the nearest one."""
    text = f"journey: welcom\nscenarios: [{{name: it, events: [{FIRST}]}}]"
    assert complaints(text) == ["j.test.yaml:1: journey: there is no journey 'welcom'; did you mean 'welcome'?"]


def test_a_scenario_of_a_wrong_journey_is_held_against_what_can_be_known():
    """The mistake in the journey is told, and no mistake that follows from it."""
    text = f"journey: welcome\nscenarios: [{{name: it, events: [{FIRST}], expect: [{{step: x}}]}}]"
    found = complaints(text, **{"j.yaml": JOURNEY.replace("steps:", "stepz:")})
    assert all(one.startswith("j.yaml") for one in found)
    assert found


def test_control_needs_a_control_group():
    """It is said where to give one."""
    journey = "journey: welcome\nenter: {event: page}\nsteps: [{id: it, send: email, template: t}]"
    text = f"journey: welcome\nscenarios: [{{name: it, control: true, events: [{FIRST}]}}]"
    assert complaints(text, **{"j.yaml": journey}) == [
        "j.test.yaml:2: scenarios[0].control: welcome has no control group; give it one, as in: control: 10%, or leave "
        "`control` out"
    ]
