"""The live job: the customer log on Kafka in, decisions out on Kafka, until it is stopped.

    DATA/lock                    one job at a time
    DATA/alive                   touched while the job makes progress (`sojourn health`)
    DATA/log.json                which log the state is of
    DATA/recovery/               Bytewax's recovery store: the epoch, the log's offsets, the groups' tokens
    DATA/state/group-00000/ ...  a RocksDB for each key group

State and recovery store belong together: state may be one epoch ahead, and goes back by it at the next start.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import orjson
from bytewax._bytewax import cli_main
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir

from flows.definitions import load_plan
from flows.kafka import Trouble, tell
from flows.kafka_log import KafkaLog, LogReader
from flows.kafka_out import KafkaOut
from flows.kafka_topics import Log, prepare_topics
from flows.orchestrate import build, group_opener, spare_the_collector
from flows.roll_forward import Stretches
from flows.settings import Settings
from flows.stop import Stop
from operators.key_group import KeyGroup
from state.codec import Token
from state.errors import StateError, UsageError
from state.store import StoreOptions

ALIVE = "alive"
LOG = "log.json"


def run(settings: Settings, create_topics: bool) -> None:
    """Run the job until SIGTERM or Ctrl-C.

    Raises:
        DefinitionsError: The definitions have mistakes.
        OutsideError: Kafka refuses, or a topic is not as it must be.
        StateError: The data directory is not that of this job.
        UsageError: Another job works on the data directory.
    """
    stop = Stop()
    with _locked(settings.data):
        flow, groups, reader = live_flow(settings, create_topics, stop)
        recovery = settings.data / "recovery"
        _prepare_recovery(recovery, settings.data / "state")
        tell(f"running {settings.job}: {settings.events_topic} on {settings.brokers}, state in {settings.data}")
        spare_the_collector()
        cli_main(
            flow,
            epoch_interval=timedelta(milliseconds=settings.epoch_ms),
            recovery_config=RecoveryConfig(recovery, timedelta(0)),
        )
        for group in groups:
            group.store.close(flush=True)
        reader.close()
    tell("stopped")


def live_flow(settings: Settings, create_topics: bool, stop: Stop) -> tuple[Dataflow, list[KeyGroup], LogReader]:
    """The live dataflow; the list fills with the key groups as they are opened."""
    plan = load_plan(settings.journeys)
    trouble = Trouble(settings)
    log = prepare_topics(settings, plan.channels, create_topics, trouble, stop)
    _check_log(settings.data, log)
    partitions = log.partitions
    options = StoreOptions(cache_bytes_max=settings.cache_mb << 20)
    read = Stretches(settings, trouble).read
    open_group = group_opener(plan, settings.data / "state", partitions, options, partitions, read)
    opened: list[KeyGroup] = []

    def open_and_note(group: int, at: Token | None) -> KeyGroup:
        opened.append(open_group(group, at))
        return opened[-1]

    settings.data.mkdir(parents=True, exist_ok=True)
    reader = LogReader(settings, trouble, stop, settings.data / ALIVE)
    return (
        build(KafkaLog(reader, partitions), open_and_note, KafkaOut(settings, trouble, stop, parts=1)),
        opened,
        reader,
    )


def _check_log(data: Path, log: Log) -> None:
    """Remember which log the state is of; refuse another: its positions, or its key groups, mean something else."""
    data.mkdir(parents=True, exist_ok=True)
    path = data / LOG
    if not path.exists():
        path.write_bytes(orjson.dumps({"topic": log.topic, "partitions": log.partitions, "topic_id": log.topic_id}))
        return
    known = orjson.loads(path.read_bytes())
    way_out = "go back to that log, or start with an empty --data directory to build the state anew"
    if known["partitions"] != log.partitions:
        raise StateError(
            f"{data} has the state of {known['partitions']} partitions, but {log.topic} has {log.partitions}: customers would be "
            f"in other key groups than their state (key group 0 of {known['partitions']} is not that of {log.partitions}); {way_out}"
        )
    if known["topic_id"] and log.topic_id and known["topic_id"] != log.topic_id:
        raise StateError(
            f"{data} has the state of another {known['topic']}: the topic was made anew, and positions in it mean nothing "
            f"here; {way_out}"
        )


def _prepare_recovery(recovery: Path, state: Path) -> None:
    """Make the recovery store of a new job; refuse state without one."""
    if recovery.is_dir() and any(recovery.iterdir()):
        return
    if state.is_dir() and any(state.iterdir()):
        raise StateError(
            f"{recovery} is missing, but {state} has state: without it nobody knows what was sent; restore it from a backup, or "
            "start with an empty --data directory to build the state anew from the log"
        )
    recovery.mkdir(parents=True, exist_ok=True)
    init_db_dir(recovery, 1)


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    """The data directory, for this process alone: two jobs on one recovery store would break it."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        file = (data / "lock").open("a")
    except OSError as error:
        raise UsageError(
            f"{data}: {error.strerror or error}; name a directory that can be written, with --data DIR"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(f"{data}: another job is working there; stop it, or name another --data DIR") from error
        yield
