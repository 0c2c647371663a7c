"""Records of topics of any key, sorted out for the customer log: whose each is, when it arrived, or why it is none.

Pure: the wall time comes in as an argument. The bytes of an event are not touched: what was sent is what is in the log.
`flows.ingest` hands it to Bytewax, between the inputs and the writer of the log.
"""

from typing import NamedTuple

from operators.decode import decode
from operators.events import Event, Rejected

InputRecord = tuple[int, int, "bytes | None", "bytes | None"]
"""(offset, timestamp, key, value) of a record as it was read; the timestamp (ms) is negative where there is none."""


class InputBatch(NamedTuple):
    """What came from one input in one go."""

    source: str
    """The input, as `name_of` has it; empty for a batch that only says that time passes."""
    start: int
    """Offset from which on this batch tells; that of its first record, or one in a gap before it."""
    end: int
    """Offset from which on the next one tells."""
    records: list[InputRecord]
    wall: int
    """Wall time (ms) at which they were read."""
    caught_up: int = -1
    """Wall time (ms) at which the input held nothing from `end` on; -1 where that is not known."""


class Sorted(NamedTuple):
    """One record, sorted out."""

    customer_id: str
    """Empty where it is rejected."""
    arrived: int
    """When it arrived (ms): its log time."""
    value: bytes
    rejected: Rejected | None


SortedBatch = tuple[InputBatch, "list[Sorted]"]


def name_of(topic: str, partition: int) -> str:
    """The name of an input: a partition of a topic."""
    return f"{topic} [{partition:05}]"


def sort_out(batch: InputBatch, value_bytes_max: int) -> SortedBatch:
    """Decode the records of a batch.

    A record without a timestamp arrives when it is read, and so does one whose timestamp is still to come: a producer's
    clock may say anything.

    Args:
        batch: What was read.
        value_bytes_max: What the log takes of one event; a larger one is rejected.
    """
    wall = batch.wall
    found: list[Sorted] = []
    for _, stamp, _, value in batch.records:
        arrived = stamp if 0 <= stamp <= wall else wall
        if value is None:
            why = Rejected("not_json", "the record has no value (a tombstone); an event is one JSON object")
            found.append(Sorted("", arrived, b"", why))
            continue
        event = decode(value, arrived)
        if type(event) is Event:
            if len(value) <= value_bytes_max:
                found.append(Sorted(event.customer_id, arrived, value, None))
                continue
            event = Rejected("too_large", f"{len(value):,} bytes; the customer log takes {value_bytes_max:,}")
        assert type(event) is Rejected  # noqa: S101 - decode gives one of the two
        found.append(Sorted("", arrived, value, event))
    return batch, found
