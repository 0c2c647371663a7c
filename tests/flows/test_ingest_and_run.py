"""Ingest and the live job together, on a real Kafka: lag ends no wait too early, and journeys change in the log.

A customer who looks at a cart is reminded unless an order comes within ten minutes. Whoever is behind, and by however much,
an order that lies in an input within the ten minutes is an order in time.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.flows.ingest_world import PARTITIONS, WAIT_S_MAX, Start, World, eventually, low, now_ms, starter, view
from tests.kafka.fixtures import Kafka, needs_real

MINUTE = 60_000
pytestmark = [pytest.mark.kafka, pytest.mark.slow]

JOURNEY = """
journey: cart
version: {version}
enter:
  event: Cart Viewed
  again: always
steps:
  - id: w
    wait_for:
      - event: Order Completed
        do:
          - {{id: thanks, send: push, template: thanks}}
    timeout: {timeout}
    else:
      - {{id: remind, send: email, template: {template}}}
"""


def write_journeys(directory: Path, version: int = 1, template: str = "remind", timeout: str = "10m") -> str:
    directory.mkdir(exist_ok=True)
    (directory / "orchestration.yaml").write_text("timezone: UTC\n", "utf-8")
    text = JOURNEY.format(version=version, template=template, timeout=timeout)
    (directory / "cart.yaml").write_text(text, "utf-8")
    return str(directory)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with starter(tmp_path) as begin:
        yield begin


@pytest.fixture
def world(kafka: Kafka) -> World:
    needs_real(kafka)
    return World({"bootstrap.servers": kafka.bootstrap})


def cart(customer: str, at: int) -> bytes:
    return view(customer, f"cart-{customer}", at, event="Cart Viewed")


def order(customer: str, at: int) -> bytes:
    return view(customer, f"order-{customer}", at, event="Order Completed")


def sent(world: World, prefix: str = "") -> dict[str, tuple[int, str]]:
    """Customer -> version and template of the one action they got."""
    name = prefix or f"{world.name}."
    actions = [message for channel in ("email", "push") for message in world.read(f"{name}actions.{channel}")]
    found = {value["action_id"]: value for value in (orjson.loads(message.value()) for message in actions)}
    told = {value["customer_id"]: (value["version"], value["template"]) for value in found.values()}
    assert len(told) == len(found), "one for each customer"
    return told


def run(start: Start, world: World, journeys: str, data: Path, **more: str) -> Any:
    job = start(world, "--journeys", journeys, "--data", str(data), command="run", **more)
    job.until_it_says("running")
    return job


def make_log(start: Start, world: World, journeys: str, *topics: str) -> Any:
    ingest = start(world, *topics, "--journeys", journeys)
    ingest.until_it_says("ingesting")
    return ingest


def shop(world: World, topics: tuple[str, str], began: int) -> dict[str, tuple[int, str]]:
    """An hour of carts and orders, an order for every other cart after five minutes; what has to come of it."""
    carts, orders = topics
    for minute in range(40):
        at = began + minute * MINUTE
        world.produce(carts, cart(f"c-{minute}", at), timestamp=at)
        if minute % 2:
            world.produce(orders, order(f"c-{minute}", at + 5 * MINUTE), timestamp=at + 5 * MINUTE)
    return {f"c-{minute}": (1, "thanks" if minute % 2 else "remind") for minute in range(40)}


def test_ingest_an_hour_behind_ends_no_wait_too_early(world: World, start: Start, tmp_path: Path) -> None:
    """The job is up to date with a log that is not."""
    journeys = write_journeys(tmp_path / "journeys")
    clicks = world.create("clicks", 1)
    began = now_ms() - 60 * MINUTE
    expected = shop(world, (clicks, clicks), began)
    make_log(start, world, journeys, clicks)
    job = run(start, world, journeys, tmp_path / "state")
    eventually(lambda: len(sent(world)) == len(expected), "all are decided", job.said)
    assert sent(world) == expected
    job.ends_well()


def test_the_job_an_hour_behind_ends_no_wait_too_early(world: World, start: Start, tmp_path: Path) -> None:
    """The log is complete, up to now, before the job begins to read it; killed on its way, it goes on in the log's time."""
    journeys = write_journeys(tmp_path / "journeys")
    clicks = world.create("clicks", 1)
    expected = shop(world, (clicks, clicks), now_ms() - 60 * MINUTE)
    began = now_ms()
    ingest = make_log(start, world, journeys, clicks)
    eventually(lambda: any(low(message) >= began for message in world.heartbeats()), "the log is complete", ingest.said)
    ingest.ends_well()
    for _ in range(3):
        job = run(start, world, journeys, tmp_path / "state")
        job.process.kill()
        job.process.wait()
    job = run(start, world, journeys, tmp_path / "state")
    eventually(lambda: len(sent(world)) == len(expected), "all are decided", job.said)
    assert sent(world) == expected
    job.ends_well()


def test_one_of_two_inputs_behind_ends_no_wait_too_early(world: World, start: Start, tmp_path: Path) -> None:
    """Carts are read up to now, orders are an hour late: nobody is reminded before theirs had the time to come."""
    journeys = write_journeys(tmp_path / "journeys")
    carts, orders = world.create("carts", 1), world.create("orders", 1)
    began = now_ms() - 60 * MINUTE
    expected = {f"c-{minute}": (1, "thanks" if minute % 2 else "remind") for minute in range(40)}
    for minute in range(40):
        world.produce(carts, cart(f"c-{minute}", began + minute * MINUTE), timestamp=began + minute * MINUTE)
    world.produce(orders, order("someone", began), timestamp=began)
    producer = Producer({**world.client, "transactional.id": world.name, "log_level": 0})
    producer.init_transactions(WAIT_S_MAX)
    producer.begin_transaction()
    for minute in range(1, 40, 2):
        at = began + (minute + 5) * MINUTE
        producer.produce(orders, order(f"c-{minute}", at), timestamp=at)
    producer.flush(WAIT_S_MAX)
    ingest = make_log(start, world, journeys, carts, orders)
    job = run(start, world, journeys, tmp_path / "state")
    eventually(lambda: len(world.heartbeats()) >= 4 * PARTITIONS, "the log goes on", ingest.said)
    assert len(world.events()) == 2, "one sequence: the carts wait for their turn"
    assert sent(world) == {}
    producer.commit_transaction(WAIT_S_MAX)
    eventually(lambda: len(sent(world)) == len(expected), "all are decided", job.said)
    assert sent(world) == expected
    job.ends_well()


def test_journeys_change_in_the_log_while_the_job_runs(world: World, start: Start, tmp_path: Path) -> None:
    """Ingest starts with others: the job takes them at that place, those inside finish on theirs, and so it is for
    whoever reads the log again, whatever they were started with."""
    journeys = write_journeys(tmp_path / "journeys", timeout="3s")
    clicks = world.create("clicks", 1)
    ingest = make_log(start, world, journeys, clicks)
    ingest.until_it_says("appending them to every partition")
    job = run(start, world, shutil.copytree(journeys, tmp_path / "job"), tmp_path / "state")
    world.produce(clicks, *(cart(f"one-{number}", now_ms()) for number in range(8)))
    eventually(lambda: len(world.events()) == 8, "they are inside", ingest.said)
    ingest.ends_well()
    write_journeys(tmp_path / "journeys", version=2, template="other", timeout="1s")
    ingest = make_log(start, world, journeys, clicks)
    ingest.until_it_says("appending them to every partition")
    world.produce(clicks, *(cart(f"two-{number}", now_ms()) for number in range(8)))
    expected = {f"one-{number}": (1, "remind") for number in range(8)} | {
        f"two-{number}": (2, "other") for number in range(8)
    }
    eventually(lambda: len(sent(world)) == len(expected), "all are decided", job.said)
    assert sent(world) == expected
    job.ends_well()
    ingest.ends_well()
    ingest = make_log(start, world, journeys, clicks)  # nothing new: nothing is appended
    assert "appending" not in ingest.said()
    ingest.ends_well()
    kinds = [
        dict(m.headers())["sojourn-definitions"]
        for m in world.read(world.log)
        if b"definitions" in dict(m.headers()).values()
    ]
    assert len(kinds) == 2 * PARTITIONS
    assert len(set(kinds)) == 2

    nothing = write_journeys(tmp_path / "another", version=7, template="nothing", timeout="1d")
    again = f"{world.name}.again."
    job = run(start, world, nothing, tmp_path / "again", SOJOURN_TOPICS_PREFIX=again, SOJOURN_JOB="again")
    eventually(lambda: len(sent(world, again)) == len(expected), "the log read again", job.said)
    assert sent(world, again) == expected
    job.ends_well()
    job = run(start, world, nothing, tmp_path / "again", SOJOURN_TOPICS_PREFIX=again, SOJOURN_JOB="again")
    job.until_it_says("the log has other definitions in use")
    assert job.said().count("other definitions") == 1
    job.ends_well()


def test_heartbeats_and_changes_in_a_log_that_its_producers_write(world: World, start: Start, tmp_path: Path) -> None:
    """Time passes although nobody does anything more, and journeys change, beside producers that key by customer."""
    journeys = write_journeys(tmp_path / "journeys", timeout="1s")

    def produce(prefix: str) -> None:
        producer = Producer({**world.client, "partitioner": "murmur2_random", "log_level": 0})
        for number in range(8):
            producer.produce(world.log, cart(f"{prefix}-{number}", now_ms()), f"{prefix}-{number}")
        assert producer.flush(WAIT_S_MAX) == 0

    ingest = start(world, "--heartbeats-only", "--journeys", journeys)
    ingest.until_it_says("ingesting")
    job = run(start, world, shutil.copytree(journeys, tmp_path / "job"), tmp_path / "state")
    produce("one")
    expected = {f"one-{number}": (1, "remind") for number in range(8)}
    eventually(lambda: len(sent(world)) == len(expected), "all are reminded", job.said)
    ingest.ends_well()
    write_journeys(tmp_path / "journeys", version=2, template="other", timeout="1s")
    ingest = start(world, "--heartbeats-only", "--journeys", journeys)
    ingest.until_it_says("ingesting")
    produce("two")
    expected |= {f"two-{number}": (2, "other") for number in range(8)}
    eventually(lambda: len(sent(world)) == len(expected), "and by the new ones", job.said)
    assert sent(world) == expected
    job.ends_well()
    ingest.ends_well()
    assert all("sojourn-time" not in dict(message.headers() or []) for message in world.read(world.log))


def test_a_log_that_gets_more_partitions_ends_the_job(world: World, start: Start, tmp_path: Path) -> None:
    """Its producers would send customers to others than their state; the line says what to do."""
    journeys = write_journeys(tmp_path / "journeys")
    often = "import flows.kafka_log as l; l._COUNT_EVERY_S = 0.2; from flows.cli import main; main()"
    job = run(start, world, journeys, tmp_path / "state", script=often)
    admin = AdminClient({**world.client, "log_level": 0})
    admin.create_partitions([NewPartitions(world.log, PARTITIONS + 1)])[world.log].result(WAIT_S_MAX)
    assert job.end(None) == 1
    assert f"has {PARTITIONS + 1} partitions now, and had {PARTITIONS}" in job.said().splitlines()[-1]
    job = start(world, "--journeys", journeys, "--data", str(tmp_path / "state"), command="run")
    assert job.end(None) == 1
    assert f"has the state of {PARTITIONS} partitions" in job.said().splitlines()[-1]


def test_a_mistake_in_the_definitions_is_told_before_anything_is_written(
    world: World, start: Start, tmp_path: Path
) -> None:
    """With file and line, as `sojourn check` does; without definitions, the log gets none."""
    journeys = write_journeys(tmp_path / "mistaken", timeout="soon")
    clicks = world.create("clicks", 1)
    ingest = start(world, clicks, "--journeys", journeys)
    assert "cart.yaml:" in ingest.ends_badly()
    assert world.read(world.log) == []
    ingest = start(world, clicks, "--journeys", str(tmp_path / "nowhere"))
    assert "nowhere is no directory" in ingest.ends_badly()
    ingest = start(world, clicks)
    ingest.until_it_says("no definitions")
    ingest.until_it_says("ingesting")
    ingest.ends_well()
