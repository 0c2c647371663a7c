"""The customer log as the engine takes it in: batches of one key group, in the log's order, bytes undecoded.

Sources (`flows/`) make these out of Kafka records or lines of files, and they cross workers as they are.
"""

from typing import Any, NamedTuple

LogRecord = tuple[str, int, int, "int | None", bytes, int]
"""(key, position, now, log time, value, origin): a plain tuple, because there is one per event.

- key: the customer; empty for a record whose customer is not known.
- position: rises along the log of the group; gaps are allowed.
- now: the log's clock at the record (ms): the greatest `sojourn-time` so far, itself the record's log time where a log
  has no such header.
- log time: when the record arrived (ms): the broker's timestamp, else `receivedAt` or the event's own; None where
  none of them can be read.
- value: the bytes of one event.
- origin: where it came from, for whoever must tell a person (files: file << 48 | line; a topic: the offset).
"""

LOG_FIELDS = 6
"""Of a `LogRecord`."""

LogBatch = tuple[int, int, int, "list[Any]", "list[tuple[LogRecord, str, str]]", int]
"""(group, position, now, records, unread, keyed): what one source step hands to one key group.

- position, now: the place and the clock of the log at the end of the batch, heartbeats included.
- records: in the log's order, the fields of one after those of the other: a batch is larger than the processor's caches, and
  without a tuple for each record the step takes a sixth less time (measured, 1,000,000 events of 100,000 customers).
- unread: records that are no events, each with reason and message.
- keyed: not 0 where a log has keyed the records, so that the key must be held against the customer; files are dealt by
  the customer itself, and their log time is the records' own. 2 where the log has had `sojourn-time` by the end of the
  batch (`operators.log_clock`).
"""


class Definitions(NamedTuple):
    """A record of the log by which the definitions change: what comes before it is decided by the old ones."""

    group: int
    position: int
    now: int
    """The clock of the log at the record."""
    is_stamped: bool
    """Whether the log has had `sojourn-time` by then."""
    hash: str
    text: bytes
    """Their canonical JSON (`operators.workspace_json`), versions that customers inside finish on with it."""


class Tick(NamedTuple):
    """What a source puts before its first batch of every epoch, for every group.

    A source step of an epoch runs only when all earlier epochs are durable in the recovery store, so a tick is what
    proves that to whoever comes after, and nothing else does. And whoever gets one takes part in the epoch: Bytewax keeps
    what a killed job wrote of an epoch that it did not finish, and would give it to one that slept through that epoch.
    """

    group: int
    epoch: int
    """Counts the epochs since the process began, alike in all processes of a job."""


LogItem = tuple[str, "LogBatch | Definitions | Tick"]
"""A batch under the key that Bytewax routes by: the group's number as text."""


def record_at(records: list[Any], place: int) -> LogRecord:
    """The record whose fields begin at `place`."""
    key, position, now, log_time, value, origin = records[place : place + LOG_FIELDS]
    return key, position, now, log_time, value, origin
