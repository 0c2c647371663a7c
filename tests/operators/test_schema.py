"""The schemas take every file that `check` takes, refuse what is written wrong, and explain every key."""

from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from operators.schema import KINDS, schema_of
from operators.workspace import read_workspace
from operators.yaml_lines import read_yaml

EXAMPLES = Path(__file__).parents[2] / "examples" / "journeys"


def kind_of(name):
    """The kind of a file, by its name."""
    if name.endswith(".test.yaml"):
        return "scenarios"
    stem = name.removesuffix(".yaml")
    return stem if stem in KINDS else "journey"


def mistakes(kind, text):
    """What a validator says of a file."""
    return [error.message for error in Draft7Validator(schema_of(kind)).iter_errors(read_yaml(text).value)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_a_schema(kind):
    """Of the dialect that it names."""
    Draft7Validator.check_schema(schema_of(kind))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_file_that_ships_is_taken(path):
    """Dates are texts for an editor, and times for YAML; both may stand there."""
    assert mistakes(kind_of(path.name), path.read_text(encoding="utf-8")) == []


SHORT = """
journey: all-forms
params: {days: 3d, often: 2}
control: 5%
goal: {event: [A, B], within: 5d}
exit: [goal, {event: C, do: [{send: email, template: bye}]}]
enter:
  pattern:
    - {event: A, times: "${often}", by: properties.x}
    - {event: B, times: {at_least: 2}, by: properties.x, optional: false}
  within: 5d
steps:
  - {wait: "${days}"}
  - {wait: {until: monday 09:00}}
  - {id: s, send: [push, email], template: t, value: 2.5, tags: [x]}
  - wait_for:
      - {event: A, again: true}
      - {event: [B, C], again: {max: 2}}
      - {outcome: clicked, of: s}
    timeout: {for: 7d, from: entry}
    else: {do: [{suppress: [email, push], tag: x}], again: {max: 2}}
  - {release: all, tag: [x, y]}
  - {set: {a: 1, b: {expr: "now"}}}
"""


def test_all_short_and_long_forms_are_taken():
    """What `check` takes, the schema takes."""
    texts = {"orchestration.yaml": "timezone: UTC\nchannels:\n  email:\n  push: {}", "j.yaml": SHORT}
    assert [str(one) for one in read_workspace(texts).complaints] == []
    assert mistakes("journey", SHORT) == []
    assert mistakes("orchestration", texts["orchestration.yaml"]) == []
    assert mistakes("journey", "journey: b\nuse: all-forms\nparams: {days: 4d}\npriority: 10") == []


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("journey", SHORT.replace("goal: {", "gaol: {"), "'gaol' was unexpected"),
        ("journey", SHORT.replace("template: t", "templates: t"), "is not valid under any of the given schemas"),
        ("journey", "journey: a\nenter: {event: A}", "'steps' is a required property"),
        ("journey", "journey: b\nuse: a\nsteps: []", "'steps' was unexpected"),
        ("orchestration", "timezon: UTC", "'timezone' is a required property"),
        ("traits", "orders: {cuont: A}", "'cuont' was unexpected"),
        ("segments", "vip: {a: 1}", "is not of type 'string'"),
        ("scenarios", "journey: a\nscenarios: []", "[] should be non-empty"),
    ],
)
def test_what_is_written_wrong_is_refused(kind, text, said):
    """As an editor would underline it."""
    assert any(said in message for message in mistakes(kind, text)), mistakes(kind, text)


def unexplained(schema, place=""):
    """Keys without a description."""
    if isinstance(schema, list):
        return [found for part in schema for found in unexplained(part, place)]
    if not isinstance(schema, dict):
        return []
    found = []
    for name, part in schema.get("properties", {}).items():
        if "description" not in part and "$ref" not in part:
            found.append(f"{place}.{name}")
    for name, part in schema.items():
        if name == "properties":
            found += [one for key, inner in part.items() for one in unexplained(inner, f"{place}.{key}")]
        else:
            found += unexplained(part, f"{place}.{name}")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_explained(kind):
    """That is what an editor shows where the cursor is."""
    assert unexplained(schema_of(kind)) == []
