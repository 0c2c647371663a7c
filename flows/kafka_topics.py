"""The topics of the job: looked at before it starts, created if asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from flows.kafka import Trouble, client, options, tell
from flows.markers import markers_topic
from flows.settings import Settings
from operators.records import ACTIONS, FACTS, PROFILES, REJECTED
from state.errors import OutsideError

_REQUEST_S = 10.0

REJECTED_BYTES_MAX = 100 << 20
"""Of `events.rejected`: a log may take more than its default, and whatever it took must have a place."""

_MARKERS_CONFIG = {
    "cleanup.policy": "compact",
    # Two markers a second and sink: small segments are compacted soon, so that there is never much to read.
    "segment.bytes": str(1 << 20),
    "min.cleanable.dirty.ratio": "0.1",
}


@dataclass(frozen=True)
class Topic:
    """A topic that the job reads or writes."""

    name: str
    partitions: int
    config: dict[str, str]


@dataclass(frozen=True)
class Log:
    """The customer log that a job reads: its name, its number of partitions, and Kafka's own id of this very topic."""

    topic: str
    partitions: int
    topic_id: str
    """Empty where the broker does not tell."""


def sinks_of(settings: Settings, partitions: int) -> int:
    """How many sinks a job on a log of so many partitions has: each needs a key group that tells it of every epoch."""
    return min(settings.sinks, partitions)


def topics_of(settings: Settings, channels: Sequence[str], sinks: int) -> list[Topic]:
    """All topics of a job; the customer log first."""
    prefix, many = settings.topics_prefix, settings.output_partitions
    markers = [Topic(markers_topic(settings), sinks, _MARKERS_CONFIG)] if settings.delivery == "exactly_once" else []
    return [
        # The broker stamps the log: the engine's clock is made of these times, and a producer's may be anything.
        Topic(settings.events_topic, settings.partitions, {"message.timestamp.type": "LogAppendTime"}),
        *(Topic(prefix + ACTIONS + channel, many, {}) for channel in channels),
        Topic(prefix + FACTS, many, {}),
        Topic(prefix + PROFILES, many, {"cleanup.policy": "compact"}),
        # Whatever fits into the log must fit in here, with its headers.
        Topic(prefix + REJECTED, many, {"max.message.bytes": str(REJECTED_BYTES_MAX)}),
        *markers,
    ]


def prepare_topics(
    settings: Settings, channels: Sequence[str], create: bool, trouble: Trouble, stopping: Callable[[], bool]
) -> Log:
    """Make sure that all topics are there; give which log it is. Waits for a broker that is down.

    Raises:
        OutsideError: A topic is missing, or not as it must be; or the broker refuses.
    """
    admin = client(AdminClient, options(settings, trouble, "admin"))
    found = find_topics(admin, trouble, stopping)
    sinks = sinks_of(settings, found.get(settings.events_topic, settings.partitions))
    wanted = topics_of(settings, channels, sinks)
    missing = [topic for topic in wanted if topic.name not in found]
    if missing and create:
        create_topics(admin, missing, settings)
        found |= {topic.name: topic.partitions for topic in missing}
    elif missing:
        names = ", ".join(topic.name for topic in missing)
        raise OutsideError(
            f"Kafka at {settings.brokers} has no topic {names}; create {'it' if len(missing) == 1 else 'them'}, start with "
            "--create-topics, or mend SOJOURN_EVENTS_TOPIC or SOJOURN_TOPICS_PREFIX"
        )
    if settings.events_topic not in {topic.name for topic in missing}:
        check_clock(admin, settings)
    if settings.delivery == "exactly_once":
        _check_markers(admin, settings, found[markers_topic(settings)], sinks)
    return Log(settings.events_topic, found[settings.events_topic], topic_id(admin, settings.events_topic))


def find_topics(admin: AdminClient, trouble: Trouble, stopping: Callable[[], bool]) -> dict[str, int]:
    """Name -> number of partitions, as soon as the broker answers."""
    attempts = 0
    while True:
        attempts += 1
        try:
            listed: Any = admin.list_topics(timeout=2.0)
        except KafkaException as error:
            admin.poll(0)
            trouble.check()
            if attempts > 1:  # refused credentials look like silence at first
                trouble.silent(error.args[0].str())
            if stopping():
                raise OutsideError("stopped before Kafka answered") from error
            continue
        trouble.answered()
        return {name: len(topic.partitions) for name, topic in listed.topics.items()}


def create_topics(admin: AdminClient, missing: list[Topic], settings: Settings) -> None:
    """Create topics; one that someone else has created just now is fine.

    Raises:
        OutsideError: The broker does not.
    """
    new = [NewTopic(topic.name, topic.partitions, settings.replication, config=topic.config) for topic in missing]
    for name, future in admin.create_topics(new, operation_timeout=_REQUEST_S, request_timeout=_REQUEST_S).items():
        try:
            future.result()
            tell(f"created the topic {name}")
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise OutsideError(
                    f"Kafka at {settings.brokers} does not create the topic {name}: {error.args[0].str()}"
                ) from error


def topic_id(admin: AdminClient, topic: str) -> str:
    """Kafka's own id of a topic: another one if it was made anew; empty where the broker does not tell."""
    try:
        described: Any = admin.describe_topics(TopicCollection([topic]), request_timeout=_REQUEST_S)[topic].result()
    except KafkaException:
        return ""  # older brokers, and librdkafka's mock
    return str(described.topic_id)


def _check_markers(admin: AdminClient, settings: Settings, partitions: int, sinks: int) -> None:
    """Each sink has its partition of markers, and no marker is ever deleted for its age."""
    topic = markers_topic(settings)
    if partitions < sinks:
        raise OutsideError(
            f"the topic {topic} has {partitions} of the {sinks} partitions that SOJOURN_SINKS={settings.sinks} needs; add partitions, or "
            "name fewer sinks"
        )
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        config = admin.describe_configs([resource], request_timeout=_REQUEST_S)[resource].result()
    except KafkaException as error:
        tell(f"the settings of the topic {topic} cannot be read ({error.args[0].str()}); taking it to be compacted")
        return
    policy = config["cleanup.policy"].value
    if policy != "compact":
        raise OutsideError(
            f"the topic {topic} has cleanup.policy={policy}: its markers would be deleted with time, and without them nobody knows "
            "what was sent; set it to compact"
        )


def check_clock(admin: AdminClient, settings: Settings) -> None:
    """The log must carry the broker's time: a producer's clock that says 2106 would end every wait at once."""
    resource = ConfigResource(ResourceType.TOPIC, settings.events_topic)
    try:
        config = admin.describe_configs([resource], request_timeout=_REQUEST_S)[resource].result()
    except KafkaException as error:
        tell(
            f"the settings of the topic {settings.events_topic} cannot be read ({error.args[0].str()}); taking it to be LogAppendTime"
        )
        return
    kind = config["message.timestamp.type"].value
    if kind != "LogAppendTime" and not settings.allow_create_time:
        raise OutsideError(
            f"the topic {settings.events_topic} has message.timestamp.type={kind}: its clock would be that of its producers; set it to "
            "LogAppendTime, or take the producers' times for true with --allow-create-time (SOJOURN_ALLOW_CREATE_TIME)"
        )
