"""`make population`: 100,000 people live sixty days with the journeys that ship; what must hold is held against all that came out.

With one worker and with two, and with two that are killed again and again: the same bytes each time, and no violation. Else the exit
status is 1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from hashlib import blake2b
from pathlib import Path
from random import Random

from tests.population.judge import EXAMPLES, arms_out_of_bounds, judge, shown, write_events

ARMS = {"activation-help": {"guide": 0.5, "call": 0.5}}
"""Experiments of the journeys that ship, and the shares of their arms."""


def replay(events: Path, out: Path, workers: int, kills: int, random: Random) -> int:
    """Replay; kill it so many times on the way, and start it again; how many times it was killed in the middle."""
    command = [sys.executable, "-m", "flows.cli", "replay", str(events), "--journeys", str(EXAMPLES)]
    command += ["--out", str(out), "--workers", str(workers)]
    if kills:
        command += ["--state", str(out.with_name(f"{out.name}-state"))]
    killed, patience = 0, 2.0
    while True:
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as job:
            try:
                status = job.wait(patience + random.random() * patience if killed < kills else None)
            except subprocess.TimeoutExpired:
                os.killpg(job.pid, signal.SIGKILL)
                job.wait()
                killed += 1
                patience *= 1.3  # so that it comes further each time
                continue
        if status:
            raise SystemExit(f"{' '.join(command)}: exit status {status}")
        return killed


def digests(out: Path) -> dict[str, str]:
    """What the output files hold, in short; the summary has times in it."""
    files = sorted(path for path in out.glob("*.jsonl"))
    return {path.name: blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in files}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.population", description=(__doc__ or "").split(": ", 1)[1])
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=8)
    options = parser.parse_args()
    directory, began = Path(tempfile.mkdtemp(prefix="sojourn-population-")), time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True)

    events = directory / "events.jsonl"
    count = write_events(events, options.seed, options.customers, options.days)
    say(f"{count:,} events of {options.customers:,} customers in {options.days} days, seed {options.seed}")
    wrong = []
    first: dict[str, str] = {}
    for name, workers, kills in (("one", 1, 0), ("two", 2, 0), ("killed", 2, options.kills)):
        killed = replay(events, directory / name, workers, kills, Random(f"kills {options.seed}"))
        found = digests(directory / name)
        say(f"{workers} worker(s), killed {killed} times: {len(found)} files")
        if first and found != first:
            wrong.append(f"{name}: other bytes in {sorted(file for file in found if found[file] != first.get(file))}")
        first = first or found
    verdict = judge(directory / "one", options.seed, options.customers, options.days)
    wrong += verdict.violations[:20] + arms_out_of_bounds(verdict, ARMS)
    say(shown(verdict))
    for line in wrong:
        print(f"  WRONG {line}")
    if wrong:
        print(f"all of it is in {directory}")
        return 1
    shutil.rmtree(directory)
    say("nothing wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
