"""Consent: a channel may ask for that of a group; `consent: x` reads `profile.consents.x`, and only `true` is consent.

What is not known is not given. How consents come, go and are remembered is in `operators.profile`.
"""

from collections.abc import Collection, Mapping

from operators.candidates import NEXT_CHANNEL, Candidate, Verdict
from operators.moment import Moment

GATE = "consent"
ATTRIBUTE = "consents"


class Consent:
    """The gate of consent."""

    def __init__(self, groups: Mapping[str, str], bypass: Collection[str]) -> None:
        """What a workspace asks for.

        Args:
            groups: Channel -> the group that it needs.
            bypass: Tags of messages that need none.
        """
        self.groups = dict(groups)
        self._bypass = frozenset(bypass)

    def __call__(self, candidate: Candidate, channel: str, moment: Moment) -> Verdict | None:
        """Stop a message for which consent is not known to be given."""
        group = self.groups.get(channel)
        if group is None or not self._bypass.isdisjoint(candidate.message.tags):
            return None
        consents = moment.customer.profile.get(ATTRIBUTE)
        given = consents.get(group) if isinstance(consents, dict) else None
        if given is True:
            return None
        reason = "unknown" if given is None else "withdrawn"
        return Verdict(GATE, NEXT_CHANNEL, details={"reason": reason, "group": group})
