"""What no protocol can mend: full disks, flipped bits, files cut short, a log that lost records. One clear line, nothing wrong sent.

Each test has a job that has done a part of a log, something happens to what it left, and it starts again. Whatever a reader has
by then must be the beginning of what the oracle says; and after the way out that the line names, all of it.
"""

from __future__ import annotations

import copy
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from state.errors import StateError
from tests.crash.group_state import group_path, position
from tests.crash.harness import Report, Round, create_topics
from tests.flows.test_run import PARTITIONS, WAIT_S_MAX, Job, Place, eventually
from tests.kafka.broker import Broker, missing

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f"needs a Kafka of its own: {missing()}"),
]

PART = ("few:20:4000:600", "kill:group: after write:60")
SOME = ("few:20:4000:400",)


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.fixture(scope="module")
def log(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Round:
    made = Round(broker, tmp_path_factory.mktemp("log"), seed=21, cycles=0)
    made.prepare()
    return made


class Scene:
    """A job over the log of a round, with topics and a directory of its own."""

    def __init__(self, log: Round, directory: Path) -> None:
        self.round = copy.copy(log)
        self.round.directory, self.round.data = directory, directory / "data"
        self.round.place, self.round.report = Place(log.place.client), Report()
        self.data = self.round.data
        create_topics(self.round.place)
        self._jobs = 0
        self._started: list[Job] = []

    def start(self, *faults: str, epoch_ms: int = 20, **more: str) -> Job:
        self._jobs += 1
        more = {"SOJOURN_EPOCH_MS": str(epoch_ms)} | more
        self._started.append(self.round.start(self.round.place, self.data, f"job-{self._jobs}", [*faults], [], more))
        return self._started[-1]

    def end(self) -> None:
        """No job outlives its test, however that ended."""
        for job in self._started:
            if job.process.poll() is None:
                job.process.kill()
                job.process.wait()

    def killed(self) -> None:
        """A part of the log is done, and the job was killed."""
        assert self.start(*PART).end() == -signal.SIGKILL

    def stopped(self) -> None:
        """A part of the log is done, and the job was stopped: all is in RocksDB's files."""
        job = self.start(*SOME)
        job.until_it_says("running")
        self.until_done(300, job)
        job.ends_well()

    def until_done(self, records: int, job: Job) -> None:
        """Wait until the groups have gone so far, all together."""

        def is_done() -> bool:
            assert job.process.poll() is None, job.said()
            with suppress(StateError):  # one is just being made
                return sum(position(self.group(group)) for group in range(PARTITIONS)) > records
            return False

        eventually(is_done, f"{records} records are done", also=job.said)

    def group(self, number: int) -> Path:
        return group_path(self.data, number)

    def refused(self) -> str:
        """It ends with one line, which is given, and what was sent by then is right."""
        job = self.start()
        assert job.end() == 1, job.said()
        self.sent_nothing_wrong()
        *before, last = job.lines()
        assert all(line.startswith("sojourn: ") for line in before), job.said()
        return last

    def sent_nothing_wrong(self) -> None:
        with self.round.tap(self.round.place) as tap:
            self.round.look("so far", tap, with_state=False)
        assert self.round.report.wrong == []

    def ends_right(self) -> None:
        """The next start does all that is left, and everything is as the oracle has it."""
        self.round.finish(self.round.place, self.data, "final")
        with self.round.tap(self.round.place) as tap:
            self.round.compare("at the end", self.round.place, self.data, tap)
        assert self.round.report.wrong == []


@pytest.fixture
def scene(log: Round, tmp_path: Path) -> Iterator[Scene]:
    made = Scene(log, tmp_path)
    yield made
    made.end()


def flip(path: Path, at: int, count: int = 4) -> None:
    stored = bytearray(path.read_bytes())
    stored[at : at + count] = bytes(byte ^ 0x5A for byte in stored[at : at + count])
    path.write_bytes(stored)


def largest_group(scene: Scene) -> Path:
    return max((scene.group(number) for number in range(PARTITIONS)), key=position)


# --- RocksDB -------------------------------------------------------------------------------------------------------------


def test_flipped_bits_in_the_write_ahead_log(scene: Scene) -> None:
    """RocksDB goes back to the last epoch before them; from there the group is led on through the log."""
    scene.killed()
    log = max(largest_group(scene).glob("*.log"), key=lambda path: path.stat().st_size)
    flip(log, log.stat().st_size // 2)
    scene.ends_right()
    assert "the state is behind; reading the log again" in (scene.round.directory / "final.txt").read_text()


@pytest.mark.parametrize("family", ["customers", "meta"])
def test_flipped_bits_in_a_table(scene: Scene, family: str) -> None:
    """One line; without the group's directory, as it says, the next start rebuilds it."""
    scene.stopped()
    group = largest_group(scene)
    tables = [table for table in group.glob("*.sst") if family.encode() in table.read_bytes()]
    assert tables
    for table in tables:
        flip(table, 20)
    said = scene.refused()
    assert f"{group}: RocksDB cannot read the state: Corruption" in said
    assert "delete it: what is not there is rebuilt from the log" in said
    shutil.rmtree(group)
    scene.ends_right()


def test_a_table_that_is_cut_short(scene: Scene) -> None:
    scene.stopped()
    group = largest_group(scene)
    for table in group.glob("*.sst"):
        os.truncate(table, table.stat().st_size // 2)
    assert f"{group}: RocksDB cannot open the state: Corruption" in scene.refused()
    shutil.rmtree(group)
    scene.ends_right()


# --- the recovery store --------------------------------------------------------------------------------------------------


def emptied(recovery: Path) -> None:
    os.truncate(recovery / "part-0.sqlite3", 0)
    (recovery / "part-0.sqlite3-wal").unlink()


def cut(recovery: Path) -> None:
    os.truncate(recovery / "part-1.sqlite3", (recovery / "part-1.sqlite3").stat().st_size // 2)
    (recovery / "part-1.sqlite3-wal").unlink()


def gone(recovery: Path) -> None:
    (recovery / "part-2.sqlite3").unlink()


def without_logs(recovery: Path) -> None:
    """As a copy that was made without them: older than all that happened since."""
    for path in recovery.glob("*-wal"):
        path.unlink()


def cut_logs(recovery: Path) -> None:
    for path in recovery.glob("*-wal"):
        os.truncate(path, path.stat().st_size // 2)


def of_two_moments(recovery: Path) -> None:
    """The file with the workers' progress is older than the others, as when its log alone is cut."""
    for path in recovery.glob("part-*.sqlite3"):
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE fronts SET worker_frontier = worker_frontier - 10")


@pytest.mark.parametrize("damage", [emptied, cut, gone, of_two_moments])
def test_a_recovery_store_that_is_damaged(scene: Scene, damage: Callable[[Path], None]) -> None:
    scene.killed()
    damage(scene.data / "recovery")
    said = scene.refused()
    assert "the recovery store is damaged, and without it nobody knows what was sent" in said
    assert "sojourn state rebuild" in said


@pytest.mark.parametrize("damage", [without_logs, cut_logs])
def test_a_recovery_store_that_went_back(scene: Scene, damage: Callable[[Path], None]) -> None:
    """Whole, but older than the state and the output: refused, because going on would send things twice."""
    scene.killed()
    damage(scene.data / "recovery")
    said = scene.refused()
    assert any(
        words in said
        for words in (
            "is older than the output",
            "there is no way from one to the other",
            "knows of no output",
            "is not of one moment",  # where the logs of its files were cut unevenly
        )
    )


# --- the disk and the log ------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(
            ["umount", "--lazy", str(path)], check=True
        )  # a test that fails leaves its job running for a moment


@pytest.mark.parametrize("size", ["1500k", "3m"])
def test_a_full_disk(scene: Scene, size: str) -> None:
    """Whoever meets it first, RocksDB or the recovery store: the last line says it, and with room the job goes on."""
    with small_disk(scene.data, size):
        job = scene.start("few:20:4000:9999")
        assert job.end() == 1, job.said()
        assert job.lines()[-1].startswith("sojourn: "), job.said()
        assert "make room on" in job.lines()[-1]
        assert "Traceback" not in job.said()
        scene.sent_nothing_wrong()
        subprocess.run(["mount", "-o", "remount,size=64m", str(scene.data)], check=True)
        scene.ends_right()


def test_a_full_disk_passes(scene: Scene) -> None:
    """Workers are started again with patience: where somebody makes room meanwhile, nobody need do anything else."""
    with small_disk(scene.data, "1500k"):
        more = {"SOJOURN_WORKERS": "2", "SOJOURN_RESTART_WAIT_S": "0.5", "SOJOURN_RESTARTS_MAX": "20"}
        job = scene.start("few:20:4000:9999", **more)
        job.until_it_says("make room on")
        job.until_it_says("all start again from the last epoch")
        subprocess.run(["mount", "-o", "remount,size=64m", str(scene.data)], check=True)
        scene.until_done(1_000, job)
        job.ends_well()
        scene.ends_right()


def test_files_that_must_not_grow(scene: Scene) -> None:
    """A quota, as a limit of the process: every write beyond it fails."""
    job = scene.start("few:20:4000:9999")
    job.until_it_says("running")
    scene.until_done(0, job)
    resource.prlimit(job.process.pid, resource.RLIMIT_FSIZE, (40_000, 40_000))
    assert job.end() == 1, job.said()
    assert job.lines()[-1].startswith("sojourn: "), job.said()
    scene.sent_nothing_wrong()
    scene.ends_right()


def test_a_log_that_retention_has_cut(broker: Broker, tmp_path: Path) -> None:
    """Not read yet, or needed again for a group whose directory is lost: refused, never jumped over."""
    log = Round(broker, tmp_path / "log", seed=22, cycles=0)
    log.prepare()
    scene = Scene(log, tmp_path)
    scene.killed()
    group = largest_group(scene)
    number, at = int(group.name[-5:]), position(group)
    delete_before(broker, log.events, number, max(at - 5, 1))
    shutil.rmtree(group)
    said = scene.refused()
    assert f"{log.events} [{number}]: the state goes up to -1, but the log begins at" in said
    assert "retention took what lies between" in said


def delete_before(broker: Broker, topic: str, partition: int, offset: int) -> None:
    admin = AdminClient({**broker.client, "log_level": 0})
    for future in admin.delete_records([TopicPartition(topic, partition, offset)]).values():
        future.result(WAIT_S_MAX)


# --- power ---------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace (apt-get install strace)")
def test_what_is_fsynced_when(scene: Scene, tmp_path: Path) -> None:
    """As state/README.md has it: the recovery store at every epoch; the key groups' logs only when files change."""
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", str(trace)]
    probe = subprocess.run([*strace, "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"strace may not trace here: {probe.stderr.strip()}")
    job = scene.start(f"note:{tmp_path / 'epochs'}", *SOME, epoch_ms=50)
    attached = subprocess.Popen([*strace, "-p", str(job.process.pid)], stderr=subprocess.DEVNULL)
    try:
        scene.until_done(300, job)
        job.ends_well()
    finally:
        attached.terminate()
        attached.wait(WAIT_S_MAX)
    calls = trace.read_text().splitlines()
    recovery = [call for call in calls if ".sqlite3-wal>" in call]
    groups = [call for call in calls if "/state/group-" in call and ".log>" in call]
    assert len(recovery) > 100
    assert len(groups) <= 3 * PARTITIONS, groups
