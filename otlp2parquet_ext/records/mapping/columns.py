"""Makes a table of a known schema from lists of values; equal values of all rows are given once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from otlp2parquet_ext.records.mapping.rows import repeated
from otlp2parquet_ext.records.tables.registry import arrow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def table(
    name: str, varying: Mapping[str, Sequence[object]], same: Mapping[str, object]
) -> pa.Table:
    """Return n >= 1 rows as a table.

    Args:
        name: a key of `TABLES`.
        varying: n values of each column that differs from row to row.
        same: the value of each other column; columns that the table lacks are ignored.
    """
    schema = arrow(name)
    length = len(next(iter(varying.values())))
    columns = [
        pa.array(varying[field.name], field.type)
        if field.name in varying
        else repeated(same[field.name], length, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
