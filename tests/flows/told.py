"""Output of a replay, made up: what tests of compare and explain read."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from state.instants import format_instant

Record = dict[str, Any]

FIRST = 1_767_258_000_000
"""2026-01-01T09:00:00Z."""

HOUR = 3_600_000
DAY = 24 * HOUR


class Teller:
    """Tells of customers, as a replay does: facts and actions with `seq` counting up per customer."""

    def __init__(self, journey: str = "offer", version: int = 1) -> None:
        """Of runs through one journey, unless a record says another."""
        self.records: list[Record] = []
        self._journey, self._version = journey, version
        self._seq: dict[str, int] = {}

    def fact(self, customer: str, fact: str, at: int = 0, **more: Any) -> Record:
        """Tell a fact, `at` ms after `FIRST`."""
        return self._add(customer, {"fact": fact, "at": format_instant(FIRST + at), **more})

    def action(self, customer: str, channel: str, at: int = 0, **more: Any) -> Record:
        """Tell an action."""
        form = {"kind": "send", "channel": channel, "decided_at": format_instant(FIRST + at), "template": "hello"}
        return self._add(customer, {**form, **more})

    def message(self, customer: str, channel: str, at: int = 0, **more: Any) -> None:
        """Tell an action, and the fact of it."""
        self.action(customer, channel, at, **more)
        self.fact(customer, "sent", at, channel=channel, template="hello", **more)

    def _add(self, customer: str, record: Record) -> Record:
        seq = self._seq[customer] = self._seq.get(customer, 0) + 1
        place = {"journey": self._journey, "version": self._version, "instance": f"{self._journey}-{customer}"}
        record = {"customer_id": customer, "seq": seq, **place, **record}
        self.records.append({name: value for name, value in record.items() if value is not None})
        return self.records[-1]

    def write(self, out: Path, profiles: Sequence[Record] = ()) -> Path:
        """All of it, as a replay writes it; gives the directory."""
        out.mkdir(parents=True, exist_ok=True)
        records = sorted(self.records, key=lambda one: (one["customer_id"], one["seq"]))
        _write(out / "facts.jsonl", (one for one in records if "fact" in one))
        for channel in sorted({one["channel"] for one in records if "fact" not in one}):
            of_channel = (one for one in records if "fact" not in one and one["channel"] == channel)
            _write(out / f"actions.{channel}.jsonl", of_channel)
        _write(out / "profiles.jsonl", profiles)
        (out / "rejected.jsonl").touch()
        return out


def _write(path: Path, records: Iterable[Record]) -> None:
    lines = (orjson.dumps(one, option=orjson.OPT_SORT_KEYS) for one in records)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
