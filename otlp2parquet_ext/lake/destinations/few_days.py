"""Bound the number of days among the rows of one batch for an Iceberg table.

    times of too many days --of_few_days()--> Timestamp: the time of receipt
                                              attribute `otlp2parquet_ext.timestamp`: the old time

A table is partitioned by the day of `Timestamp`, so each day needs a file of its own. A row whose
day gets no file receives the time of its receipt.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from otlp2parquet_ext.lake.destinations.partition import DAY_US, few_periods, timestamps_us

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ATTRIBUTE = "otlp2parquet_ext.timestamp"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US = 1_000_000
_TIMES, _WHOLE_SECONDS = "Timestamp", "TimestampTime"


def of_few_days(rows: pa.Table, name: str, received_us: int = 0) -> pa.Table:
    """Return the rows in their order, with times of at most `MOST_PERIODS` days.

    Args:
        rows: rows of one table.
        name: name of the table, one of `TABLES`.
        received_us: see `few_periods`.
    """
    times = timestamps_us(rows)
    days = few_periods(times, DAY_US, received_us)
    changes = [day != time_us // DAY_US for day, time_us in zip(days, times, strict=True)]
    if True not in changes:
        return rows
    receipt = days[changes.index(True)]
    if received_us // DAY_US != receipt:  # the time of receipt is unknown
        received_us = max(time_us for time_us in times if time_us // DAY_US == receipt)
    stamped = [
        received_us if change else time_us for change, time_us in zip(changes, times, strict=True)
    ]
    made = {
        _TIMES: stamped,
        _WHOLE_SECONDS: [time_us - time_us % _SECOND_US for time_us in stamped],
        _attributes_of(name): list(_told(rows.column(_attributes_of(name)), changes, times)),
    }
    for number, field in enumerate(rows.schema):
        if field.name in made:
            rows = rows.set_column(number, field, pa.array(made[field.name], field.type))
    return rows


def _attributes_of(name: str) -> str:
    return {"logs": "LogAttributes", "traces": "SpanAttributes"}.get(name, "Attributes")


def _told(
    attributes: pa.ChunkedArray, changes: Sequence[bool], times: Sequence[int]
) -> Iterator[str]:
    """Yield the attributes of each row; a row with a changed time gets its old time as one."""
    texts = (text for chunk in attributes.chunks for text in chunk.to_pylist())
    for text, change, time_us in zip(texts, changes, times, strict=True):
        if not change:
            yield text
            continue
        own = (_EPOCH + timedelta(microseconds=time_us)).isoformat().replace("+00:00", "Z")
        rest = text[1:] if text == "{}" else f",{text[1:]}"
        yield f'{{"{ATTRIBUTE}":"{own}"{rest}'
