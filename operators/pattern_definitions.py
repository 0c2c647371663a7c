"""What an author writes as a pattern: its elements as pydantic models, and the mistakes that no field can see alone.

`operators.definitions` puts them into `enter`, `operators.pattern_compiler` compiles what `pattern_mistakes` found nothing in.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictInt

from operators.definition_types import Duration, EventNames, Model, Path, Text, explained
from operators.durations import format_duration, parse_duration
from operators.expressions import FUNCTIONS, ExpressionError, compile_expression
from operators.paths import compile_path
from operators.pattern_repeats import EVENTS_MAX
from operators.pattern_sequence import ELEMENTS_MAX

STATIC_NAMES = ("event", "properties", "profile", "traits", "segments", "now", "journey")
"""Names whose values are those of the moment in which an event is read."""
ELEMENT_NAMES = (*STATIC_NAMES, "first", "matched")
"""Root names of a `where` on an element; the `as` names of its pattern come on top."""
ENTER_NAMES = (*ELEMENT_NAMES, "entry")
"""Root names of `enter.where`, which is part of the match as a whole."""

_NO_ENTRY = {
    "entry": "the last matched event is known when the match is whole; write this expression as `where` of `enter`"
}
_RESERVED = (*ENTER_NAMES, "zone", *FUNCTIONS)
_AS_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DAY_MS_MIN = 23 * 3_600_000
"""The shortest day, when the clocks go forward."""

Location = tuple[str | int, ...]


def _by_or_any(text: str) -> None:
    if text != "any":
        compile_path(text)


class Without(Model):
    """Events that must not have happened."""

    event: EventNames = Field(description="Name of the event, or a list of names")
    where: Text | None = Field(None, description="Only events for which this expression holds")
    by: Annotated[Text, explained(_by_or_any)] | None = Field(
        None, description="Path of the value that must be the same; by default the element's; `any` drops the test"
    )
    over: Literal["span", "window"] = Field(
        "span",
        description="`span`: none since the event before it in the match, and none between its own; "
        "`window`: none in the whole of `within` up to the match",
    )


class Times(Model):
    """`times: 3`, or `times: {at_least: 3}`; the last element of a pattern matches at its nth, so they are the same there."""

    exactly: StrictInt | None = Field(
        None, ge=1, le=EVENTS_MAX // 2, description="So often; `times: 3` is short for it"
    )
    at_least: StrictInt | None = Field(None, ge=1, le=EVENTS_MAX // 2, description="So often, or more")
    at_most: StrictInt | None = Field(
        None, ge=1, le=EVENTS_MAX // 2, description="Once or more, but not more than this; with `optional`, also never"
    )

    @property
    def least(self) -> int:
        """The fewest events."""
        return self.exactly or self.at_least or 1

    @property
    def most(self) -> int:
        """The most events; with `at_least` alone, as many as are remembered."""
        return self.exactly or self.at_most or EVENTS_MAX


class Element(Model):
    """One element of a pattern: an event that comes, or one that does not."""

    event: EventNames | None = Field(
        None, description="Name of the event, or a list of names; or page, screen, identify, group, alias"
    )
    where: Text | None = Field(None, description="Only events for which this expression holds")
    as_: Text | None = Field(None, alias="as", description="A name for its events, for the expressions after it")
    times: Annotated[
        Times,
        BeforeValidator(
            lambda value: value if isinstance(value, dict) else {"exactly": value}, json_schema_input_type=int | Times
        ),
    ] = Field(Times(exactly=1), description="How often: a number, {at_least: n} or {at_most: n}")
    distinct: Annotated[Text, explained(lambda text: None if text == "day" else compile_path(text))] | None = Field(
        None, description="Path of a value that must differ each time; `day` is the day in the customer's zone"
    )
    by: Annotated[Text, explained(_by_or_any)] | None = Field(
        None, description="Path of the value that must be the same in all elements that name one"
    )
    optional: StrictBool = Field(False, description="The match may do without it")
    strict: StrictBool = Field(False, description="No other event of the customer between it and the one before")
    without: Without | None = Field(None, description="Events that must not have happened meanwhile")
    absent: EventNames | None = Field(
        None, description="As the last element: the match is there when this did not come `for` so long"
    )
    for_: Duration | None = Field(
        None, alias="for", description="With `absent`: how long, from the last matched event on"
    )
    settle: Duration | None = Field(
        None, description="With `absent`: how long to wait at least after reading that event, by default 1m"
    )


class PatternFields(Model):
    """What `enter` says of the events that bring a customer in."""

    event: EventNames | None = Field(None, description="One event that enters; short for a pattern of one")
    where: Text | None = Field(None, description="Only if this expression holds; part of the match")
    pattern: Annotated[list[Element], Field(min_length=1)] | None = Field(
        None, description="What must happen, in order"
    )
    within: Duration | None = Field(None, description="From the first to the last matched event, in event time")
    key: Path | None = Field(None, description="One run at a time per customer and value of this path")
    max_age: Duration = Field("72h", description="An event older than this against log time never enters")
    skip: Literal["past_last", "none"] = Field(
        "past_last", description="After a match its events are used up (`past_last`) or may match again (`none`)"
    )

    @property
    def elements(self) -> list[Element]:
        """The elements of the pattern; a bare `event` is a pattern of one."""
        return self.pattern if self.pattern else [Element(event=self.event)]


def pattern_mistakes(enter: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """What no field of a pattern can see alone: (place below `enter`, sentence, with what to write instead).

    Looks at the values as they are written: a validator of the model would not run beside a mistake in a field.
    """
    pattern = enter.get("pattern")
    elements = [element for element in pattern if isinstance(element, dict)] if isinstance(pattern, list) else []
    names = [name for element in elements if isinstance(name := element.get("as"), str)]
    yield from _where_mistakes(enter.get("where"), (), (*ENTER_NAMES, *names), {})
    if not isinstance(pattern, list) or len(elements) != len(pattern) or not elements:
        return
    for index, element in enumerate(elements):
        for place, message in _element_mistakes(element, index, elements):
            yield ("pattern", index, *place), message
    yield from _by_mistakes(elements)
    yield from _size_mistakes(elements, enter.get("within"))
    used: set[str] = set()
    for index, element in enumerate(elements):
        name = element.get("as")
        if not isinstance(name, str):
            continue
        if not _AS_NAME.fullmatch(name):
            message = f"{name!r} cannot be a name: write a letter, then letters, digits and `_`, as in: as: first_view"
            yield ("pattern", index, "as"), message
        elif name in _RESERVED:
            yield ("pattern", index, "as"), f"{name!r} means something in expressions already; choose another name"
        elif name in used:
            yield ("pattern", index, "as"), f"the name {name!r} is taken by an element before; choose another name"
        used.add(name)


def _element_mistakes(
    element: Mapping[str, Any], index: int, elements: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Location, str]]:
    names = [name for one in elements[: index + 1] if isinstance(name := one.get("as"), str)]
    known = (*ELEMENT_NAMES, *names)
    yield from _where_mistakes(element.get("where"), (), known, _NO_ENTRY)
    without = element.get("without")
    if isinstance(without, dict):
        yield from _where_mistakes(without.get("where"), ("without",), known, _NO_ENTRY)
    if element.get("absent") is not None:
        yield from _absent_mistakes(element, index, len(elements))
        return
    if element.get("event") is None:
        yield (
            (),
            "say what comes, as in: event: Product Viewed - or, last of all, what does not: absent: Order Completed",
        )
    if element.get("by") == "any":
        yield ("by",), "`by: any` is for `without` and `absent`; leave `by` out where any value will do"
    for key in ("for", "settle"):
        if element.get(key) is not None:
            yield (key,), f"`{key}` belongs to `absent`; the time between the first and the last event is `within`"
    least, most = _times(element)
    if least > most:
        yield ("times",), "`at_most` is less than `at_least`; write the smaller number in `at_least`"
    if isinstance(times := element.get("times"), dict) and not times.keys() & {"exactly", "at_least", "at_most"}:
        yield ("times",), "say how often: a number, as in times: 3, or {at_least: 3}, or {at_most: 3}"
    is_last = not any(one.get("absent") is None for one in elements[index + 1 :])
    if is_last and element.get("optional") is True:
        message = "whether an optional event at the end still comes cannot be decided; leave the element out"
        yield ("optional",), message
    if is_last and isinstance(times, dict) and times.get("at_most") is not None:
        yield (
            ("times",),
            "whether more events come cannot be decided at the end of a pattern; write a number or `at_least` there",
        )
    if index == 0 and element.get("strict") is True and most == 1:
        yield ("strict",), "there is nothing before the first event; write `strict` in the element after it"
    distinct = element.get("distinct")
    if isinstance(distinct, str):
        if most == 1:
            yield ("distinct",), "one event differs from nothing; write how many there are, as in: times: 3"
        if "[]" in distinct:
            yield ("distinct",), "a path with [] has many values in one event; name a path with one, or `day`"
    if isinstance(without, dict) and without.get("over") == "window":
        if element.get("optional") is True:
            yield ("without", "over"), "`window` speaks of the whole match; write it in an element that is not optional"
        if (
            not without.get("where")
            and without.get("by") in (None, element.get("by"))
            and _names(element)
            and _names(element) <= _names(without)
        ):
            yield ("without", "event"), "the event itself would forbid each match; name another, or write `over: span`"


def _absent_mistakes(element: Mapping[str, Any], index: int, size: int) -> Iterator[tuple[Location, str]]:
    if element.get("event") is not None:
        yield (), "an element is an event that comes or one that is absent; make two elements of them"
        return
    if index == 0:
        yield (), "before `absent` there must be an element with an `event`, from which on it is absent"
    if index != size - 1:
        yield ("absent",), "`absent` stands last; between two events write `without` in the second"
    if element.get("for") is None:
        yield (), "`absent` needs `for`: how long it must not come, as in: for: 1h"
    for key in ("times", "distinct", "optional", "strict", "without", "as"):
        if element.get(key) is not None:
            yield (key,), f"`{key}` is for events that come, not for one that is absent; leave it out"


def _by_mistakes(elements: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Location, str]]:
    own = [element for element in elements if element.get("by") is not None and element.get("absent") is None]
    for index, element in enumerate(elements):
        without = element.get("without")
        if own:
            break
        if isinstance(without, dict) and without.get("by") not in (None, "any"):
            message = "`by` in `without` is compared with the element's, which has none; write `by` in the element, too"
            yield ("pattern", index, "without", "by"), message
        if element.get("absent") is not None and element.get("by") not in (None, "any"):
            message = (
                "`by` of `absent` is compared with that of the elements before, which have none; write it there, too"
            )
            yield ("pattern", index, "by"), message
    if own and all(element.get("optional") is True for element in own):
        index = next(i for i, element in enumerate(elements) if element is own[0])
        message = "only an optional element has a value to agree in; write `by` in one that must come, too"
        yield ("pattern", index, "by"), message


def _size_mistakes(elements: Sequence[Mapping[str, Any]], within: object) -> Iterator[tuple[Location, str]]:
    comes = [element for element in elements if element.get("absent") is None]
    times = [_times(element) for element in comes]
    least = sum(fewest for fewest, _ in times)
    if len(elements) > ELEMENTS_MAX:
        message = f"a pattern has at most {ELEMENTS_MAX} elements; count events of one kind with `times`"
        yield ("pattern",), f"{message} (it has {len(elements)})"
    elif least > EVENTS_MAX // 2 and len(comes) > 1:
        yield (
            ("pattern",),
            f"a match has at most {EVENTS_MAX // 2} events; write smaller `times` (they are {least} together)",
        )
    if within is None:
        if len(comes) > 1 or least > 1:
            yield (), "several events need `within`: how long from the first to the last, as in: within: 5d"
        elif any(element.get("without") is not None for element in comes):
            yield (), "`without` needs `within`: how far back it looks, as in: within: 5d"
    for index, element in enumerate(elements):
        days, _ = _times(element)
        if element.get("distinct") != "day" or not isinstance(within, str):
            continue
        try:
            too_short = parse_duration(within) <= (days - 2) * _DAY_MS_MIN
        except ValueError:
            continue
        if too_short:
            needed = format_duration((days - 1) * 86_400_000)
            yield (
                ("pattern", index, "distinct"),
                f"{days} different days do not fit into {within}; write within: {needed}",
            )


def _times(element: Mapping[str, Any]) -> tuple[int, int]:
    """The fewest and the most events of an element as it is written; 1 for what is wrong in itself."""
    times = element.get("times", 1)
    if not isinstance(times, dict):
        times = {"exactly": times}
    written = {key: number for key, number in times.items() if type(number) is int}
    exactly = written.get("exactly")
    if exactly is not None or not written:
        return exactly or 1, exactly or 1
    return written.get("at_least", 1), written.get("at_most", EVENTS_MAX)


def _names(owner: Mapping[str, Any]) -> set[object]:
    """The names of events, as far as they are names."""
    event = owner.get("event")
    return {name for name in (event if isinstance(event, list) else [event]) if isinstance(name, str)}


def _where_mistakes(
    text: object, place: Location, names: Sequence[str], later: Mapping[str, str]
) -> Iterator[tuple[Location, str]]:
    if not isinstance(text, str):
        return
    try:
        compile_expression(text, names, later=later)
    except ExpressionError as error:
        yield (*place, "where"), str(error)
