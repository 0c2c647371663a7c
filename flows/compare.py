"""Two outputs side by side: who gets something else, and where it begins.

Both are in the order of customers, so they are read once, together, and memory holds one customer of each. Of every
customer that differs, the first difference is told: the record before it, which both have, and what each side goes on with.

What is compared is what happened. `seq` counts records, `version` names the definitions, and `action_id` is made of both
journey and version: where these alone differ, nobody gets anything else. `exact` compares them, too.
"""

import filecmp
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from flows.facts_files import Customer, Record, Told, customers, profiles

SHOWN_OF_SIDE = 3
"""Records of each side that are told from the first difference on."""

NOT_COMPARED = ("seq", "version", "action_id")


@dataclass
class Difference:
    """One customer that differs."""

    customer_id: str
    same: int
    """How many records both have before it."""
    before: Record | None
    """The last of those."""
    sides: tuple[list[Record], list[Record]]
    """What each side goes on with; empty where it has nothing more."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        first, second = self.sides
        return {"customer_id": self.customer_id, "same": self.same, "before": self.before, "a": first, "b": second}


@dataclass
class Side:
    """What one output has."""

    name: str
    customers: int = 0
    records: int = 0
    alone: int = 0
    """Customers of whom the other side says nothing."""
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(journey, fact or `send`, detail) -> how many; the detail is the channel, gate or reason."""

    def add(self, customer: Customer) -> None:
        """Count what is said of one customer."""
        self.customers += 1
        self.records += len(customer[1])
        self.counts.update(map(counted, customer[1]))


@dataclass
class Comparison:
    """What came of it; complete once `differences` was read to its end."""

    a: Side
    b: Side
    differing: int = 0
    by_journey: Counter[str] = field(default_factory=Counter)
    """Journey -> customers whose first difference is in it; empty for what is in none."""
    profiles_differing: int = 0
    rejected_differ: bool = False

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.differing or self.profiles_differing or self.rejected_differ)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        names = sorted(self.a.counts.keys() | self.b.counts.keys())
        return {
            "equal": self.is_equal,
            "customers_differing": self.differing,
            "first_difference_by_journey": dict(sorted(self.by_journey.items())),
            "profiles_differing": self.profiles_differing,
            "rejected_differ": self.rejected_differ,
            "a": {"out": self.a.name, "customers": self.a.customers, "records": self.a.records, "alone": self.a.alone},
            "b": {"out": self.b.name, "customers": self.b.customers, "records": self.b.records, "alone": self.b.alone},
            "counts": [
                {
                    "journey": name[0],
                    "what": name[1],
                    "detail": name[2],
                    "a": self.a.counts[name],
                    "b": self.b.counts[name],
                }
                for name in names
            ],
        }


def counted(told: Told) -> tuple[str, str, str]:
    """What a record counts as: an action by its kind and channel, a fact by its gate or reason."""
    if not told.fact:
        return told.journey, told.kind, told.channel or ""
    if told.fact == "sent":
        return told.journey, "sent", ""  # the action beside it has the channel
    return told.journey, told.fact, told.gate or told.reason


def compare(a: Path, b: Path, exact: bool = False) -> tuple[Comparison, Iterator[Difference]]:
    """Compare two output directories.

    Args:
        a: The one.
        b: The other.
        exact: Compare `seq`, `version` and `action_id`, too.

    Returns:
        The totals, which are complete when the differences were read, and the differences in the order of customers.

    Raises:
        InputError: One of them is no output of a replay.
    """
    comparison = Comparison(Side(str(a)), Side(str(b)))
    return comparison, _differences(comparison, a, b, () if exact else NOT_COMPARED)


def _differences(comparison: Comparison, a: Path, b: Path, ignored: Iterable[str]) -> Iterator[Difference]:
    sides = comparison.a, comparison.b
    for one, other in paired(customers(a), customers(b)):
        for side, mine, others in ((sides[0], one, other), (sides[1], other, one)):
            if mine is not None:
                side.add(mine)
                side.alone += others is None
        found = first_difference(one, other, ignored)
        if found is not None:
            comparison.differing += 1
            first = next((record for records in found.sides for record in records), {})
            comparison.by_journey[str(first.get("journey") or "")] += 1
            yield found
    for one, other in paired(profiles(a), profiles(b)):
        comparison.profiles_differing += first_difference(one, other, ignored) is not None
    comparison.rejected_differ = _differ(a / "rejected.jsonl", b / "rejected.jsonl")


def paired(a: Iterator[Customer], b: Iterator[Customer]) -> Iterator[tuple[Customer | None, Customer | None]]:
    """Two sequences in the order of customers, side by side; None where one of them has not the customer."""
    one, other = next(a, None), next(b, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            yield one, None
            one = next(a, None)
        elif one is None or other[0] < one[0]:
            yield None, other
            other = next(b, None)
        else:
            yield one, other
            one, other = next(a, None), next(b, None)


def first_difference(one: Customer | None, other: Customer | None, ignored: Iterable[str]) -> Difference | None:
    """Where what is said of a customer begins to differ; None where it does not."""
    records = [customer[1] if customer is not None else [] for customer in (one, other)]
    here = one or other
    assert here is not None  # noqa: S101 - `paired` gives one at least
    same, longest = 0, max(map(len, records))
    while same < longest:
        first, second = (side[same] if same < len(side) else None for side in records)
        if first is None or second is None:
            break
        # Equal bytes need not be read; nearly all are.
        if first.raw != second.raw and _said(first, ignored) != _said(second, ignored):
            break
        same += 1
    if same == longest:
        return None
    before = orjson.loads(records[0][same - 1].raw) if same else None
    first_side, second_side = ([orjson.loads(one.raw) for one in side[same : same + SHOWN_OF_SIDE]] for side in records)
    return Difference(here[0], same, before, (first_side, second_side))


def _said(told: Told, ignored: Iterable[str]) -> Record:
    record: Record = orjson.loads(told.raw)
    for name in ignored:
        record.pop(name, None)
        for run in record.get("journeys", ()):  # of a profile
            run.pop(name, None)
    return record


def _differ(a: Path, b: Path) -> bool:
    """Whether two files differ; one that is not there is as good as an empty one."""
    present = [path for path in (a, b) if path.is_file() and path.stat().st_size]
    return len(present) == 1 or (len(present) == 2 and not filecmp.cmp(a, b, shallow=False))
