"""The facts on Kafka, read once from the beginning to the end that the topic has now; what is committed alone."""

from collections.abc import Iterator

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from flows.kafka import Trouble, committed_reader, passes
from flows.settings import Settings, read_settings
from state.clock import monotonic_s
from state.errors import InputError, OutsideError

_SILENCE_S_MAX = 30.0
"""A broker that gives nothing for so long, before the end is reached, fails."""

_MESSAGES_MAX = 5_000
"""Taken from the client in one go."""


def read_topic(topic: str, settings: Settings | None = None) -> Iterator[bytes]:
    """The values of a topic, partition by partition as they come: of one customer, in order.

    Args:
        topic: Its name.
        settings: Where Kafka is; None reads them from the environment and `sojourn.toml`.

    Raises:
        InputError: There is no such topic.
        OutsideError: The broker refuses, or does not answer.
    """
    settings = settings or read_settings()
    trouble = Trouble(settings)
    consumer = committed_reader(settings, trouble, "facts", f"{settings.job}-facts", **{"enable.partition.eof": True})
    try:
        partitions = _partitions(consumer, topic, settings, trouble)
        consumer.assign([TopicPartition(topic, one, OFFSET_BEGINNING) for one in partitions])
        yield from _values(consumer, topic, set(partitions), settings, trouble)
    except KafkaException as error:
        raise OutsideError(_refused(settings, topic, error.args[0].str())) from error
    finally:
        consumer.close()


def _partitions(consumer: Consumer, topic: str, settings: Settings, trouble: Trouble) -> list[int]:
    try:
        found = consumer.list_topics(topic, timeout=_SILENCE_S_MAX / 3).topics[topic]
    except KafkaException as error:
        trouble.check()
        why = f"{topic} is no file or directory here, and as a topic it cannot be read: Kafka at {settings.brokers} does not answer"
        raise OutsideError(
            f"{why} ({error.args[0].str()}); mend the name, or SOJOURN_KAFKA__BOOTSTRAP_SERVERS"
        ) from error
    if found.error is not None or not found.partitions:
        raise InputError(
            f"{topic} is no file or directory here, and Kafka at {settings.brokers} has no topic of that name; facts are in the topic "
            f"{settings.topics_prefix}journeys.facts, or in the output directory of a replay"
        )
    return sorted(found.partitions)


def _values(consumer: Consumer, topic: str, reading: set[int], settings: Settings, trouble: Trouble) -> Iterator[bytes]:
    """Values until every partition was read to its end."""
    heard = monotonic_s()
    while reading:
        messages = consumer.consume(_MESSAGES_MAX, timeout=0.5)
        trouble.check()
        if messages:
            heard = monotonic_s()
        elif monotonic_s() - heard > _SILENCE_S_MAX:
            raise OutsideError(_refused(settings, topic, f"nothing came for {_SILENCE_S_MAX:.0f} s"))
        for message in messages:
            error = message.error()
            if error is None:
                value = message.value()
                # A partition that was read to its end may have grown since; what is read is what was there.
                if value and message.partition() in reading:
                    yield value
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes are named so
                reading.discard(message.partition())
            elif not passes(error):
                raise KafkaException(error)


def _refused(settings: Settings, topic: str, why: str) -> str:
    return f"Kafka at {settings.brokers}: {topic} cannot be read to its end ({why}); look at the broker and start again"
