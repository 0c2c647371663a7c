"""What comes out, as files: one JSON-lines file for each topic, sorted, so that equal runs are equal byte for byte.

While the dataflow runs, each sink partition appends to part files of its own. Afterwards `finish` sorts the parts by
(customer, seq) into `OUT/<topic>.jsonl`: the order does not depend on workers or batches. Of profiles, only the last of
each customer is kept.

Where a replay goes on after a crash, the part files are cut back to how long they were at the end of the epoch that it
goes on from: what lies beyond is written again.
"""

import base64
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows import points
from flows.external_sort import ExternalSort, FrameWriter, read_frames
from flows.guard import cleaned_up, ends_process
from flows.input_files import LINE_OF_ORIGIN
from operators.key_group import Told
from operators.records import ACTIONS, FACTS, PROFILES, REJECTED, to_json
from state.codec import decode, encode
from state.delivery import Lengths
from state.errors import OutsideError, StateError, UsageError

_PARTS_END = ".part"

WORK = ".replay"
"""Below the output directory: everything that is not yet done."""


class _Part(StatefulSinkPartition[Told, bytes]):
    """Appends records to one part file for each topic."""

    def __init__(self, directory: Path, name: str, resume: bytes | None) -> None:
        self._directory = directory
        self._name = name
        self._files: dict[str, BinaryIO] = {}
        self._lengths = decode(resume, Lengths).files if resume is not None else {}
        self._cut_back()

    def _cut_back(self) -> None:
        """Undo what was written after the last epoch.

        Raises:
            StateError: What was written before is not there any more.
        """
        for path in self._directory.glob(f"*.{self._name}{_PARTS_END}"):
            if path.name not in self._lengths:
                path.unlink()
        for name, length in self._lengths.items():
            path = self._directory / name
            size = path.stat().st_size if path.exists() else 0
            if size < length:
                raise StateError(
                    f"{path} has {size:,} of the {length:,} bytes that were written to it: the disk has lost them, or somebody removed "
                    "them; empty the --state directory and start again"
                )
            os.truncate(path, length)

    @ends_process
    def write_batch(self, values: list[Told]) -> None:
        """Append the records of all groups of the batch."""
        points.reached("files: before write")
        by_topic: dict[str, list[tuple[Any, ...]]] = {}
        for told in values:
            for topic, key, order, value, details in told.records:
                item = (key, order, value, details) if details else (key, order, value)
                if topic in by_topic:
                    by_topic[topic].append(item)
                else:
                    by_topic[topic] = [item]
        for topic, items in by_topic.items():
            FrameWriter(self._file(topic)).write(items)

    def _file(self, topic: str) -> BinaryIO:
        file = self._files.get(topic)
        if file is None:
            file = self._files[topic] = (self._directory / f"{topic}.{self._name}{_PARTS_END}").open("ab")
        return file

    @ends_process
    def snapshot(self) -> bytes:
        """How long the files are; what is buffered is written out first."""
        for file in self._files.values():
            file.flush()
            self._lengths[Path(file.name).name] = file.tell()
        points.reached("files: after write")
        return encode(Lengths(self._lengths))

    @ends_process
    def close(self) -> None:
        """Write out what is buffered."""
        for file in self._files.values():
            file.close()


class FilesSink(FixedPartitionedSink[Told, bytes]):
    """Part files, one set for each part of a replay."""

    def __init__(self, directory: Path, part: int) -> None:
        """Write into `directory`, which must be there; `part` is in the names of the files."""
        self._directory = directory
        self._part = part

    def list_parts(self) -> list[str]:
        """The one."""
        return [str(self._part)]

    def part_fn(self, item_key: str) -> int:
        """The one."""
        return 0

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> _Part:
        """One of them, from what the recovery store has of it."""
        return ends_process(_Part)(self._directory, for_part, resume_state)


def output_files(out: Path, channels: Sequence[str]) -> list[Path]:
    """The files that `finish` writes."""
    return [out / f"{name}.jsonl" for name in _names(channels).values()]


def _names(channels: Sequence[str]) -> dict[str, str]:
    """Topic -> the name of its file."""
    actions = {ACTIONS + name: ACTIONS + name for name in channels}
    return {FACTS: "facts", PROFILES: "profiles", REJECTED: "rejected"} | actions


def finish(parts: Path, work: Path, out: Path, channels: Sequence[str], files: Sequence[Path]) -> None:
    """Sort the part files in `parts` into the files of a replay.

    Args:
        parts: Where the part files are; they stay there, so that this can be done again.
        work: Where to sort.
        out: Where to write; every file appears whole, or not at all.
        channels: All channels of the workspace: one that nothing was sent on has an empty file.
        files: The input files, by the number that an origin has.
    """
    names = _names(channels)
    for stale in set(out.glob(f"{ACTIONS}*.jsonl")) - {out / f"{name}.jsonl" for name in names.values()}:
        stale.unlink()  # of a channel that is gone: what is here is of one replay
    for topic, name in names.items():
        sort = ExternalSort(work)
        for path in sorted(parts.glob(f"{topic}.*{_PARTS_END}")):
            for item in read_frames(path):
                sort.add(item, len(item[2]) + 100)
        temporary = out / f".{name}.jsonl"
        with temporary.open("wb") as file:
            for line in _lines(topic, iter(sort), files):
                file.write(line)
                file.write(b"\n")
        points.reached("finish: before rename")
        os.replace(temporary, out / f"{name}.jsonl")


def _lines(topic: str, items: Iterable[tuple[Any, ...]], files: Sequence[Path]) -> Iterator[bytes]:
    if topic == REJECTED:
        return (_rejected(item, files) for item in items)
    if topic == PROFILES:
        return _last_of_each(items)
    return (item[2] for item in items)


def _last_of_each(items: Iterable[tuple[Any, ...]]) -> Iterator[bytes]:
    last: tuple[Any, ...] | None = None
    for item in items:
        if last is not None and last[0] != item[0]:
            yield last[2]
        last = item
    if last is not None:
        yield last[2]


def _rejected(item: tuple[Any, ...], files: Sequence[Path]) -> bytes:
    """A rejected line: reason, place and the bytes as they were, as text where they are text."""
    _, position, raw, details = item
    record = {
        "reason": details["reason"],
        "message": details["message"],
        "file": os.fsencode(files[details["origin"] >> 48]).decode(errors="replace"),
        "line": details["origin"] & LINE_OF_ORIGIN,
        "position": position,
    }
    try:
        record["raw"] = raw.decode()
    except UnicodeDecodeError:
        record["raw_base64"] = base64.b64encode(raw).decode()
    return to_json(record)


@contextmanager
def work_directory(out: Path, state: Path | None) -> Iterator[Path]:
    """`OUT/.replay`, for one replay at a time, empty at the beginning and gone at the end.

    Args:
        out: The output directory; it is made if it is not there.
        state: The state directory, where there is one: it tells how an interrupted replay is gone on with.

    Raises:
        UsageError: It cannot be written, or another replay writes there.
        OutsideError: The disk refuses.
    """
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
        goes_on = f"{state} has what was done so far, and the same command again goes on from there"
        lost = "nothing was kept or written (with --state DIR, it could be gone on with)"
        with cleaned_up(lambda: shutil.rmtree(work, ignore_errors=True), f"interrupted: {goes_on if state else lost}"):
            try:
                work.mkdir()
                yield work
            except OSError as error:
                raise OutsideError(
                    f"{error}; make room on the disk, or name another directory, and start again"
                ) from error
    finally:
        os.close(lock)
