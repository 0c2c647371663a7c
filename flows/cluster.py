"""Worker processes on one machine: how one is started and told what to do, and how it ends with whoever started it.

Processes and not threads: the work is Python, so threads would share one core. Those of the live job form a Bytewax
cluster over loopback; those of a replay have nothing to say to each other. A worker gets its task as one line of JSON on
standard input, which stays open: that it closes tells the worker that whoever started it is gone, however that went, and
a line on it asks the worker to stop. So there is no time at which a worker cannot be reached: a signal would end one that
does not listen yet.

Used by `flows.worker_processes` (replay) and `flows.supervisor` (the live job).
"""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import IO, Any

import orjson

WILL_NOT_MEND = 78
"""Exit status of a worker that would only fail again (`EX_CONFIG` of sysexits.h). All others may be started again."""

COMMAND = ("-m",)
"""What Python is given before the name of a worker's module; tests of crashes put a module of theirs in between."""


def free_addresses(count: int) -> list[str]:
    """Loopback addresses that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    finally:
        for each in sockets:
            each.close()


def start_worker(
    module: str,
    task: dict[str, Any],
    stdout: "IO[bytes] | int | None" = None,
    stderr: "IO[bytes] | int | None" = None,
    inherits: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start `python -m MODULE` and hand it a task.

    Args:
        module: Has `read_task` called in it.
        task: What JSON can hold.
        stdout: As `subprocess.Popen` has it.
        stderr: As `subprocess.Popen` has it.
        inherits: File descriptors that the worker has open, too, under the same numbers, for as long as it lives.
    """
    worker = subprocess.Popen(  # noqa: S603 - a module of ours
        [sys.executable, *COMMAND, module],
        start_new_session=True,  # Ctrl-C is the business of whoever started them
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        pass_fds=inherits,
        # What this process imports, and not what lies in the current directory: that may be another build of the same.
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            "PYTHONSAFEPATH": "1",
        },
    )
    try:
        _write(worker, orjson.dumps(task) + b"\n")
    except BaseException:
        end_workers([worker])
        raise
    return worker


def ask_to_stop(worker: "subprocess.Popen[bytes]") -> None:
    """Ask a worker to finish its epoch and end."""
    _write(worker, b"stop\n")


def _write(worker: "subprocess.Popen[bytes]", line: bytes) -> None:
    assert worker.stdin is not None  # noqa: S101 - `start_worker` asked for it
    try:
        worker.stdin.write(line)
        worker.stdin.flush()
    except BrokenPipeError:
        return  # it has ended, which `wait` tells better


def end_workers(workers: "Sequence[subprocess.Popen[bytes]]") -> None:
    """End them as a crash would, and wait until they are gone."""
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.wait()
        if worker.stdin:
            try:
                worker.stdin.close()
            except BrokenPipeError:
                continue  # what could not be written before is of no use now


def read_task(on_stop: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """In a worker: what it is to do. From now on it ends when whoever started it does.

    Args:
        on_stop: Called, in a thread of its own, when the worker is asked to stop.
    """
    # Unbuffered: a thread that waits in a buffered read holds a lock that Python wants when it ends.
    stdin = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - open as long as the process
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = stdin.readline()
        if not piece:
            os._exit(1)
        line += piece

    def listen() -> None:
        while os.read(0, 4096):
            on_stop()
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    task: dict[str, Any] = orjson.loads(line)
    return task
