"""A look into a key group from outside, while its job runs or not: nothing is locked, written or waited for.

RocksDB's *secondary* instances are made for this: they read the files and the write-ahead log of another process. What
they see is the end of some epoch, never the middle of one, because an epoch is one batch. Used by `sojourn state inspect`,
`sojourn profile` and whoever prepares a rebuild.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rocksdict import AccessType, Options, Rdict

from state.codec import decode, decode_customer
from state.customer import Customer, GroupMeta
from state.errors import StateError
from state.store import CUSTOMERS, KEY_DEFINITIONS, META, TIMERS

_ATTEMPTS = 5
"""A running job replaces files while they are being opened; the next attempt sees the new ones."""


@dataclass(frozen=True)
class GroupLook:
    """What one key group has, at the end of an epoch."""

    meta: GroupMeta
    format: int
    """Of the stored meta: its first byte."""
    timers: int
    """Customers with a timer, as RocksDB estimates it without counting."""
    timer_next: int | None
    """When the next timer is due (ms of log time); None where nobody waits."""
    bytes_on_disk: int


def group_directories(directory: Path) -> list[Path]:
    """The key groups of a state directory, in their order; `directory` may be a job's data directory, too.

    Raises:
        StateError: There are none.
    """
    for place in (directory, directory / "state"):
        found = sorted(path for path in place.glob("group-*") if (path / "CURRENT").exists())
        if found:
            return found
    raise StateError(
        f"{directory} has no state: no group-NNNNN in it, nor in {directory / 'state'}; name the directory that `sojourn run --data` or "
        "`sojourn replay --state` was given"
    )


def look(path: Path, scratch: Path) -> GroupLook:
    """How far a key group is, and what it holds.

    Args:
        path: The directory of the group.
        scratch: An empty directory, for RocksDB's own log of the look.

    Raises:
        StateError: It cannot be read.
    """
    with _opened(path, scratch) as database:
        meta, stored = _meta(database, path)
        timers = database.get_column_family(TIMERS)
        first = next(iter(timers.keys()), None)
        return GroupLook(
            meta=meta,
            format=stored[0],
            timers=timers.property_int_value("rocksdb.estimate-num-keys") or 0,
            timer_next=int.from_bytes(first[:8], "big") if isinstance(first, bytes) else None,
            bytes_on_disk=size_of(path),
        )


class CustomerLook(NamedTuple):
    """What a key group has of one customer, at the end of an epoch."""

    meta: GroupMeta
    """Of the group."""
    customer: Customer | None
    """None where it does not know them."""
    definitions: bytes | None
    """The text of those in use; None where it was not kept."""


def look_at_customer(path: Path, customer_id: str, scratch: Path) -> CustomerLook:
    """What a key group has of one of its customers.

    Raises:
        StateError: They cannot be read.
    """
    with _opened(path, scratch) as database:
        meta, _ = _meta(database, path)
        stored = database.get_column_family(CUSTOMERS).get(customer_id.encode())
        text = database.get_column_family(META).get(KEY_DEFINITIONS + meta.definitions.encode())
        return CustomerLook(meta, decode_customer(stored) if stored is not None else None, text)


def size_of(path: Path) -> int:
    """The bytes of the files in a directory; one that goes away meanwhile counts nothing."""
    total = 0
    for file in path.iterdir():
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            continue
    return total


def _meta(database: Rdict, path: Path) -> tuple[GroupMeta, bytes]:
    stored = database.get_column_family(META).get(b"group")
    if stored is None:
        raise StateError(f"{path}: nothing was ever written there; its job has not finished its first epoch")
    return decode(stored, GroupMeta), stored


@contextmanager
def _opened(path: Path, scratch: Path) -> Iterator[Rdict]:
    attempts = 0
    while True:
        attempts += 1
        try:
            database = Rdict(
                str(path),
                _options(),
                column_families={name: _options() for name in (CUSTOMERS, TIMERS, META)},
                access_type=AccessType.secondary(str(scratch)),
            )
            break
        except Exception as error:  # rocksdict raises bare Exception
            if attempts >= _ATTEMPTS:
                raise StateError(
                    f"{path}: RocksDB cannot read the state: {error}; if no job is starting there just now, restore it from a "
                    "checkpoint, or rebuild it: sojourn state rebuild"
                ) from error
    try:
        yield database
    finally:
        database.close()


def _options() -> Options:
    options = Options(raw_mode=True)
    options.set_keep_log_file_num(1)
    options.set_max_open_files(64)  # a look at many groups must not run into the limit of the process
    return options
