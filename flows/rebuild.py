"""State and recovery store made anew from the log: `sojourn state rebuild`.

For a data directory that is lost, damaged, or older than the output. What was sent is known from the markers beside the output:
each tells where the key groups of one sink stood when all that had come out of them was sent. So:

1. take over the sinks, so that no job that is still about can send anything more, and read their markers;
2. bring back what checkpoints there are, none of them beyond its group's place in the markers;
3. run the dataflow over the log from there up to the markers' places, with the job's own step ids, and send nothing: Bytewax
   itself then writes the recovery store that the next start goes on from;
4. see that every group is exactly where its marker says;
5. put what was made in the place of what was there, which is kept in DATA/before-rebuild.

Until 5 nothing of the old is touched.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from bytewax._bytewax import cli_main
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir

from flows.checkpoints import Checkpoints, copies_of
from flows.data_lock import locked
from flows.definitions import load_plan
from flows.guard import cleaned_up, ends_process
from flows.kafka import Trouble, tell
from flows.kafka_log import Place
from flows.kafka_topics import prepare_topics, sinks_of
from flows.markers import read_marker, transactional_id
from flows.orchestrate import build, group_opener, spare_the_collector
from flows.roll_forward import Stretches
from flows.run import check_log
from flows.settings import Settings
from flows.stop import Stop
from flows.transactions import Transactions
from operators.key_group import KeyGroup, Told
from operators.log import Definitions, LogBatch, LogItem
from operators.log_clock import LogClock
from operators.log_reading import KEYED, STAMPED
from operators.plan import Plan
from state.codec import Token, encode
from state.customer import GroupMeta
from state.delivery import Unsent
from state.errors import StateError, UsageError
from state.look import look
from state.store import StoreOptions

BEFORE = "before-rebuild"
_WORK = ".rebuild"
_EPOCH = timedelta(seconds=2)
_AT_ONCE_MAX = 8
"""Partitions that are read at once: each has a consumer, and those have threads and buffers."""

Watch = Callable[[int, int], None]
"""Called with the positions gone through, and how many there are in all."""


@dataclass(frozen=True)
class Target:
    """How far one key group is to be led."""

    at: Token
    start: GroupMeta
    """Where its checkpoint is, or that of a group that has read nothing."""


def rebuild(settings: Settings, watch: Watch) -> None:
    """Make state and recovery store anew, up to what was sent.

    Raises:
        OutsideError: Kafka refuses; or the log does not go back far enough.
        StateError: The log is another one; or it does not lead to where the markers are.
        UsageError: A job works on the data directory; or there is nothing to go by.
    """
    if settings.delivery != "exactly_once":
        raise UsageError(
            "a job with SOJOURN_DELIVERY=at_least_once keeps no markers, so nobody knows what was sent; start it with an empty --data "
            "directory: it sends everything again, with the same action ids"
        )
    stop, work = Stop(say=_interrupt), settings.data / _WORK
    with locked(settings.data):
        plan, trouble = load_plan(settings.journeys), Trouble(settings)
        log = prepare_topics(settings, plan.channels, create=False, trouble=trouble, stopping=stop)
        sinks = sinks_of(settings, log.partitions)
        check_log(settings.data, log, sinks)
        shutil.rmtree(work, ignore_errors=True)
        with cleaned_up(lambda: shutil.rmtree(work, ignore_errors=True)):
            (work / "state").mkdir(parents=True)
            unsent = _sent(settings, trouble, stop, sinks)  # 1
            targets = _targets(settings, work / "state", unsent, log.partitions)  # 2
            _run(settings, plan, trouble, work, log.partitions, targets, unsent, watch)  # 3, 4
            _put_in_place(settings.data, work)  # 5
    tell(
        f"state and recovery store are made anew: {len(targets)} of {log.partitions} key groups stand where the output does; "
        f"what was there is in {settings.data / BEFORE}; start the job as ever"
    )


def _interrupt(_line: str) -> None:
    raise KeyboardInterrupt


def _sent(settings: Settings, trouble: Trouble, stop: Stop, sinks: int) -> dict[int, Unsent]:
    """Sink -> what it has sent, with nobody else left who could send more."""
    found = {}
    for sink in range(sinks):
        name = transactional_id(settings, sink)
        Transactions(settings, trouble, stop, name, f"sink-{sink:05}").take_over()
        marker = read_marker(settings, trouble, sink, stop)
        if marker is not None:
            found[sink] = Unsent(marker.seq, [], marker.places)
    if not any(each.places for each in found.values()):
        raise UsageError(
            f"the job {settings.job} has not sent anything on {settings.brokers}, so there is nothing to stand at; start it with an empty "
            "--data directory"
        )
    return found


def _targets(settings: Settings, state: Path, sent: dict[int, Unsent], groups: int) -> dict[int, Target]:
    """Group -> how far, and from where: the newest checkpoint that is not beyond it."""
    checkpoints = Checkpoints(settings.data, groups, 0, settings.checkpoints_kept, copies_of(settings))
    targets = {}
    for group, position, fired_through in (place for each in sent.values() for place in each.places):
        if position < 0:
            continue  # it has read nothing
        at, path = Token(group, position, fired_through), state / f"group-{group:05}"
        start = GroupMeta(group=group, groups=groups)
        if checkpoints.restore(group, at, path) is not None:
            with TemporaryDirectory(prefix="sojourn-look-", ignore_cleanup_errors=True) as scratch:
                start = look(path, Path(scratch)).meta
        targets[group] = Target(at, start)
    return targets


def _run(
    settings: Settings,
    plan: Plan,
    trouble: Trouble,
    work: Path,
    groups: int,
    targets: dict[int, Target],
    sent: dict[int, Unsent],
    watch: Watch,
) -> None:
    options = StoreOptions(cache_bytes_max=settings.cache_mb << 20)
    opener = group_opener(plan, work / "state", groups, options, groups)
    opened: list[KeyGroup] = []

    def open_group(group: int, _at: Token | None) -> KeyGroup:
        start = targets[group].start
        opened.append(opener(group, Token(group, start.position, start.fired_through)))
        return opened[-1]

    init_db_dir(_made(work / "recovery"), settings.recovery_partitions)
    spare_the_collector()
    source = _Log(Stretches(settings, trouble), groups, targets, watch)
    cli_main(
        build(source, open_group, _Nowhere(sent, sinks_of(settings, groups))),
        epoch_interval=_EPOCH,
        recovery_config=RecoveryConfig(work / "recovery", timedelta(0)),
    )
    tokens = {group.store.meta.group: group.store.token() for group in opened}
    for group in opened:
        group.store.close(flush=True)
    for number, target in targets.items():  # 4
        if tokens.get(number) != target.at:
            raise StateError(
                f"{settings.events_topic} [{number}]: the log leads to {tokens.get(number)}, but the markers say {target.at}: it is "
                "not the log that the output came from, or it lost records; restore the log, or give the job another name "
                "(SOJOURN_JOB) to begin anew"
            )


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory


def _put_in_place(data: Path, work: Path) -> None:
    """Step 5. Between two moves state or recovery store is missing: no job starts on that, and this command does again."""
    before = data / BEFORE
    shutil.rmtree(before, ignore_errors=True)
    before.mkdir()
    for name in ("recovery", "state"):
        if (data / name).exists():
            (data / name).rename(before / name)
    for name in ("state", "recovery"):
        (work / name).rename(data / name)


class _Partition(StatefulSourcePartition[LogItem, Place]):
    """One partition of the log, up to its target; then nothing more."""

    def __init__(self, log: "_Log", number: int, target: Target | None) -> None:
        self._log = log
        self._target = target
        self._number = number
        self._pieces: Iterator[LogBatch | Definitions] | None = None
        start = target.start if target is not None else GroupMeta(0, 1)
        self._clock = LogClock(start.now, start.is_stamped)

    @ends_process
    def next_batch(self) -> list[LogItem]:
        """The next batch."""
        target = self._target
        if target is None:
            raise StopIteration
        if self._pieces is None:
            if not self._log.may_begin(self._number):
                return []
            start = target.start
            if start.position < target.at.position:
                self._pieces = iter(self._log.stretches.read(start, target.at.position))
            else:  # its checkpoint is all of it; the group takes part none the less
                kind = STAMPED if start.is_stamped else KEYED
                self._pieces = iter([(self._number, start.position, start.now, [], [], kind)])
        piece = next(self._pieces, None)
        if piece is None:
            self._log.ended(self._number)
            raise StopIteration
        self._clock.now = piece[2]
        self._clock.is_stamped = piece.is_stamped if isinstance(piece, Definitions) else piece[5] == STAMPED
        self._log.went(self._number, piece[1])
        return [(str(self._number), piece)]

    def next_awake(self) -> datetime | None:
        """Later, while others are at it."""
        return datetime.now(timezone.utc) + timedelta(milliseconds=50) if self._log.is_waiting(self._number) else None

    def snapshot(self) -> Place:
        """Where the job will go on: what is in between is in the state when this run has ended."""
        target = self._target
        return (target.at.position + 1 if target else None, self._clock.now, self._clock.is_stamped)


class _Log(FixedPartitionedSource[LogItem, Place]):
    """All partitions, a few at a time."""

    def __init__(self, stretches: Stretches, groups: int, targets: dict[int, Target], watch: Watch) -> None:
        self.stretches = stretches
        self._groups = groups
        self._targets = targets
        self._at = {number: target.start.position for number, target in targets.items()}
        self._all = sum(max(target.at.position - target.start.position, 0) for target in targets.values())
        self._begun: set[int] = set()
        self._done: set[int] = set()
        self._watch = watch

    def list_parts(self) -> list[str]:
        """As the live job's source has them."""
        return [f"{number:05}" for number in range(self._groups)]

    def build_part(self, step_id: str, for_part: str, resume_state: Place | None) -> _Partition:
        """One of them."""
        return _Partition(self, int(for_part), self._targets.get(int(for_part)))

    def may_begin(self, number: int) -> bool:
        """Whether it is this partition's turn."""
        if len(self._begun) - len(self._done) >= _AT_ONCE_MAX:
            return False
        self._begun.add(number)
        return True

    def is_waiting(self, number: int) -> bool:
        """Whether its turn is still to come."""
        return number not in self._begun

    def ended(self, number: int) -> None:
        """It has no more."""
        self._done.add(number)

    def went(self, number: int, position: int) -> None:
        """It has come so far."""
        self._at[number] = position
        begun = sum(position - self._targets[each].start.position for each, position in self._at.items())
        self._watch(max(begun, 0), self._all)


class _Discarded(StatefulSinkPartition[Told, bytes]):
    """A sink that has sent all of it before."""

    def __init__(self, sent: Unsent) -> None:
        self._sent = sent

    def write_batch(self, values: list[Told]) -> None:
        """It came out before."""

    def snapshot(self) -> bytes:
        """What the sink of the live job goes on from."""
        return encode(Unsent(self._sent.seq))


class _Nowhere(FixedPartitionedSink[Told, bytes]):
    """The sinks of the live job, by their names and numbers."""

    def __init__(self, sent: dict[int, Unsent], sinks: int) -> None:
        self._sent, self._sinks = sent, sinks

    def list_parts(self) -> list[str]:
        """As the live job's sink has them."""
        return [f"{number:05}" for number in range(self._sinks)]

    def part_fn(self, item_key: str) -> int:
        """As the live job's sink has it."""
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> _Discarded:
        """One of them."""
        return _Discarded(self._sent.get(int(for_part), Unsent(0)))
