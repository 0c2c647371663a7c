"""The golden log: events of all twelve journeys that ship, and what came of them, to the byte.

Whoever changes what comes out must say so: `PYTHONPATH=. python tests/flows/test_golden.py` writes the outputs anew and shows
what differs, and the commit and the changelog tell why. The events themselves stay as they are; they were made, once, by
`flows.generate` (600 events of 30 customers, seed 23) and `flows.demo_guests`, with six broken lines and a repeated one among them.
"""

import difflib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest

from flows.history import instant_of
from flows.replay import Request, replay

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "journeys"
GOLDEN = Path(__file__).with_name("golden")
UNTIL = "2026-06-01"
"""Long after the last event: every wait has come to its end."""
SHOWN_MAX = 20
ANEW = "if that is meant: PYTHONPATH=. python tests/flows/test_golden.py, and say so in the commit and in CHANGELOG.md"


def replayed(out: Path, workers: int = 1) -> dict[str, bytes]:
    """What comes of the golden log; a file that was named is told by that name, wherever the checkout lies."""
    events = GOLDEN / "events.jsonl.gz"
    replay(Request((events,), EXAMPLES, out, workers, until=instant_of(UNTIL, "--until")))
    place = str(events).encode()
    return {path.name: path.read_bytes().replace(place, events.name.encode()) for path in out.glob("*.jsonl")}


def golden() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in GOLDEN.glob("*.jsonl")}


def differences(before: dict[str, bytes], now: dict[str, bytes]) -> Iterator[str]:
    """The lines that differ, file by file."""
    for name in sorted(before.keys() | now.keys()):
        old, new = (found.get(name, b"").decode().splitlines() for found in (before, now))
        yield from difflib.unified_diff(old, new, f"golden/{name}", f"now/{name}", n=0, lineterm="")


@pytest.mark.parametrize("workers", [1, 2])
def test_the_golden_log_gives_what_it_gave(tmp_path: Path, workers: int) -> None:
    """Byte for byte; what differs is shown."""
    different = list(differences(golden(), replayed(tmp_path, workers)))
    shown = "\n".join(line[:300] for line in different[:SHOWN_MAX])
    assert not different, f"{len(different):,} lines of difference:\n{shown}\n{ANEW}"


def test_the_golden_log_has_something_of_everything() -> None:
    """All journeys that ship send something in it and all channels are used; it has lines that are rejected, and a duplicate."""
    found = {name: [orjson.loads(line) for line in content.splitlines()] for name, content in golden().items()}
    sent = [record for name, records in found.items() if name.startswith("actions.") for record in records]
    shipped = {line.split(":")[1].strip() for path in EXAMPLES.glob("*.yaml") if not path.name.endswith(".test.yaml")
               for line in path.read_text().splitlines() if line.startswith("journey:")}  # fmt: skip
    assert len(shipped) == 12
    assert {action["journey"] for action in sent} == shipped
    assert all(found[name] for name in found), {name: len(records) for name, records in found.items()}
    assert len({record["reason"] for record in found["rejected.jsonl"]}) == 6
    assert {"duplicate", "entered", "not_entered", "decided", "sent", "withheld", "waiting", "resumed", "timed_out",
            "converted", "exited"} <= {fact["fact"] for fact in found["facts.jsonl"]}  # fmt: skip


def test_a_difference_is_told() -> None:
    """The test itself can fail: one byte of one record."""
    before = golden()
    changed = before | {"facts.jsonl": before["facts.jsonl"].replace(b'"entered"', b'"entereD"', 1)}
    told = list(differences(before, changed))
    assert [line[0] for line in told[3:]] == ["-", "+"]


def main() -> None:
    """Write the outputs anew, and show what that changes."""
    with TemporaryDirectory() as directory:
        before, now = golden(), replayed(Path(directory) / "out")
    different = list(differences(before, now))
    print("\n".join(different) if different else "nothing differs")
    for name in before.keys() - now.keys():
        (GOLDEN / name).unlink()
    for name, content in now.items():
        (GOLDEN / name).write_bytes(content)


if __name__ == "__main__":
    main()
