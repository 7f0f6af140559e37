"""Columns of one table, filled group by group and passed to Arrow in portions.

    Columns.add(shared, varying)   shared values of a group; a list for each other column
    Columns.table()                the table

A value that many consecutive records share (resource, scope) is stored once and repeated by
reference. Python objects are freed when their portion is full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from otlp2parquet_ext.records.mapping.rows import CHUNK_BYTES, repeated
from otlp2parquet_ext.records.tables.registry import arrow

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTION = 1024
_PORTION_BYTES = 524_288
_SHORT_RUN = 8  # average length; shorter runs take more memory than single values
_SHORT_VALUE = 1024  # bytes; longer ones are not repeated


class Columns:
    """The columns of one table.

    Args:
        table: a key of `TABLES`.

    Attributes:
        rows: number of rows.
        size_bytes: bytes of the columns, without the pending portion. A shared value counts once
            for consecutive groups.
    """

    def __init__(self, table: str) -> None:
        self._schema = arrow(table)
        self._pending: dict[str, list[object]] = {}
        self._chunks: dict[str, list[pa.Array]] = {}
        self._runs: dict[str, list[tuple[object, int]]] = {}
        self._pending_bytes = 0
        self.rows = self.size_bytes = 0

    def add(
        self,
        shared: Mapping[str, object],
        varying: Mapping[str, list[object]],
        size_bytes: int = 0,
    ) -> None:
        """Add the records of one group.

        Args:
            shared: columns with one value for all records; the same columns in each call. None
                becomes "" in a required column.
            varying: all other columns, of equal length.
            size_bytes: length of the records' request; its values take ten times as much memory.
        """
        rows = len(varying["Timestamp"])
        if not rows:
            return
        self.rows += rows
        for name, value in shared.items():
            runs = self._runs.setdefault(name, [])
            if runs and runs[-1][0] == value:
                runs[-1] = (value, runs[-1][1] + rows)
            else:
                runs.append((value, rows))
                if isinstance(value, str | bytes):
                    self.size_bytes += len(value)
        for name, values in varying.items():
            self._pending.setdefault(name, []).extend(values)
        self._pending_bytes += size_bytes
        if len(self._pending["Timestamp"]) >= _PORTION or self._pending_bytes >= _PORTION_BYTES:
            self._seal()

    def table(self) -> pa.Table | None:
        """Return the table; None without rows."""
        if not self.rows:
            return None
        self._seal()
        columns = [
            self._shared(field)
            if field.name in self._runs
            else pa.chunked_array(self._chunks[field.name], field.type)
            for field in self._schema
        ]
        return pa.table(columns, schema=self._schema)

    def _seal(self) -> None:
        for name, values in self._pending.items():
            if values:
                chunk = pa.array(values, self._schema.field(name).type)
                self._chunks.setdefault(name, []).append(chunk)
                self._pending[name] = []
                self.size_bytes += chunk.nbytes
        self._pending_bytes = 0

    def _shared(self, field: pa.Field) -> pa.ChunkedArray:
        runs = self._runs[field.name]
        if not field.nullable and pa.types.is_string(field.type):
            runs = [("" if value is None else value, rows) for value, rows in runs]
        if len(runs) * _SHORT_RUN > self.rows and not any(map(_is_long, runs)):
            flat = [value for value, rows in runs for _ in range(rows)]
            return pa.chunked_array([pa.array(flat, field.type)])
        chunk_bytes = CHUNK_BYTES // len(runs)
        chunks = [chunk for run in runs for chunk in repeated(*run, field.type, chunk_bytes).chunks]
        return pa.chunked_array(chunks, field.type)


def _is_long(run: tuple[object, int]) -> bool:
    value = run[0]
    return isinstance(value, str | bytes) and len(value) > _SHORT_VALUE
