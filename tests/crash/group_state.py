"""A key group as it lies on disk after a kill, beside what the oracle says of that position."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rocksdict import Options, Rdict

from state.codec import Undo, decode, decode_customer, encode_customer
from state.customer import GroupMeta
from state.errors import StateError
from state.look import _opened
from state.store import CUSTOMERS, META, TIMERS
from state.timer_index import timer_key
from tests.crash.oracle import GroupState, Oracle, customer_hash, group_hash


def group_path(data: Path, group: int) -> Path:
    return data / "state" / f"group-{group:05}"


def is_made(path: Path) -> bool:
    """Whether a group's store is there, with all its column families: a kill may come as it is made."""
    if not (path / "CURRENT").exists():
        return False
    try:
        return {CUSTOMERS, TIMERS, META} <= set(Rdict.list_cf(str(path), Options(raw_mode=True)))
    except Exception as error:  # rocksdict raises bare Exception
        raise StateError(f"{path}: {error}") from error


def position(path: Path) -> int:
    """Where a group stands; -1 where it has not begun."""
    return _meta(path)[0].position


def position_at_least(path: Path) -> int:
    """Where the dataflow goes on from, at least: the epoch before the last that the group has written."""
    _, undo = _meta(path)
    return decode(undo.meta, GroupMeta).position if undo is not None and undo.meta is not None else -1


def _meta(path: Path) -> tuple[GroupMeta, Undo | None]:
    fresh = GroupMeta(0, 0)
    if not is_made(path):
        return fresh, None
    with tempfile.TemporaryDirectory() as scratch, _opened(path, Path(scratch)) as database:
        family = database.get_column_family(META)
        meta, undo = family.get(b"group"), family.get(b"undo")
        return (
            decode(meta, GroupMeta) if meta is not None else fresh,
            decode(undo, Undo) if undo is not None else None,
        )


def differences(path: Path, oracle: Oracle) -> list[str]:
    """What is wrong with a group: against the oracle, and its timer index against its customers."""
    if not is_made(path):
        return []
    with tempfile.TemporaryDirectory() as scratch, _opened(path, Path(scratch)) as database:
        stored = database.get_column_family(META).get(b"group")
        if stored is None:
            return []
        meta = decode(stored, GroupMeta)
        total, index = 0, []
        for key, value in database.get_column_family(CUSTOMERS).items():
            customer_id, customer = key.decode(), decode_customer(value)
            total += customer_hash(customer_id, encode_customer(customer))
            if customer.timers:
                index.append(timer_key(min(customer.timers.values()), customer_id))
        timers = list(database.get_column_family(TIMERS).keys())
    found = GroupState(
        group_hash(total),
        meta.now,
        meta.definitions,
        {name: count for name, count in meta.counts.items() if count},
        meta.rejected,
        meta.actions,
    )
    if meta.position < 0:
        return []  # nothing was read yet
    wanted = oracle.states.get((meta.group, meta.position))
    place = f"{path.name} at {meta.position}"
    wrong = []
    if wanted is None:
        wrong.append(f"{place}: no record of the log is there")
    elif found != wanted:
        wrong.append(f"{place}: state is {found}, not {wanted}")
    if meta.fired_through != meta.now:
        wrong.append(f"{place}: fired through {meta.fired_through}, not {meta.now}")
    if timers != sorted(index):
        wrong.append(f"{place}: the timer index has {len(timers)} entries, the customers {len(index)} timers")
    if meta.position == oracle.ends[meta.group]:
        at_end = [(int.from_bytes(key[:8], "big"), key[8:].decode()) for key in timers]
        if at_end != oracle.timers[meta.group]:
            wrong.append(f"{place}: the timer index is not the oracle's")
    return wrong
