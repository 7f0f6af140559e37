"""All tables by their internal names; settings define their names in a lake."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from otlp2parquet_ext.records.tables import logs, metrics, traces
from otlp2parquet_ext.records.tables.columns import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from otlp2parquet_ext.records.tables.columns import Column

TABLES: Mapping[str, tuple[Column, ...]] = {
    "logs": logs.COLUMNS,
    "traces": traces.COLUMNS,
    "metrics_gauge": metrics.GAUGE,
    "metrics_sum": metrics.SUM,
    "metrics_histogram": metrics.HISTOGRAM,
    "metrics_exponential_histogram": metrics.EXPONENTIAL_HISTOGRAM,
    "metrics_summary": metrics.SUMMARY,
}


@cache
def arrow(name: str) -> pa.Schema:
    """Return a table's Arrow schema, in PascalCase.

    Args:
        name: a key of `TABLES`.

    Raises:
        KeyError: a bug of ours.
    """
    return arrow_schema(TABLES[name])
