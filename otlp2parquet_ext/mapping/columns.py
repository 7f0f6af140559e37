"""Lists of values → a table of a known schema; what is the same on every row is given once.

Columns that are the same on every row (resource, scope) cost nothing per row: one short chunk
is repeated by reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from otlp2parquet_ext.tables.registry import arrow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otlp2parquet_ext.mapping.resource import Resource

_CHUNK = 1024


def table(
    name: str, varying: Mapping[str, Sequence[object]], same: Mapping[str, object]
) -> pa.Table:
    """Give n >= 1 rows as a table.

    Args:
        name: a key of `TABLES`.
        varying: n values of each column that differs from row to row.
        same: the value of each other column; columns the table lacks are passed over.
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


def constants(resource: Resource, scope_name: str, scope_version: str) -> dict[str, object]:
    """Give the columns of resource and scope, which are the same on every row of a batch."""
    return {
        "ServiceName": resource.service_name,
        "ServiceNamespace": resource.service_namespace,
        "ServiceInstanceId": resource.service_instance_id,
        "ResourceAttributes": resource.attributes,
        "ResourceSchemaUrl": None,
        "ScopeName": scope_name,
        "ScopeVersion": scope_version,
        "ScopeAttributes": "{}",
        "ScopeSchemaUrl": None,
        "DroppedAttributesCount": 0,
    }


def repeated(value: object, length: int, type_: pa.DataType) -> pa.ChunkedArray:
    """Give a column of one value."""
    chunk = pa.repeat(pa.scalar(value, type_), min(length, _CHUNK))
    whole, rest = divmod(length, _CHUNK)
    chunks = [chunk] * whole + ([chunk.slice(0, rest)] if rest else [])
    return pa.chunked_array(chunks, type_)
