"""Several worker processes for one replay: started, watched, and ended together.

Processes and not threads: the work is Python, so threads would share one core. They form a Bytewax cluster over
loopback; each is `python -m flows.worker_processes`, gets its task as JSON on standard input, and tells how far it is,
and at last what it has counted, as JSON lines on standard output.
"""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import orjson

from flows.definitions import load_plan
from flows.guard import cleaned_up
from flows.input_files import Progress, UnsortedError
from flows.replay import Counts, Task, run_worker
from state.clock import monotonic_s
from state.errors import InputError, OutsideError, SojournError

_FAILURES = {"UnsortedError": UnsortedError, "InputError": InputError}


def run_workers(task: Task, progress: Progress) -> Counts:
    """Run the workers of a task to their end; give what all of them counted.

    Raises:
        OutsideError: A worker died; the others were ended.
    """
    addresses = _free_addresses(task.workers)
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
        for worker in workers:
            worker.wait()
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
    worker = subprocess.Popen(
        [sys.executable, "-m", "flows.worker_processes"],
        start_new_session=True,  # Ctrl-C is the business of whoever started them
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert worker.stdin is not None  # noqa: S101 - it was asked for
    message = {
        "files": [str(path.absolute()) for path in task.files],
        "journeys": str(task.journeys.absolute()),
        "work": str(task.work.absolute()),
        "spool": str(task.spool.absolute()) if task.spool else None,
        "workers": task.workers,
        "keep_state": task.keep_state,
        "number": number,
        "addresses": addresses,
    }
    worker.stdin.write(orjson.dumps(message))
    worker.stdin.close()
    return worker


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


def _free_addresses(count: int) -> list[str]:
    """Loopback addresses that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _main() -> int:
    """One worker."""
    message = orjson.loads(sys.stdin.buffer.read())
    task = Task(
        files=[Path(path) for path in message["files"]],
        journeys=Path(message["journeys"]),
        work=Path(message["work"]),
        spool=Path(message["spool"]) if message["spool"] else None,
        workers=message["workers"],
        keep_state=message["keep_state"],
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
        parent, last = os.getppid(), monotonic_s()
        while not over.wait(0.2):
            if os.getppid() != parent:
                os._exit(1)  # whoever started this is gone
            if monotonic_s() - last > 0.2:
                last = monotonic_s()
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
    sys.exit(_main())
