"""Several worker processes for one replay: started, watched, and ended together.

They form a cluster (`flows.cluster`); each is `python -m flows.worker_processes`, and tells how far it is, and at last
what it has counted, as JSON lines on standard output.
"""

import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import orjson

from flows.cluster import end_workers, free_addresses, read_task, start_worker
from flows.definitions import load_plan
from flows.guard import cleaned_up
from flows.input_files import Progress, UnsortedError
from flows.replay import Counts, Task, run_worker
from state.errors import InputError, OutsideError, SojournError

_FAILURES = {"UnsortedError": UnsortedError, "InputError": InputError}


def run_workers(task: Task, progress: Progress) -> Counts:
    """Run the workers of a task to their end; give what all of them counted.

    Raises:
        OutsideError: A worker died; the others were ended.
    """
    addresses = free_addresses(task.workers)
    workers = [_start(task, number, addresses) for number in range(task.workers)]
    counts = Counts()
    told: list[bool] = []
    listeners = [
        threading.Thread(target=_listen, args=(worker.stdout, progress, counts, told), daemon=True)
        for worker in workers
    ]
    for listener in listeners:
        listener.start()

    def end_all() -> None:  # also called by a signal in the midst of a wait, so it waits for nothing itself
        for worker in workers:
            worker.kill()

    try:
        with cleaned_up(end_all):
            _wait(workers)
    finally:
        end_workers(workers)
        for listener in listeners:
            listener.join()
        for worker in workers:
            if worker.stdout:
                worker.stdout.close()
    if len(told) < task.workers:
        raise OutsideError(
            "a worker process ended without a word of what it had done; the replay was given up, start it again"
        )
    return counts


def _start(task: Task, number: int, addresses: list[str]) -> "subprocess.Popen[bytes]":
    message = {
        "files": [str(path.absolute()) for path in task.files],
        "journeys": str(task.journeys.absolute()),
        "groups": str(task.groups.absolute()),
        "parts": str(task.parts.absolute()),
        "sinks": task.sinks,
        "spool": str(task.spool.absolute()) if task.spool else None,
        "workers": task.workers,
        "recovery": str(task.recovery.absolute()) if task.recovery else None,
        "lock": task.lock,
        "number": number,
        "addresses": addresses,
    }
    inherits = [task.lock] if task.lock is not None else []
    return start_worker("flows.worker_processes", message, stdout=subprocess.PIPE, inherits=inherits)


def _wait(workers: "list[subprocess.Popen[bytes]]") -> None:
    """Until all have ended well, or one has not."""
    waiting = list(workers)
    while waiting:
        for worker in waiting:
            try:
                status = worker.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            if status:
                raise OutsideError(
                    f"a worker process ended with status {status}; the replay was given up, start it again"
                )
            waiting.remove(worker)
            break


def _listen(stdout: IO[bytes], progress: Progress, counts: Counts, told: list[bool]) -> None:
    """Take in what one worker tells."""
    for line in stdout:
        if not line.startswith(b"{"):
            continue  # Timely prints here, too, when the other worker is a little slower to start
        message: dict[str, Any] = orjson.loads(line)
        if "records" in message:
            progress.bytes_read = message["bytes_read"]
            progress.records = message["records"]
            progress.log_time = message["log_time"]
        if message.get("failure"):
            progress.failure = _FAILURES.get(message["failure"], SojournError)(message["message"])
        if "counts" in message:
            told.append(True)
            counts.add(message["counts"], message["rejected"], message["actions"])


def main() -> int:
    """One worker."""
    message = read_task()
    task = Task(
        files=[Path(path) for path in message["files"]],
        journeys=Path(message["journeys"]),
        groups=Path(message["groups"]),
        parts=Path(message["parts"]),
        sinks=message["sinks"],
        spool=Path(message["spool"]) if message["spool"] else None,
        workers=message["workers"],
        recovery=Path(message["recovery"]) if message["recovery"] else None,
        lock=message["lock"],
    )
    progress = Progress(task.files)
    told = threading.Lock()

    def tell(**details: object) -> None:
        with told:
            sys.stdout.buffer.write(orjson.dumps(details) + b"\n")
            sys.stdout.buffer.flush()

    def tell_progress() -> None:
        if progress.records or progress.failure:  # only the worker that reads has any
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
        counts = run_worker(task, load_plan(task.journeys), progress, message["number"], message["addresses"])
    except SojournError as error:
        print(f"sojourn: {error}", file=sys.stderr)  # noqa: T201 - this process's own error line
        return error.exit_status
    over.set()
    tell_progress()
    tell(counts=counts.counts, rejected=counts.rejected, actions=counts.actions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
