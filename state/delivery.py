"""What a sink remembers of its output: plain records, no behaviour.

`Unsent` and `Lengths` are what the dataflow's recovery store keeps of a sink, `Marker` is what stands beside the output
on Kafka. `state.codec` turns them into bytes. A field is only ever added at the end, with a default.
"""

import msgspec

Place = tuple[int, int, int]
"""(group, position, fired-through): where a key group stands."""


class Message(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One record for a topic, ready to be produced."""

    topic: str
    """Without the prefix that all topics of a job have."""
    key: str | None
    value: bytes
    headers: list[tuple[str, bytes]] = []


class Unsent(msgspec.Struct, array_like=True):
    """A Kafka sink at the end of an epoch."""

    seq: int
    """Counts the transactions; 0 before the first. The number of the one that `messages` need, or of the last."""
    messages: list[Message] = []
    """What is to be sent once it is certain that the epoch will never be done again."""
    places: list[Place] = []
    """Where the key groups of the sink stood at the end of the epoch, in their order."""


class Marker(msgspec.Struct, array_like=True, frozen=True):
    """What one transaction says of itself."""

    seq: int
    places: list[Place] = []
    """Where the key groups of the sink stood: all that came out up to there has been sent, and nothing that came after."""


class Lengths(msgspec.Struct, array_like=True):
    """A sink of files at the end of an epoch."""

    files: dict[str, int] = {}
    """Name of a part file -> its length in bytes; what lies beyond is of an epoch that did not end."""
