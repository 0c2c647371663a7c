"""Quiet hours and opening hours: a message waits for a time at which its channel may be used, then passes all gates again.

The clock is the customer's, or the workspace's, or that of a zone that the channel names. Messages with a tag of `bypass` go out
at any time.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import tzinfo

from operators.calendar import Hours
from operators.candidates import DEFERRED, DROPPED, Candidate, Verdict
from operators.moment import Moment

GATE = "quiet_hours"

TURNS_MAX = 100
"""Quiet and opening hours that follow each other without a time between them: `check` finds those that do for ever."""


@dataclass(frozen=True)
class ChannelHours:
    """When a channel may be used."""

    quiet: Hours | None = None
    open: Hours | None = None
    zone: tzinfo | None = None
    """None: the customer's."""

    def next_time(self, at: int, zone: tzinfo) -> int | None:
        """`at` (ms) if it may be used then, else the next time; None where there is none. `zone` is the customer's."""
        zone = zone if self.zone is None else self.zone
        for _ in range(TURNS_MAX):
            start = at
            if self.quiet is not None:
                end = self.quiet.end_within(at, zone)
                at = at if end is None else end
            if self.open is not None:
                at = self.open.start_from(at, zone)
            if at == start:
                return at
        return None


class QuietHours:
    """The gate of hours."""

    def __init__(self, channels: Mapping[str, ChannelHours], bypass: Collection[str]) -> None:
        """Channels with hours, and tags of messages that hours do not hold up."""
        self.channels = dict(channels)
        self._bypass = frozenset(bypass)

    def __call__(self, candidate: Candidate, channel: str, moment: Moment) -> Verdict | None:
        """Defer a message to the next time at which its channel may be used."""
        until = self.next_time(channel, moment.now, candidate.message.tags, moment)
        if until is None:
            return Verdict(GATE, DROPPED)
        return Verdict(GATE, DEFERRED, until) if until > moment.now else None

    def next_time(self, channel: str, at: int, tags: Collection[str], moment: Moment) -> int | None:
        """`at` (ms) if a message with these tags may use the channel then, else the next time; None where there is none."""
        hours = self.channels.get(channel)
        if hours is None or not self._bypass.isdisjoint(tags):
            return at
        return hours.next_time(at, moment.customer_zone)
