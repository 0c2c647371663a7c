"""Replay: the dataflow over recorded events.

    files -> (sorted on the way if they are not) -> the dataflow, in one or more worker processes -> part files
          -> sorted output files, summary.json

Everything on the way lives in `OUT/.replay`; output files appear whole at the end, so a replay that fails leaves those
of the one before as they were.
"""

import fcntl
import os
import resource
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from bytewax._bytewax import cli_main

from flows.definitions import load_plan
from flows.guard import cleaned_up
from flows.input_files import FilesSource, Line, Progress, UnsortedError, check_files, merged, read_sorted, sort_input
from flows.orchestrate import build, group_opener, spare_the_collector
from flows.output_files import FilesSink, finish
from operators.key_group import KeyGroup
from operators.plan import Plan
from state.clock import monotonic_s
from state.codec import Token
from state.errors import OutsideError, SojournError, StateError, UsageError
from state.keygroups import GROUPS_FOR_FILES
from state.store import StoreOptions

EPOCH = timedelta(seconds=5)
"""How often state is written: rarer is fewer writes of a busy customer, and more of them in memory until then (Flink's jobs
usually have 10 s or more)."""

FILES_MERGED_MAX = 200
"""Files that are open at once; beyond, they are sorted together first. 64 stores need most of the usual 1,024."""

WORK = ".replay"
"""Below the output directory: everything that is not yet done."""


@dataclass(frozen=True)
class Request:
    """What is to be replayed."""

    files: tuple[Path, ...]
    journeys: Path
    out: Path
    workers: int = 1
    state: Path | None = None
    """Where to keep the state; None throws it away at the end."""


@dataclass
class Counts:
    """What key groups have counted; adds up over groups and workers."""

    counts: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    actions: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, counts: dict[str, int], rejected: dict[str, int], actions: dict[str, dict[str, int]]) -> None:
        """Add those of one group, or of one worker."""
        self.counts.update(counts)
        self.rejected.update(rejected)
        for journey, channels in actions.items():
            self.actions.setdefault(journey, Counter()).update(channels)


@dataclass
class Summary:
    """What a replay did; `summary.json` is this."""

    counts: Counts
    seconds: float
    memory_bytes_peak: int
    workers: int
    sorted_input: bool
    log_time_last: int

    def as_json(self) -> dict[str, Any]:
        """The names of the file."""
        counts = self.counts.counts
        return {
            "events_read": counts["records"],
            "accepted": counts["accepted"],
            "rejected": counts["rejected"],
            "duplicates": counts["duplicates"],
            "rejected_by_reason": dict(sorted(self.counts.rejected.items())),
            "customers": counts["customers"],
            "actions": sum(sum(channels.values()) for channels in self.counts.actions.values()),
            "actions_by_journey_and_channel": {
                name: dict(sorted(c.items())) for name, c in sorted(self.counts.actions.items())
            },
            "seconds": round(self.seconds, 3),
            "events_per_second": round(counts["records"] / self.seconds) if self.seconds else 0,
            "memory_bytes_peak": self.memory_bytes_peak,
            "workers": self.workers,
            "sorted_input": self.sorted_input,
        }


Watch = Callable[[Progress], None]
"""Called a few times a second with how far the reading is."""


def replay(request: Request, watch: Watch = lambda _: None, say: Callable[[str], None] = lambda _: None) -> Summary:
    """Run a replay to its end.

    Args:
        request: What is to be replayed.
        watch: Shows progress.
        say: Tells a person what takes longer than expected, and why.

    Raises:
        InputError: The input or the definitions cannot be read.
        DefinitionsError: The definitions have mistakes.
        UsageError: The output directory is in use.
        StateError: The state directory is not empty, or the disk fails.
    """
    started = monotonic_s()
    check_files(request.files)
    plan = load_plan(request.journeys)
    if request.state is not None:
        _check_state(request.state, request.out)
    with _work_directory(request.out) as work:
        progress, spool = Progress(request.files), None
        if len(request.files) <= FILES_MERGED_MAX:
            counts = _run(request, plan, work, None, progress, watch)
            unsorted = isinstance(progress.failure, UnsortedError)
            reason = str(progress.failure)
        else:
            unsorted, reason = True, f"{len(request.files):,} files are more than are merged as they are"
        if unsorted:
            say(f"{reason}: sorting the input first")
            progress = Progress(request.files)
            with _watched(progress, watch):
                spool = sort_input(request.files, work, progress)
            progress.bytes_total, progress.bytes_read, progress.records = spool.stat().st_size, 0, 0
            counts = _run(request, plan, work, spool, progress, watch)
        if progress.failure is not None:
            raise progress.failure
        finish(work / "parts", request.out, plan.channels, request.files)
        if request.state is not None:
            _hand_over(work / "state", request.state)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if request.workers > 1:
        memory += resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * request.workers
    unit = 1 if sys.platform == "darwin" else 1024
    return Summary(
        counts, monotonic_s() - started, memory * unit, request.workers, spool is not None, progress.log_time
    )


def _run(request: Request, plan: Plan, work: Path, spool: Path | None, progress: Progress, watch: Watch) -> Counts:
    """One pass of the dataflow over the input, from nothing."""
    for name in ("parts", "state"):
        shutil.rmtree(work / name, ignore_errors=True)
        (work / name).mkdir()
    task = Task(request.files, request.journeys, work, spool, request.workers, keep_state=request.state is not None)
    with _watched(progress, watch):
        if request.workers == 1:
            return run_worker(task, plan, progress)
        from flows.worker_processes import run_workers  # noqa: PLC0415 - only then needed

        return run_workers(task, progress)


@dataclass(frozen=True)
class Task:
    """What one worker of a replay needs to know."""

    files: Sequence[Path]
    journeys: Path
    work: Path
    spool: Path | None
    """The sorted input; None where the files are in order themselves."""
    workers: int
    keep_state: bool


def run_worker(
    task: Task, plan: Plan, progress: Progress, process: int = 0, addresses: list[str] | None = None
) -> Counts:
    """Run one worker in this process until the input ends; give what its key groups counted."""
    lines: Iterator[Line] = read_sorted(task.spool, progress) if task.spool else merged(task.files, progress)
    options = StoreOptions(write_ahead_log=task.keep_state)
    open_group = group_opener(plan, task.work / "state", GROUPS_FOR_FILES, options, GROUPS_FOR_FILES // task.workers)
    opened: list[KeyGroup] = []

    def open_and_note(group: int, at: Token | None) -> KeyGroup:
        opened.append(open_group(group, at))
        return opened[-1]

    flow = build(FilesSource(lines, progress), open_and_note, FilesSink(task.work / "parts", task.workers))
    spare_the_collector()
    cluster: dict[str, Any] = {"process_id": process, "addresses": addresses} if addresses else {}
    cli_main(flow, epoch_interval=EPOCH, **cluster)
    counts = Counts()
    for group in opened:
        meta = group.store.meta
        counts.add(meta.counts, meta.rejected, meta.actions)
        group.store.close(flush=task.keep_state)
    return counts


@contextmanager
def _watched(progress: Progress, watch: Watch) -> Iterator[None]:
    """Call `watch` a few times a second while the block runs, and once at its end."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            watch(progress)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        watch(progress)


@contextmanager
def _work_directory(out: Path) -> Iterator[Path]:
    """`OUT/.replay`, for one replay at a time, empty at the beginning and gone at the end."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        # The directory itself is what is locked: a lock file would have to be removed, and somebody may wait on it.
        lock = os.open(out, os.O_RDONLY)
    except OSError as error:
        raise UsageError(
            f"{out}: {error.strerror or error}; name a directory that can be written, with --out DIR"
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"{out}: another replay is writing there; wait for it, or name another --out DIR"
            ) from error
        work = out / WORK
        shutil.rmtree(work, ignore_errors=True)
        with cleaned_up(lambda: shutil.rmtree(work, ignore_errors=True)):
            try:
                work.mkdir()
                yield work
            except OSError as error:
                raise OutsideError(
                    f"{error}; make room on the disk, or name another directory, and start again"
                ) from error
    finally:
        os.close(lock)


def _check_state(state: Path, out: Path) -> None:
    """Refuse a state directory that will not do, before anything is done."""
    if state.resolve() == out.resolve():
        raise UsageError(f"{state}: --state and --out are one directory; name two")
    try:
        state.mkdir(parents=True, exist_ok=True)
        if any(state.iterdir()):
            raise StateError(
                f"{state} is not empty, and this version cannot go on from kept state; name a new directory"
            )
    except OSError as error:
        raise UsageError(
            f"{state}: {error.strerror or error}; name a directory that can be written, with --state DIR"
        ) from error


def _hand_over(made: Path, state: Path) -> None:
    """Move the groups where they were asked for, which may be another disk."""
    for group in sorted(made.iterdir()):
        shutil.move(group, state / group.name)


def write_summary(summary: Summary, out: Path) -> None:
    """`OUT/summary.json`."""
    import orjson  # noqa: PLC0415

    (out / "summary.json").write_bytes(orjson.dumps(summary.as_json(), option=orjson.OPT_INDENT_2) + b"\n")


__all__ = ["Counts", "Request", "SojournError", "Summary", "Task", "replay", "run_worker", "write_summary"]
