"""The timers of a customer: in which order they fire, and what their `now` is."""

from hypothesis import given
from hypothesis import strategies as st

from operators.customer_step import CustomerStep
from operators.events import Event
from operators.plan import compile_plan
from operators.workspace import read_workspace
from state.customer import Customer

JOURNEY = "journey: j\nenter: {event: Never}\nsteps: [{id: s, send: email, template: t}]\n"


class Ringing(CustomerStep):
    """Notes which timer fires when; may set further ones."""

    def __init__(self, sets=()):
        workspace = read_workspace({"orchestration.yaml": "timezone: UTC", "j.yaml": JOURNEY})
        super().__init__(compile_plan(workspace.orchestration, workspace.journeys))
        self.rung, self.sets = [], dict(sets)

    def _ring(self, name, moment):
        self.rung.append((moment.now, name))
        if name in self.sets:
            later, after = self.sets.pop(name)
            moment.customer.timers[later] = moment.now + after


def an_event(number, time):
    return Event("track", "Seen", "c-1", f"m{number}", time, {}, {})


def test_timers_fire_by_due_time_and_then_by_name_each_at_its_own_time():
    """However late the call comes, and in whatever order they were set."""
    step, customer = Ringing(), Customer(timers={"b": 20, "c": 10, "a": 20, "z": 31})
    step.fire(customer, "c-1", 30, [])
    assert step.rung == [(10, "c"), (20, "a"), (20, "b")]
    assert customer.timers == {"z": 31}


def test_a_timer_set_while_timers_fire_takes_its_place_among_them():
    """Due between two others; and one that is due later stays."""
    step, customer = Ringing({"a": ("b", 5), "b": ("d", 100)}), Customer(timers={"a": 10, "c": 20})
    step.fire(customer, "c-1", 30, [])
    assert step.rung == [(10, "a"), (15, "b"), (20, "c")]
    assert customer.timers == {"d": 115}


def test_before_each_event_the_timers_due_by_then_fire():
    """At the very time of the event, too; before a duplicate, too."""
    step, customer = Ringing(), Customer(timers={"a": 10, "b": 20, "c": 21})
    events = [(an_event(1, 9), 9), (an_event(2, 20), 20), (an_event(2, 20), 25)]
    assert step.take(customer, "c-1", events, []) == 1
    assert step.rung == [(10, "a"), (20, "b"), (21, "c")]


@given(
    st.dictionaries(st.text(max_size=2), st.integers(1, 50), max_size=8),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_it_does_not_matter_when_they_are_asked_to_fire(timers, calls):
    """One call at the end, or many before it."""
    once, often = Ringing(), Ringing()
    one, other = Customer(timers=dict(timers)), Customer(timers=dict(timers))
    for through in sorted(calls):
        often.fire(other, "c-1", through, [])
    for step, customer in ((once, one), (often, other)):
        step.fire(customer, "c-1", max(calls, default=0), [])
    assert once.rung == often.rung
    assert one == other
