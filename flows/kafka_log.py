"""The customer log on Kafka as a source: partition = key group, offset = position.

One consumer for each process reads all partitions that Bytewax gives it; offsets are Bytewax's to remember, not the
broker's. A record without `sojourn-` headers is an event at its broker's time.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from flows.guard import ends_process
from flows.kafka import Trouble, client, options
from flows.settings import Settings
from operators.log import LogItem
from operators.log_clock import LogClock
from operators.log_reading import KEYED, RawRecord, read_log
from state.clock import monotonic_s
from state.errors import OutsideError

MESSAGES_MAX = 2_000
"""Taken from the client in one go."""

_IDLE = timedelta(milliseconds=20)
"""How long a partition rests after it had nothing; the epoch, not this, makes the latency."""

_SIGN_OF_LIFE_S = 1.0


Place = tuple["int | None", int, bool]
"""(offset of the next record; the clock before it in ms; whether it is stamped): what the recovery store keeps of a
partition. None where nothing has been read."""


class LogReader:
    """The consumer of one process, and the messages that it has for each partition."""

    def __init__(self, settings: Settings, trouble: Trouble, stopping: Callable[[], bool], alive: Path) -> None:
        """Connect; partitions are added as the engine builds them."""
        self.topic = settings.events_topic
        self.stopping = stopping
        self._trouble = trouble
        self._alive, self._alive_at = alive, 0.0
        self._waiting: defaultdict[int, deque[Any]] = defaultdict(deque)
        self._polled_at = 0.0
        self._consumer = client(
            Consumer,
            options(
                settings, trouble, "log",
                **{
                    "group.id": settings.job,
                    "enable.auto.commit": False,
                    # An offset that retention has taken must stop the job: jumping to another loses or repeats events.
                    "auto.offset.reset": "error",
                    "isolation.level": "read_committed",
                    "fetch.wait.max.ms": 100,
                },
            )
        )  # fmt: skip

    def add(self, partition: int, offset: int | None) -> None:
        """Read a partition from an offset on, or from its beginning."""
        start = TopicPartition(self.topic, partition, OFFSET_BEGINNING if offset is None else offset)
        self._consumer.incremental_assign([start])

    def take(self, partition: int) -> list[Any]:
        """The next messages of a partition; none if there are none yet."""
        waiting = self._waiting[partition]
        now = monotonic_s()
        if not waiting and now - self._polled_at > 0.002:
            self._polled_at = now
            self._poll()
            if now - self._alive_at > _SIGN_OF_LIFE_S:
                self._alive_at = now
                self._alive.touch()
        if not waiting:
            return []
        messages = list(waiting)
        waiting.clear()
        return messages

    def _poll(self) -> None:
        messages = self._consumer.consume(MESSAGES_MAX, timeout=0.0)
        self._trouble.verify(self._consumer)
        for message in messages:
            check_message(self.topic, message, self._trouble)
            if message.error() is None:
                self._waiting[int(message.partition() or 0)].append(message)

    def close(self) -> None:
        """Leave the broker."""
        try:
            self._consumer.close()
        except KafkaException:
            return  # nothing of it is needed any more


def check_message(topic: str, message: Any, trouble: Trouble) -> None:
    """Look at what the client gives in the place of a message.

    Raises:
        OutsideError: The log is not there any more, or not from that place on.
    """
    error = message.error()
    if error is None:
        return
    if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):  # noqa: SLF001
        raise OutsideError(
            f"{topic} [{message.partition()}]: the position to go on from is not in the log any more ({error.str()}): "
            "retention took it, or the topic was made anew; restore the topic, or start with an empty --data directory"
        )
    if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED):
        raise OutsideError(
            f"{topic} [{message.partition()}]: {error.str()}; was the topic deleted, or a right withdrawn?"
        )
    trouble.reported(error)


class _Partition(StatefulSourcePartition[LogItem, Place]):
    """One partition of the log."""

    def __init__(self, reader: LogReader, partition: int, resume: Place | None) -> None:
        self._reader = reader
        self._partition = partition
        offset, now, is_stamped = resume or (None, 0, False)
        self._next = offset
        self._clock = LogClock(now, is_stamped)
        self._idle = False
        # Every group takes part in every epoch, if only by an empty batch, a tick. Bytewax keeps what a killed job wrote of
        # an epoch that it did not finish; a group that slept through that epoch afterwards would be given it as its own.
        self._tick = True
        reader.add(partition, offset)

    @ends_process
    def next_batch(self) -> list[LogItem]:
        """What has come since."""
        if self._reader.stopping():
            raise StopIteration
        messages = self._reader.take(self._partition)
        self._idle = not messages
        if not messages and not self._tick:
            return []
        self._tick = False
        key = str(self._partition)
        if not messages:
            return [(key, (self._partition, -1, self._clock.now, [], [], KEYED))]
        self._next = messages[-1].offset() + 1
        return [(key, piece) for piece in read_log(self._partition, raw(messages), self._clock)]

    def next_awake(self) -> datetime | None:
        """At once while there is something, later while there is not."""
        return datetime.now(timezone.utc) + _IDLE if self._idle else None

    def snapshot(self) -> Place:
        """Where to go on; and a new epoch begins."""
        self._tick = True
        return (self._next, self._clock.now, self._clock.is_stamped)


def raw(messages: Iterable[Any]) -> Iterator[RawRecord]:
    """Messages of the client as `operators.log_reading` takes them."""
    for message in messages:
        yield message.offset(), message.timestamp()[1], message.headers(), message.key(), message.value()


class KafkaLog(FixedPartitionedSource[LogItem, Place]):
    """All partitions of the customer log."""

    def __init__(self, reader: LogReader, partitions: int) -> None:
        """Read through `reader`."""
        self._reader = reader
        self._partitions = partitions

    def list_parts(self) -> list[str]:
        """Their numbers, padded, so that their order as text is their order."""
        return [f"{number:05}" for number in range(self._partitions)]

    def build_part(self, step_id: str, for_part: str, resume_state: Place | None) -> _Partition:
        """One of them, from where the recovery store has it."""
        return _Partition(self._reader, int(for_part), resume_state)
