"""The exactly-once sink, step by step, on a broker that is a list: what it sends, when, and what it refuses to go on from.

`tests/flows/test_delivery.py` has the same on a real Kafka.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from flows import kafka_transactions
from flows.kafka import Trouble
from flows.kafka_transactions import KafkaTransactions
from flows.settings import Settings
from operators.key_group import Out, Told
from state.codec import Token, decode, encode
from state.delivery import Marker, Message, Unsent
from state.errors import OutsideError, SojournError

Sent = list[tuple[str, str | None, bytes]]


class Broker:
    """Transactions that were committed, and the last marker; in the place of `Transactions` and `read_marker`."""

    def __init__(self) -> None:
        self.transactions: list[Sent] = []
        self.marker: Marker | None = None
        self._open: Sent = []

    def transactional(self, *_: object) -> Broker:
        return self

    def take_over(self) -> None:
        self._open = []

    def begin(self) -> None:
        assert self._open == []

    def produce(
        self, topic: str, value: bytes, key: str | None, headers: Iterable[Any] = (), partition: int = -1
    ) -> None:
        if topic == "sojourn.markers":
            assert partition == 1
            self.marker = decode(value, Marker)
        else:
            self._open.append((topic, key, value))

    def flush(self) -> None:
        """All is there at once."""

    def commit(self) -> None:
        self.transactions.append(self._open)
        self._open = []


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(kafka_transactions, "Transactions", made.transactional)
    monkeypatch.setattr(kafka_transactions, "read_marker", lambda *_: made.marker)
    # What would end the process is thrown instead.
    monkeypatch.setattr("flows.guard.end_process", _throw)
    return made


def _throw(line: str, status: int) -> None:
    raise AssertionError(line)


def sink(resume: bytes | None = None) -> Any:
    """Sink 1 of 2, from what the recovery store has of it."""
    settings = Settings(data=Path("data"))
    return KafkaTransactions(settings, Trouble(settings), lambda: False, 2).build_part("out", "00001", resume)


def told(epoch: int, *records: Out, group: int = 1, position: int = 0) -> Told:
    return Told(epoch, Token(group, position, -1), list(records))


def fact(customer: str, seq: int) -> Out:
    return "journeys.facts", customer, seq, orjson.dumps({"customer_id": customer, "seq": seq}), None


def profile(customer: str, seq: int) -> Out:
    return "profiles", customer, seq, orjson.dumps({"customer_id": customer, "seq": seq}), None


def sent(transaction: Sent) -> list[tuple[str, str | None, int]]:
    return [(topic, key, orjson.loads(value)["seq"]) for topic, key, value in transaction]


def test_an_epoch_is_sent_when_the_next_one_proves_it(broker: Broker) -> None:
    """Nothing leaves before; then all of it, once, and of profiles the last."""
    part = sink()
    assert broker.transactions == [[]], "a new sink leaves a marker of nothing"
    part.write_batch([told(0)])
    part.write_batch([told(0, fact("c", 1), profile("c", 2), fact("c", 3), profile("c", 4))])
    frozen = decode(part.snapshot(), Unsent)
    assert (frozen.seq, len(frozen.messages)) == (1, 3)
    assert len(broker.transactions) == 1
    part.write_batch([told(1)])
    assert sent(broker.transactions[1]) == [
        ("journeys.facts", "c", 1),
        ("journeys.facts", "c", 3),
        ("profiles", "c", 4),
    ]
    assert decode(part.snapshot(), Unsent) == Unsent(1)
    part.write_batch([told(2)])
    part.snapshot()
    assert len(broker.transactions) == 2


def test_what_is_no_tick_of_a_later_epoch_proves_nothing(broker: Broker) -> None:
    """A group that missed the tick tells with the epoch before: what it tells is frozen with what is frozen already."""
    part = sink()
    part.write_batch([told(5, fact("c", 1))])
    first = decode(part.snapshot(), Unsent)
    part.write_batch([told(5, fact("c", 2))])
    assert len(broker.transactions) == 1
    second = decode(part.snapshot(), Unsent)
    assert (first.seq, len(first.messages)) == (1, 1)
    assert (second.seq, len(second.messages)) == (1, 2), "one transaction, which was never tried, is for both"
    part.write_batch([told(6, fact("c", 3))])
    assert [seq for _, _, seq in sent(broker.transactions[1])] == [1, 2]
    assert decode(part.snapshot(), Unsent).seq == 2


def test_a_marker_says_where_the_groups_stood(broker: Broker) -> None:
    """At the end of the epoch that was sent, not where they are by now."""
    part = sink()
    part.write_batch([told(0, fact("c", 1), group=3, position=7), told(0, group=1, position=2)])
    part.write_batch([told(0, group=3, position=9)])
    part.snapshot()
    part.write_batch([told(1, group=3, position=12)])
    assert broker.marker == Marker(1, [(1, 2, -1), (3, 9, -1)])


def test_what_comes_out_of_the_tick_that_proves_belongs_to_the_next(broker: Broker) -> None:
    part = sink()
    part.write_batch([told(0, fact("c", 1))])
    part.snapshot()
    part.write_batch([told(1, fact("c", 2))])
    assert sent(broker.transactions[-1]) == [("journeys.facts", "c", 1)]
    assert [orjson.loads(m.value)["seq"] for m in decode(part.snapshot(), Unsent).messages] == [2]


UNSENT = [Message("journeys.facts", "c", b'{"seq":1}')]


@pytest.mark.parametrize(
    ("marker", "resume", "transactions"),
    [
        (None, None, [[]]),
        (None, Unsent(0), [[]]),
        (Marker(0), None, []),
        (Marker(4), Unsent(5, UNSENT), [[("journeys.facts", "c", 1)]]),
        (Marker(5), Unsent(5, UNSENT), []),
        (Marker(5), Unsent(5), []),
    ],
)
def test_a_start_sends_what_is_newer_than_the_marker(
    broker: Broker, marker: Marker | None, resume: Unsent | None, transactions: list[Any]
) -> None:
    broker.marker = marker
    sink(encode(resume) if resume is not None else None)
    assert [sent(transaction) for transaction in broker.transactions] == transactions
    assert broker.marker is not None
    assert broker.marker.seq == (resume.seq if resume else 0)


@pytest.mark.parametrize(
    ("marker", "resume", "words"),
    [
        (None, Unsent(1, UNSENT), "sojourn.markers [1] has no marker, but data says that 1 transactions were begun"),
        (Marker(1), None, "data knows of no output, but sojourn.markers [1] says that 1 transactions were sent"),
        (
            Marker(6),
            Unsent(5, UNSENT),
            "data is older than the output: it knows of 5 transactions, and sojourn.markers [1] of 6",
        ),
        (
            Marker(3),
            Unsent(5, UNSENT),
            "sojourn.markers [1] is older than the state: it knows of 3 transactions, and data of 5",
        ),
        (
            Marker(4),
            Unsent(5),
            "sojourn.markers [1] is older than the state: it knows of 4 transactions, and data of 5",
        ),
    ],
)
def test_a_start_from_which_nobody_knows_what_was_sent_is_refused(
    broker: Broker, marker: Marker | None, resume: Unsent | None, words: str
) -> None:
    broker.marker = marker
    with pytest.raises((AssertionError, SojournError)) as refused:
        sink(encode(resume) if resume is not None else None)
    assert words in str(refused.value)
    assert "SOJOURN_JOB" in str(refused.value)
    assert broker.transactions == []
    assert broker.marker == marker


def test_the_output_of_an_epoch_has_a_bound(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it the process ends with what to do, and nothing of the epoch has left."""
    monkeypatch.setattr(kafka_transactions, "EPOCH_BYTES_MAX", 1 << 20)
    part = sink()
    large: Out = ("journeys.facts", "c", 1, b'"' + b"x" * 600_000 + b'"', None)
    part.write_batch([told(0, large)])
    with pytest.raises((AssertionError, OutsideError), match="more than 1 MiB came out of one epoch of 500 ms"):
        part.write_batch([told(0, large)])
    assert len(broker.transactions) == 1


def test_every_sink_has_key_groups() -> None:
    """Where there are as many: groups are dealt in turn, whatever their numbers hash to."""
    settings = Settings()
    out = KafkaTransactions(settings, Trouble(settings), lambda: False, 4)
    assert out.list_parts() == ["00000", "00001", "00002", "00003"]
    assert {out.part_fn(str(group)) % 4 for group in range(4)} == {0, 1, 2, 3}
