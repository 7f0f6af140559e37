"""Catalogs of PyIceberg for tests: real servers, and a table that other libraries read."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import moto_glue
import postgres
import pytest
import rest_fixture
from lake_bench import soon
from pyiceberg.catalog import load_catalog

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.destinations.lake import Lake
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_catalog import PyIcebergTable, catalog_table
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_config import catalog_properties
from otlp2parquet_ext.lake.iceberg.commit.inbox import Inbox
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile

NAME = "lake"


@dataclass(frozen=True)
class Warehouse:
    """The variables of a catalog, and the folder of its tables."""

    folder: Path
    environ: Mapping[str, str]

    @property
    def location(self) -> Path:
        """The table's."""
        return self.folder / "lake" / "otel" / "logs"

    @property
    def storage(self) -> LocalStorage:
        """The table's."""
        return LocalStorage(self.location)

    def open(self, **options: Any) -> PyIcebergTable:
        """Open the table as `catalog://lake` does."""
        return catalog_table(NAME, "otel", "logs", self.environ, **options)

    def store(self, rows: pa.Table, batch: str) -> list[DataFile]:
        """Store rows; return the descriptors, taken out of the inbox."""
        Lake(self.storage, self.open, direct=False).store(
            Batch("".join(filter(str.isalnum, batch)).rjust(32, "0"), {"logs": rows})
        )
        inbox = Inbox(self.storage)
        taken = inbox.take(1_000)
        inbox.remove([waiting.entry for waiting in taken.files])
        return [waiting.file for waiting in taken.files]

    def append(self, rows: pa.Table, batch: str) -> None:
        """Store rows and commit them."""
        table = self.open()
        table.commit(self.store(rows, batch), soon())
        table.close()

    def catalog(self) -> Catalog:
        """Open the catalog with PyIceberg alone: its own file access, its own retries."""
        return load_catalog(NAME, **catalog_properties(NAME, self.environ))

    def table(self) -> Table:
        """Open the table as PyIceberg sees it now."""
        return self.catalog().load_table(("otel", "logs"))

    def bodies(self, column: str = "Body") -> list[str]:
        """Read every body with PyIceberg, and make sure that DuckDB reads the same."""
        table = self.table()
        read = table.scan(selected_fields=(column,)).to_arrow()[column].to_pylist()
        connection = duckdb.connect()
        query._load(connection, "avro", "iceberg")
        place = table.metadata_location.removeprefix("file://")
        again = connection.execute(f"SELECT {column} FROM iceberg_scan('{place}')").fetchall()  # noqa: S608
        assert sorted(read) == sorted(row[0] for row in again)
        return sorted(read)


def variables(name: str = NAME, /, **properties: str) -> dict[str, str]:
    """Write properties as PyIceberg's variables: `s3__endpoint` is `s3.endpoint`."""
    return {f"PYICEBERG_CATALOG__{name.upper()}__{k.upper()}": v for k, v in properties.items()}


@contextmanager
def sqlite(folder: Path) -> Iterator[Warehouse]:
    """Run a SQL catalog in a file."""
    uri = f"sqlite:///{folder}/catalog.db"
    yield Warehouse(folder, variables(uri=uri, warehouse=f"{folder}/lake"))


@contextmanager
def postgresql(folder: Path) -> Iterator[Warehouse]:
    """Run a SQL catalog in a server."""
    with postgres.running() as url:
        uri = url.replace("postgresql://", "postgresql+psycopg2://")
        yield Warehouse(folder, variables(type="sql", uri=uri, warehouse=f"file://{folder}/lake"))


@contextmanager
def aws(folder: Path, kind: str) -> Iterator[Warehouse]:
    """Run a catalog of AWS, in moto."""
    with moto_glue.running(folder) as url, pytest.MonkeyPatch.context() as patch:
        known = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        for name, value in {**known, "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": url}.items():
            patch.setenv(name, value)
        region = {f"{kind}__region": "eu-west-1"}
        found = variables(type=kind, warehouse=f"file://{folder}/lake", **region)
        yield Warehouse(folder, found)


@contextmanager
def dynamodb(folder: Path) -> Iterator[Warehouse]:
    """Run a catalog in DynamoDB."""
    with aws(folder, "dynamodb") as warehouse:
        yield warehouse


@contextmanager
def glue(folder: Path) -> Iterator[Warehouse]:
    """Run a catalog in Glue."""
    with aws(folder, "glue") as warehouse:
        yield warehouse


@contextmanager
def rest(folder: Path) -> Iterator[Warehouse]:
    """Run Apache Iceberg's REST catalog."""
    place = {"CATALOG_WAREHOUSE": f"{folder}/lake"}
    with rest_fixture.running(folder / "rest", place) as url:
        yield Warehouse(folder, variables(uri=url))


KINDS = {
    "sqlite": sqlite,
    "postgresql": postgresql,
    "dynamodb": dynamodb,
    "glue": glue,
    "rest": rest,
}
