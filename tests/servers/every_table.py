"""Rows for every table: columns with values, nulls where allowed, and lists of any length."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from otlp2parquet_ext.records.tables.columns import named
from otlp2parquet_ext.records.tables.registry import TABLES, arrow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.records.tables.columns import Column

NOON_US = 1_773_489_600_000_000  # 2026-03-14T12:00:00Z
ROWS = 4


def value(column: Column, row: int, word: str) -> Any:
    """Make a value that shows its column and row."""
    match word:
        case "timestamptz":
            return NOON_US + 1_000 * column.field_id + row + 1
        case "string":
            return f"{column.name} {row} ü"
        case "int":
            return -(2**31) + 100 * column.field_id + row
        case "long":
            return 2**62 + 100 * column.field_id + row
        case "double":
            return column.field_id + row / 4
        case _:
            return row % 2 == 0


def cell(column: Column, row: int) -> Any:
    """Make the value of a column of a row; the last row has as few values as possible."""
    last = row == ROWS - 1
    if column.name == "ServiceName":
        return "orders"
    if not column.element_type:
        return None if column.nullable and last else value(column, row, column.type)
    elements = [value(column, 10 * row + n, column.element_type) for n in range(row)]
    if column.element_nullable and elements:
        elements[0] = None
    return [] if last else elements


def rows(name: str) -> pa.Table:
    """Make `ROWS` rows of a table, all of one hour."""
    schema = arrow(name)
    cells = [
        pa.array([cell(column, row) for row in range(ROWS)], field.type)
        for column, field in zip(TABLES[name], schema, strict=True)
    ]
    return pa.table(cells, schema=schema)


def all_rows() -> dict[str, pa.Table]:
    """Make rows of every table, as a batch has them."""
    return {name: rows(name) for name in TABLES}


def selected(columns: Sequence[Column]) -> str:
    """Return what to select, so that DuckDB gives times as microseconds, in lists, too."""
    terms = []
    for column in columns:
        term = column.name
        if column.type == "timestamptz":
            term = f"epoch_us({term})"
        elif column.element_type == "timestamptz":
            term = f"list_transform({term}, lambda t: epoch_us(t))"
        terms.append(term)
    return ", ".join(terms)


def expected(name: str) -> list[tuple[Any, ...]]:
    """Return the rows of a table as `selected` gives them."""
    return [tuple(cell(column, row) for column in TABLES[name]) for row in range(ROWS)]


def fields(name: str, *, lower_case: bool) -> list[tuple[int, str, bool, object]]:
    """Return id, name, required and type of each field the Iceberg table has to have."""
    return [
        (c.field_id, c.name, not c.nullable, _type(c))
        for c in named(TABLES[name], lower_case=lower_case)
    ]


def _type(column: Column) -> object:
    if not column.element_type:
        return column.type
    return {
        "type": "list",
        "element-id": column.element_id,
        "element": column.element_type,
        "element-required": not column.element_nullable,
    }


def as_java_says(name: str, row: int) -> dict[str, Any]:
    """Return a row as `ReadTable.java` prints it: numbers as they are, all else as text."""
    return {c.name: _as_java_says(cell(c, row), c.type) for c in TABLES[name]}


def _as_java_says(found: Any, word: str) -> Any:
    if found is None:
        return None
    if word.startswith("list<"):
        elements = (_as_java_says(element, word[5:-1]) for element in found)
        return f"[{', '.join('null' if e is None else str(e) for e in elements)}]"
    if word == "timestamptz":
        time = datetime.fromtimestamp(found / 1e6, UTC).replace(microsecond=found % 1_000_000)
        return time.isoformat().replace("+00:00", "Z")
    return str(found).lower() if isinstance(found, bool) else found
