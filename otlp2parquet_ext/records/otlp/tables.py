"""Makes tables from accepted OTLP requests.

    payload --parse--> resources > scopes > records --column by column--> pa.Table

One request is parsed at a time and freed before the next; values that its records share are stored
once.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from otlp2parquet_ext.records.mapping.rows import UNLIMITED
from otlp2parquet_ext.records.otlp.columns import Columns
from otlp2parquet_ext.records.otlp.invocation_matching import Belonging
from otlp2parquet_ext.records.otlp.logs import log_columns
from otlp2parquet_ext.records.otlp.messages import Signal, points, request_class, scopes
from otlp2parquet_ext.records.otlp.metrics import metric_columns, point_columns
from otlp2parquet_ext.records.otlp.origin import Origins
from otlp2parquet_ext.records.otlp.pieces import pieces
from otlp2parquet_ext.records.otlp.traces import span_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from otlp2parquet_ext.records.mapping.invocations import Invocations
    from otlp2parquet_ext.records.mapping.resource import Resource
    from otlp2parquet_ext.records.mapping.rows import RowLimits

GROUP_ROWS = 8_192
"""Most records that are columns of Python values at the same time."""


def otlp_tables(
    signal: Signal,
    payloads: Sequence[tuple[bytes, int]],
    environment: Resource,
    invocations: Invocations,
) -> dict[str, pa.Table]:
    """Turn requests of one signal into tables, records in order of receipt.

    Args:
        signal: the signal of the requests.
        payloads: for each request, `Accepted.payload` and the Unix microseconds of its receipt.
        environment: resource of the execution environment; added to those of the requests.
        invocations: known invocations of the environment; not changed.

    Returns:
        Tables with rows, by their names in `TABLES`, with their schemas, nullability included. The
        same arguments give the same tables.

    Raises:
        google.protobuf.message.DecodeError: a bug of ours; `read_request` read the payload.

    Source: opentelemetry-proto; docs/schema.md; docs/otlp-fields.md.
    """
    made = [tables for tables, _ in otlp_parts({signal: payloads}, environment, invocations)]
    if len(made) == 1:
        return made[0]
    names = dict.fromkeys(name for tables in made for name in tables)
    return {name: pa.concat_tables([t[name] for t in made if name in t]) for name in names}


def otlp_parts(
    requests: Mapping[Signal, Sequence[tuple[bytes, int]]],
    environment: Resource,
    invocations: Invocations,
    limits: RowLimits = UNLIMITED,
) -> Iterator[tuple[dict[str, pa.Table], bool]]:
    """Turn requests into tables, in parts within `limits`.

    Args:
        requests: by signal; see `otlp_tables`.
        environment, invocations: see `otlp_tables`.
        limits: a part ends with the group of records that reaches one of them.

    Yields:
        Tables with rows, and whether they are the last; the last part may have no table.
    """
    filler = _Filler(Origins(environment), Belonging(invocations))
    for signal, payloads in requests.items():
        for payload, received_us in payloads:
            for piece in pieces(signal, payload):
                # The number of values per byte of a large request is unknown.
                dense = 1 if piece is payload else 2
                for _ in filler.add(signal, piece, received_us, dense * len(piece)):
                    if filler.reaches(limits):
                        yield filler.take(), False
    yield filler.take(), True


class _Filler:
    """Fills the columns of a batch."""

    def __init__(self, origins: Origins, belonging: Belonging) -> None:
        self._columns: dict[str, Columns] = {}
        self._origins = origins
        self._belonging = belonging

    def reaches(self, limits: RowLimits) -> bool:
        """Tell whether the rows or bytes reach a limit."""
        filled = self._columns.values()
        return (
            sum(one.rows for one in filled) >= limits.rows
            or sum(one.size_bytes for one in filled) >= limits.size_bytes
        )

    def take(self) -> dict[str, pa.Table]:
        """Return the tables with rows, and start with empty ones."""
        filled, self._columns = self._columns, {}
        tables = {name: columns.table() for name, columns in filled.items()}
        return {name: table for name, table in tables.items() if table is not None}

    def add(
        self, signal: Signal, payload: bytes, received_us: int, size_bytes: int
    ) -> Iterator[None]:
        """Add the records of one request; yield after each few thousand of them.

        `size_bytes` is its length, which counts completely for the first group.
        """
        request = request_class(signal).FromString(payload)
        for _, resource, scope, records in scopes(signal, request):
            origin = self._origins.resource(resource)
            shared = {**origin.columns, **self._origins.scope(scope)}
            where = (origin.request_id, self._belonging, received_us)
            for table, more, found, read in _groups(signal, records):
                for start in range(0, len(found), GROUP_ROWS):
                    columns = read(found[start : start + GROUP_ROWS], *where)
                    self._of(table).add({**shared, **more}, columns, size_bytes)
                    size_bytes = 0
                    yield

    def _of(self, table: str) -> Columns:
        if table not in self._columns:
            self._columns[table] = Columns(table)
        return self._columns[table]


def _groups(
    signal: Signal, records: Any
) -> Iterator[tuple[str, Mapping[str, object], Any, Callable[..., dict[str, list[Any]]]]]:
    """Yield groups of records: table, shared columns, records, reader of the other columns."""
    if signal is Signal.LOGS:
        yield "logs", {}, records, log_columns
    elif signal is Signal.TRACES:
        yield "traces", {}, records, span_columns
    else:
        for metric in records:
            kind, found = points(metric)
            yield (
                f"metrics_{kind}",
                metric_columns(metric, kind),
                found,
                partial(point_columns, kind),
            )
