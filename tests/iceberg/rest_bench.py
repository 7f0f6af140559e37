"""Shared code of the tests of REST catalogs: one table, read by three libraries."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from lake_bench import Home
from pyiceberg.catalog.rest import RestCatalog as PyIcebergRestCatalog
from pyiceberg_reference import PyIcebergReference
from rest_fixture import java_rows

from otlp2parquet_ext.lake.http.client import Client
from otlp2parquet_ext.lake.iceberg import open_table
from otlp2parquet_ext.lake.iceberg.catalogs.rest_client import RestTable
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from counting_proxy import Proxy
    from pyiceberg.table import Table

    from otlp2parquet_ext.lake.iceberg.catalogs.rest_catalog import RestCatalog
    from otlp2parquet_ext.lake.iceberg.commit.table import CommitTable


@dataclass(frozen=True)
class RestHome(Home):
    """A table in a REST catalog, its files on this disk.

    Attributes:
        url: of the catalog.
        direct_url: the same, without whatever stands between.
    """

    url: str = ""
    direct_url: str = ""

    def rest(self) -> RestCatalog:
        """Open the catalog."""
        return open_table.bearer_catalog(Client(), RestTable(self.url, "", "otel", self.name))

    def lean(self) -> CommitTable:
        """See `Home.lean`."""
        disk = LocalStorage(Path("/"))
        return open_table.rest_table(
            self.rest(), disk, location=str(self.location), label=f"otel.{self.name}"
        )

    def pyiceberg(self) -> CommitTable:
        """See `Home.pyiceberg`."""
        return PyIcebergReference(self.catalog, "otel", self.name, str(self.location))

    def catalog(self) -> PyIcebergRestCatalog:  # type: ignore[override]
        """See `Home.catalog`."""
        return PyIcebergRestCatalog("rest", uri=self.direct_url)

    def table(self) -> Table:
        """See `Home.table`."""
        found: Table = self.catalog().load_table(("otel", self.name))
        return found

    def bodies(self) -> list[str]:
        """Read every body with PyIceberg, DuckDB and Java, which must agree."""
        table = self.table()
        read = sorted(table.scan(selected_fields=("Body",)).to_arrow()["Body"].to_pylist())
        assert read == sorted(duckdb_bodies(table.metadata_location))
        assert read == sorted(r["Body"] for r in java_rows(self.direct_url, "otel", self.name))
        return read

    def metadata_path(self) -> Path:
        """See `Home.metadata_path`."""
        return Path(self.table().metadata_location.removeprefix("file:"))

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Speak to the catalog without any library.

        Args:
            method: of HTTP.
            path: below `/v1/namespaces`.
            body: to send as JSON.
        """
        request = urllib.request.Request(  # noqa: S310 - ours
            f"{self.direct_url}/v1/namespaces{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - ours
            return json.loads(answer.read() or b"null")

    def update(self, *updates: dict[str, object]) -> None:
        """Commit updates of the table, as another client would."""
        self.ask("POST", f"/otel/tables/{self.name}", {"requirements": [], "updates": updates})


def asked(proxy: Proxy) -> list[str]:
    """Return the requests since the last call: method, or AWS's operation, and status."""
    shown = [f"{r.target.partition('.')[2] or r.method} {r.status}" for r in proxy.requests]
    proxy.reset()
    return shown


def duckdb_bodies(metadata_location: str) -> list[str]:
    """Read every body of the table with this metadata with DuckDB."""
    connection = duckdb.connect()
    query._load(connection, "avro", "iceberg")
    path = metadata_location.removeprefix("file:")
    found = connection.execute(f"SELECT Body FROM iceberg_scan('{path}')")  # noqa: S608 - ours
    return [row[0] for row in found.fetchall()]
