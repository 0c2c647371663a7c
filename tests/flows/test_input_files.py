"""Input files: packed or not they are the same lines, in the order of (log time, file, line), and a damaged one says so."""

import gzip
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import input_files
from flows.history import check_files
from flows.input_files import (
    ALL,
    FilesSource,
    Line,
    Progress,
    Share,
    UnsortedError,
    file_lines,
    merged,
    read_lines,
    read_sorted,
    sort_input,
)
from operators.log import LOG_FIELDS, LogItem, LogRecord, record_at
from state.errors import InputError
from state.instants import format_instant
from state.keygroups import GROUPS_FOR_FILES, group_of

TEN = 1_767_607_200_000


def event(customer: str, at: int, **more: object) -> bytes:
    time = format_instant(TEN + at)
    return orjson.dumps({"type": "track", "event": "e", "userId": customer, "timestamp": time, **more})


def file_of(path: Path, lines: Sequence[bytes], end: bytes = b"\n") -> Path:
    """Write the lines, packed as the name says."""
    content = b"".join(line + end for line in lines)
    if path.suffix == ".gz":
        content = gzip.compress(content)
    elif path.suffix == ".zst":
        content = zstandard.ZstdCompressor(write_checksum=True).compress(content)
    path.write_bytes(content)
    return path


def lines_of(path: Path) -> list[bytes]:
    return [line for lines in read_lines(path, Progress([path])) for line in lines]


def sequence_of(*paths: Path) -> list[Line]:
    return list(merged(paths, Progress(paths)))


def sorted_on_the_way(directory: Path, *paths: Path) -> list[Line]:
    spool = sort_input(paths, directory, Progress(paths))
    return list(read_sorted(spool, Progress([spool])))


def dealt(lines: Iterator[Line], progress: Progress, share: Share = ALL) -> Iterator[list[LogItem]]:
    """All batches that a source of these lines gives."""
    part = FilesSource(lines, progress, share=share).build_part("log", "files", None)
    while True:
        try:
            yield part.next_batch()
        except StopIteration:
            return


def records_of(flat: list[Any]) -> list[LogRecord]:
    """The records of a batch, as tuples."""
    return [record_at(flat, place) for place in range(0, len(flat), LOG_FIELDS)]


@pytest.fixture(scope="module")
def stream() -> list[bytes]:
    """Lines that fill several blocks of every reader, and do not pack away to nothing."""
    chance = random.Random(5)
    return [event(f"c-{n % 50}", n, nonce=f"{chance.getrandbits(800):x}") for n in range(4_000)]


@pytest.mark.parametrize("name", ["e.jsonl", "e.jsonl.gz", "e.jsonl.zst", "no-suffix", "e.gz.jsonl"])
def test_a_packed_file_is_the_same_lines(tmp_path: Path, stream: list[bytes], name: str) -> None:
    """Plain, gzip, zstd: to the byte; and the bar comes to its end."""
    path = file_of(tmp_path / name, stream)
    progress = Progress([path])
    assert [line for lines in read_lines(path, progress) for line in lines] == stream
    assert 0.99 < progress.bytes_read / progress.bytes_total <= 1


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gz", "zst"])
def test_packed_files_may_be_joined(tmp_path: Path, pack, stream: list[bytes]) -> None:
    """`cat a.gz b.gz` is a gzip file, too; so is it for zstd. A line may lie across the joint."""
    content = b"\n".join(stream)
    path = tmp_path / f"e.{'gz' if pack is gzip.compress else 'zst'}"
    path.write_bytes(pack(content[:1_000]) + pack(b"") + pack(content[1_000:]))
    assert lines_of(path) == stream


def test_frames_of_zstd_that_hold_no_data_are_passed_over(tmp_path: Path, stream: list[bytes]) -> None:
    """pzstd and the seekable format write such frames before, between and behind the others."""
    skippable = bytes.fromhex("502a4d18 04000000 01020304")
    path = file_of(tmp_path / "e.zst", stream)
    whole = path.read_bytes()
    path.write_bytes(skippable + whole + skippable + whole + skippable)
    assert lines_of(path) == stream * 2
    path.write_bytes(whole + skippable[:-1])
    with pytest.raises(InputError, match="cannot be read to its end"):
        lines_of(path)


@pytest.mark.parametrize("name", ["e.gz", "e.zst"])
@pytest.mark.parametrize("kept", [0, 3, 5, 1_000, 0.5, -100, -10, -5, -1], ids=lambda kept: f"kept:{kept}")
def test_a_file_that_was_cut_off_says_so(tmp_path: Path, stream: list[bytes], name: str, kept: float) -> None:
    """A download that broke off, a disk that was full: never the end of the events in silence, wherever the cut is."""
    # given a packed file of which the end is missing
    path = file_of(tmp_path / name, stream)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    # when it is read, then it is refused, by name
    with pytest.raises(InputError, match=r"cannot be read to its end: .*; nothing was written") as refused:
        lines_of(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("name", ["e.gz", "e.zst"])
def test_the_second_of_two_joined_files_may_be_cut_off(tmp_path: Path, stream: list[bytes], name: str) -> None:
    """A whole beginning does not hide that the rest is missing."""
    path = file_of(tmp_path / name, stream)
    whole = path.read_bytes()
    for more in (2, 7, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole + whole[:more])
        with pytest.raises(InputError, match="cannot be read to its end"):
            lines_of(path)


@pytest.mark.parametrize("name", ["e.gz", "e.zst"])
def test_a_file_that_was_damaged_says_so(tmp_path: Path, stream: list[bytes], name: str) -> None:
    """One byte of another value; something else behind the end; something else altogether."""
    path = file_of(tmp_path / name, stream)
    whole = path.read_bytes()
    at = len(whole) // 2
    damaged = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
    for content in (damaged, whole + b"garbage", b"hello, this is no archive\n" * 100):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read to its end"):
            lines_of(path)


def test_blank_lines_count_and_are_passed_over(tmp_path: Path) -> None:
    """They are no events, but line numbers are those that an editor shows."""
    lines = [b"", event("a", 0), b"", b"  \t", b"\r", event("b", 1), b"", b""]
    path = file_of(tmp_path / "e", lines)
    assert [(line, customer) for _, line, customer, _ in sequence_of(path)] == [(2, "a"), (6, "b")]


def test_the_last_line_may_lack_its_end(tmp_path: Path) -> None:
    """As many a tool writes it."""
    lines = [event("a", 0), event("b", 1)]
    path = tmp_path / "e"
    path.write_bytes(b"\n".join(lines))
    assert [raw for *_, raw in sequence_of(path)] == lines


def test_lines_may_end_as_windows_has_it(tmp_path: Path) -> None:
    """CR LF: the same customers at the same times; a rejected line keeps its CR, for its bytes are what is kept."""
    lines = [event("a", 0), b"not json", event("b", 1)]
    unix, windows = file_of(tmp_path / "unix", lines), file_of(tmp_path / "windows", lines, b"\r\n")
    assert [item[:3] for item in sequence_of(windows)] == [item[:3] for item in sequence_of(unix)]
    assert [raw for *_, raw in sequence_of(windows)] == [line + b"\r" for line in lines]


@pytest.mark.parametrize("separator", [b"\x0b", b"\x0c", b"\x1c", b"\x85", "\u2028".encode(), b"\r"])
def test_only_a_line_feed_ends_a_line(tmp_path: Path, separator: bytes) -> None:
    """Python knows other line ends; JSON lines do not."""
    path = file_of(tmp_path / "e", [b"a" + separator + b"b", b"c"])
    assert lines_of(path) == [b"a" + separator + b"b", b"c"]


def test_lines_of_any_length_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter than a block, just as long, much longer; blocks of any size cut anywhere."""
    lines = [bytes([97 + n % 26]) * (n * n) for n in range(40)] + [b"x" * 5_000_000, b"", b"y"]
    path = file_of(tmp_path / "e", lines)
    assert lines_of(path) == lines
    path = file_of(tmp_path / "short", lines[:40])
    for block in (1, 2, 7, 4096):
        monkeypatch.setattr(input_files, "_BLOCK_BYTES", block)
        assert lines_of(path) == lines[:40]


def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk image that somebody named .jsonl."""
    monkeypatch.setattr(input_files, "LINE_BYTES_MAX", 10_000_000)
    path = tmp_path / "image"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of NULs that needs no disk
    with pytest.raises(InputError, match="is this a file of JSON lines") as refused:
        lines_of(path)
    assert str(path) in str(refused.value)


def test_files_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    """A missing file and a directory are refused by name, with what to write instead."""
    good = file_of(tmp_path / "e", [])
    check_files([good])
    with pytest.raises(InputError, match=r"missing\.jsonl: No such file or directory; name a file of JSON lines"):
        check_files([good, tmp_path / "missing.jsonl"])
    with pytest.raises(InputError, match=r"is a directory; name its files, as in: .*/\*\.jsonl"):
        check_files([good, tmp_path])
    with pytest.raises(InputError, match="Not a directory"):
        check_files([good / "e"])


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """It can be read once only, and input that is out of order is read twice; say so instead of losing the first half."""
    # given a pipe that somebody writes to
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    # when it is named as input, then it is refused at once
    try:
        with pytest.raises(InputError, match="file"):
            check_files([pipe])
    finally:
        os.close(writer)


def test_each_line_has_its_customer_and_its_log_time(tmp_path: Path) -> None:
    """`receivedAt`, else the event's own time; what has none stays behind the line before it, for nobody's account."""
    lines = [
        b"not json",
        event("a", 5),
        event("b", 5, receivedAt=format_instant(TEN + 7)),
        b'{"type":"track","userId":"c"}',
        b"[]",
        event("", 9, anonymousId="x"),
        event("", 9),
        event("d", 9, receivedAt="never"),
        event("é" * 2000, 10),
    ]
    path = file_of(tmp_path / "e", lines)
    found = [(time, customer) for time, _, customer, _ in file_lines(path, 3, Progress([path]))]
    assert found == [
        (0, ""), (TEN + 5, "a"), (TEN + 7, "b"), (TEN + 7, ""), (TEN + 7, ""), (TEN + 9, "anon:x"), (TEN + 9, ""), (TEN + 9, ""),
        (TEN + 10, ""),
    ]  # fmt: skip
    assert [(item[1], item[3]) for item in file_lines(path, 3, Progress([path]))] == [
        (3 << 48 | number, raw) for number, raw in enumerate(lines, 1)
    ]


files_of_times = st.lists(st.lists(st.integers(0, 6) | st.none(), max_size=8), min_size=1, max_size=4)


@given(files_of_times)
@settings(deadline=None, max_examples=60)
def test_several_files_are_one_sequence(
    tmp_path_factory: pytest.TempPathFactory, times: list[list[int | None]]
) -> None:
    """By (log time, file, line), ties and lines without a time included; sorted on the way it is the same sequence."""
    # given files of lines at these times, each file in order
    directory = tmp_path_factory.mktemp("files")
    paths, expected = [], []
    for number, file_times in enumerate(times):
        in_order = iter(sorted(at for at in file_times if at is not None))
        lines, clock = [], 0
        for line, at in enumerate(file_times, 1):
            clock = clock if at is None else TEN + next(in_order)
            lines.append(b"broken %d" % line if at is None else event(f"c-{line}", clock - TEN))
            expected.append((clock, number << 48 | line, "" if at is None else f"c-{line}", lines[-1]))
        paths.append(file_of(directory / f"{number}.jsonl", lines))
    # when they are merged, or sorted, then the sequence is that of the triples
    assert sequence_of(*paths) == sorted(expected)
    assert sorted_on_the_way(directory / "work", *paths) == sorted(expected)


def test_a_file_out_of_order_is_told_from_one_in_order(tmp_path: Path) -> None:
    """The line is named; equal times are in order; one file of several is enough."""
    good = file_of(tmp_path / "good", [event("a", 1), event("b", 1), b"broken", event("c", 2)])
    bad = file_of(tmp_path / "bad", [event("a", 1), b"", event("b", 3), event("c", 2)])
    assert len(sequence_of(good)) == 4
    with pytest.raises(UnsortedError, match=r"bad:4: the log time is before that of the line before it"):
        sequence_of(good, bad)


def test_unsorted_files_become_the_sequence_of_sorted_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order of the lines, and however little memory there is."""
    monkeypatch.setattr(input_files, "ExternalSort", lambda directory: ExternalSort(directory, 5_000))
    lines = [event(f"c-{n % 7}", n) for n in range(500)]
    shuffled = random.Random(3).sample(lines, len(lines))
    path = file_of(tmp_path / "e.jsonl.zst", shuffled)
    assert [raw for *_, raw in sorted_on_the_way(tmp_path, path)] == lines
    assert {entry.name for entry in tmp_path.iterdir()} == {"e.jsonl.zst", "sorted-input"}


ExternalSort = input_files.ExternalSort


@pytest.mark.parametrize("batch_bytes", [0, 1_000, 1 << 30])
def test_every_record_is_dealt_to_the_group_of_its_customer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_bytes: int
) -> None:
    """Once, at its place in the sequence, with the clock as it was; however the reading is cut into batches."""
    monkeypatch.setattr(input_files, "BATCH_BYTES", batch_bytes)
    lines = [event(f"c-{n % 40}", n) for n in range(300)]
    lines[100] = b"broken"
    path = file_of(tmp_path / "e", lines)
    progress = Progress([path])
    records, clocks = [], {}
    for batch in dealt(merged([path], progress), progress):
        for key, (group, _, now, flat, unread, keyed) in batch:
            assert key == str(group)
            assert (unread, keyed) == ([], False)
            assert now >= clocks.get(group, 0)
            clocks[group] = now
            of_group = records_of(flat)
            assert of_group == sorted(of_group, key=lambda record: record[1])
            for customer, *record in of_group:
                assert group_of(customer.encode(), GROUPS_FOR_FILES) == group
                assert record[1] <= now
                records.append((*record, customer))
        assert {item[1] for _, item in batch} == {len(records) - 1}  # the place of the log at the end of the batch
    # every line once, in the order of positions; the broken one at the time of the line before it, without one of its own
    records.sort()
    expected = [(n, TEN + n, TEN + n, raw, n + 1, f"c-{n % 40}") for n, raw in enumerate(lines)]
    expected[100] = (100, TEN + 99, None, b"broken", 101, "")
    assert records == expected
    # and the end of time comes to every group, whether it had records or not
    assert clocks == dict.fromkeys(range(GROUPS_FOR_FILES), TEN + 299)
    assert (progress.records, progress.log_time, progress.failure) == (300, TEN + 299, None)


@pytest.mark.parametrize("parts", [2, 3, 64])
def test_shares_together_are_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    """Each record comes to one share, with the place and the clock that it has where one deals to all; so does the end of time."""
    monkeypatch.setattr(input_files, "BATCH_RECORDS_MAX", 50)
    lines = [event(f"c-{n % 40}", n) for n in range(300)]
    lines[0] = lines[100] = b"broken"
    path = file_of(tmp_path / "e", lines)

    def all_of(share: Share) -> tuple[dict[int, list[LogRecord]], dict[int, tuple[int, int]]]:
        records: dict[int, list[LogRecord]] = {}
        ends = {}
        progress = Progress([path])
        for batch in dealt(merged([path], progress), progress, share):
            for _, (group, position, now, flat, _, _) in batch:
                records.setdefault(group, []).extend(records_of(flat))
                ends[group] = position, now
        assert (progress.records, progress.log_time) == (300, TEN + 299)
        return records, ends

    whole = all_of(ALL)
    records: dict[int, list[LogRecord]] = {}
    ends: dict[int, tuple[int, int]] = {}
    for part in range(parts):
        more = all_of(Share(part, parts))
        assert not records.keys() & more[0].keys()
        records |= more[0]
        ends |= more[1]
    assert (records, ends) == whole


def test_records_know_the_file_they_came_from(tmp_path: Path) -> None:
    """File in the upper 16 bits, line in the lower 48."""
    paths = [file_of(tmp_path / str(n), [event(f"c-{n}", n)] * 2) for n in range(3)]
    progress = Progress(paths)
    (batch,) = dealt(merged(paths, progress), progress)
    origins = Counter(record[5] for _, of_group in batch for record in records_of(of_group[3]))
    assert origins == Counter(file << 48 | line for file in range(3) for line in (1, 2))


def test_memory_is_bounded_by_bytes_not_by_lines(tmp_path: Path) -> None:
    """A batch of long lines has fewer of them: a gigabyte of them is never held at once."""
    # given a thousand lines of one mebibyte each, which a test can afford because they are one and the same
    raw = event("a", 0) + b" " * (1 << 20)
    progress = Progress([])
    lines = ((TEN, line, "a", raw) for line in range(1, 1_001))
    # when they are dealt, then no batch has more than a quarter of it, and all of them are dealt
    sizes = [
        sum(len(record[4]) for _, of_group in batch for record in records_of(of_group[3]))
        for batch in dealt(lines, progress)
    ]
    assert sum(sizes) == 1_000 * len(raw)
    assert max(sizes) <= 256 << 20


@pytest.mark.parametrize(
    ("name", "content", "failure"),
    [
        ("e.gz", gzip.compress(event("a", 0) + b"\n" + b"x" * 99)[:-9], InputError),
        ("e", event("a", 1) + b"\n" + event("a", 0) + b"\n", UnsortedError),
    ],
    ids=["cut off", "not in order"],
)
def test_trouble_ends_the_input_and_is_told_to_whoever_runs_it(
    tmp_path: Path, name: str, content: bytes, failure: type[Exception]
) -> None:
    """The engine must not see an exception; `Progress.failure` has it, and the outcome is thrown away."""
    path = tmp_path / name
    path.write_bytes(content)
    progress = Progress([path])
    assert list(dealt(merged([path], progress), progress)) == []
    assert type(progress.failure) is failure


def test_an_empty_file_is_no_events(tmp_path: Path) -> None:
    """Packed or not; every group is told that time has not begun."""
    for name in ("e", "e.gz", "e.zst"):
        path = file_of(tmp_path / name, [])
        progress = Progress([path])
        (batch,) = dealt(merged([path], progress), progress)
        assert [(key, of_group[2:4]) for key, of_group in batch] == [(str(group), (0, [])) for group in range(64)]
        assert progress.failure is None
