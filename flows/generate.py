"""Made-up shop events, written to a file or produced to the customer log."""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import orjson
from confluent_kafka import Producer

from flows.kafka import Trouble, client, options, tell
from flows.settings import Settings
from flows.shoppers import shoppers
from operators.decode import address_of
from operators.segment import UNREADABLE, read_address
from state.clock import monotonic_s, wall_ms
from state.errors import OutsideError
from state.instants import format_instant, parse_instant


def to_file(path: Path, events: int, customers: int, seed: int) -> None:
    """Write JSON lines; a file appears whole.

    Raises:
        OutsideError: The file cannot be written.
    """
    lines = shoppers(events, customers, seed)
    if str(path) == "-":
        try:
            sys.stdout.buffer.writelines(line + b"\n" for line in lines)
            sys.stdout.buffer.flush()
        except OSError as error:
            raise OutsideError(f"standard output: {error.strerror or error}; write to a file that has room") from error
        return
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.writelines(line + b"\n" for line in lines)
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):  # what is in the way of the file is in the way of this, too
            temporary.unlink(missing_ok=True)
        raise OutsideError(f"{path}: {error.strerror or error}; name a file that can be written") from error


def to_topic(settings: Settings, events: int, customers: int, seed: int, rate: float, topic: str | None = None) -> None:
    """Produce to the customer log, keyed by customer, as if each event arrived now: weeks of browsing in one sitting.

    With `topic`, to that one and without keys, as most producers do: an input of `sojourn ingest`.

    Raises:
        OutsideError: Kafka refuses.
    """
    trouble = Trouble(settings)
    name = settings.events_topic if topic is None else topic
    wanted = options(settings, trouble, "generate", **{"partitioner": "murmur2_random", "enable.idempotence": True})
    producer = client(Producer, wanted)
    refused: list[str] = []

    def delivered(error: object, _message: object) -> None:
        if error is not None:
            refused.append(str(error))

    started = monotonic_s()
    for number, line in enumerate(shoppers(events, customers, seed)):
        try:
            customer_id, at = address_of(read_address(line))
        except UNREADABLE:
            customer_id, at = "", None
        if at is not None:
            line = _moved(line, wall_ms() - at)  # noqa: PLW2901
        while True:
            try:
                key = customer_id if topic is None else ""
                producer.produce(name, line, key or None, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.5)
                trouble.check()
        if rate and number / rate > monotonic_s() - started:
            producer.poll(0)
            time.sleep(max(number / rate - (monotonic_s() - started), 0))
        trouble.check()
    while producer.flush(1.0):
        trouble.check()
    if refused:
        raise OutsideError(
            f"{len(refused):,} of {events:,} events were not taken by Kafka at {settings.brokers}: {refused[0]}"
        )
    tell(f"produced {events:,} events to {name} on {settings.brokers}")


def _moved(line: bytes, by_ms: int) -> bytes:
    """The event with all its times moved; how late it was stays as it was."""
    event = orjson.loads(line)
    for name in ("timestamp", "originalTimestamp", "sentAt", "receivedAt"):
        at = parse_instant(event.get(name))
        if at is not None:
            event[name] = format_instant(at + by_ms)
    return orjson.dumps(event)
