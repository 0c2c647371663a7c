"""Output files: sorted by customer and seq whatever part wrote what, whole or not at all, rejected lines with their bytes."""

import base64
import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from flows.output_files import FilesSink, finish
from operators.key_group import Out, Told
from state.codec import Token

CHANNELS = ("email", "web")
NAMES = {"actions.email", "actions.web", "facts", "profiles", "rejected"}


def said(topic: str, customer_id: str, seq: int, **more: Any) -> Out:
    """One record as a key group gives it."""
    return topic, customer_id, seq, orjson.dumps({"customer_id": customer_id, "seq": seq, **more}), None


def rejected(position: int, raw: bytes, file: int = 0, line: int = 1) -> Out:
    details = {"reason": "not_json", "message": "not JSON", "group": 3, "position": position, "key": None}
    return "events.rejected", "", position, raw, {**details, "origin": file << 48 | line}


def write(
    tmp_path: Path, parts: Sequence[Sequence[list[list[Out]]]], files: Sequence[Path] = (Path("events.jsonl"),)
) -> dict[str, list[dict[str, Any]]]:
    """Let each part write its batches, finish, and read the files of OUT: name -> records."""
    work, out = tmp_path / "parts", tmp_path / "out"
    work.mkdir()
    out.mkdir(exist_ok=True)
    for number, batches in enumerate(parts):
        sink = FilesSink(work, number)
        (name,) = sink.list_parts()
        part = sink.build_part("out", name, None)
        for batch in batches:
            part.write_batch([Told(0, Token(0, 0, -1), records) for records in batch])
        part.close()
    (sorting := tmp_path / "work").mkdir()
    finish(work, sorting, out, CHANNELS, files)
    assert list(sorting.iterdir()) == []
    sorting.rmdir()
    shutil.rmtree(work)
    return {path.name.removesuffix(".jsonl"): read(path) for path in out.glob("*.jsonl")}


def read(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes()
    assert content == b"" or content.endswith(b"\n")
    return [orjson.loads(line) for line in content.splitlines()]


def test_every_file_is_there_even_without_a_record(tmp_path: Path) -> None:
    """Whoever reads OUT afterwards need not ask whether a channel had anything."""
    assert write(tmp_path, [[]]) == {name: [] for name in NAMES}


def test_records_are_sorted_by_customer_and_seq(tmp_path: Path) -> None:
    """Seq as a number, not as text; customers as text."""
    customers = ["c-10", "c-9", "anon:1", "Zoe", "zoe", "Å", "😀", "a\nb", "a\x00"]
    records = [said("journeys.facts", customer, seq) for customer in customers for seq in (1, 2, 9, 10, 11, 100)]
    random.Random(1).shuffle(records)
    found = write(tmp_path, [[[records[:20]], [records[20:]]]])["facts"]
    assert [(fact["customer_id"], fact["seq"]) for fact in found] == [
        (customer, seq) for customer in sorted(customers) for seq in (1, 2, 9, 10, 11, 100)
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_who_wrote_what_and_when_does_not_matter(tmp_path: Path, seed: int) -> None:
    """The same records through one part, or through three in any order and any batches: the same bytes."""
    # given records of many customers on all topics
    topics = ("journeys.facts", "actions.email", "actions.web")
    records = [said(topics[n % 3], f"c-{n % 17}", n, text="x" * n) for n in range(300)]
    records += [said("profiles", f"c-{n}", 900 + n) for n in range(17)]
    records += [rejected(n, b"line %d" % n, line=n) for n in range(20)]
    # when one part writes them in order, and three parts write them shuffled
    (tmp_path / "one").mkdir()
    (tmp_path / "three").mkdir()
    write(tmp_path / "one", [[[records]]])
    random.Random(seed).shuffle(records)
    thirds = [[[records[n : n + 7]] for n in range(start, len(records), 21)] for start in (0, 7, 14)]
    write(tmp_path / "three", thirds)
    # then the files are equal
    for name in NAMES:
        one, three = (tmp_path / which / "out" / f"{name}.jsonl" for which in ("one", "three"))
        assert one.read_bytes() == three.read_bytes() != b""


def test_channels_of_like_names_are_kept_apart(tmp_path: Path) -> None:
    """What one channel's name begins with is another channel; what was said on one is not on the other."""
    work, out = tmp_path / "parts", tmp_path / "out"
    work.mkdir()
    out.mkdir()
    part = FilesSink(work, 0).build_part("out", "0", None)
    records = [said(f"actions.{name}", "c-1", seq) for seq, name in enumerate(("web", "web-2", "web_0", "0"))]
    part.write_batch([Told(0, Token(0, 0, -1), records)])
    part.close()
    finish(work, tmp_path, out, ("web", "web-2", "web_0", "0"), ())
    found = {path.name: [record["seq"] for record in read(path)] for path in out.glob("actions.*")}
    assert found == {
        "actions.web.jsonl": [0], "actions.web-2.jsonl": [1], "actions.web_0.jsonl": [2], "actions.0.jsonl": [3]
    }  # fmt: skip


def test_of_profiles_the_last_of_each_customer_is_kept(tmp_path: Path) -> None:
    """However many were written, and whichever part wrote them."""
    # given three profiles of each of five customers, the last one not the last written
    records = [said("profiles", f"c-{customer}", seq) for seq in (10, 9, 2) for customer in range(5)]
    # when two parts write them
    found = write(tmp_path, [[[records[:8]]], [[records[8:]]]])["profiles"]
    # then there is one for each, of the greatest seq
    assert [(profile["customer_id"], profile["seq"]) for profile in found] == [(f"c-{n}", 10) for n in range(5)]


@pytest.mark.parametrize(
    ("raw", "field", "kept"),
    [
        (b"not json", "raw", "not json"),
        (b"", "raw", ""),
        (b"line\r", "raw", "line\r"),
        (b"\x00\x01", "raw", "\x00\x01"),
        ("Käse 😀".encode(), "raw", "Käse 😀"),
        (b"\xef\xbb\xbf{}", "raw", "\ufeff{}"),
        (b'{"a":"\\ud800"}', "raw", '{"a":"\\ud800"}'),
        (b"caf\xe9", "raw_base64", base64.b64encode(b"caf\xe9").decode()),
        (b"\xed\xa0\x80", "raw_base64", base64.b64encode(b"\xed\xa0\x80").decode()),
        (b"\xff" * 3_000_000, "raw_base64", base64.b64encode(b"\xff" * 3_000_000).decode()),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else "",
)
def test_a_rejected_line_keeps_its_bytes(tmp_path: Path, raw: bytes, field: str, kept: str) -> None:
    """As text where they are text, as base64 where they are not; never both, never changed."""
    (record,) = write(tmp_path, [[[[rejected(0, raw)]]]])["rejected"]
    assert record[field] == kept
    assert len({"raw", "raw_base64"} & record.keys()) == 1
    assert (record["raw"].encode() if field == "raw" else base64.b64decode(record["raw_base64"])) == raw


def test_a_rejected_line_says_why_and_where_it_was(tmp_path: Path) -> None:
    """Reason, sentence, file and line; in the order in which they stood in the input."""
    files = [Path("a.jsonl"), Path("logs/b.jsonl.gz")]
    parts = [[[[rejected(5, b"x", file=1, line=(1 << 48) - 1)]]], [[[rejected(4, b"y", file=0, line=1)]]]]
    found = write(tmp_path, parts, files)["rejected"]
    place = {"reason": "not_json", "message": "not JSON"}
    assert found == [
        {**place, "file": "a.jsonl", "line": 1, "position": 4, "raw": "y"},
        {**place, "file": "logs/b.jsonl.gz", "line": (1 << 48) - 1, "position": 5, "raw": "x"},
    ]


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    """On Linux a name is bytes; one that is no UTF-8 does not stop the writing of what was rejected."""
    name = Path(os.fsdecode(b"caf\xe9.jsonl"))
    (record,) = write(tmp_path, [[[[rejected(0, b"x")]]]], [name])["rejected"]
    assert "caf" in record["file"]


def test_what_was_there_before_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """A reader who has the old file open goes on reading the old one."""
    # given files of an earlier replay, one of them open
    write(tmp_path, [[[[said("journeys.facts", "old", 1)]]]])
    with (tmp_path / "out" / "facts.jsonl").open("rb") as reader:
        # when the next one writes its own
        found = write(tmp_path, [[[[said("journeys.facts", "new", 1)]]]])
        # then the file is the new one, the reader's still the old one, and no temporary file is left
        assert [fact["customer_id"] for fact in found["facts"]] == ["new"]
        assert b"old" in reader.read()
    assert found.keys() == NAMES


def test_the_files_of_a_channel_that_is_gone_go_too(tmp_path: Path) -> None:
    """OUT is of one replay: who reads `actions.*.jsonl` must not find what an earlier one sent."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "actions.pigeon.jsonl").write_bytes(b'{"customer_id":"old"}\n')
    (out / "notes.txt").write_bytes(b"mine\n")
    write(tmp_path, [[]])
    assert not (out / "actions.pigeon.jsonl").exists()
    assert (out / "notes.txt").read_bytes() == b"mine\n"
