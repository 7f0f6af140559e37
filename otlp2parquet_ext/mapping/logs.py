"""Deliveries → the logs table: one event, one row, in the order they came.

    Delivery --decode--> events --first pass: platform.start--> Invocations
                                --second pass: one Row each--> pa.Table

Two passes, because the order inside a batch is not causal: a `platform.start` may come after
lines of its own invocation. One bad event never costs the batch: it becomes a row with its raw
text, and is counted.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from otlp2parquet_ext import __version__
from otlp2parquet_ext.mapping.mapper import Mapper
from otlp2parquet_ext.mapping.resource import resource
from otlp2parquet_ext.mapping.rows import PORTION, Row, constants, table
from otlp2parquet_ext.telemetry.decode import Event, Malformed, decode_as_sent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from otlp2parquet_ext.mapping.exclude import Exclusion
    from otlp2parquet_ext.mapping.invocations import Invocations
    from otlp2parquet_ext.telemetry.values import Context, Delivery

Decoded: TypeAlias = "deque[tuple[Sequence[Event | Malformed], int]]"
"""For each delivery its parts, and Unix microseconds at which it was received."""

SCOPE_NAME = "otlp2parquet_ext"


class LogTable(Struct, frozen=True):
    """The rows of a batch.

    Attributes:
        table: schema `LOGS`; n events give n rows, less those excluded.
        malformed: how many rows are parts that were no events, kept as raw text.
    """

    table: pa.Table
    malformed: int


def log_table(
    deliveries: Sequence[Delivery],
    context: Context,
    invocations: Invocations,
    exclude: Exclusion | None = None,
) -> LogTable:
    """Turn deliveries into rows of the logs table, in the same order.

    Args:
        deliveries: n >= 0 bodies of one batch, whatever their bytes.
        context: the execution environment they come from.
        invocations: what is known of its invocations; learns from the batch.
        exclude: rows that are not wanted; None for no such wish.

    Returns:
        A table whose schema is `LOGS`, nullability included; no events give no rows. The same
        arguments (invocations in the same state) give the same table.

    Source: OpenTelemetry, "Logs Data Model"; AWS Lambda developer guide, "Telemetry API Event
    schema reference"; docs/schema.md.
    """
    decoded = deque(
        (decode_as_sent(delivery.body), delivery.received_us) for delivery in deliveries
    )
    return _log_table(decoded, context, invocations, exclude)


def text_table(
    deliveries: Sequence[Delivery], context: Context, invocations: Invocations
) -> LogTable:
    """Turn each delivery into one row that holds its body as it came; see `log_table`.

    For a batch that `log_table` breaks on, whatever the reason: a bug of ours costs columns, not
    telemetry.
    """
    parts: Decoded = deque(
        ([Malformed(delivery.body.decode(errors="replace"))], delivery.received_us)
        for delivery in deliveries
    )
    return _log_table(parts, context, invocations, None)


def _log_table(
    decoded: Decoded, context: Context, invocations: Invocations, exclude: Exclusion | None
) -> LogTable:
    mapper = Mapper(context, invocations)
    for events, observed_us in decoded:
        mapper.learn(events, observed_us)
    environment = resource(context, invocations.function_arn, invocations.log_stream)
    made = table(_rows(mapper, decoded, exclude), constants(environment, SCOPE_NAME, __version__))
    return LogTable(made, mapper.malformed)


def _rows(
    mapper: Mapper, decoded: Decoded, exclude: Exclusion | None
) -> Iterator[tuple[list[Row], int]]:
    while decoded:  # and let go of each, so that events and columns are not all there at once
        events, observed_us = decoded.popleft()
        for start in range(0, len(events), PORTION):
            rows = mapper.rows(events[start : start + PORTION], observed_us)
            yield (list(filter(exclude.keeps, rows)) if exclude else rows), observed_us
