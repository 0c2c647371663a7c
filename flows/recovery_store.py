"""Whether Bytewax's recovery store is whole, before a job opens it: Bytewax itself ends in a panic over one that is not.

Whole is also: of one moment. Each file drops what all workers have gone past; where another file is older than that (its
write-ahead log was cut, it came from a backup), there is no epoch that all of them know.

The SQLite files are looked at in a process of their own: one that has opened them with Python's SQLite must not work on
them with Bytewax's afterwards (the second one unmaps what the first has locked: SIGBUS, seen).
"""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

_TABLES = {"parts", "exs", "fronts", "commits", "snaps"}


def complaint_about(recovery: Path) -> str:
    """What is wrong with a recovery store; empty if nothing is."""
    looked = subprocess.run(  # noqa: S603 - this module
        [sys.executable, "-m", "flows.recovery_store", str(recovery)], capture_output=True, text=True, check=False
    )
    return looked.stdout.strip() or (looked.stderr.strip()[-300:] if looked.returncode else "")


def _complaint(recovery: Path) -> str:
    files = sorted(recovery.glob("part-*.sqlite3"))
    counts: set[int] = set()
    executions: dict[int, tuple[int, int]] = {}
    frontiers: dict[tuple[int, int], int] = {}
    commits: dict[Path, int] = {}
    for file in files:
        try:
            with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
                tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
                if not tables >= _TABLES:
                    return f"{file} lacks the tables of a recovery store"
                found = [row[0] for row in database.execute("PRAGMA quick_check(1)")]
                counts |= {row[0] for row in database.execute("SELECT part_count FROM parts")}
                for number, workers, epoch in database.execute("SELECT ex_num, worker_count, resume_epoch FROM exs"):
                    executions[number] = workers, epoch
                for number, worker, epoch in database.execute(
                    "SELECT ex_num, worker_index, worker_frontier FROM fronts"
                ):
                    frontiers[number, worker] = max(epoch, frontiers.get((number, worker), 0))
                commits[file] = max((row[0] for row in database.execute("SELECT commit_epoch FROM commits")), default=0)
        except sqlite3.Error as error:
            return f"{file} cannot be read ({error})"
        if found != ["ok"]:
            return f"{file} is not whole ({found[0]})"
    if counts != {len(files)}:
        return f"{recovery} has {len(files)} of {max(counts, default=0)} files"
    resume = _resume_epoch(executions, frontiers)
    for file, epoch in commits.items():
        if epoch > resume:
            return (
                f"{recovery} is not of one moment: {file.name} begins at epoch {epoch:,}, and others end at {resume:,}"
            )
    return ""


def _resume_epoch(executions: dict[int, tuple[int, int]], frontiers: dict[tuple[int, int], int]) -> int:
    """Where Bytewax would go on: how far all workers of the last execution had come.

    >>> _resume_epoch({0: (1, 1), 1: (2, 40)}, {(0, 0): 40, (1, 0): 70})
    40
    """
    if not executions:
        return 0
    last = max(executions)
    workers, began = executions[last]
    return min(max(began, frontiers.get((last, worker), 0)) for worker in range(workers))


if __name__ == "__main__":
    print(_complaint(Path(sys.argv[1])))  # noqa: T201 - read by `complaint_about`
