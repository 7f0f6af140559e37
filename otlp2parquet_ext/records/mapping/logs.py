"""Maps deliveries to the logs table: one row for each event, in order of receipt.

    Delivery --decode--> events --first pass: platform.start--> Invocations
                                --second pass: one Row each--> pa.Table

There are two passes, because the order inside a batch is not causal: a `platform.start` may come
after lines of its own invocation. A bad event never fails the batch: it becomes a row with its raw
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
"""For each delivery, its events and the Unix microseconds of its receipt."""

SCOPE_NAME = "otlp2parquet_ext"

KEPT_BYTES = 1_048_576
"""Most bytes of a batch whose events are kept from the first pass to the second."""


class LogTable(Struct, frozen=True):
    """The rows of a batch.

    Attributes:
        table: schema `LOGS`; n events give n rows, without the excluded ones.
        malformed: number of rows that hold the raw text of parts that are no events.
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
        deliveries: n >= 0 bodies of one batch, with any bytes.
        context: the execution environment that they come from.
        invocations: known invocations of the environment; gets those of the batch.
        exclude: rows to exclude; None excludes none.
        near_us: as for `Mapper`.

    Returns:
        A table with the schema `LOGS`, nullability included; no events give no rows. The same
        arguments, with invocations in the same state, give the same table.

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
    """Some of the rows of a batch; see `LogTable`. `last` is True for the last part."""

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
    """Turn deliveries into rows as `log_table` does, in parts within `limits`.

    Yields:
        At least one part; the last one may have no rows.
    """
    mapper = Mapper(context, invocations, near_us)
    if sum(len(delivery.body) for delivery in deliveries) <= KEPT_BYTES:
        decoded = deque(
            (decode_as_sent(delivery.body), delivery.received_us) for delivery in deliveries
        )
        return _log_parts(decoded, decoded, mapper, exclude, limits)
    # Deliveries of a large batch are decoded twice, because all its events at once take ten times
    # its bytes.
    return _log_parts(_decoding(deliveries), _decoding(deliveries), mapper, exclude, limits)


def _decoding(deliveries: Sequence[Delivery]) -> Decoded:
    return ((decode_as_sent(delivery.body), delivery.received_us) for delivery in deliveries)


def text_table(
    deliveries: Sequence[Delivery], context: EnvironmentContext, invocations: Invocations
) -> LogTable:
    """Turn each delivery into one row that holds its body as received; see `log_table`.

    For a batch on which `log_table` fails for any reason, so that a bug of ours loses columns, not
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
        del rows  # before the next ones are made


def _rows(
    mapper: Mapper, decoded: Decoded, exclude: Exclusion | None
) -> Iterator[tuple[list[Row], int]]:
    # Each delivery is freed after use, so that not all events and columns are in memory at once.
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
