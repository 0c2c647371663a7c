"""One customer's story: what happened to them, moment by moment, what was decided, and by which words of the definitions.

Made of the customer's facts, of what the state holds of them now, and, where they are at hand, of the definitions and of the
events themselves. `flows.explain_shown` tells it on a terminal, `flows.explain_page` as a page.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from flows.definition_texts import DefinitionTexts, Excerpt
from flows.facts_files import Record, facts_of, read_file
from flows.facts_told import at_of, candidate_name, kind_of, sentence
from flows.profile_shown import KnownCustomer
from operators.decode import address_of
from operators.segment import UNREADABLE, read_address
from state.customer import Customer
from state.errors import InputError, UsageError
from state.instants import format_instant

DECIDING = frozenset(
    (
        "entered",
        "not_entered",
        "held_out",
        "decided",
        "sent",
        "withheld",
        "converted",
        "exited",
        "assigned",
        "late",
        "step",
    )
)
"""Facts of which the definitions are shown."""


@dataclass(frozen=True)
class Candidate:
    """One line of a decision."""

    name: str
    score: str
    gate: str
    """What stopped it; empty for what went out."""
    is_chosen: bool


@dataclass
class Point:
    """One fact, or one thing that the customer did, in words."""

    said: str
    kind: str
    journey: str = ""
    fact: Record = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    excerpts: list[Excerpt] = field(default_factory=list)
    """The words that decided; only where they were not shown before."""
    places: list[str] = field(default_factory=list)
    """FILE:LINE of those and of those that were."""


@dataclass
class Moment:
    """All that happened at one instant."""

    at: str
    cause: str
    """What the customer did, or which timer rang."""
    points: list[Point] = field(default_factory=list)


@dataclass
class Story:
    """What is told of a customer."""

    customer_id: str
    moments: list[Moment]
    journeys: list[str]
    facts: int
    other_versions: list[str] = field(default_factory=list)
    """Journeys of which the definitions at hand have another version than the facts."""
    now: KnownCustomer | None = None
    waits: list[Point] = field(default_factory=list)
    """Where runs stand now, with the words of their step."""


def explain(
    customer_id: str,
    places: Sequence[str],
    now: KnownCustomer | None,
    journeys: Path | None,
    events: Sequence[Path] = (),
    only: str | None = None,
) -> Story:
    """Put a customer's story together.

    Args:
        customer_id: Whose.
        places: Where facts are: output directories, files, topics.
        now: What the state holds of them.
        journeys: The definitions.
        events: Files of events, to tell what the customer did.
        only: One journey, of which alone is told.

    Raises:
        InputError: A place cannot be read, or knows no such customer.
        UsageError: The customer was in no such journey.
    """
    facts = [fact for place in places for fact in facts_of(place, customer_id)]
    if places and not facts and now is None:
        raise InputError(
            f"{', '.join(places)}: no fact is about {customer_id!r}; a customer id is the `userId`, or `anon:` and the `anonymousId`. "
            "Who did nothing that a journey looks at has no facts"
        )
    known = sorted(
        {str(fact["journey"]) for fact in facts if fact.get("journey")} | set(now.customer.runs if now else ())
    )
    if only is not None:
        if only not in known:
            raise UsageError(f"{customer_id} was in no journey {only!r}; there is: {', '.join(known) or 'none'}")
        facts = [fact for fact in facts if fact.get("journey") == only]
    texts = DefinitionTexts(journeys) if journeys is not None else None
    deeds = _deeds(customer_id, events)
    story = Story(customer_id, _moments(facts, deeds, texts), known, len(facts), now=now)
    if texts is not None:
        story.other_versions = _other_versions(facts, now.customer if now else None, texts)
    if now is not None:
        story.waits = _waits(now.customer, texts)
    return story


def story_json(story: Story) -> bytes:
    """The story for programs; what is in the state is `sojourn profile --json`."""
    moments = [
        {
            "at": moment.at,
            "cause": moment.cause,
            "facts": [
                {
                    "said": point.said,
                    "fact": point.fact or None,
                    "definitions": point.places,
                    "words": [{"file": one.file, "line": one.line, "text": one.text} for one in point.excerpts],
                }
                for point in moment.points
            ],
        }
        for moment in story.moments
    ]
    waits = [{"said": point.said, "definitions": point.places} for point in story.waits]
    found = {
        "customer_id": story.customer_id,
        "journeys": story.journeys,
        "moments": moments,
        "now": waits,
        "other_versions": story.other_versions,
    }
    return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def _moments(facts: Iterable[Record], deeds: dict[str, Record], texts: DefinitionTexts | None) -> list[Moment]:
    """Facts by the instant at which they were told, with what the customer did in between."""
    shown: set[tuple[str, int]] = set()
    moments, causes = [], set()
    for at, group in groupby(facts, key=at_of):
        told = list(group)
        cause = next((str(fact["caused_by"]) for fact in told if fact.get("caused_by")), "")
        causes |= {str(fact["caused_by"]) for fact in told if fact.get("caused_by")}
        moment = Moment(at, _cause(cause, deeds))
        moment.points = [_point(fact, texts, shown) for fact in told]
        moments.append(moment)
    for message_id, deed in deeds.items():
        if message_id not in causes:
            moments.append(Moment(deed["at"], "", [Point(_deed(deed), "did")]))
    return sorted(moments, key=lambda moment: moment.at) if deeds else moments


def _point(fact: Record, texts: DefinitionTexts | None, shown: set[tuple[str, int]]) -> Point:
    point = Point(sentence(fact), kind_of(fact), str(fact.get("journey") or ""), fact)
    if point.kind == "decided":
        point.candidates = list(_candidates(fact))
    if texts is not None and point.kind in DECIDING:
        for excerpt in texts.of(fact):
            point.places.append(f"{excerpt.file}:{excerpt.line}")
            if (excerpt.file, excerpt.line) not in shown:
                shown.add((excerpt.file, excerpt.line))
                point.excerpts.append(excerpt)
    return point


def _candidates(fact: Record) -> Iterable[Candidate]:
    rows = [one for one in fact.get("candidates") or () if isinstance(one, dict)]
    chosen = fact.get("chosen")
    for row in rows:
        is_chosen = row.get("gate") is None and row.get("name") == chosen
        yield Candidate(candidate_name(row), _number(row.get("score")), str(row.get("gate") or ""), is_chosen)
    yield Candidate("do nothing", _number(fact.get("nothing")), "", chosen in (None, "nothing"))


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else "-"


def _cause(cause: str, deeds: dict[str, Record]) -> str:
    if cause.startswith("timer:"):
        return f"by the clock: {cause.removeprefix('timer:').partition('@')[0]}"
    if not cause:
        return ""
    deed = deeds.get(cause)
    return _deed(deed) if deed is not None else f"event {cause}"


def _deed(deed: Record) -> str:
    values = deed["properties"]
    about = ", ".join(f"{name} {value}" for name, value in values.items() if isinstance(value, (str, int, float)))
    return f"{deed['name']}{f' ({about})' if about else ''}"


def _deeds(customer_id: str, files: Sequence[Path]) -> dict[str, Record]:
    """What a customer did: message id -> when, what, and with which properties; in the order of the files.

    Ids alone are looked at: behaviour under another id of the customer is in the facts of whoever it was merged into.
    """
    found: dict[str, Record] = {}
    wanted = orjson.dumps(customer_id.removeprefix("anon:")).strip(b'"')
    for path in files:
        for line in read_file(path):
            if wanted not in line and b"\\u" not in line:  # which is how some write letters beyond ASCII
                continue
            try:
                address, event = read_address(line), orjson.loads(line)
            except UNREADABLE:
                continue  # it is among the rejected
            except orjson.JSONDecodeError:
                continue
            whose, at = address_of(address)
            if whose != customer_id:
                continue
            properties = event.get("properties") or event.get("traits") or {}
            deed = {
                "at": format_instant(at) if at is not None else "",
                "name": event.get("event") or event.get("type"),
                "properties": properties if isinstance(properties, dict) else {},
            }
            found.setdefault(str(event.get("messageId") or len(found)), deed)
    return found


def _other_versions(facts: Iterable[Record], now: Customer | None, texts: DefinitionTexts) -> list[str]:
    seen = {(str(fact["journey"]), fact.get("version")) for fact in facts if fact.get("journey")}
    seen |= {(name, run.version) for name, runs in (now.runs if now else {}).items() for run in runs}
    lines = []
    for journey, version in sorted(seen, key=str):
        there = texts.version_of(journey)
        if there is None:
            lines.append(f"{journey} is not in {texts.directory}")
        elif version is not None and there != version:
            lines.append(f"{journey} is version {there} in {texts.directory}; what is told is of version {version}")
    return lines


def _waits(customer: Customer, texts: DefinitionTexts | None) -> list[Point]:
    points = []
    for journey, runs in sorted(customer.runs.items()):
        for run in runs:
            place = (
                f"stands at {run.step} since {format_instant(run.since)}"
                if run.step
                else "is over, its goal is watched"
            )
            due = min((at for name, at in customer.timers.items() if run.instance in name), default=None)
            until = f", until {format_instant(due)} at the latest" if due is not None else ""
            key = f" for {run.key}" if run.key is not None else ""
            said = f"the run{key} that began {format_instant(run.entered_at)} {place}{until}"
            point = Point(said, "now", journey)
            excerpt = texts.step(journey, run.step) if texts is not None and run.step else None
            if excerpt is not None:
                point.excerpts, point.places = [excerpt], [f"{excerpt.file}:{excerpt.line}"]
            points.append(point)
    return points
