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


def explain(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id.")],
    facts: Annotated[
        list[str] | None,
        typer.Option(
            "--facts", metavar="PATH|TOPIC", help="Output of a replay, a file of facts, or a topic; may be repeated."
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", "--data", metavar="DIR", help="What the job, or a kept replay, knows of them now."),
    ] = None,
    journeys: Annotated[
        Path | None, typer.Option("--journeys", metavar="DIR", help="Show the words of the definitions that decided.")
    ] = None,
    events: Annotated[
        list[Path] | None,
        typer.Option("--events", metavar="FILE", help="Tell what the customer did, too; may be repeated."),
    ] = None,
    journey: Annotated[str | None, typer.Option("--journey", metavar="NAME", help="Of this journey alone.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write it as a page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """One customer's story: what happened and what did not, each decision with its candidates, and the words that decided.

    From facts (of a replay, or of the live job's topic), from the state of a job, running or not, or from both.
    """
    from flows.explain import explain as tell_story
    from flows.explain import story_json
    from flows.explain_page import write_story
    from flows.explain_shown import show_story
    from flows.facts_files import check_place
    from flows.profile_shown import find_customer
    from state.errors import UsageError

    if not facts and state is None:
        raise UsageError("say where the story is: --facts OUT (or a topic), --state DIR for what is known now, or both")
    for place in facts or ():
        check_place(place, "--facts")
    now = find_customer(state, customer) if state is not None else None
    story = tell_story(customer, facts or (), now, journeys, events or (), journey)
    if html is not None:
        write_story(html, story)
        typer.echo(str(html))
    elif as_json:
        typer.echo(story_json(story))
    else:
        for line in show_story(story, journeys):
            typer.echo(line)
