"""Who may work on a data directory: one job, be it one process, a supervisor with its workers, or a cluster by hand.

    DATA/lock            exclusive for a job started by one command; its workers inherit it, so it is held until the last of
                         them is gone, also when whoever started them was killed. Shared by the members of a cluster by hand.
    DATA/lock-0 ...      which of those members is there
    DATA/lock-prepare    for a moment, while one of them makes what is not there yet

Two jobs on one recovery store would break it.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from state.errors import UsageError


@contextmanager
def locked(data: Path) -> Iterator[int]:
    """The directory for this job alone; gives the descriptor of the lock, for workers to inherit."""
    with _held(data, "lock", fcntl.LOCK_EX | fcntl.LOCK_NB, data) as lock:
        note_processes(lock)
        yield lock


@contextmanager
def locked_as_member(data: Path, number: int) -> Iterator[int]:
    """The directory for a cluster by hand, and in it the place of one process."""
    with (
        _held(data, "lock", fcntl.LOCK_SH | fcntl.LOCK_NB, data),
        _held(data, f"lock-{number}", fcntl.LOCK_EX | fcntl.LOCK_NB, f"{data}, process {number}") as lock,
    ):
        yield lock


@contextmanager
def one_at_a_time(data: Path) -> Iterator[None]:
    """Wait for those who are at it, then do what only one may do at a time."""
    with _held(data, "lock-prepare", fcntl.LOCK_EX, data):
        yield


def note_processes(lock: int, workers: Sequence[int] = ()) -> None:
    """Write into the lock who holds it: this process and its workers. For messages alone."""
    os.ftruncate(lock, 0)
    os.write(lock, "".join(f"{pid}\n" for pid in (os.getpid(), *workers)).encode())


@contextmanager
def _held(data: Path, name: str, how: int, what: object) -> Iterator[int]:
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = os.open(data / name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        raise UsageError(
            f"{data}: {error.strerror or error}; name a directory that can be written, with --data DIR"
        ) from error
    try:
        try:
            fcntl.flock(lock, how)
        except OSError as error:
            pids = [pid for pid in os.pread(lock, 1000, 0).decode(errors="replace").split() if _lives(pid)]
            who = f" (process {', '.join(pids)})" if pids else ""
            raise UsageError(
                f"{what}: another job is working there{who}; stop it, or name another --data DIR"
            ) from error
        yield lock
    finally:
        os.close(lock)


def _lives(pid: str) -> bool:
    """Whether there is such a process: of those that the lock names, some may be gone."""
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
