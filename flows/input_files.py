"""Recorded events: JSON lines in files (`.gz` and `.zst` too), as one sequence, dealt to key groups.

The sequence is ordered by (log time, file, line), and a record's position is its ordinal in it. Files are read as they
are as long as their log times rise; `UnsortedError` says that they do not, and the whole input is then sorted on the way
(`sort_input`). A line without a usable time stays where it stands: it takes the time of the line before it.
"""

import gzip
import heapq
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, BinaryIO, NamedTuple

import zstandard
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows import points
from flows.external_sort import ExternalSort, FrameWriter, read_frames, write_all
from operators.decode import ID_CHARACTERS_MAX, address_of
from operators.log import LogItem, Tick
from operators.segment import UNREADABLE, Address, read_address
from state.errors import InputError, SojournError
from state.instants import parse_instant
from state.keygroups import GROUPS_FOR_FILES, group_of

LINE_BYTES_MAX = 256 << 20
"""A file whose line is longer is no file of JSON lines; without a bound it would be read into memory whole."""

BATCH_BYTES = 48 << 20
"""Lines read in one go: the longer a batch, the more often it finds a customer more than once, to be read and put back
once (measured with 200-byte events of 100,000 customers: 32,768 records a batch cost half as much again)."""

BATCH_SECONDS = 4.0
"""As long as a batch may take where journeys have much to do: what comes out of one is in memory together, and a second one
would be of little use to customers who were found in it already. How the input is cut changes nothing of what comes out."""

BATCH_RECORDS_MAX = 400_000
"""Of short lines: a record has about 150 bytes beside its own."""

SPOOL = "sorted-input"
"""The name of the file that `sort_input` makes."""

_BLOCK_BYTES = 1 << 20

LINE_OF_ORIGIN = (1 << 48) - 1
"""Which bits of an origin are the line; above them is the file."""

_IS_COMPILED = not __file__.endswith(".py")

_GROUPS_REMEMBERED = 0 if _IS_COMPILED else 200_000
"""Customers whose group is remembered, about 40 MB. Compiled, the hash takes 0.1 us, a tenth of what it takes to find a customer
among so many in memory; interpreted it takes longer than that."""

Line = tuple[int, int, str, bytes]
"""(log time, origin, customer id, raw bytes); origin is file << 48 | line, which count from 0 and 1."""


class Share(NamedTuple):
    """Which of the key groups one process of a replay deals to: every `parts`-th, from `part` on."""

    part: int
    parts: int

    def of(self, groups: int) -> range:
        """The groups.

        >>> list(Share(1, 3).of(8))
        [1, 4, 7]
        """
        return range(self.part, groups, self.parts)


ALL = Share(0, 1)


class UnsortedError(SojournError):
    """The log time of a line is before that of the line before it; the input must be sorted first."""


class Progress:
    """How far the reading is, for whoever shows it, and what ended it early."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Begin at nothing read."""
        self.bytes_total = sum(path.stat().st_size for path in files)
        self.bytes_read = 0
        self.records = 0
        self.log_time = 0
        self.failure: SojournError | None = None
        """The source ends as if the input did; whoever runs the dataflow looks here and throws the outcome away."""


def read_lines(path: Path, progress: Progress) -> Iterator[list[bytes]]:
    """The lines of a file, block by block, unpacked where its name says so; blank ones too, so that a line keeps its number.

    Raises:
        InputError: The file cannot be read to its end.
    """
    try:
        with path.open("rb") as raw:
            rest, before, begun = b"", 0, os.fstat(raw.fileno())
            for block in _blocks(path, raw):
                lines = (rest + block).split(b"\n")
                rest = lines.pop()
                if len(rest) > LINE_BYTES_MAX:
                    raise InputError(
                        f"{path}: a line of more than {LINE_BYTES_MAX >> 20} MiB; is this a file of JSON lines?"
                    )
                read = raw.tell()
                progress.bytes_read += read - before
                before = read
                yield lines
            ended = os.fstat(raw.fileno())
            if (ended.st_size, ended.st_mtime_ns) != (begun.st_size, begun.st_mtime_ns):
                raise InputError(
                    f"{path}: was written to while it was read (it had {begun.st_size:,} bytes and has {ended.st_size:,}): its last line "
                    "may be half a line; nothing was written, wait until its writer is done, or make a copy"
                )
            if rest:
                yield [rest]
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise InputError(
            f"{path}: cannot be read to its end: {error}; nothing was written, mend the file and start again"
        ) from error


def _blocks(path: Path, raw: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file, unpacked.

    Raises:
        EOFError: A packed file was cut off.
    """
    if path.suffix in (".gz", ".zst") and not raw.read(1):
        raise EOFError("it is empty, which no compressed file is")
    raw.seek(0)
    if path.suffix == ".zst":
        yield from _zst_blocks(raw)
        return
    file = gzip.GzipFile(fileobj=raw, mode="rb") if path.suffix == ".gz" else raw
    while block := file.read(_BLOCK_BYTES):
        yield block


def _zst_blocks(raw: BinaryIO) -> Iterator[bytes]:
    """Frame after frame. The library's own stream reader takes a file that was cut off for one that ended."""
    frame = None
    while packed := raw.read(_BLOCK_BYTES // 64):
        while packed:
            if frame is None:
                frame = zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(packed)
            packed = frame.unused_data if frame.eof else b""
            if frame.eof:
                frame = None
    if frame is not None:
        raise EOFError("the compressed file ended before its last frame did")


def file_lines(path: Path, number: int, progress: Progress, in_order: bool = False) -> Iterator[Line]:
    """The lines of one file with their addresses.

    Args:
        path: The file.
        number: Its place among the files of the input.
        progress: Told how far the reading is.
        in_order: Whether log times must rise.

    Raises:
        UnsortedError: They must, and one is before the one before it.
        InputError: The file cannot be read to its end.
    """
    time, origin = 0, number << 48
    for lines in read_lines(path, progress):
        for raw, found in zip(lines, _addresses(lines), strict=True):
            origin += 1
            if found is None:
                if raw and not raw.isspace():
                    yield time, origin, "", raw
                continue
            stamp, customer_id = found.receivedAt, found.userId
            own = parse_instant(found.timestamp if stamp is None else stamp)
            if own is None or type(customer_id) is not str or not 0 < len(customer_id) <= ID_CHARACTERS_MAX:
                customer_id, own = address_of(found)  # the rarer ways
                if own is None:
                    yield time, origin, "", raw
                    continue
            if own < time and in_order:
                line = origin & LINE_OF_ORIGIN
                raise UnsortedError(f"{path}:{line}: the log time is before that of the line before it")
            time = own
            yield own, origin, customer_id, raw


def _addresses(lines: list[bytes]) -> list[Address | None]:
    """The address of each line; None for one that cannot be read."""
    try:
        return list(map(read_address, lines))  # nearly always all can be read: one loop in C
    except UNREADABLE:
        return [_address(line) for line in lines]


def _address(line: bytes) -> Address | None:
    try:
        return read_address(line)
    except UNREADABLE:
        return None


def merged(files: Sequence[Path], progress: Progress) -> Iterator[Line]:
    """All lines of all files in the order of the sequence, for files that are in order themselves.

    Raises:
        UnsortedError: One is not.
        InputError: One cannot be read to its end.
    """
    streams = [file_lines(path, number, progress, in_order=True) for number, path in enumerate(files)]
    return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=lambda item: item[:2])


def sort_input(files: Sequence[Path], directory: Path, progress: Progress, in_order: bool = False) -> Path:
    """Sort the whole input into one file of frames in `directory`; give its path. With `in_order`, each file must be."""
    runs = directory / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    sort = ExternalSort(runs)
    for number, path in enumerate(files):
        for item in file_lines(path, number, progress, in_order):
            sort.add(item, len(item[3]) + 100)
            progress.records += 1
    spool = directory / SPOOL
    unfinished = directory / f"{SPOOL}.new"
    with unfinished.open("wb") as file:
        write_all(FrameWriter(file), iter(sort))
    runs.rmdir()
    points.reached("sort: before rename")
    os.replace(unfinished, spool)  # what has this name is whole
    return spool


def read_sorted(spool: Path, progress: Progress) -> Iterator[Line]:
    """The lines that `sort_input` wrote."""
    for item in read_frames(spool):
        progress.bytes_read += len(item[3])
        yield item


class _Dealer(StatefulSourcePartition[LogItem, int]):
    """Reads the sequence in batches and deals each record to its customer, each customer to their key group, if that is ours."""

    def __init__(
        self, lines: Iterator[Line], progress: Progress, groups: int, share: Share, ticks: bool, skip: int, until: int
    ) -> None:
        self._lines = lines
        self._until = until
        self._progress = progress
        self._groups = groups
        self._share = share
        self._skip = skip
        self._position = 0
        self._over = False
        self._group_of: dict[str, int] = {}
        self._ticks = ticks
        self._epoch, self._ticked_in = 0, -1
        # The first batch is a sample; from then on what the one before took says how long one may be.
        self._bytes_max = BATCH_BYTES // 8
        self._dealt, self._dealt_at = 0, 0.0

    def next_batch(self) -> list[LogItem]:
        """The next records, a batch for each group that has any; at the end, the time of the last to every group."""
        if self._over:
            raise StopIteration
        if self._dealt:
            took = perf_counter() - self._dealt_at
            self._bytes_max = min(BATCH_BYTES, max(BATCH_BYTES // 64, int(self._dealt * BATCH_SECONDS / took)))
        try:
            self._go_on()
            dealt = self._deal()
            self._dealt_at = perf_counter()
        except (InputError, UnsortedError) as error:
            self._progress.failure = error
            raise StopIteration from error
        if self._ticks and self._ticked_in < self._epoch:
            self._ticked_in = self._epoch
            return [(str(group), Tick(group, self._epoch)) for group in self._share.of(self._groups)] + dealt
        return dealt

    def _go_on(self) -> None:
        """Pass over what was dealt before the crash."""
        time = self._progress.log_time
        while self._position < self._skip:
            item = next(self._lines, None)
            if item is None:
                raise InputError(
                    f"the input has {self._position:,} lines, and {self._skip:,} were read from it before: it was changed; "
                    "empty the --state directory and start again"
                )
            time = item[0]
            self._position += 1
        self._progress.log_time = time

    def _deal(self) -> list[LogItem]:
        position, time = self._position, self._progress.log_time
        dealt: list[list[Any]] = [[] for _ in range(self._groups)]
        group_of_customer, groups = self._group_of, self._groups
        part, parts = self._share
        size, room, bytes_max = 0, BATCH_RECORDS_MAX, self._bytes_max
        for time, origin, customer_id, raw in self._lines:
            if _GROUPS_REMEMBERED:
                found = group_of_customer.get(customer_id)
                group = self._look_up(customer_id) if found is None else found
            else:
                group = group_of(customer_id.encode(), groups)
            position += 1
            if group % parts != part:
                continue
            dealt[group] += (customer_id, position - 1, time, time if customer_id else None, raw, origin)
            size += len(raw)
            room -= 1
            if size > bytes_max or not room:
                break
        else:
            self._over = True
            time = max(time, self._until)
        self._dealt = size
        self._position = self._progress.records = position
        self._progress.log_time = time
        return [
            (str(group), (group, position - 1, time, records, [], False))
            for group in self._share.of(self._groups)
            if (records := dealt[group]) or self._over
        ]

    def _look_up(self, customer_id: str) -> int:
        """The group of a customer, hashed; and remembered, since most come again."""
        if len(self._group_of) >= _GROUPS_REMEMBERED:
            self._group_of.clear()
        group = self._group_of[customer_id] = group_of(customer_id.encode(), self._groups)
        return group

    def snapshot(self) -> int:
        """The position of the next record; and a new epoch begins."""
        self._epoch += 1
        return self._position


class FilesSource(FixedPartitionedSource[LogItem, int]):
    """The sequence of all lines as one partition, or what of it belongs to one share of the key groups."""

    def __init__(
        self,
        lines: Iterator[Line],
        progress: Progress,
        groups: int = GROUPS_FOR_FILES,
        ticks: bool = False,
        share: Share = ALL,
        until: int = 0,
    ) -> None:
        """Read from `lines`, which are in the order of the sequence.

        Args:
            lines: All of them, whatever the share: their order and their positions are those of the whole.
            progress: Told how far the reading is.
            groups: How many key groups there are.
            ticks: Where there is a recovery store.
            share: Which of the groups are dealt to.
            until: Where the time goes at the end (ms), if it is not there yet.
        """
        self._lines = lines
        self._progress = progress
        self._groups = groups
        self._share = share
        self._ticks = ticks
        self._until = until

    def list_parts(self) -> list[str]:
        """One."""
        return ["files"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> _Dealer:
        """The partition, from the position that the recovery store has."""
        return _Dealer(
            self._lines, self._progress, self._groups, self._share, self._ticks, resume_state or 0, self._until
        )
