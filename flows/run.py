"""The live job: the customer log on Kafka in, decisions out on Kafka, until it is stopped.

    DATA/lock                    one job at a time (`flows.data_lock`)
    DATA/alive                   touched while the job makes progress (`sojourn health`)
    DATA/log.json                which log the state is of
    DATA/checkpoints/            of the key groups (`flows.checkpoints`)
    DATA/recovery/               Bytewax's recovery store: the epoch, the log's offsets, the groups' tokens
    DATA/state/group-00000/ ...  a RocksDB for each key group

State and recovery store belong together: state may be one epoch ahead, and goes back by it at the next start. How many
processes work on them may change from start to start: groups go where Bytewax deals them.
"""

import os
import re
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from bytewax._bytewax import cli_main
from bytewax.dataflow import Dataflow
from bytewax.recovery import InconsistentPartitionsError, RecoveryConfig, init_db_dir

from flows.checkpoints import Checkpoints, copies_of
from flows.data_lock import locked, locked_as_member, one_at_a_time
from flows.definitions import load_plan
from flows.kafka import ANEW, Trouble, tell
from flows.kafka_log import KafkaLog, LogReader
from flows.kafka_out import KafkaOut
from flows.kafka_topics import Log, prepare_topics, sinks_of
from flows.kafka_transactions import KafkaTransactions
from flows.observed import SILENCE, GroupCommitted, Listener
from flows.orchestrate import build, group_opener, spare_the_collector
from flows.recovery_store import complaint_about
from flows.roll_forward import Stretches
from flows.settings import Settings
from flows.stop import Stop
from operators.key_group import KeyGroup
from operators.plan import Plan
from state.codec import Token
from state.errors import OutsideError, StateError, UsageError
from state.store import StoreOptions

ALIVE = "alive"
LOG = "log.json"

_FREE_BYTES_MIN = 256 << 10
"""Below that an epoch does not fit on the disk."""


@dataclass(frozen=True)
class Member:
    """Which process of a cluster this one is."""

    number: int
    addresses: tuple[str, ...]
    """Of all processes, this one's too, in their order."""


def member_of(process_id: int | None, addresses: str | None, workers: int | None) -> Member | None:
    """The process of a cluster by hand that the command line describes; None where it describes none.

    >>> member_of(1, "a:2101;b:2101", None)
    Member(number=1, addresses=('a:2101', 'b:2101'))

    Raises:
        UsageError: The options do not fit each other.
    """
    if process_id is None and addresses is None:
        return None
    if process_id is None or addresses is None:
        raise UsageError(
            "--process-id and --addresses belong together: which process this is, and where all of them are"
        )
    if workers is not None:
        raise UsageError(
            "--workers starts processes, --process-id joins some that were started by hand; say one of them"
        )
    found = tuple(address.strip() for address in addresses.split(";") if address.strip())
    wrong = [address for address in found if not re.fullmatch(r".+:[0-9]{1,5}", address)]
    if wrong:
        raise UsageError(f"--addresses: {wrong[0]!r} is not HOST:PORT; name them as in 'one:2101;two:2101'")
    if process_id >= len(found):
        raise UsageError(
            f"--process-id {process_id}: there are {len(found)} addresses, so the last process is {len(found) - 1}"
        )
    return Member(process_id, found)


def run(settings: Settings, create_topics: bool, member: Member | None = None) -> None:
    """Run the job until SIGTERM or Ctrl-C.

    With `settings.workers` above 1 in that many processes, which this one starts, watches, and starts again together
    when one dies. With `member` as one process of a cluster whose others are started by hand, on the same data
    directory.

    Raises:
        DefinitionsError: The definitions have mistakes.
        OutsideError: Kafka refuses, or a topic is not as it must be.
        StateError: The data directory is not that of this job.
        UsageError: Another job works on the data directory.
    """
    stop = Stop()
    with locked_as_member(settings.data, member.number) if member else locked(settings.data) as lock:
        plan, log = prepare(settings, create_topics, stop)
        workers = f", {settings.workers} workers" if settings.workers > 1 else ""
        tell(
            f"running {settings.job}: {settings.events_topic} on {settings.brokers}, state in {settings.data}{workers}"
        )
        if settings.workers > 1 and member is None:
            from flows.supervisor import supervise  # noqa: PLC0415 - only then needed

            supervise(settings, log.partitions, stop, lock)
        else:
            work(settings, plan, log.partitions, stop, member)
    tell("stopped")


def prepare(settings: Settings, create_topics: bool, stop: Stop) -> tuple[Plan, Log]:
    """Look at everything that must be in order before a job starts, once for all its processes."""
    plan = load_plan(settings.journeys)
    log = prepare_topics(settings, plan.channels, create_topics, Trouble(settings), stop)
    with one_at_a_time(settings.data):
        check_log(settings.data, log, sinks_of(settings, log.partitions))
        _prepare_recovery(settings)
    return plan, log


def work(settings: Settings, plan: Plan, partitions: int, stop: Stop, member: Member | None = None) -> None:
    """Be one worker, until the job is stopped."""
    job = _Worker(settings, plan, partitions, stop, member)
    spare_the_collector()
    cluster: dict[str, Any] = {"process_id": member.number, "addresses": list(member.addresses)} if member else {}
    try:
        cli_main(
            job.flow,
            epoch_interval=timedelta(milliseconds=settings.epoch_ms),
            recovery_config=RecoveryConfig(settings.data / "recovery", timedelta(0)),
            **cluster,
        )
    except BaseException as error:
        # Rust's PanicException has no name here. With peers it comes from the threads that talk to them; alone, from SQLite.
        if "thread panic" in str(error):
            if shutil.disk_usage(settings.data).free < _FREE_BYTES_MIN:  # why a thread died, Bytewax does not say
                raise OutsideError(
                    f"the disk of {settings.data} is full; make room on it and start again, nothing is lost"
                ) from error
            raise OutsideError(
                "another process of the cluster is gone; start all of them again, they go on from the last epoch"
            ) from error
        if isinstance(
            error, InconsistentPartitionsError
        ):  # the look before has seen nothing; it is not the store it was
            raise StateError(
                f"{settings.data / 'recovery'}: {error}; restore {settings.data} from a backup, or rebuild the state from the log: "
                "sojourn state rebuild"
            ) from error
        if "SqliteFailure" in str(error) or type(error).__name__ == "PanicException":
            why = re.findall(r'Some\("(.+?)"\)', str(error)) or ["see above"]
            raise OutsideError(
                f"Bytewax could not write the recovery store, {settings.data / 'recovery'} ({why[0]}); make room on that disk, or mend it, "
                "and start again, nothing is lost"
            ) from error
        raise
    job.close()


def live_flow(settings: Settings, create_topics: bool, stop: Stop) -> Dataflow:
    """The live dataflow, for whoever runs it by Bytewax's own command."""
    plan, log = prepare(settings, create_topics, stop)
    return _Worker(settings, plan, log.partitions, stop).flow


class _Worker:
    """The live dataflow of one worker, and what must be closed behind it."""

    def __init__(
        self, settings: Settings, plan: Plan, partitions: int, stop: Stop, member: Member | None = None
    ) -> None:
        trouble, workers = Trouble(settings), len(member.addresses) if member else 1
        self._checkpoints = Checkpoints(
            settings.data, partitions, settings.checkpoint_every_s, settings.checkpoints_kept, copies_of(settings)
        )
        self._listener: Listener = SILENCE
        if settings.metrics_port:
            from flows.metrics import Metrics, serve  # noqa: PLC0415 - only then needed

            self._listener = Metrics(settings.data / "state")
            serve(settings.metrics_port + (member.number if member else 0), settings.metrics_address)
        self._open = group_opener(
            plan, settings.data / "state", partitions, StoreOptions(cache_bytes_max=settings.cache_mb << 20),
            stores=-(-partitions // workers), read=Stretches(settings, trouble).read, restore=self._checkpoints.restore,
        )  # fmt: skip
        self._opened: list[KeyGroup] = []
        self._reader = LogReader(settings, trouble, stop, settings.data / ALIVE, self._listener)
        kind = KafkaTransactions if settings.delivery == "exactly_once" else KafkaOut
        sink = kind(settings, trouble, stop, sinks_of(settings, partitions), self._listener)
        self.flow = build(KafkaLog(self._reader, partitions), self._open_and_note, sink, self._committed)

    def _open_and_note(self, group: int, at: Token | None) -> KeyGroup:
        self._opened.append(self._open(group, at))
        return self._opened[-1]

    def _committed(self, group: KeyGroup, seconds: float) -> None:
        """A key group has ended an epoch."""
        store, meta = group.store, group.store.meta
        self._checkpoints.committed(store)
        self._listener.committed(
            GroupCommitted(
                meta.group, seconds, meta.position, store.loaded, store.missed, store.timers_waiting(),
                dict(meta.counts), dict(meta.rejected),
                {journey: dict(channels) for journey, channels in meta.actions.items()},
            )
        )  # fmt: skip

    def close(self) -> None:
        """Give everything back, in good order."""
        for group in self._opened:
            group.store.close(flush=True)
        self._reader.close()
        self._checkpoints.close()


def check_log(data: Path, log: Log, sinks: int) -> None:
    """Remember which log the state is of; refuse another: its positions, or its key groups, mean something else."""
    path = data / LOG
    if not path.exists():
        known = {"topic": log.topic, "partitions": log.partitions, "topic_id": log.topic_id, "sinks": sinks}
        unfinished = data / f"{LOG}.new"
        unfinished.write_bytes(orjson.dumps(known))
        os.replace(unfinished, path)
        return
    known = orjson.loads(path.read_bytes())
    way_out = f"go back to that log, or {ANEW}"
    if known["partitions"] != log.partitions:
        raise StateError(
            f"{data} has the state of {known['partitions']} partitions, but {log.topic} has {log.partitions}: customers would be "
            f"in other key groups than their state (key group 0 of {known['partitions']} is not that of {log.partitions}); {way_out}"
        )
    if known["sinks"] != sinks:
        raise StateError(
            f"{data} has the state of {known['sinks']} sinks, and now there would be {sinks}: what one of them had not sent could be "
            f"lost; go back to SOJOURN_SINKS={known['sinks']}"
        )
    if known["topic_id"] and log.topic_id and known["topic_id"] != log.topic_id:
        raise StateError(
            f"{data} has the state of another {known['topic']}: the topic was made anew, and positions in it mean nothing "
            f"here; {way_out}"
        )


def _prepare_recovery(settings: Settings) -> None:
    """Make the recovery store of a new job; refuse state without one."""
    recovery, state = settings.data / "recovery", settings.data / "state"
    has_state = state.is_dir() and any(state.iterdir())
    if recovery.is_dir() and any(recovery.iterdir()):
        if not (complaint := complaint_about(recovery)):
            return
        if has_state:
            raise StateError(
                f"{complaint}: the recovery store is damaged, and without it nobody knows what was sent; restore {settings.data} from a "
                "backup, or rebuild the state from the log: sojourn state rebuild"
            )
        # A first start was killed as it made it; if that is not so, the markers refuse to let it begin anew.
        shutil.rmtree(recovery)
    if has_state:
        raise StateError(
            f"{recovery} is missing, but {state} has state: without it nobody knows how far the job is; restore it from a backup, or "
            "make both anew from the log: sojourn state rebuild"
        )
    recovery.mkdir(parents=True, exist_ok=True)
    init_db_dir(recovery, settings.recovery_partitions)
