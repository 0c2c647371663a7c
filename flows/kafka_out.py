"""What comes out, on Kafka, at least once: actions per channel, facts, profiles, rejected.

Records are produced as they come, and an epoch is only closed (`snapshot`) when the broker has all of them; after a
crash the epoch is done again, with the same `action_id`s. Profiles wait for the end of the epoch: one for each customer
who changed. The other way, exactly once, is `flows.kafka_transactions`.
"""

from collections.abc import Callable

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as Delivered

from flows.guard import ends_process
from flows.kafka import Patience, Trouble, client, options
from flows.kafka_messages import Messages
from flows.markers import read_marker, transactional_id
from flows.observed import SILENCE, Listener, Sent
from flows.settings import Settings
from flows.transactions import PRODUCER, Transactions
from operators.key_group import Told
from operators.records import ACTIONS
from state.codec import decode, encode
from state.delivery import Message, Unsent
from state.errors import OutsideError


class _Sink(StatefulSinkPartition[Told, bytes]):
    """One producer."""

    def __init__(
        self,
        settings: Settings,
        trouble: Trouble,
        stopping: Callable[[], bool],
        part: str,
        resume: bytes | None,
        listener: Listener,
    ) -> None:
        self._listener = listener
        self._actions: list[bytes] = []  # that the broker has, and nobody was told of
        self._actions_prefix = settings.topics_prefix + ACTIONS
        self._records = 0
        self._settings = settings
        self._trouble = trouble
        self._stopping = stopping
        self._refused: KafkaError | None = None
        self._refused_topic = ""
        self._messages = Messages(settings.events_topic)
        # A broker that is down is waited for, however long, and nothing is dropped.
        self._producer = client(
            Producer, options(settings, trouble, f"sink-{part}", **PRODUCER, **{"message.timeout.ms": 0})
        )
        before = decode(resume, Unsent) if resume is not None else Unsent(0)
        self._seq = before.seq
        if before.messages:
            self._take_over(before, int(part))

    def _take_over(self, before: Unsent, number: int) -> None:
        """The job was exactly-once until now, and was killed before it had sent all: end its transaction, send the rest."""
        settings, trouble, stopping = self._settings, self._trouble, self._stopping
        Transactions(settings, trouble, stopping, transactional_id(settings, number), f"sink-{number:05}").take_over()
        marker = read_marker(settings, trouble, number, stopping)
        if marker is not None:
            self._seq = marker.seq  # which is what a job that is exactly-once again will find
        if marker is None or marker.seq < before.seq:
            self._produce(before.messages)

    @ends_process
    def write_batch(self, values: list[Told]) -> None:
        """Produce what came out; profiles wait."""
        for told in values:
            self._messages.add(told.records)
        self._produce(self._messages.take(with_profiles=False))
        self._producer.poll(0)
        self._tell_delivered()

    def _produce(self, messages: list[Message]) -> None:
        for message in messages:
            while True:
                try:
                    self._producer.produce(
                        self._settings.topics_prefix + message.topic,
                        message.value,
                        message.key,
                        headers=[*message.headers],
                        on_delivery=self._delivered,
                    )
                    break
                except BufferError:  # the client's queue is full: wait for the broker to take some
                    self._wait(lambda: self._producer.poll(0.5))

    def _delivered(self, error: KafkaError | None, message: Delivered) -> None:
        if error is not None:
            self._refused, self._refused_topic = error, str(message.topic())
            return
        self._records += 1
        if str(message.topic()).startswith(self._actions_prefix):
            self._actions.append(message.value() or b"")

    def _tell_delivered(self) -> None:
        if self._records:
            self._listener.sent(Sent(None, self._records, self._actions))
            self._actions, self._records = [], 0

    def _wait(self, call: Callable[[], int]) -> int:
        left = call()
        self._trouble.verify(self._producer)
        if self._refused is not None:
            raise OutsideError(
                f"Kafka at {self._settings.brokers} does not take a record for {self._refused_topic}: {self._refused.str()}; mend the "
                "topic and start again, nothing is lost"
            )
        return left

    @ends_process
    def snapshot(self) -> bytes:
        """The epoch is over when the broker has everything."""
        self._produce(self._messages.take(with_profiles=True))
        patience = Patience(self._stopping)
        while self._wait(lambda: self._producer.flush(0.5)):
            if patience.is_over():
                raise OutsideError(
                    f"stopped while Kafka at {self._settings.brokers} did not answer: {len(self._producer):,} records were not sent; "
                    "the next start sends them"
                )
        self._tell_delivered()
        return encode(Unsent(self._seq))

    @ends_process
    def close(self) -> None:
        """Nothing is left by now but what came after the last epoch."""
        self.snapshot()


class KafkaOut(FixedPartitionedSink[Told, bytes]):
    """A fixed number of producers; a key group keeps to one of them."""

    def __init__(
        self,
        settings: Settings,
        trouble: Trouble,
        stopping: Callable[[], bool],
        parts: int,
        listener: Listener = SILENCE,
    ) -> None:
        """Produce to the broker of `settings`."""
        self._listener = listener
        self._settings, self._trouble, self._stopping, self._parts = settings, trouble, stopping, parts

    def list_parts(self) -> list[str]:
        """Their numbers, padded, so that their order as text is their order."""
        return [f"{number:05}" for number in range(self._parts)]

    def part_fn(self, item_key: str) -> int:
        """Key groups in turn, so that every producer has some where there are enough."""
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> _Sink:
        """One of them."""
        build = ends_process(_Sink)
        return build(self._settings, self._trouble, self._stopping, for_part, resume_state, self._listener)
