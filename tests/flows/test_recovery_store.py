"""The look at a recovery store before a job opens it agrees with what Bytewax itself would say, and says it in one line."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from bytewax.recovery import init_db_dir

from flows.recovery_store import complaint_about

FLOW = """
import sys
from datetime import timedelta
from pathlib import Path
import bytewax.operators as op
from bytewax._bytewax import cli_main
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource

recovery = Path(sys.argv[1])
if not recovery.exists():
    recovery.mkdir()
    init_db_dir(recovery, 3)
flow = Dataflow("counting")
numbers = op.input("numbers", flow, TestingSource([("a", number) for number in range(40)], batch_size=1))
op.output("out", op.stateful_map("sum", numbers, lambda state, value: ((state or 0) + value, value)), TestingSink([]))
cli_main(flow, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(recovery, timedelta(0)))
"""


def job(recovery: Path) -> subprocess.CompletedProcess[str]:
    """A small dataflow, in a process of its own: nobody else may have the files open meanwhile."""
    return subprocess.run(
        [sys.executable, "-c", FLOW, str(recovery)], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def recovery(tmp_path: Path) -> Path:
    made = tmp_path / "recovery"
    assert job(made).returncode == 0
    return made


def change(recovery: Path, statement: str, *values: int) -> None:
    for path in sorted(recovery.glob("part-*.sqlite3")):
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(statement, values)


def test_a_whole_one_is_no_complaint(recovery: Path) -> None:
    """However often it was gone on from."""
    assert complaint_about(recovery) == ""
    assert job(recovery).returncode == 0
    assert complaint_about(recovery) == ""


def test_one_that_has_just_been_made(tmp_path: Path) -> None:
    init_db_dir(tmp_path, 2)
    assert complaint_about(tmp_path) == ""


@pytest.mark.parametrize("back", [1, 2, 3, 10])
def test_files_that_are_of_different_moments(recovery: Path, back: int) -> None:
    """Bytewax refuses with a panic exactly where the look complains."""
    change(recovery, "UPDATE fronts SET worker_frontier = worker_frontier - ?", back)
    said = complaint_about(recovery)
    refused = "are too old to resume from epoch" in job(recovery).stderr
    assert bool(said) == refused
    assert refused == (back > 1)  # the last commit is one epoch behind the progress
    if said:
        assert said.startswith(f"{recovery} is not of one moment: part-")
        assert "\n" not in said


def test_one_whose_last_start_is_lost(recovery: Path) -> None:
    """The progress of a worker that is not known is that of the start."""
    assert job(recovery).returncode == 0
    change(recovery, "DELETE FROM fronts")
    assert bool(complaint_about(recovery)) == ("are too old to resume" in job(recovery).stderr)


def test_a_file_that_is_no_database(recovery: Path) -> None:
    for log in recovery.glob("*-wal"):
        log.unlink()
    (recovery / "part-1.sqlite3").write_bytes(b"no database" * 1000)
    assert "part-1.sqlite3 cannot be read (file is not a database)" in complaint_about(recovery)
