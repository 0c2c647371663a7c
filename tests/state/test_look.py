"""A look from outside: what the last epoch ended with, while the job goes on undisturbed."""

from pathlib import Path

import pytest

from state.codec import encode_customer
from state.customer import Customer, GroupMeta
from state.errors import StateError
from state.look import group_directories, look, look_at_customer
from state.store import KeyGroupStore, StoreMemory, StoreOptions


@pytest.fixture
def store(tmp_path: Path) -> KeyGroupStore:
    memory = StoreMemory(StoreOptions(), stores=1)
    return KeyGroupStore(tmp_path / "group-00003", GroupMeta(group=3, groups=8), memory)


def epoch(store: KeyGroupStore, position: int, **timers: int) -> None:
    for customer_id, due in timers.items():
        kept = store.load([customer_id])[customer_id]
        store.put(kept, encode_customer(Customer(seq=position, timers={"t": due})))
        store.timers.change(customer_id, None, due)
    store.meta.position, store.meta.now = position, position * 1_000
    store.commit()


def test_a_look_sees_the_last_epoch_of_a_running_job_and_the_job_goes_on(store: KeyGroupStore, tmp_path: Path) -> None:
    epoch(store, 5, ada=9_000, bob=7_000)
    first = look(store.path, tmp_path / "a")
    kept = store.load(["ada"])["ada"]
    store.put(kept, encode_customer(Customer(seq=99)))
    store.meta.position = 6  # of an epoch that has not ended
    meta, ada, _ = look_at_customer(store.path, "ada", tmp_path / "b")
    assert (meta.position, meta.now, first.timer_next, first.timers, first.format) == (5, 5_000, 7_000, 2, 1)
    assert ada == Customer(seq=5, timers={"t": 9_000})
    assert look_at_customer(store.path, "eve", tmp_path / "c")[1] is None
    assert first.bytes_on_disk > 0

    store.commit()
    meta, ada, _ = look_at_customer(store.path, "ada", tmp_path / "d")
    assert (meta.position, ada) == (6, Customer(seq=99))
    epoch(store, 7, eve=1_000)
    store.close()
    assert look(store.path, tmp_path / "e").timer_next == 1_000


def test_a_look_at_what_cannot_be_read_says_so(store: KeyGroupStore, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="has not finished its first epoch"):
        look(store.path, tmp_path / "a")
    store.close()
    (store.path / "CURRENT").write_bytes(b"MANIFEST-000999\n")
    with pytest.raises(StateError, match=r"group-00003: RocksDB cannot read the state: .*sojourn state rebuild"):
        look(store.path, tmp_path / "b")


def test_groups_are_found_in_a_state_directory_and_in_the_jobs(store: KeyGroupStore, tmp_path: Path) -> None:
    store.close()
    assert group_directories(tmp_path) == [store.path]
    (tmp_path / "data").mkdir()
    tmp_path.joinpath("group-00003").rename(tmp_path / "moved")
    (tmp_path / "data" / "state").mkdir()
    (tmp_path / "moved").rename(tmp_path / "data" / "state" / "group-00003")
    assert [path.name for path in group_directories(tmp_path / "data")] == ["group-00003"]
    with pytest.raises(StateError, match="has no state"):
        group_directories(tmp_path / "elsewhere")
