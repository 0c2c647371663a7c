"""What of a journey its scenarios reach: steps, and the ways that lead on from branches, waits and experiments."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from operators.journey_plan import JourneyPlan
from operators.plan_steps import BackPlan, BranchPlan, SplitPlan, StepPlan, WaitForPlan

Way = tuple[str, object]
"""(step, which way): the number of a branch or reply, None where no branch fits, the name of an arm, or `TIMEOUT`."""

TIMEOUT = "timeout"


@dataclass
class Coverage:
    """Of one journey."""

    journey: str
    steps: tuple[str, ...]
    """All of them, in the order of the file."""
    ways: dict[Way, str]
    """With what they are called."""
    steps_reached: set[str] = field(default_factory=set)
    ways_taken: set[Way] = field(default_factory=set)

    def see(self, facts: Iterable[Mapping[str, Any]]) -> None:
        """Count what a scenario reached, by the facts of the journey."""
        for fact in facts:
            kind, step = fact["fact"], fact.get("step")
            if kind == "step" and step in self.steps:
                self.steps_reached.add(step)
            way: Way = (step or "", TIMEOUT if kind == "timed_out" else fact.get("arm", fact.get("branch")))
            if kind in ("step", "resumed", "timed_out", "assigned") and way in self.ways:
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
    return Coverage(journey.name, tuple(steps), {way: said for step in steps.values() for way, said in _ways_of(step)})


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
    elif isinstance(step, SplitPlan):
        for arm, weight, _ in step.arms:
            if weight > 0:
                yield (step.step, arm), f"arm {arm}"
