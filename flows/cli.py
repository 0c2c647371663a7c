"""The command line: `sojourn COMMAND`. Each command reads its options and calls one function of `flows`.

Exit status: 0 when all went well, 2 for wrong usage, 1 for the rest, with one line that says what to do next.
Imports stand in the commands: `sojourn --help` must not wait for Kafka's client and RocksDB to load.
"""

# The imports are the point of the module's layout, see above.
# ruff: noqa: PLC0415

import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli_analysts import compare, explain
from flows.cli_authors import check, draw, scenarios, schema
from state.errors import SojournError

app = typer.Typer(
    name="sojourn",
    help="Customer journeys as a streaming job: events in, the single next best action out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

state_app = typer.Typer(help="The state of a job: look at it, make it anew.", no_args_is_help=True)
app.add_typer(state_app, name="state")

JourneysOption = Annotated[
    Path, typer.Option("--journeys", metavar="DIR", help="Directory of orchestration.yaml and the journeys.")
]


@app.command()
def replay(
    events: Annotated[
        list[Path],
        typer.Argument(
            metavar="EVENTS...", help="Files of JSON lines (.gz and .zst too), directories, or patterns in quotes."
        ),
    ],
    journeys: JourneysOption,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the output files go.")],
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Worker processes; the output is the same.")
    ] = 1,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="DIR",
            help="Keep the state here; started again after a crash, the replay goes on from it.",
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Leave out what arrived before; a day, or RFC 3339.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="TIME", help="Leave out what arrived from then on, and let the time pass until then."
        ),
    ] = None,
    assume_sorted: Annotated[
        bool, typer.Option("--assume-sorted", help="Refuse input that is not in order, instead of sorting it first.")
    ] = False,
) -> None:
    """Run the journeys over recorded events: actions, facts, profiles and rejected lines as files, and summary.json."""
    from flows.history import instant_of
    from flows.replay import Request, write_summary
    from flows.replay import replay as run_replay
    from flows.show import show_progress, show_summary, tell

    start, end = instant_of(since, "--since"), instant_of(until, "--until")
    request = Request(tuple(events), journeys, out, workers, state, start, end, assume_sorted)
    with show_progress() as watch:
        summary = run_replay(request, watch, tell)
    write_summary(summary, out)
    show_summary(summary, out)


@app.command()
def run(
    journeys: Annotated[
        Path | None, typer.Option("--journeys", metavar="DIR", help="Directory of the definitions.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Directory of the state.")] = None,
    create_topics: Annotated[bool, typer.Option("--create-topics", help="Create the topics that are missing.")] = False,
    allow_create_time: Annotated[
        bool, typer.Option(help="Take a log that has its producers' times (CreateTime).")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, max=64, help="Worker processes, started again together when one dies."),
    ] = None,
    process_id: Annotated[
        int | None,
        typer.Option("--process-id", "-i", min=0, help="Be this process of a cluster that is started by hand."),
    ] = None,
    addresses: Annotated[
        str | None,
        typer.Option("--addresses", "-a", metavar="HOST:PORT;...", help="Of all processes of that cluster, in order."),
    ] = None,
) -> None:
    """Run the live job: the customer log on Kafka in, decisions out on Kafka, until it is stopped.

    Settings come from the environment (SOJOURN_...) or sojourn.toml; SOJOURN_KAFKA__BOOTSTRAP_SERVERS says where Kafka
    is, and SOJOURN_KAFKA__... passes any other option of librdkafka through.
    """
    from flows.run import member_of
    from flows.run import run as run_job
    from flows.settings import read_settings

    member = member_of(process_id, addresses, workers)
    settings = read_settings(journeys=journeys, data=data, allow_create_time=allow_create_time or None, workers=workers)
    run_job(settings, create_topics, member)


@app.command()
def ingest(
    topics: Annotated[
        list[str] | None, typer.Argument(metavar="[TOPICS]...", help="What to read; else SOJOURN_INGEST_TOPICS.")
    ] = None,
    journeys: Annotated[
        Path | None,
        typer.Option("--journeys", metavar="DIR", help="Definitions: appended to the log where they are new."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Where the sign of life goes; there is no state.")
    ] = None,
    create_topics: Annotated[
        bool, typer.Option("--create-topics", help="Create the customer log, and what goes with it, if missing.")
    ] = False,
    heartbeats_only: Annotated[
        bool, typer.Option("--heartbeats-only", help="Read nothing: the log's producers write it themselves.")
    ] = False,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on although unread records of an input are gone.")
    ] = False,
) -> None:
    """Write the customer log: topics of any key in, events keyed by customer out, exactly once, until it is stopped.

    Settings come from the environment (SOJOURN_...) or sojourn.toml, as for `sojourn run`. There is one ingest for a log;
    a second one takes over. How far the inputs were read is kept beside the log, in Kafka.
    """
    from flows.ingest import ingest as run_ingest
    from flows.settings import read_settings

    settings = read_settings(journeys=journeys, data=data, ingest_topics=tuple(topics) if topics else None)
    run_ingest(settings, create_topics, heartbeats_only, accept_loss)


app.command()(compare)
app.command()(explain)
app.command()(check)
app.command("test")(scenarios)
app.command()(schema)
app.command()(draw)


@app.command()
def generate(
    events: Annotated[int, typer.Option("--events", min=1, help="How many.")] = 200_000,
    customers: Annotated[int, typer.Option("--customers", min=1, help="Of how many customers.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same events.")] = 7,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write JSON lines here; - is standard output.")
    ] = None,
    to_kafka: Annotated[
        bool, typer.Option("--to-kafka", help="Produce to the customer log, keyed by customer.")
    ] = False,
    topic: Annotated[
        str | None,
        typer.Option("--topic", metavar="NAME", help="With --to-kafka: to this topic, without keys, for ingest."),
    ] = None,
    rate: Annotated[
        float, typer.Option("--rate", min=0, help="With --to-kafka: events per second; 0 is as fast as it goes.")
    ] = 0,
) -> None:
    """Make believable shop events: customers who browse, buy and come back."""
    from flows.generate import to_file, to_topic
    from flows.settings import read_settings
    from state.errors import UsageError

    if to_kafka == (out is not None):
        raise UsageError("say where the events go: --out FILE or --to-kafka, one of the two")
    if topic is not None and not to_kafka:
        raise UsageError("--topic names a topic of Kafka; it goes with --to-kafka")
    if out is not None:
        to_file(out, events, customers, seed)
    else:
        to_topic(read_settings(), events, customers, seed, rate, topic)


@app.command()
def demo(
    directory: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where events and output go.")] = Path(
        "out/demo"
    ),
    events: Annotated[int, typer.Option("--events", min=1_000, help="How many events to make.")] = 100_000,
) -> None:
    """Make events, replay the example journeys over them, and tell who was sent what, and why."""
    from flows.demo import run_demo

    run_demo(directory, events)


@app.command()
def health(
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Directory of the job's state.")] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="How old the last sign of life may be.")] = 30,
    ingest: Annotated[bool, typer.Option("--ingest", help="Ask for `sojourn ingest` instead of the job.")] = False,
) -> None:
    """Whether the job on a data directory makes progress; exit status 0 or 1, for a container's health check."""
    from flows import ingest_inputs, run
    from flows.settings import read_settings
    from state.clock import wall_ms
    from state.errors import OutsideError

    command = "ingest" if ingest else "run"
    path = read_settings(data=data).data / (ingest_inputs.ALIVE if ingest else run.ALIVE)
    if not path.exists():
        raise OutsideError(
            f"{path} is not there: no job has run on this directory; start one with: sojourn {command} --data {path.parent}"
        )
    age_s = wall_ms() / 1000 - path.stat().st_mtime
    if age_s > seconds:
        raise OutsideError(f"the job has made no progress for {age_s:.0f} s; look at its last lines, and at Kafka")
    typer.echo(f"alive {age_s:.1f} s ago")


@state_app.command()
def inspect(
    data: Annotated[
        Path | None, typer.Option("--data", "--state", metavar="DIR", help="Directory of the job, or of kept state.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
) -> None:
    """How far each key group is, and what it holds. Does not disturb a running job."""
    from flows.settings import read_settings
    from flows.state_shown import inspect as inspect_state
    from flows.state_shown import inspect_json, show_inspect

    directory = data or read_settings().data
    looks = inspect_state(directory)
    if as_json:
        typer.echo(inspect_json(looks))
    else:
        show_inspect(looks, directory)


@state_app.command()
def rebuild(
    journeys: Annotated[
        Path | None, typer.Option("--journeys", metavar="DIR", help="Directory of the definitions.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Directory of the job's state.")] = None,
    allow_create_time: Annotated[
        bool, typer.Option(help="Take a log that has its producers' times (CreateTime).")
    ] = False,
) -> None:
    """Make state and recovery store anew from the log, up to what was sent, and send nothing.

    For a data directory that is lost, damaged, or older than the output. Stop the job first; the settings are the job's.
    """
    from flows.rebuild import rebuild as rebuild_state
    from flows.settings import read_settings
    from flows.show import show_positions

    settings = read_settings(journeys=journeys, data=data, allow_create_time=allow_create_time or None)
    with show_positions("rebuild") as watch:
        rebuild_state(settings, watch)


@app.command()
def profile(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id.")],
    state: Annotated[
        Path | None, typer.Option("--state", "--data", metavar="DIR", help="Directory of kept state, or of the job.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All that is stored, as JSON.")] = False,
) -> None:
    """What is known of a customer now. Does not disturb a running job."""
    from flows.profile_shown import customer_json, find_customer, show_customer
    from flows.settings import read_settings

    known = find_customer(state or read_settings().data, customer)
    if as_json:
        typer.echo(customer_json(known))
    else:
        show_customer(known)


def main() -> None:
    """Entry point of the command."""
    try:
        app(standalone_mode=True)
    except SojournError as error:
        typer.echo(f"sojourn: {error}", err=True)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        typer.echo("sojourn: interrupted", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
