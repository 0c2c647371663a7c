"""What all Kafka clients of the job share: their options, and how trouble with the broker is told.

Trouble is of two kinds. A broker that does not answer may come back: one line, and the client goes on trying. Refused
credentials, or a certificate that does not fit, will not mend themselves: `fatal` is set, and whoever polls the client
gives up with one line.
"""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException

from flows.settings import Settings, is_secret
from state.clock import monotonic_s
from state.errors import OutsideError

_ASK_EVERY_S = 2.0

ANEW = "begin anew: an empty --data directory and another SOJOURN_JOB, under which everything in the log is decided and sent again"
"""The way out where the state is of no use any more. Under the old name, the markers refuse it."""

_WILL_NOT_MEND = (
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own codes have public names with an underscore
    KafkaError._SSL,  # noqa: SLF001
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
)


_PASSES = (
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,  # of a topic that was seen: not every broker knows of it yet
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)


def passes(error: KafkaError) -> bool:
    """Whether an error is one of a broker that is down, or of a topic that is being made: asking again is of use."""
    return error.retriable() or error.code() < 0 or error.code() in _PASSES


class Trouble:
    """What the clients of one process report about their broker; a line a change, not a line a report.

    A report alone says little: a client calls a broker down when an idle connection closes. So a report is a suspicion,
    and `verify` asks the broker before anything is told.
    """

    def __init__(self, settings: Settings) -> None:
        """Nothing is wrong yet."""
        self._settings = settings
        self._told = False
        self._suspicion = ""
        self._asked_at = 0.0
        self.fatal: OutsideError | None = None

    def reported(self, error: KafkaError) -> None:
        """Take in what the error callback of a client says."""
        if error.code() in _WILL_NOT_MEND:
            self.fatal = OutsideError(
                f"Kafka at {self._settings.brokers} refuses: {error.str()}; mend the SOJOURN_KAFKA__... settings "
                f"(now {self._settings.kafka_shown()})"
            )
        elif error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE):  # noqa: SLF001
            self._suspicion = error.str()

    def verify(self, asked: Any) -> None:
        """If something is suspected, ask the broker through the client `asked`, and tell what has changed.

        Raises:
            OutsideError: The broker refuses.
        """
        self.check()
        if not (self._suspicion or self._told) or monotonic_s() - self._asked_at < _ASK_EVERY_S:
            return
        self._asked_at = monotonic_s()
        try:
            asked.list_topics(timeout=1.0)
        except KafkaException as error:
            self.check()
            self.silent(self._suspicion or error.args[0].str())
        else:
            self._suspicion = ""
            self.answered()

    def silent(self, why: str) -> None:
        """The broker does not answer."""
        if not self._told:
            self._told = True
            tell(f"Kafka at {self._settings.brokers} does not answer ({why}); trying again until it does")

    def answered(self) -> None:
        """It does."""
        if self._told:
            self._told = False
            tell(f"Kafka at {self._settings.brokers} answers")

    def check(self) -> None:
        """Give up where trying again is of no use.

        Raises:
            OutsideError: The broker refuses.
        """
        if self.fatal is not None:
            raise self.fatal


GRACE_S = 20.0
"""How long a job that was asked to stop still waits for a broker that does not answer."""


class Patience:
    """Ends a wait for the broker some time after the job was asked to stop."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        """Begin to wait."""
        self._stopping = stopping
        self._asked_at: float | None = None

    def is_over(self) -> bool:
        """Whether to wait no longer."""
        if not self._stopping():
            return False
        if self._asked_at is None:
            self._asked_at = monotonic_s()
        return monotonic_s() - self._asked_at > GRACE_S


C = TypeVar("C")


def client(kind: Callable[[dict[str, Any]], C], wanted: dict[str, Any]) -> C:
    """Make a client of librdkafka.

    Raises:
        OutsideError: It does not take an option; which one, and not its value.
    """
    try:
        return kind(wanted)
    except (KafkaException, TypeError, ValueError) as error:
        text = error.args[0].str() if error.args and isinstance(error.args[0], KafkaError) else str(error)
        for name, value in wanted.items():
            if is_secret(name) and isinstance(value, str) and value:
                text = text.replace(value, "***")
        named = [name for name in wanted if name in text] or [
            name for name, value in wanted.items() if isinstance(value, str) and value and value in text
        ]
        raise OutsideError(
            f"Kafka's client does not take a SOJOURN_KAFKA__... setting ({', '.join(named) or 'see the message'}): {text}"
        ) from error


def options(settings: Settings, trouble: Trouble, role: str, **more: Any) -> dict[str, Any]:
    """The options of one client: the user's, then the role's own, which the guarantees rest on."""
    return {
        "client.id": f"{settings.job}-{role}",
        "log_level": 0,  # its errors come by callback; as log lines they would be told twice
        **settings.kafka,
        "error_cb": trouble.reported,
        **more,
    }


def committed_reader(settings: Settings, trouble: Trouble, role: str, group: str, **more: Any) -> Consumer:
    """A consumer of what is committed, which keeps no offsets at the broker: where to read from, its user knows.

    An offset that retention has taken is an error: jumping to another one loses or repeats records.
    """
    return client(
        Consumer,
        options(
            settings, trouble, role,
            **{
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "allow.auto.create.topics": False,
                **more,
            },
        )
    )  # fmt: skip


OURS = "sojourn: "
"""How a line for the operator begins."""


def tell(line: str) -> None:
    """One line for the operator."""
    print(f"{OURS}{line}", file=sys.stderr, flush=True)  # noqa: T201
