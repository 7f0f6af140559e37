"""Split a table of rows by time or text, without the Arrow compute library (145 ms to import)."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

K = TypeVar("K", int, str, tuple[str, int])
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US

MOST_FILES = 100
"""Most files of one batch, or of one part of a large batch, in one table."""

RUNS = 256
BLOCK_ROWS = 1_024
COMPACT_BYTES = 4_194_304


def split_by_time(table: pa.Table, unit_us: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield the units of time in a table, each with its rows in the table's order.

    Args:
        table: has a non-null column `Timestamp`, microseconds since 1970, first in its schema.
        unit_us: length of a unit, for example `DAY_US`.

    Yields:
        (number of the unit since 1970, its rows), oldest first. No rows yield nothing.
    """
    yield from split(table, [time_us // unit_us for time_us in timestamps_us(table)])


def split(table: pa.Table, keys: Sequence[K]) -> Iterator[tuple[K, pa.Table]]:
    """Yield the distinct keys, sorted, each with its rows in the table's order.

    Args:
        table: n rows.
        keys: one key for each row.
    """
    runs = [(key, sum(1 for _ in run)) for key, run in groupby(keys)]
    slices: dict[K, list[pa.Table]] = {}
    if len({key for key, _ in runs}) == 1:
        slices[runs[0][0]] = [table]
    elif len(runs) <= RUNS:
        _slice(table, runs, slices)
    else:
        # A slice takes a kilobyte. When each row would be a slice, the values are copied instead.
        for start in range(0, table.num_rows, BLOCK_ROWS):
            block: dict[K, list[pa.Table]] = {}
            of_block = keys[start : start + BLOCK_ROWS]
            _slice(
                table.slice(start, BLOCK_ROWS),
                [(key, sum(1 for _ in run)) for key, run in groupby(of_block)],
                block,
            )
            for key, parts in block.items():
                slices.setdefault(key, []).append(_compact(parts))
    for key in sorted(slices):
        parts = slices[key]
        yield key, pa.concat_tables(parts) if len(parts) > 1 else parts[0]


def _slice(table: pa.Table, runs: Sequence[tuple[K, int]], slices: dict[K, list[pa.Table]]) -> None:
    position = 0
    for key, length in runs:
        slices.setdefault(key, []).append(table.slice(position, length))
        position += length


def _compact(parts: Sequence[pa.Table]) -> pa.Table:
    table = pa.concat_tables(parts)
    if len(parts) == 1 or table.nbytes > COMPACT_BYTES:
        return table
    return table.combine_chunks()


def bounded(keys: Sequence[K], most: int) -> tuple[set[K], int]:
    """Return the `most` keys with the most rows, and the number of rows of all other keys.

    Args:
        keys: one key for each row.
        most: most distinct keys to keep; among keys with equally many rows the smallest stay.
    """
    if len(found := set(keys)) <= most:
        return found, 0
    counts = Counter(keys)
    kept = sorted(found, key=lambda key: (-counts[key], key))[:most]
    return set(kept), len(keys) - sum(counts[key] for key in kept)


def rows_of(table: pa.Table, wanted: Sequence[bool]) -> pa.Table:
    """Return the rows of a table whose flag is set."""
    return dict(split(table, [int(one) for one in wanted])).get(1, table.slice(0, 0))


def timestamps_us(table: pa.Table) -> list[int]:
    """Return the first column as integers, microseconds since 1970."""
    values: list[int] = []
    for chunk in table.column(0).chunks:
        view = memoryview(chunk.buffers()[1]).cast("q")
        values.extend(view[chunk.offset : chunk.offset + len(chunk)])
    return values
