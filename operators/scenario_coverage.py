"""What of a journey its scenarios reach: steps, the ways that lead on from branches, waits, experiments and choices, and exits."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from operators.journey_plan import JourneyPlan
from operators.plan_steps import BackPlan, BranchPlan, SplitPlan, StepPlan, WaitForPlan, WaitPlan
from operators.send_plans import ChoosePlan, SendPlan

Way = tuple[str, object]
"""(step, which way): the number of a branch or reply, None where no branch fits, the name of an arm or of an offer, or `TIMEOUT`; and
(`EXIT`, number of the rule)."""

TIMEOUT = "timeout"
EXIT = "exit"
"""No step can be called so."""


@dataclass
class Coverage:
    """Of one journey."""

    journey: str
    steps: tuple[str, ...]
    """All of them, in the order of the file."""
    ways: dict[Way, str]
    """With what they are called."""
    ways_out: dict[str, Way] = field(default_factory=dict)
    """First step on the way out by an exit rule -> that rule."""
    steps_reached: set[str] = field(default_factory=set)
    ways_taken: set[Way] = field(default_factory=set)

    def see(self, facts: Iterable[Mapping[str, Any]]) -> None:
        """Count what a scenario reached, by the facts of the journey."""
        for fact in facts:
            kind, step = fact["fact"], fact.get("step")
            if kind == "step" and step in self.steps:
                self.steps_reached.add(step)
                if step in self.ways_out:
                    self.ways_taken.add(self.ways_out[step])
            way: Way = (step or "", TIMEOUT if kind == "timed_out" else fact.get("arm", fact.get("branch")))
            if kind == "exited":
                way = (EXIT, fact.get("rule"))
            elif kind == "sent":
                way = (step or "", fact.get("offer", ""))
            if kind in ("step", "resumed", "timed_out", "assigned", "sent", "exited") and way in self.ways:
                self.ways_taken.add(way)

    @property
    def missed(self) -> list[str]:
        """What no scenario reached: `step`, or `step: way`."""
        steps = [step for step in self.steps if step not in self.steps_reached]
        ways = [way for way in self.ways if way not in self.ways_taken and way[0] not in steps]
        return [*steps, *(f"{way[0]}: {self.ways[way]}" for way in ways)]


def coverage_of(journey: JourneyPlan) -> Coverage:
    """The coverage of a journey of which nothing ran yet."""
    steps = {name: step for name, step in journey.steps.items() if not isinstance(step, BackPlan)}
    ways = {way: said for step in steps.values() for way, said in _ways_of(step)}
    # A journey that never waits by itself is over before any of its exits can act.
    exits = journey.exits if any(map(_waits, steps.values())) else ()
    for rule in exits:
        ways[EXIT, rule.number] = f"rule {rule.number} ({rule.reason})"
    ways_out: dict[str, Way] = {rule.first: (EXIT, rule.number) for rule in exits if rule.first is not None}
    return Coverage(journey.name, tuple(steps), ways, ways_out)


def _waits(step: StepPlan) -> bool:
    if isinstance(step, (SendPlan, ChoosePlan)):
        return step.at is not None
    return isinstance(step, (WaitPlan, WaitForPlan))


def _ways_of(step: StepPlan) -> Iterator[tuple[Way, str]]:
    if isinstance(step, BranchPlan):
        for number, (when, _) in enumerate(step.ways, 1):
            yield (step.step, number), f"way {number}" if when is not None else f"way {number} (otherwise)"
        if step.ways[-1][0] is not None:
            yield (step.step, None), "no way fits"
    elif isinstance(step, WaitForPlan):
        for number, reply in enumerate(step.replies, 1):
            yield (step.step, number), f"way {number} ({', '.join(sorted(reply.outcomes or reply.events))})"
        yield (step.step, TIMEOUT), "timeout"
    elif isinstance(step, ChoosePlan):
        for offer in step.offers:
            yield (step.step, offer.name), f"offer {offer.name}"
    elif isinstance(step, SplitPlan):
        for arm, weight, _ in step.arms:
            if weight > 0:
                yield (step.step, arm), f"arm {arm}"
