"""The last committed record of a partition: how a process that starts learns how far the one before it has come."""

from collections.abc import Callable

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from flows.kafka import Patience, Trouble, committed_reader, passes
from flows.settings import Settings
from state.clock import monotonic_s
from state.errors import OutsideError

READ_S_MAX = 60.0
"""A record that cannot be read within this time is a broker that fails."""

_LOOK_BACK = 64
"""Offsets at the end of a partition that are looked at first: each transaction leaves one of the broker's own behind it."""


def last_record(
    settings: Settings, trouble: Trouble, topic: str, partition: int, stopping: Callable[[], bool]
) -> Message | None:
    """The last record of a partition that readers of committed records see; None where there is none.

    Only to be called when no transaction of its writer can be open any more (`Transactions.take_over` sees to that).

    Raises:
        OutsideError: The broker refuses, or does not answer in time; or the process was asked to stop.
    """
    consumer = committed_reader(
        settings, trouble, f"last-{partition:05}", settings.job,
        **{"enable.partition.eof": True, "fetch.wait.max.ms": 10},  # an end that has nothing is told at once
    )  # fmt: skip
    deadline, patience = monotonic_s() + READ_S_MAX, Patience(stopping)

    def check() -> None:
        trouble.check()
        if patience.is_over():
            raise OutsideError("stopped before Kafka answered")
        if monotonic_s() > deadline:
            raise TimeoutError(f"no answer within {READ_S_MAX:.0f} s")

    try:
        low, high = _ends(consumer, TopicPartition(topic, partition), trouble, check)
        back = _LOOK_BACK
        while True:
            start = max(low, high - back)
            found = _last_from(consumer, TopicPartition(topic, partition, start), trouble, check)
            if found is not None or start == low:
                return found
            back *= 16  # aborted transactions lie at the end, or compaction left a hole
    except (KafkaException, TimeoutError) as error:
        why = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        raise OutsideError(
            f"Kafka at {settings.brokers}: {topic} [{partition}] cannot be read ({why}), and without it nobody knows what was "
            "written; mend the topic, or the right to read it, and start again"
        ) from error
    finally:
        consumer.close()


def _ends(
    consumer: Consumer, partition: TopicPartition, trouble: Trouble, check: Callable[[], None]
) -> tuple[int, int]:
    while True:
        check()
        try:
            low, high = consumer.get_watermark_offsets(partition, timeout=2.0)
        except KafkaException as error:
            if not passes(error.args[0]):
                raise
            trouble.reported(error.args[0])
            trouble.verify(consumer)
        else:
            return low, high


def _last_from(
    consumer: Consumer, start: TopicPartition, trouble: Trouble, check: Callable[[], None]
) -> Message | None:
    """The last committed record at or after an offset."""
    if start.offset == 0:
        start.offset = OFFSET_BEGINNING
    consumer.assign([start])
    last: Message | None = None
    while True:
        check()
        message = consumer.poll(0.5)
        trouble.verify(consumer)
        if message is None:
            continue
        error = message.error()
        if error is None:
            last = message
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            return last
        elif not passes(error):
            raise KafkaException(error)
