"""The stretch of the customer log that a key group is behind, read again: for a store out of an older checkpoint, or none.

State is a function of the log, so a group whose directory was lost, or replaced by an older one, is led to where the
dataflow goes on from by the records in between. `flows.orchestrate` does so as it opens a group; what comes out of it came
out before and is thrown away.
"""

from collections.abc import Iterator
from typing import Any

from confluent_kafka import TopicPartition

from flows.kafka import Trouble, committed_reader, tell
from flows.kafka_log import MESSAGES_MAX, check_message, raw
from flows.settings import Settings
from operators.log import Definitions, LogBatch
from operators.log_clock import LogClock
from operators.log_reading import read_log
from state.clock import monotonic_s
from state.customer import GroupMeta
from state.errors import OutsideError

_SILENCE_S_MAX = 60.0
"""A stretch was read before, so its records are there: silence for that long is a broker that has lost them."""


class Stretches:
    """Reads stretches of the log's partitions, with a consumer of its own for each."""

    def __init__(self, settings: Settings, trouble: Trouble) -> None:
        """Read the log of `settings`."""
        self._settings = settings
        self._trouble = trouble

    def read(self, meta: GroupMeta, last: int) -> Iterator[LogBatch | Definitions]:
        """The records of a group's partition behind `meta.position`, up to and including `last`.

        Raises:
            OutsideError: They are not in the log any more, or the broker refuses.
        """
        topic, partition, first = self._settings.events_topic, meta.group, meta.position + 1
        tell(f"{topic} [{partition}]: the state is behind; reading the log again from {first:,} to {last:,}")
        consumer: Any = committed_reader(self._settings, self._trouble, f"stretch-{partition}", self._settings.job)
        try:
            low, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_SILENCE_S_MAX)
            if low > first:
                raise OutsideError(
                    f"{topic} [{partition}]: the state goes up to {meta.position:,}, but the log begins at {low:,}: retention "
                    "took what lies between; restore the directory from a newer checkpoint, or the log from a backup"
                )
            consumer.assign([TopicPartition(topic, partition, first)])
            yield from self._until(consumer, partition, LogClock(meta.now, meta.is_stamped), last)
        finally:
            consumer.close()

    def _until(self, consumer: Any, partition: int, clock: LogClock, last: int) -> Iterator[LogBatch | Definitions]:
        heard_at = monotonic_s()
        while True:
            messages = consumer.consume(MESSAGES_MAX, timeout=1.0)
            self._trouble.verify(consumer)
            stretch = []
            for message in messages:
                check_message(self._settings.events_topic, message, self._trouble)
                if message.error() is None and message.offset() <= last:
                    stretch.append(message)
            if stretch:
                heard_at = monotonic_s()
                yield from read_log(partition, raw(stretch), clock)
            if any(message.error() is None and message.offset() >= last for message in messages):
                return
            if monotonic_s() - heard_at > _SILENCE_S_MAX:
                raise OutsideError(
                    f"{self._settings.events_topic} [{partition}]: the log ends before {last:,}, which was read from it before: the "
                    "broker has lost records, or this is another log; restore the log, or rebuild the state: sojourn state rebuild"
                )
