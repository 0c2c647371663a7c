"""The metrics of one worker, for Prometheus: http://HOST:PORT/metrics, and on Bytewax's own endpoint where that is on.

Counters whose numbers are part of the state (events, rejected, actions) go on after a restart where they were; they are
those of the key groups that the worker has. What is asked for only when somebody looks (sizes, waiting customers) is
read from RocksDB then.
"""

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from wsgiref.simple_server import WSGIServer

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from flows.observed import GroupCommitted, Read, Sent, decided_at_of
from state.clock import wall_ms
from state.errors import UsageError
from state.instants import parse_instant
from state.look import size_of

_LATENCY_S = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 5, 10, 30, 60, 300, 3600)
_SHORT_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics(Collector):
    """Listens to one worker, and answers Prometheus."""

    def __init__(self, state: Path, registry: CollectorRegistry = REGISTRY) -> None:
        """Register with `registry`; `state` is the directory of the key groups."""
        self._state = state
        self._lock = threading.Lock()  # the worker tells, Prometheus asks in a thread of its own
        self._groups: dict[int, GroupCommitted] = {}
        self._reads: dict[int, Read] = {}
        self._ended_s: float | None = None
        self._epoch = Histogram(
            "sojourn_epoch_seconds",
            "From the end of one epoch to the end of the next",
            buckets=_SHORT_S,
            registry=registry,
        )
        self._commit = Histogram(
            "sojourn_commit_seconds",
            "Writing what an epoch changed in one key group",
            buckets=_SHORT_S,
            registry=registry,
        )
        self._transaction = Histogram(
            "sojourn_transaction_seconds", "Sending the output of an epoch, until its readers see it", buckets=_SHORT_S,
            registry=registry,
        )  # fmt: skip
        self._latency = Histogram(
            "sojourn_action_latency_seconds", "From the log time at which an action was decided until its readers see it",
            buckets=_LATENCY_S, registry=registry,
        )  # fmt: skip
        self._sent = Counter("sojourn_output_records", "Records sent to all topics", registry=registry)
        registry.register(self)

    def committed(self, happened: GroupCommitted) -> None:
        """A key group has ended an epoch on disk."""
        self._commit.observe(happened.seconds)
        with self._lock:
            self._groups[happened.group] = happened

    def read(self, happened: Read) -> None:
        """A partition has been read so far, at the end of an epoch; the first partition's ends are the worker's epochs."""
        with self._lock:
            self._reads[happened.partition] = happened
            first = min(self._reads) == happened.partition
        if first:
            now_s = wall_ms() / 1000
            if self._ended_s is not None:
                self._epoch.observe(max(now_s - self._ended_s, 0))
            self._ended_s = now_s

    def sent(self, happened: Sent) -> None:
        """Output is where its readers see it."""
        if happened.seconds is not None:
            self._transaction.observe(happened.seconds)
        self._sent.inc(happened.records)
        now_ms = wall_ms()
        for action in happened.actions:
            decided_ms = parse_instant(decided_at_of(action))
            if decided_ms is not None:
                self._latency.observe(max(now_ms - decided_ms, 0) / 1000)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """What is known of the groups now."""
        with self._lock:
            groups, reads = dict(self._groups), dict(self._reads)
        yield from _counters(groups.values())
        yield from self._gauges(groups, reads)

    def describe(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """The same without numbers: nothing need be known yet to register."""
        yield from _counters(())
        yield from self._gauges({}, {})

    def _gauges(self, groups: dict[int, GroupCommitted], reads: dict[int, Read]) -> Iterator[GaugeMetricFamily]:
        records = GaugeMetricFamily("sojourn_lag_records", "Records of the log not read yet", labels=["partition"])
        seconds = GaugeMetricFamily(
            "sojourn_lag_seconds", "How far the clock of a partition is behind, where there is something to read",
            labels=["partition"],
        )  # fmt: skip
        customers = GaugeMetricFamily("sojourn_customers", "Customers in the state")
        timers = GaugeMetricFamily("sojourn_timers", "Customers who wait for a timer, about")
        size = GaugeMetricFamily("sojourn_state_bytes", "Size of the state on disk")
        for partition, read in sorted(reads.items()):
            lag = max(read.end_offset - read.next_offset, 0)
            records.add_metric([str(partition)], lag)
            if read.now_ms:
                seconds.add_metric([str(partition)], max(wall_ms() - read.now_ms, 0) / 1000 if lag else 0)
        if groups:
            customers.add_metric([], sum(group.counts.get("customers", 0) for group in groups.values()))
            timers.add_metric([], sum(group.timers for group in groups.values()))
            size.add_metric([], sum(map(self._size, groups)))
        yield from (records, seconds, customers, timers, size)

    def _size(self, group: int) -> int:
        path = self._state / f"group-{group:05}"
        return size_of(path) if path.is_dir() else 0


def _counters(groups: Iterable[GroupCommitted]) -> Iterator[CounterMetricFamily]:
    events = CounterMetricFamily("sojourn_events", "Records of the log, by what became of them", labels=["outcome"])
    rejected = CounterMetricFamily("sojourn_rejected", "Records that could not be read", labels=["reason"])
    actions = CounterMetricFamily("sojourn_actions", "Actions decided", labels=["journey", "channel"])
    lookups = CounterMetricFamily(
        "sojourn_cache_lookups", "Customers looked up, in the cache or on disk", labels=["found"]
    )
    by_outcome: dict[str, int] = {}
    by_reason: dict[str, int] = {}
    by_channel: dict[tuple[str, str], int] = {}
    loaded = missed = 0
    for group in groups:
        loaded += group.loaded
        missed += group.missed
        for outcome in ("accepted", "rejected", "duplicates"):
            by_outcome[outcome] = by_outcome.get(outcome, 0) + group.counts.get(outcome, 0)
        for reason, count in group.rejected.items():
            by_reason[reason] = by_reason.get(reason, 0) + count
        for journey, channels in group.actions.items():
            for channel, count in channels.items():
                by_channel[journey, channel] = by_channel.get((journey, channel), 0) + count
    for outcome, count in sorted(by_outcome.items()):
        events.add_metric([outcome], count)
    for reason, count in sorted(by_reason.items()):
        rejected.add_metric([reason], count)
    for (journey, channel), count in sorted(by_channel.items()):
        actions.add_metric([journey, channel], count)
    lookups.add_metric(["cache"], loaded - missed)
    lookups.add_metric(["disk"], missed)
    yield from (events, rejected, actions, lookups)


def serve(port: int, address: str) -> tuple[WSGIServer, threading.Thread]:
    """Answer Prometheus on a port of this worker's own, in a thread that ends with the process.

    Raises:
        UsageError: The port is in use.
    """
    try:
        return start_http_server(port, address)
    except OSError as error:
        raise UsageError(
            f"metrics cannot be served on {address}:{port}: {error.strerror or error}; name another port with SOJOURN_METRICS_PORT (each "
            "worker takes one, counting up from it)"
        ) from error
