"""How scenarios went, as lines of text: what was expected beside what came, the customer's story, and the coverage."""

from collections.abc import Iterator, Mapping
from typing import Any

from flows.scenarios import Result
from operators.calendar import WEEKDAYS, local_time
from operators.scenario_coverage import Coverage
from operators.scenario_match import Row
from operators.scenario_run import Told, at_ms
from operators.scenario_times import since

_SIDE = 58
"""Characters of the left half of the comparison; two halves fit a terminal of 120."""

_ACTION = ("kind", "channel", "step", "template", "with", "tags", "arm", "expires_at", "attach")
_NOT_TOLD = ("fact", "at", "seq", "customer_id", "journey", "version", "instance", "action_id", "caused_by")
_TIMES = ("at", "decided_at", "until", "expires_at")
_ALWAYS = ("kind", "channel", "step")


def shown_failure(result: Result) -> list[str]:
    """What was expected and what came; empty for a scenario that passed."""
    verdict, first = result.verdict, result.life.first
    if verdict.is_passed:
        return []
    lines = [f"  {problem}" for problem in verdict.problems]
    if not all(row.is_equal for row in verdict.rows):
        lines.append(f"    {'expected':{_SIDE}}  got")
        for row in verdict.rows:
            lines += _shown_row(row, first)
    lines += [f"  did not happen: {_shown_fact(fact, first)}" for fact in verdict.missing]
    for forbidden, fact in verdict.unwanted:
        lines.append(f"  must never happen: {_shown_fact(forbidden, first)}; it did: {_shown_fact(fact, first)}")
    return lines


def shown_reason(result: Result) -> str:
    """A failure in one line; empty for a scenario that passed."""
    verdict = result.verdict
    counts = (
        (len(verdict.problems), "cannot be judged"),
        (sum(not row.is_equal for row in verdict.rows), "of its actions are not as expected"),
        (len(verdict.missing), "expected facts did not happen"),
        (len(verdict.unwanted), "facts happened that must not"),
    )
    return "; ".join(f"{count} {what}" if what != "cannot be judged" else what for count, what in counts if count)


def shown_story(result: Result) -> list[str]:
    """What the customer did and what came of it, with the time since the first event and the clock where they are."""
    life = result.life
    lines, last = [], None
    for told in life.told:
        local = local_time(told.at, life.zone)
        clock = f"{WEEKDAYS[local.weekday()][:3]} {local:%Y-%m-%d %H:%M:%S}"
        place = f"{since(life.first, told.at):>12}  {clock}" if told.at != last else " " * 37
        last = told.at
        lines.append(f"  {place:37}  {_shown_told(told, life.first)}".rstrip())
    return lines


def shown_coverage(coverage: list[Coverage]) -> Iterator[str]:
    """Steps and ways reached, journey by journey; what was never reached is named."""
    width = max((len(one.journey) for one in coverage), default=0)
    for one in coverage:
        steps, ways = f"{len(one.steps_reached)}/{len(one.steps)} steps", f"{len(one.ways_taken)}/{len(one.ways)} ways"
        total = len(one.steps) + len(one.ways)
        share = (len(one.steps_reached) + len(one.ways_taken)) * 100 // total if total else 100
        yield f"{one.journey:{width}}  {share:3}%  {steps:>12}  {ways:>12}"
        for missed in one.missed:
            yield f"{'':{width}}        never reached: {missed}"


def _shown_row(row: Row, first: int) -> Iterator[str]:
    left = _shown_action(row.expected, first) if row.expected is not None else "nothing"
    names = [*_ALWAYS, *(name for name in row.expected or {} if name in _ACTION)]
    right = "nothing"
    if row.got is not None:
        got = {name: row.got.get(name) for name in dict.fromkeys([*names, "template"])}
        right = _shown_action({"decided_at": row.got["decided_at"], **got}, first)
    mark = "=" if row.is_equal else "!"
    if len(left) > _SIDE:
        yield f"  {mark} {left}"
        left = ""
        mark = " "
    yield f"  {mark} {left:{_SIDE}}  {right}"
    if row.expected is not None and row.got is not None:
        for name in row.differing:
            wanted, was = (_shown_value(name, one.get(name), first) for one in (row.expected, row.got))
            yield f"      {'at' if name == 'decided_at' else name}: expected {wanted}, got {was}"


def _shown_action(action: Mapping[str, Any], first: int) -> str:
    at = action.get("decided_at")
    parts = [since(first, at_ms(at)) if at else "any time"]
    parts += [str(action[name]) for name in _ALWAYS if action.get(name) is not None]
    for name, value in action.items():
        if name not in (*_ALWAYS, "decided_at") and value is not None:
            parts.append(f"{name}={_shown_value(name, value, first)}")
    return " ".join(parts)


def _shown_fact(fact: Mapping[str, Any], first: int) -> str:
    parts = [str(fact["fact"])]
    for name, value in fact.items():
        if name not in _NOT_TOLD and value not in (None, []):
            parts.append(f"{name}={_shown_value(name, value, first)}")
    if fact.get("at"):
        parts.append(f"at {since(first, at_ms(fact['at']))}")
    return " ".join(parts)


def _shown_told(told: Told, first: int) -> str:
    if told.event is not None:
        details = "".join(f" {name}={value!r}" for name, value in list(told.event.properties.items())[:4])
        late = f" (of {since(first, told.event.time)}, arrives late)" if told.is_late else ""
        return f"> {told.event.name}{details}{late}"
    if told.action is not None:
        names = dict.fromkeys((*_ALWAYS, "template", "with"))
        return f"  -> {_shown_action({name: told.action.get(name) for name in names}, first).removeprefix('any time ')}"
    fact = {name: value for name, value in (told.fact or {}).items() if name != "at"}
    return f"     {_shown_fact(fact, first)}"


def _shown_value(name: str, value: Any, first: int) -> str:
    if name in _TIMES and isinstance(value, str):
        return since(first, at_ms(value))
    return str(value)
