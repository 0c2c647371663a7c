"""A customer's life for tests: events at times, and all that came of them."""

import json

from operators.customer_step import CustomerStep
from operators.events import Event
from operators.plan import plan_of as compile_workspace
from operators.records import to_json
from operators.workspace import read_workspace
from state.codec import decode_customer, encode_customer
from state.customer import Customer
from state.instants import format_instant, parse_instant

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
T0 = parse_instant("2026-01-05T10:00:00Z")
"""A Monday, at 11:00 in Berlin."""

ORCHESTRATION = "timezone: Europe/Berlin\nchannels: {email: {}, push: {}, sms: {}, ads: {}}"


def plan_of(*journeys, older=(), orchestration=ORCHESTRATION, traits="", segments="", offers=""):
    """The plan of some journeys' texts, and of older versions of them."""

    def read(texts):
        files = {f"{number}.yaml": text for number, text in enumerate(texts)}
        named = {
            "orchestration.yaml": orchestration,
            "traits.yaml": traits,
            "segments.yaml": segments,
            "offers.yaml": offers,
        }
        workspace = read_workspace({**named, **files})
        assert not workspace.complaints, [str(one) for one in workspace.complaints]
        return workspace

    workspace = read(journeys)
    workspace.older = [one for text in older for one in read([text]).journeys]
    return compile_workspace(workspace)


def at(text):
    """An instant, in ms."""
    return parse_instant(text)


class Life:
    """One customer; times are ms, or offsets from T0 where they are small."""

    def __init__(self, *journeys, customer_id="c-42", **more):
        self.step = CustomerStep(plan_of(*journeys, **more))
        self.customer, self.customer_id = Customer(), customer_id
        self.now, self.number = T0, 0
        self.told = []
        """All records, as (topic, record)."""

    def _take(self, records):
        self.customer = decode_customer(encode_customer(self.customer))  # as if the process began anew each time
        new = [(topic, json.loads(to_json(record))) for topic, record in records]
        self.told += new
        return new

    def does(self, name, after=0, *, kind="track", time=None, context=None, message_id=None, **properties):
        """An event, `after` ms later than the one before; all that comes of it."""
        self.now += after
        self.number += 1
        message_id = message_id or f"m{self.number}"
        time = self.now if time is None else time
        event = Event(kind, name, self.customer_id, message_id, time, properties, context or {})
        records = []
        self.step.take(self.customer, self.customer_id, [(event, self.now)], records)
        return self._take(records)

    def identify(self, after=0, **attributes):
        """What the customer is."""
        return self.does("identify", after, kind="identify", **attributes)

    def until(self, instant):
        """Time passes, without an event."""
        self.now = instant
        records = []
        self.step.fire(self.customer, self.customer_id, self.now, records)
        return self._take(records)

    def later(self, after):
        """Time passes, without an event."""
        return self.until(self.now + after)

    def renew(self, *journeys, **more):
        """Other definitions from here on."""
        self.step = CustomerStep(plan_of(*journeys, **more))

    # --- what came of it

    @property
    def facts(self):
        """All facts so far."""
        return [record for topic, record in self.told if topic == "journeys.facts"]

    @property
    def actions(self):
        """All actions so far."""
        return [record for topic, record in self.told if topic.startswith("actions.")]

    @property
    def sent(self):
        """Steps of the messages that were sent, in order."""
        return [action["step"] for action in self.actions if action["kind"] == "send"]

    @property
    def story(self):
        """The facts in short: what, and the step or the reason; without `decided`, which comes before every message."""
        told = [one for one in self.facts if one["fact"] != "decided"]
        return [" ".join(filter(None, (one["fact"], one.get("step"), one.get("reason")))) for one in told]

    def fact(self, name):
        """The last fact of this name."""
        return [one for one in self.facts if one["fact"] == name][-1]

    def count(self, name):
        """How many facts of this name."""
        return sum(one["fact"] == name for one in self.facts)


def when(record):
    """The instant of a fact, or of an action, in ms."""
    return parse_instant(record.get("at") or record["decided_at"])


def iso(ms):
    """As records write it."""
    return format_instant(ms)
