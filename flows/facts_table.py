"""Facts in a Parquet file, as JSON lines; DuckDB reads them, with bounded memory."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import orjson

from state.errors import InputError

_ROWS = 2_000
"""Taken from DuckDB in one go."""


def parquet_lines(path: Path) -> Iterator[bytes]:
    """The rows of a Parquet file as JSON lines, without what is NULL.

    Raises:
        InputError: It is no Parquet file.
    """
    with duckdb.connect() as database:
        try:
            rows = database.execute("SELECT CAST(to_json(row) AS VARCHAR) FROM read_parquet(?) AS row", [str(path)])
            while found := rows.fetchmany(_ROWS):
                for (text,) in found:
                    record = orjson.loads(text)
                    yield orjson.dumps({name: value for name, value in record.items() if value is not None})
        except duckdb.Error as error:
            raise InputError(f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}") from error
