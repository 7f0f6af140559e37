"""Shared code of the tests of the lake: rows, files, and tables of each implementation."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyiceberg_reference
from pyiceberg.catalog.sql import SqlCatalog

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.destinations.lake import Lake
from otlp2parquet_ext.lake.iceberg import open_table
from otlp2parquet_ext.lake.iceberg.commit.inbox import Inbox
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.records.tables.logs import LOGS
from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from otlp2parquet_ext.lake.iceberg.commit.table import CommitTable
    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile

DAY_US = 86_400_000_000
NOON_US = 20_000 * DAY_US + DAY_US // 2
DEFAULTS: dict[str, object] = {
    "ServiceName": "orders",
    "ResourceAttributes": "{}",
    "ScopeName": "",
    "ScopeAttributes": "{}",
    "TraceFlags": 0,
    "SeverityText": "",
    "SeverityNumber": 9,
    "LogAttributes": "{}",
    "DroppedAttributesCount": 0,
}


def log_rows(*rows: dict[str, object]) -> pa.Table:
    """Make log rows from the values that a test needs; `Timestamp` is in µs."""
    times = ("Timestamp", "TimestampTime", "ObservedTimestamp")
    filled = [
        DEFAULTS | {time_column: row.get("Timestamp", NOON_US) for time_column in times} | row
        for row in rows
    ]
    return pa.Table.from_pylist(filled, schema=LOGS)


def bodies_at(day: int, *bodies: str) -> pa.Table:
    """Make rows of one day, counted from the day of `NOON_US`.

    A body is the row's span id, too: that column has bounds in files, to be pruned by.
    """
    return log_rows(
        *({"Timestamp": NOON_US + day * DAY_US, "Body": b, "SpanId": b} for b in bodies)
    )


def soon(after_ms: int = 20_000) -> int:
    """Give a deadline that no test here reaches."""
    return time.time_ns() // 1_000_000 + after_ms


@dataclass(frozen=True)
class Home:
    """A folder with a catalog and one table."""

    folder: Path
    name: str = "logs"

    @property
    def location(self) -> Path:
        """The table's."""
        return self.folder / "lake" / "otel" / self.name

    @property
    def database(self) -> Path:
        """The catalog's."""
        return self.folder / "catalog.db"

    def lean(self) -> CommitTable:
        """Open the table for the lean append."""
        return open_table.sqlite_table(self.database, self.location, "otel", self.name)

    def pyiceberg(self) -> CommitTable:
        """Open the table for PyIceberg's append."""
        return pyiceberg_reference.sqlite_table(
            self.database, self.folder / "lake", "otel", self.name
        )

    def store(self, rows: pa.Table, batch: str) -> list[DataFile]:
        """Store rows; return the descriptors, taken out of the inbox."""
        storage = LocalStorage(self.location)
        Lake(storage, self.lean).store(
            Batch("".join(filter(str.isalnum, batch)).rjust(32, "0"), {"logs": rows})
        )
        inbox = Inbox(storage)
        taken = inbox.take(1_000)
        inbox.remove([waiting.entry for waiting in taken.files])
        return [waiting.file for waiting in taken.files]

    def append(self, rows: pa.Table, batch: str) -> None:
        """Store rows and commit them lean."""
        self.lean().commit(self.store(rows, batch), soon())

    def table(self) -> Table:
        """Open the table as PyIceberg sees it now."""
        return self.catalog().load_table(("otel", self.name))

    def catalog(self) -> SqlCatalog:
        """Open the catalog with PyIceberg."""
        return SqlCatalog("otlp2parquet_ext", uri=f"sqlite:///{self.database}")

    def bodies(self) -> list[str]:
        """Read every body with PyIceberg, and make sure that DuckDB reads the same."""
        read = self.table().scan(selected_fields=("Body",)).to_arrow()["Body"].to_pylist()
        connection = query.connect(
            f"sqlite://{self.database}", {"OTLP2PARQUET_TABLE_LOGS": self.name}
        )
        again = connection.execute("SELECT Body FROM logs").fetchall()
        assert sorted(read) == sorted(row[0] for row in again)
        return sorted(read)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL over the view `logs` with DuckDB."""
        settings = {"OTLP2PARQUET_TABLE_LOGS": self.name}
        return query.connect(f"sqlite://{self.database}", settings).execute(sql).fetchall()

    def metadata_path(self) -> Path:
        """Return the path of the table's metadata."""
        settings = {"OTLP2PARQUET_TABLE_LOGS": self.name}
        return Path(query.metadata_location(f"sqlite://{self.database}", settings))

    def metadata(self) -> dict[str, Any]:
        """Read the table's metadata."""
        found: dict[str, Any] = json.loads(self.metadata_path().read_text())
        return found

    def replace_metadata(self, metadata: dict[str, Any]) -> None:
        """Commit other metadata, as another program would."""
        old = self.metadata_path()
        new = old.with_name(f"{int(old.name[:5]) + 1:05}-by-hand.metadata.json")
        new.write_bytes(msgspec.json.encode(metadata))
        with closing(sqlite3.connect(self.database)) as catalog, catalog:
            catalog.execute("UPDATE iceberg_tables SET metadata_location = ?", (str(new),))
