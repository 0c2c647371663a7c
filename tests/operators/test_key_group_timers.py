"""A key group fires what is due: before a customer's next event, else as soon as the group's clock is there; batches are
no part of the result."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.key_group import KeyGroup
from operators.records import FACTS
from state.codec import Token
from state.customer import GroupMeta
from state.errors import StateError
from state.store import KeyGroupStore, StoreMemory, StoreOptions

MEMORY = StoreMemory(StoreOptions(), stores=1)
T0 = 1_767_225_600_000


class Ringing:
    """A step in which an event sets a timer, and a timer tells that it rang, sometimes setting another."""

    plan = SimpleNamespace(hash="x", text=b"")

    def take(self, customer, customer_id, events, records):
        for event, now in events:
            self.fire(customer, customer_id, now, records)
            self.tell(customer, now, event.message_id, records)
            for name, wait in event.properties.items():
                customer.timers[name] = now + wait
        return 0

    def fire(self, customer, customer_id, through, records):
        while customer.timers:
            due, name = min((due, name) for name, due in customer.timers.items())
            if due > through:
                return
            del customer.timers[name]
            self.tell(customer, due, name, records)
            if name == "again":
                customer.timers["once more"] = due + 2

    def tell(self, customer, at, what, records):
        customer.seq += 1
        records.append((FACTS, {"at": at - T0, "what": what, "seq": customer.seq}))


def opened(path, at=None):
    return KeyGroup(KeyGroupStore(path, GroupMeta(0, 1), MEMORY, at), Ringing())


def record(position, customer_id, at, timers):
    event = {"type": "track", "event": "E", "userId": customer_id, "messageId": f"m{position}", "timestamp": T0 + at}
    raw = json.dumps({**event, "properties": timers}).encode()
    return (customer_id, position, T0 + at, T0 + at, raw, position)


def batch(records, position, now):
    return (0, position, T0 + now, [field for record in records for field in record], [], True)


def told(out):
    found = {}
    for _, key, _, value, _ in sorted(out, key=lambda item: item[1:3]):
        fact = json.loads(value)
        found.setdefault(key, []).append((fact["at"], fact["what"]))
    return found


@pytest.fixture
def group(tmp_path):
    group = opened(tmp_path / "group")
    yield group
    group.store.close()


def test_a_timer_fires_when_the_clock_is_there_and_tells_its_own_time(group):
    """Not before; and not the time of the record that moved the clock."""
    assert told(group.take(batch([record(0, "a", 0, {"t": 10})], 0, 9))) == {"a": [(0, "m0")]}
    assert told(group.take(batch([], 1, 10))) == {"a": [(10, "t")]}
    assert group.take(batch([], 2, 99)) == []


def test_a_timer_that_is_due_fires_before_the_event(group):
    """An event exactly at the deadline comes too late."""
    group.take(batch([record(0, "a", 0, {"t": 10})], 0, 0))
    assert told(group.take(batch([record(1, "a", 10, {})], 1, 10))) == {"a": [(10, "t"), (10, "m1")]}


def test_a_timer_that_a_timer_sets_fires_in_its_turn(group):
    """In one call, if the clock is beyond both."""
    group.take(batch([record(0, "a", 0, {"again": 3, "t": 4})], 0, 0))
    assert told(group.take(batch([], 1, 50))) == {"a": [(3, "again"), (4, "t"), (5, "once more")]}


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_group_that_is_behind_is_led_on_through_the_log(tmp_path, kept):
    """From an empty directory, or from an older one: state, timers and clock are those of a group that was never away."""
    batches = [
        batch([record(0, "a", 0, {"t": 10}), record(1, "b", 2, {"again": 30})], 1, 2),
        batch([record(2, "a", 20, {"u": 40})], 2, 21),
        batch([record(4, "b", 22, {})], 5, 30),
    ]
    whole, older = opened(tmp_path / "whole"), opened(tmp_path / "older")
    for number, one in enumerate(batches):
        whole.take(one)
        token = whole.commit()
        if number < kept:
            older.take(one)
            older.commit()
    older.store.close()

    group = opened(tmp_path / "older", token)
    assert group.store.behind == token
    group.roll_forward(batches[kept:])
    assert (group.store.behind, group.commit()) == (None, token)
    end = batch([], 6, 99)
    assert told(group.take(end)) == told(whole.take(end)) != {}
    assert {i: kept.value for i, kept in group.store.load("ab").items()} == {
        i: kept.value for i, kept in whole.store.load("ab").items()
    }
    group.store.close()
    whole.store.close()


def test_a_log_that_leads_elsewhere_is_refused(tmp_path):
    """Another log, or one that lost records: never state that is nearly right."""
    group = opened(tmp_path / "group", Token(0, 5, T0 + 9))
    with pytest.raises(StateError, match="not the one that the state came from"):
        group.roll_forward([batch([record(0, "a", 0, {})], 0, 9)])
    group.store.close()


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 5),
        st.dictionaries(st.sampled_from(["t", "u", "again"]), st.integers(1, 12), max_size=2),
    ),
    min_size=1,
    max_size=25,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(EVENTS, st.data())
def test_batches_commits_and_restarts_are_no_part_of_the_result(tmp_path_factory, events, data):
    """All in one batch, or cut anywhere, with an epoch's end and a restart at any cut."""
    log, at = [], 0
    for position, (customer_id, gap, timers) in enumerate(events):
        at += gap
        log.append(record(position, customer_id, at, timers))
    end = batch([], len(log), at + 30)

    directory = tmp_path_factory.mktemp("groups")
    whole = opened(directory / "whole")
    expected = told(whole.take(batch(log, len(log) - 1, at)) + whole.take(end))
    token = whole.commit()
    whole.store.close()

    out, group, start = [], opened(directory / "cut"), 0
    while start < len(log):
        stop = data.draw(st.integers(start + 1, len(log)))
        piece = log[start:stop]
        out += group.take(batch(piece, piece[-1][1], piece[-1][2] - T0))
        if data.draw(st.booleans()):
            group.commit()
            group.store.close()
            group = opened(directory / "cut", group.store.token())
        start = stop
    out += group.take(end)
    assert told(out) == expected
    assert group.commit() == token
    group.store.close()
