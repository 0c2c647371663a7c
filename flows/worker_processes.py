"""Several worker processes for one replay: started, watched, and ended together.

Each runs one part of it (`flows.replay.run_part`) and is `python -m flows.worker_processes`; it tells how far it is, and at
last what it has counted, as JSON lines on standard output. The parts know nothing of each other, so any number of workers
may do any number of parts; one that fails ends the others.
"""

import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import orjson

from flows.cluster import end_workers, read_task, start_worker
from flows.definitions import load_plan
from flows.guard import cleaned_up
from flows.input_files import Progress, UnsortedError
from flows.replay import Counts, Task, run_part
from state.errors import InputError, OutsideError, SojournError

_FAILURES = {"UnsortedError": UnsortedError, "InputError": InputError}


class _Worker:
    """A process that does one part, and what it has told so far."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None  # noqa: S101 - it was started with a pipe
        self.process = process
        self.bytes_read = self.records = self.log_time = 0
        self.failure: SojournError | None = None
        self.counted: dict[str, Any] | None = None
        self._listener = threading.Thread(target=self._listen, args=(process.stdout,), daemon=True)
        self._listener.start()

    def _listen(self, stdout: IO[bytes]) -> None:
        for line in stdout:
            if not line.startswith(b"{"):
                continue  # libraries print here, too
            message: dict[str, Any] = orjson.loads(line)
            if "records" in message:
                self.bytes_read, self.records, self.log_time = (
                    message["bytes_read"], message["records"], message["log_time"]
                )  # fmt: skip
            if message.get("failure"):
                self.failure = _FAILURES.get(message["failure"], SojournError)(message["message"])
            if "counts" in message:
                self.counted = message

    def take_in(self) -> None:
        """Hear the last words of a process that has ended."""
        self._listener.join()
        if self.process.stdout:
            self.process.stdout.close()


def run_workers(task: Task, workers: int, progress: Progress) -> Counts:
    """Run all parts of a task to their end, so many at a time; give what all of them counted.

    What fails one part by its input is in `progress.failure`.

    Raises:
        OutsideError: A worker died; the others were ended.
    """
    waiting = list(range(task.count))
    started: list[_Worker] = []

    def end_all() -> None:  # also called by a signal in the midst of a wait, so it waits for nothing itself
        for worker in started:
            worker.process.kill()

    try:
        with cleaned_up(end_all):
            running: list[_Worker] = []
            while (waiting or running) and progress.failure is None:
                while waiting and len(running) < workers:
                    running.append(_Worker(_start(task, waiting.pop(0))))
                    started.append(running[-1])
                _wait(running)
                _tell(started, task.count, progress)
    finally:
        end_workers([worker.process for worker in started])
        for worker in started:
            worker.take_in()
    _tell(started, task.count, progress)
    counts = Counts()
    for worker in started:
        if worker.counted is not None:
            counts.add(worker.counted["counts"], worker.counted["rejected"], worker.counted["actions"])
        elif progress.failure is None:
            raise OutsideError(
                "a worker process ended without a word of what it had done; the replay was given up, start it again"
            )
    return counts


def _start(task: Task, part: int) -> "subprocess.Popen[bytes]":
    message = {
        "files": [str(path.absolute()) for path in task.files],
        "journeys": str(task.journeys.absolute()),
        "groups": str(task.groups.absolute()),
        "parts": str(task.parts.absolute()),
        "count": task.count,
        "spool": str(task.spool.absolute()) if task.spool else None,
        "recovery": str(task.recovery.absolute()) if task.recovery else None,
        "lock": task.lock,
        "since": task.since,
        "until": task.until,
        "assume_sorted": task.assume_sorted,
        "part": part,
    }
    inherits = [task.lock] if task.lock is not None else []
    return start_worker("flows.worker_processes", message, stdout=subprocess.PIPE, inherits=inherits)


def _wait(running: list[_Worker]) -> None:
    """For a moment, or until one has ended well, which is then no longer running.

    Raises:
        OutsideError: One has not.
    """
    for worker in running:
        try:
            status = worker.process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
        if status:
            raise OutsideError(f"a worker process ended with status {status}; the replay was given up, start it again")
        running.remove(worker)
        return


def _tell(started: list[_Worker], parts: int, progress: Progress) -> None:
    """Each part reads the whole input, so how far the replay is is the mean; what fails one fails all."""
    progress.bytes_read = sum(worker.bytes_read for worker in started) // parts
    progress.records = sum(worker.records for worker in started) // parts
    progress.log_time = max((worker.log_time for worker in started), default=0)
    for worker in started:
        if worker.failure is not None and progress.failure is None:
            progress.failure = worker.failure


def main() -> int:
    """One worker."""
    message = read_task()
    task = Task(
        files=[Path(path) for path in message["files"]],
        journeys=Path(message["journeys"]),
        groups=Path(message["groups"]),
        parts=Path(message["parts"]),
        count=message["count"],
        spool=Path(message["spool"]) if message["spool"] else None,
        recovery=Path(message["recovery"]) if message["recovery"] else None,
        lock=message["lock"],
        since=message["since"],
        until=message["until"],
        assume_sorted=message["assume_sorted"],
    )
    progress = Progress(task.files)
    told = threading.Lock()

    def tell(**details: object) -> None:
        with told:
            sys.stdout.buffer.write(orjson.dumps(details) + b"\n")
            sys.stdout.buffer.flush()

    def tell_progress() -> None:
        tell(
            bytes_read=progress.bytes_read, records=progress.records, log_time=progress.log_time,
            failure=type(progress.failure).__name__ if progress.failure else None, message=str(progress.failure),
        )  # fmt: skip

    over = threading.Event()

    def keep_telling() -> None:
        while not over.wait(0.2):
            tell_progress()

    threading.Thread(target=keep_telling, daemon=True).start()
    try:
        counts = run_part(task, load_plan(task.journeys), progress, message["part"])
    except SojournError as error:
        print(f"sojourn: {error}", file=sys.stderr)  # noqa: T201 - this process's own error line
        return error.exit_status
    over.set()
    tell_progress()
    tell(counts=counts.counts, rejected=counts.rejected, actions=counts.actions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
