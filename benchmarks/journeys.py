"""What more journeys cost: part of `make bench`.

The events are those of `benchmarks.replay`, fewer of them; each run is a replay on one core, net of a run over 1,000 events.

- alone: `category-interest`, the journey of `benchmarks.replay`;
- twelve: all that ship in `examples/journeys/`, with their traits and segments, caps and gates: at least half as fast is asked for;
- 200 more: alone, and 200 copies of it under other names and for other events, which never come: they cost nothing;
- spread: the same 201 journeys, and views and orders that are dealt to them: each event is still mentioned by one;
- mentioned 2, 4, 8: so many copies that look at the same events: the cost of an event grows with them.
"""

import argparse
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.replay import HERE, JOURNEYS, made, measure, write_segment

COPIES = 200
REFERENCE = (JOURNEYS / "category-interest.yaml").read_text("utf-8")


def copy_of(number: int, events: str = "") -> str:
    """The journey under another name, and for other events: what their names end with."""
    text = re.sub(r"(?m)^journey: .*$", f"journey: copy-{number}", REFERENCE)
    return re.sub("Product Viewed|Order Completed", lambda found: found[0] + events, text)


def workspaces(work: Path) -> dict[str, Path]:
    """The directories of definitions, by what they are called."""
    found = {"alone": JOURNEYS, "twelve": HERE.parent / "examples" / "journeys"}
    more = {
        "200 more": [copy_of(number, f" {number}") for number in range(1, COPIES + 1)],
        **{f"mentioned {times}": [copy_of(n) for n in range(1, times)] for times in (2, 4, 8)},
    }
    for name, texts in more.items():
        found[name] = work / name.replace(" ", "-")
        shutil.copytree(JOURNEYS, found[name])
        for number, text in enumerate(texts, 1):
            (found[name] / f"copy-{number}.yaml").write_text(text, "utf-8")
    found["spread"] = found["200 more"]
    return found


def write_spread(path: Path, spread: Path) -> None:
    """The same events; views and orders of category n are those of journey n."""
    with path.open("rb") as file, spread.open("wb") as out:
        for line in file:
            found = re.search(rb'"category":"cat-([0-9]+)"', line)
            number = int(found[1]) + 1 if found else 0
            out.write(re.sub(rb'"(Product Viewed|Order Completed)"', rb'"\1 %d"' % number, line))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--reps", type=int, default=1)
    parser.add_argument("--only", help="names of runs, with commas between them; `alone` is always one")
    parser.add_argument("--sojourn", default=shlex.quote(str(Path(sys.executable).with_name("sojourn"))))
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="sojourn-bench-"))
    try:
        run(options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def run(options: argparse.Namespace, work: Path) -> None:
    """All runs, in turn: the fastest of each counts."""
    files: dict[tuple[str, int], Path] = {}
    for events in (1_000, options.events):
        plain = (event for event, _ in zip(made(options.events, options.customers), range(events), strict=False))
        files["alone", events] = work / f"events-{events}.jsonl"
        write_segment(plain, files["alone", events])
        files["spread", events] = work / f"spread-{events}.jsonl"
        write_spread(files["alone", events], files["spread", events])
    directories = workspaces(work)
    if options.only:
        directories = {name: one for name, one in directories.items() if name in ("alone", *options.only.split(","))}
    net: dict[str, float] = {}
    for _ in range(options.reps):
        for name, journeys in directories.items():
            walls = []
            for events in (1_000, options.events):
                path = files["spread" if name == "spread" else "alone", events]
                out = work / "out"
                shutil.rmtree(out, ignore_errors=True)
                arguments = ["replay", str(path), "--journeys", str(journeys), "--out", str(out), "--workers", "1"]
                walls.append(measure([*shlex.split(options.sojourn), *arguments], 1)["wall"])
            rate = (options.events - 1_000) / (walls[1] - walls[0])
            net[name] = max(net.get(name, 0), rate)
            print(f"  {name}: {walls[1]:.2f} s, start {walls[0]:.2f} s", file=sys.stderr)
    print(f"\n{options.events:,} events of {options.customers:,} customers, one core\n")
    print(f"{'':14}{'net events/s':>14}{'us/event':>10}{'of alone':>10}")
    for name, rate in net.items():
        print(f"{name:14}{rate:14,.0f}{1e6 / rate:10.1f}{rate / net['alone']:10.2f}")


if __name__ == "__main__":
    main()
