"""The ticks of a source: one in every epoch, before everything else, until no sink holds anything any more."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from flows import kafka_log
from flows.kafka_log import KafkaLog, LogReader
from operators.log import LogItem, Tick


@dataclass
class Message:
    """One message of the client, as much of it as is looked at."""

    place: int
    text: bytes = b"{}"

    def offset(self) -> int:
        return self.place

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_767_225_600_000 + self.place

    def headers(self) -> None:
        return None

    def value(self) -> bytes:
        return self.text

    def key(self) -> bytes:
        return b"c-1"

    def __len__(self) -> int:
        return len(self.text)


@dataclass
class Reader:
    """A reader that has what it is told to have."""

    proves: bool = True
    asked: bool = False
    rest: timedelta = timedelta(milliseconds=20)
    has: list[Message] = field(default_factory=list)

    def add(self, partition: int, offset: int | None) -> None:
        """Nothing to connect to."""

    def stopping(self) -> bool:
        return self.asked

    def epoch_ended(self, partition: int, offset: int | None, now: int) -> None:
        """Nobody listens."""

    def take(self, partition: int, epoch: int) -> list[Message]:
        taken, self.has = self.has, []
        return taken


def kinds(items: list[LogItem]) -> list[object]:
    """Ticks by their epoch, batches by their position."""
    return [item.epoch if isinstance(item, Tick) else f"to {item[1]}" for _, item in items]


def partition(reader: Reader) -> Any:
    """Partition 3 of a log of 4."""
    return KafkaLog(reader, 4).build_part("log", "00003", None)  # type: ignore[arg-type]


def test_every_epoch_begins_with_a_tick() -> None:
    """Whether something came or not; and within an epoch there is no second one."""
    reader = Reader()
    part = partition(reader)
    assert kinds(part.next_batch()) == [0]
    assert part.next_batch() == []
    reader.has = [Message(0), Message(1)]
    assert kinds(part.next_batch()) == ["to 1"]
    assert part.snapshot()[0] == 2
    reader.has = [Message(2)]
    assert kinds(part.next_batch()) == [1, "to 2"]
    assert part.snapshot()[0] == 3
    assert kinds(part.next_batch()) == [2]
    assert {key for key, _ in partition(Reader()).next_batch()} == {"3"}


@pytest.mark.parametrize(
    ("proves", "ticked", "read", "epochs"),
    [
        (True, False, False, 0),
        (True, True, False, 0),
        (True, True, True, 1),
        (False, True, True, 0),
        (False, False, False, 0),
    ],
)
def test_a_job_that_stops_ticks_until_what_was_read_is_proved(
    proves: bool, ticked: bool, read: bool, epochs: int
) -> None:
    """It reads no more; it never ends in an epoch without a tick; what was read needs that of the next epoch."""
    reader = Reader(proves=proves, has=[Message(0)] if read else [])
    part = partition(reader)
    if ticked:
        part.next_batch()
    reader.asked, reader.has = True, [Message(7)]
    if not ticked:
        assert kinds(part.next_batch()) == [0]
    for epoch in range(1, epochs + 1):
        assert part.next_batch() == []
        part.snapshot()
        assert kinds(part.next_batch()) == [epoch]
    with pytest.raises(StopIteration):
        part.next_batch()
    assert reader.has == [Message(7)]


def test_a_rest_never_outlasts_what_the_call_before_allows() -> None:
    """However long this call took: an epoch may end by a time that is long past."""
    part = partition(Reader())
    before = datetime.now(timezone.utc)
    part.next_batch()
    assert part.next_awake() < before
    part.next_batch()
    assert part.next_awake() < datetime.now(timezone.utc) + timedelta(milliseconds=20)
    assert part.next_awake() >= before + timedelta(milliseconds=20)


def test_an_epoch_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes when it is reached waits for the next one, in the client."""
    monkeypatch.setattr(kafka_log, "EPOCH_BYTES_MAX", 100)
    reader = LogReader.__new__(LogReader)
    waiting = {3: [Message(0, b"x" * 60)]}
    reader.__dict__.update(
        _epoch=-1, _epoch_bytes=0, _polled_at=0.0, _alive_at=float("inf"), _waiting=waiting, _alive=SimpleNamespace(),
        _consumer=SimpleNamespace(consume=lambda *_, **__: []), _trouble=SimpleNamespace(verify=lambda _: None),
    )  # fmt: skip
    assert [m.place for m in reader.take(3, 0)] == [0]
    waiting[3] = [Message(1, b"x" * 60), Message(2)]
    assert [m.place for m in reader.take(3, 0)] == [1, 2]
    waiting[3] = [Message(3)]
    assert reader.take(3, 0) == []
    assert [m.place for m in reader.take(3, 1)] == [3]


@pytest.mark.parametrize("proves", [True, False])
def test_it_stops_though_every_call_is_the_first_of_an_epoch(proves: bool) -> None:
    """As on a slow machine with short epochs: a job that had to see a second call would tick for ever."""
    reader = Reader(proves=proves)
    part = partition(reader)
    reader.asked = True
    assert kinds(part.next_batch()) == [0]
    part.snapshot()
    with pytest.raises(StopIteration):
        part.next_batch()
