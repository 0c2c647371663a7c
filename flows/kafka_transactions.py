"""What comes out, on Kafka, exactly once: actions per channel, facts, profiles and rejected of an epoch in one transaction.

A key group keeps to one sink, and a sink is one producer with the transactional id `<job>-sink-<n>`. The protocol:

1. `write_batch` collects what comes out in an epoch.
2. `snapshot` freezes it: the recovery store gets (seq, what is unsent), and with it the places of the key groups.
3. The first tick of a later epoch proves that the frozen epoch is durable: it will never be done again.
4. One transaction: begin, produce all of it, and a marker with seq; commit.
5. A start first fences whoever had the transactional id before (a process that was stopped and wakes up), which also ends
   its transaction, one way or the other. Then it reads the marker and sends only what is newer.

A transaction may not be sent before 3: an epoch that is done again may be cut differently. And no error in a transaction
is survived here: a producer that had one is in doubt, and a new process begins at 5, where all is known.
"""

from collections.abc import Callable

from bytewax.outputs import StatefulSinkPartition

from flows import points
from flows.guard import ends_process
from flows.kafka import Trouble
from flows.kafka_messages import Messages
from flows.kafka_out import KafkaOut
from flows.markers import markers_topic, read_marker, transactional_id
from flows.observed import Listener, Sent
from flows.settings import Settings
from flows.transactions import Transactions
from operators.key_group import Told
from operators.records import ACTIONS
from state.clock import monotonic_s
from state.codec import Token, decode, encode
from state.delivery import Marker, Place, Unsent
from state.errors import OutsideError, StateError

EPOCH_BYTES_MAX = 400 << 20
"""Output of one epoch that a sink holds in memory; up to two epochs are held. SQLite, which keeps the recovery store,
refuses a value of a billion bytes."""


class _Sink(StatefulSinkPartition[Told, bytes]):
    """One transactional producer."""

    def __init__(
        self,
        settings: Settings,
        trouble: Trouble,
        stopping: Callable[[], bool],
        part: str,
        resume: bytes | None,
        listener: Listener,
    ) -> None:
        self._listener = listener
        self._settings = settings
        self._trouble = trouble
        self._stopping = stopping
        self._number = int(part)
        self._topic = markers_topic(settings)

        self._epoch = -1  # of the last tick
        self._collected = Messages(settings.events_topic)
        self._places: dict[int, Token] = {}
        self._frozen = decode(resume, Unsent) if resume is not None else Unsent(0)
        self._frozen_epoch = -1

        points.reached("sink: before fencing")
        name = transactional_id(settings, self._number)
        self._transactions = Transactions(settings, trouble, stopping, name, f"sink-{part}")
        self._transactions.take_over()  # 5
        points.reached("sink: fenced")
        self._begin(fresh=resume is None)

    def _begin(self, fresh: bool) -> None:
        """The rest of step 5: look at the marker, send what is newer."""
        marker = read_marker(self._settings, self._trouble, self._number, self._stopping)
        seq = self._frozen.seq
        if marker is None and seq == 0:
            # From now on there is a marker, so that one that is missing later is one that was lost.
            self._transact(Unsent(0))
        else:
            self._check(marker, seq, fresh)
            if marker is not None and marker.seq < seq:
                self._transact(self._frozen)
        self._frozen = Unsent(seq)

    def _check(self, marker: Marker | None, seq: int, fresh: bool) -> None:
        """Refuse to go on where it is not known what was sent.

        Raises:
            StateError: The recovery store and the markers are not of one run.
        """
        way_out = (
            f"restore the data directory that goes with {self._topic}, or make it anew (sojourn state rebuild); another name for "
            "the job (SOJOURN_JOB) begins anew and sends everything again"
        )
        data, place = self._settings.data, f"{self._topic} [{self._number}]"
        if marker is None:
            raise StateError(
                f"{place} has no marker, but {data} says that {seq:,} transactions were begun: the topic was emptied or made anew, "
                f"and nobody knows what was sent; {way_out}"
            )
        if marker.seq > seq and fresh:
            raise StateError(
                f"{data} knows of no output, but {place} says that {marker.seq:,} transactions were sent: beginning anew would send "
                f"them again; {way_out}"
            )
        if marker.seq > seq:
            raise StateError(
                f"{data} is older than the output: it knows of {seq:,} transactions, and {place} of {marker.seq:,}; going on would "
                f"send some again; {way_out}"
            )
        if marker.seq < seq - 1 or (marker.seq < seq and not self._frozen.messages):
            raise StateError(
                f"{place} is older than the state: it knows of {marker.seq:,} transactions, and {data} of {seq:,}; output may be "
                f"lost; {way_out}"
            )

    @ends_process
    def write_batch(self, values: list[Told]) -> None:
        """Steps 3, 4 and 1."""
        for told in values:
            if told.epoch > self._epoch:
                self._epoch = told.epoch
                if self._frozen.messages and told.epoch > self._frozen_epoch:  # 3
                    self._transact(self._frozen)  # 4
                    self._frozen = Unsent(self._frozen.seq)
            self._collected.add(told.records)  # 1
            self._places[told.place.group] = told.place
        if self._collected.bytes > EPOCH_BYTES_MAX:
            raise OutsideError(
                f"more than {EPOCH_BYTES_MAX >> 20} MiB came out of one epoch of {self._settings.epoch_ms} ms, too much to hold in "
                "memory; make epochs shorter (SOJOURN_EPOCH_MS) and start again, nothing is lost"
            )

    @ends_process
    def snapshot(self) -> bytes:
        """Step 2."""
        points.reached("sink: before freezing")
        messages = self._collected.take(with_profiles=True)
        if messages:
            if self._frozen.messages:  # unproven still, and never tried: one transaction for both
                messages = self._frozen.messages + messages
            else:
                self._frozen.seq += 1
            self._frozen = Unsent(self._frozen.seq, messages, self._all_places())
        self._frozen_epoch = self._epoch
        return encode(self._frozen)

    def _all_places(self) -> list[Place]:
        return [(group, place.position, place.fired_through) for group, place in sorted(self._places.items())]

    @ends_process
    def close(self) -> None:
        """Nothing: what is unsent is in the recovery store, and is sent by the next start."""

    def _transact(self, unsent: Unsent) -> None:
        """Step 4, all of it or nothing.

        Raises:
            OutsideError: It failed, or it is not known whether it did.
            StateError: Another process has the transactional id.
        """
        transactions, prefix = self._transactions, self._settings.topics_prefix
        points.reached("sink: before begin")
        began = monotonic_s()
        transactions.begin()
        for message in unsent.messages:
            transactions.produce(prefix + message.topic, message.value, message.key, message.headers)
        points.reached("sink: after produce")
        marker = encode(Marker(unsent.seq, unsent.places))
        transactions.produce(self._topic, marker, str(self._number), partition=self._number)
        transactions.flush()
        points.reached("sink: before commit")
        transactions.commit()
        points.reached("sink: after commit")
        if unsent.messages:
            actions = [message.value for message in unsent.messages if message.topic.startswith(ACTIONS)]
            self._listener.sent(Sent(monotonic_s() - began, len(unsent.messages), actions))


class KafkaTransactions(KafkaOut):
    """A fixed number of transactional producers; a key group keeps to one of them."""

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> _Sink:  # type: ignore[override]
        """One of them, from what the recovery store has of it."""
        build = ends_process(_Sink)
        return build(self._settings, self._trouble, self._stopping, for_part, resume_state, self._listener)
