"""The customer log as the engine takes it in: records of one key group, in the log's order.

Sources (`flows/`) make these out of Kafka records or lines of files; they cross workers as they are, bytes undecoded.
"""

EVENT, HEARTBEAT, UNKNOWN = 0, 1, 2
"""Kinds of log records: `event` and `heartbeat` of the header `sojourn-kind`; UNKNOWN is any other."""

LogRecord = tuple[int, int, int, "bytes | None", "bytes | None", int]
"""(kind, position, time, key, value, origin): a plain tuple, because there is one per event.

- position: rises along the log of the group; gaps are allowed.
- time: the record's log time (ms): `sojourn-time`, else the broker's timestamp, else `receivedAt` or the event's own.
- key: what the log has it under; None where no log has keyed it (files).
- value: the bytes of one event; None in a heartbeat.
- origin: where it came from, for whoever must tell a person (for files: file << 48 | line).
"""

LogBatch = tuple[int, list[LogRecord]]
"""(group, records): what one source step hands to one key group."""
"""Keys of a dataflow are text: the key of a batch is the group's number."""
