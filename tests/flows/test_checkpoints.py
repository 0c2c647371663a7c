"""Checkpoints of key groups: made, kept so deep, copied to a directory and to S3, and what they bring back."""

import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import obstore
import pytest
from moto.server import ThreadedMotoServer

from flows import checkpoints
from flows.checkpoint_copies import StoreCopies
from flows.checkpoints import Checkpoints, NoCopies
from state.codec import Token
from state.customer import GroupMeta
from state.errors import OutsideError, UsageError
from state.store import KeyGroupStore, StoreMemory, StoreOptions

BUCKET = "backups"


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(checkpoints, "monotonic_s", found)
    return found


def opened(path: Path, at: Token | None = None, group: int = 0) -> KeyGroupStore:
    return KeyGroupStore(path, GroupMeta(group=group, groups=2), StoreMemory(StoreOptions(), 1), at)


def epoch(store: KeyGroupStore, position: int, value: bytes | None = None) -> None:
    kept = store.load(["ada"])["ada"]
    store.put(kept, value or b"\x01%d" % position)
    store.meta.position = position
    store.commit()


def ada(store: KeyGroupStore) -> bytes | None:
    return store.load(["ada"])["ada"].value


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeyGroupStore]:
    found = opened(tmp_path / "state" / "group-00000")
    yield found
    found.close()


def test_each_group_makes_one_when_its_turn_has_come_and_the_last_are_kept(
    store: KeyGroupStore, tmp_path: Path, clock: Clock
) -> None:
    made = Checkpoints(tmp_path, groups=2, interval_s=10, keep=2, copies=NoCopies())
    for now_s, position, there in [
        (4, 5, []),  # the first of two groups has its turn at half the interval
        (5, 6, [6]),
        (9, 7, [6]),
        (15, 8, [6, 8]),
        (25, 8, [6, 8]),  # nothing has happened since
        (35, 9, [8, 9]),
    ]:
        clock.now_s = now_s
        epoch(store, position)
        made.committed(store)
        assert made.positions(0) == there, now_s
    assert made.positions(1) == []


def test_none_is_made_where_none_is_wanted(store: KeyGroupStore, tmp_path: Path, clock: Clock) -> None:
    made = Checkpoints(tmp_path, groups=1, interval_s=0, keep=2, copies=NoCopies())
    clock.now_s = 1e9
    epoch(store, 5)
    made.committed(store)
    assert not made.directory.exists()


def test_a_lost_group_comes_back_from_the_newest_that_is_not_ahead(
    store: KeyGroupStore, tmp_path: Path, clock: Clock
) -> None:
    """And is led on from there; what is there is left alone, and a restored group does not write into its checkpoint."""
    made = Checkpoints(tmp_path, groups=1, interval_s=1, keep=9, copies=NoCopies())
    for position in (5, 6, 7):
        clock.now_s += 2
        epoch(store, position)
        made.committed(store)
    lost = tmp_path / "lost" / "group-00000"
    assert made.restore(0, None, lost) is None  # a job that begins has nothing to bring back
    assert made.restore(0, Token(0, 4, -1), lost) is None
    assert made.restore(0, Token(0, 6, -1), lost) == 6
    assert made.restore(0, Token(0, 7, -1), lost) is None
    again = opened(lost, Token(0, 9, -1))
    assert (again.token().position, again.behind, ada(again)) == (6, Token(0, 9, -1), b"\x016")
    epoch(again, 9, b"\x01other")
    again.close(flush=True)
    third = tmp_path / "third" / "group-00000"
    third.mkdir(parents=True)  # as an empty volume is
    assert made.restore(0, Token(0, 6, -1), third) == 6
    again = opened(third, Token(0, 6, -1))
    assert ada(again) == b"\x016"
    again.close()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 of this module's own; its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["directory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where copies go; for S3 with what the cloud's own tools read from the environment."""
    if request.param == "directory":
        return str(tmp_path / "copies")
    endpoint = request.getfixturevalue("s3")
    for name, value in {
        "AWS_ENDPOINT": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket=BUCKET)
    client.close()
    return f"s3://{BUCKET}/{tmp_path.name}"


def files_of(copies: StoreCopies) -> dict[str, float]:
    """Name of a file among the copies of group 0 -> when it was written."""
    listed = obstore.list_with_delimiter(copies._store, "group-00000/files/")["objects"]
    return {each["path"].rpartition("/")[2]: each["last_modified"].timestamp() for each in listed}


def test_copies_share_what_they_have_in_common_and_bring_a_group_back(
    store: KeyGroupStore, tmp_path: Path, clock: Clock, url: str
) -> None:
    copies = StoreCopies(url, keep=2)
    made = Checkpoints(tmp_path, groups=1, interval_s=1, keep=1, copies=NoCopies())
    tables: list[set[str]] = []
    for position in range(4):
        clock.now_s += 2
        epoch(store, position, b"\x01%d" % position + bytes(1_000))
        made.committed(store)
        (kept,) = made.positions(0)
        copies.copy_now(0, made.directory / "group-00000" / f"{kept:020}")
        tables.append({name for name in files_of(copies) if ".sst" in name})
    assert copies.positions(0) == [2, 3]
    assert tables[0] & tables[1], "a table of the first checkpoint belongs to the second, too"
    for position in (2, 3):
        listed = {file["stored"] for file in copies._files(0, position)}
        assert listed <= set(files_of(copies))
    assert {f["stored"] for p in (2, 3) for f in copies._files(0, p)} == set(files_of(copies)), "nothing is left over"

    elsewhere = Checkpoints(tmp_path / "other", 1, 1, 1, StoreCopies(url, keep=2))
    lost = tmp_path / "other" / "state" / "group-00000"
    assert elsewhere.restore(0, Token(0, 2, -1), lost) == 2
    again = opened(lost, Token(0, 2, -1))
    assert ada(again) == b"\x012" + bytes(1_000)
    again.close()


def test_copies_are_made_in_the_background(store: KeyGroupStore, tmp_path: Path, clock: Clock, url: str) -> None:
    copies = StoreCopies(url, keep=2)
    made = Checkpoints(tmp_path, groups=1, interval_s=1, keep=3, copies=copies)
    for position in range(3):
        clock.now_s += 2
        epoch(store, position)
        made.committed(store)
    made.close()  # waits for what is under way
    assert copies.positions(0)[-1] == 2
    assert "checkpoint copies" not in {thread.name for thread in threading.enumerate()}


def test_a_damaged_copy_is_refused(store: KeyGroupStore, tmp_path: Path, clock: Clock, url: str) -> None:
    copies = StoreCopies(url, keep=2)
    made = Checkpoints(tmp_path, groups=1, interval_s=1, keep=3, copies=copies)
    clock.now_s = 2
    epoch(store, 7)
    made.committed(store)
    made.close()
    table = next(name for name in files_of(copies) if ".sst" in name)
    obstore.put(copies._store, f"group-00000/files/{table}", b"flipped")
    elsewhere = Checkpoints(tmp_path / "other", 1, 1, 1, copies)
    with pytest.raises(OutsideError, match=rf"{table} is damaged; delete that .json"):
        elsewhere.restore(0, Token(0, 9, -1), tmp_path / "other" / "group-00000")
    assert not (tmp_path / "other" / "group-00000").exists()


def test_a_store_that_cannot_be_reached_is_told_once_and_the_job_goes_on(
    store: KeyGroupStore, tmp_path: Path, clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "copies").mkdir()
    copies = StoreCopies(str(tmp_path / "copies"), keep=2)
    (tmp_path / "copies").rmdir()
    (tmp_path / "copies").write_text("a file in its place")
    made = Checkpoints(tmp_path, groups=1, interval_s=1, keep=3, copies=copies)
    for position in range(3):
        clock.now_s += 2
        epoch(store, position)
        made.committed(store)
    made.close()
    assert capfd.readouterr().err.count("sojourn: checkpoints cannot be copied to ") == 1
    with pytest.raises(OutsideError, match=r"cannot be listed: .*; .*SOJOURN_CHECKPOINT_COPIES"):
        made.restore(0, Token(0, 5, -1), tmp_path / "lost")


def test_a_place_for_copies_that_is_none() -> None:
    with pytest.raises(UsageError, match=r"'s4://x/y' \(SOJOURN_CHECKPOINT_COPIES\).*name a directory, or s3://"):
        StoreCopies("s4://x/y", keep=1)
