"""The external sort: whatever fits into memory or not, what comes out is what `sorted` gives, and nothing is left behind."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import external_sort
from flows.external_sort import ExternalSort, FrameWriter, read_frames, write_all

items = st.lists(st.tuples(st.text(max_size=4), st.integers(0, 20), st.binary(max_size=30)))


def size_of(item: tuple[Any, ...]) -> int:
    return len(item[2]) + 10


@given(items, st.integers(0, 200))
@settings(deadline=None, max_examples=30)
def test_it_gives_what_sorted_gives(several: list[tuple[Any, ...]], run_bytes_max: int) -> None:
    """With runs of one item, of a few, or none at all; equal items stay as many as they were."""
    with tempfile.TemporaryDirectory() as directory:
        sort = ExternalSort(Path(directory), run_bytes_max)
        for item in several:
            sort.add(item, size_of(item))
        assert list(sort) == sorted(several)
        assert list(Path(directory).iterdir()) == []


def test_what_does_not_fit_is_on_disk_meanwhile(tmp_path: Path) -> None:
    """Runs are written as soon as the bound is passed: memory holds one run, not the input."""
    # given a bound of ten items
    sort = ExternalSort(tmp_path, run_bytes_max=1000)
    several = [(f"{number * 7919 % 1000:03}", number, b"x" * 90) for number in range(1000)]
    # when a thousand are added, then no more than ten are held
    for item in several:
        sort.add(item, 100)
        assert len(sort._run) <= 10
    assert len(list(tmp_path.iterdir())) == 90
    # and all of them come out
    assert list(sort) == sorted(several)


def test_the_merge_reads_runs_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first item is there before the runs are read to their ends."""
    monkeypatch.setattr(external_sort, "_FRAME_ITEMS_MAX", 2)
    read: list[int] = []
    decode = external_sort._decode

    def counted(frame: bytes) -> list[tuple[Any, ...]]:
        read.append(len(frame))
        return decode(frame)

    monkeypatch.setattr(external_sort, "_decode", counted)
    sort = ExternalSort(tmp_path, run_bytes_max=1000)
    for number in range(1000):
        sort.add((number,), 100)
    assert next(iter(sort)) == (0,)
    assert len(read) == len(list(tmp_path.iterdir())) > 10


def test_items_may_end_in_what_has_no_order(tmp_path: Path) -> None:
    """Details come behind what decides; they are never compared, and come back as they were."""
    several = [("", 2 - number, b"raw", {"reason": "not_json", "origin": 5 << 48 | number}) for number in range(3)]
    sort = ExternalSort(tmp_path, run_bytes_max=1)
    for item in several:
        sort.add(item, 3)
    assert list(sort) == several[::-1]


def test_frames_come_back_in_order(tmp_path: Path) -> None:
    """Large items and many items are framed apart, so that no frame grows without bound; none is lost."""
    several = [(number, b"x" * (300_000 if number % 100 == 0 else 3)) for number in range(5_000)]
    path = tmp_path / "frames"
    sizes = []

    class Noted(FrameWriter):
        def write(self, items: list[tuple[Any, ...]]) -> None:
            sizes.append((len(items), sum(len(item[1]) for item in items)))
            super().write(items)

    with path.open("wb") as file:
        write_all(Noted(file), several)
    assert list(read_frames(path)) == several
    assert max(count for count, _ in sizes) <= 2_000
    assert max(size for _, size in sizes) < (1 << 20) + 300_001


def test_nothing_is_sorted_into_nothing(tmp_path: Path) -> None:
    """An empty input is an empty output, in a file as well."""
    assert list(ExternalSort(tmp_path)) == []
    with (tmp_path / "frames").open("wb") as file:
        write_all(FrameWriter(file), [])
    assert list(read_frames(tmp_path / "frames")) == []
