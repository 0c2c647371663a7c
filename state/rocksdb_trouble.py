"""What RocksDB cannot do: told as an error that says what to do next, and never taken for an end of the data.

rocksdict raises bare `Exception`s, and its iterators do not even do that. Used by `state.store`.
"""

from collections.abc import Iterator
from pathlib import Path

from rocksdict import Rdict

from state.errors import OutsideError, StateError


def trouble(path: Path, what: str, error: Exception) -> StateError | OutsideError:
    """RocksDB cannot (open, read, write ...) the state in `path`.

    A full disk is trouble of the world outside: it passes, and whoever starts workers again may do so then.

    >>> type(trouble(Path("g"), "write", Exception("IO error: No space left on device: g/4.log"))).__name__
    'OutsideError'
    >>> type(trouble(Path("g"), "read", Exception("Corruption: block checksum mismatch"))).__name__
    'StateError'
    """
    why = " ".join(str(error).split())  # one line
    kind = OutsideError if _is_full(why) else StateError
    return kind(f"{path}: RocksDB cannot {what} the state: {why}; {_advice(why)}")


def entries(path: Path, family: Rdict, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a column family from `start` on.

    Not `Rdict.items()`, nor `keys()`: at a block that cannot be read those just end, as if there were no more.

    Raises:
        StateError: There is more, and it cannot be read.
    """
    walk = family.iter()
    walk.seek(start)
    while walk.valid():
        yield walk.key(), walk.value()
        walk.next()
    try:
        walk.status()
    except Exception as error:
        raise trouble(path, "read", error) from error


def _is_full(error: str) -> bool:
    return "No space" in error or "File too large" in error


def _advice(error: str) -> str:
    """What to do next about an error of RocksDB, as far as its text tells."""
    if _is_full(error):
        return "make room on the disk and start again; nothing is lost"
    if "Corruption" in error:
        return "restore the directory from a backup, or delete it: what is not there is rebuilt from the log as the job starts"
    if "/LOCK" in error:
        return "another process works on it: stop that one first"
    return "see RocksDB's LOG file in that directory"
