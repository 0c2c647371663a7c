"""How long an event takes to an action that a reader sees, and what ten million customers cost: `make live` (Java 17).

`python -m benchmarks.live latency`: 5,000 events a second into the customer log of a real Apache Kafka on this machine, keyed by
100,000 customers; every tenth event is sent an action for. The time runs from the producer's `produce` to where a
`read_committed` reader has the action, over 30 s after a warm-up of 10 s. Exactly once and at least once, in turn.

`python -m benchmarks.live customers`: COUNT customers have one event each; then the job is killed (kill -9), and the
time runs from its next start to the first action that a reader sees of an event that came meanwhile.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen
from time import monotonic, perf_counter, sleep, time_ns

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.replay import HERE, size_of
from state.instants import format_instant
from tests.kafka.broker import Broker

ROOT = HERE.parent
PARTITIONS = 8
JOURNEYS = {
    "orchestration.yaml": "timezone: UTC\nchannels:\n  email: {}\n",
    "interest.yaml": (ROOT / "tests" / "reference" / "category-interest.yaml").read_text("utf-8"),
    "receipt.yaml": (
        "journey: receipt\nversion: 1\ndescription: An order is confirmed at once.\n"
        "enter:\n  pattern: [{event: Order Completed}]\n  again: always\n"
        "steps:\n  - {id: confirm, send: email, template: receipt}\n"
    ),
}


def line(customer: str, number: int, name: str) -> bytes:
    """An event as a web page sends it."""
    return (
        b'{"type":"track","event":"%s","messageId":"m%d","userId":"%s","timestamp":"%s","properties":{"category":"cat-%d",'
        b'"product_id":"p%d","price":%d.5}}'
        % (name.encode(), number, customer.encode(), format_instant(time_ns() // 1_000_000).encode(), number % 200,
           number % 10_000, number % 100)
    )  # fmt: skip


class Job:
    """`sojourn run` on topics of its own."""

    def __init__(self, broker: Broker, work: Path, delivery: str, **more: object) -> None:
        self.name = f"b{uuid.uuid4().hex[:8]}"
        self.client = dict(broker.client)
        self.data = work / self.name
        self._journeys = work / "journeys"
        self._journeys.mkdir(exist_ok=True)
        for name, text in JOURNEYS.items():
            (self._journeys / name).write_text(text, "utf-8")
        options = {f"SOJOURN_KAFKA__{key.upper().replace('.', '_')}": str(value) for key, value in self.client.items()}
        given = {
            "JOURNEYS": self._journeys, "DATA": self.data, "EVENTS_TOPIC": f"{self.name}.events", "JOB": self.name,
            "TOPICS_PREFIX": f"{self.name}.", "PARTITIONS": PARTITIONS, "OUTPUT_PARTITIONS": PARTITIONS, "DELIVERY": delivery,
        }  # fmt: skip
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
        self._environment = clean | options | {f"SOJOURN_{name}": str(value) for name, value in (given | more).items()}
        self._said = work / f"{self.name}.txt"
        self.process = self.start()
        self.until_it_runs()

    def start(self) -> "Popen[bytes]":
        """Start it, again or for the first time."""
        with self._said.open("ab") as file:
            command = [str(Path(sys.executable).with_name("sojourn")), "run", "--create-topics"]
            self.process = Popen(
                command, env=self._environment, stdin=DEVNULL, stdout=file, stderr=file, cwd=self.data.parent
            )
        return self.process

    def until_it_runs(self) -> None:
        """Wait until it has looked at everything."""
        while "running" not in self._said.read_text("utf-8"):
            self.look()
            sleep(0.05)

    def look(self) -> None:
        """End all if the job has ended."""
        if self.process.poll() is not None:
            sys.exit(f"the job ended with {self.process.returncode}: {self._said.read_text('utf-8')}")

    def memory_peak(self) -> int:
        """Bytes that it had resident at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(status.split("VmHWM:")[1].split()[0]) << 10

    def producer(self) -> Producer:
        """Writes the log."""
        return Producer(
            {**self.client, "partitioner": "murmur2_random", "linger.ms": 1, "queue.buffering.max.messages": 500_000}
        )

    def reader(self) -> Consumer:
        """Reads the actions from the beginning."""
        consumer = Consumer({**self.client, "group.id": f"{self.name}-reader", "isolation.level": "read_committed",
                             "fetch.wait.max.ms": 10, "enable.auto.commit": False})  # fmt: skip
        consumer.assign([TopicPartition(f"{self.name}.actions.email", number, 0) for number in range(PARTITIONS)])
        return consumer

    def order(self, producer: Producer, prefix: str) -> set[bytes]:
        """Orders of new customers, some in each partition; who they are."""
        names = [f"{prefix}{number}" for number in range(PARTITIONS * 20)]
        for number, name in enumerate(names):
            producer.produce(f"{self.name}.events", line(name, number, "Order Completed"), name)
        producer.flush()
        return {name.encode() for name in names}

    def end(self) -> None:
        """Stop it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def latency(broker: Broker, work: Path, rate: int, seconds: int) -> None:
    """Both ways of delivery."""
    print(
        f"\n{rate:,} events/s, {rate // 10:,} actions/s, {seconds} s\n{'':16}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'actions':>9}"
    )
    for delivery in ("exactly_once", "at_least_once"):
        job = Job(broker, work, delivery)
        waits = sorted(_waits(job, rate, seconds))
        p50, p99 = (waits[int(len(waits) * part)] * 1000 for part in (0.5, 0.99))
        print(f"{delivery:16}{p50:9.0f}{p99:9.0f}{waits[-1] * 1000:9.0f}{len(waits):9,}", flush=True)
        job.end()


def _waits(job: Job, rate: int, seconds: int) -> list[float]:
    """Seconds from event to action, of the actions after the warm-up."""
    warm, over = 10, threading.Event()
    sent: dict[str, float] = {}
    total = rate * (warm + seconds)

    def produce() -> None:
        producer, began = job.producer(), perf_counter()
        for number in range(total):
            if number % 50 == 0:
                late = began + number / rate - perf_counter()
                if late > 0:
                    sleep(late)
                producer.poll(0)
            customer = f"o{number}" if number % 10 == 0 else f"c{number * 7919 % 100_000}"
            if number % 10 == 0:
                sent[customer] = perf_counter()
            producer.produce(
                f"{job.name}.events",
                line(customer, number, "Product Viewed" if number % 10 else "Order Completed"),
                customer,
            )
        producer.flush()
        over.set()

    thread = threading.Thread(target=produce, daemon=True)
    waits: list[float] = []
    found = 0
    reader = job.reader()
    thread.start()
    given_up = monotonic() + warm + seconds + 60
    while found < total // 10:
        if monotonic() > given_up:
            sys.exit(f"{total // 10 - found:,} of {total // 10:,} actions have not come")
        job.look()
        for message in reader.consume(1_000, 0.01):
            customer = (message.key() or b"").decode()
            if message.error() is None and customer in sent:
                found += 1
                if int(customer[1:]) >= warm * rate:
                    waits.append(perf_counter() - sent[customer])
    reader.close()
    thread.join()
    return waits


def customers(broker: Broker, work: Path, count: int, cache_mb: int) -> None:
    """State, memory, and the start after a crash."""
    job = Job(broker, work, "exactly_once", CACHE_MB=cache_mb)
    producer, began = job.producer(), perf_counter()
    for number in range(count):
        while True:
            try:
                producer.produce(f"{job.name}.events", line(f"c{number:09}", number, "Product Viewed"), f"c{number:09}")
                break
            except BufferError:
                producer.poll(0.1)
        if number % 10_000 == 0:
            producer.poll(0)
            job.look()
    producer.flush()
    print(f"{count:,} events are in the log after {perf_counter() - began:.0f} s", flush=True)
    _until_seen(job, job.order(producer, "first"))
    took, before = perf_counter() - began, job.memory_peak()
    state, recovery = (size_of(job.data / part) / 1e6 for part in ("state", "recovery"))
    print(
        f"{took:.0f} s in all, {count / took:,.0f} events/s; memory at most {before / 1e6:,.0f} MB; state {state:,.0f} MB, "
        f"{state / cache_mb:.1f} times the cache; recovery store {recovery:,.1f} MB",
        flush=True,
    )
    # The job dies in the midst of work, and goes on with more to do.
    for number in range(200_000):
        customer = f"c{number * 7919 % count:09}"
        producer.produce(f"{job.name}.events", line(customer, count + number, "Product Viewed"), customer)
    producer.flush()
    sleep(1)
    job.process.kill()
    job.process.wait()
    ordered = job.order(producer, "second")
    began = perf_counter()
    job.start()
    first = _until_seen(job, ordered, 1) - began
    last = _until_seen(job, ordered) - began
    print(
        f"started after kill -9: the first action of what came meanwhile is seen after {first:.1f} s, the last one, behind "
        f"200,000 events, after {last:.1f} s; memory at most {job.memory_peak() / 1e6:,.0f} MB",
        flush=True,
    )
    job.end()


def _until_seen(job: Job, ordered: set[bytes], count: int = PARTITIONS * 20) -> float:
    """Read until so many of these customers have their action; when that was."""
    reader, told, found = job.reader(), monotonic(), set[bytes]()
    while len(found) < count:
        job.look()
        found |= {message.key() or b"" for message in reader.consume(1_000, 0.02)} & ordered
        if monotonic() - told > 15:
            told = monotonic()
            print(f"  {job.memory_peak() / 1e6:,.0f} MB", file=sys.stderr, flush=True)
    reader.close()
    return perf_counter()


@contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sojourn-bench-") as name:
        yield Path(name)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["latency", "customers"])
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--count", type=int, default=10_000_000)
    parser.add_argument("--cache-mb", type=int, default=256, help="SOJOURN_CACHE_MB; its default is that of the job")
    options = parser.parse_args()
    with _directory() as work, Broker() as broker:
        if options.what == "latency":
            latency(broker, work, options.rate, options.seconds)
        else:
            customers(broker, work, options.count, options.cache_mb)


if __name__ == "__main__":
    main()
