"""What `sojourn state inspect` shows: how far the key groups of a job are, running or not, as a table or as JSON."""

import tempfile
from pathlib import Path

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from state.instants import INSTANT_MS_MAX, INSTANT_MS_MIN, format_instant
from state.look import GroupLook, group_directories, look


def inspect(directory: Path) -> list[GroupLook]:
    """A look at every key group.

    Raises:
        StateError: There is no state, or it cannot be read.
    """
    looks = []
    for path in group_directories(directory):
        with tempfile.TemporaryDirectory(prefix="sojourn-look-", ignore_cleanup_errors=True) as scratch:
            looks.append(look(path, Path(scratch)))
    return looks


def inspect_json(looks: list[GroupLook]) -> bytes:
    """All of it, for programs."""
    groups = [
        {
            "group": each.meta.group,
            "groups": each.meta.groups,
            "position": each.meta.position,
            "clock": instant(each.meta.now),
            "fired_through": instant(each.meta.fired_through),
            "customers": each.meta.counts.get("customers", 0),
            "timers": each.timers,
            "timer_next": instant(each.timer_next),
            "bytes": each.bytes_on_disk,
            "definitions": each.meta.definitions,
            "format": each.format,
            "counts": each.meta.counts,
            "rejected": each.meta.rejected,
            "actions": each.meta.actions,
        }
        for each in looks
    ]
    return orjson.dumps({"groups": groups}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def show_inspect(looks: list[GroupLook], directory: Path) -> None:
    """All of it, for people."""
    groups = looks[0].meta.groups
    table = Table(title=f"{len(looks)} of {groups} key groups in {escape(str(directory))}", title_justify="left")
    for column in ("group", "position", "clock", "fired through", "customers", "timers", "next timer", "size"):
        table.add_column(column, justify="right")
    table.add_column("definitions")
    table.add_column("format", justify="right")
    for each in looks:
        meta = each.meta
        table.add_row(
            str(meta.group), f"{meta.position:,}", shown(meta.now), shown(meta.fired_through),
            f"{meta.counts.get('customers', 0):,}", f"{each.timers:,}", shown(each.timer_next), _size(each.bytes_on_disk),
            meta.definitions[:12], str(each.format),
        )  # fmt: skip
    table.add_section()
    table.add_row(
        "all", "", shown(max(each.meta.now for each in looks)), "",
        f"{sum(each.meta.counts.get('customers', 0) for each in looks):,}", f"{sum(each.timers for each in looks):,}",
        shown(min((each.timer_next for each in looks if each.timer_next is not None), default=None)),
        _size(sum(each.bytes_on_disk for each in looks)), "", "",
    )  # fmt: skip
    console().print(table)


def instant(ms: int | None) -> str | None:
    """A time as records write it; None for what is none."""
    return format_instant(ms) if ms is not None and INSTANT_MS_MIN < ms < INSTANT_MS_MAX else None


def shown(ms: int | None) -> str:
    """The same for people."""
    return instant(ms) or "-"


def _size(count: int) -> str:
    size, units = float(count), ["B", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.3g} {units[0]}"


def console() -> Console:
    """The terminal; into a file, lines are long."""
    found = Console()
    return found if found.is_terminal else Console(width=200)
