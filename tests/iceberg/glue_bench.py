"""Shared code of the tests of Glue: one table, read by our code, PyIceberg and DuckDB."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from lake_bench import Home
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg_reference import PyIcebergReference
from rest_bench import duckdb_bodies

from otlp2parquet_ext.lake.http.aws import AwsClient
from otlp2parquet_ext.lake.http.client import Client
from otlp2parquet_ext.lake.http.credentials import CredentialSource
from otlp2parquet_ext.lake.iceberg import open_table
from otlp2parquet_ext.lake.iceberg.catalogs.glue_catalog import GlueName
from otlp2parquet_ext.lake.storage.local import LocalStorage

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from otlp2parquet_ext.lake.iceberg.commit.table import CommitTable
    from otlp2parquet_ext.lake.storage.storage import Storage

REGION = "eu-west-1"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@dataclass(frozen=True)
class GlueHome(Home):
    """A table in Glue, its files on this disk.

    Attributes:
        url: of Glue.
        direct_url: the same, without whatever stands between.
    """

    url: str = ""
    direct_url: str = ""

    def lean(self, storage: Storage | None = None) -> CommitTable:
        """See `Home.lean`."""
        client = Client()
        aws = AwsClient(client, CredentialSource(KEYS, client), region=REGION, service="glue")
        return open_table.glue_table(
            aws,
            storage or LocalStorage(Path("/")),
            GlueName(self.url, "otel", self.name),
            location=str(self.location),
            region=REGION,
        )

    def pyiceberg(self) -> CommitTable:
        """See `Home.pyiceberg`."""
        return PyIcebergReference(self.catalog, "otel", self.name, str(self.location))

    def glue(self) -> Any:
        """Open Glue with AWS's own client."""
        return boto3.client(
            "glue",
            endpoint_url=self.direct_url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106 - an example
        )

    def glue_table(self) -> dict[str, Any]:
        """Return the table as Glue has it."""
        found = self.glue().get_table(DatabaseName="otel", Name=self.name)
        table: dict[str, Any] = found["Table"]
        return table

    def catalog(self) -> GlueCatalog:  # type: ignore[override]
        """See `Home.catalog`."""
        return GlueCatalog("glue", client=self.glue())

    def table(self) -> Table:
        """See `Home.table`."""
        found: Table = self.catalog().load_table(("otel", self.name))
        return found

    def bodies(self) -> list[str]:
        """See `Home.bodies`; columns are in lower case here."""
        table = self.table()
        read = sorted(table.scan(selected_fields=("body",)).to_arrow()["body"].to_pylist())
        assert read == sorted(duckdb_bodies(table.metadata_location))
        return read

    def metadata_path(self) -> Path:
        """See `Home.metadata_path`."""
        return Path(self.glue_table()["Parameters"]["metadata_location"])
