"""The timer index: what is due, in order, whatever of it is in memory; and the same after commits, restarts and undo."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state import timer_index
from state.customer import GroupMeta
from state.store import KeyGroupStore, StoreMemory, StoreOptions
from state.timer_index import TimerIndex, timer_key

MEMORY = StoreMemory(StoreOptions(), stores=1)


class Disk:
    """What the store does with an index, on a set of keys."""

    def __init__(self):
        self.keys = set()
        self.index = TimerIndex(self.read)
        self.model = {}

    def read(self, start):
        return iter(sorted(key for key in self.keys if key >= start))

    def change(self, customer_id, due):
        self.index.change(customer_id, self.model.get(customer_id), due)
        if due is None:
            self.model.pop(customer_id, None)
        else:
            self.model[customer_id] = due

    def commit(self):
        for deleted, added in self.index.writes():
            self.keys.discard(deleted)
            self.keys |= {added} if added is not None else set()
        self.index.committed()
        assert self.keys == {timer_key(due, customer_id) for customer_id, due in self.model.items()}

    def restart(self):
        self.commit()
        self.index = TimerIndex(self.read)

    def fire(self, through):
        """All that is due, in the order of the index."""
        fired = []
        while found := self.index.due(through):
            fired += [(self.model[customer_id], customer_id) for customer_id in found]
            for customer_id in found:
                self.change(customer_id, None)
        return fired


@pytest.mark.parametrize("near", [1, 3, 10_000])
@pytest.mark.parametrize("seed", range(20))
def test_what_is_due_is_what_a_plain_dictionary_says(monkeypatch, near, seed):
    """Timers set, moved and taken away, commits and restarts in any order; little or much of it in memory."""
    monkeypatch.setattr(timer_index, "NEAR_MAX", near)
    random, disk, clock = Random(seed), Disk(), 0
    for _ in range(600):
        match random.choice(["set"] * 6 + ["take away", "commit", "restart", "fire", "fire"]):
            case "set":
                disk.change(f"c-{random.randrange(60)}", clock + 1 + random.randrange(50))
            case "take away":
                disk.change(f"c-{random.randrange(60)}", None)
            case "commit":
                disk.commit()
            case "restart":
                disk.restart()
            case "fire":
                clock += random.randrange(12)
                expected = sorted((due, name) for name, due in disk.model.items() if due <= clock)
                assert disk.fire(clock) == expected
    disk.restart()
    expected = sorted((due, name) for name, due in disk.model.items())
    assert disk.fire(10**6) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.integers(1, 9)), max_size=30), st.integers(0, 9))
def test_the_last_change_of_a_customer_counts(changes, through):
    """Within one epoch, before anything is on disk."""
    disk = Disk()
    disk.index.due(0)  # an index that has looked keeps what comes in memory
    for customer_id, due in changes:
        disk.change(customer_id, due)
    assert disk.fire(through) == sorted((due, name) for name, due in dict(changes).items() if due and due <= through)


def test_memory_stays_bounded_where_all_timers_are_set_in_one_run(monkeypatch):
    """An index that began empty has everything in memory, until it is too much."""
    monkeypatch.setattr(timer_index, "NEAR_MAX", 100)
    disk = Disk()
    disk.index.due(0)
    for number in range(5_000):
        disk.change(f"c-{number}", 1 + number * 7919 % 5_000)
        if number % 500 == 0:
            disk.commit()
    assert len(disk.index._near) <= 400
    assert len(disk.index._heap) <= 401
    assert disk.fire(5_000) == sorted((1 + number * 7919 % 5_000, f"c-{number}") for number in range(5_000))


def test_an_order_of_times_is_an_order_of_keys():
    """Big-endian: RocksDB compares bytes."""
    times = [0, 1, 255, 256, 65_535, 65_536, 2**40, 2**62]
    assert sorted(timer_key(due, "c") for due in times) == [timer_key(due, "c") for due in times]


def test_the_store_keeps_the_index_and_undoes_it_with_the_epoch(tmp_path):
    """Timers are of the same batch as customers: one epoch back is back for both."""

    def opened(at=None):
        return KeyGroupStore(tmp_path / "group", GroupMeta(0, 1), MEMORY, at)

    def epoch(store, **due):
        for customer_id, (was, now) in due.items():
            store.put(store.load([customer_id])[customer_id], b"x")
            store.timers.change(customer_id, was, now)
        store.meta.position += 1
        return store.commit()

    store = opened()
    first = epoch(store, a=(None, 5), b=(None, 3), c=(None, 9))
    second = epoch(store, a=(5, 7), b=(3, None), d=(None, 1))
    store.close()

    store = opened(second)
    assert store.timers.due(100) == ["d", "a", "c"]
    store.close()
    store = opened(first)
    assert store.timers.due(100) == ["b", "a", "c"]
    store.close()
