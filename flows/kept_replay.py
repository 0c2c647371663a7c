"""The state directory of a replay (`--state DIR`): what a replay that was killed goes on from.

    DIR/replay.json      which replay it is of: input, definitions, output; whether the input is sorted first; at the end, what it did
    DIR/group-00000/ ... a RocksDB for each key group; this stays when the replay is done
    DIR/work/progress/N/ Bytewax's recovery store of part N: the epoch, the position in the input, the groups' tokens, the lengths
                         of its files
    DIR/work/parts/      output that is not sorted yet
    DIR/work/sorted-input

State is a function of the input and the definitions, so a replay goes on only where both are what they were.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any

import orjson
from bytewax.recovery import init_db_dir

from flows import points
from flows.input_files import SPOOL
from state.clock import monotonic_s
from state.errors import StateError, UsageError

MANIFEST = "replay.json"
_FORMAT = 2
_FIELDS = {"files", "definitions", "out", "period", "parts", "sorted", "finished"}
_WORK = "work"

_LOCK_S_MAX = 10.0
"""Workers of a replay that was killed notice it in a fraction of a second; until then they have the lock."""


class KeptReplay:
    """An open state directory."""

    def __init__(self, directory: Path, lock: int, known: dict[str, Any]) -> None:
        """Take over a directory that is locked; `known` is its manifest."""
        self.directory = directory
        self.lock = lock
        """File descriptor of the lock: worker processes inherit it, so that nobody goes on beside one that is still there."""
        self._known = known

    @property
    def parts(self) -> int:
        """How many parts the key groups are dealt to: as many as there were workers at the first start, whatever their number now."""
        return int(self._known["parts"])

    @property
    def is_sorted_first(self) -> bool:
        """Whether the input was found not to be in order."""
        return bool(self._known["sorted"])

    @property
    def finished(self) -> dict[str, Any] | None:
        """What the replay did, if it is done."""
        found: dict[str, Any] | None = self._known["finished"]
        return found

    @property
    def work(self) -> Path:
        """Everything that is needed until the replay is done."""
        return self.directory / _WORK

    @property
    def spool(self) -> Path | None:
        """The sorted input, if it is there."""
        spool = self.work / SPOOL
        return spool if spool.exists() else None

    @property
    def progress(self) -> Path:
        """The recovery stores, one for each part."""
        return self.work / "progress"

    def prepare(self) -> None:
        """Have everything that the dataflow needs: what is there is gone on from, what is not is made."""
        (self.work / "parts").mkdir(parents=True, exist_ok=True)
        if self.progress.exists():
            return
        for path in (*self.directory.glob("group-*"), *(self.work / "parts").iterdir()):
            _remove(path)  # of a start that did not come as far as recovery stores
        unfinished = self.work / "progress.new"
        _remove(unfinished)
        for part in range(self.parts):
            (unfinished / str(part)).mkdir(parents=True)
            init_db_dir(unfinished / str(part), 1)
        points.reached("kept: before rename")
        os.replace(unfinished, self.progress)

    def sort_first(self) -> None:
        """Begin anew, with the input sorted: it is not in order."""
        self._write(sorted=True)
        points.reached("kept: sorted first")
        self.begin_anew()

    def begin_anew(self) -> None:
        """Throw away all but the manifest."""
        if self.progress.exists():
            os.replace(self.progress, self.work / "progress.old")  # first, and as a whole: nothing else is gone on from
        for path in (self.work, *self.directory.glob("group-*")):
            _remove(path)
        self.work.mkdir()

    def finish(self, what: dict[str, Any]) -> None:
        """The output is where it belongs: remember what was done, and keep the key groups alone."""
        points.reached("kept: before finishing")
        self._write(finished=what)
        points.reached("kept: finished")
        self.tidy()

    def tidy(self) -> None:
        """Remove what is of no use to a replay that is done."""
        _remove(self.work)

    def _write(self, **changed: Any) -> None:
        self._known = self._known | changed
        _write_manifest(self.directory, self._known)


@contextmanager
def kept_replay(
    directory: Path,
    files: tuple[Path, ...],
    definitions: str,
    out: Path,
    parts: int,
    period: tuple[int | None, int | None] = (None, None),
) -> Iterator[KeptReplay]:
    """Open the state directory of a replay, or make it; for one replay at a time.

    Args:
        directory: The directory; it may be new, or empty, or that of this very replay.
        files: The input.
        definitions: The hash of the definitions.
        out: The output directory.
        parts: How many parts a new one has.
        period: What the input is cut to: since and until (ms).

    Raises:
        StateError: It is of another replay, or of none.
        UsageError: It cannot be written, or another replay works there.
    """
    if directory.resolve() == out.resolve():
        raise UsageError(f"{directory}: --state and --out are one directory; name two")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory, os.O_RDONLY)
    except OSError as error:
        raise UsageError(
            f"{directory}: {error.strerror or error}; name a directory that can be written, with --state DIR"
        ) from error
    try:
        _lock(directory, lock)
        wanted = {
            "format": _FORMAT,
            "files": [[str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns] for path in files],
            "definitions": definitions,
            "out": str(out.absolute()),
            "period": list(period),
        }
        known = _read_manifest(directory)
        if known is None:
            known = wanted | {"parts": parts, "sorted": False, "finished": None}
            try:
                _write_manifest(directory, known)
            except OSError as error:
                raise UsageError(
                    f"{directory}: {error.strerror or error}; name a directory that can be written, with --state DIR"
                ) from error
        else:
            _compare(directory, known, wanted)
        yield KeptReplay(directory, lock, known)
    finally:
        os.close(lock)


def _lock(directory: Path, lock: int) -> None:
    deadline = monotonic_s() + _LOCK_S_MAX
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if monotonic_s() > deadline:
                raise UsageError(
                    f"{directory}: another replay is working there; wait for it, or name another --state DIR"
                ) from error
            sleep(0.05)
        else:
            return


def _read_manifest(directory: Path) -> dict[str, Any] | None:
    """The manifest; None in an empty directory."""
    path = directory / MANIFEST
    if not path.exists():
        # Of the manifest's own making there may be a file that was not renamed.
        if any(item.name != f"{MANIFEST}.new" for item in directory.iterdir()):
            raise StateError(
                f"{directory} is not empty, and has no {MANIFEST}: it is not the state of a replay; name a new directory"
            )
        return None
    try:
        known: dict[str, Any] = orjson.loads(path.read_bytes())
        known_format = known["format"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise StateError(f"{path} cannot be read ({error}); name a new --state directory") from error
    if known_format != _FORMAT:
        raise StateError(
            f"{path} is of format {known_format}, and this version knows {_FORMAT}; go on with the version that made it, or name a new "
            "--state directory"
        )
    missing = _FIELDS - known.keys()
    if missing:
        raise StateError(f"{path} lacks {', '.join(sorted(missing))}: it was damaged; name a new --state directory")
    return known


def _compare(directory: Path, known: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Refuse to go on where what comes out would be a mixture."""
    way_out = "give the same again to go on, or name a new --state directory"
    before, now = [item[0] for item in known["files"]], [item[0] for item in wanted["files"]]
    if before != now:
        raise StateError(f"{directory} is the state of a replay of {_named(before)}, not of {_named(now)}; {way_out}")
    for (path, size, changed), (_, size_now, changed_now) in zip(known["files"], wanted["files"], strict=True):
        if (size, changed) != (size_now, changed_now):
            what = f"it had {size:,} bytes and has {size_now:,}" if size != size_now else "it was written to"
            raise StateError(
                f"{path} has changed since {directory} was begun ({what}): what was read of it may not be what is there; name a new "
                "--state directory"
            )
    if known["definitions"] != wanted["definitions"]:
        raise StateError(
            f"{directory} is the state of a replay with other definitions (hash {known['definitions']}, now "
            f"{wanted['definitions']}); {way_out}"
        )
    if known["period"] != wanted["period"]:
        raise StateError(f"{directory} is the state of a replay with another --since or --until; {way_out}")
    if known["out"] != wanted["out"]:
        raise StateError(
            f"{directory} is the state of a replay with --out {known['out']}, not {wanted['out']}; {way_out}"
        )


def _named(paths: list[str]) -> str:
    return f"{paths[0]}" + (f" and {len(paths) - 1:,} more" if len(paths) > 1 else "") if paths else "nothing"


def _write_manifest(directory: Path, known: dict[str, Any]) -> None:
    unfinished = directory / f"{MANIFEST}.new"
    unfinished.write_bytes(orjson.dumps(known, option=orjson.OPT_INDENT_2) + b"\n")
    os.replace(unfinished, directory / MANIFEST)


def _remove(path: Path) -> None:
    """A file or a directory that may not be there; an error on the way is one of the disk."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
