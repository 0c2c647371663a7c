"""The gates between a message and its channel, in their order.

    eligibility -> reachability -> consent -> suppression -> caps -> quiet hours -> arbitration -> control

A gate is asked about one candidate on one channel: None lets it through, a `Verdict` says what becomes of it. The first
channel that all gates leave open is taken; a gate that defers, or drops, decides for all channels. The last two gates look at
more than one candidate: `operators.decisions` asks them. Each gate has a module of its own; this one has their order.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from operators.arbitration import Conflicts
from operators.best_channel import in_best_order
from operators.calendar import Unit, parse_hours
from operators.candidates import DROPPED, NEXT_CHANNEL, Candidate, HasChannels, Proposal, Verdict
from operators.caps import Cap, Caps
from operators.consent import Consent
from operators.durations import format_duration, parse_duration
from operators.expressions import compile_expression
from operators.holdout import Holdout
from operators.moment import Moment
from operators.offers import count_offer, eligibility
from operators.orchestration import ADDRESS_NAMES, CALENDAR, SUPPRESS_NAMES, parse_then
from operators.quiet_hours import ChannelHours, QuietHours
from operators.reachability import GATE as UNREACHABLE
from operators.reachability import Reachability
from operators.step_types import parse_percent
from operators.suppression import Rule, Suppression
from operators.templates import TemplateError

if TYPE_CHECKING:
    from operators import orchestration as written

Gate = Callable[[Candidate, str, Moment], Verdict | None]


class Gates:
    """The gates of one workspace."""

    def __init__(self, orchestration: "written.Orchestration | None" = None) -> None:
        """Compile what a workspace says; without one, nothing but what journeys hold back stops a message."""
        one = orchestration
        channels = one.channels if one is not None else {}
        bypass = one.bypass if one is not None else ()
        self.reachability = Reachability(
            {
                name: compile_expression(channel.address, ADDRESS_NAMES)
                for name, channel in channels.items()
                if channel.address
            }
        )
        self.consent = Consent({name: one.consent for name, one in channels.items() if one.consent}, bypass)
        self.suppression = Suppression([_rule(rule) for rule in one.suppress] if one is not None else ())
        self.caps = Caps([_cap(cap) for cap in one.caps] if one is not None else (), bypass)
        self.quiet_hours = QuietHours(
            {name: _hours(channel, one.timezone) for name, channel in channels.items() if channel.quiet or channel.open}
            if one is not None
            else {},
            bypass,
        )
        self.answer_rates = {name: parse_percent(channel.answer_rate) for name, channel in channels.items()}
        self.conflicts = _conflicts(one.conflicts) if one is not None and one.conflicts is not None else None
        self.holdout = Holdout(parse_percent(one.control) if one is not None else 0)
        in_order: list[tuple[Gate, object]] = [
            (eligibility, True),
            (self.reachability, self.reachability.addresses),
            (self.consent, self.consent.groups),
            (self.suppression, True),
            (self.caps, self.caps.caps),
            (self.quiet_hours, self.quiet_hours.channels),
        ]
        self._in_order: tuple[Gate, ...] = tuple(gate for gate, has_something in in_order if has_something)

    def compete(self, proposal: Proposal) -> bool:
        """Whether a proposal has to wait for the others of its instant: for a place among them, or under a cap."""
        conflicts, caps = self.conflicts, self.caps
        return (conflicts is not None and any(conflicts.concern(one.message.tags) for one in proposal.candidates)) or (
            bool(caps.caps) and any(caps.concern(one) for one in proposal.candidates)
        )

    def check(self, candidate: Candidate, moment: Moment) -> bool:
        """Send a candidate through the gates, from the first on; whether it may go, and on which channel it says itself."""
        candidate.verdict, candidate.tried = None, []
        proposal = candidate.proposal
        channels, candidate.best = self.channels_of(candidate.message, moment)
        if not channels:  # the best channel of an older version, in a workspace where none has an address any more
            candidate.stop("", Verdict(UNREACHABLE, DROPPED, details={"reason": "no_channel"}))
            return False
        if proposal.expires_at is not None and proposal.expires_at <= moment.now:
            candidate.stop(channels[0], Verdict("expired", DROPPED))
            return False
        channel = self._open(candidate, channels, moment)
        if channel is None:
            return False
        candidate.channel = channel
        try:
            candidate.values = candidate.message.values(proposal.walk.scope())
        except TemplateError as error:
            candidate.stop(channel, Verdict("template", DROPPED, details={"error": str(error)}))
            return False
        return True

    def channels_of(self, message: HasChannels, moment: Moment) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
        """The channels in the order in which they are tried; and why, where the order is the customer's."""
        if message.by_preference:
            return in_best_order(message.channels, moment, self.answer_rates)
        return message.channels, []

    def is_open(self, channel: str, at: int, tags: Collection[str], moment: Moment) -> bool:
        """Whether the hours of a channel let a message through at an instant (ms)."""
        return self.quiet_hours.next_time(channel, at, tags, moment) == at

    def _open(self, candidate: Candidate, channels: Sequence[str], moment: Moment) -> str | None:
        """The first channel that is open."""
        expires_at = candidate.proposal.expires_at
        last = len(channels) - 1
        for place, channel in enumerate(channels):
            candidate.address = None
            for gate in self._in_order:
                verdict = gate(candidate, channel, moment)
                if verdict is not None:
                    break
            else:
                return channel
            if verdict.then == NEXT_CHANNEL:
                if place < last:
                    candidate.tried.append((channel, verdict))
                    continue
                verdict = verdict._replace(then=DROPPED)
            elif verdict.until is not None and expires_at is not None and verdict.until >= expires_at:
                verdict = verdict._replace(then=DROPPED, until=None)  # it would have expired by then
            candidate.stop(channel, verdict)
            return None
        return None

    def arbitration(self, candidate: Candidate, moment: Moment) -> Verdict | None:
        """Whether a candidate that comes next in the order has lost: as many as may are chosen."""
        return self.conflicts.lost(candidate, moment) if self.conflicts is not None else None

    def gathering(self, candidate: Candidate, moment: Moment) -> Verdict | None:
        """Whether a candidate that may go waits for others that may be better."""
        return self.conflicts.gathering(candidate, moment) if self.conflicts is not None else None

    def control(self, candidate: Candidate, moment: Moment) -> Verdict | None:
        """Whether a candidate that would go out must not, because its customer is there for comparison."""
        return self.holdout.stop(candidate, moment)

    def count(self, candidate: Candidate, moment: Moment) -> None:
        """A candidate takes its place: among those that are kept, and under the caps."""
        if self.conflicts is not None and self.conflicts.concern(candidate.message.tags):
            moment.kept += 1
        self.caps.count(candidate, moment)
        count_offer(candidate, moment)

    def bounds(self) -> Iterator[str]:
        """What is kept of one customer for the gates, and what happens at the bounds, in sentences."""
        if self.caps.caps:
            most = sum(cap.max for cap in self.caps.caps)
            yield f"caps: at most {most:,} messages of one customer are remembered, as long as some cap counts them"
        for cap in self.caps.caps:
            yield f"cap {cap.name}: exact; then {cap.then}" + (
                f" {format_duration(cap.defer)} at most" if cap.defer else ""
            )


# --- what is written, compiled


def _rule(rule: "written.SuppressRule") -> Rule:
    return Rule(compile_expression(rule.when, SUPPRESS_NAMES), rule.when, frozenset(rule.channel), frozenset(rule.tag))


def _cap(cap: "written.Cap") -> Cap:
    then, defer = parse_then(cap.then)
    return Cap(
        max=cap.max,
        then=then,
        defer=defer,
        channels=frozenset(cap.channel),
        tags=frozenset(cap.tag),
        journeys=frozenset(cap.journey),
        per=parse_duration(cap.per) if cap.window == "rolling" else 0,
        unit=cast(Unit, CALENDAR[cap.per]) if cap.window == "calendar" else None,
        name=str(cap),
    )


def _hours(channel: "written.Channel", workspace: str) -> ChannelHours:
    zone = workspace if channel.zone == "workspace" else channel.zone
    return ChannelHours(
        quiet=parse_hours(channel.quiet) if channel.quiet else None,
        open=parse_hours(channel.open) if channel.open else None,
        zone=None if zone == "customer" else ZoneInfo(zone),
    )


def _conflicts(conflicts: "written.ConflictsRule") -> Conflicts:
    then, defer = parse_then(conflicts.then)
    return Conflicts(
        tags=frozenset(conflicts.tag),
        keep=conflicts.keep,
        within=parse_duration(conflicts.within, allow_zero=True),
        defer=defer if then == "defer" else None,
    )
