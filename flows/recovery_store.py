"""Whether Bytewax's recovery store is whole, before a job opens it: Bytewax itself ends in a panic over one that is not.

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
    counts = set()
    for file in files:
        try:
            with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
                tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
                if not tables >= _TABLES:
                    return f"{file} lacks the tables of a recovery store"
                found = [row[0] for row in database.execute("PRAGMA quick_check(1)")]
                counts |= {row[0] for row in database.execute("SELECT part_count FROM parts")}
        except sqlite3.Error as error:
            return f"{file} cannot be read ({error})"
        if found != ["ok"]:
            return f"{file} is not whole ({found[0]})"
    if counts != {len(files)}:
        return f"{recovery} has {len(files)} of {max(counts, default=0)} files"
    return ""


if __name__ == "__main__":
    print(_complaint(Path(sys.argv[1])))  # noqa: T201 - read by `complaint_about`
