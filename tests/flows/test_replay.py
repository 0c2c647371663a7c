"""Replay, from files to files: every line is accounted for, equal runs are equal byte for byte, trouble leaves OUT as it was.

The real streams of `../shared/data` are replayed where they are; their answers lie beside them.
"""

import base64
import csv
import fcntl
import gzip
import io
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from flows import input_files, worker_processes
from flows.input_files import Progress
from flows.replay import Request, Summary, Task, replay, write_summary
from operators.decode import address_of, decode
from operators.events import Rejected
from operators.segment import UNREADABLE, read_address
from state.errors import DefinitionsError, InputError, OutsideError, StateError, UsageError
from state.instants import format_instant, parse_instant
from tests.broken_events import broken_events, disputed_events

REPOSITORY = Path(__file__).resolve().parents[2]
REFERENCE = REPOSITORY / "tests" / "reference"
STREAMS = REPOSITORY.parent / "shared" / "data"
TEN = 1_767_607_200_000

Outcome = tuple[dict[str, bytes], dict[str, Any]]
"""The files of OUT by name, and the summary."""


def event(customer: str, at: int, name: str = "Product Viewed", category: str = "tents", **more: object) -> bytes:
    """A line of JSON at `at` ms after ten, known by who and when."""
    time = format_instant(TEN + at)
    return orjson.dumps(
        {"type": "track", "event": name, "userId": customer, "messageId": f"{customer}-{at}", "timestamp": time}
        | {"properties": {"category": category}}
        | more
    )


def browsing(customers: int, events: int) -> list[bytes]:
    """People who look at categories and sometimes buy: enough for actions, refusals and profiles. One event a minute."""
    chance = random.Random(11)
    lines = []
    for n in range(events):
        customer = f"c-{chance.randrange(customers)}"
        what = chance.random()
        if what < 0.05:
            traits = {"plan": chance.choice(("free", "paid")), "seen": n}
            lines.append(event(customer, n * 60_000, type="identify", traits=traits))
        else:
            name = "Order Completed" if what > 0.97 else "Product Viewed"
            lines.append(event(customer, n * 60_000, name, chance.choice(("tents", "boots", "maps"))))
    return lines


def write(path: Path, lines: Sequence[bytes]) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def run(files: Sequence[Path], out: Path, workers: int = 1, journeys: Path = REFERENCE, **more: Any) -> Outcome:
    """Replay; give what is in OUT, and hold the summary against it."""
    summary = replay(Request(tuple(files), journeys, out, workers, **more))
    write_summary(summary, out)
    files_out = contents(out)
    check_accounts(files_out, summary)
    return files_out, summary.as_json()


def contents(out: Path) -> dict[str, bytes]:
    """Everything in OUT but the timings; nothing else may be there."""
    found = {path.name: path.read_bytes() for path in out.iterdir() if path.name != "summary.json"}
    assert all(name.endswith(".jsonl") and not name.startswith(".") for name in found), found.keys()
    return found


def records(content: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in content.splitlines()]


def check_accounts(files: dict[str, bytes], summary: Summary) -> None:
    """read = accepted + rejected + duplicates, and the files have as many of each as the summary says."""
    told = summary.as_json()
    assert told["events_read"] == told["accepted"] + told["rejected"] + told["duplicates"]
    assert told["rejected"] == sum(told["rejected_by_reason"].values()) == len(files["rejected.jsonl"].splitlines())
    reasons = Counter(record["reason"] for record in records(files["rejected.jsonl"]))
    assert reasons == told["rejected_by_reason"]
    duplicates = [fact for fact in records(files["facts.jsonl"]) if fact["fact"] == "duplicate"]
    assert told["duplicates"] == len(duplicates)
    actions = {name: content for name, content in files.items() if name.startswith("actions.")}
    assert told["actions"] == sum(len(content.splitlines()) for content in actions.values())


def raw_of(record: dict[str, Any]) -> bytes:
    """The bytes of a rejected line, as rejected.jsonl has them."""
    return base64.b64decode(record["raw_base64"]) if "raw_base64" in record else record["raw"].encode()


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good events in order."""
    return write(tmp_path_factory.mktemp("stream") / "events.jsonl", browsing(customers=40, events=3_000))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, stream: Path) -> Outcome:
    """What comes of them with one worker."""
    return run([stream], tmp_path_factory.mktemp("out"))


def test_there_is_something_to_compare(outcome: Outcome) -> None:
    """Equal files prove nothing if they are empty: there are actions, refusals, and profiles of all customers."""
    files, told = outcome
    assert told["events_read"] == told["accepted"] == 3_000
    assert told["customers"] == 40
    assert told["actions_by_journey_and_channel"] == {"category-interest": {"email": told["actions"]}}
    assert told["actions"] > 40
    assert {fact["fact"] for fact in records(files["facts.jsonl"])} >= {"entered", "sent", "exited", "not_entered"}
    assert [profile["customer_id"] for profile in records(files["profiles.jsonl"])] == sorted(
        f"c-{n}" for n in range(40)
    )
    assert (told["workers"], told["sorted_input"]) == (1, False)


def test_files_are_sorted_by_customer_and_seq(outcome: Outcome) -> None:
    """Seq counts up for each customer; no two records of one, on whatever topic, have the same."""
    files, _ = outcome
    seqs: dict[str, list[int]] = {}
    for name in ("actions.email.jsonl", "facts.jsonl", "profiles.jsonl"):
        of_file = [(record["customer_id"], record["seq"]) for record in records(files[name])]
        assert of_file == sorted(of_file)
        for customer, seq in of_file:
            seqs.setdefault(customer, []).append(seq)
    for of_customer in seqs.values():
        assert len(set(of_customer)) == len(of_customer)
        assert min(of_customer) > 0


def test_equal_runs_are_equal_byte_for_byte(tmp_path: Path, stream: Path, outcome: Outcome) -> None:
    """Once more the same, over what an earlier replay left, and over the work of one that was killed."""
    for name in outcome[0]:
        (tmp_path / name).write_bytes(b"old\n")
    parts = tmp_path / ".replay" / "parts"
    parts.mkdir(parents=True)
    (parts / "journeys.facts.0.part").write_bytes(b"\0\0\0\7garbage")
    assert run([stream], tmp_path)[0] == outcome[0]


def test_the_number_of_workers_changes_nothing(tmp_path: Path, stream: Path, outcome: Outcome) -> None:
    """All files equal byte for byte, and all counts."""
    files, told = run([stream], tmp_path, workers=2)
    assert files == outcome[0]
    of_the_machine = {"seconds", "events_per_second", "memory_bytes_peak", "workers"}
    assert {k: v for k, v in told.items() if k not in of_the_machine} == {
        k: v for k, v in outcome[1].items() if k not in of_the_machine
    }
    assert told["workers"] == 2


def test_the_size_of_batches_changes_nothing(
    tmp_path: Path, stream: Path, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the reading is cut is an accident: a batch of a few records each gives what one of all gives."""
    monkeypatch.setattr(input_files, "BATCH_BYTES", 2_000)
    assert run([stream], tmp_path)[0] == outcome[0]


def test_lines_in_any_order_are_replayed_in_the_order_of_time(tmp_path: Path, stream: Path, outcome: Outcome) -> None:
    """A shuffled file gives what the sorted one gives; a person is told that it is sorted first, and why."""
    # given the same lines shuffled, dealt to three files, each packed in another way
    lines = stream.read_bytes().splitlines()
    shuffled = random.Random(2).sample(lines, len(lines))
    parts = [b"\n".join(shuffled[n::3]) for n in range(3)]
    paths = [tmp_path / name for name in ("a.jsonl", "b.jsonl.gz", "c.jsonl.zst")]
    for path, content in zip(paths, (parts[0], gzip.compress(parts[1]), zstandard.compress(parts[2])), strict=True):
        path.write_bytes(content)
    # when they are replayed, then all files are those of the sorted lines
    said: list[str] = []
    summary = replay(Request(tuple(paths), REFERENCE, tmp_path / "out"), say=said.append)
    assert contents(tmp_path / "out") == outcome[0]
    assert summary.as_json()["sorted_input"] is True
    assert len(said) == 1
    assert "a.jsonl:" in said[0]
    assert "sorting the input first" in said[0]


CORPUS = {raw: expected for _, raw, expected in broken_events()}
GOOD = browsing(customers=5, events=len(CORPUS))
TWICE = GOOD[-7:]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], dict[int, Outcome]]:
    """The corpus, each line between two good ones, some of which come twice; in two files. By workers: what came out."""
    directory = tmp_path_factory.mktemp("corpus")
    lines = [line for pair in zip(GOOD, CORPUS, strict=True) for line in pair] + TWICE
    half = len(lines) // 2
    paths = [write(directory / "one.jsonl", lines[:half]), write(directory / "two.jsonl", [b"", *lines[half:]])]
    return paths, {workers: run(paths, directory / str(workers), workers) for workers in (1, 2)}


def test_every_line_of_the_corpus_is_counted(corpus: tuple[list[Path], dict[int, Outcome]]) -> None:
    """Broken lines amid good ones stop nothing, and read = accepted + rejected + duplicates, each as it should be."""
    _, told = corpus[1][1]
    expected = Counter(CORPUS.values())
    accepted = expected.pop("ok")
    assert told["events_read"] == len(GOOD) + len(CORPUS) + len(TWICE)
    assert told["accepted"] == len(GOOD) + accepted
    assert told["duplicates"] == len(TWICE)
    assert told["rejected_by_reason"] == dict(sorted(expected.items()))


def test_every_rejected_line_is_found_again(corpus: tuple[list[Path], dict[int, Outcome]]) -> None:
    """With its bytes, its reason, and the file and line where they stand; in the order in which they were read."""
    paths, outcomes = corpus
    texts = {str(path): path.read_bytes().split(b"\n") for path in paths}
    found = records(outcomes[1][0]["rejected.jsonl"])
    for record in found:
        raw = raw_of(record)
        assert texts[record["file"]][record["line"] - 1] == raw
        assert record["reason"] == CORPUS[raw]
        assert record["message"]
    assert sorted(map(raw_of, found)) == sorted(raw for raw, expected in CORPUS.items() if expected != "ok")
    positions = [record["position"] for record in found]
    assert positions == sorted(set(positions))


def test_the_corpus_comes_out_alike_with_two_workers(corpus: tuple[list[Path], dict[int, Outcome]]) -> None:
    """Broken lines are dealt to groups as well; all files are equal byte for byte."""
    outcomes = corpus[1]
    assert outcomes[1][0] == outcomes[2][0]
    assert outcomes[1][1]["rejected_by_reason"] == outcomes[2][1]["rejected_by_reason"]


def test_what_two_readers_disagree_about_does_not_stop_the_replay(tmp_path: Path) -> None:
    """Read or rejected, as decoding says; the good events around are read in any case."""
    # given lines that are no clean JSON where nobody looks
    disputed = [raw for _, raw in disputed_events()]
    path = write(tmp_path / "e", [event("c-1", 0), *disputed, event("c-1", 1)])
    # when they are replayed, then all are accounted for
    files, told = run([path], tmp_path / "out")
    assert told["events_read"] == len(disputed) + 2
    assert told["accepted"] >= 2
    assert {raw_of(record) for record in records(files["rejected.jsonl"])} == {
        raw for raw in disputed if isinstance(as_file(raw), Rejected)
    }


def as_file(raw: bytes) -> object:
    try:
        _, log_time = address_of(read_address(raw))
    except UNREADABLE:
        log_time = None
    return decode(raw, log_time, own_time=True)


VALUES = (
    "1" + "0" * 30, "1" + "0" * 400, "-" + "9" * 25, '"' + "x" * 150_000 + '"', '"\\u0000any"', '"\\u0000"', '""', "null", "[]",
    '["a","b"]', '{"a":1}', '{"a":' + "9" * 40 + "}", "true", "false", "1.5", "-0.0", "0", '"{{ 7*7 }}"', '"\\ud83d\\ude00"',
    "[" * 150 + "]" * 150, "9007199254740993", '"\\u2028"', "1e308", "5e-324", '"[/b]"',
)  # fmt: skip


PLANS = ("paid", "free", "trial", "basic")


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Each customer looks three times at one strange category; one tells four plans at the very same time. Batches of one."""
    lines = [
        event(f"c-{number}", number * 10 + look, category="@@").replace(b'"@@"', value.encode())
        for number, value in enumerate(VALUES)
        for look in range(3)
    ]
    lines += [event("planner", 1_000, type="identify", messageId=plan, traits={"plan": plan}) for plan in PLANS]
    directory = tmp_path_factory.mktemp("strange")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(input_files, "BATCH_BYTES", 0)  # so that customers are stored and loaded between any two events
        return run([write(directory / "e", lines)], directory / "out")


def test_a_category_may_be_anything_that_json_has(strange: Outcome) -> None:
    """Three looks at it are three looks: sent, or withheld with a reason; but no value, and no list, is one to agree in."""
    files, told = strange
    assert told["accepted"] == told["events_read"] == 3 * len(VALUES) + len(PLANS)
    ended = {fact["customer_id"] for fact in records(files["facts.jsonl"]) if fact["fact"] in ("sent", "withheld")}
    excused = {f"c-{number}" for number, value in enumerate(VALUES) if value in ("null", "[]", '["a","b"]')}
    assert {f"c-{number}" for number in range(len(VALUES))} - ended <= excused


def test_an_attribute_is_what_was_said_last_wherever_a_batch_ends(strange: Outcome) -> None:
    """Two `identify` at the very same time, in two batches: the second one holds, though it sorts before the first."""
    profiles = {profile["customer_id"]: profile["attributes"] for profile in records(strange[0]["profiles.jsonl"])}
    assert profiles["planner"] == {"plan": PLANS[-1]}


def test_more_files_than_may_be_open_are_read(tmp_path: Path) -> None:
    """A file for every hour of two months; the usual limit of open files is 1,024."""
    paths = [write(tmp_path / f"{n:04}.jsonl", [event("c-1", n)]) for n in range(1_100)]
    ended = sojourn(
        tmp_path, "replay", *(path.name for path in paths), "--journeys", str(REFERENCE), "--out", "out",
        before="import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, resource.getrlimit(7)[1]))",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-500:]
    assert orjson.loads((tmp_path / "out" / "summary.json").read_bytes())["accepted"] == 1_100


def sojourn(directory: Path, *arguments: str, before: str = "") -> "subprocess.CompletedProcess[str]":
    """The command line in a process of its own, after running `before` in it."""
    script = f"{before}\nimport sys; from flows.cli import main; sys.argv = ['sojourn', *sys.argv[1:]]; main()"
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], check=False,
        cwd=directory, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip


# What goes wrong, and what is left then.


@pytest.fixture
def earlier(tmp_path: Path, outcome: Outcome) -> Iterator[Path]:
    """OUT with the files of an earlier replay; the test must leave them as they are."""
    out = tmp_path / "earlier"
    out.mkdir()
    for name, content in outcome[0].items():
        (out / name).write_bytes(content)
    (out / "summary.json").write_bytes(b"{}\n")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    yield out
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gz", "zst"])
def test_a_replay_that_fails_leaves_earlier_output_as_it_was(
    tmp_path: Path, stream: Path, earlier: Path, pack, workers: int
) -> None:
    """A truncated archive, found after most of it was replayed: refused by name, and nothing was written."""
    path = tmp_path / f"cut.{'gz' if pack is gzip.compress else 'zst'}"
    packed = pack(stream.read_bytes())
    path.write_bytes(packed[: len(packed) * 3 // 4])
    with pytest.raises(InputError, match=r"cut\.\w+: cannot be read to its end"):
        replay(Request((stream, path), REFERENCE, earlier, workers))


def test_truncated_input_that_is_out_of_order_fails_too(tmp_path: Path, stream: Path, earlier: Path) -> None:
    """The sorting meets the end that is missing, not the dataflow."""
    lines = stream.read_bytes().splitlines(keepends=True)
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(b"".join(lines[::-1]))[:-20])
    with pytest.raises(InputError, match=r"cut\.gz: cannot be read to its end"):
        replay(Request((path,), REFERENCE, earlier))


def test_wrong_definitions_are_found_before_anything_is_done(tmp_path: Path, stream: Path, earlier: Path) -> None:
    """No directory, no journey, a journey with mistakes."""
    wrong = tmp_path / "journeys"
    with pytest.raises(InputError, match="name the directory"):
        replay(Request((stream,), wrong, earlier))
    wrong.mkdir()
    with pytest.raises(DefinitionsError, match=r"orchestration\.yaml"):
        replay(Request((stream,), wrong, earlier))
    shutil.copy(REFERENCE / "orchestration.yaml", wrong)
    (wrong / "a.yaml").write_text("journey: a\nentr: {event: x}\nsteps: [{send: email, template: t}]\n")
    with pytest.raises(DefinitionsError, match=r"a\.yaml:2: .*entr"):
        replay(Request((stream,), wrong, earlier))


def test_input_that_is_not_there_is_found_before_anything_is_done(tmp_path: Path, stream: Path, earlier: Path) -> None:
    """One file of two."""
    with pytest.raises(InputError, match="No such file"):
        replay(Request((stream, tmp_path / "missing"), REFERENCE, earlier))


def test_one_replay_at_a_time_writes_into_a_directory(tmp_path: Path, stream: Path, outcome: Outcome) -> None:
    """A second one is refused at once, and the first goes on; nor can one that waited at the lock be joined by a third."""
    # given a replay, and two who come meanwhile: one that tries, one that has the locked file open and waits
    out = tmp_path / "out"
    request = Request((stream,), REFERENCE, out)
    refusals: list[str] = []
    waiting: list[int] = []

    def meanwhile(_: Progress) -> None:
        with pytest.raises(UsageError, match="another replay is writing there") as refused:
            replay(request)
        refusals.append(str(refused.value))
        if not waiting:
            lock = out / ".lock"
            waiting.append(os.open(lock if lock.exists() else out, os.O_RDONLY))

    # when the first has ended, then the other two did it no harm
    replay(request, watch=meanwhile)
    assert refusals
    assert str(out) in refusals[0]
    assert {name for name in outcome[0] if outcome[0][name] != (out / name).read_bytes()} == set()
    # and once the one that waited has the lock, nobody else gets it
    try:
        fcntl.flock(waiting[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(UsageError, match="another replay is writing there"):
            replay(request)
    finally:
        os.close(waiting[0])


@pytest.mark.parametrize("out", ["file", "file/below", "file/below/further"])
def test_an_output_directory_that_cannot_be_is_refused(tmp_path: Path, stream: Path, out: str) -> None:
    """A file stands in its place; the message names it and the option."""
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"name a directory that can be written, with --out DIR") as refused:
        replay(Request((stream,), REFERENCE, tmp_path / out))
    assert str(tmp_path / out) in str(refused.value)
    assert (tmp_path / "file").read_bytes() == b"mine"


# Kept state.


def test_state_is_kept_where_it_was_asked_for(tmp_path: Path, stream: Path, outcome: Outcome) -> None:
    """A directory that is not there yet, on a disk of its own if this machine has a second one; the output is the same."""
    # given a file system over whose border directories cannot be renamed: in memory, as Linux has it
    other = Path("/dev/shm")  # noqa: S108
    is_second = os.access(other, os.W_OK) and other.stat().st_dev != tmp_path.stat().st_dev
    state = other / f"sojourn-test-{os.getpid()}" if is_second else tmp_path / "state"
    try:
        # when two workers keep their state there, then it is there, group by group
        assert run([stream], tmp_path / "out", workers=2, state=state)[0] == outcome[0]
        groups = [f"group-{number:05}" for number in range(64)]
        assert sorted(path.name for path in state.iterdir()) == [*groups, "replay.json"]
        assert all((state / group / "CURRENT").is_file() for group in groups)
    finally:
        shutil.rmtree(state, ignore_errors=True)


def test_state_that_is_there_is_not_touched(tmp_path: Path, stream: Path, earlier: Path) -> None:
    """What is not the state of a replay is not made one."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "group-00000").write_bytes(b"mine")
    with pytest.raises(
        StateError, match=r"is not empty, and has no replay\.json: it is not the state of a replay; name a new"
    ):
        replay(Request((stream,), REFERENCE, earlier, state=tmp_path / "state"))
    assert (tmp_path / "state" / "group-00000").read_bytes() == b"mine"


def test_a_state_directory_that_cannot_be_is_refused_first(tmp_path: Path, stream: Path, earlier: Path) -> None:
    """A file in its place, a file above it, or the output directory itself: not found out when all the work is done."""
    (tmp_path / "file").write_bytes(b"mine")
    for state in (tmp_path / "file", tmp_path / "file" / "below", earlier):
        with pytest.raises((StateError, UsageError)):
            replay(Request((stream,), REFERENCE, earlier, state=state))


def test_output_and_state_are_not_one_directory(tmp_path: Path, stream: Path) -> None:
    """Both empty, and one and the same: refused before the work, in one sentence."""
    with pytest.raises((StateError, UsageError)):
        replay(Request((stream,), REFERENCE, tmp_path / "same", state=tmp_path / "same"))


# Worker processes, as seen by the one that started them.

STRAY = b"worker 1:\terror connecting to worker 0: Connection refused (os error 111); retrying\n"
"""What Timely prints on standard output when the other worker is a little slower to start."""


def stub(lines: bytes, status: int = 0) -> "subprocess.Popen[bytes]":
    """A process that says these lines instead of a worker."""
    script = f"import sys; sys.stdout.buffer.write({lines!r}); sys.exit({status})"
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)


def counted(number: int, **more: object) -> bytes:
    return orjson.dumps({"counts": {"records": number}, "rejected": {}, "actions": {}, **more}) + b"\n"


@pytest.fixture
def task(tmp_path: Path, stream: Path) -> Task:
    return Task((stream,), REFERENCE, tmp_path, tmp_path, 2, None, recovery=None, lock=None)


def test_what_libraries_print_does_not_lose_what_a_worker_counted(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], task: Task, stream: Path
) -> None:
    """Standard output is not the worker's alone; and a replay that goes well does not alarm anybody."""
    outputs = [counted(10), STRAY + counted(5)]
    monkeypatch.setattr(worker_processes, "_start", lambda _task, number: stub(outputs[number]))
    assert worker_processes.run_workers(task, 2, Progress([stream])).counts == {"records": 15}
    assert capfd.readouterr() == ("", "")


def test_what_libraries_print_does_not_lose_that_the_input_failed(
    monkeypatch: pytest.MonkeyPatch, task: Task, stream: Path
) -> None:
    """Else a replay of half a file would pass for one of the whole."""
    telling = {"bytes_read": 1, "records": 1, "log_time": 1, "failure": "InputError", "message": "cut off"}
    outputs = [counted(10), STRAY + orjson.dumps(telling) + b"\n" + counted(5)]
    monkeypatch.setattr(worker_processes, "_start", lambda _task, number: stub(outputs[number]))
    progress = Progress([stream])
    worker_processes.run_workers(task, 2, progress)
    assert type(progress.failure) is InputError


@pytest.mark.parametrize(("said", "status"), [(b"", 0), (STRAY, 0), (b"", 1), (b"", -9)])
def test_a_worker_that_did_not_tell_what_it_counted_fails_the_replay(
    monkeypatch: pytest.MonkeyPatch, task: Task, stream: Path, said: bytes, status: int
) -> None:
    """Whatever its exit status was: counts that are missing must never look like zero."""
    monkeypatch.setattr(
        worker_processes,
        "_start",
        lambda _task, number: stub(said, status) if number else stub(counted(10)),
    )
    with pytest.raises(OutsideError, match="worker"):
        worker_processes.run_workers(task, 2, Progress([stream]))


# The real streams.


def answers(name: str) -> list[tuple[str, str, int]]:
    """(user, category, time in ms) of every action that is right."""
    text = (STREAMS / f"{name}.category-interest.csv").read_text()
    return sorted((row["user"], row["category"], int(row["fired_at_ms"])) for row in csv.DictReader(io.StringIO(text)))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("name", "actions"), [("taobao-dev", 3_961), ("tmall2014-dev", 6_774)])
def test_real_streams_give_the_known_answers(tmp_path: Path, name: str, actions: int, workers: int) -> None:
    """Every action of `category-interest` over real shoppers, and not one more: who, for which category, and when."""
    path = STREAMS / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"the recorded shoppers are not shipped with the project; they would be in {STREAMS}")
    files, told = run([path], tmp_path, workers)
    sent = [
        (action["customer_id"], action["with"]["category"], parse_instant(action["decided_at"]))
        for action in records(files["actions.email.jsonl"])
    ]
    assert told["actions"] == len(sent) == actions
    assert sorted(sent) == answers(name)
    assert told["rejected"] == told["duplicates"] == 0
