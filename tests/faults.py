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
    forget:undo      a store that is an epoch ahead stays there: the negative control of undo records
    forget:behind    a store that is behind stays there: the negative control of leading it on
    few:M:BYTES:ALL  the live job takes M records in one go and BYTES in an epoch, so that there are many epochs, and ALL
                     (about) in each process before it reads no more, and dies at a named point whenever it gets there
    note:FILE        what was killed, undone, led on and sent again is noted there, line by line

and goes for the process itself and all worker processes that it starts.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from time import sleep
from typing import Any

from flows import (
    cli,
    cluster,
    input_files,
    kafka_log,
    kafka_transactions,
    live_worker,
    points,
    replay,
    roll_forward,
    transactions,
    worker_processes,
)
from operators.key_group import KeyGroup
from state.delivery import Marker, Unsent
from state.store import KeyGroupStore


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
        elif kind == "few":
            messages, size, whole = map(int, rest.split(":"))
            kafka_log.MESSAGES_MAX = roll_forward.MESSAGES_MAX = messages
            kafka_log.EPOCH_BYTES_MAX = size
            few.let_pass(whole)
        elif kind == "note":
            note.path = Path(rest)
        elif rest == "undo":
            KeyGroupStore._undo = lambda _, meta, *__: meta  # type: ignore[method-assign]
        elif rest == "behind":
            KeyGroup.roll_forward = lambda group, _: setattr(group.store, "behind", None)  # type: ignore[method-assign]
        elif rest == "marker":
            kafka_transactions.read_marker = lambda *_: Marker(0)
            kafka_transactions._Sink._check = lambda *_: None  # type: ignore[method-assign,assignment]
        elif rest == "unsent":
            kafka_transactions._Sink._transact = _only_what_is_new  # type: ignore[method-assign]
            kafka_transactions._Sink._check = lambda *_: None  # type: ignore[method-assign,assignment]
        else:
            raise SystemExit(f"no such fault: {fault}")
    watch_recovery()
    reached: Counter[str] = Counter()

    def hook(point: str) -> None:
        reached[point] += 1
        sleep(rest_s)
        number, how = places.get(point, (0, signal.SIGKILL))
        if reached[point] == number or (number and few.are_over):
            note(f"{how.name} {point}")
            os.kill(os.getpid(), how)

    points.at_points(hook)


class Few:
    """Lets the log seem to end after so many records."""

    are_over = False

    def let_pass(self, whole: int) -> None:
        take, taken = kafka_log.LogReader.take, [0]

        def some(reader: kafka_log.LogReader, partition: int, epoch: int) -> list[Any]:
            messages = [] if self.are_over else take(reader, partition, epoch)
            taken[0] += len(messages)
            self.are_over = taken[0] >= whole
            return messages

        kafka_log.LogReader.take = some  # type: ignore[method-assign]


few = Few()


class Note:
    """Lines of a file, each written at once: the process may be killed at any time."""

    path: Path | None = None

    def __call__(self, line: str) -> None:
        if self.path is not None:
            with self.path.open("ab", buffering=0) as file:
                file.write(line.encode() + b"\n")


note = Note()


def watch_recovery() -> None:
    """Note what a start mends, and have points inside of it, which the product has no need of."""
    undo, forward, commit, transact = (
        KeyGroupStore._undo,
        KeyGroup.roll_forward,
        KeyGroup.commit,
        kafka_transactions._Sink._transact,
    )

    def noted_undo(store: KeyGroupStore, *given: Any) -> Any:
        points.reached("group: before undo")
        before = undo(store, *given)
        note(f"undo {store.path.name}")
        points.reached("group: undone")
        return before

    def noted_forward(group: KeyGroup, log: Any) -> None:
        note(f"forward {group.store.path.name}")
        forward(group, log)

    def noted_commit(group: KeyGroup) -> Any:
        if group.store.behind is not None:
            points.reached("group: led on")
        return commit(group)

    def noted_transact(sink: kafka_transactions._Sink, unsent: Unsent) -> None:
        if unsent.messages and sink._frozen_epoch < 0:
            note(f"resent {unsent.seq}")
        transact(sink, unsent)

    KeyGroupStore._undo = noted_undo  # type: ignore[method-assign]
    KeyGroup.roll_forward = noted_forward  # type: ignore[method-assign]
    KeyGroup.commit = noted_commit  # type: ignore[method-assign]
    kafka_transactions._Sink._transact = noted_transact  # type: ignore[method-assign]


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
