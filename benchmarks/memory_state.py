"""`sojourn` with state in memory alone: `python benchmarks/memory_state.py replay ...`, to compare with what RocksDB costs.

Dictionaries take the place of RocksDB; all else is as it is: the epochs, the undo records, the recovery store, the output.
Nothing of the state is there afterwards.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import state.store


class _Family(dict[bytes, bytes]):
    """A column family."""

    def get(self, key: Any, default: Any = None) -> Any:  # type: ignore[override]
        """One value, or those of a list of keys."""
        if isinstance(key, list):
            find = super().get
            return [find(each) for each in key]
        return super().get(key, default)

    def iter(self) -> "_Walk":
        return _Walk(sorted(self.items()))

    def flush(self) -> None: ...


class _Walk:
    """An iterator as rocksdict has it."""

    def __init__(self, items: list[tuple[bytes, bytes]]) -> None:
        self._items, self._at = items, 0

    def seek(self, start: bytes) -> None:
        self._at = sum(key < start for key, _ in self._items)

    def valid(self) -> bool:
        return self._at < len(self._items)

    def key(self) -> bytes:
        return self._items[self._at][0]

    def value(self) -> bytes:
        return self._items[self._at][1]

    def next(self) -> None:
        self._at += 1

    def status(self) -> None: ...


class _Batch:
    """What one epoch changes."""

    def __init__(self, raw_mode: bool) -> None:
        self.writes: list[tuple[_Family, bytes, bytes | None]] = []

    def put(self, key: bytes, value: bytes, family: _Family) -> None:
        self.writes.append((family, key, value))

    def delete(self, key: bytes, family: _Family) -> None:
        self.writes.append((family, key, None))


class _Database:
    """Column families."""

    def __init__(self, path: str, options: object, column_families: Iterable[str]) -> None:
        Path(path).mkdir(exist_ok=True)
        self._families = {name: _Family() for name in column_families}

    def get_column_family(self, name: str) -> _Family:
        return self._families[name]

    get_column_family_handle = get_column_family

    def write(self, batch: _Batch, options: object) -> None:
        for family, key, value in batch.writes:
            if value is None:
                family.pop(key, None)
            else:
                family[key] = value

    def close(self) -> None: ...


def main() -> None:
    """Run the command with them in place."""
    state.store.Rdict = _Database  # type: ignore[misc,assignment]
    state.store.WriteBatch = _Batch  # type: ignore[misc,assignment]
    from flows import cli  # noqa: PLC0415 - after that

    sys.argv[0] = "sojourn"
    cli.main()


if __name__ == "__main__":
    main()
