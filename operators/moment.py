"""One customer at one event or timer: what the parts of the customer step hand to each other."""

from collections.abc import Mapping
from datetime import tzinfo
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from operators.events import Event
from operators.records import FACTS, PROFILES, profile_of
from operators.trait_plan import TraitPlan
from operators.zones import zone_of
from state.customer import Customer
from state.instants import format_instant

if TYPE_CHECKING:
    from operators.candidates import Proposal
    from operators.gates import Gates
    from operators.plan_steps import Layer

Records = list[tuple[str, dict[str, Any]]]
"""(topic, record), in the order in which they came about. A profile's is of the moment of its change."""

NO_EVENT = Event("", "", "", "", 0, {}, {})


class Moment:
    """The customer, the event that is taken in, the clock, and where to tell what comes of it."""

    __slots__ = (
        "_names",
        "attributed",
        "customer",
        "customer_id",
        "event",
        "gates",
        "kept",
        "layers",
        "now",
        "profile_changed",
        "proposals",
        "records",
        "timer",
        "traits",
        "zone",
    )

    attributed: tuple[Event, str] | None
    """The last event that was about a message of ours, and that message's action."""
    event: Event
    """At a timer: `NO_EVENT`."""
    timer: str
    """At a timer: what it is for; else empty."""
    now: int
    profile_changed: bool
    """Whether a step of a run set attributes since it was last looked at."""
    gates: "Gates"
    """What is between messages and their channels."""
    layers: "Mapping[str, Layer]"
    """Experiment -> its part of its layer."""
    kept: int
    """How many of those that compete went out at this instant."""
    proposals: "list[Proposal]"
    """What wants to go out and is not decided yet."""

    def __init__(
        self,
        customer: Customer,
        customer_id: str,
        records: Records,
        zone: tzinfo,
        traits: TraitPlan | None = None,
        gates: "Gates | None" = None,
        layers: "Mapping[str, Layer]" = MappingProxyType({}),
    ) -> None:
        """A customer, and of the workspace the zone, traits in use, gates and layers.

        `event` (or `timer`) and `now` are set for each.
        """
        self.customer = customer
        self.customer_id = customer_id
        self.records = records
        self.zone = zone
        self.traits = traits
        self.event = NO_EVENT
        self.attributed = None
        self.timer = ""
        self.profile_changed = False
        self.proposals = []
        self.kept = 0
        self.layers = layers
        if gates is not None:
            self.gates = gates
        self._names: dict[str, Any] | None = None

    @property
    def cause(self) -> str:
        """What caused what is told now: the id of the event's message, or the timer and when it was due."""
        return f"timer:{self.timer}@{format_instant(self.now)}" if self.timer else self.event.message_id

    @property
    def mover(self) -> Event | None:
        """The event that is taken in; None at a timer."""
        return None if self.timer else self.event

    @property
    def customer_zone(self) -> tzinfo:
        """Where the customer is: their profile says, else the last event that did, else the workspace."""
        return zone_of(self.customer.profile, self.customer.zone, self.zone)

    def next_seq(self) -> int:
        """The number of the next record about this customer."""
        self.customer.seq += 1
        return self.customer.seq

    def tell(self, fact: str, **details: object) -> None:
        """Tell a fact."""
        at = format_instant(self.now)
        record = {"fact": fact, "at": at, "customer_id": self.customer_id, "seq": self.next_seq(), **details}
        self.records.append((FACTS, record))

    def tell_profile(self) -> None:
        """Tell what is known of the customer now."""
        self.records.append((PROFILES, self.profile_record()))

    def profile_record(self) -> dict[str, Any]:
        """What is known of the customer now; takes the next `seq`."""
        traits, memory = self.traits, self.customer.traits
        values: dict[str, Any] = {}
        segments: list[str] = []
        if traits is not None and memory is not None:
            values = traits.view(memory, self.customer.profile, self.now, self.customer_zone).as_record()
            segments = list(traits.segments_of(memory))
        record = profile_of(self.customer, self.customer_id, self.now, values, segments)
        record["reachability"] = self.gates.reachability.told(self)
        return record

    def scope(self) -> dict[str, Any]:
        """The names that expressions and templates know, but for those of a run."""
        event, customer = self.event, self.customer
        zone = self.customer_zone
        scope: dict[str, Any] = {
            "event": None if self.timer else event,
            "properties": event.properties,
            "profile": customer.profile,
            "now": self.now,
            "zone": zone,
        }
        if self.traits is not None and customer.traits is not None:
            scope["traits"] = self.traits.view(customer.traits, customer.profile, self.now, zone)
            scope["segments"] = self.traits.segments_of(customer.traits)
        return scope

    def renew(self) -> None:
        """Another event or timer: what was computed for the one before holds no more."""
        self._names = None

    def names(self, journey: dict[str, Any]) -> dict[str, Any]:
        """The same for the expressions of one journey, to be read only: all that look at one event share it."""
        names = self._names
        if names is None or names["event"] is not self.mover or names["profile"] is not self.customer.profile:
            names = self._names = self.scope()
        names["journey"], names["now"] = journey, self.now
        return names
