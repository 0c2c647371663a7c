"""What the tests of ingest have in common: topics of their own on a Kafka, `sojourn ingest` as a process, a strict reader."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from state.instants import format_instant

ROOT = Path(__file__).resolve().parents[2]
WAIT_S_MAX = 60
PARTITIONS = 4  # of a log


def eventually(condition: Callable[[], Any], what: str, also: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + WAIT_S_MAX
    while not condition():
        assert time.monotonic() < deadline, f"not within {WAIT_S_MAX} s: {what}\n{also()}"
        time.sleep(0.02)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def view(customer: str, message: object, at: int | None = None, **more: object) -> bytes:
    """An event of a customer."""
    stamp = format_instant(now_ms() if at is None else at)
    event = {
        "type": "track",
        "event": "Product Viewed",
        "userId": customer,
        "messageId": str(message),
        "timestamp": stamp,
    }
    return orjson.dumps(event | more)


@dataclass
class World:
    """The topics of one test."""

    client: dict[str, Any]
    name: str = field(default_factory=lambda: f"i{uuid.uuid4().hex[:8]}")

    @property
    def log(self) -> str:
        return f"{self.name}.events"

    @property
    def rejected(self) -> str:
        return f"{self.name}.events.rejected"

    def topic(self, short: str) -> str:
        return f"{self.name}.{short}"

    def create(self, short: str, partitions: int = 2, **config: str) -> str:
        """Make an input."""
        topic = self.topic(short)
        admin = AdminClient({**self.client, "log_level": 0})
        admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(WAIT_S_MAX)

        def is_seen() -> bool:
            known = admin.list_topics(timeout=WAIT_S_MAX).topics
            return topic in known and len(known[topic].partitions) == partitions

        eventually(is_seen, f"{topic} is seen")
        return topic

    def produce(self, topic: str, *values: bytes | None, **more: Any) -> None:
        """Records without a key, unless one is given."""
        producer = Producer({**self.client, "log_level": 0, "linger.ms": 1})
        for value in values:
            producer.produce(topic, value, **more)
        assert producer.flush(WAIT_S_MAX) == 0

    def read(self, topic: str) -> list[Any]:
        """All that a read_committed reader sees now, each partition in its order."""
        consumer = Consumer(
            {**self.client, "group.id": f"r{uuid.uuid4().hex}", "enable.auto.commit": False, "log_level": 0,
             "isolation.level": "read_committed", "enable.partition.eof": True, "fetch.wait.max.ms": 10}
        )  # fmt: skip
        parts = consumer.list_topics(topic, timeout=WAIT_S_MAX).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in parts])
        found: list[Any] = []
        ended: set[int] = set()
        while len(ended) < len(parts):
            for message in consumer.consume(5_000, 0.2):
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                else:
                    assert error.retriable() or error.code() < 0, error
        consumer.close()
        return sorted(found, key=lambda message: (message.partition(), message.offset()))

    def events(self) -> list[Any]:
        """The events of the log."""
        return [message for message in self.read(self.log) if headers(message)["sojourn-kind"] == b"event"]

    def heartbeats(self) -> list[Any]:
        return [message for message in self.read(self.log) if headers(message)["sojourn-kind"] == b"heartbeat"]


def headers(message: Any) -> dict[str, bytes]:
    return dict(message.headers() or [])


def low(message: Any) -> int:
    """The low watermark that a record carries."""
    return int(headers(message)["sojourn-time"])


@dataclass
class Ingest:
    """`sojourn ingest`, running or ended."""

    process: subprocess.Popen[bytes]
    output: Path

    def said(self) -> str:
        return self.output.read_text("utf-8")

    def until_it_says(self, text: str) -> None:
        eventually(lambda: text in self.said() or self.process.poll() is not None, f"it says {text!r}", self.said)
        assert text in self.said()

    def end(self, with_signal: signal.Signals | None = signal.SIGTERM) -> int:
        if with_signal is not None:
            self.process.send_signal(with_signal)
        return self.process.wait(WAIT_S_MAX)

    def ends_well(self) -> None:
        assert self.end() == 0, self.said()
        assert self.said().splitlines()[-1] == "sojourn: stopped", self.said()

    def ends_badly(self, status: int = 1) -> str:
        """By itself, with one line; that line."""
        assert self.end(None) == status, self.said()
        usual = ("sojourn: ingesting", "sojourn: created", "sojourn: no definitions")
        lines = [line for line in self.said().splitlines() if not line.startswith(usual)]
        assert len(lines) == 1, self.said()
        return lines[0]


Start = Callable[..., Ingest]


@contextmanager
def starter(directory: Path) -> Iterator[Start]:
    """Start ingests of a test; what still runs at its end is killed."""
    started: list[Ingest] = []

    def begin(
        world: World, *arguments: str, create: bool = True, script: str = "", command: str = "ingest", **more: str
    ) -> Ingest:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
        options = {f"SOJOURN_KAFKA__{key.upper().replace('.', '_')}": str(value) for key, value in world.client.items()}
        environment |= options | {
            "SOJOURN_EVENTS_TOPIC": world.log,
            "SOJOURN_TOPICS_PREFIX": f"{world.name}.",
            "SOJOURN_PARTITIONS": str(PARTITIONS),
            "SOJOURN_OUTPUT_PARTITIONS": "1",
            "SOJOURN_INGEST_COMMIT_MS": "20",
            "SOJOURN_EPOCH_MS": "100",
            "SOJOURN_DATA": str(directory / "data"),
            "PYTHONPATH": str(ROOT),
        }
        environment |= more
        program = ["-c", script] if script else ["-m", "flows.cli"]
        output = directory / f"{command}-{len(started)}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *program, command, *arguments, *(["--create-topics"] if create else [])],
                cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip
        started.append(Ingest(process, output))
        return started[-1]

    try:
        yield begin
    finally:
        for ingest in started:
            if ingest.process.poll() is None:
                ingest.process.kill()
                ingest.process.wait()
