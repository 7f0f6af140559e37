"""Read a destination back with DuckDB: an engine that did not write it.

    destination URL --> a DuckDB connection in which the view `logs` is the table

Part of the extra `[report]`; not in the layer.
"""

from __future__ import annotations

import importlib.util
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import duckdb


class QueryError(Exception):
    """There is nothing to read, or DuckDB is not installed; the message says what to do."""


def connect(
    destination: str, namespace: str = "otel", table: str = "logs"
) -> duckdb.DuckDBPyConnection:
    """Open a destination for reading.

    Args:
        destination: a `sqlite:///…` or `file:///…` URL, as in `OTLP2PARQUET_DESTINATION`.
        namespace, table: the Iceberg table's name.

    Returns:
        A connection with the view `logs`; times are in UTC.

    Raises:
        QueryError: DuckDB is missing, the URL has another scheme, or nothing is there.
    """
    try:
        import duckdb  # noqa: PLC0415 - an extra: everything else works without it
    except ImportError:
        raise QueryError("DuckDB is missing: pip install 'otlp2parquet_ext[report]'") from None
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    source = _source(connection, destination, namespace, table)
    connection.execute(f"CREATE VIEW logs AS SELECT * FROM {source}")  # noqa: S608 - quoted there
    return connection


def _source(
    connection: duckdb.DuckDBPyConnection, destination: str, namespace: str, table: str
) -> str:
    url = urlsplit(destination)
    if url.scheme == "file":
        if next(Path(url.path).glob("logs/**/*.parquet"), None) is None:
            raise QueryError(f"{destination}: no Parquet file below {url.path}/logs")
        return f"read_parquet({_quote(url.path + '/logs/**/*.parquet')}, hive_partitioning = false)"
    if url.scheme == "sqlite":
        for name in ("avro", "iceberg"):
            connection.execute(f"LOAD {_quote(str(_extension(name)))}")
        return f"iceberg_scan({_quote(metadata_location(destination, namespace, table))})"
    raise QueryError(f"{destination}: only sqlite:/// and file:/// destinations can be read here")


def metadata_location(destination: str, namespace: str = "otel", table: str = "logs") -> str:
    """Return the path of a table's current metadata, as its SQLite catalog knows it.

    Raises:
        QueryError: there is no such catalog or table.
    """
    database = Path(urlsplit(destination).path)
    sql = (
        "SELECT metadata_location FROM iceberg_tables WHERE table_namespace = ? AND table_name = ?"
    )
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as catalog:
            row = catalog.execute(sql, (namespace, table)).fetchone()
    except sqlite3.Error as error:
        raise QueryError(f"{destination}: {database} is no Iceberg catalog: {error}") from error
    if row is None:
        raise QueryError(f"{destination}: there is no table {namespace}.{table} yet")
    return str(row[0]).removeprefix("file://")


def warehouse(destination: str) -> Path:
    """Return the folder in which a `sqlite:///…` destination keeps its tables."""
    url = urlsplit(destination)
    named = parse_qs(url.query).get("warehouse")
    return Path(named[0]) if named else Path(url.path).parent / "warehouse"


def _extension(name: str) -> Path:
    """Return DuckDB's extension as its package on the package index carries it: no download."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    if spec is None or spec.origin is None:
        raise QueryError(f"DuckDB's {name} extension is missing: see the extra [report]")
    return next(Path(spec.origin).parent.rglob(f"{name}.duckdb_extension"))


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def table_text(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Run one statement and return its rows as a table for a terminal.

    Raises:
        QueryError: DuckDB refuses the statement.
    """
    import duckdb  # noqa: PLC0415 - as in `connect`

    try:
        return str(connection.sql(sql) or "").rstrip()
    except duckdb.Error as error:
        raise QueryError(f"{sql}: {error}") from error
