"""The command line as a user types it: help, exit statuses, one line for every error, and what each command leaves behind."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from flows.cli import main
from tests.flows.test_replay import REFERENCE, REPOSITORY, browsing, write

COMMANDS = ("replay", "run", "check", "test", "schema", "draw", "generate", "demo", "health")
OUTPUT = {"actions.email.jsonl", "facts.jsonl", "profiles.jsonl", "rejected.jsonl", "summary.json"}


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


Sojourn = Callable[..., Ended]


@pytest.fixture
def sojourn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Sojourn:
    """Runs a command in this process, in an empty directory and without settings of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    for name in os.environ:
        if name.startswith("SOJOURN_"):
            monkeypatch.delenv(name)

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["sojourn", *map(str, arguments)])
        capfd.readouterr()
        try:
            main()
            status: object = 0
        except SystemExit as exit_:
            status = exit_.code or 0
        out, err = capfd.readouterr()
        assert isinstance(status, int)
        return Ended(status, out, err)

    return run


def in_a_process(directory: Path, *arguments: str | Path, before: str = "") -> Ended:
    """Runs a command in a process of its own, after running `before` there."""
    script = f"{before}\nimport sys; from flows.cli import main; sys.argv[0] = 'sojourn'; main()"
    ended = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], check=False, cwd=directory, capture_output=True, text=True,
        timeout=120, start_new_session=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def check_is_one_line(ended: Ended) -> str:
    """An error is one line that begins with the program's name; gives what it says."""
    assert ended.err.count("\n") == 1, ended.err
    assert ended.err.startswith("sojourn: ")
    assert ended.err.endswith("\n")
    return ended.err.removeprefix("sojourn: ").rstrip("\n")


# Help and usage.


def test_help_tells_all_commands(sojourn: Sojourn) -> None:
    """Each with a line about it."""
    for option in ("--help", "-h"):
        ended = sojourn(option)
        assert (ended.status, ended.err) == (0, "")
        lines = ended.out.splitlines()
        for command in COMMANDS:
            assert any(f" {command} " in line and len(line.split()) > 4 for line in lines), command


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(sojourn: Sojourn, command: str) -> None:
    """How it is called, and what it does."""
    ended = sojourn(command, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert f"sojourn {command} [OPTIONS]" in ended.out
    assert "--help" in ended.out


def test_help_does_not_wait_for_what_it_does_not_need(tmp_path: Path) -> None:
    """Kafka's client, RocksDB and the engine load when a command needs them."""
    before = (
        "import atexit, sys\n"
        "heavy = {'confluent_kafka', 'rocksdict', 'bytewax', 'pydantic', 'hypothesis'}\n"
        "atexit.register(lambda: print('loaded:', sorted(heavy & sys.modules.keys())))"
    )
    ended = in_a_process(tmp_path, "--help", before=before)
    assert ended.status == 0
    assert ended.out.splitlines()[-1] == "loaded: []"


def test_no_command_is_wrong_usage(sojourn: Sojourn) -> None:
    """The help is shown, but nothing was done: status 2."""
    ended = sojourn()
    assert ended.status == 2
    assert "replay" in ended.out + ended.err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--bogus"], "--bogus"),
        (["replai"], "replai"),
        (["replay"], "EVENTS"),
        (["replay", "e.jsonl"], "--journeys"),
        (["replay", "e.jsonl", "--journeys", "j"], "--out"),
        (["replay", "--bogus", "e.jsonl"], "--bogus"),
        (["replay", "e", "--journeys", "j", "--out", "o", "--workers", "0"], "--workers"),
        (["replay", "e", "--journeys", "j", "--out", "o", "--workers", "65"], "--workers"),
        (["replay", "e", "--journeys", "j", "--out", "o", "--workers", "two"], "--workers"),
        (["run", "--bogus"], "--bogus"),
        (["run", "extra"], "extra"),
        (["check", "a", "b"], "b"),
        (["generate", "--events", "0"], "--events"),
        (["generate", "--out"], "--out"),
        (["demo", "--events", "999"], "--events"),
        (["health", "--seconds", "0"], "--seconds"),
    ],
)
def test_wrong_usage_is_status_2(sojourn: Sojourn, arguments: list[str], word: str) -> None:
    """Unknown commands and options, missing and superfluous arguments, numbers out of range: named on standard error."""
    ended = sojourn(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert word in ended.err
    assert "Traceback" not in ended.err


# Errors.


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["replay", "missing.jsonl", "--journeys", REFERENCE, "--out", "o"], 1, ("missing.jsonl", "name a file")),
        (["replay", ".", "--journeys", REFERENCE, "--out", "o"], 1, ("no file of JSON lines", "name the files")),
        (["replay", "cut.gz", "--journeys", REFERENCE, "--out", "o"], 1, ("cut.gz", "mend the file and start again")),
        (["replay", "cut.zst", "--journeys", REFERENCE, "--out", "o"], 1, ("cut.zst", "mend the file and start again")),
        (["replay", "empty", "--journeys", "missing", "--out", "o"], 1, ("missing", "name the directory")),
        (["replay", "empty", "--journeys", "empty", "--out", "o"], 1, ("empty", "name the directory")),
        (["replay", "empty", "--journeys", REFERENCE, "--out", "empty"], 2, ("empty", "--out DIR")),
        (
            ["replay", "empty", "--journeys", REFERENCE, "--out", "o", "--state", "full"],
            1,
            ("full is not empty", "new"),
        ),
        (["replay", "empty", "--journeys", REFERENCE, "--out", "o", "--state", "empty"], 2, ("empty", "--state DIR")),
        (["check", "missing"], 1, ("missing", "name the directory")),
        (["check"], 1, ("journeys", "name the directory")),
        (["check", "latin"], 1, ("a.yaml", "not UTF-8", "save it as UTF-8")),
        (["generate"], 2, ("--out FILE", "--to-kafka")),
        (["generate", "--out", "f", "--to-kafka"], 2, ("--out FILE", "--to-kafka")),
        (["generate", "--out", "empty/f"], 1, ("empty/f", "name a file that can be written")),
        (["generate", "--events", "9", "--out", "full"], 1, ("full", "Is a directory", "name a file")),
        (["health"], 1, ("data/alive", "sojourn run --data data")),
        (["health", "--data", "full"], 1, ("full/alive", "sojourn run --data full")),
    ],
    ids=lambda value: " ".join(str(part) for part in value if part != REFERENCE) if isinstance(value, list) else "",
)
def test_an_error_is_one_line_that_says_what_to_do(
    sojourn: Sojourn, tmp_path: Path, arguments: list[str | Path], status: int, words: tuple[str, ...]
) -> None:
    """On standard error, with the status that the contract has, naming what was given; nothing is written."""
    # given a few files that are in the way
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "cut.gz").write_bytes(bytes.fromhex("1f8b0800000000000003"))
    (tmp_path / "cut.zst").write_bytes(bytes.fromhex("28b52ffd0458"))
    for directory in ("full", "latin"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "a.yaml").write_bytes(b"description: caf\xe9\n")
    before = sorted(tmp_path.rglob("*"))
    # when the command is typed
    ended = sojourn(*arguments)
    # then it fails with that line
    assert ended.status == status
    said = check_is_one_line(ended)
    for word in words:
        assert word in said
    assert ended.out == ""
    left = {path for path in tmp_path.rglob("*") if path not in before and path != tmp_path / "o"}
    assert left == set()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SOJOURN_EPOCH_MS", "soon", ("epoch_ms", "SOJOURN_EPOCH_MS", "integer")),
        ("SOJOURN_PARTITIONS", "0", ("partitions", "greater than or equal to 1")),
        ("SOJOURN_DELIVERY", "at_most_once", ("delivery", "at_least_once")),
    ],
)
def test_a_wrong_setting_is_named(
    sojourn: Sojourn, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: tuple[str, ...]
) -> None:
    """A variable of the environment is wrong usage as much as an option is."""
    monkeypatch.setenv(name, value)
    ended = sojourn("health")
    assert ended.status == 2
    said = check_is_one_line(ended)
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("partitons = 3\n", ("partitons", "partitions")),
        ("partitions = \n", ("sojourn.toml",)),
        ("kafka = 3\n", ("kafka",)),
        ("partitions = 'many'\n", ("partitions", "integer")),
    ],
)
def test_a_wrong_line_in_the_settings_file_is_named(
    sojourn: Sojourn, tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    """`sojourn.toml` of the working directory: an unknown name, no TOML, a wrong type."""
    (tmp_path / "sojourn.toml").write_text(text)
    ended = sojourn("health")
    assert ended.status == 2
    said = check_is_one_line(ended)
    for word in words:
        assert word in said


def test_a_full_disk_is_one_line_and_leaves_earlier_output(tmp_path: Path) -> None:
    """Whether the part files or the sorted input have no room: no trace of the engine, status 1, OUT as it was."""
    # given an earlier output, and input that needs a few megabytes
    out = tmp_path / "out"
    out.mkdir()
    (out / "facts.jsonl").write_bytes(b"earlier\n")
    broken = write(tmp_path / "broken.jsonl", [b"no json %d " % n + b"x" * 2_000 for n in range(1_500)])
    lines = browsing(customers=2, events=1_500)
    unsorted = write(
        tmp_path / "unsorted.jsonl", [line[:-1] + b',"extra":"%b"}' % (b"x" * 2_000) for line in lines[::-1]]
    )
    # when no file may have more than one megabyte
    for path in (broken, unsorted):
        limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))"
        ended = in_a_process(tmp_path, "replay", path.name, "--journeys", REFERENCE, "--out", "out", before=limit)
        # then the replay fails, and says why in its last line
        assert ended.status == 1
        assert "panicked" not in ended.err
        assert "Traceback" not in ended.err
        assert ended.err.splitlines()[-1].startswith("sojourn: ")
        assert "File too large" in ended.err.splitlines()[-1]
        assert {entry.name: entry.read_bytes() for entry in out.iterdir()} == {"facts.jsonl": b"earlier\n"}


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_a_replay_in_one_line(tmp_path: Path, workers: int) -> None:
    """In the midst of it, for the whole foreground group as a terminal does: status 130, and nothing is left behind."""
    # given a replay that is interrupted as soon as events have been read
    write(tmp_path / "events.jsonl", browsing(customers=40, events=3_000))
    before = (
        "import contextlib, os, signal\n"
        "from flows import show\n"
        "def watch(reading):\n"
        "    if reading.records and not done:\n"
        "        done.append(1)\n"
        f"        os.killpg(0, {signal.SIGINT:d})\n"
        "done = []\n"
        "@contextlib.contextmanager\n"
        "def show_progress():\n"
        "    yield watch\n"
        "show.show_progress = show_progress\n"
    )
    # when it runs
    ended = in_a_process(
        tmp_path, "replay", "events.jsonl", "--journeys", REFERENCE, "--out", "out", "--workers", str(workers), before=before
    )  # fmt: skip
    # then the engine's own words about it are not the user's
    assert ended.status == 130
    assert (
        ended.err == "sojourn: interrupted: nothing was kept or written (with --state DIR, it could be gone on with)\n"
    )
    assert ended.out == ""
    assert list((tmp_path / "out").iterdir()) == []


# check


def workspace(directory: Path, **files: str) -> Path:
    """A directory of definitions; names without their `.yaml`."""
    directory.mkdir()
    for name, text in {"orchestration": "timezone: UTC\nchannels: {email: {}, push: {}}\n", **files}.items():
        (directory / f"{name}.yaml").write_text(text)
    return directory


GOOD = "journey: good\nenter: {event: Product Viewed}\nsteps:\n  - id: s\n    send: email\n    template: t\n"


def test_check_says_that_all_is_well(sojourn: Sojourn, tmp_path: Path) -> None:
    """And what it has looked at."""
    directory = workspace(tmp_path / "journeys", good=GOOD)
    for arguments in (["check"], ["check", directory]):
        ended = sojourn(*arguments)
        assert (ended.status, ended.err) == (0, "")
        assert "all well" in ended.out
        assert "good (version 1)" in ended.out


def test_check_tells_more_when_asked(sojourn: Sojourn, tmp_path: Path) -> None:
    """How exact traits are, what changes by the clock, what nothing reads."""
    journey = "journey: one\nenter: {segment: {entered: lapsing}}\nsteps: [{id: s, send: email, template: t}]\n"
    directory = workspace(tmp_path / "w", one=journey)
    (tmp_path / "w" / "traits.yaml").write_text(
        "last_order_at: {last: time, of: Order Completed}\norders: {count: Order Completed, within: 90d}\n"
    )
    (tmp_path / "w" / "segments.yaml").write_text('lapsing: "days_since(traits.last_order_at) > 60"\n')
    ended = sojourn("check", "-v", directory)
    assert (ended.status, ended.err) == (0, "")
    assert "trait last_order_at: exact" in ended.out
    assert "segment lapsing: changes by events and by the clock" in ended.out
    assert "trait orders: nothing reads it, so it is not kept" in ended.out


def test_check_passes_what_is_shipped(sojourn: Sojourn) -> None:
    """The examples and the reference workspace are right."""
    for directory in (REPOSITORY / "examples" / "journeys", REFERENCE):
        ended = sojourn("check", directory)
        assert (ended.status, ended.err) == (0, "")
        assert "category-interest (version 1)" in ended.out


def test_check_names_every_mistake_at_once(sojourn: Sojourn, tmp_path: Path) -> None:
    """File, line, path, what is wrong and what to write instead, for all files; in their order."""
    # given mistakes in three files
    workspace(
        tmp_path / "w",
        orchestration="timezone: Mars/Olympus\nchanels: {email: {}}\n",
        one=(
            "journey: one\n"
            "enter:\n"
            "  pattern:\n"
            "    - event: X\n"
            "      tims: 3\n"
            "  again: sometimes\n"
            "steps:\n"
            "  - send: email\n"
            "    template: t\n"
            "    expires: 2 days\n"
        ),
        two="journey: two\nenter: {event: X\n",
        good=GOOD,
    )
    # when they are checked
    ended = sojourn("check", "w")
    # then each has its line, and standard error says how many there are
    assert ended.status == 1
    said = ended.out.splitlines()
    places = [line.split(" ")[0] for line in said]
    assert places[:5] == [
        "w/one.yaml:5:",
        "w/one.yaml:6:",
        "w/one.yaml:10:",
        "w/orchestration.yaml:1:",
        "w/orchestration.yaml:2:",
    ]
    assert places[5].startswith("w/two.yaml:")
    assert len(said) == 6
    for line, words in zip(
        said,
        [
            ("enter.pattern[0].tims", "did you mean 'times'?"),
            ("enter.again", "'sometimes'", "after 5d"),
            ("steps[0].expires", "'2 days'", "write 2d"),
            ("timezone", "'Mars/Olympus'", "Europe/Berlin"),
            ("chanels", "did you mean 'channels'?"),
            ("no YAML",),
        ],
        strict=True,
    ):
        for word in words:
            assert word in line
    assert check_is_one_line(ended) == "6 mistakes in w"


def test_check_does_not_save_a_mistake_for_the_next_run(sojourn: Sojourn, tmp_path: Path) -> None:
    """A channel that there is not is told beside a key that there is not, in the same journey."""
    journey = "journey: one\nentr: 1\nenter: {event: X}\nsteps:\n  - send: emial\n    template: t\n"
    workspace(tmp_path / "w", one=journey)
    ended = sojourn("check", "w")
    assert ended.status == 1
    assert [line.split(" ")[0] for line in ended.out.splitlines()] == ["w/one.yaml:2:", "w/one.yaml:5:"]
    assert "did you mean 'email'?" in ended.out


def test_check_refuses_an_empty_directory(sojourn: Sojourn, tmp_path: Path) -> None:
    """Nothing to run is a mistake, too."""
    (tmp_path / "w").mkdir()
    ended = sojourn("check", "w")
    assert ended.status == 1
    assert "w/orchestration.yaml:1: the file is missing" in ended.out
    assert check_is_one_line(ended) == "1 mistake in w"


# generate


def test_generate_makes_the_same_events_for_the_same_seed(sojourn: Sojourn, tmp_path: Path) -> None:
    """To the byte, in a file or on standard output; another seed makes others. Directories are made on the way."""
    few = ("generate", "--events", "300", "--customers", "20")
    for name, seed in (("a/b/one", "5"), ("two", "5"), ("three", "6")):
        ended = sojourn(*few, "--seed", seed, "--out", name)
        assert ended == (0, "", "")
    one, two, three = ((tmp_path / name).read_bytes() for name in ("a/b/one", "two", "three"))
    assert one == two != three
    assert one.count(b"\n") == 300
    ended = in_a_process(tmp_path, *few, "--seed", "5", "--out", "-")
    assert (ended.status, ended.err, ended.out.encode()) == (0, "", one)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "two", "three"}


def test_generate_into_a_pipe_that_closes_is_no_accident(tmp_path: Path) -> None:
    """`sojourn generate --out - | head`: no trace of Python."""
    script = "import sys; from flows.cli import main; sys.argv[0] = 'sojourn'; main()"
    with subprocess.Popen(
        [sys.executable, "-c", script, "generate", "--events", "50000", "--out", "-"], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert orjson.loads(process.stdout.readline())["type"]
        process.stdout.close()
        assert process.stderr.read().count(b"\n") <= 1
        process.wait(60)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_generate_onto_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """`sojourn generate --out - > file` where there is no room: what the system says, and no trace of Python."""
    script = "import sys; from flows.cli import main; sys.argv[0] = 'sojourn'; main()"
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", script, "generate", "--events", "20000", "--out", "-"], check=False, cwd=tmp_path,
            stdout=full, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip
    assert "No space left on device" in check_is_one_line(Ended(ended.returncode, "", ended.stderr))
    assert ended.returncode == 1


# replay


def test_replay_tells_what_it_did(sojourn: Sojourn, tmp_path: Path) -> None:
    """A table of the counts on standard output, the same as in summary.json; no control characters where nobody sees a bar."""
    lines = browsing(customers=5, events=400)
    write(tmp_path / "events.jsonl", [*lines, b"no json", b"[]", lines[-1]])
    out = "x[/b] [red]y"  # a directory may be called anything; what is shown is its name
    ended = sojourn("replay", "events.jsonl", "--journeys", REFERENCE, "--out", out)
    assert (ended.status, ended.err) == (0, "")
    assert {path.name for path in (tmp_path / out).iterdir()} == OUTPUT
    told = orjson.loads((tmp_path / out / "summary.json").read_bytes())
    assert (told["events_read"], told["accepted"], told["rejected"], told["duplicates"]) == (403, 400, 2, 1)
    cells = [[cell.strip() for cell in re.split("[│|]", line)] for line in ended.out.splitlines()]
    shown = {row[1]: row[2] for row in cells if len(row) == 4}
    assert out in ended.out
    for name in ("events_read", "accepted", "rejected", "duplicates", "customers", "actions"):
        assert shown[name.replace("_", " ")] == str(told[name])
    assert shown["rejected: not_json"] == shown["rejected: not_an_object"] == "1"
    assert "category-interest -> email" in shown
    assert "\x1b" not in ended.out


def test_replay_lists_every_mistake_in_the_definitions(sojourn: Sojourn, tmp_path: Path) -> None:
    """As `check` does: nobody has to mend one per run."""
    workspace(tmp_path / "w", one=GOOD.replace("template", "templat"), two="journey: two\nsteps: []\n")
    write(tmp_path / "e", [])
    ended = sojourn("replay", "e", "--journeys", "w", "--out", "o")
    assert ended.status == 1
    assert ended.err.startswith("sojourn: w/one.yaml:")
    assert "did you mean 'template'?" in ended.err
    assert "w/two.yaml:1: `enter` is missing" in ended.err
    assert not (tmp_path / "o").exists()


# demo


def test_demo_tells_who_was_sent_what_and_who_was_not(sojourn: Sojourn, tmp_path: Path) -> None:
    """A story of each kind with its reason, out of files that hold the same; twice in a row alike."""
    ended = sojourn("demo", "--dir", "a b", "--events", "3000")
    assert ended.status == 0
    assert all(line.startswith("sojourn: ") for line in ended.err.splitlines())
    sent, not_sent = ended.out.split("Sent, and why")[1].split("Not sent, and why")
    for journey in ("cart-recovery", "category-interest", "search-rescue"):
        assert f" {journey}: " in sent
    assert "email: limited-time-offer, category " in sent
    summary = orjson.loads((tmp_path / "a b" / "summary.json").read_bytes())
    everybody = {path.name.split(".")[0] for path in (REPOSITORY / "examples" / "journeys").glob("*.test.yaml")}
    assert len(everybody) == 12
    assert set(summary["actions_by_journey_and_channel"]) == everybody  # those that no shop has, too
    assert sent.count("Product Viewed: ") >= 3
    assert "control: in the control group" in not_sent
    assert "reentry: was in this journey before; it says again: after 5d" in not_sent
    # what is told is in the files
    actions = [orjson.loads(line) for line in (tmp_path / "a b" / "actions.email.jsonl").read_bytes().splitlines()]
    told = [line.split()[0] for line in sent.splitlines() if "<- email" in line]
    assert told
    assert set(told) <= {action["customer_id"] for action in actions}
    facts = [orjson.loads(line) for line in (tmp_path / "a b" / "facts.jsonl").read_bytes().splitlines()]
    stopped = {fact["customer_id"] for fact in facts if fact["fact"] in ("not_entered", "withheld")}
    assert {line.split(",")[0].strip() for line in not_sent.splitlines() if ", no " in line} <= stopped


# health


def test_health_looks_at_the_last_sign_of_life(sojourn: Sojourn, tmp_path: Path) -> None:
    """A job that has just said something is alive; one that has been silent for too long is not."""
    (tmp_path / "data").mkdir()
    alive = tmp_path / "data" / "alive"
    alive.touch()
    ended = sojourn("health")
    assert (ended.status, ended.err) == (0, "")
    assert "alive" in ended.out
    silent_since = alive.stat().st_mtime - 100
    os.utime(alive, (silent_since, silent_since))
    ended = sojourn("health", "--data", "data")
    assert ended.status == 1
    assert "no progress for 100 s" in check_is_one_line(ended)
    assert sojourn("health", "--seconds", "1000").status == 0
    ended = sojourn("health", "--ingest")
    assert ended.status == 1
    assert "start one with: sojourn ingest --data data" in check_is_one_line(ended)
    (tmp_path / "data" / "ingest-alive").touch()
    assert sojourn("health", "--ingest").status == 0


def test_check_tells_the_bounds_if_asked(sojourn: Sojourn, tmp_path: Path) -> None:
    """What is kept of each customer, journey by journey; not without `-v`."""
    (tmp_path / "orchestration.yaml").write_text("timezone: UTC\n", "utf-8")
    (tmp_path / "j.yaml").write_text(
        "journey: two-steps\nenter:\n  pattern: [{event: A}, {event: B}]\n  within: 2d\n"
        "steps:\n  - {id: s, send: email, template: t}\n",
        "utf-8",
    )
    short, long = sojourn("check", "."), sojourn("check", "-v", ".")
    assert (short.status, long.status) == (0, 0)
    bounds = "two-steps: the time and the id of each event is kept for 5d (`within` and `max_age`)"
    assert bounds not in short.out
    assert f".: {bounds}" in long.out.splitlines()
