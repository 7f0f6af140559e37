"""Columns that traces and metrics share with each other, and with logs in all but nullability.

They have no ids yet; `numbered` assigns them for each table.
"""

from __future__ import annotations

from otlp2parquet_ext.records.tables.columns import Column, Encoding, TypeWord

PLAIN = Encoding.PLAIN
DELTA = Encoding.DELTA_BINARY_PACKED


def column(
    name: str,
    type_: TypeWord,
    doc: str,
    *,
    nullable: bool = False,
    encoding: Encoding = Encoding.DICTIONARY,
    bloom_filter: bool = False,
    bounds: bool = True,
) -> Column:
    """Return a column without ids; see `Column`. Lists never have bounds."""
    return Column(
        0,
        name,
        type_,
        nullable=nullable,
        doc=doc,
        encoding=encoding,
        bloom_filter=bloom_filter,
        bounds=bounds and not type_.startswith("list<"),
    )


RESOURCE_ATTRIBUTES = column(
    "ResourceAttributes",
    "string",
    "Resource attributes but `service.name`, `service.namespace` and `service.instance.id`, as a "
    "JSON object.",
    bounds=False,
)
SCOPE: tuple[Column, ...] = (
    column(
        "ScopeName",
        "string",
        "What made the record: the instrumentation scope's name; null when none.",
        nullable=True,
    ),
    column(
        "ScopeVersion",
        "string",
        "Version of the instrumentation scope; null when none.",
        nullable=True,
    ),
)
MORE_OF_RESOURCE_AND_SCOPE: tuple[Column, ...] = (
    column(
        "ServiceNamespace",
        "string",
        "Resource attribute `service.namespace`; null when none.",
        nullable=True,
    ),
    column(
        "ServiceInstanceId",
        "string",
        "Resource attribute `service.instance.id`: one execution environment.",
        nullable=True,
    ),
    column(
        "ResourceSchemaUrl",
        "string",
        "Schema URL of the resource; null when none.",
        nullable=True,
    ),
    column(
        "ScopeAttributes",
        "string",
        "Attributes of the instrumentation scope, as a JSON object.",
        bounds=False,
    ),
    column(
        "ScopeSchemaUrl",
        "string",
        "Schema URL of the scope; null when none.",
        nullable=True,
    ),
)
FAAS_INVOCATION_ID = column(
    "FaasInvocationId",
    "string",
    "Request id of the invocation the record belongs to; null outside invocations.",
    nullable=True,
    bloom_filter=True,
)
