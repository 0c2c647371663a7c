"""Which Kafka the tests talk to, and the session's `kafka` fixture that gives it to them.

In this order: the one that SOJOURN_TEST_KAFKA names (`host:port`, or `mock`); a real Apache Kafka started here, where
Java and Maven are; librdkafka's mock cluster, which knows no ACLs, no restarts and only the outline of transactions.
tests/conftest.py imports the fixture, and prints `report_header()` so that nobody takes one for the other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from tests.kafka.broker import KAFKA_VERSION, Broker, BrokerError, missing

ANSWER_S_MAX = 10

Kind = Literal["apache", "given", "mock"]


@dataclass(frozen=True, slots=True)
class Kafka:
    """A Kafka that answers at `bootstrap`; `why` says in words why it is this one."""

    bootstrap: str
    kind: Kind
    why: str


def chosen() -> tuple[Kind, str]:
    """The kind of Kafka that this machine and environment give, and why."""
    given = os.environ.get("SOJOURN_TEST_KAFKA", "")
    if given == "mock":
        return "mock", "SOJOURN_TEST_KAFKA asks for it"
    if given:
        return "given", f"SOJOURN_TEST_KAFKA={given}"
    obstacle = missing()
    if obstacle:
        return "mock", obstacle
    return "apache", f"Apache Kafka {KAFKA_VERSION}, started for the tests"


def report_header() -> str:
    """One line for the top of the test report."""
    kind, why = chosen()
    if kind == "mock":
        return f"kafka: librdkafka's mock, and tests that need a real broker are skipped ({why})"
    return f"kafka: {why}"


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    kind, why = chosen()
    if kind == "apache":
        with Broker() as broker:
            yield Kafka(broker.bootstrap, kind, why)
    elif kind == "given":
        yield Kafka(answering(os.environ["SOJOURN_TEST_KAFKA"]), kind, why)
    else:
        with mock_cluster() as bootstrap:
            yield Kafka(bootstrap, kind, why)


def needs_real(kafka: Kafka) -> None:
    """Skip the test that calls this if all there is is the mock."""
    if kafka.kind == "mock":
        pytest.skip(f"needs a real Kafka, and this is librdkafka's mock ({kafka.why})")


def answering(bootstrap: str) -> str:
    """The same address, once it is certain that a Kafka answers there: else every test would wait for it in vain."""
    try:
        AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=ANSWER_S_MAX)
    except KafkaException as error:
        remedy = "start it, correct the variable, or unset it to use a Kafka of the tests' own"
        raise BrokerError(f"SOJOURN_TEST_KAFKA: no Kafka answers at {bootstrap} ({error}); {remedy}.") from error
    return bootstrap


@contextmanager
def mock_cluster() -> Iterator[str]:
    """librdkafka's broker in this process: it lives inside a producer, for as long as that does."""
    host = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    yield ",".join(f"{broker.host}:{broker.port}" for broker in host.list_topics(timeout=ANSWER_S_MAX).brokers.values())
    host.purge()
    host.flush(0)
