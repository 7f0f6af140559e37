"""PyIceberg's own append with its `Transaction`: the reference for ours.

It keeps the same ledger of names, so that both can commit to one table.
"""

from __future__ import annotations

import contextlib
import random
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    pyarrow_to_schema,
)
from pyiceberg.manifest import DataFile as IcebergDataFile
from pyiceberg.manifest import DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.transforms import DayTransform
from pyiceberg.typedef import Record
from sqlalchemy.exc import OperationalError

from otlp2parquet_ext.lake.iceberg.catalogs.sqlite_catalog import CATALOG_NAME
from otlp2parquet_ext.lake.iceberg.commit.ledger import Ledger, names_summary
from otlp2parquet_ext.lake.iceberg.format.new_table import PROPERTIES
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.records.tables.logs import LOGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile

ATTEMPTS = 20
FIRST_WAIT_S = 0.02
LONGEST_WAIT_S = 0.5
PARTITION = PartitionSpec(
    PartitionField(source_id=1, field_id=1000, transform=DayTransform(), name="Timestamp_day")
)


def sqlite_table(database: Path, warehouse: Path, namespace: str, table: str) -> PyIcebergReference:
    """Return a table of the SQLite catalog in the file `database`, without opening it."""

    def connect() -> Catalog:
        database.parent.mkdir(parents=True, exist_ok=True)
        properties = {"uri": f"sqlite:///{database}", "warehouse": warehouse.as_uri()}
        try:
            return SqlCatalog(CATALOG_NAME, **properties)
        except OperationalError:  # another process made the catalog's tables at the same moment
            return SqlCatalog(CATALOG_NAME, **properties)

    return PyIcebergReference(connect, namespace, table, f"{warehouse}/{namespace}/{table}")


class PyIcebergReference:
    """See `CommitTable`.

    Args:
        connect: opens the catalog; called once, at the first commit.
        namespace: created when it does not exist.
        name: of the table, also created when it does not exist.
        location: of a table that it creates.
    """

    def __init__(
        self, connect: Callable[[], Catalog], namespace: str, name: str, location: str
    ) -> None:
        self._connect = connect
        self._identifier = (namespace, name)
        self._location = location
        self._catalog: Catalog | None = None
        self._table: Table | None = None

    def commit(self, files: Sequence[DataFile], deadline_ms: int) -> None:
        """See `CommitTable.commit`."""
        label = ".".join(self._identifier)
        try:
            for wait_s in _waits():
                if self._attempt(files):
                    return
                if (time.time() + wait_s) * 1_000 > deadline_ms:
                    break
                time.sleep(wait_s)
        except Exception as error:  # the catalog may be anything SQLAlchemy or an SDK talks to
            self._table = None
            raise CommitError(f"commit of {len(files)} files to {label} failed: {error}") from error
        raise CommitError(
            f"commit of {len(files)} files to {label} lost against other writers until its "
            "deadline; the files are kept, the next commit takes them"
        )

    def location(self, deadline_ms: int) -> str:
        """See `CommitTable.location`."""
        del deadline_ms
        return str(self._load().location())

    def metadata_location(self, deadline_ms: int) -> str | None:
        """See `CommitTable.metadata_location`."""
        del deadline_ms
        try:
            return self._load().metadata_location
        except NoSuchTableError:
            return None

    def close(self) -> None:
        """See `CommitTable.close`."""
        if self._catalog is not None:
            self._catalog.close()

    def _attempt(self, files: Sequence[DataFile]) -> bool:
        """Commit once on top of the current metadata; False when another writer was faster."""
        table = self._table = self._load()
        ledger = Ledger(table.metadata.properties, _summaries(table))
        new = ledger.unseen(files)
        if not new:
            return True
        names = names_summary(new)
        try:
            with table.transaction() as transaction:
                transaction.set_properties(ledger.properties_with(new))
                with transaction.update_snapshot(snapshot_properties=names).fast_append() as append:
                    for file in new:
                        append.append_data_file(_iceberg_file(table, file))
        except CommitFailedException:
            return False
        return True

    def _load(self) -> Table:
        if self._catalog is None:
            self._catalog = self._connect()
        table = self._table.refresh() if self._table else self._load_or_create(self._catalog)
        # In this copy only: nothing of it is written back.
        properties = table.metadata.properties | {"commit.retry.num-retries": "0"}
        table.metadata = table.metadata.model_copy(update={"properties": properties})
        return table

    def _load_or_create(self, catalog: Catalog) -> Table:
        with contextlib.suppress(NoSuchTableError):
            return catalog.load_table(self._identifier)
        with contextlib.suppress(NamespaceAlreadyExistsError):
            catalog.create_namespace(self._identifier[0])
        try:
            return catalog.create_table(
                self._identifier,
                pyarrow_to_schema(LOGS),
                location=self._location,
                partition_spec=PARTITION,
                properties=dict(PROPERTIES),
            )
        except TableAlreadyExistsError:
            return catalog.load_table(self._identifier)


def _summaries(table: Table) -> Iterator[Mapping[str, str]]:
    for snapshot in table.metadata.snapshots:
        if snapshot.summary is not None:
            yield snapshot.summary.additional_properties


def _iceberg_file(table: Table, file: DataFile) -> IcebergDataFile:
    """Describe a stored file to Iceberg; read its footer only if its descriptor is incomplete."""
    if file.statistics is None:
        found = _from_footer(table, file)
    else:
        found = {"record_count": file.rows, **msgspec.structs.asdict(file.statistics)}
    return IcebergDataFile.from_args(
        content=DataFileContent.DATA,
        file_path=file.path,
        file_format=FileFormat.PARQUET,
        partition=Record(*(file.day for _ in table.spec().fields)),
        file_size_in_bytes=file.size_bytes,
        spec_id=table.spec().spec_id,
        **found,
    )


def _from_footer(table: Table, file: DataFile) -> dict[str, Any]:
    schema = table.schema()
    with table.io.new_input(file.path).open() as stream:
        footer = pq.read_metadata(stream)
    return data_file_statistics_from_parquet_metadata(
        parquet_metadata=footer,
        stats_columns=compute_statistics_plan(schema, table.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    ).to_serialized_dict()


def _waits() -> Iterator[float]:
    """Yield the pauses between attempts: doubling, bounded, and random."""
    wait_s = FIRST_WAIT_S
    for _ in range(ATTEMPTS):
        yield wait_s * random.uniform(0.5, 1.5)
        wait_s = min(wait_s * 2, LONGEST_WAIT_S)
