"""Which history a replay reads: files that were named, found in directories or by a pattern; and the time that it is cut to.

`flows.replay` calls it before it reads anything, and for each pass over the lines.
"""

import glob
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from flows.input_files import Line
from state.errors import InputError, UsageError
from state.instants import format_instant, parse_instant

_ENDINGS = tuple(kind + packed for kind in (".jsonl", ".ndjson", ".json") for packed in ("", ".gz", ".zst"))
"""Of the files that are read in a directory; one that is named by itself may have any name."""


def find_files(given: Sequence[Path], say: Callable[[str], None]) -> tuple[Path, ...]:
    """The files that are meant: directories and patterns stand for what is in them, in the order of their paths.

    Args:
        given: As named: a file, a directory (with all below it), or a pattern such as `2026-*/**/*.jsonl.gz`.
        say: Tells what is passed over.

    Raises:
        InputError: Nothing is there.
    """
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            found += _below(path, say)
        elif not path.exists() and glob.has_magic(str(path)):
            matches = sorted(match for name in glob.glob(str(path), recursive=True) if (match := Path(name)).is_file())
            if not matches:
                raise InputError(f"{path}: no file is called so; mend the pattern, or name a directory")
            found += matches
        else:
            found.append(path)
    return tuple(found)


def _below(directory: Path, say: Callable[[str], None]) -> list[Path]:
    """The files of JSON lines below a directory. What begins with a dot or an underscore is somebody's bookkeeping."""
    every = [
        path
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not any(part[0] in "._" for part in path.relative_to(directory).parts)
    ]
    found = [path for path in every if path.name.endswith(_ENDINGS)]
    if not found:
        raise InputError(
            f"{directory}: there is no file of JSON lines below it ({', '.join(_ENDINGS)}); name the files"
        )
    if len(found) < len(every):
        other = next(path for path in every if path not in set(found))
        say(
            f"{directory}: {len(every) - len(found):,} files are passed over, no JSON lines by their names: {other}, ..."
        )
    return found


def check_files(files: Sequence[Path]) -> None:
    """Refuse what cannot be opened before anything is written.

    Raises:
        InputError: A file is missing, no file, or may not be read.
    """
    for path in files:
        if path.is_dir():
            raise InputError(f"{path} is a directory; name its files, as in: {path}/*.jsonl")
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no regular file: it can be read once only; write it to a file first")
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise InputError(
                f"{path}: {error.strerror or error}; name a file of JSON lines (.jsonl, .jsonl.gz, .jsonl.zst)"
            ) from error


def instant_of(text: str | None, option: str) -> int | None:
    """The time (ms) that an option says; None where it is not given.

    >>> instant_of("2026-02-01", "--until") == instant_of("2026-02-01T01:00:00+01:00", "--until")
    True

    Raises:
        UsageError: It is no time.
    """
    if text is None:
        return None
    at = parse_instant(f"{text}T00:00:00Z" if len(text) == len("2026-02-01") else text)
    if at is None:
        raise UsageError(f"{option} {text!r} is no time; write a day (2026-02-01: its beginning in UTC), or RFC 3339")
    return at


def cut(
    lines: Iterator[Line], files: Sequence[Path], since: int | None, until: int | None, is_sorted: bool
) -> Iterator[Line]:
    """The lines of a sequence whose log time is `since` (ms) or later, and before `until`; there must be some.

    Args:
        lines: The sequence.
        files: What it is read from.
        since: None is from the beginning.
        until: None is to the end.
        is_sorted: Whether it is certain that the times rise. If not, all lines are looked at: behind one that is too late, there may
            be one that is not, and whoever reads the files says so.

    Raises:
        InputError: There is none; raised where the first would have been.
    """
    if since is not None or until is not None:
        return _within(lines, -1 if since is None else since, until, is_sorted)
    return chain.from_iterable(_some(lines, files))  # in C: this is the way of every line


def _some(lines: Iterator[Line], files: Sequence[Path]) -> Iterator[Iterable[Line]]:
    first = next(lines, None)
    if first is None:
        what = f"{files[0]} is empty" if len(files) == 1 else f"{files[0]} and {len(files) - 1:,} more are all empty"
        raise InputError(
            f"there is no event to replay: {what}; nothing was written, look at where the events come from"
        )
    yield (first,)
    yield lines


def _within(lines: Iterator[Line], since: int, until: int | None, is_sorted: bool) -> Iterator[Line]:
    first = last = 0
    is_found = False
    for line in lines:
        time = line[0]
        first, last = first or time, time or last
        if until is not None and time >= until:
            if is_sorted:
                break
        elif time >= since:
            is_found = True
            yield line
    if not is_found:
        asked = " and ".join(
            f"{name} {format_instant(at)}"
            for name, at in (("since", since), ("before", until))
            if at is not None and at >= 0
        )
        has = f"its first is of {format_instant(first)}, the last that was looked at of {format_instant(last)}"
        raise InputError(
            f"there is no event {asked} in the input ({has if first else 'it is empty'}): nothing was written; mend --since and --until"
        )
