"""What `sojourn compare` shows: totals side by side, and where the first customers begin to differ."""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import orjson

from flows.compare import Comparison, Difference, Side, compare
from flows.facts_files import Record
from flows.facts_told import at_of, sentence
from flows.show import show_lines
from flows.show_tables import Row, show_table

_TOLD_OF = ("entered", "not_entered", "held_out", "converted", "exited", "withheld", "decided", "outcome", "send")
"""What the table counts; steps and waits say little side by side and are in `--json`."""


def show_comparison(a: Path, b: Path, customers_max: int, exact: bool) -> Comparison:
    """Compare two outputs and tell a person what came of it."""
    comparison, differences = compare(a, b, exact)
    first = list(islice(differences, customers_max))
    for _ in differences:  # read on: the totals are those of all
        pass
    sides = (comparison.a, comparison.b)
    show_table("A and B, side by side", ("", "A", "B", "B - A"), [*_totals(sides), *_counts(sides)])
    show_lines("", [f"A is {a}", f"B is {b}"])
    if first:
        title = f"Where {'the first ' if comparison.differing > len(first) else ''}{len(first)} of them begin to differ"
        show_lines(title, [line for one in first for line in difference_lines(one)])
    return comparison


def json_of(a: Path, b: Path, customers_max: int, exact: bool) -> tuple[Comparison, Iterator[bytes]]:
    """The same for programs: one JSON object, in pieces, since the customers in it may be many."""
    comparison, differences = compare(a, b, exact)

    def pieces() -> Iterator[bytes]:
        yield b'{"customers":['
        for number, one in enumerate(islice(differences, customers_max)):
            yield (b",\n" if number else b"\n") + orjson.dumps(one.as_json(), option=orjson.OPT_SORT_KEYS)
        for _ in differences:
            pass
        yield b'\n],"summary":' + orjson.dumps(comparison.as_json()) + b"}\n"

    return comparison, pieces()


def verdict(comparison: Comparison) -> str:
    """What is wrong, or not, in a line."""
    a, b = comparison.a, comparison.b
    if comparison.is_equal:
        return f"equal: {a.customers:,} customers, {a.records:,} facts and actions"
    parts = []
    if comparison.differing:
        alone = [f"{side.alone:,} only in {name}" for name, side in (("A", a), ("B", b)) if side.alone]
        shown = f" ({', '.join(alone)})" if alone else ""
        parts.append(f"{_count(comparison.differing, 'customer')}{shown}")
    if comparison.profiles_differing:
        parts.append(f"{_count(comparison.profiles_differing, 'profile')}")
    if comparison.rejected_differ:
        parts.append("rejected.jsonl differs")
    return f"{'; '.join(parts)}; the whole story of one: sojourn explain CUSTOMER --facts {b.name}"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what} differs" if count == 1 else f"{count:,} {what}s differ"


def difference_lines(one: Difference) -> Iterator[str]:
    """Where one customer begins to differ."""
    yield one.customer_id
    if one.before is not None:
        yield f"  both  {_line(one.before)}   (and {one.same - 1:,} before it)"
    for name, side in zip("AB", one.sides, strict=True):
        lines = [_line(record) for record in side] or ["nothing more"]
        yield f"  {name}     {lines[0]}"
        yield from (f"        {line}" for line in lines[1:])


def _line(record: Record) -> str:
    journey = f"{record['journey']}: " if record.get("journey") else ""
    cause = f"  [{record['caused_by']}]" if record.get("caused_by") else ""
    return f"{at_of(record)}  {journey}{sentence(record)}{cause}"


def _totals(sides: tuple[Side, Side]) -> Iterator[Row]:
    a, b = sides
    for name, one, other in (("customers", a.customers, b.customers), ("facts and actions", a.records, b.records)):
        yield name, f"{one:,}", f"{other:,}", f"{other - one:+,}"


def _counts(sides: tuple[Side, Side]) -> Iterator[Row]:
    a, b = sides
    names = sorted(set(chain(a.counts, b.counts)))
    for name in names:
        journey, what, detail = name
        if what in _TOLD_OF:
            one, other = a.counts[name], b.counts[name]
            label = f"{journey or '(no journey)'}: {what}{f' {detail}' if detail else ''}"
            yield label, f"{one:,}", f"{other:,}", f"{other - one:+,}" if one != other else ""
