"""The harness itself, against the real thing: what other tests rest on has to hold before theirs can mean anything."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.kafka import fixtures
from tests.kafka.broker import HOST, Broker, BrokerError, free_port, missing

ROOT = Path(__file__).parents[2]
WAIT_S_MAX = 60

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
needs_java = pytest.mark.skipif(bool(missing()), reason=f"needs a real Kafka: {missing()}")


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def create(client: dict[str, Any], topic: str) -> None:
    admin = AdminClient(client)  # named: were it gone before its answer, there would be none
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(WAIT_S_MAX)


def produce(broker: Broker, topic: str, *values: bytes) -> None:
    producer = Producer(broker.client)
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(WAIT_S_MAX) == 0


def consume(broker: Broker, topic: str, count: int) -> list[bytes | None]:
    """The first `count` records that a read_committed reader sees."""
    reader = {"group.id": "reader", "isolation.level": "read_committed", "enable.auto.commit": False}
    consumer = Consumer({**broker.client, **reader})
    consumer.assign([TopicPartition(topic, 0, 0)])
    records = consumer.consume(count, WAIT_S_MAX)
    consumer.close()
    assert [record.error() for record in records] == [None] * count
    return [record.value() for record in records]


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S_MAX
    while not condition():
        assert time.monotonic() < deadline, f"not within {WAIT_S_MAX} s: {what}"
        time.sleep(0.02)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@needs_java
def test_what_is_produced_is_consumed_and_survives_kill_9(broker: Broker) -> None:
    """Same port and same data after a crash: that is what crash tests of the job rely on."""
    create(broker.client, "events")
    produce(broker, "events", b"one", b"two")
    assert consume(broker, "events", 2) == [b"one", b"two"]
    before, pid = broker.bootstrap, broker.pid

    broker.kill()
    assert broker.pid is None
    broker.start()

    assert broker.bootstrap == before
    assert broker.pid != pid
    produce(broker, "events", b"three")
    assert consume(broker, "events", 3) == [b"one", b"two", b"three"]


@needs_java
def test_transactions_commit_and_aborted_ones_are_not_seen(broker: Broker) -> None:
    """Two producers of one transactional id: the second one takes over from the first, which is then fenced."""
    create(broker.client, "actions")
    first = Producer({**broker.client, "transactional.id": "job"})
    first.init_transactions(WAIT_S_MAX)
    first.begin_transaction()
    first.produce("actions", b"kept")
    first.commit_transaction(WAIT_S_MAX)
    first.begin_transaction()
    first.produce("actions", b"undone")
    first.flush(WAIT_S_MAX)

    second = Producer({**broker.client, "transactional.id": "job"})
    second.init_transactions(WAIT_S_MAX)
    second.begin_transaction()
    second.produce("actions", b"after")
    second.commit_transaction(WAIT_S_MAX)

    assert consume(broker, "actions", 2) == [b"kept", b"after"]
    with pytest.raises(KafkaException) as fenced:
        first.commit_transaction(WAIT_S_MAX)
    assert fenced.value.args[0].code() == KafkaError._FENCED


@needs_java
def test_a_topic_that_nobody_created_is_an_error(broker: Broker) -> None:
    """A misspelt topic name must not make a topic."""
    errors: list[KafkaError | None] = []
    producer = Producer({**broker.client, "topic.metadata.propagation.max.ms": 100})
    producer.produce("evnets", b"x", on_delivery=lambda error, _: errors.append(error))
    producer.flush(WAIT_S_MAX)
    assert [error and error.code() for error in errors] == [KafkaError.UNKNOWN_TOPIC_OR_PART]


@needs_java
def test_wrong_credentials_are_refused() -> None:
    """TLS and SASL/PLAIN on one broker: right password in, wrong password out, unknown certificate out."""

    def refused(options: dict[str, Any], code: int) -> None:
        """Whoever connects with these options is told this error (and, now and then, that the line went dead)."""
        errors: list[KafkaError] = []
        client = Producer({**options, "error_cb": errors.append, "log_level": 0})
        eventually(lambda: client.poll(0.02) >= 0 and code in [error.code() for error in errors], f"error {code}")

    with Broker(sasl={"job": "secret"}, tls=True) as broker:  # answers, so the right credentials are taken
        assert broker.client["security.protocol"] == "SASL_SSL"
        refused({**broker.client, "sasl.password": "wrong"}, KafkaError._AUTHENTICATION)
        stranger = {key: value for key, value in broker.client.items() if key != "ssl.ca.location"}
        refused(stranger, KafkaError._SSL)


@needs_java
def test_the_command_says_when_it_is_ready_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """`make kafka`: ended by Ctrl-C, it stops the broker; killed, it takes the broker along. The data stays."""
    port = free_port()
    options: dict[str, Any] = {"bootstrap.servers": f"{HOST}:{port}", "log_level": 0}
    options_given = ["--port", str(port), "--data", str(tmp_path / "kafka")]
    command = [sys.executable, "-W", "error", "-m", "tests.kafka", *options_given]
    environment = {**os.environ, "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}  # as quick=True

    @contextmanager
    def running() -> Iterator[subprocess.Popen[str]]:
        """The command, once it is ready; and when it has ended, no broker is left."""
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=pipe, stderr=pipe) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == f"Kafka is ready on {HOST}:{port}\n"
                yield process
                assert process.communicate(timeout=WAIT_S_MAX)[1] == ""
            finally:
                process.kill()
        eventually(lambda: not listens(port), "the broker is gone")

    with running() as crashed:
        create(options, "kept")
        crashed.kill()
    with running() as again:
        assert "kept" in AdminClient(options).list_topics(timeout=WAIT_S_MAX).topics
        again.send_signal(signal.SIGINT)
    assert again.returncode == 0


@needs_java
def test_a_failed_start_says_what_the_server_said() -> None:
    """A setting that Kafka refuses, and a port that is taken: the message carries the reason."""
    with pytest.raises(BrokerError, match=re.escape("num.io.threads")), Broker(settings={"num.io.threads": "many"}):
        pass
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError, match=f"{HOST}:{port} is in use; stop what listens there"), Broker(port=port):
            pass


@pytest.mark.parametrize("with_maven", [True, False])
def test_without_java_the_command_names_what_to_install(tmp_path: Path, with_maven: bool) -> None:
    """One line, exit status 1, no traceback."""
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    if not with_maven:
        java = tmp_path / "java"
        java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\"' >&2\n")
        java.chmod(0o755)
    command = [sys.executable, "-m", "tests.kafka"]
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert ("install Java 17" if with_maven else "install Maven") in done.stderr


def test_the_mock_cluster_carries_records() -> None:
    """Where there is no Java the tests still run against something that speaks Kafka."""
    with fixtures.mock_cluster() as bootstrap:
        options = {"bootstrap.servers": bootstrap, "log_level": 0}
        producer = Producer(options)
        producer.produce("events", b"one")
        assert producer.flush(WAIT_S_MAX) == 0
        consumer = Consumer({**options, "group.id": "reader"})
        consumer.assign([TopicPartition("events", partition, 0) for partition in range(4)])
        records = consumer.consume(1, WAIT_S_MAX)
        consumer.close()
    assert [record.value() for record in records] == [b"one"]


@pytest.mark.parametrize(
    ("given", "obstacle", "kind", "header"),
    [
        ("elsewhere:9092", "", "given", "kafka: SOJOURN_TEST_KAFKA=elsewhere:9092"),
        ("", "", "apache", "kafka: Apache Kafka 4"),
        ("", "no Java", "mock", "kafka: librdkafka's mock, .* skipped .no Java."),
        ("mock", "", "mock", "kafka: librdkafka's mock, .*SOJOURN_TEST_KAFKA asks for it"),
    ],
)
def test_what_is_given_wins_then_java_then_the_mock(
    monkeypatch: pytest.MonkeyPatch, given: str, obstacle: str, kind: str, header: str
) -> None:
    """And the header of the test report says which it is."""
    monkeypatch.setenv("SOJOURN_TEST_KAFKA", given)
    monkeypatch.setattr(fixtures, "missing", lambda: obstacle)
    assert fixtures.chosen()[0] == kind
    assert re.match(header, fixtures.report_header())


def test_a_given_kafka_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody should have to guess why two hundred tests hang."""
    monkeypatch.setattr(fixtures, "ANSWER_S_MAX", 0.2)
    with pytest.raises(BrokerError, match=f"no Kafka answers at {HOST}:1 "):
        fixtures.answering(f"{HOST}:1")


def test_tests_that_need_a_real_broker_skip_on_the_mock() -> None:
    fixtures.needs_real(fixtures.Kafka("x:1", "apache", ""))
    with pytest.raises(pytest.skip.Exception, match=r"needs a real Kafka, .* mock \(no Java\)"):
        fixtures.needs_real(fixtures.Kafka("x:1", "mock", "no Java"))
