"""Exactly once: whatever happens to the job, readers of committed records see what an undisturbed run would have sent.

The undisturbed run is a replay of the same events; jobs are processes of their own that are killed, stopped and woken up
at named points of the protocol, on a real Kafka.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from state.codec import encode
from state.delivery import Marker
from state.instants import format_instant, parse_instant
from tests.flows.test_run import (
    CREATE_TIME,
    PARTITIONS,
    REFERENCE,
    ROOT,
    WAIT_S_MAX,
    Job,
    Place,
    Tap,
    eventually,
    needs_java,
    place,
)
from tests.flows.test_run_workers import held
from tests.kafka.broker import Broker

__all__ = ["place"]

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

FIRST = 1_767_225_600_000
LARGE = 60_000

Start = Callable[..., Job]


@dataclass(frozen=True)
class Stream:
    """Events that lead to several records of every kind for each customer, and what a replay makes of them."""

    lines: list[bytes]
    actions: list[bytes]
    facts: list[bytes]
    profiles: dict[str, bytes]

    def pour(self, place: Place, lines: list[bytes] | None = None) -> None:
        """Produce them, or some of them, each at its time."""
        producer = place.producer(**{"linger.ms": 1})
        for line in self.lines if lines is None else lines:
            found = orjson.loads(line)
            producer.produce(place.events, line, found["userId"], timestamp=parse_instant(found["receivedAt"]))
            producer.poll(0)
        assert producer.flush(WAIT_S_MAX) == 0

    def all_is_told(self, tap: Tap) -> bool:
        """Whether a reader has as many facts and actions as there are, and everyone's last profile."""
        counts = tap.counts()
        if counts.get("journeys.facts", 0) < len(self.facts) or counts.get("actions.email", 0) < len(self.actions):
            return False
        return {m.key().decode(): m.value() for m in tap.messages["profiles"]} == self.profiles

    def check(self, place: Place) -> None:
        """What a reader of committed records finds: each once, in order, and nothing else."""
        with Tap(place) as tap:
            tap.drain()
        assert Counter(m.value() for m in tap.messages["actions.email"]) == Counter(self.actions)
        assert Counter(m.value() for m in tap.messages["journeys.facts"]) == Counter(self.facts)
        assert {m.key().decode(): m.value() for m in tap.messages["profiles"]} == self.profiles
        assert tap.counts().get("events.rejected", 0) == 0
        for topic in ("actions.email", "journeys.facts"):
            seqs = defaultdict(list)
            for value in tap.values(topic):
                seqs[value["customer_id"]].append(value["seq"])
            assert [customer for customer, found in seqs.items() if found != sorted(found)] == [], topic


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    directory = tmp_path_factory.mktemp("stream")
    lines = []
    for number in range(6_000):
        customer = f"c-{number * 7919 % 97}"
        stamp = format_instant(FIRST + number * 1_000)
        name = {
            "type": "track",
            "messageId": f"m-{number}",
            "userId": customer,
            "timestamp": stamp,
            "receivedAt": stamp,
        }
        if number % 11 == 3:
            lines.append(name | {"type": "identify", "traits": {"email": f"{customer}-{number}@example.org"}})
        else:
            category = f"k-{number // 97 % 5}"
            lines.append(name | {"event": "Product Viewed", "properties": {"category": category, "price": number}})
    events = directory / "events.jsonl"
    events.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    command = ["-m", "flows.cli", "replay", str(events), "--journeys", str(REFERENCE), "--out", str(directory / "out")]
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=WAIT_S_MAX
    )
    assert done.returncode == 0, done.stderr

    def read(name: str) -> list[bytes]:
        return (directory / "out" / name).read_bytes().splitlines()

    profiles = {orjson.loads(line)["customer_id"]: line for line in read("profiles.jsonl")}
    made = Stream(events.read_bytes().splitlines(), read("actions.email.jsonl"), read("facts.jsonl"), profiles)
    assert len(made.actions) > 100, "too few for a test to mean anything"
    assert len(made.profiles) == 97
    return made


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start jobs, with faults where they are named; what still runs at the end is killed."""
    jobs: list[Job] = []

    def begin(place: Place, *faults: str, workers: int = 1, data: Path = tmp_path / "data", **more: str) -> Job:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
        environment |= place.environment | {"SOJOURN_DATA": str(data)} | more
        output = tmp_path / f"job-{len(jobs)}.txt"
        module = ["tests.faults", *faults, "--"] if faults else ["flows.cli"]
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", *module, "run", "--allow-create-time", "--workers", str(workers)],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip
        jobs.append(Job(process, output))
        return jobs[-1]

    yield begin
    for job in jobs:
        if job.process.poll() is None:
            job.process.kill()
            job.process.wait()
    for job in jobs:
        print(f"--- {job.output.name}, status {job.process.returncode}\n{job.said()}")


def finish(place: Place, start: Start, stream: Stream, **more: Any) -> None:
    """Run a job without faults until all is told; stop it; check."""
    job = start(place, **more)
    job.until_it_says("running")
    with Tap(place) as tap:
        tap.until(lambda: stream.all_is_told(tap), "all facts and actions", job)
    job.ends_well()
    stream.check(place)


def until_stopped(job: Job) -> None:
    """Wait for a process that stops itself."""

    def state() -> str:
        return Path(f"/proc/{job.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]

    eventually(lambda: state() == "T" or job.process.poll() is not None, "it stops itself", also=job.said)
    assert job.process.poll() is None, job.said()


# --- killed at every point -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "point",
    [
        "group: before write",
        "group: after write",
        "sink: before freezing",
        "sink: before begin",
        "sink: after produce",
        "sink: before commit",
        "sink: after commit",
    ],
)
def test_killed_at_any_point_it_sends_everything_once(place: Place, start: Start, stream: Stream, point: str) -> None:
    """Three times, at different places of what it does there; each time it has found more events than it has output for."""
    place.create_all(**CREATE_TIME)
    quarter = len(stream.lines) // 4
    for phase, number in enumerate((PARTITIONS + 2, 2, 3)):
        stream.pour(place, stream.lines[phase * quarter : (phase + 1) * quarter])
        assert start(place, f"kill:{point}:{number}").end() == -signal.SIGKILL
    stream.pour(place, stream.lines[3 * quarter :])
    finish(place, start, stream)


@pytest.mark.parametrize("point", ["sink: before fencing", "sink: fenced", "sink: before begin", "sink: after commit"])
def test_killed_while_it_starts_it_sends_everything_once(
    place: Place, start: Start, stream: Stream, point: str
) -> None:
    """With output to be sent again: the job before was killed between freezing and sending."""
    place.create_all(**CREATE_TIME)
    stream.pour(place)
    assert start(place, f"kill:sink: before commit:{PARTITIONS + 2}").end() == -signal.SIGKILL
    for _ in range(2):
        assert start(place, f"kill:{point}:1").end() == -signal.SIGKILL
    finish(place, start, stream)


@pytest.mark.parametrize(("fault", "point"), [("forget:marker", "after commit"), ("forget:unsent", "before commit")])
def test_without_one_of_its_parts_the_protocol_fails(
    place: Place, start: Start, stream: Stream, fault: str, point: str
) -> None:
    """The controls: who does not believe the marker sends twice, who forgets what was frozen loses it."""
    place.create_all(**CREATE_TIME)
    stream.pour(place)
    assert start(place, f"kill:sink: {point}:{PARTITIONS + 3}").end() == -signal.SIGKILL
    job = start(place, fault)
    last = [_last(f"z-{number}") for number in range(8 * PARTITIONS)]
    stream.pour(place, last)
    with Tap(place) as tap:
        tap.until(lambda: len({m.key() for m in tap.messages["profiles"]} & _keys(last)) == len(last), "the end", job)
    job.ends_well()
    with pytest.raises(AssertionError, match=r"assert Counter\("):
        stream.check(place)


def _last(customer: str) -> bytes:
    """An event after all others; of so many customers that every partition has one."""
    stamp = format_instant(FIRST + 10_000_000)
    who = {"type": "identify", "messageId": customer, "userId": customer, "traits": {"last": True}}
    return orjson.dumps(who | {"timestamp": stamp, "receivedAt": stamp})


def _keys(lines: list[bytes]) -> set[bytes]:
    return {orjson.loads(line)["userId"].encode() for line in lines}


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_with_any_number_of_workers(
    place: Place, start: Start, stream: Stream, tmp_path: Path, seed: int
) -> None:
    """All of it, or one worker, which the supervisor starts again, to die again; while events pour in."""
    place.create_all(**CREATE_TIME)
    chance = random.Random(seed)
    points = (
        "group: after write",
        "sink: before freezing",
        "sink: after produce",
        "sink: before commit",
        "sink: after commit",
    )
    pieces = 6
    size = -(-len(stream.lines) // pieces)
    with Tap(place) as tap:
        for number in range(pieces):
            stream.pour(place, stream.lines[number * size : (number + 1) * size])
            workers = chance.choice((1, 2, 3))
            fault = f"kill:{chance.choice(points)}:{chance.randrange(2, 6)}"
            job = start(place, fault, workers=workers, SOJOURN_RESTART_WAIT_S="0.05", SOJOURN_RESTARTS_MAX="2")
            before = tap.counts().get("journeys.facts", 0)
            enough = before + chance.randrange(1, 200)
            # A piece may hold fewer facts than that: then after a while is as good a moment to be killed as any.
            until = time.monotonic() + 10
            eventually(
                lambda enough=enough, job=job, until=until: (  # type: ignore[misc]
                    tap.poll()
                    or tap.counts().get("journeys.facts", 0) >= enough
                    or job.process.poll() is not None
                    or time.monotonic() > until
                ),
                "some facts, or an end",
                also=job.said,
            )
            job.process.kill()
            job.process.wait()
            eventually(lambda: not held(tmp_path / "data"), "workers of a killed supervisor end by themselves")
    finish(place, start, stream, workers=2)


# --- zombies and brokers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["sink: before begin", "sink: after produce", "sink: before commit"])
def test_a_zombie_is_fenced(place: Place, start: Start, stream: Stream, tmp_path: Path, point: str) -> None:
    """A process that stands still, a successor on a copy of its directory, and then it wakes up: it may send no more."""
    place.create_all(**CREATE_TIME)
    half = len(stream.lines) // 2
    stream.pour(place, stream.lines[:half])
    zombie = start(place, f"stop:{point}:{PARTITIONS + 3}")
    until_stopped(zombie)
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    stream.pour(place, stream.lines[half:])
    successor = start(place, data=tmp_path / "copy")
    with Tap(place) as tap:
        tap.until(lambda: stream.all_is_told(tap), "all facts and actions", successor)
    zombie.process.send_signal(signal.SIGCONT)
    assert zombie.end() == 1
    assert f"another process has taken over {place.name}-sink-" in zombie.lines()[-1]
    successor.ends_well()
    stream.check(place)


@needs_java
@pytest.mark.parametrize("point", ["sink: before begin", "sink: after produce", "sink: before commit"])
def test_a_broker_that_is_killed_in_a_transaction(start: Start, stream: Stream, tmp_path: Path, point: str) -> None:
    """It is back in time: the job goes on, or ends with one line and goes on when it is started again."""
    with Broker(data=tmp_path / "broker") as broker:
        place = Place(broker.client | {"reconnect.backoff.max.ms": 500})
        place.create_all(**CREATE_TIME)
        stream.pour(place)
        job = start(place, f"stop:{point}:{PARTITIONS + 2}")
        until_stopped(job)
        broker.kill()
        job.process.send_signal(signal.SIGCONT)
        broker.start()
        with Tap(place) as tap:
            eventually(
                lambda: tap.poll() or stream.all_is_told(tap) or job.process.poll() is not None, "an end", also=job.said
            )
        if job.process.poll() is None:
            job.ends_well()
        else:
            assert "start again" in job.ends_badly()
        finish(place, start, stream)


@needs_java
def test_a_broker_that_does_not_come_back_in_time(start: Start, stream: Stream, tmp_path: Path) -> None:
    """The job ends, with one line; what it had not sent goes out with the next start."""
    with Broker(data=tmp_path / "broker") as broker:
        place = Place(broker.client | {"reconnect.backoff.max.ms": 500})
        place.create_all(**CREATE_TIME)
        stream.pour(place)
        job = start(place, "hurry:4", f"stop:sink: before commit:{PARTITIONS + 1}")
        until_stopped(job)
        broker.kill()
        job.process.send_signal(signal.SIGCONT)
        assert job.end() == 1
        last = job.lines()[-1]
        assert f"did not take a transaction of {place.name}-sink-" in last
        assert last.endswith("start again: what was not committed is sent then, and nothing twice")
        broker.start()
        finish(place, start, stream)


# --- what is refused -----------------------------------------------------------------------------------------------------


def test_state_and_markers_must_be_of_one_run(place: Place, start: Start, stream: Stream, tmp_path: Path) -> None:
    """Markers that are gone, no state, older state, older markers: each is refused, and nothing is sent."""
    place.create_all(**CREATE_TIME)
    data = tmp_path / "data"
    half = len(stream.lines) // 2
    stream.pour(place, stream.lines[:half])
    job = start(place)
    with Tap(place) as tap:
        tap.until(lambda: len(tap.ids()) > 20, "20 actions", job)
        job.ends_well()
    shutil.copytree(data, tmp_path / "older")
    stream.pour(place, stream.lines[half:])
    finish(place, start, stream)

    said = start(place, data=tmp_path / "older").ends_badly()
    assert f"{tmp_path / 'older'} is older than the output" in said
    said = start(place, data=tmp_path / "new").ends_badly()
    assert f"{tmp_path / 'new'} knows of no output" in said
    assert "SOJOURN_JOB" in said

    producer = place.producer()
    for sink in range(PARTITIONS):
        producer.produce(place.markers, encode(Marker(0)), str(sink), partition=sink)
    assert producer.flush(WAIT_S_MAX) == 0
    said = start(place).ends_badly()
    assert f"{place.markers} [" in said
    assert "is older than the state" in said

    place.delete(place.markers)
    place.create(place.markers, partitions=PARTITIONS, **{"cleanup.policy": "compact"})
    said = start(place).ends_badly()
    assert "has no marker" in said
    assert "nobody knows what was sent" in said
    stream.check(place)


def test_markers_that_would_not_last_are_refused(place: Place, start: Start) -> None:
    place.create_all(**CREATE_TIME)
    place.delete(place.markers)
    place.create(place.markers, partitions=PARTITIONS)
    said = start(place).ends_badly()
    assert f"{place.markers} has cleanup.policy=delete" in said
    place.delete(place.markers)
    place.create(place.markers, partitions=PARTITIONS - 1, **{"cleanup.policy": "compact"})
    said = start(place).ends_badly()
    assert f"{place.markers} has {PARTITIONS - 1} of the {PARTITIONS} partitions that SOJOURN_SINKS=4 needs" in said


def test_the_number_of_sinks_is_fixed(place: Place, start: Start) -> None:
    place.create_all(**CREATE_TIME)
    job = start(place, SOJOURN_SINKS="2")
    job.until_it_says("running")
    job.ends_well()
    said = start(place).ends_badly()
    assert "has the state of 2 sinks" in said
    assert said.endswith("go back to SOJOURN_SINKS=2")


# --- large records and old markers -----------------------------------------------------------------------------------------


def test_a_record_that_a_topic_does_not_take(place: Place, start: Start, stream: Stream) -> None:
    """One line with its size and the topic; when the topic takes it, it goes out, with all that waited for it."""
    place.create_all(**CREATE_TIME)
    place.delete(f"{place.prefix}journeys.facts")
    place.create(f"{place.prefix}journeys.facts", **{"max.message.bytes": "200"})
    stream.pour(place)
    said = start(place).ends_badly()
    assert "does not take a record of" in said
    assert f"bytes for {place.prefix}journeys.facts" in said
    assert "raise the topic's max.message.bytes" in said
    change(place, f"{place.prefix}journeys.facts", "max.message.bytes", "1000000")
    finish(place, start, stream)


def change(place: Place, topic: str, name: str, value: str) -> None:
    """Set one setting of a topic."""
    admin = AdminClient({**place.client, "log_level": 0})
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(WAIT_S_MAX)
    wanted = ConfigResource(ResourceType.TOPIC, topic)
    eventually(
        lambda: admin.describe_configs([wanted])[wanted].result(WAIT_S_MAX)[name].value == value, f"{name} is {value}"
    )


def test_the_last_marker_is_found_behind_many_that_do_not_count(place: Place, start: Start, stream: Stream) -> None:
    """Aborted transactions leave records and marks of their own in the topic."""
    place.create_all(**CREATE_TIME)
    half = len(stream.lines) // 2
    stream.pour(place, stream.lines[:half])
    job = start(place)
    with Tap(place) as tap:
        tap.until(lambda: len(tap.ids()) > 20, "20 actions", job)
    job.end(signal.SIGKILL)
    stream.pour(place, stream.lines[half:])
    producer = place.producer(**{"transactional.id": f"{place.name}-elsewhere"})
    producer.init_transactions(WAIT_S_MAX)
    for _ in range(100):
        producer.begin_transaction()
        for sink in range(PARTITIONS):
            producer.produce(place.markers, encode(Marker(0)), str(sink), partition=sink)
        producer.flush(WAIT_S_MAX)
        producer.abort_transaction(WAIT_S_MAX)
    finish(place, start, stream)


# --- the other setting ---------------------------------------------------------------------------------------------------


def test_from_exactly_once_to_at_least_once_and_back(place: Place, start: Start, stream: Stream) -> None:
    """Nothing is lost on the way, though the killed job had something frozen and its transaction hung."""
    place.create_all(**CREATE_TIME)
    third = len(stream.lines) // 3
    stream.pour(place, stream.lines[:third])
    assert start(place, f"kill:sink: before commit:{PARTITIONS + 2}").end() == -signal.SIGKILL
    job = start(place, SOJOURN_DELIVERY="at_least_once")
    stream.pour(place, stream.lines[third:])
    with Tap(place) as tap:
        tap.until(lambda: {m.value() for m in tap.messages["journeys.facts"]} >= set(stream.facts), "all facts", job)
        job.ends_well()
        tap.drain()
        assert {m.value() for m in tap.messages["actions.email"]} == set(stream.actions)
        assert {m.key().decode(): m.value() for m in tap.messages["profiles"]} == stream.profiles
        before = tap.counts()
        job = start(place)
        job.until_it_says("running")
        more = [_later(line) for line in stream.lines]
        stream.pour(place, more)
        tap.until(
            lambda: tap.counts()["actions.email"] >= before["actions.email"] + len(stream.actions), "as many again", job
        )
        job.ends_well()
        tap.drain()
    assert tap.counts()["actions.email"] == before["actions.email"] + len(stream.actions)


def _later(line: bytes) -> bytes:
    """The same of another customer, a hundred days later."""
    found = orjson.loads(line)
    stamp = format_instant(parse_instant(found["timestamp"]) + 100 * 86_400_000)
    again = {"messageId": f"later-{found['messageId']}", "userId": f"d-{found['userId']}"}
    return orjson.dumps(found | again | {"timestamp": stamp, "receivedAt": stamp})
