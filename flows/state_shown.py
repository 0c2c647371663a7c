"""What `sojourn state inspect` and `sojourn profile` show: the state of a job, running or not, as tables or as JSON."""

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from state.customer import Customer, GroupMeta
from state.errors import StateError
from state.instants import INSTANT_MS_MAX, INSTANT_MS_MIN, format_instant
from state.keygroups import group_of
from state.look import GroupLook, group_directories, look, look_at_customer


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
            "clock": _instant(each.meta.now),
            "fired_through": _instant(each.meta.fired_through),
            "customers": each.meta.counts.get("customers", 0),
            "timers": each.timers,
            "timer_next": _instant(each.timer_next),
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
            str(meta.group), f"{meta.position:,}", _shown(meta.now), _shown(meta.fired_through),
            f"{meta.counts.get('customers', 0):,}", f"{each.timers:,}", _shown(each.timer_next), _size(each.bytes_on_disk),
            meta.definitions[:12], str(each.format),
        )  # fmt: skip
    table.add_section()
    table.add_row(
        "all", "", _shown(max(each.meta.now for each in looks)), "",
        f"{sum(each.meta.counts.get('customers', 0) for each in looks):,}", f"{sum(each.timers for each in looks):,}",
        _shown(min((each.timer_next for each in looks if each.timer_next is not None), default=None)),
        _size(sum(each.bytes_on_disk for each in looks)), "", "",
    )  # fmt: skip
    _console().print(table)


def find_customer(directory: Path, customer_id: str) -> tuple[GroupMeta, Customer]:
    """The record of a customer, and the meta of their key group.

    Raises:
        StateError: There is no state, it cannot be read, or it does not know the customer.
    """
    paths = group_directories(directory)
    with tempfile.TemporaryDirectory(prefix="sojourn-look-", ignore_cleanup_errors=True) as scratch:
        groups = look(paths[0], Path(scratch)).meta.groups
    group = group_of(customer_id.encode(), groups)
    for path in paths:
        if path.name == f"group-{group:05}":
            with tempfile.TemporaryDirectory(prefix="sojourn-look-", ignore_cleanup_errors=True) as scratch:
                meta, customer = look_at_customer(path, customer_id, Path(scratch))
            if customer is not None:
                return meta, customer
    raise StateError(
        f"{directory} knows no customer {customer_id!r} (it would be in key group {group} of {groups}); a customer id is the `userId`, "
        "or `anon:` and the `anonymousId`"
    )


def customer_json(customer_id: str, meta: GroupMeta, customer: Customer) -> bytes:
    """All that is stored of a customer, under the names of `state.customer`; times are ms of log time."""
    found = {
        "customer_id": customer_id,
        "group": meta.group,
        "position": meta.position,
        "clock": _instant(meta.now),
        "record": named(customer),
    }
    return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def show_customer(customer_id: str, meta: GroupMeta, customer: Customer) -> None:
    """What a person asks first: attributes, contacts, where the customer is, and what comes next."""
    console = _console()
    console.print(
        f"[bold]{escape(customer_id)}[/bold]  key group {meta.group} of {meta.groups}, as of log time {_shown(meta.now)}"
    )
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in sorted(customer.profile.items()):
        table.add_row("attribute", escape(name), escape(_text(value)))
    for channel, at in sorted(customer.contacts.items()):
        table.add_row("last contact", escape(channel), _shown(at))
    for journey, runs in sorted(customer.runs.items()):
        for run in runs:
            where = f"at {run.step} since {_shown(run.since)}" if run.step else "over, watched for its goal"
            table.add_row(
                "run", escape(journey), escape(f"version {run.version}, entered {_shown(run.entered_at)}, {where}")
            )
    for name, due in sorted(customer.timers.items(), key=lambda timer: (timer[1], timer[0])):
        table.add_row("timer", _shown(due), escape(name.replace("\0", " ")))
    for channel, tags in sorted(customer.holds.items()):
        for tag, holders in sorted(tags.items()):
            table.add_row("held back", escape(channel), escape(f"{tag or 'every message'}, by {len(holders)}"))
    table.add_row("records told", str(customer.seq), "")
    table.add_row("message ids kept", str(len(customer.seen)), "")
    console.print(table)
    console.print("All that is stored: --json", style="dim")


def named(value: Any) -> Any:
    """Stored records as dictionaries by field, all the way down."""
    if isinstance(value, msgspec.Struct):
        return {name: named(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: named(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [named(each) for each in value]
    return value


def _instant(ms: int | None) -> str | None:
    return format_instant(ms) if ms is not None and INSTANT_MS_MIN < ms < INSTANT_MS_MAX else None


def _shown(ms: int | None) -> str:
    return _instant(ms) or "-"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _size(count: int) -> str:
    size, units = float(count), ["B", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.3g} {units[0]}"


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=200)
