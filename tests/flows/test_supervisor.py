"""The supervisor with workers that follow a script: who is started again, how often, when it gives up, and its stop."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import supervisor
from flows.cluster import WILL_NOT_MEND, ask_to_stop, end_workers, start_worker
from flows.data_lock import locked
from flows.settings import Settings
from flows.stop import Stop
from flows.supervisor import Patience, supervise
from state.errors import OutsideError, UsageError

ROOT = Path(__file__).resolve().parents[2]


class AskedOnce(Stop):
    """Asks to stop as soon as a condition holds, without signals."""

    def __init__(self, when: Callable[[], bool] = lambda: False) -> None:
        self.asked = False
        self._when = when

    def __call__(self) -> bool:
        self.asked = self.asked or self._when()
        return self.asked


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "MODULE", "tests.flows.scripted_worker")


def scripts(data: Path, *words: str) -> None:
    for number, each in enumerate(words):
        (data / f"script-{number}").write_text(each)


def lives(data: Path, number: int) -> int:
    path = data / f"lives-{number}"
    return len(path.read_text().split()) if path.exists() else 0


def settings(data: Path, workers: int = 2, restarts_max: int = 3, healthy_s: float = 300) -> Settings:
    return Settings(
        data=data, workers=workers, restarts_max=restarts_max, restart_wait_s=0.01, restart_wait_s_max=0.02,
        restart_healthy_s=healthy_s,
    )  # fmt: skip


def run(given: Settings, stop: Stop) -> None:
    with locked(given.data) as lock:
        supervise(given, 4, stop, lock)


def test_one_dies_and_all_start_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The one that lived is ended, too: what a cluster has done of an epoch is no use without the dead one's part."""
    scripts(tmp_path, "work", "kill 7 work")
    run(settings(tmp_path), AskedOnce(lambda: lives(tmp_path, 1) == 3))
    said = capfd.readouterr().err.splitlines()
    told = [line for line in said if "all start again" in line]
    assert told == [
        "sojourn: worker 1 was killed by signal 9; all start again from the last epoch in 0.01 s (1 of at most 3)",
        "sojourn: worker 1 ended with status 7; all start again from the last epoch in 0.02 s (2 of at most 3)",
    ]
    assert "sojourn: worker 1: says kill" in said


def test_what_others_say_is_told_of_the_one_that_died_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A worker that is ended because another died says pages, too, and they mislead."""
    scripts(tmp_path, "work", "7 work")
    run(settings(tmp_path), AskedOnce(lambda: lives(tmp_path, 1) == 2))
    before, _, _ = capfd.readouterr().err.partition("all start again")
    assert "sojourn: worker 1: a page of Rust" in before
    assert "worker 0: a page of Rust" not in before


def test_it_gives_up_after_so_many_deaths_in_a_row(tmp_path: Path) -> None:
    scripts(tmp_path, "1", "work")
    with pytest.raises(OutsideError, match="died 4 times in a row"):
        run(settings(tmp_path), AskedOnce())
    assert lives(tmp_path, 0) == 4


def test_workers_that_lived_for_a_while_begin_the_count_anew(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A death a day is no reason to give up after a week."""
    scripts(tmp_path, "1 1 1 1 1 1 work", "work")
    run(settings(tmp_path, healthy_s=0), AskedOnce(lambda: lives(tmp_path, 0) == 7))
    assert capfd.readouterr().err.count("(1 of at most 3)") == 6


def test_what_does_not_mend_is_not_tried_again(tmp_path: Path) -> None:
    scripts(tmp_path, "work", str(WILL_NOT_MEND))
    with pytest.raises(OutsideError, match=r"worker 1 ended with status 78: starting it again would not help"):
        run(settings(tmp_path), AskedOnce())
    assert lives(tmp_path, 1) == 1


def test_the_cause_counts_and_not_what_followed(tmp_path: Path) -> None:
    """Both have ended by the time anybody looks; the one that will not mend decides."""
    dead = [supervisor.Death(0, 1), supervisor.Death(1, WILL_NOT_MEND), supervisor.Death(2, -9)]
    assert supervisor._cause(dead).number == 1
    assert supervisor._cause(dead[::2]).number == 2
    assert supervisor._cause(dead[:1]).number == 0


def test_a_stop_ends_well_when_all_have_finished(tmp_path: Path) -> None:
    scripts(tmp_path, "work", "work")
    run(settings(tmp_path), AskedOnce(lambda: lives(tmp_path, 0) == lives(tmp_path, 1) == 1))


def test_a_stop_in_the_rest_between_two_starts(tmp_path: Path) -> None:
    """Nobody is there to be asked, and nobody is started any more."""
    scripts(tmp_path, "1", "work")
    given = Settings(data=tmp_path, workers=2, restart_wait_s=1_000, restart_wait_s_max=1_000)
    asked = iter([False] * 3)  # the first looks after the death

    def when() -> bool:
        return lives(tmp_path, 0) == 1 and not any(_alive(tmp_path, n) for n in (0, 1)) and next(asked, True)

    run(given, AskedOnce(when))
    assert lives(tmp_path, 0) == 1


def _alive(data: Path, number: int) -> bool:
    path = data / f"lives-{number}"
    return path.exists() and Path(f"/proc/{path.read_text().split()[-1]}").exists()


def test_a_worker_that_dies_while_it_should_finish_is_told(tmp_path: Path) -> None:
    scripts(tmp_path, "work", "7")
    with pytest.raises(OutsideError, match=r"worker 1 ended with status 7 before its epoch was finished"):
        run(settings(tmp_path), AskedOnce(lambda: lives(tmp_path, 1) == 1 and not _alive(tmp_path, 1)))


def test_the_rests_grow_up_to_a_bound() -> None:
    patience = Patience(restarts_max=10**6, wait_s_first=0.5, wait_s_max=60, healthy_s=300)
    rests = [patience.wait_s(deaths) for deaths in (1, 2, 3, 7, 8, 9, 10**6)]
    assert rests == [0.5, 1, 2, 32, 60, 60, 60]


# --- a worker and whoever started it


def test_a_worker_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """Killed, too: nothing but the pipe between them tells it, at once."""
    scripts(tmp_path, "work")
    program = (
        "import sys, time; from flows.cluster import start_worker\n"
        "from pathlib import Path; data = Path(sys.argv[1])\n"
        "worker = start_worker('tests.flows.scripted_worker', {'number': 0, 'settings': {'data': sys.argv[1]}})\n"
        "print(worker.pid, flush=True); time.sleep(1000)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        parent.stdout.readline()
        while b"a page" not in parent.stderr.readline():  # it has begun
            assert parent.poll() is None
        parent.kill()
        assert parent.stderr.read() == b""  # it has ended, without a word: the pipe is closed at its other end


def test_the_lock_is_held_while_a_worker_has_it(tmp_path: Path) -> None:
    """Whoever took the lock may be gone: as long as one of its workers lives, nobody else starts."""
    scripts(tmp_path, "work")
    task = {"number": 0, "settings": {"data": str(tmp_path)}}
    with locked(tmp_path) as lock:
        worker = start_worker("tests.flows.scripted_worker", task, stderr=subprocess.DEVNULL, inherits=[lock])
    try:
        with pytest.raises(UsageError, match="another job is working there"), locked(tmp_path):
            pass
    finally:
        ask_to_stop(worker)
        assert worker.wait(60) == 0
        end_workers([worker])
    with locked(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
