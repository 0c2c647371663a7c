"""Definitions that change in the log: each key group takes the change at its place, keeps it, and finds it again."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.customer_step import CustomerStep
from operators.definitions_change import Change, change
from operators.key_group import KeyGroup
from operators.log import Definitions, LogBatch
from operators.log_clock import LogClock
from operators.log_reading import read_log
from operators.plan import plan_of
from operators.workspace import Workspace, read_workspace
from state.codec import Token
from state.customer import GroupMeta
from state.errors import DefinitionsError
from state.store import KeyGroupStore, StoreMemory, StoreOptions

T0 = 1_767_614_400_000
HOUR = 3_600_000
MEMORY = StoreMemory(StoreOptions(), 1)

JOURNEY = """
journey: offer
version: {version}
enter:
  event: Seen
  again: always
steps:
  - wait: 2h
    id: w
  - send: email
    template: {template}
    id: s
"""


def workspace(version: int, template: str) -> Workspace:
    journey = JOURNEY.format(version=version, template=template)
    found = read_workspace({"orchestration.yaml": "timezone: UTC\n", "offer.yaml": journey})
    assert not found.complaints
    return found


def step_of(found: Workspace) -> CustomerStep:
    return CustomerStep(plan_of(found))


ONE, TWO, THREE = workspace(1, "one"), workspace(2, "two"), workspace(3, "three")


def following(*wanted: Workspace) -> list[Change]:
    made: list[Change] = []
    for one in wanted:
        found = change(made[-1].text if made else None, one)
        assert found is not None
        made.append(found)
    return made


FIRST, SECOND, THIRD = following(ONE, TWO, THREE)


def time(at: int) -> tuple[str, bytes]:
    return ("sojourn-time", str(T0 + at).encode())


def seen(offset: int, at: int, customer: str) -> Any:
    event = {"type": "track", "event": "Seen", "userId": customer, "messageId": f"m{offset}", "timestamp": T0 + at}
    return (offset, T0 + at, [("sojourn-kind", b"event"), time(at)], customer.encode(), orjson.dumps(event))


def beat(offset: int, at: int) -> Any:
    return (offset, T0 + at, [("sojourn-kind", b"heartbeat"), time(at)], None, b"")


def changed(offset: int, at: int, made: Change, text: bytes | None = None) -> Any:
    headers = [("sojourn-kind", b"definitions"), time(at), ("sojourn-definitions", made.hash.encode())]
    return (offset, T0 + at, headers, None, made.text if text is None else text)


LOG = [
    changed(0, 0, FIRST),
    seen(1, 0, "a"),
    seen(2, HOUR, "b"),
    changed(3, HOUR, SECOND),
    seen(5, HOUR, "c"),
    seen(6, 2 * HOUR, "d"),  # a's wait is over by now, with the version it entered with
    changed(7, 3 * HOUR, THIRD),  # b's and c's waits are over before it
    seen(8, 3 * HOUR, "e"),
    beat(9, 9 * HOUR),
]
EXPECTED = {"a": (1, "one"), "b": (1, "one"), "c": (2, "two"), "d": (2, "two"), "e": (3, "three")}


class Job:
    """A key group as the live job has it: a store, a clock, and the definitions that it was started with."""

    def __init__(self, path: Path, started_with: Workspace, at: Token | None = None) -> None:
        self.group = KeyGroup(KeyGroupStore(path, GroupMeta(0, 1), MEMORY, at), step_of(started_with))
        meta = self.group.store.meta
        self.clock = LogClock(meta.now, meta.is_stamped)
        self.out: list[Any] = []

    def read(self, records: list[Any]) -> Token:
        for piece in read_log(0, records, self.clock):
            self.out += self.group.take_piece(piece)
        return self.group.commit()

    def close(self) -> list[Any]:
        self.group.store.close()
        return self.out


def sent(out: list[Any]) -> dict[str, tuple[int, str]]:
    values = [orjson.loads(value) for topic, _, _, value, _ in out if topic == "actions.email"]
    assert len({value["action_id"] for value in values}) == len(values)
    return {value["customer_id"]: (value["version"], value["template"]) for value in values}


def test_a_change_takes_effect_at_its_place_and_those_inside_finish_on_their_version(tmp_path: Path) -> None:
    """Whatever the job was started with; timers that are due by the change fire before it."""
    for number, started_with in enumerate((ONE, TWO, THREE, workspace(9, "none"))):
        job = Job(tmp_path / str(number), started_with)
        job.read(LOG)
        assert sent(job.close()) == EXPECTED


def test_a_change_of_the_same_version_takes_those_inside_along(tmp_path: Path) -> None:
    """The number says that it is the same journey."""
    _, again = following(ONE, workspace(1, "uno"))
    job = Job(tmp_path, ONE)
    job.read([changed(0, 0, FIRST), seen(1, 0, "a"), changed(2, HOUR, again), beat(3, 3 * HOUR)])
    assert sent(job.close()) == {"a": (1, "uno")}


@given(
    cuts=st.sets(st.integers(1, len(LOG) - 1)), commits=st.sets(st.integers(0, 8)), restarts=st.sets(st.integers(0, 8))
)
def test_cuts_commits_and_restarts_are_no_part_of_the_result(
    tmp_path_factory: pytest.TempPathFactory, cuts: set[int], commits: set[int], restarts: set[int]
) -> None:
    """A restart with other definitions, too: the log alone says which are in use."""
    path = tmp_path_factory.mktemp("group")
    job, out, edges = Job(path, ONE), [], [0, *sorted(cuts), len(LOG)]
    for number in range(len(edges) - 1):
        token = job.read(LOG[edges[number] : edges[number + 1]])
        if number in restarts:
            out += job.close()
            job = Job(path, (ONE, TWO, workspace(9, "none"))[number % 3], token)
    meta = job.group.store.meta
    assert (meta.definitions, meta.definitions_in_log, meta.is_stamped) == (THIRD.hash, True, True)
    assert sent(out + job.close()) == EXPECTED


def test_an_epoch_that_is_undone_takes_its_change_back(tmp_path: Path) -> None:
    """The store was one epoch ahead of the dataflow: the change comes again, and what was in use before it is there."""
    job = Job(tmp_path, ONE)
    job.read(LOG[:3])
    token = job.group.store.token()
    job.read(LOG[3:5])
    job.close()
    job = Job(tmp_path, THREE, token)
    assert job.group.store.meta.definitions == FIRST.hash
    assert job.group.store.definitions(FIRST.hash) == FIRST.text
    job.read(LOG[3:])
    assert sent(job.close()) == EXPECTED


@pytest.mark.parametrize("kept", [0, 3, 5, 8])
def test_a_group_that_is_led_on_takes_the_changes_on_its_way(tmp_path: Path, kept: int) -> None:
    """From nothing, or an older copy, to where the dataflow goes on from; the rest as if nothing had been."""
    whole = Job(tmp_path / "whole", ONE)
    token = whole.read(LOG[:8])
    whole.close()
    path = tmp_path / "older"
    if kept:
        older = Job(path, ONE)
        older.read(LOG[:kept])
        older.close()
    job = Job(path, THREE, token)
    if job.group.store.behind is not None:
        clock = LogClock(job.group.store.meta.now, job.group.store.meta.is_stamped)
        job.group.roll_forward(read_log(0, LOG[kept:8], clock))
    job.clock = LogClock(job.group.store.meta.now, job.group.store.meta.is_stamped)
    job.read(LOG[8:])
    assert sent(job.close()) == {"d": (2, "two"), "e": (3, "three")}


def test_texts_that_nobody_needs_are_forgotten(tmp_path: Path) -> None:
    """The one in use and the one before it are kept."""
    job = Job(tmp_path, ONE)
    for number, made in enumerate((FIRST, SECOND, THIRD)):
        job.read([changed(number, number, made)])
    store = job.group.store
    assert [store.definitions(made.hash) is not None for made in (FIRST, SECOND, THIRD)] == [False, True, True]
    job.close()


def test_a_text_that_is_not_its_hashs_is_rejected(tmp_path: Path) -> None:
    """Someone else wrote it: it changes nothing, and is kept like every record that cannot be read."""
    job = Job(tmp_path, ONE)
    job.read([*LOG[:2], changed(2, 0, SECOND, SECOND.text + b" "), beat(3, 9 * HOUR)])
    [rejected] = [out for out in job.out if out[0] == "events.rejected"]
    assert rejected[3] == SECOND.text + b" "
    assert rejected[4]["reason"] == "bad_definitions"
    meta = job.group.store.meta
    assert meta.counts["rejected"] == meta.rejected["bad_definitions"] == 1
    assert sent(job.close()) == {"a": (1, "one")}


def test_definitions_of_a_newer_version_end_the_job(tmp_path: Path) -> None:
    """To go on with the old ones would not be what the log says; the message says what to do."""
    text = b'{"format":99}'
    newer = Change(text, blake2b(text, digest_size=16).hexdigest(), ())
    job = Job(tmp_path, ONE)
    with pytest.raises(DefinitionsError, match=r"the log at 3 of key group 0.*format 99.*a newer one; nothing is lost"):
        job.read([*LOG[:3], changed(3, 0, newer)])
    job.close()
    job = Job(tmp_path, ONE)  # nothing of it is in the store
    job.read(LOG)
    assert sent(job.close()) == EXPECTED


def plain(offset: int, at: int, customer: str) -> Any:
    offset, stamp, _, key, value = seen(offset, at, customer)
    return (offset, stamp, None, key, value)


def test_without_changes_in_the_log_a_start_with_other_definitions_is_the_change(tmp_path: Path) -> None:
    """A log that its producers write: those inside finish on their version here, too, over any number of starts."""
    job = Job(tmp_path, ONE)
    token = job.read([plain(0, 0, "a")])
    job.close()
    job = Job(tmp_path, TWO, token)
    token = job.read([plain(1, HOUR, "b")])
    job.close()
    for started_with in (TWO, TWO):
        job = Job(tmp_path, started_with, token)
        assert job.group.store.meta.definitions == SECOND.hash
        token = job.group.commit()
        job.close()
    job = Job(tmp_path, THREE, token)
    job.read([plain(2, HOUR + 1, "c"), plain(3, 9 * HOUR, "x")])
    assert sent(job.close()) == {"a": (1, "one"), "b": (2, "two"), "c": (3, "three")}


def test_pieces_are_what_they_are(tmp_path: Path) -> None:
    """A batch and a change of definitions are told apart by type."""
    pieces: list[LogBatch | Definitions] = read_log(0, LOG[:4], LogClock())
    assert [isinstance(piece, Definitions) for piece in pieces] == [True, False, True]
