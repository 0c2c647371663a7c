"""What keeping state costs, and what a second process brings: ratios of one run, part of `make bench`.

The events are those of `benchmarks.replay`, their answers checked; each run is a `sojourn replay --state`, in turn, on as
many cores as it has workers, net of a run over 1,000 events.

- rocksdb: one worker; every epoch is durable before the next one begins;
- memory: the same with dictionaries in the place of RocksDB (`benchmarks.memory_state`): at least 0.8 of its speed is asked for;
- two workers: at least 1.7 times the speed of one is asked for; so both cores must be free.
"""

import argparse
import shlex
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.replay import HERE, made, one, write_segment


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--python", default=sys.executable, help="of another build, as .venv-compiled/bin/python")
    options = parser.parse_args()
    python = shlex.quote(str(Path(options.python).absolute()))
    sojourn = shlex.quote(str(Path(options.python).absolute().with_name("sojourn")))
    rows = {
        "rocksdb": (sojourn, 1),
        "memory": (f"{python} {shlex.quote(str(HERE / 'memory_state.py'))}", 1),
        "two workers": (sojourn, 2),
    }
    work = Path(tempfile.mkdtemp(prefix="sojourn-bench-"))
    try:
        files, wanted = {}, {}
        for events in (1_000, options.events):
            plain = (event for event, _ in zip(made(options.events, options.customers), range(events), strict=False))
            files[events] = work / f"events-{events}.jsonl"
            wanted[events] = write_segment(plain, files[events])
        walls: dict[tuple[str, int], list[float]] = {}
        for _ in range(options.reps):
            for events, path in files.items():
                for name, (command, workers) in rows.items():
                    result = one(command, path, wanted[events], work, workers)
                    walls.setdefault((name, events), []).append(result["wall"])
                    print(
                        f"  {name}: {events:,} events in {result['wall']:.2f} s, CPU {result['cpu']:.2f} s",
                        file=sys.stderr,
                    )
    finally:
        shutil.rmtree(work, ignore_errors=True)
    net = {
        name: (options.events - 1_000)
        / (statistics.median(walls[name, options.events]) - statistics.median(walls[name, 1_000]))
        for name in rows
    }
    print(f"\n{options.events:,} events of {options.customers:,} customers, medians of {options.reps}")
    print(f"{'':14}{'wall s':>8}{'net events/s':>14}")
    for name in rows:
        print(f"{name:14}{statistics.median(walls[name, options.events]):8.2f}{net[name]:14,.0f}")
    print(f"\nRocksDB to memory alone: {net['rocksdb'] / net['memory']:.2f} (0.8 is asked for)")
    print(f"two workers to one: {net['two workers'] / net['rocksdb']:.2f} (1.7 is asked for)")


if __name__ == "__main__":
    main()
