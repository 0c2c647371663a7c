"""Patterns of other engines in the words of ours: a translator for each engine's test cases.

`translate(case)` gives what the language can say of a case, or raises `CannotSay` with the reason. Nothing is translated by hand:
what a case says in data is read as data, what it says in words is parsed, and what the parser does not know is refused.
"""

import re
from dataclasses import dataclass, field
from typing import Any

FOREVER = "30000d"
"""A window, and an age, that nothing in a test exceeds: for the engines that have no bounds of their own."""


class CannotSay(Exception):  # noqa: N818 - no error: an answer
    """The language cannot say this, and why."""


@dataclass
class Translation:
    """A case in our words."""

    enter: dict[str, Any]
    once: bool = False
    """Only the first match counts: the engine's pattern is over with it (our `again: never`)."""
    columns: list[tuple[str, int | None, str]] | None = None
    """What is compared of a match instead of labels: (name, index, attribute)."""
    choices: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name of one of two alternatives -> (name of the element of both, expression)."""


def translate(case: dict[str, Any]) -> Translation:
    """The case in our words.

    Raises:
        CannotSay: the language has no words for it.
    """
    return _OF[case["engine"]](case)


def element(names: list[str], **more: Any) -> dict[str, Any]:
    """One element; what is None is left out."""
    return {"event": names, **{key: value for key, value in more.items() if value is not None}}


def _types(case: dict[str, Any]) -> list[str]:
    """The names of all events of a case: any event."""
    return sorted({event["type"] for event in case["events"] if "type" in event}) or ["none"]


def _enter(elements: list[dict[str, Any]], within_ms: int | None, skip: str) -> dict[str, Any]:
    if len(elements) > 7:
        raise CannotSay("more than 7 elements")
    within = f"{within_ms}ms" if within_ms else FOREVER
    return {"pattern": elements, "within": within, "max_age": FOREVER, "skip": skip}


# --- Flink CEP


def _flink(case: dict[str, Any]) -> Translation:
    pattern = case["pattern"]
    skips = {"noSkip": "none", "skipPastLastEvent": "past_last"}
    skip = pattern["after_match"]["skip"]
    if skip not in skips:
        raise CannotSay(f"after a match, a position to go on from ({skip})")
    elements: list[dict[str, Any]] = []
    forbidden: dict[str, Any] | None = None
    for step in _flink_flat(pattern["steps"]):
        if step["link"] == "notNext":
            raise CannotSay("only the very next event is forbidden (notNext)")
        if step["link"] == "notFollowedBy":
            names, where = _flink_where(case, step.get("where"))
            forbidden = element(names, where=where)
            continue
        elements += _flink_elements(case, step, forbidden)
        forbidden = None
    if forbidden is not None:
        raise CannotSay("forbidden at the end, without a time (notFollowedBy)")
    return Translation(_enter(elements, pattern.get("within_ms"), skips[skip]))


def _flink_flat(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Groups written out, where they come a fixed number of times."""
    flat = []
    for step in steps:
        if "group" not in step:
            flat.append(step)
            continue
        least, most = step.get("times", [1, 1])
        if step.get("optional") or least != most:
            raise CannotSay("a group that is optional, or comes any number of times")
        for _ in range(least):
            first, *rest = step["group"]
            flat += _flink_flat([{**first, "link": step["link"] if first["link"] == "begin" else first["link"]}, *rest])
    return flat


def _flink_elements(
    case: dict[str, Any], step: dict[str, Any], forbidden: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """One step: one element, or two where the first of its events is told from the rest."""
    names, where = _flink_where(case, step.get("where"))
    least, most = step.get("times", [1, 1])
    optional = bool(step.get("optional")) or least == 0
    least = max(least, 1)
    is_strict, stays_strict = step["link"] == "next", bool(step.get("consecutive"))
    if step["link"] == "begin":
        is_strict = stays_strict
    until = None
    if "until" in step:
        _, condition = _flink_where(case, step["until"])
        until = element(_types(case), where=condition)
        where = f"({where}) and not ({condition})" if where else f"not ({condition})"
    if forbidden is not None and until is not None:
        raise CannotSay("an end to repeats (until) beside something forbidden")
    if optional and forbidden is not None:
        raise CannotSay("something forbidden before an element that is optional")
    several = most != 1
    # An end to repeats ends what comes after the first of them; of a final element only the fewest are taken.
    is_last = step is _flink_flat(case["pattern"]["steps"])[-1]
    ends = until is not None and not optional
    if ends and is_last and least == 1:
        return [element(names, where=where, strict=is_strict or None)]
    apart = several and (is_strict != stays_strict or forbidden is not None or ends)
    if not apart:
        times = None if not several else _times(least, most)
        without = forbidden or until
        return [
            element(
                names, where=where, times=times, optional=optional or None,
                strict=(is_strict and (several or step["link"] != "begin")) or None, without=without,
            )
        ]  # fmt: skip
    if optional:
        raise CannotSay("an optional element whose first event and whose repeats have different contiguity")
    first = element(names, where=where, strict=(is_strict and step["link"] != "begin") or None, without=forbidden)
    rest = element(names, where=where, strict=stays_strict or None, without=until)
    if most is None:
        return [first, {**rest, "times": {"at_least": max(least - 1, 1)}, **({"optional": True} if least == 1 else {})}]
    if least != most:
        raise CannotSay("a range of repeats whose first event and whose repeats have different contiguity")
    return [first, {**rest, "times": least - 1}]


def _times(least: int, most: int | None) -> Any:
    if most is None:
        return {"at_least": least}
    return least if least == most else {"at_least": least, "at_most": most}


def _flink_where(case: dict[str, Any], where: dict[str, Any] | None) -> tuple[list[str], str | None]:
    """(names, expression) of a condition."""
    types = _types(case)
    if where is None:
        return types, None
    if where.get("attr") == "name" and where["op"] == "==":
        return [where["value"]], None
    return types, _flink_condition(where)


def _flink_condition(where: dict[str, Any]) -> str:
    if "any" in where:
        return " or ".join(_flink_condition(one) for one in where["any"])
    if where["op"] == "contains":
        return f"contains(properties.{where['attr']}, {where['value']!r})"
    return f"properties.{where['attr']} {where['op']} {where['value']!r}"


# --- Siddhi


def _siddhi(case: dict[str, Any]) -> Translation:
    if not case["events"]:
        raise CannotSay("the case gives no events")
    steps, within, every, is_group = _siddhi_flat(case["pattern"])
    strict = case["pattern"]["kind"].startswith("sequence")
    elements: list[dict[str, Any]] = []
    choices: dict[str, tuple[str, str]] = {}
    for step in steps:
        made = _siddhi_element(step, first=not elements, choices=choices)
        if strict and elements:
            made["strict"] = True
        elements.append(made)
    # `every` of the whole begins anew after each match; of the first event, with each such event.
    skip = "past_last" if is_group and len(steps) == is_group else "none"
    return Translation(
        _enter(elements, within, skip), once=not every, columns=_columns(case["output"]), choices=choices
    )


def _siddhi_flat(pattern: dict[str, Any]) -> tuple[list[dict[str, Any]], int | None, bool, int]:
    """(steps, within, whether it matches again, steps of a group that begins it)."""
    steps, within = pattern["steps"], pattern.get("within_ms")
    first = steps[0]
    if "group" not in first:
        if any(step.get("every") or "group" in step for step in steps[1:]):
            raise CannotSay("a part in the middle that begins anew by itself (every), or a group")
        return steps, within, bool(first.get("every")), 0
    inner, inner_within, again, _ = _siddhi_flat(first["group"])
    inner_within = inner_within or first.get("within_ms")
    if len(steps) > 1 and inner_within:
        raise CannotSay("a window for a part of the pattern")
    every = bool(first.get("every")) or again
    return [*inner, *steps[1:]], within or inner_within, every, len(inner) if first.get("every") else 0


def _siddhi_element(step: dict[str, Any], *, first: bool, choices: dict[str, tuple[str, str]]) -> dict[str, Any]:
    if any(each.get("within_ms") for each in (step, *step.get("or", ()), *step.get("and", ()))):
        raise CannotSay("a window for a part of the pattern")
    if step.get("absent"):
        raise CannotSay("an absence that is not at the end" if step.get("for_ms") else "an absence by itself")
    if "or" in step:
        one, other = step["or"]
        name = f"{one['as']}_or_{other['as']}"
        wheres = {}
        for each in (one, other):
            wheres[each["as"]] = (
                f"event.name == '{each['stream']}' and ({_siddhi_where(each.get('where') or '1 == 1')})"
            )
            choices[each["as"]] = (name, wheres[each["as"]])
        names = sorted({one["stream"], other["stream"]})
        return element(names, where=" or ".join(f"({where})" for where in wheres.values()), **{"as": name})
    if "and" in step:
        absent = [each for each in step["and"] if each.get("absent")]
        come = [each for each in step["and"] if not each.get("absent")]
        if len(absent) != 1 or len(come) != 1:
            raise CannotSay("two events in any order")
        if absent[0].get("for_ms"):
            raise CannotSay("an absence that is not at the end")
        without = element([absent[0]["stream"]], where=_siddhi_where(absent[0].get("where")))
        if first:
            without["over"] = "window"
        return {**_siddhi_element(come[0], first=first, choices=choices), "without": without}
    if "group" in step:
        raise CannotSay("a group in the middle")
    times = step.get("times")
    more: dict[str, Any] = {"as": step.get("as")}
    if times is not None:
        least, most = times
        more["times"] = _times(max(least, 1), most)
        more["optional"] = True if least == 0 else None
    return element([step["stream"]], where=_siddhi_where(step.get("where")), **more)


def _siddhi_where(text: str | None) -> str | None:
    """`price>e1.price` as `properties.price > e1.properties.price`."""
    if text is None:
        return None
    parts = re.split(r"('[^']*')", text)
    return "".join(
        part if part.startswith("'") else re.sub(r"(?<![\w.])([a-z]\w*)(\.\w+)?", _siddhi_name, part) for part in parts
    )


def _siddhi_name(found: re.Match[str]) -> str:
    name, attribute = found.groups()
    return f"{name}.properties{attribute}" if attribute else f"properties.{name}"


def _columns(output: str) -> list[tuple[str, int | None, str]]:
    """`e1.symbol as symbol1, e2[0].price as price2` -> (name, index, attribute)."""
    found = re.findall(r"(e\d+)(?:\[(\d+)\])?\.(\w+) as \w+", output)
    return [(name, int(index) if index else None, attribute) for name, index, attribute in found]


# --- Esper


def _esper(case: dict[str, Any]) -> Translation:
    words = re.sub(r"\s*\(as \w\)", "", case["pattern_words"])
    for word, reason in (
        ("wait", "a timer by itself (wait)"),
        (" until ", "repeats that end with a condition (until)"),
        (" or ", "one of two, one of them a timer"),
    ):
        if word in words:
            raise CannotSay(reason)
    words, within = _esper_within(words)
    without = None
    if found := re.fullmatch(r"(.+) and not (\w)", words):
        words, without = found[1], found[2]
    if " and " in words:
        raise CannotSay("two events in any order")
    if "not " in words:
        raise CannotSay("an absence that is true at once, without a time")
    found = re.fullmatch(r"(every )?\(?(\w)(?: then (every )?(\w))?\)?", words)
    if found is None:
        raise CannotSay(f"unknown words: {words}")
    every, first, every_second, second = found.groups()
    elements = [element([name]) for name in (first, second) if name]
    if without is not None:
        elements[-1]["without"] = {"event": [without], "over": "window"}
    skip = "past_last" if "(" in words else "none"
    return Translation(_enter(elements, within, skip), once=not every and not every_second)


def _esper_within(words: str) -> tuple[str, int | None]:
    """A guard on the second of two events is the time between them; one on the first is the time since the statement began."""
    guards = re.findall(r"(\S+) within ?\(([\d.]+)(?: (msec|milliseconds))?\)", words)
    if not guards:
        return words, None
    if len(guards) > 1 or not re.search(r"then \w within", words):
        raise CannotSay("a time counted from the start of the statement (within on the first)")
    _, number, unit = guards[0]
    return re.sub(r" within ?\(.*?\)", "", words), int(number) if unit else round(float(number) * 1000)


# --- MATCH_RECOGNIZE (Trino)

_SQL_STEPS = {
    "any": None,
    "falling": "properties.value < matched[-1].properties.value",
    "rising": "properties.value > matched[-1].properties.value",
    "equal to previous": "properties.value == matched[-1].properties.value",
}


def _sql(case: dict[str, Any]) -> Translation:
    words = case["pattern_words"]
    if "previous value" in words:
        raise CannotSay("the row before the match, which is no part of it (PREV)")
    if "|" in words or "any order" in words:
        raise CannotSay("alternatives, or any order")
    if "partition end" in words:
        raise CannotSay("the end of the log (an anchor)")
    skip = "past_last"
    if ";" in words:
        words, after = words.split("; after match: ")
        if after not in ("skip past last row", "skip to next row"):
            raise CannotSay(f"after a match, a position to go on from ({after})")
        skip = "none" if after == "skip to next row" else "past_last"
    elements = []
    for part in re.split(r", | then ", words):
        found = re.fullmatch(r"(optional )?(\w)(\+)?(?: \(?([\w ]+?)\)?)?", part)
        if found is None:
            raise CannotSay(f"unknown words: {part}")
        optional, _, more, what = found.groups()
        if what == "never" and optional:
            continue  # an optional row that no row can be
        where = _SQL_STEPS[what or "any"]
        elements.append(
            element(["row"], where=where, times={"at_least": 1} if more else None, strict=True if elements else None)
        )
    return Translation(_enter(elements, None, skip))


# --- the rest


def _kafka_streams(case: dict[str, Any]) -> Translation:
    found = re.match(r"session gap (\d+), grace (\d+): record", case["pattern_words"])
    if found is None:
        raise CannotSay("a window that grows with each event (session)")
    max_age = f"{int(found[1]) + int(found[2])}ms"
    return Translation({"event": ["rec"], "max_age": max_age}, once=True)


def _dittofeed(case: dict[str, Any]) -> Translation:
    words = case["pattern_words"]
    if found := re.match(r"journey keyed by (\w+) entered on (\w+) -> one message", words):
        return Translation({"event": [found[2]], "key": f"properties.{found[1]}", "again": "never"})
    if found := re.match(r"entered on (\w+) keyed by (\w+); split: (\w+ >= \d+) -> message else exit", words):
        enter = {"event": [found[1]], "key": f"properties.{found[2]}", "where": f"properties.{found[3]}"}
        return Translation(enter)
    if re.search(r"may run only once; triggered twice", words):
        return Translation({"event": ["trigger"], "again": "never"})
    if "split" in words:
        raise CannotSay("no pattern: an experiment of which the test fixes the arm")
    raise CannotSay("no pattern: entry by segment, and steps that wait")


def _unomi(case: dict[str, Any]) -> Translation:
    raise CannotSay("no pattern: membership in a segment, by a trait over a window")


_OF = {
    "flink-cep": _flink,
    "siddhi": _siddhi,
    "esper": _esper,
    "sql-match-recognize": _sql,
    "kafka-streams": _kafka_streams,
    "dittofeed": _dittofeed,
    "unomi": _unomi,
}
