"""The live job as its users run it: a process of its own, told what to do by its environment, with a Kafka on both sides.

Brokers are shared where a test does not stop, delay or lock them: each test has topics of its own.
"""

from __future__ import annotations

import gzip
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from flows.shoppers import shoppers
from state.instants import format_instant, parse_instant
from state.keygroups import group_of
from tests.kafka.broker import HOST, Broker, _make_certificate, free_port, missing
from tests.kafka.fixtures import Kafka, needs_real

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "tests" / "reference"
TAOBAO = ROOT.parent / "shared" / "data" / "taobao-dev.jsonl.gz"
WAIT_S_MAX = 60
PARTITIONS, OUTPUT_PARTITIONS = 4, 2  # of a log and of the job's other topics
PASSWORD = "s3cretOfJob"  # noqa: S105 - of a broker that lives for a test
OUT = ("actions.email", "journeys.facts", "profiles", "events.rejected")

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
needs_java = pytest.mark.skipif(bool(missing()), reason=f"needs a broker of its own: {missing()}")


def eventually(
    condition: Callable[[], Any], what: str, wait_s_max: float = WAIT_S_MAX, also: Callable[[], str] = str
) -> None:
    deadline = time.monotonic() + wait_s_max
    while not condition():
        assert time.monotonic() < deadline, f"not within {wait_s_max} s: {what}\n{also()}"
        time.sleep(0.02)


@dataclass
class Place:
    """The topics of one test, on one Kafka: what its jobs, producers and readers have in common."""

    client: dict[str, Any]
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:8]}")

    @property
    def events(self) -> str:
        return f"{self.name}.events"

    @property
    def prefix(self) -> str:
        return f"{self.name}."

    @property
    def markers(self) -> str:
        return f"{self.prefix}{self.name}.markers"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a job here."""
        options = {f"SOJOURN_KAFKA__{key.upper().replace('.', '_')}": str(value) for key, value in self.client.items()}
        return options | {
            "SOJOURN_JOURNEYS": str(REFERENCE),
            "SOJOURN_EVENTS_TOPIC": self.events,
            "SOJOURN_TOPICS_PREFIX": self.prefix,
            "SOJOURN_PARTITIONS": str(PARTITIONS),
            "SOJOURN_OUTPUT_PARTITIONS": str(OUTPUT_PARTITIONS),
            "SOJOURN_EPOCH_MS": "100",
            "SOJOURN_JOB": self.name,
        }

    def producer(self, **more: Any) -> Producer:
        return Producer(
            {**self.client, "partitioner": "murmur2_random", "enable.idempotence": True, "log_level": 0, **more}
        )

    def produce(self, *lines: bytes) -> None:
        """Events, keyed as they should be."""
        producer = self.producer()
        for line in lines:
            producer.produce(self.events, line, orjson.loads(line)["userId"])
        assert producer.flush(WAIT_S_MAX) == 0

    def create(self, *topics: str, partitions: int = OUTPUT_PARTITIONS, **config: str) -> None:
        """Make topics; one of this name that is still being deleted is waited for."""
        admin = AdminClient({**self.client, "log_level": 0})

        def made(topic: str) -> bool:
            try:
                admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(WAIT_S_MAX)
            except KafkaException as error:
                assert error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS, error  # noqa: PT017
                return False
            return True

        def seen() -> bool:  # the broker answers before it knows the topic itself
            known = admin.list_topics(timeout=WAIT_S_MAX).topics
            return all(topic in known and len(known[topic].partitions) == partitions for topic in topics)

        for topic in topics:
            eventually(lambda topic=topic: made(topic), f"{topic} is made")  # type: ignore[misc]
        eventually(seen, f"{topics} are seen")

    def create_all(self, **config: str) -> None:
        """All topics of a job; the log with these settings."""
        self.create(self.events, partitions=PARTITIONS, **config)
        self.create(*(self.prefix + topic for topic in OUT))
        self.create(self.markers, partitions=PARTITIONS, **{"cleanup.policy": "compact"})

    def delete(self, topic: str) -> None:
        admin = AdminClient({**self.client, "log_level": 0})
        admin.delete_topics([topic])[topic].result(WAIT_S_MAX)
        eventually(lambda: topic not in admin.list_topics(timeout=WAIT_S_MAX).topics, f"{topic} is gone")


class Tap:
    """Reads topics of a place from their beginnings and keeps what it has read."""

    def __init__(self, place: Place, *topics: str) -> None:
        self._place = place
        self._consumer = Consumer(
            {**place.client, "group.id": f"tap-{uuid.uuid4().hex}", "enable.auto.commit": False, "log_level": 0,
             "fetch.wait.max.ms": 20, "auto.offset.reset": "earliest", "allow.auto.create.topics": False}
        )  # fmt: skip
        known = self._consumer.list_topics(timeout=WAIT_S_MAX).topics
        names = topics or tuple(place.prefix + topic for topic in OUT)
        self._parts = [TopicPartition(name, number, 0) for name in names for number in known[name].partitions]
        self._consumer.assign(self._parts)
        self.messages: defaultdict[str, list[Any]] = defaultdict(list)

    def __enter__(self) -> Tap:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def poll(self) -> None:
        for message in self._consumer.consume(5_000, 0.02):
            if message.error() is None:
                self.messages[message.topic().removeprefix(self._place.prefix)].append(message)
            else:
                assert message.error().retriable() or message.error().code() < 0, message.error()

    def until(self, enough: Callable[[], Any], what: str, job: Job | None = None) -> None:
        """Read on until it is enough."""

        def read() -> bool:
            self.poll()
            if job is not None:
                assert job.process.poll() is None, f"the job ended with {job.process.returncode}: {job.said()}"
            return bool(enough())

        eventually(read, what, also=lambda: f"{self.counts()} {job.said() if job else ''}")

    def drain(self) -> None:
        """Read all that is there now."""
        ends = {(p.topic, p.partition): self._consumer.get_watermark_offsets(p, WAIT_S_MAX)[1] for p in self._parts}

        def at_end() -> bool:
            at = {(p.topic, p.partition): max(p.offset, 0) for p in self._consumer.position(self._parts)}
            return all(at[part] >= end for part, end in ends.items())

        self.until(at_end, f"the ends {ends}")

    def counts(self) -> dict[str, int]:
        return {topic: len(messages) for topic, messages in self.messages.items()}

    def values(self, topic: str) -> list[Any]:
        """The values of a topic, as JSON, each partition in its order."""
        return [orjson.loads(message.value()) for message in self.messages[topic]]

    def ids(self) -> set[str]:
        return {value["action_id"] for value in self.values("actions.email")}


@dataclass
class Job:
    """`sojourn run`, running or ended."""

    process: subprocess.Popen[bytes]
    output: Path

    def said(self) -> str:
        return self.output.read_text("utf-8")

    def lines(self) -> list[str]:
        return self.said().splitlines()

    def until_it_says(self, text: str, times: int = 1) -> None:
        eventually(
            lambda: self.said().count(text) >= times or self.process.poll() is not None,
            f"it says {text!r}",
            also=self.said,
        )
        assert self.said().count(text) >= times, self.said()

    def end(self, with_signal: signal.Signals | None = None) -> int:
        if with_signal is not None:
            self.process.send_signal(with_signal)
        try:
            return self.process.wait(WAIT_S_MAX)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the job did not end; it said: {self.said()}")

    def ends_well(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        assert self.end(with_signal) == 0, self.said()
        assert self.lines()[-1] == "sojourn: stopped", self.said()

    def ends_badly(self, status: int = 1) -> str:
        """It ends by itself, with one line; that line."""
        assert self.end() == status, self.said()
        lines = [line for line in self.lines() if not line.startswith(("sojourn: running", "sojourn: created"))]
        assert len(lines) == 1, self.said()
        assert lines[0].startswith("sojourn: "), self.said()
        return lines[0]


Start = Callable[..., Job]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start jobs of a test; what still runs at its end is killed."""
    with starter(tmp_path) as begin:
        yield begin


@contextmanager
def starter(directory: Path) -> Iterator[Start]:
    jobs: list[Job] = []

    def begin(place: Place, *arguments: str, data: Path = directory / "data", **more: str) -> Job:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
        environment |= (
            place.environment | {"SOJOURN_DATA": str(data), "PYTHONWARNINGS": "default::ResourceWarning"} | more
        )
        output = directory / f"job-{len(jobs)}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", "run", *arguments],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip
        jobs.append(Job(process, output))
        return jobs[-1]

    try:
        yield begin
    finally:
        for job in jobs:
            if job.process.poll() is None:
                job.process.kill()
                job.process.wait()
        for job in jobs:
            print(f"--- {job.output.name}, status {job.process.returncode}\n{job.said()}")


@pytest.fixture
def place(kafka: Kafka) -> Place:
    needs_real(kafka)
    return Place({"bootstrap.servers": kafka.bootstrap})


numbers = itertools.count()


def event(
    customer: str, category: str = "tents", name: str = "Product Viewed", at: int | None = None, **more: object
) -> bytes:
    """A readable event of a customer, at an instant or now."""
    stamp = format_instant(time.time_ns() // 1_000_000 if at is None else at)
    whole = {"type": "track", "event": name, "userId": customer, "messageId": f"m-{next(numbers)}", "timestamp": stamp}
    return orjson.dumps(whole | {"properties": {"category": category}} | more)


def views(customer: str, category: str = "tents") -> list[bytes]:
    """Three looks: what makes one action."""
    return [event(customer, category) for _ in range(3)]


def identity(*parts: object) -> str:
    """The contract's hash of a JSON array, with nothing of the product's in it."""
    return blake2b(orjson.dumps(list(parts)), digest_size=16).hexdigest()


def customers(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


def headers_of(message: Any) -> dict[str, bytes]:
    return dict(message.headers() or [])


def health(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", "health", "--data", str(data), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=WAIT_S_MAX)


# --- what goes in comes out -------------------------------------------------------------------------------------------


def test_events_become_actions_facts_profiles_and_rejected(place: Place, start: Start, tmp_path: Path) -> None:
    """Everything of the contract's page, once, from the creation of the topics to a clean stop."""
    job = start(place, "--create-topics")
    job.until_it_says("running")
    for topic in (place.events, *(place.prefix + name for name in OUT)):
        assert f"sojourn: created the topic {topic}\n" in job.said()
    check_topics(place)

    with Tap(place, place.events) as log, Tap(place) as tap:
        place.produce(
            *views("c-1"),
            event("c-1", type="identify", traits={"plan": "free"}),
            *views("c-2", "boots"),
            event("c-3"),
        )
        producer = place.producer()
        producer.produce(place.events, b"not \xff json", "c-1")
        assert producer.flush(WAIT_S_MAX) == 0
        tap.until(lambda: len(tap.ids()) == 2 and tap.counts().get("events.rejected"), "2 actions, 1 rejected", job)
        place.produce(event("c-1", type="identify", traits={"plan": "paid"}))
        tap.until(lambda: any(v["attributes"].get("plan") == "paid" for v in tap.values("profiles")), "plan: paid", job)
        eventually((tmp_path / "data" / "alive").exists, "a sign of life")
        alive = health(tmp_path / "data")
        assert (alive.returncode, alive.stderr) == (0, "")
        job.ends_well()
        tap.drain()
        log.drain()

    assert tap.counts()["actions.email"] == 2
    by_customer = {message.key().decode(): message for message in tap.messages["actions.email"]}
    in_log = {orjson.loads(m.value())["messageId"]: m for m in log.messages["events"] if m.value()[:1] == b"{"}
    for customer, category in (("c-1", "tents"), ("c-2", "boots")):
        message = by_customer[customer]
        action = orjson.loads(message.value())
        cause = in_log[action["caused_by"]]
        kind, decided = cause.timestamp()
        assert kind == TIMESTAMP_LOG_APPEND_TIME
        instance = identity(customer, "category-interest", category, action["caused_by"])
        assert action == {
            "action_id": identity(customer, "category-interest", 1, instance, "offer", "email", 1),
            "customer_id": customer, "channel": "email", "kind": "send", "journey": "category-interest", "version": 1,
            "instance": instance, "step": "offer", "arm": None, "template": "limited-time-offer",
            "with": {"category": category}, "to": {}, "tags": [], "decided_at": format_instant(decided),
            "expires_at": format_instant(decided + 48 * 3_600_000), "caused_by": action["caused_by"],
            "seq": action["seq"],
        }  # fmt: skip
        assert headers_of(message) == {"action_id": action["action_id"].encode()}
    for topic in ("actions.email", "journeys.facts", "profiles"):
        for message in tap.messages[topic]:
            assert message.key().decode() == orjson.loads(message.value())["customer_id"]
            assert message.partition() == group_of(message.key(), OUTPUT_PARTITIONS), topic

    facts = [fact for fact in tap.values("journeys.facts") if fact["customer_id"] == "c-2"]
    assert [fact["fact"] for fact in facts] == ["entered", "step", "decided", "sent", "exited"]
    for fact in facts:
        assert {"fact", "at", "customer_id", "seq"} <= fact.keys()
        assert (fact["journey"], fact["version"]) == ("category-interest", 1)
        assert fact["instance"] == orjson.loads(by_customer["c-2"].value())["instance"]

    last = {profile["customer_id"]: profile for profile in tap.values("profiles")}
    assert last.keys() == {"c-1", "c-2"}  # c-3 changed nothing that others may read
    assert last["c-1"]["attributes"] == {"plan": "paid"}
    assert last["c-1"]["last_contacts"] == {"email": orjson.loads(by_customer["c-1"].value())["decided_at"]}

    (rejected,) = tap.messages["events.rejected"]
    (broken,) = (message for message in log.messages["events"] if message.value() == b"not \xff json")
    assert rejected.value() == broken.value()
    assert rejected.key() == b"c-1"
    told = headers_of(rejected)
    assert told.keys() == {"reason", "message", "topic", "partition", "offset"}
    assert told["reason"] == b"not_json"
    assert told["message"].decode().startswith("not JSON")
    assert told["topic"] == place.events.encode()
    assert (int(told["partition"]), int(told["offset"])) == (broken.partition(), broken.offset())

    eventually(lambda: health(tmp_path / "data", "--seconds", "1").returncode == 1, "the stopped job is not alive")
    dead = health(tmp_path / "data", "--seconds", "1")
    assert re.fullmatch("sojourn: the job has made no progress for .*\n", dead.stderr)
    nothing = health(tmp_path / "nothing")
    assert nothing.returncode == 1
    assert len(nothing.stderr.splitlines()) == 1


def check_topics(place: Place) -> None:
    admin = AdminClient(place.client)
    topics = admin.list_topics(timeout=WAIT_S_MAX).topics
    assert len(topics[place.events].partitions) == PARTITIONS
    assert [len(topics[place.prefix + topic].partitions) for topic in OUT] == [OUTPUT_PARTITIONS] * len(OUT)

    def setting(topic: str, name: str) -> str:
        resource = ConfigResource(ResourceType.TOPIC, topic)
        return str(admin.describe_configs([resource])[resource].result(WAIT_S_MAX)[name].value)

    assert setting(place.events, "message.timestamp.type") == "LogAppendTime"
    assert setting(place.prefix + "profiles", "cleanup.policy") == "compact"
    assert setting(place.prefix + "journeys.facts", "cleanup.policy") == "delete"
    assert int(setting(place.prefix + "events.rejected", "max.message.bytes")) > int(
        setting(place.events, "max.message.bytes")
    )


def test_events_become_actions_on_any_kafka(kafka: Kafka, start: Start) -> None:
    """The short way, which librdkafka's mock can go, too: topics are there, three looks, an action, a clean stop."""
    place = Place({"bootstrap.servers": kafka.bootstrap})
    if kafka.kind == "mock":
        admin = AdminClient(place.client)
        for topic in (place.events, *(place.prefix + name for name in OUT)):
            admin.list_topics(topic, timeout=WAIT_S_MAX)  # which makes it
    else:
        place.create_all(**{"message.timestamp.type": "LogAppendTime"})
    job = start(place)
    job.until_it_says("running")
    place.produce(*(line for customer in customers("c", 10) for line in views(customer)))
    with Tap(place) as tap:
        tap.until(lambda: len(tap.ids()) == 10, "10 actions", job)
        job.ends_well()
        tap.drain()
    assert Counter(action["customer_id"] for action in tap.values("actions.email")) == Counter(customers("c", 10))


def test_stopped_jobs_lose_and_repeat_nothing(place: Place, start: Start) -> None:
    """SIGTERM, Ctrl-C, while events pour in: the next start goes on exactly there."""
    place.create_all(**{"message.timestamp.type": "LogAppendTime"})
    everyone = customers("c", 400)
    lines = [line for customer in everyone for line in views(customer)]
    random.Random(5).shuffle(lines)

    def pour() -> None:
        producer = place.producer(**{"linger.ms": 1})
        for number, line in enumerate(lines):
            producer.produce(place.events, line, orjson.loads(line)["userId"])
            producer.poll(0.005 if number % 4 == 0 else 0)
        producer.flush(WAIT_S_MAX)

    pouring = threading.Thread(target=pour)
    with Tap(place) as tap:
        for number, how in enumerate((signal.SIGTERM, signal.SIGINT, signal.SIGTERM)):
            job = start(place)
            job.until_it_says("running")
            if number == 0:
                pouring.start()
            enough = (20, 40, len(everyone))[number]
            tap.until(lambda enough=enough: len(tap.ids()) >= enough, f"{enough} actions", job)  # type: ignore[misc]
            job.ends_well(how)
            assert "stopping" in job.lines()[-2]
        tap.drain()
    pouring.join(WAIT_S_MAX)
    assert Counter(action["customer_id"] for action in tap.values("actions.email")) == Counter(everyone)
    assert Counter(f["customer_id"] for f in tap.values("journeys.facts") if f["fact"] == "entered") == Counter(
        everyone
    )
    assert tap.counts().get("events.rejected", 0) == 0


# --- live and replay are one function of the log -----------------------------------------------------------------------


@dataclass
class Stream:
    """Recorded events, and what a replay makes of them."""

    lines: list[bytes]
    actions: list[bytes]
    facts: list[bytes]
    profiles: dict[str, bytes]

    def produce(self, place: Place, per_s: float | None = None, part: slice = slice(None)) -> None:
        """To a log with producers' times: each at its `receivedAt`."""
        producer = place.producer(**{"linger.ms": 1})
        began = time.monotonic()
        for number, line in enumerate(self.lines[part]):
            found = orjson.loads(line)
            producer.produce(place.events, line, found["userId"], timestamp=parse_instant(found["receivedAt"]))
            while per_s and number / per_s > time.monotonic() - began:
                producer.poll(0.002)
            producer.poll(0)
        assert producer.flush(WAIT_S_MAX) == 0


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    """The beginning of a real stream where it is there, else of a made-up one."""
    directory = tmp_path_factory.mktemp("stream")
    if TAOBAO.exists():
        with gzip.open(TAOBAO) as file:
            lines = [line.rstrip(b"\n") for line in itertools.islice(file, 5_000)]
    else:
        made = (orjson.loads(line) for line in shoppers(20_000, 300, 7, duplicates=0, broken=0))
        known = sorted(
            (found for found in made if found.get("userId")), key=lambda found: parse_instant(found["timestamp"])
        )
        # In the order of their log time, as a replay takes them: else a log has another order, and its clock is elsewhere.
        lines = [orjson.dumps(found | {"receivedAt": found["timestamp"]}) for found in known]
    (directory / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    command = [
        sys.executable,
        "-m",
        "flows.cli",
        "replay",
        str(directory / "events.jsonl"),
        "--journeys",
        str(REFERENCE),
    ]
    done = subprocess.run(
        [*command, "--out", str(directory / "out")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S_MAX,
    )
    assert done.returncode == 0, done.stderr

    def read(name: str) -> list[bytes]:
        return (directory / "out" / name).read_bytes().splitlines()

    actions = read("actions.email.jsonl")
    assert len(actions) > 100, "too few for a test to mean anything"
    profiles = {orjson.loads(line)["customer_id"]: line for line in read("profiles.jsonl")}
    return Stream(lines, actions, read("facts.jsonl"), profiles)


CREATE_TIME = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}


def test_live_equals_replay(place: Place, start: Start, stream: Stream) -> None:
    place.create_all(**CREATE_TIME)
    stream.produce(place)
    job = start(place, "--allow-create-time")
    with Tap(place) as tap:
        tap.until(lambda: tap.counts().get("journeys.facts", 0) >= len(stream.facts), "all facts", job)
        job.ends_well()
        tap.drain()

    def essence(action: bytes) -> tuple[str, str, str, str]:
        found = orjson.loads(action)
        return found["customer_id"], str(found["with"]), found["decided_at"], found["action_id"]

    live = [message.value() for message in tap.messages["actions.email"]]
    assert {essence(action) for action in live} == {essence(action) for action in stream.actions}
    assert sorted(live) == sorted(stream.actions)  # to the byte, seq too
    assert sorted(message.value() for message in tap.messages["journeys.facts"]) == sorted(stream.facts)
    assert {m.key().decode(): m.value() for m in tap.messages["profiles"]} == stream.profiles
    assert tap.counts().get("events.rejected", 0) == 0


def test_kill_9_loses_nothing(place: Place, start: Start, stream: Stream) -> None:
    """At least once; killed while it works, again and again: nothing is lost, what is repeated is the same, state goes on.

    A start has epochs in which nothing came yet, and what Bytewax kept of epochs that the killed job
    did not finish must not come back after them.
    """
    place.create_all(**CREATE_TIME)
    pouring = threading.Thread(target=stream.produce, args=(place, 600.0))
    chance = random.Random(9)
    kills = 4
    with Tap(place) as tap:
        for number in range(kills + 1):
            job = start(place, "--allow-create-time", SOJOURN_EPOCH_MS="150", SOJOURN_DELIVERY="at_least_once")
            job.until_it_says("running")
            if number == 0:
                pouring.start()
            if number < kills:
                more = len(tap.ids()) + 1 + chance.randrange(30)
                tap.until(lambda more=more: len(tap.ids()) >= more, f"{more} actions", job)  # type: ignore[misc]
                job.end(signal.SIGKILL)
        pouring.join(WAIT_S_MAX)
        wanted = set(stream.facts)

        def is_done() -> bool:
            """All was told; and the last life has come as far as those before, whose profiles it tells again on the way."""
            profiles = {m.key().decode(): m.value() for m in tap.messages["profiles"]}
            return profiles == stream.profiles and {m.value() for m in tap.messages["journeys.facts"]} >= wanted

        tap.until(is_done, "all facts, and the last profile of each", job)
        job.ends_well()
        tap.drain()

    live = [message.value() for message in tap.messages["actions.email"]]
    assert set(live) == set(stream.actions)  # not one more, not one less, and a repeat has the same bytes
    assert {message.value() for message in tap.messages["journeys.facts"]} == set(stream.facts)
    entered: defaultdict[str, set[bytes]] = defaultdict(set)
    for fact in {message.value() for message in tap.messages["journeys.facts"]}:
        found = orjson.loads(fact)
        if found["fact"] == "entered":
            entered[found["instance"]].add(fact)
    assert {len(facts) for facts in entered.values()} == {1}
    for topic in ("actions.email", "journeys.facts"):
        first: dict[str, dict[int, None]] = {}
        for value in tap.values(topic):
            first.setdefault(value["customer_id"], {})[value["seq"]] = None
        assert [customer for customer, seqs in first.items() if list(seqs) != sorted(seqs)] == [], topic
    assert {m.key().decode(): m.value() for m in tap.messages["profiles"]} == stream.profiles
    print(f"repeated: {len(live) - len(set(live))} of {len(live)}")


def test_groups_whose_state_is_lost_or_old_are_led_on_through_the_log(
    place: Place, start: Start, stream: Stream, tmp_path: Path
) -> None:
    """A directory is gone, another is that of an earlier stop: what comes out afterwards is as if nothing had happened."""
    place.create_all(**CREATE_TIME)
    state, early = tmp_path / "data" / "state", tmp_path / "early"
    third = len(stream.lines) // 3
    with Tap(place) as tap:
        for number in range(3):
            stream.produce(place, part=slice(number * third, (number + 1) * third if number < 2 else None))
            job = start(place, "--allow-create-time")
            job.until_it_says("running")
            more = len(stream.facts) if number == 2 else tap.counts().get("journeys.facts", 0) + 50
            tap.until(lambda more=more: tap.counts().get("journeys.facts", 0) >= more, f"{more} facts", job)  # type: ignore[misc]
            job.ends_well()
            tap.drain()
            if number == 0:
                shutil.copytree(state, early)
            elif number == 1:
                shutil.rmtree(state / "group-00000")
                shutil.rmtree(state / "group-00001")
                shutil.copytree(early / "group-00001", state / "group-00001")
        assert job.said().count("the state is behind") == 2, job.said()
        tap.drain()
    assert sorted(message.value() for message in tap.messages["journeys.facts"]) == sorted(stream.facts)
    assert {m.key().decode(): m.value() for m in tap.messages["profiles"]} == stream.profiles


# --- records that are no events -----------------------------------------------------------------------------------------


def test_every_odd_record_is_told_and_nothing_stops(place: Place, start: Start) -> None:
    """Wrong key, wrong partition, unknown kind, tombstone, heartbeat; and the record after them is read."""
    job = start(place, "--create-topics")
    job.until_it_says("running")
    home = group_of(b"c-1", PARTITIONS)
    ahead = (time.time_ns() // 1_000_000 + 120_000) // 1_000 * 1_000  # two minutes from now: nobody can know that
    producer = place.producer()

    def produce(value: bytes | None, key: str | bytes | None, partition: int = home, **headers: bytes) -> None:
        named = {f"sojourn-{name}": header for name, header in headers.items()}
        producer.produce(place.events, value, key, partition, headers=list(named.items()))

    wrong_key, wrong_partition, no_key = event("c-1"), event("c-1"), event("c-1")
    binary_key, unknown = event("c-1"), event("c-1")
    produce(wrong_key, "c-2")
    produce(wrong_partition, "c-1", (home + 1) % PARTITIONS)
    produce(no_key, None)
    produce(binary_key, b"\xff\xfe")
    produce(unknown, "c-1", kind=b"\xffrumour")
    produce(None, "c-1")
    produce(b"", "c-1")
    produce(None, None, kind=b"heartbeat", time=b"no number")
    produce(None, None, kind=b"heartbeat", time=str(ahead).encode())
    for line in views("c-1"):
        produce(line, "c-1", kind=b"event", other=b"x")
    assert producer.flush(WAIT_S_MAX) == 0

    with Tap(place) as tap:
        tap.until(lambda: tap.ids() and tap.counts().get("events.rejected", 0) >= 7, "an action and 7 rejected", job)
        job.ends_well()
        tap.drain()
    told = [
        (headers_of(message)["reason"].decode(), message.value() or b"") for message in tap.messages["events.rejected"]
    ]
    assert sorted(told) == sorted(
        [("misrouted", value) for value in (wrong_key, wrong_partition, no_key, binary_key)]
        + [("unknown_kind", unknown), ("not_json", b""), ("not_json", b"")]
    )
    (action,) = tap.values("actions.email")
    with Tap(place, place.events) as log:
        log.drain()
    (heartbeat,) = [m for m in log.messages["events"] if headers_of(m).get("sojourn-time") == str(ahead).encode()]
    # The heartbeat moved the clock, no further than to its own stamp; records without a time move it no more.
    assert action["decided_at"] == format_instant(heartbeat.timestamp()[1])


@pytest.mark.parametrize("what", ["large", "profile", "long", "clock"])
def test_no_record_is_too_much(place: Place, start: Start, what: str) -> None:
    """A record at the limits of what a log may hold does not stop the job: what comes out of it has a way out."""
    config = {"message.timestamp.type": "LogAppendTime"}
    if what == "large":  # a log that takes more than brokers do by default; one record makes use of it
        config["max.message.bytes"] = str(10 << 20)
        lines = [event("c-1", properties={"category": "x" * (5 << 20)})]
    elif what == "profile":  # two records that fit, of a profile that does not
        lines = [event("c-1", type="identify", traits={name: name * 600_000}) for name in "ab"]
    elif what == "long":  # the value of an action, and the key in the facts about it
        lines = views("c-1", "\x01" * 174_690)  # six characters each when written: just below what a broker takes
    else:
        config = CREATE_TIME
        lines = []
    place.create(place.events, partitions=PARTITIONS, **config)
    job = start(place, "--create-topics", *(("--allow-create-time",) if what == "clock" else ()))
    job.until_it_says("running")
    producer = place.producer(**{"message.max.bytes": 20 << 20})
    refused: list[Any] = []
    for line in lines:
        producer.produce(place.events, line, "c-1", on_delivery=lambda error, _: error and refused.append(error))
    if what == "clock":  # a clock that overflowed: the year 300,000 is no time that can be told
        for line in views("c-1"):
            producer.produce(place.events, line, "c-1", timestamp=9_404_432_380_800_000)
    assert (producer.flush(WAIT_S_MAX), refused) == (0, [])
    place.produce(*(line for customer in customers("d", 8) for line in views(customer)))
    with Tap(place) as tap:
        tap.until(
            lambda: len({action["customer_id"] for action in tap.values("actions.email")} - {"c-1"}) == 8,
            "8 actions",
            job,
        )
        job.ends_well()


# --- what is refused at the start ------------------------------------------------------------------------------------------


def test_a_missing_topic(place: Place, start: Start) -> None:
    said = start(place).ends_badly()
    for topic in (place.events, *(place.prefix + name for name in OUT)):
        assert topic in said
    assert "--create-topics" in said
    place.create_all(**{"message.timestamp.type": "LogAppendTime"})
    place.delete(place.prefix + "profiles")
    said = start(place).ends_badly()
    assert f"no topic {place.prefix}profiles;" in said


def test_a_log_with_its_producers_times(place: Place, start: Start) -> None:
    """Refused, with the way out; the way out works by option and by setting."""
    place.create_all(**CREATE_TIME)
    said = start(place).ends_badly()
    assert place.events in said
    assert "LogAppendTime" in said
    assert "--allow-create-time" in said
    job = start(place, SOJOURN_ALLOW_CREATE_TIME="1")
    job.until_it_says("running")
    job.ends_well()


def test_broken_definitions(start: Start, tmp_path: Path) -> None:
    """All mistakes at once, and no broker is needed for that."""
    broken = tmp_path / "journeys"
    shutil.copytree(REFERENCE, broken)
    text = (REFERENCE / "category-interest.yaml").read_text("utf-8")
    (broken / "one.yaml").write_text(
        text.replace("times: 3", "times: many").replace("category-interest", "one"), "utf-8"
    )
    (broken / "two.yaml").write_text(
        text.replace("within: 5d", "wihtin: 5d").replace("category-interest", "two"), "utf-8"
    )
    job = start(Place({"bootstrap.servers": f"{HOST}:1"}), SOJOURN_JOURNEYS=str(broken))
    assert job.end() == 1
    assert "Traceback" not in job.said()
    assert "one.yaml" in job.said()
    assert "many" in job.said()
    assert "two.yaml" in job.said()
    assert "wihtin" in job.said()
    assert job.lines()[0].startswith("sojourn: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [("SECURITY_PROTOCOL", "SASL_SLL"), ("NO_SUCH_OPTION", "hunter2"), ("SSL_CA_LOCATION", "/nowhere/ca.pem")],
)
def test_an_option_that_librdkafka_does_not_take(start: Start, name: str, value: str) -> None:
    more = {f"SOJOURN_KAFKA__{name}": value} | ({"SOJOURN_KAFKA__SECURITY_PROTOCOL": "SSL"} if "SSL_" in name else {})
    said = start(Place({"bootstrap.servers": f"{HOST}:1"}), **more).ends_badly()
    assert name.lower().replace("_", ".") in said


def test_a_wrong_setting(start: Start) -> None:
    said = start(Place({"bootstrap.servers": f"{HOST}:1"}), SOJOURN_PARTITIONS="many").ends_badly(status=2)
    assert "SOJOURN_PARTITIONS" in said


# --- the data directory ----------------------------------------------------------------------------------------------------


def stopped_job(place: Place, start: Start, name: str = "data") -> None:
    """A job that has worked and was stopped: state in DATA, everything in the log read."""
    job = start(place, "--create-topics")
    job.until_it_says("running")
    place.produce(*(line for customer in customers(name, 12) for line in views(customer)))
    with Tap(place) as tap:
        tap.until(lambda: len(tap.ids()) == 12, "12 actions", job)
    job.ends_well()


def test_one_job_on_one_data_directory_with_its_recovery_store(place: Place, start: Start, tmp_path: Path) -> None:
    """A second job on the directory is sent away and harms nothing; state without recovery store is refused."""
    stopped_job(place, start)
    job = start(place)
    job.until_it_says("running")
    said = start(place).ends_badly(status=2)
    assert "another job" in said
    assert "--data" in said
    place.produce(*(line for customer in customers("e", 5) for line in views(customer)))
    with Tap(place) as tap:
        tap.until(lambda: len(tap.ids()) == 17, "5 actions more", job)
        job.ends_well()
        tap.drain()
        assert tap.counts()["actions.email"] == 17  # the twelve of before were not repeated

    shutil.rmtree(tmp_path / "data" / "recovery")
    said = start(place).ends_badly()
    assert "recovery is missing" in said
    assert "backup" in said


def test_a_log_that_lost_what_was_not_read(place: Place, start: Start) -> None:
    """Retention was faster than the job: it stops, it does not jump."""
    stopped_job(place, start)
    place.produce(*(line for customer in customers("e", 12) for line in views(customer)))
    admin = AdminClient(place.client)
    ends = [TopicPartition(place.events, number, -1) for number in range(PARTITIONS)]  # -1: all there is
    for future in admin.delete_records(ends).values():
        future.result(WAIT_S_MAX)
    said = start(place).ends_badly()
    assert place.events in said
    assert "not in the log any more" in said


def test_a_log_that_was_made_anew(place: Place, start: Start) -> None:
    """With another number of partitions, customers would be elsewhere; with the same, positions mean nothing."""
    stopped_job(place, start)
    place.delete(place.events)
    place.create(place.events, partitions=PARTITIONS + 2, **{"message.timestamp.type": "LogAppendTime"})
    said = start(place).ends_badly()
    assert "partitions" in said
    assert f"of {PARTITIONS}" in said
    place.delete(place.events)
    place.create(place.events, partitions=PARTITIONS - 2, **{"message.timestamp.type": "LogAppendTime"})
    said = start(place).ends_badly()
    assert "partitions" in said
    place.delete(place.events)
    place.create(place.events, partitions=PARTITIONS, **{"message.timestamp.type": "LogAppendTime"})
    said = start(place).ends_badly()
    assert "topic was made anew" in said


# --- brokers that are down, and credentials ----------------------------------------------------------------------------------


@dataclass
class Own:
    """A broker of this module's own with TLS and a password; known to its clients before it was ever started."""

    broker: Broker
    client: dict[str, Any]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    data, port = tmp_path_factory.mktemp("broker"), free_port()
    broker = Broker(port=port, data=data, sasl={"job": PASSWORD}, tls=True)
    _make_certificate(data)
    client = {
        "bootstrap.servers": f"{HOST}:{port}", "security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN",
        "sasl.username": "job", "sasl.password": PASSWORD, "ssl.ca.location": str(data / "certificate.pem"),
    }  # fmt: skip
    yield Own(broker, client)
    broker.close()


@needs_java
def test_a_broker_that_comes_later_and_goes_and_comes_back(own: Own, start: Start) -> None:
    """One line when it does not answer, one when it does, busy or idle; nothing is lost in between."""
    broker = own.broker
    broker.kill()
    place = Place(own.client | {"reconnect.backoff.max.ms": 500})  # 10 s by default
    job = start(place, "--create-topics")
    job.until_it_says("does not answer")
    broker.start()
    job.until_it_says("running")
    lines = job.lines()
    assert f"Kafka at {broker.bootstrap} does not answer" in lines[0], job.said()
    assert lines[1] == f"sojourn: Kafka at {broker.bootstrap} answers", job.said()

    everyone = [name for when in ("before", "during", "after") for name in customers(when, 100)]
    with Tap(place) as tap:
        place.produce(*(line for customer in everyone[:100] for line in views(customer)))
        tap.until(lambda: len(tap.ids()) == 100, "100 actions", job)
        producer = place.producer(**{"linger.ms": 1})
        for number, line in enumerate(line for customer in everyone[100:200] for line in views(customer)):
            producer.produce(place.events, line, orjson.loads(line)["userId"])
            producer.poll(0.002)
            if number == 100:
                broker.kill()
        job.until_it_says("does not answer", times=2)
        broker.start()
        assert producer.flush(WAIT_S_MAX) == 0
        place.produce(*(line for customer in everyone[200:] for line in views(customer)))
        tap.until(lambda: len(tap.ids()) >= 300, "300 actions", job)
        job.until_it_says(" answers", times=2)
        tap.drain()
        assert Counter(action["customer_id"] for action in tap.values("actions.email")) == Counter(everyone)

        broker.kill()
        job.until_it_says("does not answer", times=3)
        broker.start()
        eventually(lambda: job.said().count(" answers") >= 3, "an idle job notices, too", 15, job.said)
        job.ends_well()
    told = [line for line in job.lines() if "answer" in line]
    assert ["does not" in line for line in told] == [True, False] * 3, job.said()
    assert PASSWORD not in job.said()


@needs_java
def test_a_wrong_password_or_certificate(own: Own, start: Start) -> None:
    """One line, at once, and the password is nowhere in it."""
    own.broker.start()
    place = Place(own.client | {"sasl.password": "wr0ngOfJob"})
    job = start(place, "--create-topics")
    said = job.ends_badly()
    assert "refuses" in said
    assert own.broker.bootstrap in said
    assert "wr0ngOfJob" not in job.said()
    place = Place({key: value for key, value in own.client.items() if key != "ssl.ca.location"})
    job = start(place, "--create-topics")
    assert "refuses" in job.ends_badly()
    assert PASSWORD not in job.said()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_job_that_waits_for_its_broker_can_be_stopped(start: Start, how: signal.Signals) -> None:
    job = start(Place({"bootstrap.servers": f"{HOST}:{free_port()}"}))
    job.until_it_says("does not answer")
    began = time.monotonic()
    assert job.end(how) in (0, 1)
    assert time.monotonic() - began < 15
    assert all(line.startswith("sojourn: ") for line in job.lines()), job.said()
    assert job.said().count("does not answer") == 1


# --- the other side: made-up events -------------------------------------------------------------------------------------------


def test_generated_events_lie_where_their_customers_belong(place: Place, start: Start) -> None:
    job = start(place, "--create-topics")
    job.until_it_says("running")
    command = [sys.executable, "-m", "flows.cli", "generate", "--to-kafka", "--events", "1000", "--customers", "50"]
    environment = {**os.environ, **place.environment}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=WAIT_S_MAX
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"sojourn: produced 1,000 events to {place.events} on {place.client['bootstrap.servers']}\n"
    with Tap(place, place.events) as log:
        log.until(lambda: log.counts().get("events", 0) >= 1_000, "1,000 events", job)
    job.ends_well()
    with Tap(place) as tap:
        tap.drain()
    reasons = Counter(headers_of(message)["reason"].decode() for message in tap.messages["events.rejected"])
    assert "misrouted" not in reasons
    assert reasons.total() < 50
