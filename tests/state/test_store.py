"""The key-group store on a real RocksDB: held against a plain dictionary through commits, restarts, crashes and undo.

And the key group that works on it: what is rejected, what is counted, and that batches are no part of the result.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.customer_step import CustomerStep
from operators.key_group import KeyGroup
from operators.plan import compile_plan
from operators.workspace import read_workspace
from state.codec import Token, decode_customer, encode
from state.customer import GroupMeta
from state.errors import StateError, StateFormatError
from state.keygroups import group_of
from state.store import KeyGroupStore, StoreMemory, StoreOptions

MEMORY = StoreMemory(StoreOptions(), stores=1)


def opened(path, at=None, group=3, groups=64, memory=MEMORY):
    return KeyGroupStore(path, GroupMeta(group, groups), memory, at)


def put(store, customer_id, value):
    """Load and put, as the key group does; the position goes on."""
    store.put(store.load([customer_id])[customer_id], value)
    store.meta.position += 1


def epoch(store, **values):
    """One epoch that sets these customers; its token."""
    for customer_id, value in values.items():
        put(store, customer_id, value)
    return store.commit()


def loaded(store, *customer_ids):
    return {customer_id: kept.value for customer_id, kept in store.load(customer_ids).items()}


def contents(store, *customer_ids):
    found = loaded(store, *(customer_ids or "abcdefgh"))
    return {customer_id: value for customer_id, value in found.items() if value is not None}


def refusal(path, **more):
    with pytest.raises(StateError) as refused:
        opened(path, **more).close()
    return str(refused.value)


# --- one epoch


def test_a_new_store_has_nobody_and_stands_before_the_first_record(tmp_path):
    """Position -1."""
    store = opened(tmp_path / "group-00003")
    assert loaded(store, "a", "b") == {"a": None, "b": None}
    assert store.token() == Token(3, -1, -1)
    store.close()


def test_what_was_put_is_loaded_before_and_after_the_commit(tmp_path):
    """The overlay, then the cache."""
    store = opened(tmp_path)
    put(store, "a", b"1")
    put(store, "a", b"2")
    assert contents(store) == {"a": b"2"}
    assert store.commit() == Token(3, 1, -1)
    assert contents(store) == {"a": b"2"}
    store.close()


def test_every_customer_is_read_as_the_epoch_has_them_by_now(tmp_path):
    """From disk, changed since, new since; who was only looked for is nobody."""
    store = opened(tmp_path / "g")
    epoch(store, b=b"1", c=b"1", a=b"1")
    store.close()
    store = opened(tmp_path / "g", at=Token(3, 2, -1))
    loaded(store, "x", "c")
    put(store, "b", b"2")
    put(store, "d", b"2")
    assert dict(store.every()) == {"a": b"1", "b": b"2", "c": b"1", "d": b"2"}
    for customer_id, value in store.every():  # they may be changed on the way
        put(store, customer_id, value + b"!")
    store.commit()
    assert list(store.every()) == [("a", b"1!"), ("b", b"2!"), ("c", b"1!"), ("d", b"2!")]
    store.close()


def test_a_store_is_opened_where_it_was_committed(tmp_path):
    """Customers, position, clock, counts: all there."""
    store = opened(tmp_path)
    store.meta.now, store.meta.fired_through, store.meta.definitions = 5, 4, "x"
    store.meta.counts["records"] = 7
    token = epoch(store, a=b"1", b=b"2")
    store.close()
    store = opened(tmp_path, at=token)
    assert contents(store) == {"a": b"1", "b": b"2"}
    assert store.meta == GroupMeta(3, 64, 1, 5, 4, "x", {"records": 7})
    assert store.token() == token == Token(3, 1, 4)
    store.close()


def test_a_commit_of_nothing_writes_nothing(tmp_path):
    """The token stays, and the way back over the last real epoch stays, too."""
    store = opened(tmp_path)
    first = epoch(store, a=b"1")
    second = epoch(store, a=b"2")
    assert store.commit() == store.commit() == second
    store.close()
    store = opened(tmp_path, at=first)
    assert contents(store) == {"a": b"1"}
    store.close()


def test_an_epoch_in_which_only_the_position_went_on_is_an_epoch(tmp_path):
    """Heartbeats move the clock and nobody; the way back leads over them."""
    store = opened(tmp_path)
    first = epoch(store, a=b"1")
    store.meta.position, store.meta.now = 9, 100
    second = store.commit()
    assert second == Token(3, 9, -1)
    store.close()
    store = opened(tmp_path, at=first)
    assert (store.meta.position, store.meta.now, contents(store)) == (0, 0, {"a": b"1"})
    store.close()


def test_ids_of_customers_are_any_text(tmp_path):
    """NUL, beyond ASCII, a thousand characters; and an order of bytes that is not that of texts."""
    ids = ["\x00", "", "é", "\U0001f600", "\uffff", "x" * 1024, "anon:1"]
    store = opened(tmp_path)
    token = epoch(store, **{customer_id: customer_id.encode() + b"!" for customer_id in ids})
    store.close()
    store = opened(tmp_path, at=token)
    assert loaded(store, *ids) == {customer_id: customer_id.encode() + b"!" for customer_id in ids}
    store.close()


# --- the way back


def test_one_epoch_is_undone(tmp_path):
    """Changed customers are as before, new ones are gone, and so are position and counts."""
    store = opened(tmp_path)
    before = epoch(store, a=b"1", b=b"2")
    store.meta.counts["records"] = 5
    epoch(store, a=b"9", c=b"3")
    store.close()
    store = opened(tmp_path, at=before)
    assert contents(store) == {"a": b"1", "b": b"2"}
    assert (store.token(), store.meta.counts) == (before, {})
    store.close()


def test_the_first_epoch_is_undone_to_nothing(tmp_path):
    """The dataflow begins at its beginning; the store does, too."""
    store = opened(tmp_path)
    epoch(store, a=b"1")
    store.close()
    store = opened(tmp_path)
    assert (contents(store), store.token()) == ({}, Token(3, -1, -1))
    token = epoch(store, b=b"2")
    store.close()
    store = opened(tmp_path, at=token)
    assert contents(store) == {"b": b"2"}
    store.close()


def test_a_customer_changed_several_times_in_an_epoch_goes_back_to_before_it(tmp_path):
    """The undo record has the value before the epoch, not before the last change."""
    store = opened(tmp_path)
    before = epoch(store, a=b"1")
    for value in b"2", b"3", b"4":
        put(store, "a", value)
    store.commit()
    store.close()
    store = opened(tmp_path, at=before)
    assert contents(store) == {"a": b"1"}
    store.close()


def test_after_the_way_back_another_way_forward_can_be_taken(tmp_path):
    """And undone again, to the same place."""
    store = opened(tmp_path)
    before = epoch(store, a=b"1")
    epoch(store, a=b"2", b=b"2")
    store.close()
    for value in b"3", b"4":
        store = opened(tmp_path, at=before)
        assert contents(store) == {"a": b"1"}
        epoch(store, a=value, c=value)
        store.close()
    store = opened(tmp_path, at=before)
    assert contents(store) == {"a": b"1"}
    store.close()


def test_two_epochs_are_not_undone(tmp_path):
    """Refused with both places and with what to do; the store is as it was."""
    store = opened(tmp_path)
    first = epoch(store, a=b"1")
    epoch(store, a=b"2")
    third = epoch(store, a=b"3", b=b"3")
    store.close()
    message = refusal(tmp_path, at=first)
    assert "stands at position 3" in message
    assert "goes on from position 0" in message
    assert "restore the pair from one backup, or start with both empty" in message
    assert str(tmp_path) in message
    store = opened(tmp_path, at=third)
    assert contents(store) == {"a": b"3", "b": b"3"}
    store.close()


def test_the_way_back_is_one_epoch_long(tmp_path):
    """Once undone, there is no second step."""
    store = opened(tmp_path)
    first = epoch(store, a=b"1")
    second = epoch(store, a=b"2")
    epoch(store, a=b"3")
    store.close()
    opened(tmp_path, at=second).close()
    assert "there is no way from one to the other" in refusal(tmp_path, at=first)
    opened(tmp_path, at=second).close()


@pytest.mark.parametrize("at", [Token(3, 0, -1), Token(3, 1, 7), Token(3, -1, 5), None])
def test_a_token_of_another_run_is_refused(tmp_path, at):
    """A place where this store never stood, or no longer does."""
    store = opened(tmp_path)
    for value in b"1", b"2":
        store.meta.position += 5
        epoch(store, a=value)
    store.close()
    message = refusal(tmp_path, at=at)
    assert "not of one run" in message
    assert "position 11" in message


@pytest.mark.parametrize("at", [Token(3, 99, -1), Token(3, 11, 5)])
def test_a_store_that_has_not_come_as_far_says_where_it_must_be_led(tmp_path, at):
    """It opens where it stands: by position, or by the clock at one position."""
    store = opened(tmp_path)
    for value in b"1", b"2":
        store.meta.position += 5
        token = epoch(store, a=value)
    assert store.behind is None
    store.close()
    store = opened(tmp_path, at=at)
    assert (store.token(), store.behind) == (token, at)
    store.close()


def test_an_empty_directory_is_behind_whatever_is_asked_for(tmp_path):
    """A token says that there was some state: not begun anew in silence."""
    store = opened(tmp_path, at=Token(3, 17, -1))
    assert (store.token(), store.behind) == (Token(3, -1, -1), Token(3, 17, -1))
    store.close()


def test_the_token_of_another_group_is_refused(tmp_path):
    """Even where the position happens to be the same."""
    store = opened(tmp_path)
    epoch(store, a=b"1")
    store.close()
    assert "group" in refusal(tmp_path, at=Token(4, 0, -1))


@pytest.mark.parametrize(("group", "groups"), [(4, 64), (3, 32)])
def test_the_store_of_another_group_is_refused(tmp_path, group, groups):
    """Directories mixed up, or the number of partitions changed: every customer would be a new one."""
    store = opened(tmp_path)
    token = epoch(store, a=b"1")
    store.close()
    message = refusal(tmp_path, at=token, group=group, groups=groups)
    assert "holds key group 3 of 64" in message
    assert f"group {group} of {groups} was to be opened" in message
    opened(tmp_path, at=token).close()


def test_a_refused_store_is_given_back(tmp_path):
    """Its lock, too: the right one can be opened at once."""
    store = opened(tmp_path)
    token = epoch(store, a=b"1")
    store.close()
    for _ in range(3):
        refusal(tmp_path, at=Token(4, 50, -1))
    opened(tmp_path, at=token).close()


# --- who else is there


def test_a_second_opener_is_told_who_has_it(tmp_path):
    """The first goes on undisturbed."""
    store = opened(tmp_path)
    put(store, "a", b"1")
    message = refusal(tmp_path)
    assert "another process works on it: stop that one first" in message
    assert str(tmp_path) in message
    assert store.commit() == Token(3, 0, -1)
    store.close()


OTHER = """
import sys
from pathlib import Path
from state.codec import Token
from state.customer import GroupMeta
from state.errors import StateError
from state.store import KeyGroupStore, StoreMemory, StoreOptions

path = Path(sys.argv[1])
memory = StoreMemory(StoreOptions(write_ahead_log=sys.argv[2] == "True"), 1)
try:
    store = KeyGroupStore(path, GroupMeta(3, 64), memory)
except StateError as error:
    print(error)
    sys.exit(1)
for value in b"1", b"2":
    store.put(store.load(["a"])["a"], value * 3)
    store.meta.position += 1
    store.commit()
for customer_id in "ab":
    store.put(store.load([customer_id])[customer_id], b"never-committed")
store.meta.position += 1
print("ready", flush=True)
sys.stdin.read()
"""


def other_process(path, write_ahead_log=True):
    return subprocess.Popen(
        [sys.executable, "-c", OTHER, str(path), str(write_ahead_log)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_second_process_is_told_who_has_it(tmp_path):
    """The lock is the operating system's."""
    store = opened(tmp_path)
    with other_process(tmp_path) as other:
        message, _ = other.communicate(timeout=60)
    store.close()
    assert other.returncode == 1
    assert "another process works on it: stop that one first" in message


# --- crashes


def files_with(path, marker):
    return [file for file in path.rglob("*") if file.is_file() and marker in file.read_bytes()]


def test_a_killed_process_leaves_its_last_epoch_and_nothing_of_the_next(tmp_path):
    """`kill -9` in the middle of the third: two epochs are there, and the way back over the second."""
    with other_process(tmp_path) as other:
        assert other.stdout.readline() == "ready\n"
        os.kill(other.pid, signal.SIGKILL)
    assert files_with(tmp_path, b"never-committed") == []
    assert files_with(tmp_path, b"222") != []
    copy = tmp_path.with_name("copy")
    shutil.copytree(tmp_path, copy)
    store = opened(tmp_path, at=Token(3, 1, -1))
    assert contents(store) == {"a": b"222"}
    store.close()
    store = opened(copy, at=Token(3, 0, -1))
    assert contents(store) == {"a": b"111"}
    store.close()


EPOCHS = """
import sys
from pathlib import Path
from random import Random
from state.customer import GroupMeta
from state.store import KeyGroupStore, StoreMemory, StoreOptions

store = KeyGroupStore(Path(sys.argv[1]), GroupMeta(3, 64), StoreMemory(StoreOptions(), 1))
random = Random(int(sys.argv[2]))
for number in range(100_000):
    for customer_id in random.sample("abcdefgh", 3):
        store.put(store.load([customer_id])[customer_id], b"%d" % number * 100)
    store.meta.position = number
    store.commit()
    print(number, flush=True)
"""


@pytest.mark.parametrize(("seed", "epochs"), [(1, 1), (2, 50), (3, 400)])
def test_whenever_a_process_is_killed_the_store_stands_at_the_end_of_an_epoch(tmp_path, seed, epochs):
    """At the one that was told last or at one after it; never between two."""
    with subprocess.Popen(
        [sys.executable, "-c", EPOCHS, str(tmp_path), str(seed)], stdout=subprocess.PIPE, text=True
    ) as other:
        for _ in range(epochs):
            told = int(other.stdout.readline())
        os.kill(other.pid, signal.SIGKILL)
        told = max([told, *map(int, other.stdout.read().split("\n")[:-1])])
    random, expected, states = Random(seed), {}, []
    for number in range(told + 2):
        expected |= dict.fromkeys(random.sample("abcdefgh", 3), b"%d" % number * 100)
        states.append(dict(expected))
    stands_at = []
    for number in (told + 1, told):
        with suppress(StateError):
            store = opened(tmp_path, at=Token(3, number, -1))
            if store.behind is None:
                stands_at.append(number)
                assert contents(store) == states[number]
            store.close()
    assert stands_at in ([told], [told + 1, told])


def test_without_a_write_ahead_log_a_crash_loses_whole_epochs_only(tmp_path):
    """State that is thrown away: nothing is there, and that is consistent, too."""
    with other_process(tmp_path, write_ahead_log=False) as other:
        assert other.stdout.readline() == "ready\n"
        os.kill(other.pid, signal.SIGKILL)
    store = opened(tmp_path)
    assert (contents(store), store.token()) == ({}, Token(3, -1, -1))
    store.close()


def test_nothing_of_an_epoch_is_on_disk_before_its_commit(tmp_path):
    """Not in the log, not in a table, not after a close: an epoch lands whole or not at all."""
    store = opened(tmp_path)
    token = epoch(store, a=b"in-the-first-epoch")
    put(store, "a", b"in-the-second-epoch")
    put(store, "b", b"in-the-second-epoch")
    assert files_with(tmp_path, b"in-the-second-epoch") == []
    store.close(flush=True)
    assert files_with(tmp_path, b"in-the-second-epoch") == []
    store = opened(tmp_path, at=token)
    assert contents(store) == {"a": b"in-the-first-epoch"}
    store.close()


def test_flush_writes_what_a_store_without_a_log_has_in_memory(tmp_path):
    """A replay that keeps its state flushes it at the end."""
    memory = StoreMemory(StoreOptions(write_ahead_log=False), 1)
    store = opened(tmp_path, memory=memory)
    token = epoch(store, a=b"1")
    store.close(flush=True)
    store = opened(tmp_path, at=token)
    assert contents(store) == {"a": b"1"}
    store.close()


def test_meta_of_an_unknown_format_is_refused_and_not_overwritten(tmp_path):
    """A directory of a newer version is left as it is."""
    store = opened(tmp_path)
    epoch(store, a=b"1")
    store._meta_family[b"group"] = b"\x09future"
    store.close()
    for _ in range(2):
        with pytest.raises(StateFormatError, match="newer version"):
            opened(tmp_path).close()


# --- the cache


def test_the_cache_keeps_to_its_bound(tmp_path):
    """A hundred times more records than fit: memory stays, and all of them can be read."""
    bound = 1 << 20
    memory = StoreMemory(StoreOptions(cache_bytes_max=bound), stores=1)
    store = opened(tmp_path, memory=memory)
    ids = [f"c-{number}" for number in range(20_000)]
    tracemalloc.start()
    begin, _ = tracemalloc.get_traced_memory()
    for first in range(0, len(ids), 1_000):
        for customer_id in ids[first : first + 1_000]:
            store.put(store.load([customer_id])[customer_id], customer_id.encode() * 100)
        store.meta.position += 1
        store.commit()
        for customer_id in ids[: first + 1_000 : 97]:
            assert loaded(store, customer_id) == {customer_id: customer_id.encode() * 100}
    end, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert end - begin < 1.5 * bound
    store.close()


def test_the_cache_is_divided_among_the_stores_of_a_process(tmp_path):
    """64 stores do not take 64 caches."""
    options = StoreOptions(cache_bytes_max=64 << 20)
    assert StoreMemory(options, 64).cache_bytes_max_each == 1 << 20
    assert StoreMemory(options, 0).cache_bytes_max_each == 64 << 20


# --- against a plain dictionary


class Model:
    """A store and what it must hold: the newest epoch, the one before while there is a way back, and this one's changes."""

    def __init__(self, path, cache_bytes_max):
        self.path, self.memory = path, StoreMemory(StoreOptions(cache_bytes_max=cache_bytes_max), 1)
        self.committed, self.before = ({}, None, encode(GroupMeta(3, 64))), None
        self.now = {}
        self.store = opened(path, memory=self.memory)

    def put(self, customer_id, value):
        put(self.store, customer_id, value)
        self.now[customer_id] = value

    def heartbeat(self):
        self.store.meta.now += 1
        self.store.meta.fired_through += 1

    def commit(self):
        meta = encode(self.store.meta)
        token = self.store.commit()
        if meta != self.committed[2]:
            self.before, self.committed = self.committed, (dict(self.now), token, meta)

    def reopen(self):
        self.store.close()
        values, token, meta = self.committed
        self.now = dict(values)
        self.store = opened(self.path, at=token, memory=self.memory)
        assert encode(self.store.meta) == meta

    def undo(self):
        if self.before is None:
            return
        self.committed, self.before = self.before, None
        self.reopen()

    def check(self):
        assert contents(self.store) == self.now

    def do(self, pick):
        operation = pick(["put"] * 8 + ["heartbeat", "commit", "commit", "check", "check", "reopen", "undo"])
        if operation == "put":
            self.put(pick("abcdefgh"), bytes([pick(range(256))]) * pick([0, 1, 40, 400]))
        else:
            getattr(self, operation)()


@pytest.mark.parametrize("cache_bytes_max", [0, 1_000, 1 << 20])
def test_the_store_is_a_dictionary_with_epochs(tmp_path, cache_bytes_max):
    """Loads, puts, commits, restarts and undo in any order, with a cache of nothing, of little, of all."""
    random, model = Random(cache_bytes_max), Model(tmp_path / "store", cache_bytes_max)
    for _ in range(250):
        model.do(random.choice)
    model.check()
    model.store.close()


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.data())
def test_the_store_is_a_dictionary_with_epochs_to_hypothesis_too(tmp_path_factory, data):
    """The same, so that a failure is made small."""
    model = Model(tmp_path_factory.mktemp("model") / "store", 600)
    for _ in range(data.draw(st.integers(1, 25))):
        model.do(lambda options: data.draw(st.sampled_from(options)))
    model.check()
    model.store.close()


# --- the key group

JOURNEY = """
journey: j
enter:
  pattern: [{event: E, times: 2, by: properties.c}]
  within: 5d
  key: properties.c
  again: after 1d
steps: [{id: s, send: email, template: t, with: {c: "{{ entry.properties.c }}"}}]
"""
T0 = 1_767_225_600_000
HOME = [f"c-{number}" for number in range(2_000) if group_of(f"c-{number}".encode(), 64) == 3]
ABROAD = next(f"c-{number}" for number in range(2_000) if group_of(f"c-{number}".encode(), 64) != 3)


def step():
    workspace = read_workspace({"orchestration.yaml": "timezone: UTC", "j.yaml": JOURNEY})
    return CustomerStep(compile_plan(workspace.orchestration, workspace.journeys))


STEP = step()


def raw(customer_id, message_id, time=T0, name="E", **properties):
    stamp = f"2026-01-01T00:00:{(time - T0) // 1000:02}.{(time - T0) % 1000:03}Z"
    event = {"type": "track", "event": name, "userId": customer_id, "messageId": message_id, "timestamp": stamp}
    return json.dumps({**event, "properties": properties}).encode()


def batch(*records, unread=(), keyed=True, now=None, position=None):
    """A batch of (key, value, position, now); the log time is the clock."""
    log, last, clock = [], -1, 0
    for key, value, at, ms in records:
        log += (key, at, ms, ms, value, at * 10)
        last, clock = max(last, at), max(clock, ms)
    return (3, last if position is None else position, clock if now is None else now, log, list(unread), keyed)


@pytest.fixture
def group(tmp_path):
    store = opened(tmp_path)
    yield KeyGroup(store, STEP)
    store.close()


def by_topic(out):
    found = {}
    for topic, key, order, value, details in out:
        found.setdefault(topic, []).append((key, order, value, details))
    return found


def test_a_record_whose_key_is_not_its_customer_is_rejected_as_misrouted(group):
    """With its bytes, its place and both ids; nobody's state is touched."""
    value = raw(HOME[1], "m1", c="a")
    (record,) = group.take(batch((HOME[0], value, 7, T0)))
    topic, key, order, told, details = record
    assert (topic, key, order, told) == ("events.rejected", "", 7, value)
    assert details["reason"] == "misrouted"
    assert (details["group"], details["position"], details["origin"], details["key"]) == (3, 7, 70, HOME[0])
    assert HOME[0] in details["message"]
    assert HOME[1] in details["message"]
    assert contents(group.store, HOME[0], HOME[1]) == {}


def test_a_record_in_the_wrong_partition_is_rejected_as_misrouted(group):
    """With the right one, and how to produce so that it gets there."""
    (record,) = group.take(batch((ABROAD, raw(ABROAD, "m1"), 7, T0)))
    home = group_of(ABROAD.encode(), 64)
    assert record[4]["reason"] == "misrouted"
    assert f"in partition 3, its customer belongs in {home}" in record[4]["message"]
    assert "murmur2_random" in record[4]["message"]
    assert contents(group.store, ABROAD) == {}


def test_a_misrouted_record_does_not_keep_the_others_of_its_key_back(group):
    """Those that are right are taken."""
    out = group.take(
        batch(
            (HOME[0], raw(HOME[0], "m1", c="a"), 1, T0),
            (HOME[0], raw(HOME[1], "m2", c="a"), 2, T0),
            (HOME[0], raw(HOME[0], "m3", c="a"), 3, T0),
        )
    )
    assert len(by_topic(out)["actions.email"]) == len(by_topic(out)["events.rejected"]) == 1


def test_files_are_dealt_by_customer_and_have_no_keys(group):
    """The source dealt them: no key is held against the customer, none is told."""
    out = group.take(batch((HOME[0], raw(HOME[0], "m1"), 0, T0), (HOME[0], b"{", 1, T0), keyed=False))
    ((_, _, _, details),) = by_topic(out)["events.rejected"]
    assert (details["reason"], details["key"]) == ("not_json", None)


def test_what_cannot_be_read_is_told_with_bytes_reason_and_place(group):
    """By `decode` or by the source that could not make a record of it."""
    unread = [
        (("", 8, T0, None, b"\xff", 80), "not_json", "no bytes of ours"),
        (("", 9, T0, None, b"", 90), "too_large", "huge"),
    ]
    out = group.take(batch((HOME[0], b"not json", 7, T0), unread=unread, position=9))
    rejected = by_topic(out)["events.rejected"]
    assert [(order, value, details["reason"], details["origin"]) for _, order, value, details in rejected] == [
        (7, b"not json", "not_json", 70),
        (8, b"\xff", "not_json", 80),
        (9, b"", "too_large", 90),
    ]
    assert rejected[1][3]["message"] == "no bytes of ours"
    assert group.store.meta.rejected == {"not_json": 2, "too_large": 1}
    assert group.store.meta.counts["records"] == group.store.meta.counts["rejected"] == 3


def test_counts_add_up(group):
    """records = accepted + rejected + duplicates; customers once, actions by journey and channel."""
    one, two = HOME[:2]
    first = batch(
        (one, raw(one, "m1", c="a"), 0, T0),
        (two, raw(two, "m1", c="a"), 1, T0),
        (one, raw(one, "m2", c="a"), 2, T0),
        (one, raw(one, "m2", c="a"), 3, T0),
        (two, b"[]", 4, T0),
        (ABROAD, raw(ABROAD, "m1"), 5, T0),
        unread=[(("", 6, T0, None, b"x", 60), "too_large", "huge")],
    )
    second = batch((one, raw(one, "m1", c="b"), 7, T0), (two, raw(two, "m9", c="a"), 8, T0))
    group.take(first)
    group.take(second)
    assert group.store.meta.counts == {
        "records": 9, "accepted": 4, "rejected": 3, "duplicates": 2, "customers": 2,
    }  # fmt: skip
    assert group.store.meta.rejected == {"not_an_object": 1, "misrouted": 1, "too_large": 1}
    assert group.store.meta.actions == {"j": {"email": 2}}


def test_the_clock_of_the_group_never_falls(group):
    """A record of an earlier time is read at the clock; position and clock are the greatest so far, heartbeats included."""
    one = HOME[0]
    group.take(batch((one, raw(one, "m1", c="a"), 5, T0 + 5_000), now=T0 + 9_000, position=6))
    assert (group.store.meta.position, group.store.meta.now) == (6, T0 + 9_000)
    out = group.take(batch((one, raw(one, "m2", c="a"), 7, T0 + 1_000)))
    action = json.loads(by_topic(out)["actions.email"][0][2])
    assert action["decided_at"] == "2026-01-01T00:00:09.000Z"
    assert (group.store.meta.position, group.store.meta.now) == (7, T0 + 9_000)


def test_heartbeats_alone_move_the_clock_and_the_position(group):
    """No records, no output."""
    assert group.take(batch(position=4, now=T0)) == []
    assert group.commit() == Token(3, 4, T0)
    assert group.store.meta.now == T0


def test_of_a_profile_the_last_change_of_a_batch_comes_out(group):
    """At most one for each customer and batch, of the customer as they are then."""
    one = HOME[0]

    def identify(number):
        event = {"type": "identify", "userId": one, "messageId": f"i{number}", "timestamp": "2026-01-01T00:00:00Z"}
        return json.dumps({**event, "traits": {"n": number}}).encode()

    out = group.take(batch(*((one, identify(number), number, T0) for number in range(5))))
    ((key, order, value, _),) = by_topic(out)["profiles"]
    assert (key, json.loads(value)["attributes"]) == (one, {"n": 4})
    assert order == json.loads(value)["seq"] == decode_customer(contents(group.store, one)[one]).seq


def test_records_of_a_customer_can_be_sorted_by_their_order(group):
    """(key, order) is (customer_id, seq): unique, and rising as they came about."""
    one = HOME[0]
    out = group.take(batch(*((one, raw(one, f"m{n}", T0 + n, c="ab"[n % 2]), n, T0 + n * 1_000) for n in range(8))))
    orders = [order for topic, _, order, _, _ in out if topic != "profiles"]
    assert orders == sorted(set(orders))
    for _, key, order, value, _ in out:
        record = json.loads(value)
        assert (record["customer_id"], record["seq"]) == (key, order)


def test_values_are_written_with_their_keys_sorted(group):
    """Equal runs give equal bytes."""
    one = HOME[0]
    for _, _, _, value, _ in group.take(
        batch((one, raw(one, "m1", c="a"), 0, T0), (one, raw(one, "m2", c="a"), 1, T0))
    ):
        assert (
            value == json.dumps(json.loads(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        )


def test_the_definitions_in_use_are_in_the_meta(group):
    """By their hash."""
    assert group.store.meta.definitions == STEP.plan.hash


def a_log(pick):
    """Records of three customers, some unreadable, some twice, some of other customers."""
    log, now = [], T0
    for position in range(pick(range(1, 25))):
        now += pick([0, 1, 1_000, 7_000])
        customer_id = pick(HOME[:3])
        value = pick(
            [
                raw(customer_id, f"m{pick(range(position + 1))}", T0 + pick(range(0, 50_000, 1_000)), c=pick("ab")),
                raw(customer_id, f"m{position}", T0 + pick(range(0, 50_000, 1_000)), c=pick("ab")),
                raw(customer_id, f"n{position}", T0, c="a"),
                raw(HOME[4], f"m{position}", T0),
                b"{",
            ]
        )
        log.append((customer_id, value, position, now))
    return log


def run(path, log, cuts, commits):
    """All that comes out, the customers and the meta, with the log cut into batches; crash and undo at some of the cuts."""
    store = opened(path)
    group, out, begin, token, since = KeyGroup(store, STEP), [], 0, None, []
    for end in [*cuts, len(log)]:
        if begin == end:
            continue
        these = group.take(batch(*log[begin:end]))
        if end in commits:
            # The epoch lands, the process dies before the dataflow knows: back by one epoch, and over it once more.
            group.commit()
            group.store.close()
            group = KeyGroup(opened(path, at=token), STEP)
            again = [record for first, last in [*since, (begin, end)] for record in group.take(batch(*log[first:last]))]
            assert again[-len(these) :] == these or not these
            token, since = group.commit(), []
        else:
            since.append((begin, end))
        out += these
        begin = end
    customers = contents(group.store, *HOME[:5])
    meta = group.store.meta
    group.store.close()
    profiles = {key: (order, value) for topic, key, order, value, _ in out if topic == "profiles"}
    return sorted((r for r in out if r[0] != "profiles"), key=lambda r: r[:4]), profiles, customers, meta


def test_batches_crashes_and_undo_change_nothing_of_what_comes_out(tmp_path_factory):
    """One batch or many, an epoch gone back over and taken again: the same records, the same customers, the same counts."""
    random = Random(4)
    for _ in range(25):
        log = a_log(random.choice)
        whole = run(tmp_path_factory.mktemp("whole"), log, [], [])
        cuts = sorted(random.sample(range(len(log) + 1), random.randint(0, min(4, len(log)))))
        commits = random.sample(cuts, random.randint(0, len(cuts)))
        assert run(tmp_path_factory.mktemp("cut"), log, cuts, commits) == whole


# --- what RocksDB cannot read ----------------------------------------------------------------------------------------------


def damaged(path, family):
    """Flip bits of the first data block of every table file of a column family, whose name is in it."""
    hit = 0
    for table in path.glob("*.sst"):
        stored = bytearray(table.read_bytes())
        if family in stored:
            hit += 1
            stored[20:24] = bytes(byte ^ 0x5A for byte in stored[20:24])
            table.write_bytes(stored)
    assert hit, "nothing to damage"


def test_a_damaged_customer_is_told(tmp_path):
    """Not taken for one who is new; and who goes through all customers is told, too, instead of meeting an early end."""
    store = opened(tmp_path)
    token = epoch(store, **{f"customer-{number}": os.urandom(100) for number in range(500)})
    store.close(flush=True)
    damaged(tmp_path, b"customers")
    store = opened(tmp_path, at=token)
    with pytest.raises(StateError, match=r"RocksDB cannot read the state: Corruption.*delete it: what is not there is"):
        store.load(["customer-0"])
    with pytest.raises(StateError, match="RocksDB cannot read the state"):
        list(store.every())
    store.close()


def test_a_damaged_timer_index_is_told(tmp_path):
    """An index that just ended early would let customers wait for ever."""
    store = opened(tmp_path)
    for number in range(500):
        store.timers.change(f"t-{number}", None, 1_000 + number)
    put(store, "a", b"1")
    token = store.commit()
    store.close(flush=True)
    damaged(tmp_path, b"timers")
    store = opened(tmp_path, at=token)
    with pytest.raises(StateError, match="RocksDB cannot read the state: Corruption"):
        store.timers.due(2_000)
    store.close()


def test_a_damaged_position_is_told(tmp_path):
    """Not taken for a store that has nothing."""
    store = opened(tmp_path)
    epoch(store, a=b"1")
    store.meta.rejected = {f"reason-{number}": number for number in range(200)}
    token = epoch(store, a=b"2")
    store.close(flush=True)
    damaged(tmp_path, b"meta")
    assert "RocksDB cannot read the state: Corruption" in refusal(tmp_path, at=token)
