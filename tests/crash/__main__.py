"""`python -m tests.crash --seed N --cycles M`: kill the live job M times on a Kafka of its own; 1 if anything is wrong."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.harness import CONTROLS, Report, Round
from tests.kafka.broker import Broker, missing

CYCLES_EACH = 25  # of a round; the next one begins with a new log


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=(__doc__ or "").split(": ", 1)[1])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--control", choices=sorted(CONTROLS), default="", help="leave out a part: it must go wrong")
    parser.add_argument("--verbose", action="store_true", help="tell every cycle")
    options = parser.parse_args()
    if obstacle := missing():
        print(f"needs an Apache Kafka of its own: {obstacle}", file=sys.stderr)
        return 1
    report, began = Report(), time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="sojourn-crash-"))
    with Broker() as broker:
        left, number = options.cycles, 0
        while left > 0:
            cycles, seed = min(left, CYCLES_EACH), options.seed * 1_000 + number
            found = Round(broker, directory / str(seed), seed, cycles, options.control).run()
            print(f"seed {seed}: {found}", flush=True)
            for line in found.story if options.verbose else ():
                print(f"  {line}")
            for line in found.wrong:
                print(f"  WRONG {line}", flush=True)
            if not found.wrong:
                shutil.rmtree(directory / str(seed))
            report.add(found)
            left, number = left - cycles, number + 1
    print(f"all: {report}; {time.monotonic() - began:.0f} s")
    if report.wrong:
        print(f"what the jobs left and said is in {directory}")
        return 1
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
