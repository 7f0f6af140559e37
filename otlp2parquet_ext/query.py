"""Read a destination back with DuckDB: an engine that did not write it.

    destination URL --> a DuckDB connection in which the view `logs` is the table

Part of the extra `[report]`; not in the layer.
"""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from otlp2parquet_ext.destinations.access import Access
from otlp2parquet_ext.destinations.address import AddressError
from otlp2parquet_ext.destinations.choose import PLAIN, checked
from otlp2parquet_ext.destinations.lakes import parts
from otlp2parquet_ext.iceberg import CommitError
from otlp2parquet_ext.settings import Settings, load
from otlp2parquet_ext.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from otlp2parquet_ext.destinations.address import Address

LOAD_MS = 30_000
SERVICES = {"glue": "glue", "s3tables": "s3tables"}
"""What the option `endpoint` is the endpoint of, where it is not S3."""


class QueryError(Exception):
    """There is nothing to read, or DuckDB is not installed; the message says what to do."""


def connect(
    destination: str, environ: Mapping[str, str] | None = None
) -> duckdb.DuckDBPyConnection:
    """Open a destination for reading.

    Args:
        destination: a URL, as in `OTLP2PARQUET_DESTINATION`.
        environ: settings and credentials, by default those of this process.

    Returns:
        A connection with the view `logs`; times are in UTC.

    Raises:
        QueryError: DuckDB is missing, the URL names no destination, or nothing is there.
    """
    try:
        import duckdb  # noqa: PLC0415 - an extra: everything else works without it
    except ImportError:
        raise QueryError("DuckDB is missing: pip install 'otlp2parquet_ext[report]'") from None
    environ = os.environ if environ is None else environ
    settings, _ = load({**environ, "OTLP2PARQUET_DESTINATION": destination})
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    try:
        source = _source(connection, checked(settings), settings, environ)
    except (AddressError, CommitError, StorageError) as error:
        raise QueryError(str(error)) from error
    connection.execute(f"CREATE VIEW logs AS SELECT * FROM {source}")  # noqa: S608 - quoted there
    return connection


def _source(
    connection: duckdb.DuckDBPyConnection,
    address: Address,
    settings: Settings,
    environ: Mapping[str, str],
) -> str:
    access = Access(environ, address.options, SERVICES.get(address.kind, "s3"))
    if address.kind not in PLAIN:
        place = _metadata(address, settings, environ)
        _load(connection, "avro", "iceberg")
    elif address.kind == "s3":
        place = f"s3://{address.place}/logs/**/*.parquet"
    else:
        place = f"{address.place}/logs/**/*.parquet"
        if next(Path(address.place).glob("logs/**/*.parquet"), None) is None:
            raise QueryError(f"{address.place}/logs has no Parquet file below it")
    if place.startswith("s3"):
        _load(connection, "httpfs")
        connection.execute(_secret(access))
    if address.kind in PLAIN:
        return f"read_parquet({_quote(place)}, hive_partitioning = false)"
    return f"iceberg_scan({_quote(place)})"


def _metadata(address: Address, settings: Settings, environ: Mapping[str, str]) -> str:
    made = parts(address, settings, environ, patient=True)
    place = made.open_table().metadata_location(time.time_ns() // 1_000_000 + LOAD_MS)
    if place is None:
        raise QueryError(f"{settings.destination}: there is no table {made.label} yet")
    return place.removeprefix("file://").removeprefix("file:")


def metadata_location(destination: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the address of a table's current metadata.

    Args:
        destination, environ: as for `connect`.

    Raises:
        QueryError: there is no such catalog or table.
    """
    environ = os.environ if environ is None else environ
    settings, _ = load({**environ, "OTLP2PARQUET_DESTINATION": destination})
    try:
        return _metadata(checked(settings), settings, environ)
    except (AddressError, CommitError, StorageError) as error:
        raise QueryError(str(error)) from error


def _secret(access: Access) -> str:
    """Return the statement that lets DuckDB reach S3 as we do."""
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
    """Load DuckDB's extensions as their packages on the package index carry them: no download."""
    for name in extensions:
        spec = importlib.util.find_spec(f"duckdb_extension_{name}")
        if spec is None or spec.origin is None:
            raise QueryError(f"DuckDB's {name} extension is missing: see the extra [report]")
        file = next(Path(spec.origin).parent.rglob(f"{name}.duckdb_extension"))
        connection.execute(f"LOAD {_quote(str(file))}")


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
