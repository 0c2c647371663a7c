"""The topics of ingest, looked at before it starts: the log, its inputs, and where the last run ended in each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from flows.ingest_inputs import EARLIEST, LATEST, Place, list_offsets
from flows.ingest_writer import marker_topic
from flows.kafka import Trouble, client, options, passes, tell
from flows.kafka_topics import REJECTED_BYTES_MAX, Topic, check_clock, create_topics, find_topics, topic_id
from flows.settings import Settings
from operators.decode import RECORD_BYTES_MAX
from operators.records import REJECTED
from state.clock import wall_ms
from state.errors import OutsideError, UsageError
from state.ingest import IngestMarker, InputPlace

_REQUEST_S = 10.0

ENVELOPE_BYTES = 8 << 10
"""Around an event in the log: its key of at most 1,024 characters, headers, and what Kafka adds."""

MARKERS_PARTITIONS = 2

LOG_CONFIG = {
    # The broker stamps the log, so that retention goes by when it was written, and readers can hold the clock against it.
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": str(RECORD_BYTES_MAX + ENVELOPE_BYTES),
}

MARKERS_CONFIG = {
    "cleanup.policy": "compact",
    "message.timestamp.type": "LogAppendTime",  # what this machine's clock is held against
    # Many markers a second: small segments are compacted soon, so that there is never much to read.
    "segment.bytes": str(1 << 20),
    "min.cleanable.dirty.ratio": "0.1",
}


@dataclass(frozen=True)
class IngestTopics:
    """What was found."""

    partitions: int
    """Of the log."""
    topic_id: str
    """Of the log."""
    value_bytes_max: int
    """What the log takes of one event."""
    inputs: Mapping[str, int]
    """Topic -> number of its partitions."""
    input_ids: Mapping[str, str]
    """Topic -> Kafka's own id of it; empty where the broker does not tell."""


def prepare_ingest_topics(
    settings: Settings, create: bool, trouble: Trouble, stopping: Callable[[], bool], admin: AdminClient
) -> IngestTopics:
    """Make sure that all topics are there. Waits for a broker that is down.

    Raises:
        OutsideError: A topic is missing, or not as it must be; or the broker refuses.
        UsageError: An input is one of the topics that are written.
    """
    log = settings.events_topic
    rejected = settings.topics_prefix + REJECTED
    wanted = [
        Topic(log, settings.partitions, LOG_CONFIG),
        Topic(marker_topic(settings), MARKERS_PARTITIONS, MARKERS_CONFIG),
        Topic(rejected, settings.output_partitions, {"max.message.bytes": str(REJECTED_BYTES_MAX)}),
    ]
    for topic in wanted:
        if topic.name in settings.ingest_topics:
            raise UsageError(
                f"{topic.name} is written by ingest, and cannot be an input of it; name the topics that you produce to"
            )
    found = find_topics(admin, trouble, stopping)
    inputs = {topic: found.get(topic, 0) for topic in settings.ingest_topics}
    absent = [topic for topic, count in inputs.items() if not count]
    if absent:
        raise OutsideError(
            f"Kafka at {settings.brokers} has no topic {', '.join(absent)} to read from; mend the name, or create "
            f"{'it' if len(absent) == 1 else 'them'}"
        )
    missing = [topic for topic in wanted if topic.name not in found]
    if missing and not create:
        names = ", ".join(topic.name for topic in missing)
        raise OutsideError(
            f"Kafka at {settings.brokers} has no topic {names}; create {'it' if len(missing) == 1 else 'them'}, start with "
            "--create-topics, or mend SOJOURN_EVENTS_TOPIC or SOJOURN_TOPICS_PREFIX"
        )
    if missing:
        create_topics(admin, missing, settings)
    found |= {topic.name: topic.partitions for topic in missing}
    made = {topic.name for topic in missing}  # as they should be, and not every broker knows of them yet
    if log not in made:
        check_clock(admin, settings)
    if marker_topic(settings) not in made:
        _check_markers(admin, settings, found[marker_topic(settings)])
    bytes_max = int(LOG_CONFIG["max.message.bytes"]) if log in made else _bytes_max(admin, settings)
    return IngestTopics(
        found[log],
        topic_id(admin, log),
        bytes_max - ENVELOPE_BYTES,
        inputs,
        {topic: topic_id(admin, topic) for topic in inputs},
    )


def _config(admin: AdminClient, topic: str) -> Any:
    """The settings of a topic; None where they may not be read."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        return admin.describe_configs([resource], request_timeout=_REQUEST_S)[resource].result()
    except KafkaException as error:
        tell(
            f"the settings of the topic {topic} cannot be read ({error.args[0].str()}); taking it to be as it should be"
        )
        return None


def _bytes_max(admin: AdminClient, settings: Settings) -> int:
    """How large a record of the log may be.

    Raises:
        OutsideError: Hardly anything would fit.
    """
    config = _config(admin, settings.events_topic)
    bytes_max = int(config["max.message.bytes"].value) if config else int(LOG_CONFIG["max.message.bytes"])
    if bytes_max < 4 * ENVELOPE_BYTES:
        raise OutsideError(
            f"the topic {settings.events_topic} has max.message.bytes={bytes_max}: too little for an event with its key and "
            f"headers; raise it to {LOG_CONFIG['max.message.bytes']}"
        )
    return bytes_max


def _check_markers(admin: AdminClient, settings: Settings, partitions: int) -> None:
    """No marker may ever be deleted for its age."""
    topic = marker_topic(settings)
    if partitions < MARKERS_PARTITIONS:
        raise OutsideError(
            f"the topic {topic} has {partitions} partition, and ingest needs {MARKERS_PARTITIONS}; add one, as in: kafka-topics.sh --alter "
            f"--topic {topic} --partitions {MARKERS_PARTITIONS}"
        )
    config = _config(admin, topic)
    policy = config["cleanup.policy"].value if config else "compact"
    if policy != "compact":
        raise OutsideError(
            f"the topic {topic} has cleanup.policy={policy}: its markers would be deleted with time, and without them nobody knows "
            "what is in the log; set it to compact"
        )


def check_marker(settings: Settings, marker: IngestMarker, found: IngestTopics, heartbeats_only: bool) -> None:
    """Whether the log is the one that a marker tells of.

    Raises:
        OutsideError: It is not, or ingest would mean something else now; the message has the way out.
    """
    log, markers = settings.events_topic, marker_topic(settings)
    if marker.partitions != found.partitions:
        raise OutsideError(
            f"{log} has {found.partitions} partitions, and ingest began with {marker.partitions}: customers would move to other "
            f"partitions than their events and state; make a new log of {found.partitions} (another SOJOURN_EVENTS_TOPIC with "
            f"SOJOURN_PARTITIONS={found.partitions}), into which ingest reads its inputs anew, and run the job on it with an empty --data "
            "directory and another SOJOURN_JOB"
        )
    if marker.topic_id and found.topic_id and marker.topic_id != found.topic_id:
        raise OutsideError(
            f"{log} was made anew since ingest last wrote to it, and {markers} tells of the one before; delete {markers} to read all "
            "inputs from their beginning again"
        )
    if heartbeats_only and not marker.heartbeats_only:
        raise OutsideError(
            f"{log} is written by ingest, and its clock is that of its inputs: heartbeats alone cannot go on with it; start ingest with "
            "its inputs, or name another log (SOJOURN_EVENTS_TOPIC)"
        )


def places(
    settings: Settings,
    admin: AdminClient,
    marker: IngestMarker,
    found: IngestTopics,
    accept_loss: bool,
    trouble: Trouble,
    stopping: Callable[[], bool],
) -> list[Place]:
    """Where to begin with each input: where the marker has it, else at its first record. Brings the marker up to date.

    Raises:
        OutsideError: The marker's place is not there any more, and that is not accepted.
    """
    parts = [(topic, partition) for topic, count in found.inputs.items() for partition in range(count)]
    asked_at = wall_ms()
    first = _answered(settings, admin, parts, EARLIEST, trouble, stopping)
    held = _answered(settings, admin, parts, LATEST, trouble, stopping)
    begun = []
    for topic, number in parts:
        low, high = first[topic, number], held[topic, number]
        known = marker.inputs.setdefault(topic, InputPlace(found.input_ids[topic]))
        why = ""
        if known.topic_id and found.input_ids[topic] and known.topic_id != found.input_ids[topic]:
            why = f"{topic} was made anew since ingest read it last"
            known.topic_id = found.input_ids[topic]
            known.offsets.clear()
            _accept(why, topic, accept_loss)
        if len(known.offsets) == number:
            known.offsets.append(low)
        offset = known.offsets[number]
        if offset < low:
            why = f"{topic} [{number}] begins at {low:,} now, and ingest had read up to {offset:,}: retention took {low - offset:,} offsets"
        elif offset > high:
            why = f"{topic} [{number}] ends at {high:,} now, and ingest had read up to {offset:,}: it lost its end, or was made anew"
        if not low <= offset <= high:
            _accept(why, topic, accept_loss)
            known.offsets[number] = low
        begun.append(Place(topic, number, known.offsets[number], high, asked_at))
    return begun


def _accept(why: str, topic: str, accept_loss: bool) -> None:
    if not accept_loss:
        raise OutsideError(f"{why}; restore {topic}, or start once with --accept-loss to go on with what is there")
    tell(f"{why}; going on with what is there")


def _answered(
    settings: Settings,
    admin: AdminClient,
    parts: list[tuple[str, int]],
    spec: Any,
    trouble: Trouble,
    stopping: Callable[[], bool],
) -> dict[tuple[str, int], int]:
    """Offsets of all partitions, as soon as the broker tells."""
    while parts:
        answers = list_offsets(admin, parts, spec)
        try:
            return {(part.topic, part.partition): answer.result().offset for part, answer in answers.items()}
        except KafkaException as error:
            trouble.reported(error.args[0])
            trouble.verify(admin)
            if stopping():
                raise OutsideError("stopped before Kafka answered") from error
            if not passes(error.args[0]):
                raise OutsideError(
                    f"Kafka at {settings.brokers} does not tell how far its topics go: {error.args[0].str()}; give ingest the right to "
                    "read its inputs"
                ) from error
    return {}


def new_admin(settings: Settings, trouble: Trouble) -> AdminClient:
    """A client that looks at topics."""
    return client(AdminClient, options(settings, trouble, "admin"))
