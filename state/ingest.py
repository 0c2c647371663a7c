"""What ingest remembers of itself, beside the log that it writes: a plain record, no behaviour.

It is written with the records of the log, in one transaction, so it is the truth about them. `state.codec` turns it into
bytes. A field is only ever added at the end, with a default.
"""

import msgspec


class InputPlace(msgspec.Struct, array_like=True):
    """How far an input topic has been read."""

    topic_id: str
    """Kafka's own id of this very topic; empty where the broker does not tell."""
    offsets: list[int] = []
    """For each partition, the offset of the next record."""


class IngestMarker(msgspec.Struct, array_like=True):
    """What one transaction of ingest says of itself."""

    seq: int
    """Counts the transactions."""
    low: int
    """The low watermark (ms): it goes on from here."""
    partitions: int
    """Of the log, as they were when ingest began; customers keep to theirs."""
    topic_id: str
    """Kafka's own id of the log."""
    heartbeats_only: bool = False
    """Whether the log is written by its producers, and ingest adds nothing but heartbeats."""
    inputs: dict[str, InputPlace] = {}
    """Input topic -> how far it has been read; those that are no longer read, too."""
    definitions: str = ""
    """Hash of the definitions that were appended to the log last; empty where none were."""
