"""Reads a destination back with DuckDB, an engine that did not write it.

    destination URL --> a DuckDB connection with a view for each table: `logs`, `traces`, …

Part of the extra `[report]`; not in the layer.
"""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.common.settings.settings import Settings, load
from otlp2parquet_ext.lake.destinations.access import Access
from otlp2parquet_ext.lake.destinations.address import AddressError
from otlp2parquet_ext.lake.destinations.choose import PLAIN, checked
from otlp2parquet_ext.lake.destinations.destination_list import shown_list
from otlp2parquet_ext.lake.destinations.hive import signal_folder
from otlp2parquet_ext.lake.destinations.lake_factory import parts
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.storage import StorageError
from otlp2parquet_ext.records.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from otlp2parquet_ext.lake.destinations.address import DestinationAddress
    from otlp2parquet_ext.lake.destinations.lake_factory import Parts

LOAD_MS = 30_000
ERROR_CHARACTERS = 1_000
SERVICES = {"glue": "glue", "s3tables": "s3tables"}
"""Services whose endpoint the option `endpoint` names, other than S3."""


class QueryError(Exception):
    """There is nothing to read, or DuckDB is not installed; the message names the remedy."""


class NothingThereError(QueryError):
    """The destination is reachable, but there is no table yet."""


def connect(
    destination: str, environ: Mapping[str, str] | None = None
) -> duckdb.DuckDBPyConnection:
    """Open a destination for reading.

    Args:
        destination: a URL, as in `OTLP2PARQUET_DESTINATION`.
        environ: settings and credentials; by default, those of this process.

    Returns:
        A connection with a view for each existing table, under its name in `tables.registry`, which
        may differ from its name in the catalog; times are in UTC.

    Raises:
        QueryError: DuckDB is missing, the URL names no destination, or there is no table.
    """
    try:
        import duckdb  # noqa: PLC0415 - an extra: everything else works without it
    except ImportError:
        raise QueryError("DuckDB is missing: pip install 'otlp2parquet-ext[report]'") from None
    environ = os.environ if environ is None else environ
    settings, _ = load({**environ, "OTLP2PARQUET_DESTINATION": destination})
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")  # it would appear among the rows
    try:
        address = checked(settings)
        found = _files if address.kind in PLAIN else _tables
        for name, source in found(connection, address, settings, environ).items():
            connection.execute(
                f"CREATE VIEW {name} AS SELECT * FROM {source}"  # noqa: S608 - quoted there
            )
    except (AddressError, CommitError, StorageError) as error:
        raise QueryError(str(error)) from error
    except duckdb.Error as error:
        raise QueryError(f"{shown_list(destination)}: {_said(error)}") from error
    return connection


def _files(
    connection: duckdb.DuckDBPyConnection,
    address: DestinationAddress,
    settings: Settings,
    environ: Mapping[str, str],
) -> dict[str, str]:
    """Return DuckDB's sources for each table of plain files."""
    del settings
    root = f"s3://{address.place}" if address.kind == "s3" else address.place
    _reach(connection, root, address, environ)
    places = {name: _quote(f"{root}/{signal_folder(name)}/**/*.parquet") for name in TABLES}
    found = {
        name: f"read_parquet({place}, hive_partitioning = false)"
        for name, place in places.items()
        if connection.execute(f"SELECT 1 FROM glob({place}) LIMIT 1").fetchone()  # noqa: S608
    }
    if not found:
        raise NothingThereError(f"{root} has no Parquet file of ours below it")
    return found


def _tables(
    connection: duckdb.DuckDBPyConnection,
    address: DestinationAddress,
    settings: Settings,
    environ: Mapping[str, str],
) -> dict[str, str]:
    """Return DuckDB's source for each Iceberg table."""
    access = Access(environ, {})
    made = {
        name: parts(address, settings, environ, retries_commits=True, table=name, access=access)
        for name in TABLES
    }
    places = {name: place for name, table in made.items() if (place := _metadata(table))}
    if not places:
        label = made["logs"].label
        raise NothingThereError(
            f"{shown_list(settings.destination)}: there is no table yet, neither {label} nor "
            "another"
        )
    _load(connection, "avro", "iceberg")
    _reach(connection, next(iter(places.values())), address, environ)
    return {name: f"iceberg_scan({_quote(place)})" for name, place in places.items()}


def _reach(
    connection: duckdb.DuckDBPyConnection,
    place: str,
    address: DestinationAddress,
    environ: Mapping[str, str],
) -> None:
    """Give DuckDB access to S3, if the place is in S3."""
    if place.startswith("s3"):
        access = Access(environ, address.options, SERVICES.get(address.kind, "s3"))
        _load(connection, "httpfs")
        connection.execute(_secret(access))


def _metadata(made: Parts) -> str:
    """Return the location of a table's metadata; "" if there is no table."""
    place = made.open_table().metadata_location(time.time_ns() // 1_000_000 + LOAD_MS) or ""
    return place.removeprefix("file://").removeprefix("file:")


def metadata_location(destination: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the address of the current metadata of the table of logs.

    Args:
        destination, environ: as for `connect`.

    Raises:
        QueryError: the catalog does not exist; `NothingThereError`: the table does not exist.
    """
    environ = os.environ if environ is None else environ
    settings, _ = load({**environ, "OTLP2PARQUET_DESTINATION": destination})
    try:
        made = parts(checked(settings), settings, environ, retries_commits=True)
        place = _metadata(made)
    except (AddressError, CommitError, StorageError) as error:
        raise QueryError(str(error)) from error
    if not place:
        raise NothingThereError(f"{shown_list(destination)}: there is no table {made.label} yet")
    return place


def snapshot(destination: str, environ: Mapping[str, str] | None = None) -> str:
    """Return a text that changes with each change of the logs table.

    A connection keeps the snapshot of its opening. Plain files are listed at each query, so for
    them the text is always "".

    Args:
        destination, environ: as for `connect`.

    Raises:
        QueryError: the catalog or the table does not exist.
    """
    environ = os.environ if environ is None else environ
    settings, _ = load({**environ, "OTLP2PARQUET_DESTINATION": destination})
    try:
        plain = checked(settings).kind in PLAIN
    except AddressError as error:
        raise QueryError(str(error)) from error
    return "" if plain else metadata_location(destination, environ)


def require(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Check that a table exists.

    Raises:
        NothingThereError: it does not exist.
    """
    sql = "SELECT 1 FROM duckdb_views() WHERE view_name = $table"
    if not rows(connection, sql, {"table": table}):
        raise NothingThereError(f"there is no table of {table} yet, though there are others")


def _secret(access: Access) -> str:
    """Return the statement that gives DuckDB our access to S3."""
    found = access.credentials.current(time.time_ns() // 1_000_000 + LOAD_MS)
    options = {
        "KEY_ID": found.access_key_id,
        "SECRET": found.secret_access_key,
        "REGION": access.region,
    }
    if found.session_token:
        options["SESSION_TOKEN"] = found.session_token
    if endpoint := access.endpoint("s3"):
        url = urlsplit(endpoint)
        options |= {"ENDPOINT": url.netloc, "URL_STYLE": "path"}
        options["USE_SSL"] = "true" if url.scheme == "https" else "false"
    return f"CREATE SECRET (TYPE s3, {', '.join(f'{n} {_quote(v)}' for n, v in options.items())})"


def _load(connection: duckdb.DuckDBPyConnection, *extensions: str) -> None:
    """Load DuckDB's extensions from their installed packages, without a download."""
    for name in extensions:
        spec = importlib.util.find_spec(f"duckdb_extension_{name}")
        if spec is None or spec.origin is None:
            raise QueryError(f"DuckDB's {name} extension is missing: see the extra [report]")
        file = next(Path(spec.origin).parent.rglob(f"{name}.duckdb_extension"))
        connection.execute(f"LOAD {_quote(str(file))}")


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def rows(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """Run one statement, which may name `$parameters`, and return its rows.

    Raises:
        QueryError: DuckDB refuses the statement, or cannot read its tables.
    """
    import duckdb  # noqa: PLC0415 - as in `connect`

    try:
        return connection.execute(sql, dict(parameters or {})).fetchall()
    except duckdb.Error as error:
        raise QueryError(_said(error)) from error


def _said(error: Exception) -> str:
    """Return DuckDB's message, without our statement."""
    text = str(error).partition("\n\nLINE ")[0]
    return f"DuckDB: {quote(text, ERROR_CHARACTERS)}"


def table_text(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Run one statement and return its rows as a table for a terminal.

    Raises:
        QueryError: DuckDB refuses the statement.
    """
    import duckdb  # noqa: PLC0415 - as in `connect`

    try:
        return str(connection.sql(sql) or "").rstrip()
    except duckdb.Error as error:
        raise QueryError(f"{sql}: {quote(error, ERROR_CHARACTERS)}") from error
