"""`sojourn ingest` as its users run it: a process, a real Kafka on both sides, readers that see what was committed."""

from __future__ import annotations

import itertools
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from state.keygroups import group_of
from tests.flows.ingest_world import (
    PARTITIONS,
    WAIT_S_MAX,
    Start,
    World,
    eventually,
    headers,
    low,
    now_ms,
    starter,
    view,
)
from tests.kafka.broker import Broker, missing
from tests.kafka.fixtures import Kafka, needs_real

HOUR = 3_600_000
pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with starter(tmp_path) as begin:
        yield begin


@pytest.fixture
def world(kafka: Kafka) -> World:
    needs_real(kafka)
    return World({"bootstrap.servers": kafka.bootstrap})


def check_log(world: World) -> list[Any]:
    """What holds for every log that ingest writes; its records."""
    log = world.read(world.log)
    times: defaultdict[int, int] = defaultdict(int)
    for message in log:
        assert message.timestamp()[1] >= low(message), "no later than it was written"
        assert times[message.partition()] <= low(message), "never falls"
        times[message.partition()] = low(message)
        if headers(message)["sojourn-kind"] == b"event":
            customer_id = message.key()
            assert message.partition() == group_of(customer_id, PARTITIONS)
    return log


def values_of(messages: list[Any]) -> Counter[bytes]:
    return Counter(message.value() for message in messages)


# --- what goes in comes out ---------------------------------------------------------------------------------------------


def test_topics_of_any_key_become_one_log_keyed_by_customer(world: World, start: Start) -> None:
    """Byte for byte, in each input's order, each customer in one partition, as Java's producers have it."""
    clicks, orders = world.create("clicks", 3), world.create("orders", 1)
    sent = [view(f"c-{number % 7}", number) for number in range(50)]
    sent += [b' {"type":"page", "anonymousId":5,"timestamp":1767614400000}\n']
    for number, value in enumerate(sent):
        world.produce(
            (clicks, orders)[number % 2], value, key=(None, b"anything", b"\xff\x00")[number % 3], partition=0
        )
    ingest = start(world, clicks, orders)
    eventually(lambda: len(world.events()) == len(sent), "all are there", ingest.said)
    ingest.ends_well()
    check_log(world)
    events = world.events()
    assert values_of(events) == Counter(sent)
    for message in events:
        event = orjson.loads(message.value())
        assert message.key().decode() == (event.get("userId") or f"anon:{event['anonymousId']}")
        assert set(headers(message)) == {"sojourn-kind", "sojourn-time", "sojourn-arrived"}
    order = {value: number for number, value in enumerate(sent)}
    for partition in range(PARTITIONS):
        for parity in (0, 1):  # one input: its order
            numbers = [
                order[m.value()] for m in events if m.partition() == partition and order[m.value()] % 2 == parity
            ]
            assert numbers == sorted(numbers)
    assert world.read(world.rejected) == []


def test_what_is_no_event_goes_to_the_rejected_with_its_place(world: World, start: Start) -> None:
    """Not into the log; with its bytes, key and reason. The others go on."""
    clicks = world.create("clicks", 1)
    bad = [b"no json", b"[]", None, view("", "m"), b"{" + b" " * 200 + b"}"]
    world.produce(clicks, view("c", 0))
    world.produce(clicks, *bad, key=b"\xffkey")
    world.produce(clicks, view("c", 1))
    ingest = start(world, clicks)
    eventually(lambda: len(world.events()) == 2 and len(world.read(world.rejected)) == len(bad), "all", ingest.said)
    rejected = world.read(world.rejected)
    assert [message.value() or b"" for message in rejected] == [value or b"" for value in bad]
    assert [headers(message)["reason"] for message in rejected] == [
        b"not_json", b"not_an_object", b"not_json", b"no_id", b"bad_type",
    ]  # fmt: skip
    for offset, message in enumerate(rejected, 1):
        found = headers(message)
        assert (found["topic"], found["partition"], found["offset"]) == (clicks.encode(), b"0", str(offset).encode())
        assert found["message"]
        assert message.key() == b"\xffkey"
    ingest.ends_well()


def test_heartbeats_tell_every_partition_the_time(world: World, start: Start) -> None:
    """Every second, although nothing comes; the time is the wall's, as everything has been read."""
    ingest = start(world, world.create("clicks", 2))
    began = now_ms()
    eventually(lambda: len(world.heartbeats()) >= 4 * PARTITIONS, "four beats", ingest.said)
    ingest.ends_well()
    beats = [low(message) for message in check_log(world) if message.partition() == 1]
    assert len(beats) >= 4
    assert all(0 < later - earlier < 5_000 for earlier, later in itertools.pairwise(beats[1:]))
    assert beats[-1] > began
    assert Counter(message.partition() for message in world.heartbeats()) == dict.fromkeys(
        range(PARTITIONS), len(beats)
    )


# --- time: lag never makes it run ahead ----------------------------------------------------------------------------------


def test_ingest_that_was_down_for_an_hour_gives_the_time_of_what_it_reads(world: World, start: Start) -> None:
    """However fast it catches up: no record of the log says more than what is still unread allows."""
    clicks = world.create("clicks", 1)
    began = now_ms() - HOUR
    for minute in range(60):
        world.produce(clicks, view(f"c-{minute}", minute, began), timestamp=began + minute * 60_000)
    ingest = start(world, clicks)
    eventually(lambda: len(world.events()) == 60, "all are there", ingest.said)
    eventually(lambda: low(world.heartbeats()[-1]) > began + HOUR, "in the end it is now", ingest.said)
    ingest.ends_well()
    for message in world.events():
        arrived = int(headers(message)["sojourn-arrived"])
        assert arrived == began + int(orjson.loads(message.value())["messageId"]) * 60_000
        assert low(message) <= arrived
    check_log(world)


def test_one_of_two_inputs_behind_holds_the_time_of_both(world: World, start: Start) -> None:
    """What the slow one still holds may be anybody's: until it is read, nobody's time passes it."""
    fast, slow = world.create("fast", 1), world.create("slow", 1)
    now = now_ms()
    world.produce(slow, *(view(f"s-{number}", number) for number in range(3_000)), timestamp=now - HOUR)
    world.produce(fast, *(view(f"f-{number}", number) for number in range(3)), timestamp=now - 1)
    # the last of the slow input lies in a transaction that stays open: it cannot be read, and counts as unread
    producer = Producer({**world.client, "transactional.id": world.name, "log_level": 0})
    producer.init_transactions(WAIT_S_MAX)
    producer.begin_transaction()
    producer.produce(slow, view("s-last", "last"), timestamp=now - HOUR + 60_000)
    producer.flush(WAIT_S_MAX)
    ingest = start(world, fast, slow)
    eventually(lambda: len(world.events()) == 3_000, "all that is older than what cannot be read", ingest.said)
    eventually(lambda: len(world.heartbeats()) >= 3 * PARTITIONS, "and heartbeats", ingest.said)
    assert {low(message) for message in check_log(world)} == {now - HOUR}
    producer.commit_transaction(WAIT_S_MAX)
    eventually(lambda: any(low(message) > now for message in world.heartbeats()), "time goes on", ingest.said)
    ingest.ends_well()
    times = {orjson.loads(message.value())["userId"]: low(message) for message in world.events()}
    assert len(times) == 3_004
    assert times["s-last"] == now - HOUR + 60_000
    assert {times[f"f-{number}"] for number in range(3)} == {now - 1}, "each at its own time"


def test_an_input_that_gives_nothing_is_waited_for_with_patience_only(world: World, start: Start) -> None:
    """The others go on after a while, and are told the time of the silent one; then it is one of them again."""
    clicks, silent = world.create("clicks", 1), world.create("silent", 1)
    now = now_ms()
    world.produce(silent, view("s-first", "first"), timestamp=now - HOUR)
    producer = Producer({**world.client, "transactional.id": world.name, "log_level": 0})
    producer.init_transactions(WAIT_S_MAX)
    producer.begin_transaction()
    producer.produce(silent, view("s-last", "last"), timestamp=now - HOUR + 60_000)
    producer.flush(WAIT_S_MAX)
    world.produce(clicks, view("c", 1), timestamp=now - 1)
    ingest = start(world, clicks, silent, SOJOURN_INGEST_PATIENCE_S="1")
    ingest.until_it_says("the other inputs go on without it")
    eventually(lambda: len(world.events()) == 2, "the click is there", ingest.said)
    assert {low(message) for message in check_log(world)} == {now - HOUR}
    producer.commit_transaction(WAIT_S_MAX)
    eventually(lambda: any(low(message) > now for message in world.heartbeats()), "time goes on", ingest.said)
    assert len(world.events()) == 3
    ingest.ends_well()


def test_inputs_far_apart_are_one_sequence_and_fit_into_memory(world: World, start: Start) -> None:
    """Much of one is ahead of all of the other: it is read no further than there is room, and nothing is lost."""
    ahead, behind = world.create("ahead", 2), world.create("behind", 1)
    now = now_ms()
    producer = Producer({**world.client, "log_level": 0})
    for number in range(20_000):
        producer.produce(ahead, view(f"a-{number}", number), timestamp=now - HOUR + number, partition=number % 2)
        producer.produce(behind, view(f"b-{number}", number), timestamp=now - 2 * HOUR + number)
        producer.poll(0)
    assert producer.flush(WAIT_S_MAX) == 0
    little = "import flows.ingest_inputs as i; i.HELD_BYTES_MAX = 300_000; from flows.cli import main; main()"
    ingest = start(world, ahead, behind, script=little)
    eventually(lambda: len(world.events()) == 40_000, "all are there", ingest.said)
    ingest.ends_well()
    check_log(world)
    events = world.events()
    assert len({message.value() for message in events}) == 40_000
    assert all(low(message) == int(headers(message)["sojourn-arrived"]) for message in events)


def test_a_poisoned_stamp_and_an_old_one_carry_nobody_away(world: World, start: Start) -> None:
    """2106 from a producer's clock, an hour ago, none: the record arrives when it is read, or when it says."""
    clicks = world.create("clicks", 1)
    now = now_ms()
    for number, stamp in enumerate((now - HOUR, 4_294_967_295_000, now - 2 * HOUR, now - HOUR + 5)):
        world.produce(clicks, view("c", number), timestamp=stamp)
    ingest = start(world, clicks)
    eventually(lambda: len(world.events()) == 4, "all are there", ingest.said)
    ingest.ends_well()
    check_log(world)
    events = world.events()
    assert [low(message) for message in events] == [now - HOUR] * 3 + [now - HOUR + 5]
    arrived = [int(headers(message)["sojourn-arrived"]) for message in events]
    assert arrived[0::2] == [now - HOUR, now - 2 * HOUR]
    assert now <= arrived[1] <= now_ms()


def test_time_goes_on_where_it_was_after_a_restart(world: World, start: Start) -> None:
    """Also when an input is added that begins long ago."""
    clicks = world.create("clicks", 1)
    ingest = start(world, clicks)
    eventually(lambda: len(world.heartbeats()) >= PARTITIONS * 2, "beats", ingest.said)
    ingest.ends_well()
    until = max(low(message) for message in world.heartbeats())
    old = world.create("old", 1)
    world.produce(old, view("c", 1), timestamp=now_ms() - 24 * HOUR)
    ingest = start(world, clicks, old)
    eventually(lambda: len(world.events()) == 1, "the old one", ingest.said)
    [event] = world.events()
    assert until <= low(event) <= now_ms()
    ingest.ends_well()
    check_log(world)


# --- exactly once --------------------------------------------------------------------------------------------------------


def feed(world: World, topics: list[str], numbers: range) -> list[bytes]:
    sent = [b"no json %d" % number if number % 50 == 7 else view(f"c-{number % 97}", number) for number in numbers]
    for index, topic in enumerate(topics):
        world.produce(topic, *sent[index :: len(topics)])
    return sent


def check_once(world: World, sent: list[bytes]) -> None:
    found = values_of(world.events()) + values_of(world.read(world.rejected))
    lost, twice = Counter(sent) - found, found - Counter(sent)
    assert (sum(lost.values()), sum(twice.values())) == (0, 0)


@pytest.mark.parametrize("seed", [11, 12])
def test_kill_9_at_any_time_loses_nothing_and_doubles_nothing(world: World, start: Start, seed: int) -> None:
    """A dozen kills while events come; in the end each is there once, and time never went back."""
    dice = random.Random(seed)
    topics = [world.create("clicks", 3), world.create("orders", 2)]
    sent: list[bytes] = []
    kills = 0
    while kills < 12:
        ingest = start(world, *topics)
        sent += feed(world, topics, range(len(sent), len(sent) + 400))
        ingest.until_it_says("ingesting") if kills else eventually(world_has_a_log(world), "the log is made")
        time.sleep(dice.uniform(0, 0.7))
        assert ingest.process.poll() is None, ingest.said()
        ingest.end(signal.SIGKILL)
        kills += 1
    ingest = start(world, *topics)
    ingest.until_it_says("ingesting")
    eventually(lambda: len(world.events()) + len(world.read(world.rejected)) >= len(sent), "all", ingest.said)
    ingest.ends_well()
    check_once(world, sent)
    check_log(world)


def world_has_a_log(world: World) -> Any:
    admin = AdminClient({**world.client, "log_level": 0})
    return lambda: world.rejected in admin.list_topics(timeout=WAIT_S_MAX).topics


POINTS = ["ingest: before begin", "ingest: after produce", "ingest: before commit", "ingest: after commit"]

DIES_AT = """
import os, signal, sys
from flows import points
left = int(sys.argv.pop(1)); point = sys.argv.pop(1)
def hook(reached):
    global left
    if reached == point:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
points.at_points(hook)
from flows.cli import main
main()
"""


@pytest.mark.parametrize("point", POINTS)
def test_kill_9_at_every_step_of_a_transaction(world: World, start: Start, point: str) -> None:
    """Three lives, each ending at the same place; the fourth finds everything as it should be."""
    topics = [world.create("clicks", 2)]
    sent: list[bytes] = []
    for times in (1, 2, 3):
        sent += feed(world, topics, range(len(sent), len(sent) + 200))
        script = DIES_AT.replace("int(sys.argv.pop(1))", str(times)).replace("sys.argv.pop(1)", repr(point))
        ingest = start(world, *topics, script=script)
        assert ingest.end(None) == -signal.SIGKILL, ingest.said()
    ingest = start(world, *topics)
    ingest.until_it_says("ingesting")
    eventually(lambda: len(world.events()) + len(world.read(world.rejected)) >= len(sent), "all", ingest.said)
    ingest.ends_well()
    check_once(world, sent)
    check_log(world)


def test_a_process_that_wakes_up_after_its_successor_is_fenced(world: World, start: Start) -> None:
    """Stopped, taken for dead, replaced, woken up: it may write no more, and says why."""
    topics = [world.create("clicks", 1)]
    sent = feed(world, topics, range(200))
    zombie = start(world, *topics)
    eventually(lambda: len(world.events()) > 0, "it works", zombie.said)
    zombie.process.send_signal(signal.SIGSTOP)
    sent += feed(world, topics, range(200, 400))
    successor = start(world, *topics)
    eventually(lambda: len(world.events()) + len(world.read(world.rejected)) >= 400, "all", successor.said)
    zombie.process.send_signal(signal.SIGCONT)
    assert "another process has taken over" in zombie.ends_badly()
    sent += feed(world, topics, range(400, 500))
    eventually(lambda: len(world.events()) + len(world.read(world.rejected)) >= 500, "all", successor.said)
    successor.ends_well()
    check_once(world, sent)
    check_log(world)


def test_a_broker_that_is_killed_and_comes_back_is_waited_for(start: Start) -> None:
    """Inside of transactions, and while it is away; nothing is lost, nothing is twice."""
    if missing():
        pytest.skip(f"needs a broker of its own: {missing()}")
    with Broker() as broker:
        world = World(broker.client)
        topics = [world.create("clicks", 2)]
        sent = feed(world, topics, range(300))
        ingest = start(world, *topics)
        eventually(lambda: len(world.events()) > 0, "it works", ingest.said)
        for number in (1, 2):
            sent += feed(world, topics, range(300 * number, 300 * (number + 1)))
            broker.kill()
            broker.start()
            eventually(
                lambda: len(world.events()) + len(world.read(world.rejected)) >= len(sent),  # noqa: B023 - at once
                "all are there",
                ingest.said,
            )
        ingest.ends_well()
        check_once(world, sent)
        check_log(world)


def test_made_up_events_without_keys_go_through_ingest(world: World, start: Start) -> None:
    """`sojourn generate --to-kafka --topic`: most producers have no key, or another one."""
    clicks = world.create("clicks", 2)
    producer = start(
        world, "--events", "500", "--customers", "20", "--to-kafka", "--topic", clicks, create=False, command="generate"
    )
    assert producer.end(None) == 0, producer.said()
    assert {message.key() for message in world.read(clicks)} == {None}
    ingest = start(world, clicks)
    eventually(lambda: len(world.events()) + len(world.read(world.rejected)) == 500, "all are there", ingest.said)
    ingest.ends_well()
    check_log(world)


# --- a log that its producers write ---------------------------------------------------------------------------------------


def test_heartbeats_only_leaves_the_events_to_their_producers(world: World, start: Start) -> None:
    """Its records carry no time of their own: the broker's stamp is the clock of such a log."""
    ingest = start(world, "--heartbeats-only")
    eventually(world_has_a_log(world), "the log is made", ingest.said)
    eventually(lambda: len(world.read(world.log)) >= 2 * PARTITIONS, "two beats", ingest.said)
    ingest.ends_well()
    beats = world.read(world.log)
    assert {message.partition() for message in beats} == set(range(PARTITIONS))
    assert all(headers(message) == {"sojourn-kind": b"heartbeat"} for message in beats)


def test_heartbeats_only_does_not_mix_with_ingest(world: World, start: Start) -> None:
    """A log has one writer and one kind of time."""
    clicks = world.create("clicks", 1)
    both = start(world, clicks, "--heartbeats-only")
    assert "one writer" in both.ends_badly(2)
    neither = start(world)
    assert "nothing to read" in neither.ends_badly(2)
    ingest = start(world, clicks)
    eventually(lambda: len(world.heartbeats()) > 0, "it works", ingest.said)
    ingest.ends_well()
    assert "is written by ingest" in start(world, "--heartbeats-only").ends_badly()


# --- what is refused, with the way out ------------------------------------------------------------------------------------


def test_topics_that_are_not_there_or_are_its_own(world: World, start: Start) -> None:
    """A misspelt input is an error, and a loop, too."""
    assert "has no topic" in start(world, world.topic("clickz")).ends_badly()
    clicks = world.create("clicks", 1)
    assert "--create-topics" in start(world, clicks, create=False).ends_badly()
    assert "cannot be an input" in start(world, clicks, world.log).ends_badly(2)


def test_another_number_of_partitions_is_refused(world: World, start: Start) -> None:
    """Of the log at a start and while it runs; customers would be split. Of an input, a new start reads all."""
    clicks = world.create("clicks", 1)
    sent = feed(world, [clicks], range(100))
    ingest = start(world, clicks)
    eventually(lambda: len(world.events()) > 0, "it works", ingest.said)
    admin = AdminClient({**world.client, "log_level": 0})
    admin.create_partitions([NewPartitions(clicks, 2)])[clicks].result(WAIT_S_MAX)
    assert "start ingest again" in ingest.ends_badly()
    world.produce(clicks, view("new", "n"), partition=1)
    ingest = start(world, clicks)
    eventually(lambda: len(world.events()) + len(world.read(world.rejected)) >= 101, "all", ingest.said)
    admin.create_partitions([NewPartitions(world.log, PARTITIONS + 2)])[world.log].result(WAIT_S_MAX)
    assert f"the topic {world.log} has {PARTITIONS + 2} partitions now" in ingest.ends_badly()
    line = start(world, clicks).ends_badly()
    assert f"ingest began with {PARTITIONS}" in line
    assert "another SOJOURN_EVENTS_TOPIC" in line
    assert len([m for m in world.read(world.log) if m.partition() >= PARTITIONS]) == 0
    assert len(world.events()) + len(world.read(world.rejected)) == len(sent) + 1


def test_records_that_retention_took_are_a_loss_that_must_be_accepted(world: World, start: Start) -> None:
    """It never jumps over a gap by itself."""
    clicks = world.create("clicks", 1)
    feed(world, [clicks], range(50))
    ingest = start(world, clicks)
    eventually(lambda: len(world.events()) == 49, "the first", ingest.said)
    ingest.ends_well()
    feed(world, [clicks], range(50, 100))
    admin = AdminClient({**world.client, "log_level": 0})
    from confluent_kafka import TopicPartition

    admin.delete_records([TopicPartition(clicks, 0, 70)])[TopicPartition(clicks, 0)].result(WAIT_S_MAX)
    line = start(world, clicks).ends_badly()
    assert "begins at 70 now, and ingest had read up to 50" in line
    assert "--accept-loss" in line
    ingest = start(world, clicks, "--accept-loss")
    eventually(lambda: len(world.events()) == 79, "the rest", ingest.said)
    assert "retention took 20 offsets; going on" in ingest.said()
    ingest.ends_well()


def test_a_log_whose_markers_are_gone_is_not_begun_anew(world: World, start: Start) -> None:
    """Everything would be in it twice."""
    clicks = world.create("clicks", 1)
    ingest = start(world, clicks)
    eventually(lambda: len(world.heartbeats()) > 0, "it works", ingest.said)
    ingest.ends_well()
    admin = AdminClient({**world.client, "log_level": 0})
    admin.delete_topics([f"{world.log}.ingest"])[f"{world.log}.ingest"].result(WAIT_S_MAX)
    assert "has no marker" in start(world, clicks).ends_badly()


def test_a_log_that_was_made_anew_is_told_and_the_way_to_fill_it(world: World, start: Start) -> None:
    """The markers tell of the log before; without them, all is read again."""
    clicks = world.create("clicks", 1)
    sent = feed(world, [clicks], range(50))
    ingest = start(world, clicks)
    eventually(lambda: len(world.events()) == 49, "the first", ingest.said)
    ingest.ends_well()
    admin = AdminClient({**world.client, "log_level": 0})
    admin.delete_topics([world.log])[world.log].result(WAIT_S_MAX)
    assert "was made anew" in start(world, clicks).ends_badly()
    admin.delete_topics([f"{world.log}.ingest"])[f"{world.log}.ingest"].result(WAIT_S_MAX)
    ingest = start(world, clicks)
    eventually(lambda: len(world.events()) == 49, "all again", ingest.said)
    ingest.ends_well()
    assert values_of(world.events()) == Counter(value for value in sent if value[:1] == b"{")


WRONG_CLOCK = """
import sys
from state import clock
before = clock.wall_ms
clock.wall_ms = lambda: before() + AHEAD
from flows.cli import main
main()
"""


@pytest.mark.parametrize("ahead", [80 * 365 * 24 * HOUR, 2 * 60_000, -2 * 60_000])
def test_a_machine_whose_clock_is_wrong_writes_nothing(world: World, start: Start, ahead: int) -> None:
    """In 2106, every wait of every customer would be over: the broker's clock is asked before anything is committed."""
    clicks = world.create("clicks", 1)
    world.produce(clicks, view("c", 1))
    line = start(world, clicks, script=WRONG_CLOCK.replace("AHEAD", str(ahead))).ends_badly()
    assert "the clock of this machine is" in line
    assert ("ahead of" if ahead > 0 else "behind") in line
    assert world.read(world.log) == []
    ingest = start(world, clicks)
    eventually(lambda: len(world.events()) == 1, "with a right one", ingest.said)
    ingest.ends_well()


def test_an_input_that_is_deleted_ends_it(world: World, start: Start) -> None:
    """With one line, not in silence."""
    clicks = world.create("clicks", 1)
    ingest = start(world, clicks)
    eventually(lambda: len(world.heartbeats()) > 0, "it works", ingest.said)
    admin = AdminClient({**world.client, "log_level": 0})
    try:
        admin.delete_topics([clicks])[clicks].result(WAIT_S_MAX)
    except KafkaException as error:
        pytest.fail(str(error))
    assert clicks in ingest.ends_badly()
