"""One transactional producer of Kafka: take over its id, then transaction by transaction, all of one or nothing of it.

Whoever writes exactly once owns one: the sinks of the live job and ingest. No error in a transaction is survived here: a
producer that had one is in doubt, and a new process begins by taking over, where all is known.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message, Producer

from flows import points
from flows.kafka import Patience, Trouble, client, options
from flows.settings import Settings
from state.clock import monotonic_s
from state.errors import OutsideError, StateError

TRANSACTION_S_MAX = 60.0
"""From the first record of a transaction to its end. A broker that restarts is back by then; Kafka's own limit is 15
minutes, but readers see nothing newer while a transaction hangs."""

_FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)  # noqa: SLF001
_TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)

_SILENT = logging.getLogger("sojourn.librdkafka")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False

PRODUCER = {
    "partitioner": "murmur2_random",
    "enable.idempotence": True,
    "message.max.bytes": 100 << 20,  # the topic's own limit is the one that counts
    "linger.ms": 5,
}
"""Options of every producer of output."""


class Transactions:
    """The producer of one transactional id."""

    def __init__(
        self, settings: Settings, trouble: Trouble, stopping: Callable[[], bool], transactional_id: str, role: str
    ) -> None:
        """Connect.

        Args:
            settings: Where Kafka is.
            trouble: Who tells about it.
            stopping: Whether the process was asked to stop: it then waits for a broker no longer than `flows.kafka` says.
            transactional_id: One process may write under it, the latest.
            role: What the client's id ends with.
        """
        self.transactional_id = transactional_id
        self.appended_ms = -1
        """The broker's time at the last record that it took, where the topic has the broker's time; -1 before."""
        self._settings, self._trouble, self._stopping = settings, trouble, stopping
        self._refused: KafkaError | None = None
        self._about: tuple[str, int] | None = None  # topic and size of what was refused
        self._deadline, self._patience = 0.0, Patience(stopping)
        self._records = 0
        self._producer = client(
            Producer,
            options(
                settings, trouble, role, **PRODUCER,
                **{
                    "transactional.id": transactional_id,
                    "transaction.timeout.ms": int(TRANSACTION_S_MAX * 1000),
                    "message.timeout.ms": int(TRANSACTION_S_MAX * 1000),
                    "logger": _SILENT,  # a fenced producer says so on standard error, whatever the log level
                },
            )
        )  # fmt: skip

    def take_over(self) -> None:
        """Fence whoever had the id before, and end their transaction; waits for a broker that is down.

        Raises:
            OutsideError: The broker refuses, or the process was asked to stop.
        """
        patience = Patience(self._stopping)
        while True:
            try:
                self._producer.init_transactions(2.0)
            except KafkaException as error:
                self._trouble.reported(error.args[0])
                self._trouble.verify(self._producer)
                if patience.is_over():
                    raise OutsideError("stopped before Kafka answered") from error
                if not (error.args[0].retriable() or error.args[0].code() == KafkaError._TIMED_OUT):  # noqa: SLF001
                    raise OutsideError(
                        f"Kafka at {self._settings.brokers} does not let {self.transactional_id} begin: {error.args[0].str()}; give "
                        "the right to write with this transactional id, and start again"
                    ) from error
            else:
                return

    def begin(self) -> None:
        """Begin a transaction; its time runs from now on.

        Raises:
            OutsideError: It cannot be begun.
        """
        self._deadline, self._patience, self._records = monotonic_s() + TRANSACTION_S_MAX, Patience(self._stopping), 0
        try:
            self._producer.begin_transaction()
        except KafkaException as error:
            self._fail(error.args[0])

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: str | bytes | None,
        headers: Iterable[tuple[str, bytes]] = (),
        partition: int = -1,
    ) -> None:
        """Add a record; without a partition, the key chooses it.

        Raises:
            OutsideError: The transaction has failed.
        """
        wanted: dict[str, Any] = {"headers": [*headers], "on_delivery": self._delivered, "partition": partition}
        while True:
            try:
                self._producer.produce(topic, value, key, **wanted)
            except BufferError:  # the client's queue is full: wait for the broker to take some
                self._wait(self._producer.poll, 0.5)
                self._look()
            except KafkaException as error:
                self._wait(self._producer.poll, 0.0)  # it may be a record before this one that was refused
                self._about = self._about or (topic, len(value or b""))
                self._fail(self._refused or error.args[0])
            else:
                self._records += 1
                return

    def flush(self) -> None:
        """Wait until the broker has all records of the transaction; readers see none of them yet.

        Raises:
            OutsideError: The transaction has failed.
        """
        while self._wait(self._producer.flush, 0.2):  # the commit would wait, too, but silently
            self._look()
        self._look()

    def commit(self) -> None:
        """End the transaction: readers see all of it.

        Raises:
            OutsideError: It failed, or it is not known whether it did.
            StateError: Another process has the transactional id.
        """
        self.flush()
        try:
            self._producer.commit_transaction(max(1.0, self._deadline - monotonic_s()))
        except KafkaException as error:
            self._fail(error.args[0])

    def abort(self) -> None:
        """End the transaction: readers see nothing of it, and need not wait for the next start."""
        try:
            self._producer.abort_transaction(5.0)
        except KafkaException:
            return  # whoever takes over ends it

    def _wait(self, call: Callable[[float], int], seconds: float) -> int:
        """Let the client work; a fatal error, as that of one who is fenced, is raised by whatever is called next."""
        try:
            return call(seconds)
        except KafkaException as error:
            self._fail(error.args[0])

    def _look(self) -> None:
        """Whether there is a reason to wait no longer."""
        if self._refused is not None:
            self._fail(self._refused)
        self._trouble.verify(self._producer)
        if monotonic_s() > self._deadline or self._patience.is_over():
            self._fail(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            kind, stamp = message.timestamp()
            if kind == TIMESTAMP_LOG_APPEND_TIME:
                self.appended_ms = stamp
        elif self._refused is None:
            self._refused, self._about = error, (str(message.topic()), len(message))

    def _fail(self, error: KafkaError) -> NoReturn:
        """Give up the transaction with the one line that the process ends with."""
        again = "start again: what was not committed is sent then, and nothing twice"
        try:
            self._producer.abort_transaction(5.0)  # readers need not wait for the next start
        except KafkaException as worse:
            if worse.args[0].code() in _FENCED:
                error = worse.args[0]
        points.reached("transactions: failed")
        if error.code() in _FENCED:
            raise StateError(
                f"another process has taken over {self.transactional_id}, and this one may send no more: two of one name are "
                "running, or this process was given up for dead; stop one of them"
            )
        topic, size = self._about or ("", 0)
        if error.code() in _TOO_LARGE:
            raise OutsideError(
                f"Kafka at {self._settings.brokers} does not take a record of {size:,} bytes for {topic}: {error.str()}; raise the "
                f"topic's max.message.bytes (at most {PRODUCER['message.max.bytes']:,}) and {again}"
            )
        to = f" (a record for {topic})" if topic else ""
        raise OutsideError(
            f"Kafka at {self._settings.brokers} did not take a transaction of {self.transactional_id}, {self._records:,} records: "
            f"{error.str()}{to}; {again}"
        )
