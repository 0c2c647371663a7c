"""The one writer of the customer log: events by customer, heartbeats, and what was rejected, exactly once.

What is read is written in the order in which it arrived, over all inputs (`operators.alignment`). The protocol:

1. A start takes over the transactional id of the log, which fences whoever wrote before and ends their transaction, one way
   or the other. Then it reads the marker: the offsets up to which the inputs are in the log, and the low watermark there.
2. A transaction holds records, and a marker with the offsets and the watermark after them. So the log and the marker
   never differ, and there is no state anywhere else: what is held for its turn is read again after a crash.
3. A record below the marker's offset is in the log already and is left out: what a reader that began too early gives.
4. Before it commits, the clock of this machine is held against the broker's: the watermark is capped by the wall time, and
   a wall clock that runs ahead would fire every timer of every customer.

Definitions that are new are the first transaction of a start: into every partition of the log at once, so that no partition
can be without them, and beside the markers, for the next start to compare.

Ids, marker and log belong together by the log's name, whatever the job is called: two writers of one log cannot be.
Bytewax's own recovery is not needed: nothing between an input and the log remembers anything.
"""

from collections.abc import Sequence
from functools import lru_cache

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows import points
from flows.guard import ends_process
from flows.ingest_inputs import Held
from flows.kafka import tell
from flows.settings import Settings
from flows.transactions import Transactions
from operators.alignment import Alignment
from operators.definitions_change import Change
from operators.ingest import InputBatch, InputRecord, Sorted, SortedBatch, name_of
from operators.log_reading import ARRIVED, DEFINITIONS, EVENT, HASH, HEARTBEAT, KIND, TIME
from operators.records import REJECTED
from state.clock import monotonic_s, wall_ms
from state.codec import encode
from state.errors import OutsideError
from state.ingest import IngestMarker
from state.keygroups import group_of

HEARTBEAT_S = 1.0
"""How often every partition of the log is told the time: what a timer may be late by, on average half of it."""

RECORDS_MAX = 50_000
"""In one transaction; the client's own queue holds twice as many."""

CLOCK_MS_MAX = 60_000
"""How far this machine's clock may be from the broker's; NTP keeps it within milliseconds."""


MARKER, DEFINITIONS_NOW = 0, 1
"""Partitions of the topic of markers: where the writer is, and the definitions that it appended last."""


def marker_topic(settings: Settings) -> str:
    """Where the writer of a log keeps its markers."""
    return f"{settings.events_topic}.ingest"


def transactional_id(settings: Settings) -> str:
    """Under which the one writer of a log writes."""
    return f"{settings.events_topic}.ingest"


Read = tuple[InputRecord, Sorted]
"""A record as it was read, and what was made of it."""


class LogWriter(StatefulSinkPartition[SortedBatch, None]):
    """The producer of the log."""

    def __init__(
        self,
        settings: Settings,
        transactions: Transactions,
        marker: IngestMarker,
        inputs: Alignment[Read],
        held: Held,
        definitions: Change | None = None,
    ) -> None:
        """Go on where a marker ends.

        Args:
            settings: Names of topics, and how often to commit.
            transactions: A producer that has taken over.
            marker: Of the last transaction, brought up to date for this start; it is carried on here.
            inputs: What was read and waits for its turn.
            held: Where to say how much that is.
            definitions: What to append to every partition before anything else.
        """
        self._settings = settings
        self._log = settings.events_topic
        self._rejected_topic = settings.topics_prefix + REJECTED
        self._transactions = transactions
        self._marker = marker
        self._inputs = inputs
        self._held = held
        self._places = {
            name_of(topic, partition): (topic, partition, place.offsets)
            for topic, place in marker.inputs.items()
            for partition in range(len(place.offsets))
        }
        self._read_to = {name: offsets[partition] for name, (_, partition, offsets) in self._places.items()}
        self._heard_at = dict.fromkeys(self._places, monotonic_s())
        self._is_open = False
        self._begun_at = self._beat_at = 0.0
        self._records = 0
        partitions = marker.partitions

        @lru_cache(maxsize=1 << 17)
        def partition_of(customer_id: str) -> int:
            return group_of(customer_id.encode(), partitions)

        self._partition_of = partition_of
        if definitions is not None:
            self._append_definitions(definitions)

    def _append_definitions(self, definitions: Change) -> None:
        self._begin()
        digest = (HASH, definitions.hash.encode())
        for partition in range(self._marker.partitions):
            headers = [*self._headers(DEFINITIONS), digest]
            self._transactions.produce(self._log, definitions.text, None, headers, partition)
        topic = marker_topic(self._settings)
        self._transactions.produce(topic, definitions.text, b"definitions", [digest], DEFINITIONS_NOW)
        self._marker.definitions = definitions.hash
        self._commit()

    @ends_process
    def write_batch(self, values: list[SortedBatch]) -> None:
        """Step 2, as far as the values go; a transaction ends when it is old or large enough."""
        now = monotonic_s()
        for batch, records in values:
            if batch.source:
                self._take(batch, records, now)
        self._write()
        self._lose_patience(now)
        now = monotonic_s()
        if now >= self._beat_at:
            self._beat_at = now + HEARTBEAT_S
            self._heartbeats()
        if self._is_open and (
            self._records >= RECORDS_MAX or now - self._begun_at >= self._settings.ingest_commit_ms / 1000
        ):
            self._commit()

    def _take(self, batch: InputBatch, records: list[Sorted], now: float) -> None:
        """Let what was read wait for its turn."""
        name = batch.source
        read_to = self._read_to[name]
        assert batch.start <= read_to or not records, "records between two batches are missing"  # noqa: S101
        if records:
            new = [
                (read[1], (read, record))
                for read, record in zip(batch.records, records, strict=True)
                if read[0] >= read_to  # step 3
            ]
            self._inputs.add(name, new, batch.wall)
            self._held.add(name, sum(len(record.value) for _, (_, record) in new))
        if batch.caught_up >= 0:
            self._inputs.caught_up(name, batch.caught_up)
        if records or batch.caught_up >= 0:
            self._heard_at[name] = now
        self._read_to[name] = max(read_to, batch.end)
        if not records and not self._inputs.holds(name):
            _, partition, offsets = self._places[name]
            offsets[partition] = self._read_to[name]  # behind what is no record: the broker's own

    def _write(self) -> None:
        """Write those whose turn it is."""
        for name, (read, record), low in self._inputs.ready():
            if not self._is_open:
                self._begin()
            topic, partition, offsets = self._places[name]
            if record.rejected is None:
                self._event(record, low)
            else:
                self._reject(record, read, topic, partition)
            offsets[partition] = read[0] + 1
            self._records += 1
            self._held.add(name, -len(record.value))

    def _lose_patience(self, now: float) -> None:
        """Give up inputs that hold the others back and from which nothing has come for too long."""
        patience_s = self._settings.ingest_patience_s
        for name in self._inputs.waits_for():
            if now - self._heard_at[name] > patience_s:
                self._inputs.give_up(name)
                tell(
                    f"{name} has given nothing for {patience_s:.0f} s, and is not at its end: the other inputs go on without it, and the "
                    "time of the log waits for it; is its broker down, or a transaction open in it?"
                )

    def _event(self, record: Sorted, low: int) -> None:
        headers = [(KIND, EVENT), (TIME, b"%d" % low), (ARRIVED, b"%d" % record.arrived)]
        customer_id = record.customer_id
        self._transactions.produce(self._log, record.value, customer_id, headers, self._partition_of(customer_id))

    def _reject(self, record: Sorted, read: InputRecord, topic: str, partition: int) -> None:
        offset, _, key, _ = read
        assert record.rejected is not None  # noqa: S101 - the caller has looked
        place = {
            "reason": record.rejected.reason,
            "message": record.rejected.message,
            "topic": topic,
            "partition": partition,
            "offset": offset,
        }
        headers = [(name, str(value).encode(errors="replace")) for name, value in place.items()]
        self._transactions.produce(self._rejected_topic, record.value, key, headers)

    def _heartbeats(self) -> None:
        self._begin()
        headers = self._headers(HEARTBEAT)
        for partition in range(self._marker.partitions):
            self._transactions.produce(self._log, b"", None, headers, partition)

    def _headers(self, kind: bytes) -> list[tuple[str, bytes]]:
        """Of a record that is no event. In a log of producers, the broker's stamp is the time."""
        if self._marker.heartbeats_only:
            return [(KIND, kind)]
        return [(KIND, kind), (TIME, b"%d" % self._inputs.value)]

    def _begin(self) -> None:
        if not self._is_open:
            points.reached("ingest: before begin")
            self._transactions.begin()
            self._is_open, self._begun_at = True, monotonic_s()

    def _commit(self) -> None:
        points.reached("ingest: after produce")
        self._marker.seq += 1
        self._marker.low = self._inputs.value
        self._transactions.produce(marker_topic(self._settings), encode(self._marker), b"ingest", partition=MARKER)
        self._transactions.flush()
        self._check_clock()
        points.reached("ingest: before commit")
        self._transactions.commit()
        points.reached("ingest: after commit")
        self._is_open, self._records = False, 0

    def _check_clock(self) -> None:
        """Step 4."""
        appended = self._transactions.appended_ms
        ahead = wall_ms() - appended
        if appended >= 0 and abs(ahead) > CLOCK_MS_MAX:
            self._transactions.abort()
            raise OutsideError(
                f"the clock of this machine is {abs(ahead) / 1000:,.0f} s {'ahead of' if ahead > 0 else 'behind'} that of Kafka at "
                f"{self._settings.brokers}, and the time of every journey would be wrong by it; set both by NTP and start again, "
                "nothing is lost"
            )

    def snapshot(self) -> None:
        """Nothing: the marker is beside the log."""

    @ends_process
    def close(self) -> None:
        """What is open is complete: nothing has to be read again."""
        if self._is_open:
            self._commit()


class KafkaLogSink(FixedPartitionedSink[SortedBatch, None]):
    """The one writer, as Bytewax wants it."""

    def __init__(self, writer: LogWriter) -> None:
        """Write through `writer`."""
        self._writer = writer

    def list_parts(self) -> Sequence[str]:  # type: ignore[override]
        """One."""
        return ["log"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> LogWriter:
        """It."""
        return self._writer
