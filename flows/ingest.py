"""The dataflow before the log: topics of any key in, the customer log out, exactly once.

    the inputs       partitions of topics, as bytes     flows.ingest_inputs
      v
    sort out         decode: whose is it, or why not    operators.ingest
      v
    the log          in the order of arrival, keyed by  operators.alignment,
                     customer, with the time            flows.ingest_writer, flows.transactions

One process writes a log; where it is, is in the log's own markers, so it keeps no state and can be started anywhere. It
is also what appends `definitions` and `heartbeat` records; with `heartbeats_only` that is all that it does, for a log that
its producers write.
"""

from functools import partial

import bytewax.operators as op
from bytewax._bytewax import cli_main
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource
from bytewax.outputs import FixedPartitionedSink

from flows.definitions import read_valid
from flows.ingest_inputs import ALIVE, Held, InputItem, InputReader, Inputs
from flows.ingest_topics import IngestTopics, check_marker, new_admin, places, prepare_ingest_topics
from flows.ingest_writer import DEFINITIONS_NOW, MARKER, KafkaLogSink, LogWriter, Read, marker_topic, transactional_id
from flows.kafka import Trouble, tell
from flows.last_record import last_record
from flows.settings import Settings
from flows.stop import Stop
from flows.transactions import Transactions
from operators.alignment import Alignment
from operators.definitions_change import Change, change
from operators.ingest import SortedBatch, sort_out
from operators.log_reading import TIME
from state.codec import decode
from state.errors import OutsideError, UsageError
from state.ingest import IngestMarker


def build(
    source: FixedPartitionedSource[InputItem, None],
    value_bytes_max: int,
    sink: FixedPartitionedSink[SortedBatch, None],
) -> Dataflow:
    """The dataflow between a source of the inputs and a writer of the log."""
    flow = Dataflow("ingest")
    read = op.input("inputs", flow, source)
    told = op.map_value("sort_out", read, partial(sort_out, value_bytes_max=value_bytes_max))
    op.output("log", told, sink)
    return flow


def ingest(settings: Settings, create_topics: bool, heartbeats_only: bool, accept_loss: bool) -> None:
    """Write the log until SIGTERM or Ctrl-C.

    Args:
        settings: The inputs, the log, and where Kafka is.
        create_topics: Create the topics that are missing; inputs never are created.
        heartbeats_only: Read nothing; the log has other producers.
        accept_loss: Go on where records of an input are gone that were not read.

    Raises:
        DefinitionsError: The definitions have mistakes.
        OutsideError: Kafka refuses, or a topic is not as it must be.
        UsageError: There is nothing to read, or there should be.
    """
    stop = Stop()
    flow, reader = live_flow(settings, create_topics, heartbeats_only, accept_loss, stop)
    read = ", ".join(settings.ingest_topics) or "heartbeats only"
    tell(f"ingesting: {read} -> {settings.events_topic} on {settings.brokers}")
    cli_main(flow)
    reader.close()
    tell("stopped")


def live_flow(
    settings: Settings, create_topics: bool, heartbeats_only: bool, accept_loss: bool, stop: Stop
) -> tuple[Dataflow, InputReader]:
    """The live dataflow: 1. the topics, 2. the only writer, 3. where the last one ended, 4. the first of every input."""
    if heartbeats_only and settings.ingest_topics:
        raise UsageError(
            f"heartbeats only, and inputs ({', '.join(settings.ingest_topics)}): say one of the two; a log has one writer"
        )
    if not heartbeats_only and not settings.ingest_topics:
        raise UsageError(
            "nothing to read: name the topics, as in: sojourn ingest clicks orders (or SOJOURN_INGEST_TOPICS=clicks,orders); beside a "
            "producer that writes the log itself: sojourn ingest --heartbeats-only"
        )
    trouble = Trouble(settings)
    admin = new_admin(settings, trouble)
    found = prepare_ingest_topics(settings, create_topics, trouble, stop, admin)  # 1
    transactions = Transactions(settings, trouble, stop, transactional_id(settings), "ingest-log")
    transactions.take_over()  # 2
    marker = _marker(settings, trouble, stop, found, heartbeats_only)  # 3
    definitions = _new_definitions(settings, trouble, stop)
    begun = places(settings, admin, marker, found, accept_loss, trouble, stop)
    settings.data.mkdir(parents=True, exist_ok=True)
    partitions = {**found.inputs, settings.events_topic: found.partitions}
    held = Held(len(begun))
    reader = InputReader(settings, trouble, stop, partitions, held, settings.data / ALIVE)
    inputs: Alignment[Read] = Alignment(reader.begin(begun, marker.low), marker.low)  # 4
    writer = LogWriter(settings, transactions, marker, inputs, held, definitions)
    return build(Inputs(reader), found.value_bytes_max, KafkaLogSink(writer)), reader


def _marker(
    settings: Settings, trouble: Trouble, stop: Stop, found: IngestTopics, heartbeats_only: bool
) -> IngestMarker:
    """The marker of the last run; a new one where there was none."""
    stored = last_record(settings, trouble, marker_topic(settings), MARKER, stop)
    if stored is None or not stored.value():
        _check_is_new(settings, trouble, stop)
        return IngestMarker(0, 0, found.partitions, found.topic_id, heartbeats_only)
    marker = decode(stored.value() or b"", IngestMarker)
    check_marker(settings, marker, found, heartbeats_only)
    marker.topic_id = found.topic_id
    marker.heartbeats_only = heartbeats_only
    return marker


def _new_definitions(settings: Settings, trouble: Trouble, stop: Stop) -> Change | None:
    """The definitions to append; None where they are in the log already, or none were given.

    Raises:
        DefinitionsError: They have mistakes.
    """
    directory = settings.journeys
    if "journeys" not in settings.model_fields_set and not directory.is_dir():
        tell(f"no definitions: there is no directory {directory}; those that are in use stay in use")
        return None
    wanted = read_valid(directory)
    last = last_record(settings, trouble, marker_topic(settings), DEFINITIONS_NOW, stop)
    made = change(last.value() if last is not None else None, wanted)
    if made is None:
        return None
    for journey in made.same_version:
        tell(
            f"{directory}: the journey {journey} says something else and has the version that it had: customers inside of it go on "
            "with the new one; a new version would let them finish on the old one"
        )
    tell(f"definitions of {directory} are new ({made.hash[:8]}): appending them to every partition")
    return made


def _check_is_new(settings: Settings, trouble: Trouble, stop: Stop) -> None:
    """Refuse to begin where ingest has written: everything would be in the log twice.

    Raises:
        OutsideError: The log has a record of ingest's.
    """
    last = last_record(settings, trouble, settings.events_topic, 0, stop)  # heartbeats are in every partition
    if last is not None and TIME in dict(last.headers() or ()):
        raise OutsideError(
            f"{settings.events_topic} was written by ingest, but {marker_topic(settings)} has no marker: it was emptied or made "
            "anew, and nobody knows how far the inputs were read; restore it, or begin a new log (another SOJOURN_EVENTS_TOPIC)"
        )


def flow() -> Dataflow:
    """The live dataflow, as `python -m bytewax.run flows.ingest:flow` wants it; settings from the environment."""
    from flows.settings import read_settings  # noqa: PLC0415 - one place reads them

    return live_flow(read_settings(), False, False, False, Stop())[0]
