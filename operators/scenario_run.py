"""Runs scenarios: one invented customer through the customer step, with a clock that jumps from one thing to the next.

All journeys of the workspace run, as they would; what is expected speaks of the scenario's own journey. Nothing here
reads a clock, a file or a store: a scenario says the same on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timezone, tzinfo
from typing import Any

import orjson

from operators.chance import Lots
from operators.customer_step import SCHEDULE, TRAIT_TIMER, CustomerStep
from operators.events import Event
from operators.holds import TIMER as HOLD
from operators.moment import Records
from operators.plan import plan_of
from operators.records import ACTIONS, FACTS, storable, to_json
from operators.scenario_definitions import Given, Scenario
from operators.scenario_times import parse_time
from operators.sends import GLOBAL
from operators.workspace import Workspace
from operators.zones import zone_of
from state.customer import Customer
from state.instants import parse_instant

CUSTOMER = "customer"
"""The id of the invented customer."""

WATCH_MS_MAX = 400 * 86_400_000
"""How long after the last event a scenario without `until` is watched: more than a year, and an end to what has none."""

TIMERS_MAX = 10_000
"""Instants of one scenario: a circle of waits is told, not run for ever."""

_TYPES = ("page", "screen", "identify", "group", "alias")


class FixedLots(Lots):
    """Nobody is control and no arm is dealt, unless the scenario says so."""

    def __init__(self) -> None:
        """Of no scenario yet."""
        self._journey = ""
        self._control: bool | str = False
        self._arms: dict[str, str] = {}
        self.missing: list[str] = []
        """Experiments that the journey met and of which the scenario names no arm."""

    def begin(self, journey: str, scenario: Scenario) -> None:
        """Deal for one scenario of a journey."""
        self._journey, self._control, self._arms = journey, scenario.control, scenario.arms
        self.missing = []

    def is_control(self, journey: str, customer_id: str, hundredths: int) -> bool:
        """As the scenario says, for its own journey and for the workspace."""
        return self._control == "global" if journey == GLOBAL else journey == self._journey and self._control is True

    def arm_of(self, journey: str, experiment: str, customer_id: str, arms: Sequence[tuple[str, float]]) -> str:
        """As the scenario says; else the first by name, and it is noted where that would decide the test."""
        arm = self._arms.get(experiment)
        if arm is not None:
            return arm
        if journey == self._journey and experiment not in self.missing:
            self.missing.append(experiment)
        return arms[0][0]

    def is_in_layer(self, layer: str, customer_id: str, start: int, end: int) -> bool:
        """A scenario is about the experiments that it meets."""
        return True


@dataclass
class Told:
    """Something that happened, and when (ms)."""

    at: int
    event: Event | None = None
    """What the customer did; else a record came out."""
    is_late: bool = False
    action: dict[str, Any] | None = None
    fact: dict[str, Any] | None = None


@dataclass
class Life:
    """What came of a scenario."""

    first: int
    """The time of its first event (ms)."""
    told: list[Told] = field(default_factory=list)
    """In the order in which it came about, of the scenario's own journey."""
    problems: list[str] = field(default_factory=list)
    """Why the scenario itself cannot be judged; sentences."""
    actions: list[dict[str, Any]] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    zone: tzinfo = timezone.utc
    """Where the customer is in the end."""
    instants: int = 0
    """At which timers fired."""


class ScenarioRunner:
    """Runs the scenarios of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        """A workspace without mistakes."""
        self._lots = FixedLots()
        self.plan = plan_of(workspace, self._lots)
        self._step = CustomerStep(self.plan)

    def run(self, journey: str, scenario: Scenario) -> Life:
        """Let the customer live."""
        self._lots.begin(journey, scenario)
        customer = Customer(profile=storable(dict(scenario.profile)))
        life = Life(0)
        now = -1
        for number, given in enumerate(scenario.events, 1):
            time = parse_time(given.at).resolve(life.first, now, self._zone(customer))
            if number == 1:
                life.first = time
            now = max(now, time)
            self._fire(customer, journey, now, life)
            event = _event_of(given, number, time, life)
            life.told.append(Told(now, event=event, is_late=time < now))
            records: Records = []
            self._step.take(customer, CUSTOMER, [(event, now)], records)
            _keep(records, journey, life)
        self._watch(customer, journey, scenario, now, life)
        life.zone = self._zone(customer)
        for experiment in self._lots.missing:
            life.problems.append(
                f"which arm of {experiment} the customer gets is left open; write it, as in: arms: {{{experiment}: ...}}"
            )
        return life

    def _zone(self, customer: Customer) -> tzinfo:
        return zone_of(customer.profile, customer.zone, self.plan.zone)

    def _watch(self, customer: Customer, journey: str, scenario: Scenario, now: int, life: Life) -> None:
        """After the last event: until the scenario's end, or until the journey has nothing left to do."""
        if scenario.until is not None:
            until = parse_time(scenario.until).resolve(life.first, now, self._zone(customer))
            if until < now:
                life.problems.append("`until` is before the last event; write a time after it, or leave it out")
            self._fire(customer, journey, until, life)
            return
        enters_by_clock = self.plan.newest[journey].change is not None
        while any(_is_of(name, journey) or (enters_by_clock and name == TRAIT_TIMER) for name in customer.timers):
            due = min(customer.timers.values())
            if due > now + WATCH_MS_MAX:
                return
            if not self._fire(customer, journey, due, life):
                return

    def _fire(self, customer: Customer, journey: str, through: int, life: Life) -> bool:
        """Fire what is due, instant by instant; False where there is no end to it."""
        while customer.timers:
            due = min(customer.timers.values())
            if due > through:
                return True
            if life.problems:
                return False
            life.instants += 1
            if life.instants > TIMERS_MAX:
                life.problems.append(
                    f"more than {TIMERS_MAX:,} timers fired: waits that lead to each other without an end; write `until`, "
                    "or again: {max: n} in the journey"
                )
                return False
            records: Records = []
            self._step.fire(customer, CUSTOMER, due, records)
            _keep(records, journey, life)
        return True


def _event_of(given: Given, number: int, time: int, life: Life) -> Event:
    properties = storable(dict(given.properties))
    if given.of is not None:
        sent = [one["action_id"] for one in life.actions if one["step"] == given.of and one["kind"] == "send"]
        if sent:
            properties["action_id"] = sent[-1]
        else:
            life.problems.append(f"the event {number} is about a message of {given.of}, which has sent none by then")
    kind = given.event if given.event in _TYPES else "track"
    context = storable(dict(given.context))
    return Event(kind, given.event, CUSTOMER, f"event {number}", time, properties, context)


def _is_of(timer: str, journey: str) -> bool:
    """Whether a timer is for something that the journey began; its calendar goes on for ever."""
    parts = timer.split(" ", 2)
    if parts[0] == HOLD:
        return parts[2].startswith(f"{journey} ")
    return parts[0] == journey and parts[1] != SCHEDULE


def _keep(records: Records, journey: str, life: Life) -> None:
    """Take what came out of the scenario's journey, as other programs would read it."""
    for topic, record in records:
        if record.get("journey") != journey:
            continue
        if topic.startswith(ACTIONS):
            action = _read(record)
            life.actions.append(action)
            life.told.append(Told(at_ms(action["decided_at"]), action=action))
        elif topic == FACTS:
            fact = _read(record)
            life.facts.append(fact)
            life.told.append(Told(at_ms(fact["at"]), fact=fact))


def _read(record: dict[str, Any]) -> dict[str, Any]:
    """The record as its bytes say it: later changes of what it was made of do not reach it."""
    return orjson.loads(to_json(record))  # type: ignore[no-any-return]


def at_ms(text: str) -> int:
    """A time as records write it, in ms."""
    at = parse_instant(text)
    assert at is not None  # noqa: S101 - the engine wrote it
    return at
