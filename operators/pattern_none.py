"""The pattern of a journey that no event enters, but a segment or the calendar: it looks at nothing."""

from typing import Any

from operators.events import Event
from operators.moment import Moment
from operators.paths import Path
from operators.pattern import Match
from state.customer import JourneyMemory


class NoPattern:
    """See `operators.pattern.Pattern`."""

    names: tuple[str, ...] | None = ()
    paths: frozenset[Path] = frozenset()
    warnings: tuple[str, ...] = ()

    def see(self, memory: JourneyMemory, event: Event, moment: Moment) -> list[Match]:
        """No event completes anything."""
        return []

    def use_up(self, memory: JourneyMemory, match: Match) -> None:
        """Nothing is remembered."""

    def deadlines(self, memory: JourneyMemory) -> dict[str, int]:
        """Nothing is waited for."""
        return {}

    def due(self, memory: JourneyMemory, token: str, moment: Moment) -> Match | None:
        """Nothing is waited for."""
        return None

    def bounds(self) -> list[str]:
        """What is kept."""
        return ["nothing is kept: a segment or the calendar enters"]


def match_of(event: Event) -> Match:
    """What lets a customer in where no pattern does."""
    details: dict[str, Any] = {}
    return Match([event], "", "", details, None)
