"""Which history a replay reads: directories, patterns, a period of it; and input that is not as it should be."""

import gzip
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from flows.history import find_files, instant_of
from flows.input_files import Progress, read_lines
from flows.replay import Request, replay
from state.errors import InputError, StateError, UsageError
from state.instants import format_instant

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
TEN = 1_767_607_200_000  # 2026-01-05T10:00:00Z
DAY = 86_400_000


def event(customer: str, at: int, category: str = "tents") -> bytes:
    time = format_instant(TEN + at)
    what = {"type": "track", "event": "Product Viewed", "userId": customer, "messageId": f"{customer}-{at}"}
    return orjson.dumps(what | {"timestamp": time, "properties": {"category": category}}) + b"\n"


def write(path: Path, *lines: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = b"".join(lines)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def outputs(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.jsonl")}


def run(files: list[Path], out: Path, **more: object) -> dict[str, bytes]:
    replay(Request(tuple(files), REFERENCE, out, **more))  # type: ignore[arg-type]
    return outputs(out)


def nothing(line: str) -> None:
    raise AssertionError(f"this was not to be told: {line}")


def test_a_directory_stands_for_all_files_below_it_in_the_order_of_their_paths(tmp_path: Path) -> None:
    """Packed or not; what other programs leave beside them is none of them, and what is something else is told."""
    wanted = [write(tmp_path / name, event("c", n)) for n, name in enumerate(("a/2.jsonl", "a/3.ndjson.gz", "b.json"))]
    for bookkeeping in ("_SUCCESS", ".b.json.crc", "_temporary/0.jsonl", "a/.hidden/1.jsonl"):
        write(tmp_path / bookkeeping)
    assert find_files([tmp_path], nothing) == tuple(wanted)
    write(tmp_path / "a" / "notes.txt")
    told: list[str] = []
    assert find_files([tmp_path], told.append) == tuple(wanted)
    assert len(told) == 1
    assert "1 files are passed over" in told[0]
    assert "notes.txt" in told[0]


def test_a_pattern_stands_for_what_it_fits(tmp_path: Path) -> None:
    """In quotes, the shell leaves it alone; a file that is called like a pattern is meant itself."""
    one, two = write(tmp_path / "x" / "1.jsonl"), write(tmp_path / "y" / "z" / "2.jsonl")
    assert find_files([tmp_path / "**" / "*.jsonl"], nothing) == (one, two)
    odd = write(tmp_path / "[1].jsonl")
    assert find_files([odd, two], nothing) == (odd, two)


def test_directories_and_patterns_without_files_are_refused(tmp_path: Path) -> None:
    """By name, with the way out."""
    with pytest.raises(InputError, match=r"no file of JSON lines below it .*; name the files"):
        find_files([tmp_path], nothing)
    with pytest.raises(InputError, match="no file is called so; mend the pattern"):
        find_files([tmp_path / "*.jsonl"], nothing)


def test_a_directory_gives_what_its_files_give(tmp_path: Path) -> None:
    """The same bytes, with one worker and with two."""
    looks = [event(f"c-{n % 7}", n * 1_000) for n in range(60)]
    parts = [write(tmp_path / "in" / f"{n}.jsonl", *looks[n::3]) for n in range(3)]
    named = run(parts, tmp_path / "named")
    assert named["actions.email.jsonl"]
    assert run([tmp_path / "in"], tmp_path / "directory") == named
    assert run([tmp_path / "in"], tmp_path / "two", workers=2) == named


@pytest.mark.parametrize(("order", "workers"), [(1, 2), (-1, 1)], ids=["in-order", "sorted-first"])
def test_a_period_is_what_is_in_it(tmp_path: Path, workers: int, order: int) -> None:
    """From since on, before until: as if the file had no other lines. The time goes on to until in both."""
    looks = [event(f"c-{n % 5}", n * 60_000) for n in range(100)]
    whole = write(tmp_path / "whole.jsonl", *looks[::order])
    part = write(tmp_path / "part.jsonl", *looks[20:80])
    since, until = TEN + 20 * 60_000, TEN + 80 * 60_000
    expected = run([part], tmp_path / "expected", until=until)
    assert expected["actions.email.jsonl"]
    assert run([whole], tmp_path / "out", since=since, until=until, workers=workers) == expected


def waiting_journeys(directory: Path) -> Path:
    """A message a day after the event."""
    write(directory / "orchestration.yaml", (REFERENCE / "orchestration.yaml").read_bytes())
    write(
        directory / "later.yaml",
        b"journey: later\nversion: 1\nenter: {event: Product Viewed}\nsteps: [{wait: 1d}, {id: it, send: email, template: t}]\n",
    )
    return directory


def test_until_lets_the_time_pass(tmp_path: Path) -> None:
    """A wait that is over after the last event is over by `until`, not a millisecond sooner; without, it is not."""
    journeys, file = waiting_journeys(tmp_path / "j"), write(tmp_path / "e.jsonl", event("c", 0))

    def sent(name: str, until: int | None) -> list[str]:
        replay(Request((file,), journeys, tmp_path / name, until=until))
        lines = outputs(tmp_path / name)["actions.email.jsonl"].splitlines()
        return [orjson.loads(line)["decided_at"] for line in lines]

    assert sent("none", None) == []
    assert sent("before", TEN + DAY - 1) == []
    assert sent("at", TEN + DAY) == [format_instant(TEN + DAY)]
    assert sent("after", TEN + 9 * DAY) == [format_instant(TEN + DAY)]


def test_a_period_without_events_is_refused(tmp_path: Path) -> None:
    """Before the first, after the last: what was asked, what there is, and nothing is written."""
    file = write(tmp_path / "e.jsonl", event("c", 0), event("c", DAY))
    for since, until in ((TEN + 2 * DAY, None), (None, TEN), (TEN + 1, TEN + DAY)):
        with pytest.raises(InputError, match=r"there is no event .*its first is of 2026-01-05.*mend --since and"):
            run([file], tmp_path / "out", since=since, until=until)
        assert list((tmp_path / "out").iterdir()) == []


def test_empty_input_is_refused(tmp_path: Path) -> None:
    """One empty file, or many; beside one that has events, it is a part without events like any other."""
    empty = [write(tmp_path / f"{n}.jsonl") for n in range(2)]
    with pytest.raises(InputError, match=r"there is no event to replay: .*0\.jsonl is empty; nothing was written"):
        run(empty[:1], tmp_path / "out", workers=2)
    with pytest.raises(InputError, match="1 more are all empty"):
        run(empty, tmp_path / "out", workers=2)
    assert list((tmp_path / "out").iterdir()) == []
    files = (*empty, write(tmp_path / "e", event("c", 0)))
    assert replay(Request(files, REFERENCE, tmp_path / "out", 2)).counts.counts["accepted"] == 1


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """What a writer has not yet finished may end in half a line."""
    file = write(tmp_path / "e.jsonl", *(event("c", n) for n in range(20_000)))
    blocks = read_lines(file, Progress([file]))
    next(blocks)
    with file.open("ab") as writer:
        writer.write(event("c", 20_001)[:40])
    with pytest.raises(
        InputError, match=r"e\.jsonl: was written to while it was read \(it had .* wait until its writer"
    ):
        list(blocks)


def test_assume_sorted_refuses_what_is_not(tmp_path: Path) -> None:
    """By file and line, with nothing written; input that is in order is replayed as ever."""
    file = write(tmp_path / "e.jsonl", event("c", 1), event("c", 2), event("c", 0))
    with pytest.raises(InputError, match=r"e\.jsonl:3: .*--assume-sorted.*nothing was written, leave it out"):
        run([file], tmp_path / "out", assume_sorted=True)
    assert list((tmp_path / "out").iterdir()) == []
    write(file, event("c", 1), event("c", 2))
    request = Request((file,), REFERENCE, tmp_path / "out", assume_sorted=True)
    assert replay(request).counts.counts["accepted"] == 2


def test_assume_sorted_holds_for_more_files_than_are_open_at_once(tmp_path: Path) -> None:
    """They are sorted together, but none of them by itself may be out of order."""
    files = [write(tmp_path / f"{n:03}.jsonl", event("c", n)) for n in range(201)]
    run(files, tmp_path / "out", assume_sorted=True)
    write(files[7], event("c", 8), event("c", 7))
    with pytest.raises(InputError, match=r"007\.jsonl:2: .*--assume-sorted"):
        run(files, tmp_path / "other", assume_sorted=True)


def test_kept_state_is_of_one_period(tmp_path: Path) -> None:
    """With another one, what comes out would be a mixture."""
    file = write(tmp_path / "e.jsonl", event("c", 0), event("c", DAY))
    run([file], tmp_path / "out", state=tmp_path / "state", until=TEN + DAY)
    with pytest.raises(StateError, match="a replay with another --since or --until"):
        run([file], tmp_path / "out", state=tmp_path / "state", until=TEN + 2 * DAY)


def test_a_time_may_be_a_day_or_an_instant() -> None:
    """A day is its beginning in UTC; anything else is refused by the name of the option."""
    assert instant_of("2026-01-05", "--since") == TEN - 10 * 3_600_000
    assert instant_of("2026-01-05T11:00:00+01:00", "--since") == TEN
    assert instant_of(None, "--since") is None
    for text in ("yesterday", "2026-13-01", "", "2026-02-30"):
        with pytest.raises(UsageError, match=r"--until .* is no time; write a day"):
            instant_of(text, "--until")


@pytest.mark.parametrize("kept", [True, False], ids=["with-state", "without"])
def test_ctrl_c_says_how_to_go_on(tmp_path: Path, kept: bool) -> None:
    """With state, the same command goes on from it, and ends with the same bytes; without, nothing was kept."""
    file = write(tmp_path / "e.jsonl", *(event(f"c-{n % 50}", n * 1_000) for n in range(2_000)))
    request = f"Request((Path({str(file)!r}),), Path({str(REFERENCE)!r}), Path({str(tmp_path / 'out')!r})"
    request += f", state=Path({str(tmp_path / 'state')!r}))" if kept else ")"
    script = (
        "import os, signal; from pathlib import Path; from flows import input_files; from flows.replay import Request, replay\n"
        "input_files.BATCH_RECORDS_MAX = 100\n"
        "deal = input_files._Dealer._deal\n"
        "def interrupted(self):\n"
        f"    if self._position >= 500: os.kill(os.getpid(), {int(signal.SIGINT)})\n"
        "    return deal(self)\n"
        "input_files._Dealer._deal = interrupted\n"
        f"replay({request})"
    )
    root = Path(__file__).resolve().parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=root, check=False, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 130, ended.stderr
    said = "the same command again goes on from there" if kept else "nothing was kept or written (with --state DIR"
    assert said in ended.stderr
    assert list((tmp_path / "out").iterdir()) == []
    if kept:
        whole = run([file], tmp_path / "whole")
        assert run([file], tmp_path / "out", state=tmp_path / "state") == whole
