"""The dataflow: the customer log in, decisions out.

    the log          bytes, dealt to key groups        flows.kafka_log, flows.input_files
      v
    customers        decode -> customer step -> state  operators.key_group
      v
    what comes out   actions, facts, profiles,         flows.kafka_out, flows.output_files
                     rejected

One stateful step on purpose: caps, re-entry and explanations are exact only where one writer sees all that a customer
does. The ids of the steps are on disk in recovery stores: they never change.
"""

import gc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource
from bytewax.outputs import FixedPartitionedSink

from flows import points
from flows.guard import ends_process
from operators.customer_step import CustomerStep
from operators.key_group import KeyGroup, Told
from operators.key_group_logic import KeyGroupLogic
from operators.log import Definitions, LogBatch, LogItem, Tick
from operators.plan import Plan
from operators.steps_in_use import StepsInUse
from state.clock import monotonic_s
from state.codec import Token
from state.customer import GroupMeta
from state.store import KeyGroupStore, StoreMemory, StoreOptions

OpenGroup = Callable[[int, "Token | None"], KeyGroup]


Committed = Callable[[KeyGroup, float], None]
"""Called when a key group has ended an epoch on disk, with the seconds that took."""


def build(
    source: FixedPartitionedSource[LogItem, Any],
    open_group: OpenGroup,
    sink: FixedPartitionedSink[Told, Any],
    committed: Committed = lambda _group, _seconds: None,
) -> Dataflow:
    """The dataflow between a source of the log and a sink."""
    flow = Dataflow("orchestrate")
    log = op.input("log", flow, source)
    told = op.stateful_batch("customers", log, lambda resume: _Logic(ends_process(open_group), resume, committed))
    op.output("out", told, sink)
    return flow


class _Logic(KeyGroupLogic):
    """The logic of `operators`, with errors of the outside world (a full disk) ending the process."""

    def __init__(self, open_group: OpenGroup, resume: bytes | None, committed: Committed) -> None:
        super().__init__(open_group, resume)
        self._committed = committed

    @ends_process
    def on_batch(self, values: list[LogBatch | Definitions | Tick]) -> tuple[Iterable[Told], bool]:
        return super().on_batch(values)

    @ends_process
    def snapshot(self) -> bytes:
        points.reached("group: before write")
        began = monotonic_s()
        token = super().snapshot()
        points.reached("group: after write")
        assert self._group is not None  # noqa: S101 - it has just been committed
        self._committed(self._group, monotonic_s() - began)
        return token


def spare_the_collector() -> None:
    """Let Python look for reference cycles rarely: records make none, and every look walks all that is in memory."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


ReadStretch = Callable[[GroupMeta, int], Iterable["LogBatch | Definitions"]]
"""The log again for a group that is behind: from where its meta says up to a position."""


Restore = Callable[[int, "Token | None", Path], object]
"""(group, where the dataflow goes on from, the group's directory)"""


def group_opener(
    plan: Plan,
    directory: Path,
    groups: int,
    options: StoreOptions,
    stores: int,
    read: ReadStretch | None = None,
    restore: Restore = lambda _group, _at, _to: None,
) -> OpenGroup:
    """How a key group is opened: its store in `directory`, the step of `plan`.

    Args:
        plan: The compiled definitions.
        directory: The state directory; each group has one of its own in it.
        groups: How many groups there are.
        options: Memory and durability of the stores.
        stores: How many of them this process will open, about.
        read: Reads the log again where a store is behind; without it, such a store is refused.
        restore: Called before a group is opened; brings its directory back where it is lost.
    """
    memory = StoreMemory(options, stores)
    step = CustomerStep(plan)
    steps = StepsInUse(step)
    told: list[int] = []

    def open_group(group: int, at: Token | None) -> KeyGroup:
        path = directory / f"group-{group:05}"
        restore(group, at, path)
        store = KeyGroupStore(path, GroupMeta(group=group, groups=groups), memory, at)
        opened = KeyGroup(store, step, steps)
        if store.behind is not None:
            opened.roll_forward(read(store.meta, store.behind.position) if read else ())
        if not told and opened.differs_from_wanted():
            from flows.kafka import tell  # noqa: PLC0415 - only a log on Kafka has definitions, and files need no client

            told.append(group)
            tell(
                f"the log has other definitions in use ({store.meta.definitions[:8]}) than those of --journeys, and the log's count: to "
                "change them, start ingest with the new ones"
            )
        return opened

    return open_group


def flow() -> Dataflow:
    """The live dataflow, as `python -m bytewax.run flows.orchestrate:flow` wants it; settings from the environment."""
    from flows.run import live_flow  # noqa: PLC0415 - the live job imports this module
    from flows.settings import read_settings  # noqa: PLC0415
    from flows.stop import Stop  # noqa: PLC0415

    return live_flow(read_settings(), create_topics=False, stop=Stop())
