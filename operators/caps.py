"""Caps: how many messages a customer gets at most, by channel, tag and journey, in any so long a time or by the calendar.

All caps hold; of those that are reached the strictest decides: `drop` before `next_channel` before `defer`. A message that
waits goes out when all caps that stopped it are free, at most so much later as the least of them says, counted from when a cap
first stopped it at its step; else it is dropped, at once.

Caps count messages that went out, those that no cap holds up (`bypass`) too, and none of a control customer. A rolling window
is half-open: a message exactly `per` ago counts no more. A calendar window is that of the customer's zone now.

Exact, because one writer decides for a customer and counts at the instant at which it lets a message out. Bounded: of the
journal of messages only what some cap can still count is kept, at most its `max` last ones (`CAP_MAX`) for each cap. A cap that
is new counts what was sent since any cap kept it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from operators.calendar import Unit, calendar_window
from operators.candidates import DEFERRED, DROPPED, NEXT_CHANNEL, Candidate, Verdict
from operators.moment import Moment
from state.customer import Sent

GATE = "cap"

_DAY_MS = 86_400_000
LENGTHS_MS: dict[Unit, int] = {"day": 2 * _DAY_MS, "week": 8 * _DAY_MS, "month": 32 * _DAY_MS}
"""How long ago what a calendar window counts was sent at most: a day more than it is long, for zones are up to a day apart."""


@dataclass(frozen=True)
class Cap:
    """One cap."""

    max: int
    then: str
    """drop, next_channel or defer."""
    defer: int = 0
    """With defer: ms at most."""
    channels: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    journeys: frozenset[str] = frozenset()
    """Each: empty for all."""
    per: int = 0
    """Rolling: ms."""
    unit: Unit | None = None
    """Calendar."""
    name: str = ""
    """As facts show it."""

    def counts(self, channel: str, journey: str, tags: Collection[str]) -> bool:
        """Whether a message is one of those that it speaks of."""
        return (
            (not self.channels or channel in self.channels)
            and (not self.journeys or journey in self.journeys)
            and (not self.tags or not self.tags.isdisjoint(tags))
        )

    @property
    def horizon(self) -> int:
        """How long (ms) a message can matter."""
        return self.per if self.unit is None else LENGTHS_MS[self.unit]

    def free_at(self, sends: Sequence[Sent], now: int, zone: tzinfo) -> int:
        """When (ms) there is room for one more; `now` where there is.

        Args:
            sends: The messages that it counts, oldest first.
            now: ms.
            zone: The customer's.
        """
        if len(sends) < self.max:
            return now
        oldest = sends[-self.max].at  # with this one out of the window there is room
        if self.unit is None:
            return max(now, oldest + self.per)
        start, end = calendar_window(now, self.unit, zone)
        return end if oldest >= start else now


class Caps:
    """The gate of caps, and what it counts."""

    def __init__(self, caps: Sequence[Cap], bypass: Collection[str]) -> None:
        """The caps of a workspace; messages with a tag of `bypass` are stopped by none."""
        self.caps = tuple(caps)
        self._bypass = frozenset(bypass)

    def concern(self, candidate: Candidate) -> bool:
        """Whether some cap may stop a message, on some channel."""
        tags, journey = candidate.message.tags, candidate.proposal.walk.journey.name
        return self._bypass.isdisjoint(tags) and any(
            cap.counts(channel, journey, tags) for cap in self.caps for channel in candidate.message.channels
        )

    def __call__(self, candidate: Candidate, channel: str, moment: Moment) -> Verdict | None:
        """Stop a message for which there is no room."""
        tags, walk, now = candidate.message.tags, candidate.proposal.walk, moment.now
        if not self._bypass.isdisjoint(tags):
            return None
        reached: list[tuple[Cap, int]] = []
        sends = moment.customer.sends
        for cap in self.caps:
            if cap.counts(channel, walk.journey.name, tags):
                free = cap.free_at(list(_counted(cap, sends)), now, moment.customer_zone)
                if free > now:
                    reached.append((cap, free))
        if not reached:
            return None
        for then in ("drop", "next_channel"):
            strict = [cap for cap, _ in reached if cap.then == then]
            if strict:
                return Verdict(GATE, DROPPED if then == "drop" else NEXT_CHANNEL, details={"cap": strict[0].name})
        cap, free = max(reached, key=lambda one: one[1])
        since = now if walk.run.capped_at is None else walk.run.capped_at
        if free > since + min(cap.defer for cap, _ in reached):
            return Verdict(GATE, DROPPED, details={"cap": cap.name})
        return Verdict(GATE, DEFERRED, free, {"cap": cap.name})

    def count(self, candidate: Candidate, moment: Moment) -> None:
        """Note that a message goes out."""
        if not self.caps:
            return
        walk = candidate.proposal.walk
        sent = Sent(moment.now, candidate.channel, walk.journey.name, list(candidate.message.tags))
        moment.customer.sends = self._kept([*moment.customer.sends, sent], moment.now)

    def _kept(self, sends: list[Sent], now: int) -> list[Sent]:
        """Those that some cap can still count."""
        kept: set[int] = set()
        for cap in self.caps:
            left, since = cap.max, now - cap.horizon
            for place in range(len(sends) - 1, -1, -1):
                one = sends[place]
                if not left or one.at <= since:
                    break
                if cap.counts(one.channel, one.journey, one.tags):
                    kept.add(place)
                    left -= 1
        return [one for place, one in enumerate(sends) if place in kept]


def _counted(cap: Cap, sends: Sequence[Sent]) -> Iterator[Sent]:
    return (one for one in sends if cap.counts(one.channel, one.journey, one.tags))
