"""Split a table of rows by time or text, without the Arrow compute library (145 ms to import)."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

K = TypeVar("K", int, str)
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


def split_by_time(table: pa.Table, unit_us: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield the units of time in a table, each with its rows in their order.

    Args:
        table: has a non-null column `Timestamp`, microseconds since 1970, first in its schema.
        unit_us: length of a unit, for example `DAY_US`.

    Yields:
        (number of the unit since 1970, its rows), oldest first. No rows yield nothing.
    """
    yield from split(table, [time_us // unit_us for time_us in timestamps_us(table)])


def split(table: pa.Table, keys: Sequence[K]) -> Iterator[tuple[K, pa.Table]]:
    """Yield the different keys in their order, each with its rows in theirs.

    Args:
        table: n rows.
        keys: one for each row.
    """
    slices: dict[K, list[pa.Table]] = {}
    position = 0
    for key, run in groupby(keys):
        length = sum(1 for _ in run)
        slices.setdefault(key, []).append(table.slice(position, length))
        position += length
    for key in sorted(slices):
        parts = slices[key]
        yield key, pa.concat_tables(parts) if len(slices) > 1 else table


def timestamps_us(table: pa.Table) -> list[int]:
    """Return the first column as integers, microseconds since 1970."""
    values: list[int] = []
    for chunk in table.column(0).chunks:
        view = memoryview(chunk.buffers()[1]).cast("q")
        values.extend(view[chunk.offset : chunk.offset + len(chunk)])
    return values
