"""Everything that came out of a replay of the population, against what must hold."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import groupby
from math import sqrt
from pathlib import Path
from typing import Any

import orjson
import yaml

from state.instants import format_instant
from tests.invariants import Invariants, moment
from tests.population.people import DAY, START, Event, Person, people

EXAMPLES = Path(__file__).parents[2] / "examples" / "journeys"


def line_of(event: Event) -> bytes:
    """An event as a line of a file."""
    now = event["now"]
    rest = {name: value for name, value in event.items() if name not in ("now", "time")}
    return orjson.dumps(
        {**rest, "timestamp": format_instant(event.get("time", now)), "receivedAt": format_instant(now)}
    )


def write_events(path: Path, seed: int, count: int, days: int = 60) -> int:
    """The events of all, in the order of their log times, and a last one by which time goes on for a month; how many."""
    lines = [(event["now"], line_of(event)) for person in people(seed, count, days) for event in person.events()]
    end = START + (days + 60) * DAY
    lines.append(
        (end, line_of({"type": "page", "name": "end", "userId": "the-end", "messageId": "the-end", "now": end}))
    )
    lines.sort()
    with path.open("wb") as file:
        file.writelines(line + b"\n" for _, line in lines)
    return len(lines)


def open_ticket(_profile: Mapping[str, Any], events: list[Mapping[str, Any]], now: int) -> list[str]:
    """What `suppress` of the workspace says: an open ticket holds marketing back."""
    counts = dict.fromkeys(("Ticket Opened", "Ticket Closed"), 0)
    for event in events:
        if event.get("event") in counts and event["now"] > now - 90 * DAY:
            counts[event["event"]] += 1
    return ["marketing"] if counts["Ticket Opened"] > counts["Ticket Closed"] else []


def judge(out: Path, seed: int, count: int, days: int = 60) -> Invariants:
    """Look at all records of a replay, customer by customer."""
    found = Invariants(yaml.safe_load((EXAMPLES / "orchestration.yaml").read_text(encoding="utf-8")), open_ticket)
    told = by_customer(out)
    customer_id, records = next(told, ("", []))
    for person in people(seed, count, days):
        own: list[dict[str, Any]] = []
        if person.customer_id == customer_id:
            own = records
            customer_id, records = next(told, ("", []))
        found.customer(person.customer_id, person.events(), own)
    assert not customer_id, f"records of {customer_id}, whom nobody made"
    return found


def by_customer(out: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(customer, their actions and facts in the order of `seq`); the files are sorted by both."""
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in sorted(out.glob("actions.*.jsonl"))]
        files.append(stack.enter_context((out / "facts.jsonl").open("rb")))
        rows = [groupby(map(orjson.loads, file), key=lambda record: record["customer_id"]) for file in files]
        heads = [next(one, None) for one in rows]
        while any(head is not None for head in heads):
            customer_id = min(head[0] for head in heads if head is not None)
            records: list[dict[str, Any]] = []
            for place, head in enumerate(heads):
                if head is not None and head[0] == customer_id:
                    records += head[1]
                    heads[place] = next(rows[place], None)
            yield customer_id, sorted(records, key=lambda record: record["seq"])


def arms_out_of_bounds(found: Invariants, weights: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Arms whose share is not within five standard deviations of what the weights say."""
    wrong = []
    for name, arms in weights.items():
        counts = found.arms.get(name, {})
        total = sum(counts.values())
        for arm, share in arms.items():
            if abs(counts.get(arm, 0) - share * total) > 5 * sqrt(total * share * (1 - share)):
                wrong.append(f"{name}: {arm} has {counts.get(arm, 0)} of {total}, and the weights say {share:.0%}")
    return wrong


def shown(found: Invariants) -> str:
    """What was looked at, in one line."""
    counts = ", ".join(f"{rule} {count:,}" for rule, count in sorted(found.counted.items()))
    return f"{len(found.violations):,} violations; looked at: {counts}; arms: {json.dumps(found.arms)}"


__all__ = ["Person", "arms_out_of_bounds", "by_customer", "judge", "moment", "shown", "write_events"]
