"""Deliveries → the logs table: one event, one row, in the order they came.

    Delivery --decode--> events --first pass: platform.start--> Invocations
                                --second pass: one Row each--> pa.Table

Two passes, because the order inside a batch is not causal: a `platform.start` may come after
lines of its own invocation. One bad event never costs the batch: it becomes a row with its raw
text, and is counted.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from msgspec import Struct

from otlp2parquet_ext import __version__
from otlp2parquet_ext.records.mapping.mapper import Mapper
from otlp2parquet_ext.records.mapping.rows import PORTION, UNLIMITED, Row, constants, tables
from otlp2parquet_ext.records.mapping.times import NEAR_US
from otlp2parquet_ext.records.telemetry.decode import Event, Malformed, decode_as_sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

    from otlp2parquet_ext.records.mapping.exclude import Exclusion
    from otlp2parquet_ext.records.mapping.invocations import Invocations
    from otlp2parquet_ext.records.mapping.rows import RowLimits
    from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

Decoded: TypeAlias = "Iterable[tuple[Sequence[Event | Malformed], int]]"
"""For each delivery its parts, and Unix microseconds at which it was received."""

SCOPE_NAME = "otlp2parquet_ext"

KEPT_BYTES = 1_048_576
"""Longest batch whose events are kept from the first pass to the second."""


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
    context: EnvironmentContext,
    invocations: Invocations,
    exclude: Exclusion | None = None,
    *,
    near_us: int = NEAR_US,
) -> LogTable:
    """Turn deliveries into rows of the logs table, in the same order.

    Args:
        deliveries: n >= 0 bodies of one batch, whatever their bytes.
        context: the execution environment they come from.
        invocations: what is known of its invocations; learns from the batch.
        exclude: rows that are not wanted; None for no such wish.
        near_us: as for `Mapper`.

    Returns:
        A table whose schema is `LOGS`, nullability included; no events give no rows. The same
        arguments (invocations in the same state) give the same table.

    Source: OpenTelemetry, "Logs Data Model"; AWS Lambda developer guide, "Telemetry API Event
    schema reference"; docs/schema.md.
    """
    made = list(log_parts(deliveries, context, invocations, exclude, near_us=near_us))
    if len(made) == 1:
        return LogTable(made[0].table, made[0].malformed)
    import pyarrow as pa  # noqa: PLC0415 - the parts are made of it

    table = pa.concat_tables([one.table for one in made])
    return LogTable(table, sum(one.malformed for one in made))


class LogPart(NamedTuple):
    """Some of the rows of a batch; see `LogTable`. `last` when no others follow."""

    table: pa.Table
    malformed: int
    last: bool


def log_parts(
    deliveries: Sequence[Delivery],
    context: EnvironmentContext,
    invocations: Invocations,
    exclude: Exclusion | None = None,
    limits: RowLimits = UNLIMITED,
    *,
    near_us: int = NEAR_US,
) -> Iterator[LogPart]:
    """Turn deliveries into rows as `log_table` does, but not into more at once than `limits` says.

    Yields:
        At least one part; one that has no rows may be the last.
    """
    mapper = Mapper(context, invocations, near_us)
    if sum(len(delivery.body) for delivery in deliveries) <= KEPT_BYTES:
        decoded = deque(
            (decode_as_sent(delivery.body), delivery.received_us) for delivery in deliveries
        )
        return _log_parts(decoded, decoded, mapper, exclude, limits)
    # Decoded twice: all events of a large batch at once take ten times its bytes.
    return _log_parts(_decoding(deliveries), _decoding(deliveries), mapper, exclude, limits)


def _decoding(deliveries: Sequence[Delivery]) -> Decoded:
    return ((decode_as_sent(delivery.body), delivery.received_us) for delivery in deliveries)


def text_table(
    deliveries: Sequence[Delivery], context: EnvironmentContext, invocations: Invocations
) -> LogTable:
    """Turn each delivery into one row that holds its body as it came; see `log_table`.

    For a batch that `log_table` breaks on, whatever the reason: a bug of ours costs columns, not
    telemetry.
    """
    parts = [
        ([Malformed(delivery.body.decode(errors="replace"))], delivery.received_us)
        for delivery in deliveries
    ]
    (made,) = _log_parts(parts, deque(parts), Mapper(context, invocations), None, UNLIMITED)
    return LogTable(made.table, made.malformed)


def _log_parts(
    first: Decoded,
    second: Decoded,
    mapper: Mapper,
    exclude: Exclusion | None,
    limits: RowLimits,
) -> Iterator[LogPart]:
    for events, observed_us in first:
        mapper.learn(events, observed_us)
        if first is not second:
            mapper.forget_events()
    same = constants(mapper.resource(), SCOPE_NAME, __version__)
    malformed = 0
    for rows, last in tables(_rows(mapper, second, exclude), same, limits):
        yield LogPart(rows, mapper.malformed - malformed, last)
        malformed = mapper.malformed
        del rows  # before the next are made


def _rows(
    mapper: Mapper, decoded: Decoded, exclude: Exclusion | None
) -> Iterator[tuple[list[Row], int]]:
    # Each is forgotten in time, so that events and columns are not all there at once.
    for events, observed_us in _popping(decoded):
        for start in range(0, len(events), PORTION):
            rows = mapper.rows(events[start : start + PORTION], observed_us)
            yield (list(filter(exclude.keeps, rows)) if exclude else rows), observed_us


def _popping(decoded: Decoded) -> Decoded:
    if not isinstance(decoded, deque):
        yield from decoded
        return
    while decoded:
        yield decoded.popleft()
