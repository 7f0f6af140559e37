"""A descriptor for a file that lost its own, made from the file itself."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from otlp2parquet_ext.destinations.partition import DAY_US
from otlp2parquet_ext.iceberg import DataFile
from otlp2parquet_ext.iceberg.format.bounds import statistics
from otlp2parquet_ext.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.iceberg.upkeep.sweep import Stray
    from otlp2parquet_ext.storage import Storage
    from otlp2parquet_ext.tables.columns import Column


def descriptor(storage: Storage, stray: Stray, columns: Sequence[Column]) -> DataFile | None:
    """Return a stray file's descriptor; None when it is not a whole file of ours.

    Args:
        storage: reaches it.
        stray: the file.
        columns: ours, of its table.

    Raises:
        StorageError: it cannot be read.
    """
    # Seldom needed, and heavy.
    import pyarrow as pa  # noqa: PLC0415

    from otlp2parquet_ext.destinations.parquet_file import read_footer  # noqa: PLC0415
    from otlp2parquet_ext.destinations.refit import fit_of  # noqa: PLC0415

    data = storage.get(stray.entry.path)
    try:
        footer = read_footer(data)
        fit = fit_of(footer, columns)
    except (pa.ArrowException, StorageError):
        return None
    if footer.num_row_groups != 1 or footer.num_rows < 1 or len(data) != stray.entry.size_bytes:
        return None
    found = statistics(footer, fit.columns)
    time_id = fit.columns[0].field_id
    bounds = (found.lower_bounds.get(time_id), found.upper_bounds.get(time_id))
    if any(bound is None or _day(bound) != stray.day for bound in bounds):
        return None
    return DataFile(
        name=stray.name,
        path=storage.url(stray.entry.path),
        day=stray.day,
        rows=footer.num_rows,
        size_bytes=len(data),
        stored_ms=stray.entry.stored_ms,
        statistics=found,
        fields=fit.tag,
    )


def _day(bound: bytes) -> int:
    """Return the day of a time in Iceberg's binary form."""
    return int(struct.unpack("<q", bound)[0]) // DAY_US
