"""The demo: events made up, the example journeys over them, and what came of it told customer by customer.

Everything told is read back from what the replay wrote and from the events themselves.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape

from flows.definitions import read_directory
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
    facts = list(_records(directory / "facts.jsonl"))
    actions = sorted(
        _records(directory / "actions.email.jsonl"), key=lambda action: _is_anonymous(action["customer_id"])
    )
    refusals = [fact for fact in facts if fact["fact"] == "not_entered"]
    refusal = min(refusals, key=lambda fact: _is_anonymous(fact["customer_id"]), default=None)
    sent = actions[:_STORIES]
    seen = _what_they_did(events, {action["customer_id"] for action in sent})

    _say("\n[bold]Sent, and why[/bold]")
    for action in sent:
        _tell_sent(action, seen[action["customer_id"]])
    if not sent:
        _say("  nobody; try more --events")
    _say("\n[bold]Not sent, and why[/bold]")
    if refusal is None:
        _say("  every match entered; try more --events")
    else:
        _tell_refused(refusal, facts)
    _say(
        f"\nAll of it is in {escape(str(directory))}: actions.email, facts, profiles, rejected (.jsonl) and summary.json"
    )


def _tell_sent(action: dict[str, Any], did: list[dict[str, Any]]) -> None:
    category = action["with"]["category"]
    person = escape(action["customer_id"])
    _say(f"  [green]{person}[/green] <- {action['channel']}: {action['template']} {escape(str(action['with']))}")
    looks = [
        event
        for event in did
        if event["event"] == "Product Viewed"
        and event["properties"].get("category") == category
        and event["receivedAt"] <= action["decided_at"]
    ]
    for event in looks[-3:]:
        name = escape(str(event["properties"].get("name")))
        _say(f"      {event['timestamp']}  looked at {name} in {escape(str(category))}")
    _say(f"      three looks in five days, none of it bought: {action['journey']} at {action['decided_at']}")


def _tell_refused(refusal: dict[str, Any], facts: list[dict[str, Any]]) -> None:
    person, journey = refusal["customer_id"], refusal["journey"]
    _say(
        f"  [yellow]{escape(person)}[/yellow] looked three times at {escape(str(refusal['key']))} by {refusal['at']}, "
        f"but did not enter {journey} again: {refusal['reason']}"
    )
    entered = ""
    for fact in facts:
        same = (fact["customer_id"], fact.get("journey"), fact.get("key")) == (person, journey, refusal["key"])
        if same and fact["fact"] == "entered" and fact["seq"] < refusal["seq"]:
            entered = fact["at"]
    rules = {definition.journey: definition.enter.again for definition in read_directory(EXAMPLES).journeys}
    _say(f"      the last entry was at {entered}; the journey says again: {rules[journey]}")


def _say(line: str) -> None:
    Console(highlight=False).print(line, soft_wrap=True)


def _is_anonymous(customer_id: str) -> bool:
    """Those who signed in are told first: they have names."""
    return customer_id.startswith("anon:")


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
