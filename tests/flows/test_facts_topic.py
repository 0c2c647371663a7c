"""Facts of the live job, read from their topic."""

from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from flows.facts_topic import read_topic
from flows.settings import Settings, read_settings
from state.errors import InputError, OutsideError
from tests.flows.test_cli import Sojourn, sojourn
from tests.flows.told import Teller
from tests.kafka.fixtures import Kafka

__all__ = ["sojourn"]

pytestmark = pytest.mark.kafka


def settings_of(bootstrap: str, **more: str) -> Settings:
    return read_settings(kafka={"bootstrap.servers": bootstrap, **more})


def test_the_topic_is_read_to_its_end_and_tells_the_story(
    kafka: Kafka, sojourn: Sojourn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All partitions, those that are empty too; and `explain` tells of it."""
    topic = "explained.facts"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})  # kept: it gives up what it was asked when it goes
    if kafka.kind != "mock":  # which makes it, with four partitions, when something is produced
        admin.create_topics([NewTopic(topic, 3, 1)])[topic].result(30)
    teller = Teller()
    teller.fact("anna", "entered")
    teller.fact("bob", "entered")
    teller.fact("anna", "exited", reason="completed")
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for record in teller.records:
        place = 0 if record["customer_id"] == "anna" else 2
        producer.produce(topic, orjson.dumps(record), record["customer_id"], partition=place)
    assert producer.flush(30) == 0
    values = [orjson.loads(value) for value in read_topic(topic, settings_of(kafka.bootstrap))]
    assert sorted((one["customer_id"], one["seq"]) for one in values) == [("anna", 1), ("anna", 2), ("bob", 1)]
    monkeypatch.setenv("SOJOURN_KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap)
    ended = sojourn("explain", "anna", "--facts", topic)
    assert ended.status == 0
    assert "anna: 2 facts" in ended.out
    assert "offer: leaves: completed" in ended.out


def test_a_topic_that_is_not_there(kafka: Kafka) -> None:
    """What was named is told, and where facts are."""
    if kafka.kind == "mock":
        pytest.skip("librdkafka's mock makes every topic that it is asked for")
    with pytest.raises(InputError, match=r"no\.such is no file or directory here, and Kafka at .* has no topic"):
        list(read_topic("no.such", settings_of(kafka.bootstrap)))


def test_no_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is neither a path nor, as far as anybody answers, a topic."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("flows.facts_topic._SILENCE_S_MAX", 1.5)
    with pytest.raises(
        OutsideError, match="facts-of-may is no file or directory here, and as a topic it cannot be read"
    ):
        list(read_topic("facts-of-may", settings_of("127.0.0.1:9")))
