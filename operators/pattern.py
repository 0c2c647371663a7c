"""A pattern, compiled: what a journey waits for in the events of one customer, and the matches that it finds.

This is what the customer step knows of patterns. There are two machines behind it with one language and one form of memory:
`operators.pattern_one` for the common pattern of one element, `operators.pattern_sequence` for the rest; what both follow is in
the words of the oracle of the tests. `operators.pattern_compiler` picks. No clock, no chance, no input or output.
"""

from typing import Any, Protocol

from operators.events import Event
from operators.moment import Moment
from operators.paths import Path
from state.customer import JourneyMemory

NO_VALUE = ("",)
"""The one value, and its token, of a pattern without `by`."""


class Match:
    """Events of one customer that are, taken together, what a pattern says."""

    __slots__ = ("events", "names", "places", "token", "value")

    def __init__(
        self, events: list[Event], value: object, token: str, names: dict[str, Any], places: list[int] | None
    ) -> None:
        """See the attributes."""
        self.events = events
        """By event time, then read order; never empty. The last is `entry`, the first `first`."""
        self.value = value
        """What they agree in (`by`); the empty text without `by`."""
        self.token = token
        """The name of the value in the memory; with the journey's, it names the deadline."""
        self.names = names
        """`as` name -> its event, or list of events where there may be several; None where an optional one did not come."""
        self.places = places
        """For `use_up`: where they are in the memory, until the next event; None where nothing is remembered."""


def begin_anew(memory: JourneyMemory, mark: int) -> None:
    """Forget what another pattern remembered; entries stay.

    A mark is of what a pattern remembers and how: its elements, but for their times, and how much is kept of each event. So a
    journey whose pattern is written anew begins anew, and one of which only `within` or `for` changes goes on.
    """
    memory.buckets.clear()
    memory.contents.clear()
    memory.mark = mark


class Pattern(Protocol):
    """What a journey waits for."""

    names: tuple[str, ...] | None
    """Names of the events that it looks at; None where it must see every event (`strict`)."""
    paths: frozenset[Path]
    """The `by` paths of its elements: a journey keyed by one of them has `Match.value` as its key."""
    warnings: tuple[str, ...]
    """What is allowed and probably not meant."""

    def see(self, memory: JourneyMemory, event: Event, moment: Moment) -> list[Match]:
        """Take in one event; give the matches that it completes: at most one for each value of `by`, in a fixed order.

        Args:
            memory: The journey's memory of the customer; changed.
            event: The event, read just now.
            moment: The customer, the clock, and where to tell that an event came too late.
        """
        ...

    def use_up(self, memory: JourneyMemory, match: Match) -> None:
        """Take the events of a match away, so that they match no more: to be called for a match that let somebody enter."""
        ...

    def deadlines(self, memory: JourneyMemory) -> dict[str, int]:
        """Token -> when (ms of log time) to ask `due`: one for each value for which an absence is waited for."""
        ...

    def due(self, memory: JourneyMemory, token: str, moment: Moment) -> Match | None:
        """The match of an `absent ... for` whose deadline has come: the moment's `now`. None where there is none any more."""
        ...

    def bounds(self) -> list[str]:
        """What is kept of one customer, and what happens at the bound, in sentences."""
        ...
