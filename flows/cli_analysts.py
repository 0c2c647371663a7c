"""The commands for those who look at what came of it: compare, explain. `flows.cli` has them among its own; its rules hold here."""

# Imports stand in the commands: `sojourn --help` must not wait for what it does not need.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer


def compare(
    out_a: Annotated[Path, typer.Argument(metavar="OUT_A", help="Output directory of a replay.")],
    out_b: Annotated[Path, typer.Argument(metavar="OUT_B", help="That of another one.")],
    customers: Annotated[
        int | None,
        typer.Option("--customers", min=0, help="Of how many to tell where they begin to differ: 10; in JSON all."),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Compare seq, version and action_id, too: everything that is in the files."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
) -> None:
    """Two replays side by side: who gets something else, and where it begins.

    Exit status as diff has it: 0 where they are equal, 1 where they differ, with a line that says how; 2 for wrong usage. A directory
    that cannot be read gives 1, too, and a line that begins with `sojourn:` and its name.
    """
    import sys

    from flows.compare_shown import json_of, show_comparison, verdict

    if as_json:
        comparison, pieces = json_of(out_a, out_b, sys.maxsize if customers is None else customers, exact)
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    else:
        comparison = show_comparison(out_a, out_b, 10 if customers is None else customers, exact)
    if comparison.is_equal:
        typer.echo(verdict(comparison), err=as_json)
    else:
        typer.echo(f"sojourn: {verdict(comparison)}", err=True)
        raise typer.Exit(1)
