"""The commands for authors: check, test, schema and draw. `flows.cli` puts them among the others; the same rules hold here."""

# Imports stand in the commands: `sojourn --help` must not wait for what it does not need.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer


def check(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Directory of the definitions.")] = Path(
        "journeys"
    ),
    before: Annotated[
        Path | None,
        typer.Option(
            "--before", metavar="DIR", help="The definitions in use: what may not change under customers inside."
        ),
    ] = None,
    verbose: Annotated[
        bool,
        typer.Option("-v", "--verbose", help="Tell what is kept of each customer, and what happens at the bounds."),
    ] = False,
) -> None:
    """Validate definitions: every mistake at once, with file, line, path, value, and what to write instead."""
    from flows.definitions import load_plan, read_directory, read_successor

    workspace = read_directory(directory) if before is None else read_successor(directory, before)
    for complaint in workspace.complaints:
        typer.echo(f"{directory}/{complaint}")
    count = len(workspace.complaints)
    if count:
        typer.echo(f"sojourn: {count} mistake{'s' * (count > 1)} in {directory}", err=True)
        raise typer.Exit(1)
    plan = load_plan(directory)
    for warning in plan.warnings:
        typer.echo(f"{directory}: {warning}", err=True)
    if verbose:
        for line in plan.bounds():
            typer.echo(f"{directory}: {line}")
    names = ", ".join(f"{journey.journey} (version {journey.version})" for journey in workspace.journeys)
    typer.echo(f"{directory}: all well: {names}")


def scenarios(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Directory of the definitions.")] = Path(
        "journeys"
    ),
    only: Annotated[
        str, typer.Option("-k", metavar="TEXT", help="Only scenarios with this in `JOURNEY: NAME`, in any case.")
    ] = "",
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Tell which steps and ways of each journey were reached, and which not.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the results as JUnit XML, for CI.")
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tell the story of those that pass, too.")] = False,
) -> None:
    """Run the scenarios (*.test.yaml) beside the journeys: invented customers, and what is to come of what they do.

    Nothing waits: the clock jumps from one event or deadline to the next. Exit status 1 when one fails.
    """
    from flows.scenarios import Result, run_scenarios, write_junit
    from flows.scenarios_shown import shown_coverage, shown_failure, shown_reason, shown_story

    def tell_result(result: Result) -> None:
        failure = shown_failure(result)
        place = f"  ({directory}/{result.file}:{result.line})" if failure else ""
        typer.echo(f"{'FAILED' if failure else 'passed'}  {result.name}{place}")
        for line in failure:
            typer.echo(line)
        if failure or verbose:
            for line in ["  what happened:", *shown_story(result)]:
                typer.echo(line)

    results, covered = run_scenarios(directory, only, tell_result)
    if coverage:
        typer.echo("")
        for line in shown_coverage(covered):
            typer.echo(line)
    failures = [shown_failure(result) for result in results]
    if junit is not None:
        texts = [
            (shown_reason(result), [*lines, "  what happened:", *shown_story(result)] if lines else [])
            for result, lines in zip(results, failures, strict=True)
        ]
        write_junit(junit, results, texts)
    failed = sum(map(bool, failures))
    typer.echo(f"{len(results)} scenario{'s' * (len(results) != 1)}: {len(results) - failed} passed, {failed} failed")
    if failed:
        raise typer.Exit(1)


def schema(
    kind: Annotated[
        str, typer.Argument(metavar="[KIND]", help="journey, orchestration, traits, segments, offers or scenarios.")
    ] = "journey",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write those of all kinds: DIR/KIND.schema.json.")
    ] = None,
) -> None:
    """JSON Schema of the definitions: with it an editor completes, explains and checks while one writes.

    For the YAML language server (VS Code, Neovim, ...) a journey begins with the line:
    # yaml-language-server: $schema=schemas/journey.schema.json
    """
    from flows.author_files import schema_text, write_schemas

    if out is not None:
        for path in write_schemas(out):
            typer.echo(str(path))
    else:
        typer.echo(schema_text(kind), nl=False)


def draw(
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", help="Its name.")],
    journeys: Annotated[Path, typer.Option("--journeys", metavar="DIR", help="Directory of the definitions.")] = Path(
        "journeys"
    ),
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write it here: FILE.svg is a picture, any other is Mermaid text."),
    ] = None,
) -> None:
    """Draw a journey: Mermaid text, which GitHub and GitLab show as a diagram, or a picture (SVG)."""
    from flows.author_files import draw_journey, write_text

    text = draw_journey(journeys, journey, is_svg=out is not None and out.suffix.lower() == ".svg")
    if out is not None:
        write_text(out, text)
    else:
        typer.echo(text, nl=False)
