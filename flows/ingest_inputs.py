"""The inputs of ingest: partitions of topics of any key, read by one consumer, from where the last marker has them.

Offsets are the marker's to remember (`flows.ingest_writer`), neither the broker's nor Bytewax's. Apart from records, an
input tells when it had been read to its end: only that, and records, move the clock. The broker is asked for all ends a few
times a second. What it answers is taken as of the time of asking, and counts once the reader has come that far; what lies
in a transaction that is still open counts as unread.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from flows.guard import ends_process
from flows.kafka import Trouble, client, committed_reader, options
from flows.settings import Settings
from operators.ingest import InputBatch, InputRecord, name_of
from state.clock import monotonic_s, wall_ms
from state.errors import OutsideError

MESSAGES_MAX = 2_000
"""Taken from the client in one go."""

HELD_BYTES_MAX = 128 << 20
"""Values that are read and wait for their turn, of all inputs together: what is ahead of the others is read no further."""

WAITING_MAX = 2_000
"""Messages of one input that the client has given and nobody has taken; it is asked for more at a quarter of them."""

ALIVE = "ingest-alive"
"""File in the data directory that is touched while ingest makes progress (`sojourn health --ingest`)."""

PULSE = "pulse"
"""The name of the part that says nothing but that time passes."""

_REST = timedelta(milliseconds=10)
_PULSE = timedelta(milliseconds=20)
_ASK_EVERY_S = 0.04
"""An event of one input waits for this on average half the time, until it is certain that no other has an earlier one."""

_ASK_EVERY_S_ALONE = 0.2
_ANSWER_S_MAX = 10.0
_COUNT_EVERY_S = 5.0
_SIGN_OF_LIFE_S = 1.0

EARLIEST: Any = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]

InputItem = tuple[str, InputBatch]
"""A batch under the key that Bytewax routes by: all go to the one writer."""


class Place(NamedTuple):
    """Where to begin with an input."""

    topic: str
    partition: int
    offset: int
    held: int
    """Where its end was at the wall time `asked_at`."""
    asked_at: int


class Held:
    """How much of each input is read and not yet written."""

    def __init__(self, inputs: int) -> None:
        """Divide the memory among so many inputs."""
        self._bytes: dict[str, int] = {}
        self._bytes_max = HELD_BYTES_MAX // max(inputs, 1)

    def add(self, name: str, size: int) -> None:
        """Count bytes of an input; negative where they are written."""
        self._bytes[name] = self._bytes.get(name, 0) + size

    def is_full(self, name: str) -> bool:
        """Whether to read no more of an input for now."""
        return self._bytes.get(name, 0) > self._bytes_max


class _Waiting:
    """What the consumer has of one input."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.messages: deque[Any] = deque()
        self.end = -1
        """Offset at which there was nothing more; -1 while there is."""
        self.was_heard = False
        self.is_paused = False


class InputReader:
    """The consumer of all inputs."""

    def __init__(
        self,
        settings: Settings,
        trouble: Trouble,
        stopping: Callable[[], bool],
        partitions: Mapping[str, int],
        held: Held,
        alive: Path,
    ) -> None:
        """Connect.

        Args:
            settings: Where Kafka is.
            trouble: Who tells about it.
            stopping: Whether to read no more.
            partitions: Topic -> how many partitions it has, of the inputs and of the log: another number ends the process.
            held: What is not yet written.
            alive: Touched while this is read.
        """
        self.stopping = stopping
        self._brokers = settings.brokers
        self._trouble = trouble
        self._partitions = partitions
        self._held = held
        self._alive, self._alive_at, self._counted_at = alive, 0.0, monotonic_s()
        self._inputs: dict[str, _Waiting] = {}
        self._by_partition: dict[tuple[str, int], _Waiting] = {}
        self._absent: set[str] = set()
        self._polled_at = 0.0
        self.ends = Ends(client(AdminClient, options(settings, trouble, "ends")))
        self._consumer = committed_reader(
            settings, trouble, "ingest", f"{settings.job}-ingest",
            **{"enable.partition.eof": True, "fetch.wait.max.ms": 100, "fetch.message.max.bytes": 8 << 20},
        )  # fmt: skip

    def begin(self, places: list[Place], since: int) -> dict[str, int]:
        """Begin to read, and wait until each input has given a record or is at its end.

        Args:
            places: All inputs.
            since: The low watermark so far (ms): for an input of which no more is known.

        Returns:
            Input -> a time (ms) that none of its unread records lies before.

        Raises:
            OutsideError: An input cannot be read, or the process was asked to stop.
        """
        for place in places:
            waiting = _Waiting(place)
            self._inputs[name_of(place.topic, place.partition)] = waiting
            self._by_partition[place.topic, place.partition] = waiting
        self._consumer.assign([TopicPartition(place.topic, place.partition, place.offset) for place in places])
        while any(not waiting.was_heard for waiting in self._inputs.values()):
            if self.stopping():
                raise OutsideError("stopped before every input had answered")
            self._poll(0.1)
        self.ends.watch(list(self._by_partition))
        return {name: _mark(waiting, since) for name, waiting in self._inputs.items()}

    def names(self) -> list[str]:
        """All inputs."""
        return list(self._inputs)

    def place(self, name: str) -> Place:
        """Where an input was begun with."""
        return self._inputs[name].place

    def take(self, name: str) -> tuple[list[Any], int]:
        """The next messages of an input, and the offset at which it ended after them; -1 where it goes on."""
        waiting = self._inputs[name]
        if self._held.is_full(name):
            return [], -1
        if not waiting.messages and monotonic_s() - self._polled_at > 0.002:
            self._poll(0.0)
        messages = [waiting.messages.popleft() for _ in range(min(len(waiting.messages), MESSAGES_MAX))]
        if waiting.is_paused and len(waiting.messages) < WAITING_MAX // 4:
            waiting.is_paused = False
            self._consumer.resume([TopicPartition(waiting.place.topic, waiting.place.partition)])
        return messages, -1 if waiting.messages else waiting.end

    def look_after(self) -> None:
        """Once in a while: give a sign of life, count the partitions.

        Raises:
            OutsideError: There are more than there were, or a topic is gone.
        """
        self.ends.ask()
        self._trouble.verify(self._consumer)
        now = monotonic_s()
        if now - self._alive_at > _SIGN_OF_LIFE_S:
            self._alive_at = now
            self._alive.touch()
        if now - self._counted_at < _COUNT_EVERY_S:
            return
        self._counted_at = now
        try:
            topics = self._consumer.list_topics(timeout=1.0).topics
        except KafkaException:
            return  # told by `Trouble` if it lasts
        for topic, count in self._partitions.items():
            known = len(topics[topic].partitions) if topic in topics else 0
            if known == 0:
                if topic in self._absent:  # twice in a row: not a broker that has just begun
                    raise OutsideError(f"the topic {topic} is not there any more; create it again, or read others")
                self._absent.add(topic)
                continue
            self._absent.discard(topic)
            if known != count:
                raise OutsideError(
                    f"the topic {topic} has {known} partitions now, and had {count} at the start; start ingest again: it then reads "
                    "all of an input, and tells what to do if this is the customer log"
                )

    def _poll(self, timeout_s: float) -> None:
        self._polled_at = monotonic_s()
        for message in self._consumer.consume(MESSAGES_MAX, timeout=timeout_s):
            error, topic, partition = message.error(), str(message.topic()), int(message.partition() or 0)
            if error is None:
                waiting = self._by_partition[topic, partition]
                waiting.messages.append(message)
                waiting.end, waiting.was_heard = -1, True
                if len(waiting.messages) > WAITING_MAX and not waiting.is_paused:
                    # Else the client would go on giving messages of this one, in the way of those that are waited for.
                    waiting.is_paused = True
                    self._consumer.pause([TopicPartition(topic, partition)])
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                waiting = self._by_partition[topic, partition]
                waiting.end, waiting.was_heard = int(message.offset() or 0), True
            elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):  # noqa: SLF001
                raise OutsideError(
                    f"{topic} [{partition}]: the record to go on from is not there any more ({error.str()}): retention took it, or the "
                    "topic was made anew; restore the topic, or start once with --accept-loss to go on with what is there"
                )
            elif error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED):
                raise OutsideError(
                    f"{topic} [{partition}]: {error.str()}; was the topic deleted, or a right withdrawn?"
                )
            else:
                self._trouble.reported(error)
        self._trouble.verify(self._consumer)

    def close(self) -> None:
        """Leave the broker."""
        try:
            self._consumer.close()
        except KafkaException:
            return  # nothing of it is needed any more


def _mark(waiting: _Waiting, since: int) -> int:
    """A time that no unread record of an input lies before."""
    place = waiting.place
    if place.offset >= place.held:
        return place.asked_at  # there was nothing: what has come since came later
    if not waiting.messages:
        return since or place.asked_at  # only what lies in open transactions, and who knows since when
    stamp = waiting.messages[0].timestamp()[1]
    return int(stamp) if 0 <= stamp <= place.asked_at else place.asked_at


class Ends:
    """Where the inputs end, asked of the broker in the background."""

    def __init__(self, admin: AdminClient) -> None:
        """Ask through `admin`."""
        self._admin = admin
        self._parts: list[tuple[str, int]] = []
        self._asked_at, self._asked_s = 0, 0.0
        self._answers: dict[TopicPartition, Any] = {}
        self._known: dict[tuple[str, int], tuple[int, int]] = {}

    def watch(self, parts: list[tuple[str, int]]) -> None:
        """Ask for these from now on."""
        self._parts = parts

    def ask(self) -> None:
        """Take in what was answered; ask anew if it is time."""
        if self._answers:
            if not all(answer.done() for answer in self._answers.values()):
                return
            for part, answer in self._answers.items():
                if answer.exception() is None:
                    self._known[part.topic, part.partition] = (self._asked_at, answer.result().offset)
            self._answers = {}
        every_s = _ASK_EVERY_S if len(self._parts) > 1 else _ASK_EVERY_S_ALONE
        if self._parts and monotonic_s() - self._asked_s > every_s:
            self._asked_at, self._asked_s = wall_ms(), monotonic_s()
            self._answers = list_offsets(self._admin, self._parts, LATEST)

    def of(self, topic: str, partition: int) -> tuple[int, int] | None:
        """(wall time of asking, end at that time), as far as is known; each answer is given once."""
        return self._known.pop((topic, partition), None)


def list_offsets(admin: AdminClient, parts: list[tuple[str, int]], spec: Any) -> dict[TopicPartition, Any]:
    """Ask for offsets of many partitions at once; open transactions count as there."""
    wanted = {TopicPartition(topic, partition): spec for topic, partition in parts}
    return dict(
        admin.list_offsets(wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=_ANSWER_S_MAX)
    )


class _Input(StatefulSourcePartition[InputItem, None]):
    """One partition of one topic."""

    def __init__(self, reader: InputReader, name: str) -> None:
        self._reader = reader
        self._name = name
        place = reader.place(name)
        self._topic, self._partition, self._next = place.topic, place.partition, place.offset
        self._held: tuple[int, int] | None = None
        self._awake_at: datetime | None = None

    @ends_process
    def next_batch(self) -> list[InputItem]:
        """What has come since."""
        reader = self._reader
        if reader.stopping():
            raise StopIteration
        messages, end = reader.take(self._name)
        start = self._next
        if messages:
            self._next = max(self._next, messages[-1].offset() + 1)
        self._next = max(self._next, end)
        self._held = self._held or reader.ends.of(self._topic, self._partition)
        caught_up = -1
        if self._held is not None and self._next >= self._held[1]:
            caught_up, self._held = self._held[0], None
        self._awake_at = None if messages else datetime.now(timezone.utc) + _REST
        if not messages and caught_up < 0:
            return []
        return [(PULSE, InputBatch(self._name, start, self._next, list(_records(messages)), wall_ms(), caught_up))]

    def next_awake(self) -> datetime | None:
        """At once while there is something, later while there is not."""
        return self._awake_at

    def snapshot(self) -> None:
        """Nothing: the marker beside the log has the offset."""


def _records(messages: list[Any]) -> Iterator[InputRecord]:
    for message in messages:
        yield message.offset(), message.timestamp()[1], message.key(), message.value()


class _Pulse(StatefulSourcePartition[InputItem, None]):
    """The passing of time, for a writer that must write although nothing comes."""

    def __init__(self, reader: InputReader) -> None:
        self._reader = reader
        self._awake_at: datetime | None = None

    @ends_process
    def next_batch(self) -> list[InputItem]:
        """One batch of nothing."""
        if self._reader.stopping():
            raise StopIteration
        self._reader.look_after()
        self._awake_at = datetime.now(timezone.utc) + _PULSE
        return [(PULSE, InputBatch("", 0, 0, [], wall_ms()))]

    def next_awake(self) -> datetime | None:
        """A few times a second."""
        return self._awake_at

    def snapshot(self) -> None:
        """Nothing."""


class Inputs(FixedPartitionedSource[InputItem, None]):
    """All inputs, and a pulse."""

    def __init__(self, reader: InputReader) -> None:
        """Read through `reader`, which has begun."""
        self._reader = reader

    def list_parts(self) -> list[str]:
        """Their names."""
        return [PULSE, *self._reader.names()]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _Input | _Pulse:
        """One of them."""
        return _Pulse(self._reader) if for_part == PULSE else _Input(self._reader, for_part)
