"""What the demo tells: one customer for each journey that sent something, and one for each reason not to.

Read back from the files of the replay and from the events themselves; nothing is known here that is not in them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from flows.definitions import load_plan, read_directory
from operators.plan import Plan

_EVENTS_TOLD = 3
"""Of one customer, the last before the message."""

_WHY = {
    "control": "in the control group: walks the journey, is sent nothing, and shows what would have happened anyway",
    "suppressed": "held back for now: {holder}",
    "consent": "did not agree to be written to there",
    "unreachable": "no address that works there",
    "cap": "has had enough: {cap}",
    "quiet_hours": "not at this hour where the customer is; it waits until {until}",
    "eligibility": "not for this customer, not now, or made as often as may be",
    "nothing": "nothing was worth more",
    "lower_priority": "another message of the same moment was worth more",
    "arbitration": "waits for a better message",
    "template": "cannot be written for this customer",
    "reentry": "was in this journey before; it says again: {again}",
    "expired": "too late to be of use",
}
"""What is said of what stopped a message or an entry."""

_SHOWN = ("name", "query", "category", "results", "step", "topic", "revenue")
"""Properties that tell what an event was about."""

Record = dict[str, Any]


@dataclass
class Stories:
    """What is told of."""

    plan: Plan
    descriptions: dict[str, str]
    """Journey -> its story in a sentence."""
    again: dict[str, str]
    """Journey -> its rule for re-entry."""
    sent: dict[str, Record] = field(default_factory=dict)
    """Journey -> a message of it."""
    stopped: dict[str, Record] = field(default_factory=dict)
    """Reason -> a fact that has it."""
    entered: dict[str, Record] = field(default_factory=dict)
    """Instance -> the fact of its entry."""
    held: dict[str, list[Record]] = field(default_factory=dict)
    """Customer -> facts of what holds their messages back."""
    did: dict[str, list[Record]] = field(default_factory=dict)
    """Customer -> what they did, as far as anything is told of them."""


def read_stories(directory: Path, events: Path, journeys: Path) -> Stories:
    """Choose whom to tell of: the first of each kind, those with names first."""
    definitions = read_directory(journeys).journeys
    stories = Stories(
        load_plan(journeys),
        {one.journey: one.description for one in definitions},
        {one.journey: one.enter.again for one in definitions},
    )
    for path in sorted(directory.glob("actions.*.jsonl")):
        for action in _records(path):
            if action["kind"] == "send":
                _keep(stories.sent, action["journey"], action)
    for fact in _records(directory / "facts.jsonl"):
        if fact["fact"] in ("withheld", "not_entered"):
            _keep(stories.stopped, fact.get("gate") or fact["reason"], fact)
        elif fact["fact"] == "sent" and fact.get("kind") == "suppress":
            stories.held.setdefault(fact["customer_id"], []).append(fact)
    told = [*stories.sent.values(), *stories.stopped.values()]
    instances = {one["instance"] for one in told if one.get("instance")}
    for fact in _records(directory / "facts.jsonl"):
        if fact["fact"] == "entered" and fact["instance"] in instances:
            stories.entered[fact["instance"]] = fact
    stories.did = _what_they_did(events, {one["customer_id"] for one in told})
    return stories


def sent_lines(stories: Stories) -> list[str]:
    """One message of each journey: what they did, and what they were sent."""
    lines = []
    for journey, action in sorted(stories.sent.items()):
        entered = stories.entered[action["instance"]]
        values = "".join(f", {name} {value}" for name, value in action["with"].items())
        lines.append(f"  {action['customer_id']} <- {action['channel']}: {action['template']}{values}")
        lines += _deeds(stories, journey, entered)
        lines.append(f"      {action['decided_at']}  {journey}: {stories.descriptions[journey]}")
    return lines


def stopped_lines(stories: Stories) -> list[str]:
    """One customer for each reason."""
    lines = []
    for reason, fact in sorted(stories.stopped.items()):
        journey = fact["journey"]
        what = f"no {fact['channel']} of {journey}" if fact["fact"] == "withheld" else f"no entry into {journey}"
        key = f" ({fact['key']})" if fact.get("key") else ""
        holders = {one["journey"] for one in stories.held.get(fact["customer_id"], ()) if one["at"] <= fact["at"]}
        holder = ", ".join(stories.descriptions[name] for name in sorted(holders)) or fact.get("rule", "")
        details = {"cap": fact.get("cap"), "until": fact.get("until")}
        why = _WHY.get(reason, "").format(again=stories.again[journey], holder=holder, **details)
        lines.append(f"  {fact['customer_id']}, {what}{key} at {fact['at']}")
        lines.append(f"      {reason}: {why}" if why else f"      {reason}")
    return lines


def _deeds(stories: Stories, journey: str, entered: Record) -> Iterator[str]:
    """The last things that a customer did and that the journey looks at, before they entered it."""
    names, key = stories.plan.newest[journey].pattern.names or (), entered.get("key")
    deeds = []
    for event in stories.did[entered["customer_id"]]:
        values = [*event.get("properties", {}).values(), *event.get("context", {}).values()]
        if _name(event) in names and event["receivedAt"] <= entered["at"] and (key is None or key in values):
            deeds.append(event)
    for event in deeds[-_EVENTS_TOLD:]:
        about = [str(event["properties"][name]) for name in _SHOWN if name in event.get("properties", {})]
        yield f"      {event['timestamp']}  {_name(event)}: {', '.join(about)}"


def _name(event: Record) -> str:
    return str(event.get("event") or event["type"])


def _keep(kept: dict[str, Record], kind: str, record: Record) -> None:
    """Keep the first of a kind; who signed in goes before who did not: they have names."""
    before = kept.get(kind)
    if before is None or (_is_anonymous(before) and not _is_anonymous(record)):
        kept[kind] = record


def _is_anonymous(record: Record) -> bool:
    return bool(record["customer_id"].startswith("anon:"))


def _records(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)


def _what_they_did(events: Path, people: set[str]) -> dict[str, list[Record]]:
    """The events of a few customers."""
    found: dict[str, list[Record]] = {person: [] for person in people}
    with events.open("rb") as file:
        for line in file:
            try:
                event = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue  # the demo has broken lines on purpose; they are in rejected.jsonl
            person = event.get("userId") or f"anon:{event.get('anonymousId')}"
            if person in found and event["type"] != "identify":
                found[person].append(event)
    return found
