"""The lean append, put together for each catalog it serves."""

from __future__ import annotations

from pathlib import Path

from otlp2parquet_ext.iceberg.append import LeanTable
from otlp2parquet_ext.iceberg.file_catalog import FileCatalog
from otlp2parquet_ext.iceberg.sqlite_catalog import SqlitePointer
from otlp2parquet_ext.storage.local import LocalStorage
from otlp2parquet_ext.tables.logs import COLUMNS


def sqlite_table(database: Path, location: Path, namespace: str, table: str) -> LeanTable:
    """Return a table of the SQLite catalog in the file `database`; nothing is opened yet.

    Args:
        database: the catalog.
        location: where a table that is created lies; one that exists lies where it says.
        namespace, table: its name.
    """
    disk = LocalStorage(Path("/"))
    catalog = FileCatalog(SqlitePointer(database, namespace, table), disk)
    label = f"{namespace}.{table}"
    return LeanTable(catalog, disk, COLUMNS, location=str(location), label=label)
