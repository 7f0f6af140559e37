"""Accepted OTLP requests → tables.

    payload --parse--> resources > scopes > records --column by column--> pa.Table

One request is parsed at a time and let go of; what its records share is stored once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.otlp.belonging import Belonging
from otlp2parquet_ext.otlp.columns import Columns
from otlp2parquet_ext.otlp.logs import log_columns
from otlp2parquet_ext.otlp.messages import Signal, points, request_class, scopes
from otlp2parquet_ext.otlp.metrics import metric_columns, point_columns
from otlp2parquet_ext.otlp.origin import Origins
from otlp2parquet_ext.otlp.traces import span_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from otlp2parquet_ext.mapping.invocations import Invocations
    from otlp2parquet_ext.mapping.resource import Resource


def otlp_tables(
    signal: Signal,
    payloads: Sequence[tuple[bytes, int]],
    environment: Resource,
    invocations: Invocations,
) -> dict[str, pa.Table]:
    """Turn requests of one signal into tables, records in the order they came.

    Args:
        signal: what the requests carry.
        payloads: of each request `Accepted.payload` and when it was received, in Unix
            microseconds.
        environment: resource of the execution environment; completes that of the requests.
        invocations: what is known of its invocations; is not changed.

    Returns:
        Tables with rows, by their names in `TABLES`; schemas are theirs, nullability included.
        The same arguments give the same tables.

    Raises:
        google.protobuf.message.DecodeError: a bug of ours; `read_request` read the payload.

    Source: opentelemetry-proto; docs/schema.md; docs/otlp-fields.md.
    """
    filler = _Filler(Origins(environment), Belonging(invocations))
    for payload, received_us in payloads:
        filler.add(signal, payload, received_us)
    tables = {name: columns.table() for name, columns in filler.columns.items()}
    return {name: table for name, table in tables.items() if table is not None}


class _Filler:
    """Fills the columns of a batch."""

    def __init__(self, origins: Origins, belonging: Belonging) -> None:
        self.columns: dict[str, Columns] = {}
        self._origins = origins
        self._belonging = belonging

    def add(self, signal: Signal, payload: bytes, received_us: int) -> None:
        """Add the records of one request."""
        request = request_class(signal).FromString(payload)
        for _, resource, scope, records in scopes(signal, request):
            origin = self._origins.resource(resource)
            shared = {**origin.columns, **self._origins.scope(scope)}
            where = (origin.request_id, self._belonging, received_us)
            if signal is Signal.LOGS:
                self._of("logs").add(shared, log_columns(list(records), *where))
            elif signal is Signal.TRACES:
                self._of("traces").add(shared, span_columns(list(records), *where))
            else:
                for metric in records:
                    kind, found = points(metric)
                    columns = point_columns(kind, list(found), *where)
                    self._of(f"metrics_{kind}").add(
                        {**shared, **metric_columns(metric, kind)}, columns
                    )

    def _of(self, table: str) -> Columns:
        if table not in self.columns:
            self.columns[table] = Columns(table)
        return self.columns[table]
