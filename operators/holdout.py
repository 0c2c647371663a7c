"""The control groups as a gate: the last one, so that what is told of control is what would have gone out.

A customer in the control group of a journey is sent none of its messages; one in the global control group of the workspace
none with the tag `marketing`, of whatever journey. Both are told as exposure where the message would have gone out.
"""

from operators.candidates import DROPPED, Candidate, Verdict
from operators.moment import Moment
from operators.sends import CONTROL, GLOBAL, TREATMENT

MARKETING = "marketing"
"""The tag that the global control group is about."""

GATE = "control"


class Holdout:
    """The global control group, and that of each journey."""

    def __init__(self, hundredths: int) -> None:
        """Hundredths of a percent of the customers who are in the global one."""
        self.hundredths = hundredths

    def stop(self, candidate: Candidate, moment: Moment) -> Verdict | None:
        """Whether the customer is there for comparison; that of the global group is noted with the candidate."""
        walk = candidate.proposal.walk
        if walk.run.is_control:
            return Verdict(GATE, DROPPED, details={"group": walk.journey.name})
        if not self.hundredths or MARKETING not in candidate.message.tags:
            return None
        is_control = walk.journey.lots.is_control(GLOBAL, moment.customer_id, self.hundredths)
        candidate.global_arm = CONTROL if is_control else TREATMENT
        return Verdict(GATE, DROPPED, details={"group": GLOBAL}) if is_control else None
