"""`catalog://name`: any catalog that PyIceberg supports, with our own append.

    LeanTable --TableChange--> PyIcebergCatalog --updates, requirements--> Catalog.commit_table

Only PyIceberg's catalog clients are used, not its `Transaction`. A transaction computes the whole
metadata again at each step, and copies all snapshots each time. After a last conflict it deletes
its files, even if its own retry turned a success into that conflict. Manifests, names, expiry and
retries are those of `append.py`, as for all catalogs.

Source: PyIceberg's documentation, "Python API"; Apache Iceberg REST catalog specification,
"CommitTableRequest".
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec
from pyiceberg.catalog import MetastoreCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchIcebergTableError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema

from otlp2parquet_ext.lake.iceberg.catalogs.deadline_executor import NoAnswerError
from otlp2parquet_ext.lake.iceberg.catalogs.dynamodb_pointer import DynamoDbPointer
from otlp2parquet_ext.lake.iceberg.catalogs.file_catalog import FileCatalog, unreferenced
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_changes import requirements, updates
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_config import (
    PREFIX,
    catalog_properties,
    table_location,
)
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_connection import (
    PyIcebergConnection,
    explained,
)
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_files import IO_IMPL, Files
from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_open import lasting, open_catalog
from otlp2parquet_ext.lake.iceberg.catalogs.sqlite_catalog import CATALOG_NAME
from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.commit.catalog import OutcomeUnknownError, Version
from otlp2parquet_ext.lake.iceberg.commit.expiry import TABLE_BUCKET
from otlp2parquet_ext.lake.iceberg.commit.terms import USUAL, Terms
from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.storage import StorageError
from otlp2parquet_ext.records.tables.logs import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pyiceberg.catalog import Catalog
    from pyiceberg.table import CommitTableResponse, Table

    from otlp2parquet_ext.lake.iceberg.commit import catalog as iceberg_catalog
    from otlp2parquet_ext.lake.iceberg.format.schema_match import Matched
    from otlp2parquet_ext.lake.iceberg.format.snapshot import TableChange
    from otlp2parquet_ext.records.tables.columns import Column


class PyIcebergCatalog:
    """See `iceberg.commit.catalog.Catalog`.

    Args:
        connection: connection to the catalog.
        files: storage of the tables' files.
        namespace, table: the table's name.
    """

    def __init__(
        self, connection: PyIcebergConnection, files: Files, namespace: str, table: str
    ) -> None:
        self._connection = connection
        self._files = files
        self._identifier = (namespace, table)
        self._table: Table | None = None

    def load(self, deadline_ms: int, *, fresh: bool = False) -> Version | None:
        """See `Catalog.load`; always the current version."""
        del fresh
        self._table = self._connection.repeat(self._load, deadline_ms, "loading the table")
        if self._table is None:
            return None
        self._files.properties = self._table.io.properties
        metadata = msgspec.json.decode(self._table.metadata.model_dump_json(), type=Metadata)
        return Version(self._table.metadata_location, metadata)

    def _load(self, catalog: Catalog) -> Table | None:
        try:
            return catalog.load_table(self._identifier)
        except NoSuchIcebergTableError:
            raise
        except NoSuchTableError:
            return None

    def create(self, metadata: Metadata, deadline_ms: int) -> None:
        """See `Catalog.create`; the catalog assigns the ids in the order of the columns."""
        (schema,), (spec,) = metadata["schemas"], metadata["partition-specs"]

        def create(catalog: Catalog) -> None:
            with contextlib.suppress(NamespaceAlreadyExistsError):
                catalog.create_namespace(self._identifier[0])
            with contextlib.suppress(TableAlreadyExistsError):
                catalog.create_table(
                    self._identifier,
                    Schema.model_validate(schema),
                    location=metadata["location"] or None,
                    partition_spec=PartitionSpec.model_validate(spec),
                    properties=metadata["properties"],
                )

        self._connection.repeat(create, deadline_ms, "creating the table")

    def commit(self, base: Version, change: TableChange, deadline_ms: int) -> bool:
        """See `Catalog.commit`.

        After a conflict, the table is read to find out whether our commit succeeded: a proxy before
        the catalog may have sent it twice, and then the second one is refused.
        """
        table = self._table
        self._files.written = None
        assert table is not None
        assert table.metadata_location == base.location
        try:
            done = self._connection.call(
                lambda catalog: catalog.commit_table(
                    table, requirements(base.metadata), updates(base.metadata, change)
                ),
                deadline_ms,
            )
        except CommitFailedException:
            return self._landed(change, deadline_ms)
        except CommitError:
            raise
        except NoAnswerError as error:
            raise OutcomeUnknownError(str(error)) from error
        except Exception as error:  # each SDK or driver has its own errors
            text = f"{self._connection.label}: {explained(error)}"
            if lasting(error):
                raise CommitError(text) from error
            raise OutcomeUnknownError(text) from error
        self._clean_up(table, base, done)
        return True

    def _landed(self, change: TableChange, deadline_ms: int) -> bool:
        """Return whether a refused snapshot is in the table nevertheless."""
        written = self._files.written
        try:
            now = self.load(deadline_ms)
        except CommitError as error:
            raise OutcomeUnknownError(str(error)) from error
        if now is None:
            return False
        if any(
            s["snapshot-id"] == change.snapshot["snapshot-id"]
            for s in now.metadata.get("snapshots", ())
        ):
            return True
        log = {entry["metadata-file"] for entry in now.metadata.get("metadata-log", ())}
        if written is not None and written not in log | {now.location}:
            self._delete([written])  # the file of the refused attempt, unknown to all readers
        return False

    def _clean_up(self, table: Table, base: Version, done: CommitTableResponse) -> None:
        """Delete the metadata files that left the log, if the catalog leaves this to clients."""
        if isinstance(table.catalog, MetastoreCatalog):
            after = {
                "properties": done.metadata.properties,
                "metadata-log": [
                    {"metadata-file": m.metadata_file} for m in done.metadata.metadata_log
                ],
            }
            self._delete(unreferenced(base, after))

    def _delete(self, addresses: Iterable[str]) -> None:
        for address in addresses:
            if TABLE_BUCKET not in address:
                with contextlib.suppress(StorageError):
                    self._files.delete(address)


class PyIcebergTable(LeanTable):
    """See `CommitTable`: the lean append with a catalog that has connections to close.

    Args:
        catalog: the table's catalog.
        connection: the connection to that catalog.
        files: storage of the table's files.
        identifier: the table's name.
        columns, location, label, terms: see `LeanTable`.
    """

    def __init__(
        self,
        catalog: iceberg_catalog.Catalog,
        connection: PyIcebergConnection,
        files: Files,
        identifier: tuple[str, str],
        *,
        columns: Sequence[Column],
        location: str,
        label: str,
        terms: Terms,
    ) -> None:
        super().__init__(
            catalog,
            files,
            columns,
            location=location,
            label=label,
            terms=terms,
        )
        self._connection = connection
        self._files = files
        self._identifier = identifier

    def add_columns(self, deadline_ms: int) -> Matched:
        """Add our columns that the table lacks; see `care.evolve`."""
        from otlp2parquet_ext.lake.iceberg.upkeep.care import evolve  # noqa: PLC0415 - not on the flush path

        return self._connection.call(
            lambda catalog: evolve(catalog, self._identifier, self._columns), deadline_ms
        )

    def close(self) -> None:
        """See `CommitTable.close`."""
        self._connection.close()
        self._files.close()


def catalog_table(
    name: str,
    namespace: str,
    table: str,
    environ: Mapping[str, str],
    *,
    columns: Sequence[Column] = COLUMNS,
    location: str | None = None,
    terms: Terms = USUAL,
) -> PyIcebergTable:
    """Return a table of `catalog://name`; nothing is opened yet.

    Args:
        name: name of the catalog.
        namespace, table: the table's name in it.
        environ: environment variables with the catalog's `PYICEBERG_CATALOG__…`.
        columns: columns of our files.
        location: location for a new table; None for one below the catalog's warehouse.
        terms: see `LeanTable`.
    """
    properties = catalog_properties(name, environ)
    place = location or table_location(properties, namespace, table) or ""
    label = f"catalog://{name}"
    files = Files(environ, properties.get(IO_IMPL))
    connection = PyIcebergConnection(lambda: open_catalog(name, properties, files, environ), label)
    catalog: iceberg_catalog.Catalog = PyIcebergCatalog(connection, files, namespace, table)
    if properties.get("type", "").lower() == "dynamodb":
        catalog = FileCatalog(DynamoDbPointer(connection, namespace, table), files)
    return PyIcebergTable(
        catalog,
        connection,
        files,
        (namespace, table),
        columns=columns,
        location=place,
        label=f"{label}/{namespace}.{table}",
        terms=terms,
    )


def sqlite_table(database: Path, warehouse: Path, namespace: str, table: str) -> PyIcebergTable:
    """Return a table of the SQLite catalog in the file `database`; nothing is opened yet."""
    database.parent.mkdir(parents=True, exist_ok=True)
    variables = {"URI": f"sqlite:///{database}", "WAREHOUSE": str(warehouse)}
    environ = {f"{PREFIX}{CATALOG_NAME.upper()}__{key}": value for key, value in variables.items()}
    return catalog_table(CATALOG_NAME, namespace, table, environ)
