"""The live job with worker processes, on a real Kafka: killed in every way, with more and fewer of them, and stopped."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.flows import test_run
from tests.flows.test_run import (
    CREATE_TIME,
    Job,
    Place,
    Start,
    Stream,
    Tap,
    customers,
    eventually,
    starter,
    views,
)
from tests.kafka.broker import HOST, free_port
from tests.kafka.fixtures import Kafka, needs_real

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
stream = test_run.stream


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with starter(tmp_path) as begin:
        yield begin


@pytest.fixture
def place(kafka: Kafka) -> Place:
    needs_real(kafka)
    return Place({"bootstrap.servers": kafka.bootstrap})


def processes(data: Path) -> list[int]:
    """The supervisor, and its workers."""
    return [int(line) for line in (data / "lock").read_text().split()]


def kill(job: Job, data: Path, what: str) -> None:
    """Kill a worker, and see the job go on; or the whole job, or its supervisor alone."""
    if what == "job":
        job.end(signal.SIGKILL)
        return
    said = job.said().count("all start again")
    supervisor, *workers = processes(data)
    if what == "supervisor":
        os.kill(supervisor, signal.SIGKILL)
        job.end()
        return
    os.kill(workers[-1], signal.SIGKILL)
    job.until_it_says("all start again", said + 1)
    eventually(lambda: len(now := processes(data)) == len(workers) + 1 and now[1:] != workers, "others are there")


def test_killed_in_every_way_with_more_and_fewer_workers(
    place: Place, start: Start, stream: Stream, tmp_path: Path
) -> None:
    """1 -> 2 -> 1 -> 3 -> 2 workers; a worker, the supervisor or all of it killed: what came out is that of a replay."""
    place.create_all(**CREATE_TIME)
    data = tmp_path / "data"
    pouring = threading.Thread(target=stream.produce, args=(place, 300.0))
    chance = random.Random(3)
    patience = {"SOJOURN_EPOCH_MS": "150", "SOJOURN_RESTART_WAIT_S": "0.1"}
    with Tap(place) as tap:
        ways = [(1, "job"), (2, "worker"), (2, "supervisor"), (1, "job"), (3, "worker"), (2, "")]
        for number, (workers, way) in enumerate(ways):
            eventually(lambda: not held(data), "workers of a killed supervisor end by themselves")
            job = start(place, "--allow-create-time", "--workers", str(workers), **patience)
            job.until_it_says("running")
            if number == 0:
                pouring.start()
            if way:
                more = min(len(tap.ids()) + 1 + chance.randrange(30), len(stream.actions))
                tap.until(lambda more=more: len(tap.ids()) >= more, f"{more} actions", job)  # type: ignore[misc]
                kill(job, data, way)
                if way == "worker":
                    more = min(len(tap.ids()) + 1, len(stream.actions))
                    tap.until(lambda more=more: len(tap.ids()) >= more, "an action more", job)  # type: ignore[misc]
                    job.ends_well()
        pouring.join(test_run.WAIT_S_MAX)
        wanted = set(stream.facts)
        tap.until(lambda: {m.value() for m in tap.messages["journeys.facts"]} >= wanted, "all facts", job)
        job.ends_well()
        tap.drain()
    assert sorted(message.value() for message in tap.messages["actions.email"]) == sorted(stream.actions)
    assert sorted(message.value() for message in tap.messages["journeys.facts"]) == sorted(stream.facts)
    assert {m.key().decode(): m.value() for m in tap.messages["profiles"]} == stream.profiles
    for topic in ("actions.email", "journeys.facts"):
        first: dict[str, dict[int, None]] = {}
        for value in tap.values(topic):
            first.setdefault(value["customer_id"], {})[value["seq"]] = None
        assert [customer for customer, seqs in first.items() if list(seqs) != sorted(seqs)] == [], topic


def held(data: Path) -> bool:
    """Whether anybody who has the lock is alive."""
    path = data / "lock"
    return path.exists() and any(Path(f"/proc/{pid}/cmdline").exists() and _runs(pid) for pid in processes(data))


def _runs(pid: int) -> bool:
    """Whether a process is more than an entry in its parent's table."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_reaches_all_workers_and_nothing_is_repeated(
    place: Place, start: Start, how: signal.Signals, tmp_path: Path
) -> None:
    """The workers finish their epochs; one line says it, not one for each."""
    everyone = customers("c", 60)
    job = start(place, "--create-topics", "--workers", "2")
    job.until_it_says("running")
    with Tap(place) as tap:
        place.produce(*(line for customer in everyone[:30] for line in views(customer)))
        tap.until(lambda: len(tap.ids()) == 30, "30 actions", job)
        job.ends_well(how)
        assert job.said().count("stopping") == 1
        assert not held(tmp_path / "data")
        job = start(place, "--workers", "2")
        place.produce(*(line for customer in everyone[30:] for line in views(customer)))
        tap.until(lambda: len(tap.ids()) == 60, "60 actions", job)
        job.ends_well(how)
        tap.drain()
    assert tap.counts()["actions.email"] == 60


def test_a_stop_while_the_workers_are_only_starting(place: Place, start: Start) -> None:
    """Nobody listens for signals yet; the question waits for them in a pipe."""
    place.create_all(**{"message.timestamp.type": "LogAppendTime"})
    job = start(place, "--workers", "2")
    job.until_it_says("running")
    job.ends_well()


def test_a_stopped_worker_of_a_killed_supervisor_keeps_others_away(place: Place, start: Start, tmp_path: Path) -> None:
    """A zombie: it does nothing now, and may do anything later. Nobody starts beside it; when it wakes up it ends."""
    data = tmp_path / "data"
    job = start(place, "--create-topics", "--workers", "2")
    job.until_it_says("running")
    eventually(lambda: len(processes(data)) == 3, "the workers are there")
    supervisor, _, zombie = processes(data)
    os.kill(zombie, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)
    job.end()
    said = start(place, "--workers", "2").ends_badly(status=2)
    assert f"another job is working there (process {zombie}" in said or f", {zombie})" in said
    os.kill(zombie, signal.SIGCONT)
    eventually(lambda: not held(data), "the zombie is gone")
    job = start(place, "--workers", "2")
    job.until_it_says("running")
    job.ends_well()


@pytest.mark.parametrize("gone", ["some", "all", "machine"])
def test_groups_that_are_lost_come_back_from_checkpoints(
    place: Place, start: Start, stream: Stream, tmp_path: Path, gone: str
) -> None:
    """One directory, or all of them, or with the checkpoints beside them: what came out is that of a replay."""
    place.create_all(**CREATE_TIME)
    half = len(stream.lines) // 2
    replace(stream, lines=stream.lines[:half]).produce(place)
    rest = iter(stream.lines[half:])
    data = tmp_path / "data"
    settings = {
        "SOJOURN_EPOCH_MS": "100",
        "SOJOURN_CHECKPOINT_EVERY_S": "0.2",
        "SOJOURN_CHECKPOINT_COPIES": str(tmp_path / "copies"),
    }
    with Tap(place) as tap:
        job = start(place, "--allow-create-time", "--workers", "2", **settings)
        copied = [tmp_path / "copies" / f"group-{number:05}" for number in range(test_run.PARTITIONS)]

        def two_of_each() -> bool:  # that there is a second one means that the epoch of the first is durable
            replace(stream, lines=[*itertools.islice(rest, 20)]).produce(place)
            return all(len([*each.glob("*.json")]) > 1 for each in copied)

        tap.until(two_of_each, "two checkpoints of each", job)
        job.end(signal.SIGKILL)
        eventually(lambda: not held(data), "the workers are gone")
        for path in (data / "state").iterdir():
            if gone != "some" or path.name == "group-00001":
                shutil.rmtree(path)
        if gone == "machine":
            shutil.rmtree(data / "checkpoints")
        job = start(place, "--allow-create-time", **settings)
        job.until_it_says("running")
        replace(stream, lines=[*rest]).produce(place)
        wanted = set(stream.facts)
        tap.until(lambda: {m.value() for m in tap.messages["journeys.facts"]} >= wanted, "all facts", job)
        job.ends_well()
        tap.drain()
    words = "fetching the copy of the checkpoint" if gone == "machine" else "going on from the checkpoint"
    assert job.said().count(words) == (1 if gone == "some" else test_run.PARTITIONS)
    assert {message.value() for message in tap.messages["actions.email"]} == set(stream.actions)
    assert {message.value() for message in tap.messages["journeys.facts"]} == wanted
    assert {m.key().decode(): m.value() for m in tap.messages["profiles"]} == stream.profiles


def test_a_cluster_by_hand(place: Place, start: Start, tmp_path: Path) -> None:
    """Two processes that know each other's addresses, on one directory; they keep others out, and their own numbers."""
    place.create_all(**{"message.timestamp.type": "LogAppendTime"})
    everyone = customers("c", 30)
    addresses = f"{HOST}:{free_port()};{HOST}:{free_port()}"
    jobs = [start(place, "--process-id", str(number), "--addresses", addresses) for number in (0, 1)]
    for job in jobs:
        job.until_it_says("running")
    assert "process 1: another job" in start(place, "-i", "1", "-a", addresses).ends_badly(status=2)
    assert "another job" in start(place).ends_badly(status=2)
    with Tap(place) as tap:
        place.produce(*(line for customer in everyone for line in views(customer)))
        tap.until(lambda: len(tap.ids()) == 30, "30 actions", jobs[0])
        jobs[1].process.kill()
        assert jobs[0].end() == 1
        assert "sojourn: another process of the cluster is gone; start all of them again" in jobs[0].said()
        assert "Traceback" not in jobs[0].said()
        jobs = [start(place, "--process-id", str(number), "--addresses", addresses) for number in (0, 1)]
        for job in jobs:
            job.until_it_says("running")
        for job in jobs:
            job.process.terminate()
        for job in jobs:
            assert job.end() == 0, job.said()
        tap.drain()
    assert {action["customer_id"] for action in tap.values("actions.email")} == set(everyone)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-i", "0"], "belong together"),
        (["-a", "h:1"], "belong together"),
        (["-i", "1", "-a", "h:1"], "there are 1 addresses"),
        (["-i", "0", "-a", "h"], "'h' is not HOST:PORT"),
        (["-i", "0", "-a", "h:1", "--workers", "2"], "say one of them"),
    ],
)
def test_options_that_do_not_fit_each_other(start: Start, arguments: list[str], words: str) -> None:
    said = start(Place({"bootstrap.servers": f"{HOST}:1"}), *arguments).ends_badly(status=2)
    assert words in said
