"""One customer under one pattern, for tests: the pattern as the customer step runs it, without journeys around it."""

from zoneinfo import ZoneInfo

from operators.definitions import Enter
from operators.events import Event
from operators.moment import Moment
from operators.pattern_compiler import compile_pattern
from operators.pattern_definitions import pattern_mistakes
from state.codec import decode_customer, encode_customer
from state.customer import Customer, JourneyMemory

JOURNEY = {"name": "j", "version": 1, "tags": [], "priority": 50}


class Watcher:
    """One customer under one pattern, as the customer step runs it; the memory goes through its bytes after every event."""

    def __init__(self, enter, *, reads_events=True):
        mistakes = list(pattern_mistakes(enter))
        assert not mistakes, mistakes
        self.pattern = compile_pattern(Enter.model_validate(enter), JOURNEY, reads_events=reads_events)
        self.customer = Customer()
        self.records = []

    @property
    def memory(self):
        return self.customer.journeys.setdefault("j", JourneyMemory())

    def moment(self, event, now):
        moment = Moment(self.customer, "c-1", self.records, ZoneInfo("Europe/Berlin"))
        moment.event, moment.now = event, now
        return moment

    def see(self, event, now, accepts=True):
        """(value, message ids) of the matches; used up if accepted."""
        self.customer = decode_customer(encode_customer(self.customer))
        matches = self.pattern.see(self.memory, event, self.moment(event, now))
        for match in matches:
            if accepts:
                self.pattern.use_up(self.memory, match)
        return [(match.value, [one.message_id for one in match.events]) for match in matches]

    def due(self, now, accepts=True):
        """(deadline, value, message ids) of the absences whose deadline has come."""
        found = []
        for token, due in sorted(self.pattern.deadlines(self.memory).items(), key=lambda one: (one[1], one[0])):
            if due <= now:
                match = self.pattern.due(self.memory, token, self.moment(an_event("timer", "t", due), due))
                if match is not None:
                    found.append((due, match.value, [one.message_id for one in match.events]))
                    if accepts:
                        self.pattern.use_up(self.memory, match)
        return found


def an_event(name, message_id, time, **properties):
    return Event("track", name, "c-1", message_id, time, properties, {})
