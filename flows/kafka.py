"""What all Kafka clients of the job share: their options, and how trouble with the broker is told.

Trouble is of two kinds. A broker that does not answer may come back: one line, and the client goes on trying. Refused
credentials, or a certificate that does not fit, will not mend themselves: `fatal` is set, and whoever polls the client
gives up with one line.
"""

import sys
from typing import Any

from confluent_kafka import KafkaError

from flows.settings import Settings
from state.errors import OutsideError

_WILL_NOT_MEND = (
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own codes have public names with an underscore
    KafkaError._SSL,  # noqa: SLF001
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
)


class Trouble:
    """What the clients of one process report about their broker; a line a change, not a line a report."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is wrong yet."""
        self._settings = settings
        self._told = False
        self.fatal: OutsideError | None = None

    def reported(self, error: KafkaError) -> None:
        """Librdkafka's error callback."""
        if error.code() in _WILL_NOT_MEND:
            self.fatal = OutsideError(
                f"Kafka at {self._settings.brokers} refuses: {error.str()}; mend the SOJOURN_KAFKA__... settings "
                f"(now {self._settings.kafka_shown()})"
            )
        elif error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE):  # noqa: SLF001
            self.silent(error.str())

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


def options(settings: Settings, trouble: Trouble, role: str, **more: Any) -> dict[str, Any]:
    """The options of one client: the user's, then the role's own, which the guarantees rest on."""
    return {
        "client.id": f"{settings.job}-{role}",
        "log_level": 0,  # its errors come by callback; as log lines they would be told twice
        **settings.kafka,
        "error_cb": trouble.reported,
        **more,
    }


def tell(line: str) -> None:
    """One line for the operator."""
    print(f"sojourn: {line}", file=sys.stderr, flush=True)  # noqa: T201
