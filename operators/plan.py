"""Definitions, compiled: what the customer step runs.

Built once per set of definitions. Entries are dispatched by event name, so a journey costs nothing for events that it
does not mention; expressions, paths and templates are compiled code.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from operators.activity import bound as activity_bound
from operators.chance import BY_HASH, Lots
from operators.definitions import Journey
from operators.experiments import LOTS_MAX
from operators.expression_uses import NOTHING, Uses, parse, uses_of
from operators.expressions_written import offer_readings, readings
from operators.gate_warnings import tag_warnings
from operators.gates import Gates
from operators.journey_plan import JourneyPlan, compile_journey
from operators.offer_definitions import Offer
from operators.orchestration import Orchestration, parse_range
from operators.outcomes import bounds as feedback_bounds
from operators.plan_steps import Layer, SplitPlan, WaitForPlan
from operators.profile import bounds as profile_bounds
from operators.run_bounds import bounds as run_bounds
from operators.send_plans import ChoosePlan, Common, offers_named
from operators.steps_written import Written, lists_of, steps_in
from operators.trait_compiler import Definitions
from operators.trait_definitions import Trait
from operators.trait_plan import TraitPlan
from operators.workspace import Workspace
from operators.workspace_json import canonical_json


@dataclass(frozen=True)
class Plan:
    """All journeys of a workspace, compiled."""

    journeys: tuple[JourneyPlan, ...]
    watches: dict[str, tuple[JourneyPlan, ...]]
    """Event name -> the journeys whose pattern looks at it, by name."""
    watches_all: tuple[JourneyPlan, ...]
    """The journeys whose pattern looks at events of every name; those in `watches` have them among theirs."""
    hash: str
    """Of the definitions: BLAKE2b-128 of their canonical JSON."""
    text: bytes
    """Their canonical JSON."""
    channels: tuple[str, ...]
    warnings: tuple[str, ...]
    """What is allowed and probably not meant, such as `x == 'a' or 'b'`."""
    zone: tzinfo
    """The zone of a customer who has none of their own."""
    newest: Mapping[str, JourneyPlan] = field(default_factory=dict)
    """Journey name -> the version that entries take."""
    versions: Mapping[tuple[str, int], JourneyPlan] = field(default_factory=dict)
    """(name, version) -> that version: the newest, and those that customers inside finish on."""
    goals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Event name -> journeys, by name, of which some version has a goal of it."""
    exits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The same for exit rules, but for those of `exits_by_condition`."""
    exits_by_condition: tuple[str, ...] = ()
    """Journeys, by name, with an exit that looks at every event."""
    waits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Event name -> journeys, by name, of which some step waits for it."""
    traits: TraitPlan | None = None
    """Traits and segments in use; None where none is."""
    exits_by_change: Mapping[tuple[str, bool], tuple[str, ...]] = field(default_factory=dict)
    """(segment, whether it is entered) -> journeys, by name, with an exit by it."""
    entries_by_change: Mapping[tuple[str, bool], tuple[JourneyPlan, ...]] = field(default_factory=dict)
    """The same for entries, of the newest versions."""
    schedules: tuple[JourneyPlan, ...] = ()
    """Journeys, by name, that the calendar enters."""
    gates: Gates = field(default_factory=Gates)
    """Between messages and their channels."""
    wants_hours: bool = False
    """Whether some message goes out at the customer's best time."""
    layers: Mapping[str, Layer] = field(default_factory=dict)
    """Experiment -> its part of its layer."""
    unused: tuple[str, ...] = ()
    """Traits and segments that nothing reads: `trait NAME`, `segment NAME`."""

    @property
    def has_clock(self) -> bool:
        """Whether the calendar, or time in a segment, moves customers who do nothing."""
        return bool(self.schedules) or (self.traits is not None and self.traits.has_clock)

    def bounds(self) -> list[str]:
        """What is kept of one customer, and what happens at the bounds, in sentences."""
        lines = [
            f"{plan.name}: {bound}"
            for plan in self.journeys
            for bound in (*plan.pattern.bounds(), *run_bounds(plan.reads, plan.goal is not None))
        ]
        lines += self.traits.bounds() if self.traits is not None else []
        lines += [*profile_bounds(), *feedback_bounds()]
        lines += [
            f"offer {name}: when a customer was made it last, {most} times at most: exact"
            for name, most in sorted(_limits(self.versions.values()))
        ]
        if self.wants_hours:
            lines.append(activity_bound())
        lines += self.gates.bounds()
        every = self.versions.values()  # customers inside older ones are dealt arms, too
        if any(plan.control for plan in every) or any(
            isinstance(step, SplitPlan) for plan in every for step in plan.steps.values()
        ):
            lines.append(
                f"lots: at most {LOTS_MAX:,} arms and control groups of one customer are kept; beyond it the hash decides"
            )
        return lines + [f"{name}: nothing reads it, so it is not kept" for name in self.unused]


def plan_of(workspace: Workspace, lots: Lots = BY_HASH) -> Plan:
    """Compile a workspace without mistakes; `lots` deals control groups and arms."""
    assert workspace.orchestration is not None  # noqa: S101 - a workspace without one has a mistake
    return compile_plan(
        workspace.orchestration,
        workspace.journeys,
        workspace.older,
        workspace.traits,
        workspace.segments,
        lots,
        workspace.offers,
    )


def compile_plan(
    orchestration: Orchestration,
    journeys: Sequence[Journey],
    older: Sequence[Journey] = (),
    traits: Mapping[str, Trait] = MappingProxyType({}),
    segments: Mapping[str, str] = MappingProxyType({}),
    lots: Lots = BY_HASH,
    offers: Mapping[str, Offer] = MappingProxyType({}),
) -> Plan:
    """Compile definitions that `operators.workspace` found no mistake in.

    Args:
        orchestration: What holds for all.
        journeys: The journeys, each in its newest version.
        older: Versions that nobody enters any more, and that customers inside finish on.
        traits: All there are; only those in use are kept.
        segments: The same.
        lots: What deals customers to control groups and arms.
        offers: All there are.
    """
    channels = sorted(orchestration.channels)
    reachable = [name for name, channel in orchestration.channels.items() if channel.address is not None]
    common = Common(tuple(channels), tuple(reachable), offers)
    in_use = Definitions(traits, segments).plan(_uses(orchestration, [*journeys, *older], offers))
    compiled = [
        compile_journey(journey, common, lots) for journey in sorted(journeys, key=lambda journey: journey.journey)
    ]
    every = [*compiled, *(compile_journey(journey, common, lots) for journey in older)]
    names = {name for plan in compiled for name in plan.pattern.names or ()}
    text = canonical_json(orchestration, journeys, older, traits, segments, offers)
    return Plan(
        journeys=tuple(compiled),
        watches={
            name: tuple(plan for plan in compiled if plan.pattern.names is None or name in plan.pattern.names)
            for name in sorted(names)
        },
        watches_all=tuple(plan for plan in compiled if plan.pattern.names is None),
        hash=blake2b(text, digest_size=16).hexdigest(),
        text=text,
        channels=tuple(channels),
        warnings=tuple(tag_warnings(orchestration, every))
        + tuple(f"{plan.name}: {warning}" for plan in compiled for warning in plan.pattern.warnings)
        + tuple(warning for plan in compiled for warning in _warnings(plan))
        + _unchosen(offers, every),
        zone=ZoneInfo(orchestration.timezone),
        newest={plan.name: plan for plan in compiled},
        versions={(plan.name, plan.version): plan for plan in reversed(every)},
        goals=_by_event((plan.name, plan.goal.events) for plan in every if plan.goal),
        exits=_by_event((plan.name, rule.events) for plan in every for rule in plan.exits),
        exits_by_condition=tuple(sorted({plan.name for plan in every for rule in plan.exits if rule.when})),
        waits=_by_event(
            (plan.name, reply.events)
            for plan in every
            for step in plan.steps.values()
            if isinstance(step, WaitForPlan)
            for reply in step.replies
        ),
        traits=in_use,
        gates=Gates(orchestration),
        layers=_layers(orchestration),
        wants_hours=any(plan.wants_hours for plan in every),
        unused=_unused(traits, segments, in_use),
        exits_by_change=_by_event((plan.name, [rule.change]) for plan in every for rule in plan.exits if rule.change),
        entries_by_change={
            change: tuple(plan for plan in compiled if plan.change == change)
            for change in {plan.change for plan in compiled if plan.change}
        },
        schedules=tuple(plan for plan in compiled if plan.schedule),
    )


def _unused(traits: Iterable[str], segments: Iterable[str], in_use: TraitPlan | None) -> tuple[str, ...]:
    read = {f"trait {name}" for name in in_use.names} if in_use is not None else set()
    read |= {f"segment {one.name}" for one in in_use.segments} if in_use is not None else set()
    there = [*(f"trait {name}" for name in sorted(traits)), *(f"segment {name}" for name in sorted(segments))]
    return tuple(name for name in there if name not in read)


def _layers(orchestration: Orchestration) -> dict[str, Layer]:
    return {
        name: Layer(layer, *parse_range(part), tuple(other for other in parts if other != name))
        for layer, parts in orchestration.layers.items()
        for name, part in parts.items()
    }


def _uses(orchestration: Orchestration, journeys: Iterable[Journey], offers: Mapping[str, Offer]) -> Uses:
    """The traits and segments that journeys, rules for all of them, and the offers that they choose from read."""
    uses = NOTHING
    for rule in orchestration.suppress:
        uses = uses.and_those(uses_of(parse(rule.when)))
    chosen: set[str] = set()
    for journey in journeys:
        written = journey.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        for reading in readings(written):
            uses = uses.and_those(reading.uses)
        chosen.update(*(offers_named(one.step["choose"]["from"], offers) for one in _choices(written)))
    for name in sorted(chosen):
        for reading in offer_readings(offers[name].model_dump(mode="json", by_alias=True, exclude_defaults=True)):
            uses = uses.and_those(reading.uses)
    return uses


def _choices(journey: Mapping[str, Any]) -> Iterator[Written]:
    return (written for written in steps_in(lists_of(journey)) if written.kind == "choose")


Key = TypeVar("Key")


def _by_event(named: Iterable[tuple[str, Iterable[Key]]]) -> dict[Key, tuple[str, ...]]:
    """Event name, or change of a segment -> names of the journeys that look at it, sorted."""
    found: dict[Key, set[str]] = {}
    for journey, events in named:
        for event in events:
            found.setdefault(event, set()).add(journey)
    return {event: tuple(sorted(journeys)) for event, journeys in found.items()}


def _limits(plans: Iterable[JourneyPlan]) -> set[tuple[str, int]]:
    """(offer, how often) of the offers with a limit that some journey chooses from."""
    steps = [step for plan in plans for step in plan.steps.values() if isinstance(step, ChoosePlan)]
    return {(offer.name, offer.limit_max) for step in steps for offer in step.offers if offer.limit_max}


def _unchosen(offers: Iterable[str], plans: Iterable[JourneyPlan]) -> tuple[str, ...]:
    steps = [step for plan in plans for step in plan.steps.values() if isinstance(step, ChoosePlan)]
    chosen = {offer.name for step in steps for offer in step.offers}
    return tuple(f"offer {name}: no journey chooses from it" for name in sorted(offers) if name not in chosen)


def _warnings(plan: JourneyPlan) -> Iterator[str]:
    for step in plan.unnamed:
        yield (
            f"{plan.name}: step {step} sends or waits and has no id of its own; give it one, for its place may change with "
            "the next version"
        )
