"""Replay: the dataflow over recorded events.

    files -> (sorted on the way if they are not) -> the dataflow, once for each part of the key groups -> part files
          -> sorted output files, summary.json

Each part is a dataflow of its own that reads the whole input and deals to its own key groups alone. So worker processes
have nothing to say to each other: what reading costs is less than what it costs to hand records from one to the other.

Everything on the way lives in `OUT/.replay`; output files appear whole at the end, so a replay that fails leaves those
of the one before as they were. With a state directory everything lives there instead, and a replay that was killed goes
on from the last epoch that was durable (`flows.kept_replay`).
"""

import resource
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from bytewax._bytewax import cli_main
from bytewax.recovery import RecoveryConfig

from flows.definitions import load_plan
from flows.history import check_files, cut, find_files
from flows.input_files import (
    FilesSource,
    Line,
    Progress,
    Share,
    UnsortedError,
    merged,
    read_sorted,
    sort_input,
)
from flows.kept_replay import KeptReplay, kept_replay
from flows.orchestrate import build, group_opener, spare_the_collector
from flows.output_files import FilesSink, finish, output_files, work_directory
from operators.key_group import KeyGroup
from operators.plan import Plan
from state.clock import monotonic_s
from state.codec import Token
from state.errors import InputError, StateError
from state.keygroups import GROUPS_FOR_FILES
from state.store import StoreOptions

EPOCH = timedelta(seconds=5)
"""How often state is written: rarer is fewer writes of a busy customer, and more of them in memory until then (Flink's jobs
usually have 10 s or more)."""

FILES_MERGED_MAX = 200
"""Files that are open at once; beyond, they are sorted together first. 64 stores need most of the usual 1,024."""


@dataclass(frozen=True)
class Request:
    """What is to be replayed."""

    files: tuple[Path, ...]
    journeys: Path
    out: Path
    workers: int = 1
    state: Path | None = None
    """Where to keep the state, and go on from if it is there; None throws it away at the end."""
    since: int | None = None
    """Lines before this log time (ms) are left out."""
    until: int | None = None
    """Lines from this log time on (ms) are left out, and the time goes on to it."""
    assume_sorted: bool = False
    """Whether input that is not in the order of its times is refused, instead of sorted first."""


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

    def kept(self) -> dict[str, Any]:
        """What `from_kept` makes the summary of again."""
        counts = {"counts": self.counts.counts, "rejected": self.counts.rejected, "actions": self.counts.actions}
        return {**vars(self), "counts": counts}

    @classmethod
    def from_kept(cls, kept: dict[str, Any]) -> "Summary":
        """The summary that `kept` gave."""
        counts = Counts()
        counts.add(**kept["counts"])
        return cls(**{**kept, "counts": counts})


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
        StateError: The state directory is that of another replay.
    """
    started = monotonic_s()
    request = replace(request, files=find_files(request.files, say))
    check_files(request.files)
    plan = load_plan(request.journeys)
    with ExitStack() as stack:
        kept = None
        if request.state is not None:
            kept = stack.enter_context(
                kept_replay(
                    request.state,
                    request.files,
                    plan.hash,
                    request.out,
                    request.workers,
                    (request.since, request.until),
                )
            )
        work = stack.enter_context(work_directory(request.out, request.state))
        if kept is not None and kept.finished is not None:
            kept.tidy()
            return _finished_before(request, kept.finished, plan, say)
        counts, was_sorted = _run_in_order(request, plan, work, kept, watch, say)
        finish(kept.work / "parts" if kept else work / "parts", work, request.out, plan.channels, request.files)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if request.workers > 1:
            memory += resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * request.workers
        unit = 1 if sys.platform == "darwin" else 1024
        seconds = monotonic_s() - started
        summary = Summary(counts, seconds, memory * unit, request.workers, was_sorted)
        if kept is not None:
            kept.finish(summary.kept())
    return summary


def _finished_before(request: Request, what: dict[str, Any], plan: Plan, say: Callable[[str], None]) -> Summary:
    """A replay that is done is not done again.

    Raises:
        StateError: Its output is gone.
    """
    missing = [path for path in output_files(request.out, plan.channels) if not path.exists()]
    if missing:
        raise StateError(
            f"{request.state} is the state of this replay, which is done, but {missing[0]} is not there any more; to do it again, name a "
            "new --state directory"
        )
    say(f"{request.state} is the state of this replay, which is done: nothing to do")
    return Summary.from_kept(what)


def _run_in_order(
    request: Request, plan: Plan, work: Path, kept: KeptReplay | None, watch: Watch, say: Callable[[str], None]
) -> tuple[Counts, bool]:
    """The dataflow over the input in the order of its times; sorts it first if it must.

    Raises:
        InputError: The input cannot be read.
    """
    progress = Progress(request.files)
    too_many = len(request.files) > FILES_MERGED_MAX
    unsorted = too_many or (kept is not None and kept.is_sorted_first)
    reason = (
        f"{len(request.files):,} files are more than are merged as they are"
        if too_many
        else "the input is not in order"
    )
    if not unsorted:
        counts = _run(request, plan, work, kept, None, progress, watch)
        if not isinstance(progress.failure, UnsortedError):
            if progress.failure is not None:
                raise progress.failure
            return counts, False
        if request.assume_sorted:
            raise _refused(progress.failure)
        reason = str(progress.failure)
    progress = Progress(request.files)
    spool = kept.spool if kept is not None else None
    if spool is None:
        say(f"{reason}: sorting the input first")
        if kept is not None:
            kept.sort_first()
        with _watched(progress, watch):
            directory = kept.work if kept is not None else work
            try:
                spool = sort_input(request.files, directory, progress, request.assume_sorted)
            except UnsortedError as error:
                raise _refused(error) from error
    progress.bytes_total, progress.bytes_read, progress.records = spool.stat().st_size, 0, 0
    counts = _run(request, plan, work, kept, spool, progress, watch)
    if progress.failure is not None:
        raise progress.failure
    return counts, True


def _refused(why: UnsortedError) -> InputError:
    return InputError(
        f"{why}, but --assume-sorted says that there is nothing to sort; nothing was written, leave it out to have it sorted"
    )


def _run(
    request: Request,
    plan: Plan,
    work: Path,
    kept: KeptReplay | None,
    spool: Path | None,
    progress: Progress,
    watch: Watch,
) -> Counts:
    """One pass of the dataflow over the input: from nothing, or from where the kept state is."""
    if kept is not None:
        kept.prepare()
        parts, groups, recovery, lock = kept.work / "parts", kept.directory, kept.progress, kept.lock
    else:
        parts, groups, recovery, lock = work / "parts", work / "state", None, None
        for path in (parts, groups):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
    count = kept.parts if kept is not None else request.workers
    task = Task(
        request.files,
        request.journeys,
        groups,
        parts,
        count,
        spool,
        recovery,
        lock,
        request.since,
        request.until,
        request.assume_sorted,
    )
    with _watched(progress, watch):
        if request.workers > 1:
            from flows.worker_processes import run_workers  # noqa: PLC0415 - only then needed

            return run_workers(task, request.workers, progress)
        counts = Counts()
        for part in range(count):  # more than one only where there were more workers at the first start
            progress.bytes_read = progress.records = progress.log_time = 0
            counts.add(**vars(run_part(task, plan, progress, part)))
            if progress.failure is not None:
                break
        return counts


@dataclass(frozen=True)
class Task:
    """What a part of a replay needs to know."""

    files: Sequence[Path]
    journeys: Path
    groups: Path
    """Where the key groups are."""
    parts: Path
    """Where the part files are."""
    count: int
    """How many parts there are."""
    spool: Path | None
    """The sorted input; None where the files are in order themselves."""
    recovery: Path | None
    """The recovery stores; None where nothing is kept."""
    lock: int | None
    """A file descriptor that every worker holds open: see `flows.kept_replay`."""
    since: int | None = None
    until: int | None = None
    assume_sorted: bool = False
    """All three of the request."""


def run_part(task: Task, plan: Plan, progress: Progress, part: int) -> Counts:
    """Run one part in this process until the input ends; give what its key groups counted."""
    lines: Iterator[Line] = read_sorted(task.spool, progress) if task.spool else merged(task.files, progress)
    lines = cut(lines, task.files, task.since, task.until, task.assume_sorted or task.spool is not None)
    keep = task.recovery is not None
    options = StoreOptions(write_ahead_log=keep)
    open_group = group_opener(plan, task.groups, GROUPS_FOR_FILES, options, GROUPS_FOR_FILES // task.count)
    opened: list[KeyGroup] = []

    def open_and_note(group: int, at: Token | None) -> KeyGroup:
        opened.append(open_group(group, at))
        return opened[-1]

    source = FilesSource(lines, progress, ticks=keep, share=Share(part, task.count), until=task.until or 0)
    flow = build(source, open_and_note, FilesSink(task.parts, part))
    spare_the_collector()
    recovery = RecoveryConfig(task.recovery / str(part), timedelta(0)) if task.recovery is not None else None
    cli_main(flow, epoch_interval=EPOCH, recovery_config=recovery)
    counts = Counts()
    for group in opened:
        meta = group.store.meta
        counts.add(meta.counts, meta.rejected, meta.actions)
        group.store.close(flush=keep)
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


def write_summary(summary: Summary, out: Path) -> None:
    """`OUT/summary.json`."""
    import orjson  # noqa: PLC0415

    (out / "summary.json").write_bytes(orjson.dumps(summary.as_json(), option=orjson.OPT_INDENT_2) + b"\n")


__all__ = ["Counts", "Request", "Summary", "Task", "replay", "run_part", "write_summary"]
