"""Where a journey reads something: its expressions and templates, each with its place, from the values as they are written.

Who asks: `operators.workspace`, for what they say of traits and segments, and `operators.plan`, for which of them are in use.
The values may be those of a file, right or wrong, or those of a model.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from operators.expression_error import ExpressionError
from operators.expression_tree import Tree, parse
from operators.expression_uses import NOTHING, Uses, uses_of
from operators.step_definitions import is_clock, is_date
from operators.steps_written import lists_of, steps_in
from operators.templates import TemplateError, uses_in_template
from operators.yaml_lines import Location


class Reading(NamedTuple):
    """What one expression, template or name reads of traits and segments."""

    location: Location
    uses: Uses
    tree: Tree | None
    """Of an expression."""


def readings(journey: Mapping[str, Any]) -> Iterator[Reading]:
    """Everything in a journey that reads traits or segments."""
    for location, text in _expressions(journey):
        if isinstance(text, str):
            try:
                tree = parse(text)
            except ExpressionError:
                continue  # told by the model
            yield Reading(location, uses_of(tree), tree)
    for location, name in _segments(journey):
        if isinstance(name, str):
            yield Reading(location, Uses(frozenset(), frozenset((name,))), None)
    for written in steps_in(lists_of(journey)):
        if written.kind not in ("send", "choose"):
            continue
        for place, uses in _templates(written.step):
            yield Reading((*written.location, *place), uses, None)
        if written.step.get("attach") is not None:  # all that is known
            yield Reading((*written.location, "attach"), NOTHING._replace(all_traits=True, all_segments=True), None)


def offer_readings(offer: Mapping[str, Any]) -> Iterator[Reading]:
    """Everything in an offer that reads traits or segments."""
    for key in ("when", "propensity", "context"):
        text = offer.get(key)
        if isinstance(text, str):
            try:
                tree = parse(text)
            except ExpressionError:
                continue  # told by the model
            yield Reading((key,), uses_of(tree), tree)
    for place, uses in _templates(offer):
        yield Reading(place, uses, None)


def _templates(written: Mapping[str, Any]) -> Iterator[tuple[Location, Uses]]:
    """What the values of a message read."""
    values = written.get("with")
    for key, value in values.items() if isinstance(values, dict) else ():
        try:
            traits, segments, all_traits, all_segments = uses_in_template(value)
        except TemplateError:
            continue  # told by the model
        yield ("with", key), Uses(traits, segments, all_traits, all_segments)


def _expressions(journey: Mapping[str, Any]) -> Iterator[tuple[Location, Any]]:
    enter = journey.get("enter")
    if isinstance(enter, dict):
        yield ("enter", "where"), enter.get("where")
        pattern = enter.get("pattern")
        for index, element in enumerate(pattern if isinstance(pattern, list) else ()):
            if isinstance(element, dict):
                yield ("enter", "pattern", index, "where"), element.get("where")
                without = element.get("without")
                if isinstance(without, dict):
                    yield ("enter", "pattern", index, "without", "where"), without.get("where")
    goal = journey.get("goal")
    if isinstance(goal, dict):
        yield ("goal", "where"), goal.get("where")
        yield ("goal", "value"), goal.get("value")
    rules = journey.get("exit")
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict):
            yield ("exit", index, "when"), rule.get("when")
            yield ("exit", index, "where"), rule.get("where")
    for written in steps_in(lists_of(journey)):
        for place, text in _in_step(written.kind, written.step):
            yield (*written.location, *place), text


def _in_step(kind: str, step: Mapping[str, Any]) -> Iterator[tuple[Location, Any]]:
    for key in ("wait", "timeout"):
        delay = step.get(key)
        until = delay.get("until") if isinstance(delay, dict) else None
        if isinstance(until, str) and not is_clock(until) and not is_date(until):
            yield (key, "until"), until
    for key in ("wait_for", "branch"):
        ways = step.get(key)
        for index, way in enumerate(ways if isinstance(ways, list) else ()):
            if isinstance(way, dict):
                name = "where" if key == "wait_for" else "when"
                yield (key, index, name), way.get(name)
    attributes = step.get("set")
    for name, value in attributes.items() if isinstance(attributes, dict) else ():
        if isinstance(value, dict) and set(value) == {"expr"}:
            yield ("set", name, "expr"), value["expr"]


def _segments(journey: Mapping[str, Any]) -> Iterator[tuple[Location, Any]]:
    """The segments that are named as such."""
    enter = journey.get("enter")
    for key, names in (("segment", ("entered", "left")), ("schedule", ("segment",))):
        entry = enter.get(key) if isinstance(enter, dict) else None
        if isinstance(entry, dict):
            yield from ((("enter", key, name), entry.get(name)) for name in names)
    rules = journey.get("exit")
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict):
            yield from ((("exit", index, name), rule.get(name)) for name in ("entered", "left"))
