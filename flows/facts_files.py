"""What a replay wrote, read back: lines of facts from wherever they are, and all records of one customer after the other.

`sojourn compare` and `explain` read here. A place of facts is a directory of a replay, a file (JSON
lines, `.gz` and `.zst` too, or Parquet), or a topic of Kafka; `open_facts` tells which and reads it.
"""

import heapq
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import orjson

from flows.history import check_files
from flows.input_files import Progress, read_lines
from operators.records import ACTIONS
from state.errors import InputError, UsageError

FACTS_FILE = "facts.jsonl"
PARQUET_ENDS = (".parquet", ".pq")

Record = dict[str, Any]


class Told(msgspec.Struct, gc=False):
    """Of one record, fact or action: what sorts it and what counts are made of. Fields have the contract's names."""

    customer_id: str
    seq: int
    fact: str = ""
    """Empty for an action."""
    journey: str = ""
    channel: str | None = None
    kind: str = ""
    """Of an action, and of the fact that it was sent: `send`, `suppress`, `release`."""
    gate: str = ""
    reason: str = ""
    raw: bytes = b""
    """The line; no field of the record."""


Customer = tuple[str, list[Told]]
"""A customer and all that was said about them, in the order in which it was."""

_read = msgspec.json.Decoder(Told).decode


def facts_file(out: Path) -> Path:
    """The facts of an output directory.

    Raises:
        InputError: It has none.
    """
    path = out / FACTS_FILE
    if not path.is_file():
        raise InputError(
            f"{out} has no {FACTS_FILE}: it is no output of a replay; make one: sojourn replay EVENTS --journeys DIR --out {out}"
        )
    return path


def read_file(path: Path) -> Iterator[bytes]:
    """The lines of a file of facts, blank ones left out.

    Raises:
        InputError: It cannot be read.
    """
    check_files([path])
    if path.suffix in PARQUET_ENDS:
        from flows.facts_table import parquet_lines  # noqa: PLC0415 - DuckDB is loaded only where it is needed

        yield from parquet_lines(path)
        return
    for lines in read_lines(path, Progress([path])):
        yield from (line for line in lines if line and not line.isspace())


def open_facts(place: str) -> Iterator[bytes]:
    """The facts of a place as lines: an output directory, a file, or a topic.

    Raises:
        InputError: There is no such place, or it cannot be read.
        OutsideError: Kafka refuses.
    """
    path = Path(place)
    if path.is_dir():
        return read_file(facts_file(path))
    if path.exists():
        return read_file(path)
    if looks_like_path(place):
        raise InputError(
            f"{place} is not there; name the output directory of a replay, a file of facts (.jsonl, .gz, .zst, .parquet), or a topic"
        )
    from flows.facts_topic import read_topic  # noqa: PLC0415 - Kafka's client is loaded only where it is needed

    return read_topic(place)


def looks_like_path(place: str) -> bool:
    """Whether something that is not there was meant as a path: no topic has a slash, or ends as files do."""
    return "/" in place or "\\" in place or place.endswith((".jsonl", ".json", ".gz", ".zst", *PARQUET_ENDS))


def facts_of(place: str, customer_id: str) -> list[Record]:
    """The facts of one customer, in order.

    Raises:
        InputError: The place cannot be read, or has lines that are no facts.
    """
    # Most lines are another's: a search for the id as JSON writes it is faster than reading them.
    wanted = orjson.dumps(customer_id)
    found = []
    for number, line in enumerate(open_facts(place), 1):
        if wanted in line:
            fact = read_record(line, place, number)
            if fact.get("customer_id") == customer_id and "fact" in fact:
                found.append(fact)
    return sorted(found, key=lambda fact: fact.get("seq", 0))


def read_record(line: bytes, place: object, number: int) -> Record:
    """One line as an object.

    Raises:
        InputError: It is none.
    """
    try:
        record: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise no_record(place, number, str(error)) from error
    if not isinstance(record, dict):
        raise no_record(place, number, "it is no JSON object")
    return record


def no_record(place: object, number: int, why: str) -> InputError:
    """What to say of a line that is no record of ours."""
    return InputError(f"{place}, line {number}: this is no fact or action of Sojourn ({why}); is it the right file?")


def customers(out: Path) -> Iterator[Customer]:
    """All facts and actions of an output directory, customer after customer, in the order of their ids.

    Memory holds one customer at a time.

    Raises:
        InputError: It is no output of a replay, or not in its order.
    """
    files = [facts_file(out), *sorted(out.glob(f"{ACTIONS}*.jsonl"))]
    streams = [_grouped(path) for path in files]
    for customer_id, parts in groupby(heapq.merge(*streams, key=_customer_id), key=_customer_id):
        records = [record for _, part in parts for record in part]
        records.sort(key=_seq)
        yield customer_id, records


def profiles(out: Path) -> Iterator[Customer]:
    """The last profile of each customer of an output directory; none where the file is gone."""
    path = out / "profiles.jsonl"
    return _grouped(path) if path.is_file() else iter(())


def _customer_id(customer: Customer) -> str:
    return customer[0]


def _seq(record: Told) -> int:
    return record.seq


def _grouped(path: Path) -> Iterator[Customer]:
    """The records of one file, customer by customer.

    Raises:
        InputError: A line is no record, or is out of order.
    """
    last, records = "", list[Told]()
    for number, line in enumerate(read_file(path), 1):
        try:
            told = _read(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise no_record(path, number, str(error)) from error
        told.raw = line
        if told.customer_id != last:
            if records:
                yield last, records
            if told.customer_id < last:
                raise InputError(
                    f"{path}, line {number}: {told.customer_id!r} stands after {last!r}, and a replay writes customers in order; "
                    "compare directories that `sojourn replay --out` wrote, as it wrote them"
                )
            last, records = told.customer_id, []
        records.append(told)
    if records:
        yield last, records


def check_place(place: str, option: str) -> None:
    """Refuse at once what can be no place of facts.

    Raises:
        UsageError: It is empty.
    """
    if not place:
        raise UsageError(f"{option} is empty; name the output directory of a replay, a file of facts, or a topic")
