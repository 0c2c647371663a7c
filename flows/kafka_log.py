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
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from flows.guard import ends_process
from flows.kafka import ANEW, Trouble, committed_reader
from flows.observed import SILENCE, Listener, Read
from flows.settings import Settings
from operators.log import LogItem, Tick
from operators.log_clock import LogClock
from operators.log_reading import RawRecord, read_log
from state.clock import monotonic_s
from state.errors import OutsideError

MESSAGES_MAX = 2_000
"""Taken from the client in one go."""

_REST_MS_MAX = 20
"""How long a partition rests after it had nothing; the epoch, not this, makes the latency."""

EPOCH_BYTES_MAX = 128 << 20
"""Read in one epoch by one process; more waits for the next. What comes out of an epoch is held in memory until its end,
and is about as large as what went in."""

_SIGN_OF_LIFE_S = 1.0
_COUNT_EVERY_S = 10.0


Place = tuple["int | None", int, bool]
"""(offset of the next record; the clock before it in ms; whether it is stamped): what the recovery store keeps of a
partition. None where nothing has been read."""


class LogReader:
    """The consumer of one process, and the messages that it has for each partition."""

    def __init__(
        self,
        settings: Settings,
        trouble: Trouble,
        stopping: Callable[[], bool],
        alive: Path,
        listener: Listener = SILENCE,
    ) -> None:
        """Connect; partitions are added as the engine builds them."""
        self._listener = listener
        self.topic = settings.events_topic
        self.stopping = stopping
        self.proves = settings.delivery == "exactly_once"
        """Whether sinks wait for a tick to prove that an epoch is durable."""
        self.rest = timedelta(milliseconds=min(_REST_MS_MAX, settings.epoch_ms / 2))
        self._epoch, self._epoch_bytes = -1, 0
        self._trouble = trouble
        self._alive, self._alive_at = alive, 0.0
        self.partitions = 0
        """Of the log, as the job knows it; 0 where nobody has said."""
        self._counted_at = monotonic_s()
        self._waiting: defaultdict[int, deque[Any]] = defaultdict(deque)
        self._polled_at = 0.0
        self._consumer = committed_reader(settings, trouble, "log", settings.job, **{"fetch.wait.max.ms": 100})

    def add(self, partition: int, offset: int | None) -> None:
        """Read a partition from an offset on, or from its beginning."""
        start = TopicPartition(self.topic, partition, OFFSET_BEGINNING if offset is None else offset)
        self._consumer.incremental_assign([start])

    def take(self, partition: int, epoch: int) -> list[Any]:
        """The next messages of a partition; none if there are none yet, or enough have come in this epoch."""
        if epoch > self._epoch:
            self._epoch, self._epoch_bytes = epoch, 0
        if self._epoch_bytes > EPOCH_BYTES_MAX:
            return []
        waiting = self._waiting[partition]
        now = monotonic_s()
        if not waiting and now - self._polled_at > 0.002:
            self._polled_at = now
            self._poll()
            if now - self._alive_at > _SIGN_OF_LIFE_S:
                self._alive_at = now
                self._alive.touch()
                if now - self._counted_at > _COUNT_EVERY_S:
                    self._counted_at = now
                    self._count()
        if not waiting:
            return []
        messages = list(waiting)
        waiting.clear()
        self._epoch_bytes += sum(len(message) for message in messages)
        return messages

    def _poll(self) -> None:
        messages = self._consumer.consume(MESSAGES_MAX, timeout=0.0)
        self._trouble.verify(self._consumer)
        for message in messages:
            check_message(self.topic, message, self._trouble)
            if message.error() is None:
                self._waiting[int(message.partition() or 0)].append(message)

    def _count(self) -> None:
        """Look whether the log has as many partitions as it had: else customers are, from now on, in others than their state.

        Raises:
            OutsideError: It has not.
        """
        try:
            known = len(self._consumer.list_topics(self.topic, timeout=1.0).topics[self.topic].partitions)
        except KafkaException:
            return  # told by `Trouble` if it lasts
        if known > self.partitions > 0:
            raise OutsideError(
                f"{self.topic} has {known} partitions now, and had {self.partitions} when the job began: whoever is sent to "
                "another one by that is apart from their state; take a new log of that number (another SOJOURN_EVENTS_TOPIC), an "
                "empty --data directory and another SOJOURN_JOB"
            )

    def epoch_ended(self, partition: int, offset: int | None, now: int) -> None:
        """Tell how far a partition is read, and how far it goes as the client knows it."""
        low, high = self._consumer.get_watermark_offsets(TopicPartition(self.topic, partition), cached=True)
        self._listener.read(Read(partition, max(low, 0) if offset is None else offset, max(high, 0), now))

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
            f"retention took it, or the topic was made anew; restore the topic, or {ANEW}"
        )
    if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED):
        raise OutsideError(
            f"{topic} [{message.partition()}]: {error.str()}; was the topic deleted, or a right withdrawn?"
        )
    trouble.reported(error)


class _Partition(StatefulSourcePartition[LogItem, Place]):
    """One partition of the log.

    Every epoch begins with a tick. A job that stops goes on ticking until no sink holds anything of this partition: what
    was read last is in the epoch of that reading, which the tick of the next proves durable.
    """

    def __init__(self, reader: LogReader, partition: int, resume: Place | None) -> None:
        self._reader = reader
        self._partition = partition
        offset, now, is_stamped = resume or (None, 0, False)
        self._next = offset
        self._clock = LogClock(now, is_stamped)
        self._epoch = 0  # counts the snapshots: all partitions of all processes go through the epochs together
        self._ticked_in = self._read_in = -1
        self._called_at = datetime.fromtimestamp(0, timezone.utc)
        self._awake_at: datetime | None = None
        reader.add(partition, offset)

    @ends_process
    def next_batch(self) -> list[LogItem]:
        """What has come since; first a tick if the epoch is new."""
        stopping = self._reader.stopping()
        items: list[LogItem] = []
        # Looked at before the tick: epochs may be so short, or the machine so slow, that every call is the first of an epoch.
        if stopping and self._ticked_in >= 0 and (not self._reader.proves or self._read_in < self._ticked_in):
            raise StopIteration
        if self._ticked_in < self._epoch:
            self._ticked_in = self._epoch
            items.append((str(self._partition), Tick(self._partition, self._epoch)))
        messages = [] if stopping else self._reader.take(self._partition, self._epoch)
        if messages:
            self._read_in = self._epoch
            self._next = messages[-1].offset() + 1
            key = str(self._partition)
            items += [(key, piece) for piece in read_log(self._partition, raw(messages), self._clock)]
        self._rest(idle=not messages)
        return items

    def _rest(self, idle: bool) -> None:
        """When to be called again: at once while there is something, later while there is not.

        Reckoned from the call before this one. Bytewax has one time for all partitions of an activation, its beginning,
        and ends epochs by it; a rest reckoned from later could outlast an epoch, which would then have no tick.
        """
        self._awake_at = self._called_at + self._reader.rest if idle else None
        self._called_at = datetime.now(timezone.utc)

    def next_awake(self) -> datetime | None:
        """See `_rest`."""
        return self._awake_at

    def snapshot(self) -> Place:
        """Where to go on; and a new epoch begins."""
        self._epoch += 1
        self._reader.epoch_ended(self._partition, self._next, self._clock.now)
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
        self._partitions = reader.partitions = partitions

    def list_parts(self) -> list[str]:
        """Their numbers, padded, so that their order as text is their order."""
        return [f"{number:05}" for number in range(self._partitions)]

    def build_part(self, step_id: str, for_part: str, resume_state: Place | None) -> _Partition:
        """One of them, from where the recovery store has it."""
        return _Partition(self._reader, int(for_part), resume_state)
