"""Sorting what may not fit into memory: sorted runs on disk, merged.

Used for input files that are not in log-time order, and for output files, whose order must not depend on workers.
Items are tuples of text, bytes and numbers that begin with what they are sorted by.
"""

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

RUN_BYTES_MAX = 48 << 20
"""Payload of one run held in memory while it is sorted; its objects take about three times as much."""

_FRAME_ITEMS_MAX = 2_000
_FRAME_BYTES_MAX = 1 << 20
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[Any, ...]]).decode


class FrameWriter:
    """Appends tuples to a file, framed: a length of four bytes, then MessagePack of a list of tuples."""

    def __init__(self, file: BinaryIO) -> None:
        """Write to an open file; the caller closes it."""
        self._file = file

    def write(self, items: list[tuple[Any, ...]]) -> None:
        """Append one frame."""
        frame = _encode(items)
        self._file.write(len(frame).to_bytes(4, "big"))
        self._file.write(frame)


def read_frames(path: Path) -> Iterator[tuple[Any, ...]]:
    """The tuples of a file of frames, in order."""
    with path.open("rb") as file:
        while head := file.read(4):
            yield from _decode(file.read(int.from_bytes(head, "big")))


class ExternalSort:
    """Takes tuples in any order, gives them back sorted; memory stays bounded by `run_bytes_max`."""

    def __init__(self, directory: Path, run_bytes_max: int = RUN_BYTES_MAX) -> None:
        """Keep runs in `directory`, which must be there; they are removed once they are read."""
        self._directory = directory
        self._run_bytes_max = run_bytes_max
        self._run: list[tuple[Any, ...]] = []
        self._run_bytes = 0
        self._files: list[Path] = []

    def add(self, item: tuple[Any, ...], size: int) -> None:
        """Take in one tuple; `size` is roughly its bytes."""
        self._run.append(item)
        self._run_bytes += size
        if self._run_bytes > self._run_bytes_max:
            self._spill()

    def _spill(self) -> None:
        self._run.sort()
        path = self._directory / f"run-{len(self._files):05}"
        with path.open("wb") as file:
            write_all(FrameWriter(file), self._run)
        self._files.append(path)
        self._run, self._run_bytes = [], 0

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """All of them, sorted."""
        self._run.sort()
        if not self._files:
            yield from self._run
            return
        yield from heapq.merge(*(read_frames(path) for path in self._files), self._run)
        for path in self._files:
            path.unlink()


def write_all(writer: FrameWriter, items: Iterable[tuple[Any, ...]]) -> None:
    """Append all items, in frames of a bounded size."""
    iterator = iter(items)
    while frame := list(_frame(iterator)):
        writer.write(frame)


def _frame(items: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    size = 0
    for item in islice(items, _FRAME_ITEMS_MAX):
        yield item
        size += sum(len(part) for part in item if isinstance(part, (bytes, str)))
        if size > _FRAME_BYTES_MAX:
            return
