"""`sojourn state rebuild` on a real Kafka: after it, a reader cannot tell that anything was ever lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from tests.flows import test_run
from tests.flows.test_run import CREATE_TIME, PARTITIONS, ROOT, Place, Start, Stream, Tap, customers, starter, views
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


def rebuild(place: Place, data: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
    environment |= place.environment | {"SOJOURN_DATA": str(data)} | more
    command = [sys.executable, "-m", "flows.cli", "state", "rebuild", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=test_run.WAIT_S_MAX
    )


def refused(place: Place, data: Path, status: int = 1, **more: str) -> str:
    """The one line of a rebuild that is refused."""
    done = rebuild(place, data, **more)
    assert done.returncode == status, done.stderr
    lines = [line for line in done.stderr.splitlines() if "reading the log again" not in line]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize("lost", ["directory", "old", "recovery", "but checkpoints"])
def test_nothing_is_lost_and_nothing_comes_twice(
    place: Place, start: Start, stream: Stream, tmp_path: Path, lost: str
) -> None:
    """The data directory is gone; or is older than the output; or its recovery store alone is gone."""
    place.create_all(**CREATE_TIME)
    data, backup = tmp_path / "data", tmp_path / "backup"
    pouring = threading.Thread(target=stream.produce, args=(place, 300.0))
    settings = {
        "SOJOURN_EPOCH_MS": "100",
        "SOJOURN_CHECKPOINT_EVERY_S": "0.3" if lost == "but checkpoints" else "0",
    }
    arguments = ("--allow-create-time", "--create-topics")
    with Tap(place) as tap:
        job = start(place, *arguments, **settings)
        job.until_it_says("running")
        pouring.start()
        if lost == "old":
            tap.until(lambda: len(tap.ids()) >= 10, "10 actions", job)
            job.ends_well()
            tap.drain()
            shutil.copytree(data, backup)
            job = start(place, *arguments, **settings)
        more = len(tap.ids()) + 40
        tap.until(lambda: len(tap.ids()) >= more, f"{more} actions", job)
        job.end(signal.SIGKILL)

        if lost == "recovery":
            shutil.rmtree(data / "recovery")
        elif lost == "but checkpoints":
            assert len([*(data / "checkpoints").iterdir()]) == PARTITIONS
            shutil.rmtree(data / "recovery")
            shutil.rmtree(data / "state")
        else:
            shutil.rmtree(data)
        if lost == "old":
            backup.rename(data)
        said = start(place, *arguments, **settings).ends_badly()
        assert "sojourn state rebuild" in said
        done = rebuild(place, data, "--allow-create-time")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert "made anew" in done.stderr.splitlines()[-1]
        # On a busy machine a group may not have had its turn yet; the log's beginning is then as good.
        assert ("going on from the checkpoint" in done.stderr) == (lost == "but checkpoints")

        job = start(place, *arguments, **settings)
        pouring.join(test_run.WAIT_S_MAX)
        wanted = sorted(stream.facts)
        tap.until(lambda: tap.counts().get("journeys.facts", 0) >= len(wanted), "all facts", job)
        job.ends_well()
        tap.drain()
    assert sorted(message.value() for message in tap.messages["actions.email"]) == sorted(stream.actions)
    assert sorted(message.value() for message in tap.messages["journeys.facts"]) == wanted
    for topic in ("actions.email", "journeys.facts"):
        seqs: dict[str, list[int]] = {}
        for value in tap.values(topic):
            seqs.setdefault(value["customer_id"], []).append(value["seq"])
        assert [customer for customer, each in seqs.items() if each != sorted(each)] == [], topic
    assert {m.key().decode(): m.value() for m in tap.messages["profiles"]} == stream.profiles


def test_what_a_rebuild_refuses(place: Place, start: Start, tmp_path: Path) -> None:
    """Whatever would end in something else than where the output stands; and what was there is left as it was."""
    data = tmp_path / "data"
    assert "no topic" in refused(place, data)
    place.create_all(**{"message.timestamp.type": "LogAppendTime"})
    job = start(place, "--create-topics")
    job.until_it_says("running")
    assert "another job is working there" in refused(place, data, status=2)
    with Tap(place) as tap:
        assert "has not sent anything" in refused(place, tmp_path / "other", status=2)
        everyone = customers("c", 12)
        place.produce(*(line for customer in everyone for line in views(customer)))
        assert job.end() == 1, "a rebuild takes over the sinks: else a job that is still about could send more"
        job = start(place)
        tap.until(lambda: len(tap.ids()) == 12, "12 actions", job)
        job.ends_well()
    assert "at_least_once keeps no markers" in refused(place, data, status=2, SOJOURN_DELIVERY="at_least_once")

    admin = AdminClient(place.client)
    for future in admin.delete_records([TopicPartition(place.events, n, -1) for n in range(PARTITIONS)]).values():
        future.result(test_run.WAIT_S_MAX)
    before = {path: path.stat().st_mtime_ns for path in (data / "state").rglob("*")}
    assert "retention took" in refused(place, data)
    assert {path: path.stat().st_mtime_ns for path in (data / "state").rglob("*")} == before
    assert not (data / ".rebuild").exists()
    job = start(place)
    job.until_it_says("running")
    job.ends_well()
