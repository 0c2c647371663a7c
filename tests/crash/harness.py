"""A round: one log, one job killed so many times over it, one comparison with an undisturbed run and with the oracle.

A seed decides all that can be decided: the log, which shape the job has, where it dies, what is lost in between. What
comes out must not depend on any of it. After every death the key groups on disk are held against the oracle's at their
position, and what a reader has so far against the beginning of what it must get; at the end, everything.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from flows.definitions import load_plan
from operators.records import PROFILES, REJECTED
from state.errors import StateError
from tests.crash import JOURNEYS
from tests.crash.customer_log import make_log, pour
from tests.crash.group_state import differences, group_path, position, position_at_least
from tests.crash.oracle import Oracle, Sent
from tests.flows.test_run import CREATE_TIME, OUT, PARTITIONS, ROOT, WAIT_S_MAX, Job, Place, Tap, eventually
from tests.flows.test_run_workers import held, processes
from tests.kafka.broker import HOST, Broker, free_port

EVENTS_BEFORE, EVENTS_EACH = 1_000, 200  # of a log: some, and so many for each cycle
RUN_S_MAX = 90
TOPICS = (*OUT, "actions.push")
POINTS = {  # where a job is killed, and at most at which time of reaching it
    "group: before write": 12,
    "group: after write": 12,
    "sink: before freezing": 12,
    "sink: before begin": 12,
    "sink: after produce": 12,
    "sink: before commit": 12,
    "sink: after commit": 12,
    "sink: before fencing": 2,
    "sink: fenced": 2,
    "group: before undo": 1,
    "group: undone": 1,
    "group: led on": 6,
}
OFTEN = (*POINTS, *list(POINTS)[:3] * 2, "sink: before commit", "sink: before commit")  # where things are cut in two
MAY_NOT_COME = ("group: before undo", "group: undone", "group: led on")
MAY_SAY = (  # the last line of a job that ends by itself because something else died
    r"another process of the cluster is gone",
    r"the workers have died \d+ times in a row",
    r"start again",
    r"stopped (before|while) Kafka",
    r"before its epoch was finished",
)
CONTROLS = {  # a fault that must be seen, and the points at which a death lets it show
    "undo": ("group: after write",),
    "behind": ("group: after write",),
    "marker": ("sink: after commit",),
    "unsent": ("sink: before begin", "sink: before commit"),
}


@dataclass
class Report:
    """What happened, and what is wrong: nothing, if all is well."""

    cycles: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    aborted: int = 0
    compared: int = 0
    wrong: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    """What was done, cycle by cycle."""

    def add(self, other: Report) -> None:
        self.cycles += other.cycles
        self.notes += other.notes
        self.aborted += other.aborted
        self.compared += other.compared
        self.wrong += other.wrong

    def __str__(self) -> str:
        count = self.notes
        return (
            f"{self.cycles} cycles, {count['SIGKILL']} killed at points, {count['random']} at random times, {count['broker']} brokers "
            f"killed, {count['stopped']} stopped; {count['undo']} undos, {count['forward']} roll-forwards, {self.aborted:,} aborted "
            f"records, {count['resent']} resent epochs, {self.compared:,} records compared, {len(self.wrong)} wrong"
        )


class Round:
    """One log, and a job that is killed over it."""

    def __init__(self, broker: Broker, directory: Path, seed: int, cycles: int, control: str = "") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.broker, self.directory, self.seed, self.cycles, self.control = broker, directory, seed, cycles, control
        self.chance = random.Random(f"round {seed}")
        self.place = Place(broker.client | {"reconnect.backoff.max.ms": 500})
        self.events = self.place.events
        self.calm = Place(self.place.client)  # the undisturbed job's topics, over the same log
        self.data = directory / "data"
        self.report = Report()
        self._notes = directory / "notes.txt"
        self._jobs = 0
        self._log: list[Any] = []

    def run(self) -> Report:
        """All of it."""
        self.prepare()
        self._calm_run()
        with self.tap(self.place) as tap:
            for cycle in range(self.cycles):
                began = time.monotonic()
                self._lose_something()
                self._cycle(cycle)
                self.report.story[-1] += f", {time.monotonic() - began:.1f} s"
                self.report.cycles += 1
                if not self.control:
                    self.look(f"seed {self.seed}, cycle {cycle}", tap)
            self.finish(self.place, self.data, "final")
            self.compare(f"seed {self.seed}, at the end", self.place, self.data, tap)
        self.report.aborted += self._aborted()
        if self._notes.exists():
            self.report.notes += Counter(line.split()[0] for line in self._notes.read_text().splitlines())
        return self.report

    # --- the log, the oracle, the undisturbed run

    def prepare(self) -> None:
        """Topics, the log, and what the oracle makes of it."""
        for place in (self.place, self.calm):
            create_topics(place)
        self.place.create(self.place.events, partitions=PARTITIONS, **CREATE_TIME)
        pour(self.place, make_log(self.seed, EVENTS_BEFORE + EVENTS_EACH * self.cycles), self.seed)
        with Tap(self.place, self.place.events) as tap:
            tap.drain()
        by_partition = defaultdict(list)
        for message in tap.messages["events"]:
            by_partition[message.partition()].append(message)
        self.oracle = Oracle(load_plan(JOURNEYS), PARTITIONS)
        for group, messages in sorted(by_partition.items()):
            self.oracle.read(group, messages, self.place.events)

    def _calm_run(self) -> None:
        data = self.directory / "calm"
        self.finish(self.calm, data, "calm")
        with self.tap(self.calm) as tap:
            self.compare(f"seed {self.seed}, undisturbed", self.calm, data, tap)
        shutil.rmtree(data)

    # --- a cycle

    def _cycle(self, number: int) -> None:
        chance = self.chance
        shape = chance.choice(("one", "one", "workers", "by hand"))
        kind = "point" if self.control else chance.choice(("point",) * 6 + ("random", "random", "stop", "broker"))
        faults = [
            f"few:{chance.randrange(4, 24)}:{chance.randrange(300, 4_000)}:{chance.randrange(60, 400)}",
            f"note:{self._notes}",
        ]
        if self.control:
            shape = "one"
            faults.append(f"forget:{self.control}")
        if kind == "point":
            point = chance.choice(CONTROLS.get(self.control) or OFTEN)
            least = POINTS[point] // 2 if self.control else 1  # a control must have something to lose
            faults.append(f"kill:{point}:{chance.randrange(least, POINTS[point] + 1)}")
        self.report.story.append(
            f"cycle {number}: {shape}, {' '.join(faults)}" if kind == "point" else f"cycle {number}: {shape}, {kind}"
        )
        more = {
            "SOJOURN_EPOCH_MS": str(chance.choice((10, 20, 50))),
            "SOJOURN_RESTARTS_MAX": "1",
            "SOJOURN_RESTART_WAIT_S": "0.05",
        }
        with self._jobs_of(shape, faults, f"cycle-{number}", more) as jobs:
            if kind == "point":
                eventually(
                    lambda: all("running" in job.said() or job.process.poll() is not None for job in jobs), "it runs"
                )
                wait_s = 3 if point in MAY_NOT_COME else 8
                self._until(lambda: any(job.process.poll() is not None for job in jobs), wait_s)
                if all(job.process.poll() is None for job in jobs):  # it never came there
                    self._kill(jobs)
            else:
                if kind == "stop" or chance.random() < 0.8:
                    for job in jobs:
                        job.until_it_says("running")
                time.sleep(chance.random() * 1.5)  # how far it comes in that time is the machine's choice
                if kind == "stop":
                    self._note("stopped")
                    for job in jobs:
                        job.process.terminate()
                    self._until(lambda: all(job.process.poll() is not None for job in jobs))
                elif kind == "broker":
                    self._kill_broker(jobs)
                else:
                    self._kill(jobs)
            for job in jobs:
                self._ended(job, kind, number)

    def _until(self, over: Callable[[], bool], wait_s_max: float = RUN_S_MAX) -> None:
        until = time.monotonic() + wait_s_max
        while not over() and time.monotonic() < until:
            time.sleep(0.02)

    def _kill(self, jobs: list[Job]) -> None:
        self._note("random")
        job = self.chance.choice(jobs)
        family = processes(self.data) if (self.data / "lock").exists() else []
        family = [pid for pid in family if Path(f"/proc/{pid}").exists()]
        try:
            os.kill(
                self.chance.choice(family) if len(jobs) == 1 and len(family) > 1 else job.process.pid, signal.SIGKILL
            )
        except ProcessLookupError:
            job.process.kill()
        # A supervisor starts its workers again, and goes on for a while.
        self._until(lambda: any(job.process.poll() is not None for job in jobs), 3)
        if all(job.process.poll() is None for job in jobs):
            jobs[0].process.kill()

    def _kill_broker(self, jobs: list[Job]) -> None:
        self._note("broker")
        self.broker.kill()
        if self.chance.random() < 0.5:
            self._kill(jobs)
        self.broker.start()
        time.sleep(self.chance.random() * 2)
        if all(job.process.poll() is None for job in jobs):
            self._kill(jobs)

    def _ended(self, job: Job, kind: str, number: int) -> None:
        """Wait for the end of what must end; look at how it did."""
        if job.process.poll() is None and kind != "stop":
            try:
                job.process.wait(10)  # the peers of a killed process
            except subprocess.TimeoutExpired:
                job.process.kill()
        try:
            status = job.process.wait(WAIT_S_MAX)
        except subprocess.TimeoutExpired:
            job.process.kill()
            status = job.process.wait()
            self._wrong(f"cycle {number}: {kind}: it did not end", job)
        said = job.said()
        lines = [line for line in job.lines() if line.startswith("sojourn: ")]
        if status in (0, -signal.SIGKILL):
            if "Traceback" in said and status == 0:
                self._wrong(f"cycle {number}: {kind}", job)
        elif not self.control and not (status == 1 and lines and re.search("|".join(MAY_SAY), lines[-1])):
            self._wrong(f"cycle {number}: {kind}: it ended with {status}", job)
        eventually(lambda: not held(self.data), "its workers are gone", also=job.said)

    @contextmanager
    def _jobs_of(self, shape: str, faults: list[str], name: str, more: dict[str, str]) -> Iterator[list[Job]]:
        """One process; a supervisor with two workers; two processes of a cluster by hand."""
        arguments: list[list[str]] = [[]]
        if shape == "workers":
            arguments = [["--workers", "2"]]
        elif shape == "by hand":
            addresses = f"{HOST}:{free_port()};{HOST}:{free_port()}"
            arguments = [["--process-id", str(number), "--addresses", addresses] for number in range(2)]
        jobs: list[Job] = []
        try:
            for number, each in enumerate(arguments):
                jobs.append(
                    self.start(self.place, self.data, f"{name}-{shape.replace(' ', '-')}-{number}", faults, each, more)
                )
            yield jobs
        finally:
            for job in jobs:
                if job.process.poll() is None:
                    job.process.kill()
                    job.process.wait()

    def start(
        self, place: Place, data: Path, name: str, faults: list[str], arguments: list[str], more: dict[str, str]
    ) -> Job:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
        environment |= place.environment | {"SOJOURN_DATA": str(data), "SOJOURN_JOURNEYS": str(JOURNEYS)} | more
        environment |= {"SOJOURN_EVENTS_TOPIC": self.events, "RUST_BACKTRACE": "0"}
        output = self.directory / f"{name}.txt"
        module = ["tests.faults", *faults, "--"] if faults else ["flows.cli"]
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", *module, "run", "--allow-create-time", *arguments],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip
        return Job(process, output)

    def _lose_something(self) -> None:
        """Between two runs: key groups' directories go, come back as they once were, or are copied for that."""
        for group in range(PARTITIONS):
            path, stale = group_path(self.data, group), self.directory / f"stale-{group}"
            if not path.exists():
                continue
            luck = self.chance.random()
            if luck < 0.05 or self.control == "behind":
                shutil.rmtree(path)
            elif luck < 0.20 and stale.exists():
                # One that was never beyond where the dataflow goes on from: such a one is refused, as it must be.
                if position(stale) <= position_at_least(path):
                    shutil.rmtree(path)
                    shutil.copytree(stale, path)
            elif luck < 0.40:
                shutil.rmtree(stale, ignore_errors=True)
                shutil.copytree(path, stale)

    # --- the end

    def finish(self, place: Place, data: Path, name: str) -> None:
        """Run without faults to the end of the log, and stop."""
        faults = [f"note:{self._notes}"]
        if self.control and place is self.place:
            faults.append(f"forget:{self.control}")
        job = self.start(place, data, name, faults, [], {"SOJOURN_EPOCH_MS": "50"})
        try:
            job.until_it_says("running")
            deadline = time.monotonic() + 2 * RUN_S_MAX
            while job.process.poll() is None and time.monotonic() < deadline and not self.is_at_end(data):
                time.sleep(0.3)
            job.process.terminate()
            status = job.process.wait(RUN_S_MAX)
        finally:
            job.process.kill()
            job.process.wait()
        if status != 0 or job.lines()[-1] != "sojourn: stopped":
            self._wrong(f"{name} run ended with {status}", job)

    def is_at_end(self, data: Path) -> bool:
        try:
            return all(position(group_path(data, group)) == end for group, end in self.oracle.ends.items())
        except StateError:  # damaged on purpose, and not mended yet
            return False

    # --- what must be so

    @contextmanager
    def tap(self, place: Place) -> Iterator[Tap]:
        with Tap(place, *(place.prefix + topic for topic in TOPICS)) as tap:
            yield tap

    def look(self, when: str, tap: Tap, with_state: bool = True) -> None:
        """After a death: the state at its position, and the output so far."""
        for group in range(PARTITIONS if with_state else 0):
            self.report.wrong += [f"{when}: {each}" for each in differences(group_path(self.data, group), self.oracle)]
        before = -1
        while before < (before := sum(tap.counts().values())):  # an open transaction may keep the rest from us
            for _ in range(3):
                tap.poll()
        for topic in set(TOPICS) - {PROFILES, REJECTED}:  # rejected records have keys of all kinds, in no order
            wanted = _by_customer(self.oracle.sent[topic])
            for key, found in _by_customer(_sent(tap, topic)).items():
                if found != wanted[key][: len(found)]:
                    self.report.wrong.append(f"{when}: {topic} of {key!r} is not the beginning of what it must be")

    def compare(self, when: str, place: Place, data: Path, tap: Tap) -> None:
        tap.drain()
        wrong = self.report.wrong
        for group in range(PARTITIONS):
            path = group_path(data, group)
            wrong += [f"{when}: {each}" for each in differences(path, self.oracle)]
            if position(path) != self.oracle.ends[group]:
                wrong.append(f"{when}: {path.name} stands at {position(path)}, not at {self.oracle.ends[group]}")
        for topic in TOPICS:
            if topic == PROFILES:
                continue
            found, wanted = _sent(tap, topic), self.oracle.sent[topic]
            self.report.compared += len(found)
            lost, more = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
            if lost or more:
                shown = [repr(each)[:300] for each in [*lost, *more][:2]]
                wrong.append(f"{when}: {topic}: {lost.total()} lost, {more.total()} too many: {shown}")
            elif topic != REJECTED and _by_customer(found) != _by_customer(wanted):
                wrong.append(f"{when}: {topic}: a customer's records are in another order")
        profiles = {message.key().decode(): message.value() for message in tap.messages[PROFILES]}
        self.report.compared += len(profiles)
        if profiles != self.oracle.profiles:
            differ = [
                key
                for key in {**profiles, **self.oracle.profiles}
                if profiles.get(key) != self.oracle.profiles.get(key)
            ]
            wrong.append(f"{when}: {len(differ)} profiles differ, {differ[:3]}")

    def _aborted(self) -> int:
        """Records of transactions that were aborted: what readers of all records see, less what those of committed ones do."""
        names = [self.place.prefix + topic for topic in (*TOPICS, f"{self.place.name}.markers")]
        counts = []
        for isolation in ("read_uncommitted", "read_committed"):
            consumer = Consumer(
                {**self.place.client, "group.id": f"{self.place.name}-{isolation}", "isolation.level": isolation,
                 "enable.auto.commit": False, "enable.partition.eof": True, "log_level": 0}
            )  # fmt: skip
            known = consumer.list_topics(timeout=WAIT_S_MAX).topics
            parts = [TopicPartition(name, number, 0) for name in names for number in known[name].partitions]
            consumer.assign(parts)
            count, ended = 0, set()
            while len(ended) < len(parts):
                for message in consumer.consume(5_000, 1.0):
                    if message.error() is None:
                        count += 1
                    else:
                        ended.add((message.topic(), message.partition()))
            consumer.close()
            counts.append(count)
        return counts[0] - counts[1]

    def _note(self, what: str) -> None:
        self.report.notes[what] += 1

    def _wrong(self, what: str, job: Job) -> None:
        self.report.wrong.append(f"seed {self.seed}, {what}; {job.output} says:\n{job.said()[-3000:]}")


def create_topics(place: Place) -> None:
    """All that a job writes."""
    place.create(*(place.prefix + topic for topic in TOPICS))
    place.create(place.markers, partitions=PARTITIONS, **{"cleanup.policy": "compact"})


def _sent(tap: Tap, topic: str) -> list[Sent]:
    """What a reader has of a topic, as the oracle writes it."""
    return [
        (
            message.key(),
            message.value(),
            tuple((name, value) for name, value in message.headers() or () if name != "message"),
        )
        for message in tap.messages[topic]
    ]


def _by_customer(sent: list[Sent]) -> defaultdict[bytes | None, list[Sent]]:
    found: defaultdict[bytes | None, list[Sent]] = defaultdict(list)
    for each in sent:
        found[each[0]].append(each)
    return found
