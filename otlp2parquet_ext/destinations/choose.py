"""From the destination's URL to the destination."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from otlp2parquet_ext.destinations import DestinationError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from otlp2parquet_ext.destinations import Destination
    from otlp2parquet_ext.iceberg import CommitTable
    from otlp2parquet_ext.settings import Settings

SCHEMES = "sqlite:///path/catalog.db?warehouse=/path or file:///path"


def choose(settings: Settings) -> Destination:
    """Return the destination `OTLP2PARQUET_DESTINATION` names; nothing is opened yet.

    Raises:
        DestinationError: the URL names none; says which part is wrong and what is valid.
    """
    try:
        url = urlsplit(settings.destination)
    except ValueError as error:
        raise _malformed(settings, str(error)) from error
    if url.scheme == "file":
        return _hive(url, settings)
    if url.scheme == "sqlite":
        return _sqlite(url, settings)
    raise _malformed(settings, f"there is no scheme {url.scheme!r}")


def _hive(url: SplitResult, settings: Settings) -> Destination:
    # Each kind imports what it needs, and nobody pays for another's libraries.
    from otlp2parquet_ext.destinations.hive import Hive  # noqa: PLC0415
    from otlp2parquet_ext.storage.local import LocalStorage  # noqa: PLC0415

    return Hive(LocalStorage(_path(url, settings)))


def _sqlite(url: SplitResult, settings: Settings) -> Destination:
    from otlp2parquet_ext.destinations.lake import Lake  # noqa: PLC0415
    from otlp2parquet_ext.storage.local import LocalStorage  # noqa: PLC0415

    database = _path(url, settings)
    query = parse_qs(url.query, keep_blank_values=True)
    if unknown := query.keys() - {"warehouse"}:
        raise _malformed(settings, f"{min(unknown)!r} is not an option")
    warehouse = Path(query.get("warehouse", [str(database.parent / "warehouse")])[0])
    if not warehouse.is_absolute():
        raise _malformed(settings, f"warehouse={str(warehouse)!r} is not an absolute path")
    location = warehouse / settings.namespace / settings.table_logs

    def open_table() -> CommitTable:
        # Storing a file needs no catalog.
        from otlp2parquet_ext.iceberg.lean import sqlite_table  # noqa: PLC0415

        return sqlite_table(database, location, settings.namespace, settings.table_logs)

    return Lake(LocalStorage(location), open_table)


def _path(url: SplitResult, settings: Settings) -> Path:
    if url.netloc or not url.path.strip("/"):
        raise _malformed(settings, "the path must be absolute, with three slashes before it")
    return Path(url.path)


def _malformed(settings: Settings, why: str) -> DestinationError:
    return DestinationError(
        f"OTLP2PARQUET_DESTINATION={settings.destination!r}: {why}; expected {SCHEMES}"
    )
