"""Guests of the demo: the customers of a bank, a clinic or a phone company, for the journeys that no shop has.

They do what the first scenario of each journey says, moved by whole weeks so that all of it has happened by the end of the shop's events;
their ids are such that no control group has them. The replay knows nothing of scenarios: these are events like any other.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from flows.definitions import read_directory
from operators.chance import is_control
from operators.plan import Plan
from operators.records import to_json
from operators.scenario_definitions import Scenario
from operators.scenario_run import Life, ScenarioRunner
from operators.sends import GLOBAL
from state.instants import format_instant, parse_instant

_WEEK_MS = 7 * 86_400_000
_MINUTE_MS = 60_000


def add_guests(events: Path, journeys: Path) -> None:
    """Add what one guest of each journey does to a file of events, whose last line is its newest."""
    with events.open("rb") as file:
        last = list(file)[-1]
    end = parse_instant(orjson.loads(last)["receivedAt"])
    workspace = read_directory(journeys)
    runner = ScenarioRunner(workspace)
    with events.open("ab") as file:
        for _, found in sorted(workspace.scenarios.items()):
            scenario = found.scenarios[0]
            life = runner.run(found.journey, scenario)
            guest = _id_of(found.journey, runner.plan)
            for event in _events(guest, scenario, life, end or 0):
                file.write(to_json(event) + b"\n")


def _id_of(journey: str, plan: Plan) -> str:
    share = plan.newest[journey].control
    ids = (f"{journey}-guest-{number}" for number in range(1_000))
    return next(
        one
        for one in ids
        if not is_control(journey, one, share) and not is_control(GLOBAL, one, plan.gates.holdout.hundredths)
    )


def _events(guest: str, scenario: Scenario, life: Life, end: int) -> Iterator[dict[str, Any]]:
    """What a guest does, in the Segment spec."""
    newest = max(told.at for told in life.told)
    shift = (end - newest) // _WEEK_MS * _WEEK_MS
    if scenario.profile:
        at = format_instant(life.first + shift - _MINUTE_MS)
        who = {"userId": guest, "messageId": f"{guest}-profile", "timestamp": at, "receivedAt": at}
        yield {"type": "identify", "traits": scenario.profile, "context": {}, **who}
    for number, told in enumerate((told for told in life.told if told.event is not None), 1):
        event = told.event
        assert event is not None  # noqa: S101 - looked at a line above
        written: dict[str, Any] = {
            "type": event.kind,
            "userId": guest,
            "messageId": f"{guest}-{number}",
            "timestamp": format_instant(event.time + shift),
            "receivedAt": format_instant(told.at + shift),
            "context": event.context,
        }
        # An id of an action is that of the scenario's own customer; feedback without one is on the last message there.
        properties = {name: value for name, value in event.properties.items() if name != "action_id"}
        written["traits" if event.kind in ("identify", "group") else "properties"] = properties
        if event.kind == "track":
            written["event"] = event.name
        yield written
