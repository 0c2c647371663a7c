"""Sojourn with a fault in it: `python -m tests.faults WHAT... -- ARGUMENTS` is `sojourn ARGUMENTS` that dies where it is told.

Each WHAT is one of

    kill:POINT:N     kill -9 of itself when a point of `flows.points` is reached for the Nth time
    stop:POINT:N     SIGSTOP there; whoever watches may send SIGCONT
    hurry:SECONDS    transactions are given up after so long
    slow:SECONDS     every point takes so long
    epoch:SECONDS    the length of a replay's epochs
    records:N        a replay reads no more in one go
    forget:marker    what the marker says is not believed: the negative control of its use
    forget:unsent    what was frozen is not sent again: the negative control of freezing

and goes for the process itself and all worker processes that it starts.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from datetime import timedelta
from time import sleep

from flows import (
    cli,
    cluster,
    input_files,
    kafka_transactions,
    live_worker,
    points,
    replay,
    transactions,
    worker_processes,
)
from state.delivery import Marker, Unsent


def install(faults: list[str]) -> None:
    """Put the faults in."""
    places: dict[str, tuple[int, signal.Signals]] = {}
    rest_s = 0.0
    for fault in faults:
        kind, _, rest = fault.partition(":")
        if kind in ("kill", "stop"):
            point, _, number = rest.rpartition(":")
            places[point] = int(number), signal.SIGKILL if kind == "kill" else signal.SIGSTOP
        elif kind == "hurry":
            transactions.TRANSACTION_S_MAX = float(rest)
        elif kind == "slow":
            rest_s = float(rest)
        elif kind == "epoch":
            replay.EPOCH = timedelta(seconds=float(rest))
        elif kind == "records":
            input_files.BATCH_RECORDS_MAX = int(rest)
        elif rest == "marker":
            kafka_transactions.read_marker = lambda *_: Marker(0)
            kafka_transactions._Sink._check = lambda *_: None  # type: ignore[method-assign,assignment]
        elif rest == "unsent":
            kafka_transactions._Sink._transact = _only_what_is_new  # type: ignore[method-assign]
            kafka_transactions._Sink._check = lambda *_: None  # type: ignore[method-assign,assignment]
        else:
            raise SystemExit(f"no such fault: {fault}")
    reached: Counter[str] = Counter()

    def hook(point: str) -> None:
        reached[point] += 1
        sleep(rest_s)
        number, how = places.get(point, (0, signal.SIGKILL))
        if reached[point] == number:
            os.kill(os.getpid(), how)

    points.at_points(hook)


_transact = kafka_transactions._Sink._transact


def _only_what_is_new(sink: kafka_transactions._Sink, unsent: Unsent) -> None:
    if sink._frozen_epoch >= 0:
        _transact(sink, unsent)


def main() -> None:
    split = sys.argv.index("--")
    faults, arguments = sys.argv[1:split], sys.argv[split + 1 :]
    install(faults)
    cluster.COMMAND = ("-m", "tests.faults", *faults, "--")
    if arguments[0] == "flows.worker_processes":
        sys.exit(worker_processes.main())
    if arguments[0] == "flows.live_worker":
        sys.exit(live_worker.main())
    sys.argv = ["sojourn", *arguments]
    cli.main()


if __name__ == "__main__":
    main()
