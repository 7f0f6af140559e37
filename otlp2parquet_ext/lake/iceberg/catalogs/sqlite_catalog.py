"""The SQLite catalog: the location of each table's metadata, as PyIceberg's SQL catalog stores it.

Each call opens its own connection. So a replaced file, or a long freeze between two calls, has no
effect.

Source: PyIceberg's documentation of its SQL catalog; Iceberg's JDBC catalog, schema version 1.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.iceberg.commit.catalog import OutcomeUnknownError
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CATALOG_NAME = "otlp2parquet_ext"

LOCK_WAIT_S = 10.0
"""Longest wait for a lock, in seconds. Our writers hold a lock for milliseconds. A longer lock
belongs to a forgotten or stopped program, and a committer must not wait an hour for it."""

PRIMARY_CODE = 0xFF
"""Mask of the primary code in an SQLite error code with extension."""

TABLES = """CREATE TABLE IF NOT EXISTS iceberg_tables (
    catalog_name VARCHAR(255) NOT NULL,
    table_namespace VARCHAR(255) NOT NULL,
    table_name VARCHAR(255) NOT NULL,
    metadata_location VARCHAR(1000),
    previous_metadata_location VARCHAR(1000),
    iceberg_type VARCHAR(5),
    PRIMARY KEY (catalog_name, table_namespace, table_name)
)"""
NAMESPACES = """CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
    catalog_name VARCHAR(255) NOT NULL,
    namespace VARCHAR(255) NOT NULL,
    property_key VARCHAR(255) NOT NULL,
    property_value VARCHAR(1000) NOT NULL,
    PRIMARY KEY (catalog_name, namespace, property_key)
)"""
THIS_TABLE = "WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?"
KNOWN = "SELECT count(*) FROM sqlite_master WHERE name = 'iceberg_tables'"
FIND = f"SELECT * FROM iceberg_tables {THIS_TABLE}"  # noqa: S608 - constants
ENTER_NAMESPACE = (
    "INSERT OR IGNORE INTO iceberg_namespace_properties VALUES (?, ?, 'exists', 'true')"
)
ENTER_TABLE = (
    "INSERT OR IGNORE INTO iceberg_tables "
    "(catalog_name, table_namespace, table_name, metadata_location) VALUES (?, ?, ?, ?)"
)
SWAP = (
    "UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ? "  # noqa: S608
    f"{THIS_TABLE} AND metadata_location = ?"
)


class SqlitePointer:
    """See `Pointer`.

    Args:
        database: the file; it and its folder are created with the first table.
        namespace, table: the table's name.
    """

    def __init__(self, database: Path, namespace: str, table: str) -> None:
        self._database = database
        self._key = (CATALOG_NAME, namespace, table)

    def current(self, deadline_ms: int) -> str | None:
        """See `Pointer.current`."""
        if not self._database.exists():
            return None
        with self._errors(), self._connection(deadline_ms) as connection:
            if connection.execute(KNOWN).fetchone()[0] == 0:
                return None
            row = connection.execute(FIND, self._key).fetchone()
        if row is None:
            return None
        if "iceberg_type" in row.keys() and row["iceberg_type"] not in (None, "TABLE"):  # noqa: SIM118
            raise CommitError(f"the name is taken by a {row['iceberg_type']} of the catalog")
        return str(row["metadata_location"])

    def create(self, location: str, deadline_ms: int) -> None:
        """See `Pointer.create`."""
        with self._errors():
            self._database.parent.mkdir(parents=True, exist_ok=True)
            with self._connection(deadline_ms) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(TABLES)
                connection.execute(NAMESPACES)
                connection.execute(ENTER_NAMESPACE, self._key[:2])
                connection.execute(ENTER_TABLE, (*self._key, location))
                connection.execute("COMMIT")

    def swap(self, old: str, new: str, deadline_ms: int) -> bool:
        """See `Pointer.swap`."""
        try:
            with self._connection(deadline_ms) as connection, self._lock_errors():
                done = connection.execute(SWAP, (new, old, *self._key, old))
                return done.rowcount == 1
        except sqlite3.Error as error:
            raise OutcomeUnknownError(f"{self._database}: {quote(error)}") from error

    def try_swap(self, deadline_ms: int) -> None:
        """See `TryingPointer`: takes the write lock, and releases it."""
        with self._errors(), self._connection(deadline_ms) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")

    @contextmanager
    def _connection(self, deadline_ms: int) -> Iterator[sqlite3.Connection]:
        """Open the database; statements wait for other writers' locks, up to `LOCK_WAIT_S`."""
        timeout_s = max(0.0, min(LOCK_WAIT_S, deadline_ms / 1_000 - time.time()))
        opened = sqlite3.connect(self._database, timeout=timeout_s, isolation_level=None)
        with closing(opened) as connection:
            connection.row_factory = sqlite3.Row
            yield connection

    @contextmanager
    def _lock_errors(self) -> Iterator[None]:
        """Turn the end of the wait for a lock into an error; a locked statement did nothing."""
        started_s = time.monotonic()
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & PRIMARY_CODE != sqlite3.SQLITE_BUSY:
                raise
            waited_s = time.monotonic() - started_s
            raise CommitError(
                f"the catalog {self._database} is locked: another program has held a transaction "
                f"open for {waited_s:.0f} s; end it, or let it commit"
            ) from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with self._lock_errors():
                yield
        except (sqlite3.Error, OSError) as error:
            raise CommitError(
                f"the catalog {self._database} cannot be used: {quote(error)}"
            ) from error
