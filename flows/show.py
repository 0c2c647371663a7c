"""What a person sees while something runs and when it is done: a progress bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from flows.input_files import Progress as Reading
from flows.replay import Summary, Watch
from state.clock import monotonic_s
from state.instants import format_instant

_LINE_EVERY_S = 10.0


def tell(line: str) -> None:
    """One line beside the output."""
    print(f"sojourn: {line}", file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def show_progress() -> Iterator[Watch]:
    """Shows how far a replay is; gives what `flows.replay.replay` calls."""
    if not sys.stderr.isatty():
        yield _plain_lines()
        return
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    ]
    started = monotonic_s()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replay", total=None, rate="")

        def watch(reading: Reading) -> None:
            rate = reading.records / max(monotonic_s() - started, 0.001)
            at = _minute_of(reading)
            bar.update(
                task,
                total=reading.bytes_total,
                completed=reading.bytes_read,
                rate=f"{reading.records:,} events, {rate:,.0f}/s {at}",
            )

        yield watch


def _plain_lines() -> Watch:
    started = last = monotonic_s()

    def watch(reading: Reading) -> None:
        nonlocal last
        if monotonic_s() - last >= _LINE_EVERY_S:
            last = monotonic_s()
            part = reading.bytes_read / max(reading.bytes_total, 1)
            left = f", about {(last - started) * (1 / part - 1):,.0f} s left" if part > 0 else ""
            tell(
                f"{reading.records:,} events read, {part:.0%} of the input, {reading.records / (last - started):,.0f}/s, at "
                f"{_minute_of(reading)}{left}"
            )

    return watch


def _minute_of(reading: Reading) -> str:
    """Where the reading is in the time of the log."""
    return format_instant(reading.log_time)[:16].replace("T", " ") if reading.log_time else "the beginning"


def show_summary(summary: Summary, out: Path) -> None:
    """The table at the end."""
    values = summary.as_json()
    table = Table(title=escape(f"Replay into {out}"), title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name in ("events_read", "accepted", "rejected", "duplicates", "customers", "actions"):
        table.add_row(name.replace("_", " "), f"{values[name]:,}")
    for reason, count in values["rejected_by_reason"].items():
        table.add_row(f"  rejected: {reason}", f"{count:,}")
    for journey, channels in values["actions_by_journey_and_channel"].items():
        for channel, count in channels.items():
            table.add_row(f"  {journey} -> {channel}", f"{count:,}")
    table.add_row("events/s", f"{values['events_per_second']:,}")
    table.add_row("peak memory", f"{values['memory_bytes_peak'] / 1e6:,.0f} MB")
    Console().print(table)


@contextmanager
def show_positions(what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how far something is that goes through positions of the log; gives what it calls with (done, all)."""
    started = last = monotonic_s()
    if sys.stderr.isatty():
        columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()]
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, total=total, completed=done)
        return

    def watch(done: int, total: int) -> None:
        nonlocal last
        if monotonic_s() - last > _LINE_EVERY_S:
            last = monotonic_s()
            tell(f"{what}: {done:,} of {total:,} positions, {done / (last - started):,.0f}/s")

    yield watch


def show_lines(title: str, lines: list[str]) -> None:
    """Lines under a title, as they are."""
    console = Console(highlight=False)
    console.print(f"\n[bold]{escape(title)}[/bold]" if title else "")
    for line in lines:
        console.print(escape(line), soft_wrap=True)
