"""What came of a scenario against what was expected: the actions side by side, facts among others, facts that must not be.

Fields that an expectation does not name may be anything; the same holds inside of `with`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, NamedTuple

from operators.expression_values import COMPARED_MAX, alike
from operators.scenario_definitions import ExpectedAction, ExpectedFact, Scenario
from operators.scenario_run import Life, at_ms
from operators.scenario_times import parse_time
from state.instants import format_instant

Fields = dict[str, Any]
"""The named fields of an expectation, times as records write them."""


class Row(NamedTuple):
    """One line of the comparison: what was expected and what came; None where nothing is on that side."""

    expected: Fields | None
    got: Mapping[str, Any] | None
    differing: tuple[str, ...] = ()
    """Names of the fields that differ, where both are there."""

    @property
    def is_equal(self) -> bool:
        """Whether what came is what was expected."""
        return self.expected is not None and self.got is not None and not self.differing


@dataclass
class Verdict:
    """How a scenario went."""

    problems: list[str] = field(default_factory=list)
    """Why it cannot be judged."""
    rows: list[Row] = field(default_factory=list)
    """Expected and real actions, in order."""
    missing: list[Fields] = field(default_factory=list)
    """Facts that were expected and did not come."""
    unwanted: list[tuple[Fields, Mapping[str, Any]]] = field(default_factory=list)
    """Facts that came and must not, with what forbids them."""

    @property
    def is_passed(self) -> bool:
        """Whether all went as expected."""
        return not (self.problems or self.missing or self.unwanted) and all(row.is_equal for row in self.rows)


def judge(scenario: Scenario, life: Life) -> Verdict:
    """Compare."""
    expected = list(_actions(scenario.expect, life))
    facts = [_fields(one, life.first, life.first, life.zone) for one in scenario.facts]
    never = [_fields(one, life.first, life.first, life.zone) for one in scenario.never]
    return Verdict(
        problems=list(life.problems),
        rows=_aligned(expected, life.actions),
        missing=_unmatched(facts, life.facts),
        unwanted=[(one, fact) for one in never for fact in life.facts if not _differing(one, fact)],
    )


def _actions(expected: Sequence[ExpectedAction], life: Life) -> Iterator[Fields]:
    before = life.first
    for one in expected:
        fields = _fields(one, life.first, before, life.zone)
        if "at" in fields:
            fields["decided_at"] = fields.pop("at")
            before = at_ms(fields["decided_at"])
        yield fields


def _fields(one: ExpectedAction | ExpectedFact, first: int, before: int, zone: tzinfo) -> Fields:
    fields = one.model_dump(by_alias=True, exclude_unset=True)
    for name in ("at", "until", "expires_at"):
        if fields.get(name) is not None:
            fields[name] = format_instant(parse_time(fields[name]).resolve(first, before, zone))
    return fields


def _differing(expected: Fields, got: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the fields in which a record is not as expected."""
    return tuple(name for name, value in expected.items() if not _fits(value, got.get(name)))


def _fits(expected: Any, got: Any) -> bool:
    if isinstance(expected, dict):
        return isinstance(got, dict) and all(
            name in got and _fits(value, got[name]) for name, value in expected.items()
        )
    return alike(expected, got, [COMPARED_MAX])


def _aligned(expected: Sequence[Fields], got: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The two lists side by side, with as many equal pairs as there can be, and what is between those paired in order."""
    equal = [[not _differing(one, other) for other in got] for one in expected]
    best = [[0] * (len(got) + 1) for _ in range(len(expected) + 1)]
    for i in reversed(range(len(expected))):
        for j in reversed(range(len(got))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], 1 + best[i + 1][j + 1] if equal[i][j] else 0)
    rows: list[Row] = []
    i = j = 0
    since = (0, 0)
    while i < len(expected) and j < len(got):
        if equal[i][j] and best[i][j] == 1 + best[i + 1][j + 1]:
            rows += _paired(expected[since[0] : i], got[since[1] : j])
            rows.append(Row(expected[i], got[j]))
            i, j = i + 1, j + 1
            since = (i, j)
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1
    return rows + _paired(expected[since[0] :], got[since[1] :])


def _paired(expected: Sequence[Fields], got: Sequence[Mapping[str, Any]]) -> list[Row]:
    rows = []
    for number in range(max(len(expected), len(got))):
        one = expected[number] if number < len(expected) else None
        other = got[number] if number < len(got) else None
        rows.append(Row(one, other, _differing(one, other) if one is not None and other is not None else ()))
    return rows


def _unmatched(expected: Sequence[Fields], got: Sequence[Mapping[str, Any]]) -> list[Fields]:
    """The expectations that find no record of their own, with as many matched as there can be (Kuhn's augmenting paths)."""
    taken: dict[int, int] = {}

    def find(one: int, tried: set[int]) -> bool:
        for place, record in enumerate(got):
            if place in tried or _differing(expected[one], record):
                continue
            tried.add(place)
            if place not in taken or find(taken[place], tried):
                taken[place] = one
                return True
        return False

    return [fields for number, fields in enumerate(expected) if not find(number, set())]
