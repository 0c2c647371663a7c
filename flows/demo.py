"""The demo: events made up, the example journeys over them, and what came of it told customer by customer.

Everything told is read back from what the replay wrote and from the events themselves.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape

from flows.generate import to_file
from flows.replay import Request, replay, write_summary
from flows.show import show_progress, show_summary, tell
from state.errors import UsageError

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "journeys"
_STORIES = 5
_SEED = 7
_EVENTS_PER_CUSTOMER = 20


def run_demo(directory: Path, events: int) -> None:
    """Make events, replay, tell.

    Raises:
        UsageError: The example journeys are not there.
    """
    if not EXAMPLES.is_dir():
        raise UsageError(f"{EXAMPLES} is not there; run the demo from a checkout of the project")
    file = directory / "events.jsonl"
    tell(f"making {events:,} events")
    to_file(file, events, events // _EVENTS_PER_CUSTOMER, _SEED)
    with show_progress() as watch:
        summary = replay(Request((file,), EXAMPLES, directory), watch, tell)
    write_summary(summary, directory)
    show_summary(summary, directory)
    _tell_stories(directory, file)


def _tell_stories(directory: Path, events: Path) -> None:
    console = Console(highlight=False)
    sent = list(islice(_records(directory / "actions.email.jsonl"), _STORIES))
    refused = next((fact for fact in _records(directory / "facts.jsonl") if fact["fact"] == "not_entered"), None)
    people = {record["customer_id"] for record in [*sent, *([refused] if refused else [])]}
    seen = _what_they_did(events, people)

    console.print("\n[bold]Sent, and why[/bold]")
    for action in sent:
        category = action["with"]["category"]
        console.print(
            f"  [green]{escape(action['customer_id'])}[/green] <- {action['channel']}: {action['template']} "
            f"{escape(str(action['with']))} at {action['decided_at']}"
        )
        looks = [
            event
            for event in seen[action["customer_id"]]
            if _category(event) == category and event["receivedAt"] <= action["decided_at"]
        ]
        for event in [event for event in looks if event["event"] == "Product Viewed"][-3:]:
            console.print(
                f"      {event['timestamp']}  looked at {escape(str(event['properties'].get('name')))} in {escape(str(category))}"
            )
        console.print(
            f"      three looks at {escape(str(category))} in five days, and none bought: journey {action['journey']}"
        )
    if not sent:
        console.print("  nobody; try more --events")

    console.print("\n[bold]Not sent, and why[/bold]")
    if refused is None:
        console.print("  every match entered; try more --events")
        return
    entered = [
        fact
        for fact in _records(directory / "facts.jsonl")
        if fact["fact"] == "entered" and fact["customer_id"] == refused["customer_id"] and fact["key"] == refused["key"]
        and fact["seq"] < refused["seq"]
    ]  # fmt: skip
    console.print(
        f"  [yellow]{escape(refused['customer_id'])}[/yellow] looked three times at {escape(str(refused['key']))} again by {refused['at']}, "
        f"but: {refused['reason']}"
    )
    if entered:
        console.print(
            f"      entered {refused['journey']} for it at {entered[-1]['at']} already; the journey lets in again after 5 days"
        )
    console.print(
        f"\nAll of it is in {escape(str(directory))}: actions.email.jsonl, facts.jsonl, profiles.jsonl, rejected.jsonl, summary.json"
    )


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)


def _what_they_did(events: Path, people: set[str]) -> dict[str, list[dict[str, Any]]]:
    """The events of a few customers."""
    found: dict[str, list[dict[str, Any]]] = {person: [] for person in people}
    with events.open("rb") as file:
        for line in file:
            try:
                event = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue  # the demo has broken lines on purpose; they are in rejected.jsonl
            person = event.get("userId") or f"anon:{event.get('anonymousId')}"
            if person in found and event.get("event"):
                found[person].append(event)
    return found


def _category(event: dict[str, Any]) -> Any:
    return event["properties"].get("category")
