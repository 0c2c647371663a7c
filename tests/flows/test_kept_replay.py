"""A replay with a state directory, killed anywhere and started again: the same bytes as one that was left in peace."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from rocksdict import AccessType, Options, Rdict

from flows.kept_replay import MANIFEST
from tests.flows.test_replay import REFERENCE, REPOSITORY, Outcome, browsing, contents, run, write

WAIT_S_MAX = 120
GROUPS = [f"group-{number:05}" for number in range(64)]
QUICK = ("epoch:0.05", "records:150")
"""Short epochs, small batches: a test's events are read in many of both."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two files in order, one of them packed, with lines that are no events."""
    lines = browsing(customers=40, events=3_000)
    for number in range(0, len(lines), 700):
        lines[number] = b'{"type": "track", "broken": '
    directory = tmp_path_factory.mktemp("events")
    one, two = directory / "one.jsonl", directory / "two.jsonl.gz"
    write(one, lines[::2])
    two.write_bytes(gzip.compress(b"".join(line + b"\n" for line in lines[1::2]), mtime=0))
    return one, two


@pytest.fixture(scope="module")
def disordered(files: tuple[Path, Path]) -> tuple[Path]:
    """A file that is in order for a good while, and then is not."""
    lines = browsing(customers=40, events=3_000)
    later = lines[1_500:]
    random.Random(3).shuffle(later)
    return (write(files[0].parent / "disordered.jsonl", lines[:1_500] + later),)


@pytest.fixture(scope="module")
def in_peace(files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What the files lead to, without any state kept."""
    return run(files, tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="module")
def disordered_in_peace(disordered: tuple[Path], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run(disordered, tmp_path_factory.mktemp("out"))


def start(tmp_path: Path, files: Sequence[Path], *faults: str, workers: int = 1) -> subprocess.Popen[str]:
    """`sojourn replay --state` in a process of its own, with faults."""
    arguments = [*map(str, files), "--journeys", str(REFERENCE), "--out", str(tmp_path / "out")]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults", *QUICK, *faults, "--", "replay", *arguments,
         "--state", str(tmp_path / "state"), "--workers", str(workers)],
        cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def done(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its status, and what it said on standard error."""
    _, said = process.communicate(timeout=WAIT_S_MAX)
    return process.returncode, said


def finish(tmp_path: Path, files: Sequence[Path], workers: int = 1) -> Outcome:
    """Run to the end without being killed; what is in OUT, and the summary."""
    status, said = done(start(tmp_path, files, workers=workers))
    assert status == 0, said
    return contents(tmp_path / "out"), orjson.loads((tmp_path / "out" / "summary.json").read_bytes())


def assert_alike(found: Outcome, wanted: Outcome) -> None:
    """The same bytes, and the same counts; how long it took is its own."""
    assert found[0].keys() == wanted[0].keys()
    assert [name for name in wanted[0] if found[0][name] != wanted[0][name]] == []
    timings = {"seconds", "events_per_second", "memory_bytes_peak", "workers"}
    assert {k: v for k, v in found[1].items() if k not in timings} == {
        k: v for k, v in wanted[1].items() if k not in timings
    }


def customers(state: Path) -> dict[bytes, bytes]:
    """All records of all key groups."""
    found: dict[bytes, bytes] = {}
    for group in GROUPS:
        store = Rdict(str(state / group), Options(raw_mode=True), access_type=AccessType.read_only())
        family = store.get_column_family("customers")
        found |= dict(family.items())
        del family
        store.close()
    return found


def killed(tmp_path: Path, files: Sequence[Path], *points: tuple[str, int]) -> list[str]:
    """Start it again and again, killed at one point after the other; what it said each time."""
    all_said = []
    for point, number in points:
        status, said = done(start(tmp_path, files, f"kill:{point}:{number}"))
        assert status == -signal.SIGKILL, f"{point} {number}: status {status}: {said}"
        all_said.append(said)
    return all_said


def test_killed_at_every_point_it_ends_with_the_same_bytes(
    tmp_path: Path, files: tuple[Path, Path], in_peace: Outcome
) -> None:
    """One that is killed at one step after the other, and one that is not: equal output, equal counts, equal state."""
    killed(
        tmp_path, files,
        ("kept: before rename", 1), ("group: before write", 1), ("files: before write", 1), ("group: after write", 100),
        ("files: after write", 2), ("group: before write", 70), ("files: before write", 3), ("files: after write", 1),
        ("finish: before rename", 1), ("finish: before rename", 3), ("kept: before finishing", 1), ("kept: finished", 1),
    )  # fmt: skip
    assert_alike(finish(tmp_path, files), in_peace)
    (tmp_path / "peace").mkdir()
    assert_alike(finish(tmp_path / "peace", files), in_peace)
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == [*GROUPS, MANIFEST]
    found = customers(tmp_path / "state")
    assert len(found) == 40
    assert found == customers(tmp_path / "peace" / "state")


def test_input_that_must_be_sorted_is_sorted_once(
    tmp_path: Path, disordered: tuple[Path], disordered_in_peace: Outcome
) -> None:
    """Killed before it is known, while it is sorted, and afterwards, when what is sorted is there to go on with."""
    said = killed(
        tmp_path, disordered,
        ("files: after write", 1), ("kept: sorted first", 1), ("sort: before rename", 1), ("files: before write", 2),
        ("files: after write", 2), ("finish: before rename", 2),
    )  # fmt: skip
    assert ["sorting the input first" in each for each in said] == [False, True, True, True, False, False], said
    assert disordered_in_peace[1]["sorted_input"]
    assert_alike(finish(tmp_path, disordered), disordered_in_peace)


def test_killed_at_random_with_any_number_of_workers(
    tmp_path: Path, files: tuple[Path, Path], in_peace: Outcome
) -> None:
    """Whoever is killed - the one that was started or a worker of it - and however many there are the next time."""
    chance = random.Random(5)
    points = ("group: before write", "group: after write", "files: before write", "files: after write")
    for workers in (2, 1, 3, 2):
        fault = f"kill:{chance.choice(points)}:{chance.randrange(1, 5)}"
        status, said = done(start(tmp_path, files, fault, workers=workers))
        assert status == (-signal.SIGKILL if workers == 1 else 1), said
        if workers > 1:
            assert "start it again" in said
    process = start(tmp_path, files, "slow:0.02", workers=2)
    deadline = time.monotonic() + WAIT_S_MAX
    while not any((tmp_path / "state" / "work" / "parts").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    assert done(process)[0] == -signal.SIGKILL
    assert_alike(finish(tmp_path, files, workers=2), in_peace)


def test_what_is_done_is_not_done_again(tmp_path: Path, files: tuple[Path, Path], in_peace: Outcome) -> None:
    """Started again it says so, changes nothing, and ends well; and where the output is gone, it says that."""
    assert_alike(finish(tmp_path, files), in_peace)
    before = (tmp_path / "out" / "summary.json").read_bytes()
    (tmp_path / "out" / "summary.json").unlink()
    stamps = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    status, said = done(start(tmp_path, files))
    assert (status, "which is done: nothing to do" in said) == (0, True), said
    assert (tmp_path / "out" / "summary.json").read_bytes() == before
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert {name: stamp for name, stamp in after.items() if name != "summary.json"} == stamps
    shutil.rmtree(tmp_path / "out")
    status, said = done(start(tmp_path, files))
    assert status == 1
    assert f"{tmp_path / 'state'} is the state of this replay, which is done, but" in said


def refused(tmp_path: Path, files: Sequence[Path], **more: Any) -> str:
    """What a start says that is refused; nothing in the state directory is touched."""
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "state").rglob("*")}
    arguments = {"--journeys": REFERENCE, "--out": tmp_path / "out", "--state": tmp_path / "state"} | more
    command = [sys.executable, "-m", "flows.cli", "replay", *map(str, files)]
    command += [str(part) for option in arguments.items() for part in option]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=WAIT_S_MAX)
    assert ended.returncode == 1, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "state").rglob("*")} == before
    return line


def test_another_replay_does_not_go_on_from_it(tmp_path: Path, files: tuple[Path, Path]) -> None:
    """Other files, other definitions, another output: each is named, with what to do."""
    one, two = (Path(shutil.copy2(path, tmp_path)) for path in files)
    killed(tmp_path, (one, two), ("files: after write", 3))
    said = refused(tmp_path, (one,))
    assert (
        f"{tmp_path / 'state'} is the state of a replay of {one} and 1 more, not of {one}; give the same again" in said
    )
    said = refused(tmp_path, (two, one))
    assert "not of" in said
    journeys = Path(shutil.copytree(REFERENCE, tmp_path / "journeys"))
    changed = next(path for path in sorted(journeys.rglob("*.yaml")) if "within:" in path.read_text("utf-8"))
    changed.write_text(changed.read_text("utf-8").replace("within: ", "within: 1"), "utf-8")
    said = refused(tmp_path, (one, two), **{"--journeys": journeys})
    assert "is the state of a replay with other definitions" in said
    said = refused(tmp_path, (one, two), **{"--out": tmp_path / "elsewhere"})
    assert f"is the state of a replay with --out {tmp_path / 'out'}, not {tmp_path / 'elsewhere'}" in said
    with one.open("ab") as file:
        file.write(b"{}\n")
    said = refused(tmp_path, (one, two))
    assert f"{one} has changed since {tmp_path / 'state'} was begun (it had" in said
    os.truncate(one, one.stat().st_size - 3)
    assert "it was written to" in refused(tmp_path, (one, two))


def test_a_state_directory_that_was_damaged(tmp_path: Path, files: tuple[Path, Path]) -> None:
    """Parts that are gone or short, a manifest that is none, one of a newer version: one line each."""
    killed(tmp_path, files, ("files: after write", 3), ("files: after write", 2))
    state = tmp_path / "state"
    parts = list((state / "work" / "parts").iterdir())
    assert parts
    for part in parts:
        os.truncate(part, 0)
    status, said = done(start(tmp_path, files))
    assert status == 1
    assert "has 0 of the" in said
    assert "empty the --state directory and start again" in said
    (state / MANIFEST).write_bytes(b'{"format": 3}')
    assert "is of format 3, and this version knows 2" in refused(tmp_path, files)
    (state / MANIFEST).write_bytes(b'{"format": 2, "files": []}')
    assert "lacks definitions, finished, out, parts, period, sorted: it was damaged" in refused(tmp_path, files)
    (state / MANIFEST).write_bytes(b"[")
    assert f"{state / MANIFEST} cannot be read" in refused(tmp_path, files)
    (state / MANIFEST).unlink()
    assert "it is not the state of a replay; name a new directory" in refused(tmp_path, files)
