"""Whether a customer can be reached on a channel: there is an address, it is one, and messages to it arrive.

An address is what the channel's expression gives of the profile: a text, or a number (YAML and JSON make one of a phone
number). What cannot be an address - an e-mail address without `@`, a phone number without digits, an empty text - is none.
Where messages did not arrive (bounced, the token expired), the customer is unreachable until the address is another one.
"""

import re
from collections.abc import Mapping

from operators.candidates import NEXT_CHANNEL, Candidate, Verdict
from operators.expressions import Expression
from operators.moment import Moment

ADDRESS_CHARS_MAX = 4_096
"""Of an address: push tokens are the longest, some hundred characters."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{3,}")
_FORMS = {"email": _EMAIL, "sms": _PHONE}

GATE = "unreachable"


class Reachability:
    """The gate of addresses."""

    def __init__(self, addresses: Mapping[str, Expression]) -> None:
        """Channel -> its address; channels without one reach everybody."""
        self.addresses = dict(addresses)

    def __call__(self, candidate: Candidate, channel: str, moment: Moment) -> Verdict | None:
        """Note the address with the candidate, or stop it."""
        if channel not in self.addresses:
            return None
        address, reason = self.state_of(channel, moment)
        if reason is not None:
            return Verdict(GATE, NEXT_CHANNEL, details={"reason": reason})
        candidate.address = address
        return None

    def state_of(self, channel: str, moment: Moment) -> tuple[str | None, str | None]:
        """The address of a customer on a channel, and why messages do not arrive: no_address, bounced, or None where they do."""
        address = self.address_of(channel, moment)
        if address is None:
            return None, "no_address"
        return address, "bounced" if moment.customer.bounced.get(channel) == address else None

    def told(self, moment: Moment) -> dict[str, str]:
        """How the customer is reached, by channel that has addresses: reachable, or why not."""
        return {channel: self.state_of(channel, moment)[1] or "reachable" for channel in self.addresses}

    def address_of(self, channel: str, moment: Moment) -> str | None:
        """Where the customer is on a channel; None where they have no address there, or the channel needs none."""
        expression = self.addresses.get(channel)
        if expression is None:
            return None
        return as_address(channel, expression.evaluate({"profile": moment.customer.profile}))


def as_address(channel: str, value: object) -> str | None:
    """The address that a value is, if it is one.

    >>> as_address("email", " bo@example.org "), as_address("email", "none"), as_address("sms", 491711234567)
    ('bo@example.org', None, '491711234567')
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    address = value.strip()
    if not 0 < len(address) <= ADDRESS_CHARS_MAX:
        return None
    form = _FORMS.get(channel)
    return address if form is None or form.fullmatch(address) else None
