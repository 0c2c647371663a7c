"""The markers of a job: how far its output is, written with the output in one transaction.

Topic `<job>.markers`, compacted, one partition for each sink; key: the sink's number, value: `state.delivery.Marker`.
A marker is the truth about what was sent, whatever a recovery store believes. (A consumer group's offset would do, too,
but brokers forget those of a group that is idle for a week.)
"""

from collections.abc import Callable

from flows.kafka import Trouble
from flows.last_record import last_record
from flows.settings import Settings
from state.codec import decode
from state.delivery import Marker


def markers_topic(settings: Settings) -> str:
    """The name of the topic."""
    return f"{settings.topics_prefix}{settings.job}.markers"


def transactional_id(settings: Settings, sink: int) -> str:
    """The id of a sink; whoever may write with it is fenced by the next who takes it."""
    return f"{settings.job}-sink-{sink}"


def read_marker(settings: Settings, trouble: Trouble, sink: int, stopping: Callable[[], bool]) -> Marker | None:
    """The last committed marker of a sink; None where there is none.

    Only to be called when no transaction of this sink can be open any more (`Transactions.take_over` sees to that).

    Raises:
        OutsideError: The broker refuses, or does not answer in time.
    """
    found = last_record(settings, trouble, markers_topic(settings), sink, stopping)
    return decode(found.value() or b"", Marker) if found is not None else None
