"""The worker processes of a live job on one machine: one dies, all start again together.

A Bytewax cluster fails as one: what a dead worker did of an epoch is gone, so the others end, too, and all go on from the
last epoch that is durable. What the supervisor adds is patience with a bound: it waits longer after each death in a row,
gives up after so many, and begins to count anew when the workers have lived for a while.

Workers inherit the descriptor of the data directory's lock. Killed with its workers still there, the supervisor leaves
them the lock; they notice that it is gone (`flows.cluster`) and end, and nobody can start beside them before.
"""

import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from flows.cluster import WILL_NOT_MEND, ask_to_stop, end_workers, free_addresses, start_worker
from flows.data_lock import note_processes
from flows.kafka import OURS, tell
from flows.settings import Settings
from flows.stop import Stop
from state.clock import monotonic_s
from state.errors import OutsideError

MODULE = "flows.live_worker"

_LOOK_EVERY_S = 0.05

_HELD_BACK_LINES_MAX = 200
_HELD_BACK_S = 5.0


@dataclass(frozen=True)
class Patience:
    """How often, and after which rest, dead workers are started again."""

    restarts_max: int
    """In a row."""
    wait_s_first: float
    wait_s_max: float
    healthy_s: float
    """After so long without a death, the next one is the first again."""

    def wait_s(self, deaths: int) -> float:
        """The rest after this many deaths in a row: twice as long each time, up to the longest.

        >>> [Patience(10, 1.0, 20.0, 300.0).wait_s(deaths) for deaths in range(1, 7)]
        [1.0, 2.0, 4.0, 8.0, 16.0, 20.0]
        """
        return min(self.wait_s_first * float(2 ** min(deaths - 1, 30)), self.wait_s_max)


def supervise(settings: Settings, partitions: int, stop: Stop, lock: int) -> None:
    """Keep the workers of a job running until it is stopped.

    Args:
        settings: Of the job; the workers get them as they are.
        partitions: Of the customer log.
        stop: Whether the job was asked to stop.
        lock: The descriptor of the data directory's lock.

    Raises:
        OutsideError: The workers died again and again, or of something that starting again does not mend.
    """
    patience = Patience(
        settings.restarts_max, settings.restart_wait_s, settings.restart_wait_s_max, settings.restart_healthy_s
    )
    deaths = 0
    while True:
        began = monotonic_s()
        death = _run_once(settings, partitions, stop, lock)
        if death is None:
            return
        deaths = 1 if monotonic_s() - began > patience.healthy_s else deaths + 1
        if stop():
            raise OutsideError(f"{death} before its epoch was finished; nothing is lost, the next start does it again")
        if death.status == WILL_NOT_MEND:
            raise OutsideError(f"{death}: starting it again would not help; see its line above")
        if deaths > patience.restarts_max:
            raise OutsideError(
                f"{death}: the workers have died {deaths} times in a row; mend what they say above and start again "
                "(nothing is lost), or raise SOJOURN_RESTARTS_MAX"
            )
        wait_s = patience.wait_s(deaths)
        tell(
            f"{death}; all start again from the last epoch in {wait_s:g} s ({deaths} of at most {patience.restarts_max})"
        )
        if not _rest(wait_s, stop):
            return


def _rest(wait_s: float, stop: Stop) -> bool:
    """Wait; whether nobody asked to stop."""
    over = threading.Event()
    until = monotonic_s() + wait_s
    while not stop() and monotonic_s() < until:
        over.wait(_LOOK_EVERY_S)
    return not stop()


@dataclass(frozen=True)
class Death:
    """How a worker ended that should not have."""

    number: int
    status: int

    def __str__(self) -> str:
        how = f"was killed by signal {-self.status}" if self.status < 0 else f"ended with status {self.status}"
        return f"worker {self.number} {how}"


def _run_once(settings: Settings, partitions: int, stop: Stop, lock: int) -> Death | None:
    """Start all workers and watch them until all have ended well (None), or one has not; then no worker is left."""
    addresses = free_addresses(settings.workers)
    workers: list[subprocess.Popen[bytes]] = []
    says: list[_Says] = []
    try:
        for number in range(settings.workers):
            task = {
                "settings": settings.model_dump(mode="json"),
                "partitions": partitions,
                "number": number,
                "addresses": addresses,
            }
            workers.append(start_worker(MODULE, task, subprocess.DEVNULL, subprocess.PIPE, [lock]))
            says.append(_Says(number, workers[-1].stderr))
        note_processes(lock, [worker.pid for worker in workers])
        death = _watch(workers, says, stop)
    finally:
        end_workers(workers)
        for each in says:
            each.join()
    if death is not None:
        says[death.number].tell_held_back()
    return death


def _watch(workers: "Sequence[subprocess.Popen[bytes]]", says: "Sequence[_Says]", stop: Stop) -> Death | None:
    """Until all have ended well, or one has not."""
    tick, asked = threading.Event(), False
    while True:
        if stop() and not asked:
            asked = True
            for worker in workers:
                ask_to_stop(worker)
        if any(worker.poll() for worker in workers):
            # One of them may only have followed another into death, which by this second look is seen, too.
            return _cause([Death(number, worker.poll() or 0) for number, worker in enumerate(workers) if worker.poll()])
        if all(worker.poll() == 0 for worker in workers):
            return None
        for each in says:
            each.tell_held_back(_HELD_BACK_S)
        tick.wait(_LOOK_EVERY_S)


def _cause(dead: Sequence[Death]) -> Death:
    """The death that the others only followed: one that nothing mends, else a kill, else the first."""
    return min(dead, key=lambda death: (death.status != WILL_NOT_MEND, death.status > 0, death.number))


class _Says:
    """What one worker says: its own lines at once, with its number; others (Rust's, when a peer dies) are held back.

    A worker that dies because another did says pages of no use; the one that died first says why. What is held back
    from a worker that lives on is told after a moment.
    """

    def __init__(self, number: int, stderr: IO[bytes] | None) -> None:
        assert stderr is not None  # noqa: S101 - the worker was started with a pipe
        self._number = number
        self._stderr = stderr
        self._held: deque[tuple[float, str]] = deque(maxlen=_HELD_BACK_LINES_MAX)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        for line in self._stderr:
            text = line.decode(errors="replace").rstrip()
            if text.startswith(OURS):
                tell(f"worker {self._number}: {text.removeprefix(OURS)}")
            elif text:
                self._held.append((monotonic_s(), text))

    def tell_held_back(self, longer_than_s: float = 0.0) -> None:
        """Tell what was held back for so long."""
        while self._held and monotonic_s() - self._held[0][0] >= longer_than_s:
            tell(f"worker {self._number}: {self._held.popleft()[1]}")

    def join(self) -> None:
        """Take in the last words of a worker that has ended."""
        self._thread.join()
        self._stderr.close()
