"""What `orchestration.yaml` says of tags that no message has: allowed, and probably a word that is written wrongly."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from operators.holdout import MARKETING
from operators.journey_plan import JourneyPlan
from operators.orchestration import Orchestration
from operators.send_plans import ChoosePlan, SendPlan
from operators.step_types import parse_percent


def tag_warnings(orchestration: Orchestration, journeys: Sequence[JourneyPlan]) -> Iterator[str]:
    """A sentence for each place that speaks of a tag that no message of any journey has.

    Args:
        orchestration: What holds for all.
        journeys: All versions in use, compiled.
    """
    tags = {tag for plan in journeys for tag in plan.description["tags"]}
    for step in (step for plan in journeys for step in plan.steps.values()):
        if isinstance(step, SendPlan):
            tags.update(step.tags)
        elif isinstance(step, ChoosePlan):
            tags.update(*(offer.tags for offer in step.offers))
    spoken = [(f"caps[{number}]", cap.tag) for number, cap in enumerate(orchestration.caps)]
    spoken += [(f"suppress[{number}]", rule.tag) for number, rule in enumerate(orchestration.suppress)]
    spoken.append(("bypass", orchestration.bypass))
    if orchestration.conflicts is not None:
        spoken.append(("conflicts", orchestration.conflicts.tag))
    if parse_percent(orchestration.control):
        spoken.append(("control", [MARKETING]))
    for place, names in spoken:
        for name in names:
            if name not in tags:
                near = get_close_matches(name, sorted(tags), 1)
                meant = f"; did you mean {near[0]!r}?" if near else ""
                yield f"orchestration.yaml: {place} speaks of the tag {name!r}, and no message has it{meant}"
