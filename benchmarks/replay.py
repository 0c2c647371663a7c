"""How fast a replay is, and what it costs: `make bench`.

The workload is "category interest": 1,000,000 events of 100,000 customers over thirty days, 200 skewed categories; an
action when a customer looked three times at a category in five days and bought none of it. The events are made before
the clock starts. Every run is pinned to one core (as many as it has workers), and its actions are held against a plain
reference. Reported per run: events/s from the start of the process to its end; net of the start (a run over 1,000
events); CPU seconds of the whole process tree per million events; peak memory; size of the state kept on disk.

With `--peers DIR` (a folder with a `run.py` that measures peers, set up) the peer of `--peer` runs in turn with ours,
measured by the same code.
"""

import argparse
import importlib.util
import os
import platform
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import orjson

HERE = Path(__file__).resolve().parent
JOURNEYS = HERE.parent / "tests" / "reference"
NAMES = {
    "product_viewed": "Product Viewed",
    "product_added": "Product Added",
    "order_completed": "Order Completed",
    "email_opened": "Email Opened",
}
WINDOW_MS = 5 * 86_400_000


def made(events: int, customers: int) -> Iterator[dict[str, Any]]:
    """The plain events, in order of time; the same for every run."""
    rnd = Random(7).random
    step = 2 * 30 * 86_400_000 / events
    kinds = ["product_viewed"] * 80 + ["product_added"] * 10 + ["order_completed"] * 4 + ["email_opened"] * 6
    at = 1_767_225_600_000
    for number in range(events):
        at += 1 + int(step * rnd())
        customer, kind = int(customers * rnd() ** 2), kinds[int(100 * rnd())]
        properties = {"category": f"cat-{int(200 * rnd() ** 4)}", "product_id": f"p{int(10_000 * rnd())}"}
        properties["price"] = round(1 + 199 * rnd(), 2)
        yield {
            "event_id": f"e{number:09}",
            "customer_id": f"c{customer:07}",
            "type": kind,
            "timestamp": at,
            "properties": properties,
        }


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The plain events of a file."""
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)


def write_segment(plain: Iterator[dict[str, Any]], path: Path) -> set[tuple[str, str, int]]:
    """Write the events in the Segment spec; give the actions that the rule, written down plainly, asks for."""
    views: dict[tuple[str, str], list[int]] = {}
    bought: dict[tuple[str, str], int] = {}
    fired: dict[tuple[str, str], int] = {}
    wanted = set()
    with path.open("wb") as file:
        for event in plain:
            at, kind, category = event["timestamp"], event["type"], event["properties"]["category"]
            stamp = datetime.fromtimestamp(at / 1000, timezone.utc).isoformat(timespec="milliseconds")
            segment = {
                "type": "track",
                "event": NAMES[kind],
                "messageId": event["event_id"],
                "userId": event["customer_id"],
            }
            segment |= {"timestamp": stamp.replace("+00:00", "Z"), "properties": event["properties"]}
            file.write(orjson.dumps(segment) + b"\n")
            key = event["customer_id"], category
            if kind == "order_completed":
                bought[key] = at
            elif kind == "product_viewed":
                views[key] = [t for t in views.get(key, ()) if t > at - WINDOW_MS] + [at]
                if len(views[key]) >= 3 and max(bought.get(key, 0), fired.get(key, 0)) <= at - WINDOW_MS:
                    fired[key] = at
                    wanted.add((*key, at))
    return wanted


def actions(out: Path) -> set[tuple[str, str, int]]:
    """What a replay sent."""
    found = set()
    for action in read(out / "actions.email.jsonl"):
        at = datetime.fromisoformat(action["decided_at"].replace("Z", "+00:00"))
        found.add((action["customer_id"], action["with"]["category"], round(at.timestamp() * 1000)))
    return found


def size_of(path: Path) -> int:
    """Bytes of a directory on disk."""
    return sum(file.stat().st_blocks * 512 for file in path.rglob("*") if file.is_file())


def measure(command: list[str], workers: int) -> dict[str, float]:
    """Run a command on as many cores as it has workers: wall and CPU seconds, peak memory of the largest process."""
    cores = sorted(os.sched_getaffinity(0))[:workers] if hasattr(os, "sched_getaffinity") else []
    pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
    started, process = (
        perf_counter(),
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=pin),
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{errors.decode()}")
    unit = 1 if sys.platform == "darwin" else 1024
    return {"wall": perf_counter() - started, "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss * unit}


def peer_module(folder: Path) -> Any:
    """The folder's own runner, as a module."""
    spec = importlib.util.spec_from_file_location("peer_runner", folder / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--sojourn",
        action="append",
        metavar="NAME=COMMAND",
        help="another build of ours, as in: pure=.venv/bin/sojourn",
    )
    parser.add_argument("--peers", type=Path, help="folder with a run.py that measures peers, set up")
    parser.add_argument("--peer", default="flink-process")
    options = parser.parse_args()

    contenders = dict(item.split("=", 1) for item in options.sojourn or [])
    if not contenders:
        contenders["pure"] = shlex.quote(str(Path(sys.executable).with_name("sojourn")))
        compiled = HERE.parent / ".venv-compiled" / "bin" / "sojourn"
        if compiled.exists():
            contenders["compiled"] = shlex.quote(str(compiled))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {options.events:,} events of "
          f"{options.customers:,} customers, {options.workers} worker(s), {options.reps} runs each, in turn")  # fmt: skip
    work = Path(tempfile.mkdtemp(prefix="sojourn-bench-"))
    try:
        run(options, contenders, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def run(options: argparse.Namespace, contenders: dict[str, str], work: Path) -> None:
    """All runs, in turn, and their table."""
    runner = peer_module(options.peers) if options.peers else None
    if runner:
        import ctypes  # noqa: PLC0415 - only where a peer is measured

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # its runner reaps what its peers leave behind
        os.makedirs(runner.TMP, exist_ok=True)
    files, wanted = {}, {}
    for events in (1_000, options.events):
        files[events] = work / f"events-{events}.jsonl"
        if runner:
            plain = read(Path(runner.data(options.events, options.customers, events)[0]))
        else:
            plain = (event for event, _ in zip(made(options.events, options.customers), range(events), strict=False))
        wanted[events] = write_segment(plain, files[events])
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in [*contenders, *([options.peer] if runner else [])]}
    start: dict[str, dict[str, float]] = {}
    for rep in range(options.reps + 1):  # the first round is the start alone
        events = options.events if rep else 1_000
        for name, results in rows.items():
            if name in contenders:
                result = one(contenders[name], files[events], wanted[events], work, options.workers)
            else:
                result = runner.one(
                    name, runner.PEERS[name], options.events, options.customers, events, options.workers, 900
                )
                if result["answer"] != "same":
                    sys.exit(f"{name}: answer {result['answer']}")
            if rep:
                results.append(result)
            else:
                start[name] = result
            print(f"  {name}: {events:,} events in {result['wall']:.2f} s, CPU {result['cpu']:.2f} s", file=sys.stderr)
    table(options.events, rows, start)


def one(command: str, events: Path, wanted: set[tuple[str, str, int]], work: Path, workers: int) -> dict[str, float]:
    """One replay, its answer checked."""
    out, state = work / "out", work / "state"
    for path in (out, state):
        shutil.rmtree(path, ignore_errors=True)
    arguments = ["--journeys", JOURNEYS, "--out", out, "--state", state, "--workers", workers]
    result = measure([*shlex.split(command), "replay", str(events), *map(str, arguments)], workers)
    got = actions(out)
    if got != wanted:
        sys.exit(f"{command}: {len(got - wanted)} actions too many, {len(wanted - got)} missing")
    return {**result, "state": size_of(state)}


def table(events: int, rows: dict[str, list[dict[str, float]]], start: dict[str, dict[str, float]]) -> None:
    """Medians, and each net rate as a ratio of the last row's."""
    print(
        f"\n{'':14}{'wall s':>8}{'min-max':>13}{'events/s':>11}{'net':>11}{'CPU s/M':>9}{'memory MB':>11}{'state MB':>10}{'ratio':>7}"
    )
    middles = {
        name: {key: statistics.median(result[key] for result in results) for key in ("wall", "cpu", "rss", "state")}
        for name, results in rows.items()
    }
    net = {name: (events - 1_000) / (middle["wall"] - start[name]["wall"]) for name, middle in middles.items()}
    for name, middle in middles.items():
        walls = [result["wall"] for result in rows[name]]
        cpu = (middle["cpu"] - start[name]["cpu"]) / (events - 1_000) * 1e6
        print(
            f"{name:14}{middle['wall']:8.2f}{min(walls):7.2f}-{max(walls):5.2f}{events / middle['wall']:11,.0f}{net[name]:11,.0f}"
            f"{cpu:9.2f}{middle['rss'] / 1e6:11,.0f}{middle['state'] / 1e6:10.1f}{net[name] / net[list(rows)[-1]]:7.2f}"
        )
    print(
        "\nnet: without a run over 1,000 events; CPU of the whole process tree, net; ratio: net rate over that of the last row"
    )
    print(f"memory of this report itself: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
