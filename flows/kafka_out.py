"""What comes out, on Kafka: actions per channel, facts, profiles, rejected.

At least once: records are produced as they come, and an epoch is only closed (`snapshot`) when the broker has all of
them; after a crash the epoch is done again, with the same `action_id`s. Profiles wait for the end of the epoch: one for
each customer who changed.
"""

from collections.abc import Callable
from typing import Any

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from confluent_kafka import KafkaError, Message, Producer

from flows.guard import ends_process
from flows.kafka import Trouble, client, options
from flows.settings import Settings
from operators.key_group import Out
from operators.records import ACTIONS, PROFILES, REJECTED
from state.clock import monotonic_s
from state.errors import OutsideError

_GRACE_S = 20.0
"""How long a job that was asked to stop still waits for a broker that does not answer."""


class _Sink(StatefulSinkPartition[list[Out], None]):
    """One producer."""

    def __init__(self, settings: Settings, trouble: Trouble, stopping: Callable[[], bool], part: str) -> None:
        self._settings = settings
        self._trouble = trouble
        self._stopping = stopping
        self._profiles: dict[str, bytes] = {}
        self._refused: KafkaError | None = None
        self._refused_topic = ""
        self._producer = client(
            Producer,
            options(
                settings, trouble, f"sink-{part}",
                **{
                    "partitioner": "murmur2_random",
                    "enable.idempotence": True,
                    "message.timeout.ms": 0,  # wait for a broker that is down; nothing is dropped
                    "message.max.bytes": 100 << 20,  # the topic's own limit is the one that counts
                    "linger.ms": 5,
                },
            )
        )  # fmt: skip

    @ends_process
    def write_batch(self, values: list[list[Out]]) -> None:
        """Produce what came out; profiles wait."""
        for records in values:
            for topic, key, _, value, details in records:
                if topic == PROFILES:
                    self._profiles[key] = value
                elif topic == REJECTED:
                    assert details is not None  # noqa: S101 - a rejected record always has them
                    self._produce(topic, details["key"], value, self._place(details))
                else:
                    self._produce(topic, key, value, None)
        self._producer.poll(0)

    def _place(self, details: dict[str, Any]) -> list[tuple[str, str | bytes | None]]:
        found = {
            "reason": details["reason"],
            "message": details["message"],
            "topic": self._settings.events_topic,
            "partition": details["group"],
            "offset": details["position"],
        }
        return [(name, str(value).encode(errors="replace")) for name, value in found.items()]

    def _produce(
        self, topic: str, key: str | None, value: bytes, headers: list[tuple[str, str | bytes | None]] | None
    ) -> None:
        if topic.startswith(ACTIONS):
            headers = [("action_id", _action_id(value))]
        while True:
            try:
                self._producer.produce(
                    self._settings.topics_prefix + topic, value, key, headers=headers or [], on_delivery=self._delivered
                )
                return
            except BufferError:  # the client's queue is full: wait for the broker to take some
                self._wait(lambda: self._producer.poll(0.5))

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._refused, self._refused_topic = error, str(message.topic())

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
    def snapshot(self) -> None:
        """The epoch is over when the broker has everything."""
        for key, value in self._profiles.items():
            self._produce(PROFILES, key, value, None)
        self._profiles.clear()
        asked_at = None
        while self._wait(lambda: self._producer.flush(0.5)):
            if self._stopping():
                asked_at = asked_at or monotonic_s()
                if monotonic_s() - asked_at > _GRACE_S:
                    raise OutsideError(
                        f"stopped while Kafka at {self._settings.brokers} did not answer: {len(self._producer):,} records were not sent; "
                        "the next start sends them"
                    )

    @ends_process
    def close(self) -> None:
        """Nothing is left by now but what came after the last epoch."""
        self.snapshot()


def _action_id(value: bytes) -> bytes:
    """The id in an action's bytes: keys are sorted, so it comes first."""
    start = len(b'{"action_id":"')
    return value[start : start + 32]


class KafkaOut(FixedPartitionedSink[list[Out], None]):
    """One producer for each worker."""

    def __init__(self, settings: Settings, trouble: Trouble, stopping: Callable[[], bool], parts: int) -> None:
        """Produce to the broker of `settings`."""
        self._settings, self._trouble, self._stopping, self._parts = settings, trouble, stopping, parts

    def list_parts(self) -> list[str]:
        """Their numbers."""
        return [str(number) for number in range(self._parts)]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _Sink:
        """One of them."""
        return _Sink(self._settings, self._trouble, self._stopping, for_part)
