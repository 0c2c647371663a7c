"""One customer at one event: what the parts of the customer step hand to each other."""

from datetime import tzinfo
from typing import Any

from operators.events import Event
from operators.records import FACTS
from operators.zones import zone_of
from state.customer import Customer
from state.instants import format_instant

Records = list[tuple[str, dict[str, Any]]]
"""(topic, record), in the order in which they came about. A profile's is of the moment of its change."""


class Moment:
    """The customer, the event that is taken in, the clock, and where to tell what comes of it."""

    __slots__ = ("_names", "customer", "customer_id", "event", "now", "records", "zone")

    event: Event
    now: int

    def __init__(self, customer: Customer, customer_id: str, records: Records, zone: tzinfo) -> None:
        """A customer, and the workspace's zone; `event` and `now` are set for each of their events."""
        self.customer = customer
        self.customer_id = customer_id
        self.records = records
        self.zone = zone
        self._names: dict[str, Any] | None = None

    def next_seq(self) -> int:
        """The number of the next record about this customer."""
        self.customer.seq += 1
        return self.customer.seq

    def tell(self, fact: str, **details: object) -> None:
        """Tell a fact."""
        at = format_instant(self.now)
        record = {"fact": fact, "at": at, "customer_id": self.customer_id, "seq": self.next_seq(), **details}
        self.records.append((FACTS, record))

    def scope(self) -> dict[str, Any]:
        """The names that expressions and templates know, but for those of a run."""
        event, profile = self.event, self.customer.profile
        zone = zone_of(profile, event.context, self.zone)
        return {"event": event, "properties": event.properties, "profile": profile, "now": self.now, "zone": zone}

    def names(self, journey: dict[str, Any]) -> dict[str, Any]:
        """The same for the expressions of one journey, to be read only: all that look at one event share it."""
        names = self._names
        if names is None or names["event"] is not self.event or names["profile"] is not self.customer.profile:
            names = self._names = self.scope()
        names["journey"], names["now"] = journey, self.now
        return names
