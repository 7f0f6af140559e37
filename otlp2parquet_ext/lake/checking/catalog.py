"""Check the tables of a catalog: existence, columns, and whether a commit would be accepted.

The test commit cannot succeed: Glue gets a version that is not current, and a REST catalog the UUID
of another table; for SQLite, the write lock is taken and released. So there is no new snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.lake.checking.runner import NotTried, Trial
from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.commit.catalog import Trying
from otlp2parquet_ext.lake.iceberg.commit.preconditions import fitting, partitioning
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.records.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp2parquet_ext.lake.checking.target import Subject
    from otlp2parquet_ext.lake.destinations.lake_factory import Parts
    from otlp2parquet_ext.lake.iceberg.commit.catalog import Version


class TableCheck:
    """The check of one table.

    Args:
        subject: the destination to check.
        name: the table's key in `TABLES`.
        made: the table's parts.
    """

    def __init__(self, subject: Subject, name: str, made: Parts) -> None:
        self._subject = subject
        self._name = name
        self._made = made
        self.version: Version | None = None
        self.missing = False

    @property
    def _table(self) -> LeanTable:
        table = self._made.open_table()
        assert isinstance(table, LeanTable)  # the only implementation
        return table

    def look(self) -> str:
        """Find the table; create it with `--create`."""
        if self._subject.address.kind == "catalog" and self._subject.in_environment:
            raise NotTried(
                f"{self._made.label} is checked by the committer and by `otlp2parquet-ext "
                "check`: an environment does not import PyIceberg"
            )
        label, deadline_ms = self._made.label, self._subject.deadline_ms()
        made = ""
        if self._table.metadata_location(deadline_ms) is None:
            self.missing = not (wanted := self._name in self._subject.wanted)
            if not wanted:
                raise NotTried
            if not self._subject.create:
                self.missing = True
                raise NotTried(
                    f"{label} is not there yet; the first commit, or check --create, makes it"
                )
            self._table.location(deadline_ms)
            made = " was created"
        self.version = self._table.handle.catalog.load(deadline_ms, fresh=True)
        if self.version is None:
            raise CommitError(f"{label} was dropped at this moment")
        location = self.version.metadata["location"]
        self._subject.learn(location)
        snapshots = len(self.version.metadata.get("snapshots", ()))
        return f"{label}{made} at {location}, {snapshots} snapshots"

    def columns(self) -> str:
        """Compare the table's columns with ours."""
        assert self.version is not None
        metadata, columns = self.version.metadata, TABLES[self._name]
        partitioning(metadata, columns)
        fit = fitting(metadata, columns)
        if lacking := ", ".join(column.name for column in fit.missing):
            return f"the table lacks {lacking}: kept in the files, not shown"
        if fit.tag:
            return "fit under the table's own ids: files are rewritten for it"
        return f"fit as they are, version {metadata['format-version']}"

    def add_columns(self) -> str:
        """Add our columns that the table lacks."""
        if self._subject.address.kind != "catalog":
            raise CommitError(
                "columns are added through PyIceberg: name the catalog in PYICEBERG_CATALOG__… "
                "variables, and check catalog://NAME"
            )
        from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_catalog import PyIcebergTable  # noqa: PLC0415 - heavy

        table = self._made.open_table()
        assert isinstance(table, PyIcebergTable)
        left = table.add_columns(self._subject.deadline_ms()).missing
        return "some are still missing" if left else "all of ours are there now"

    def commit(self) -> str:
        """Send the test commit, which cannot succeed."""
        catalog = self._table.handle.catalog
        assert self.version is not None
        if not isinstance(catalog, Trying) or not catalog.try_commit(
            self.version, self._subject.deadline_ms()
        ):
            raise NotTried("only the first commit shows whether the catalog accepts it")
        return "a commit would be taken"


def table_trials(
    check: TableCheck, step: str, policy: str, service: str, needs: tuple[str, ...]
) -> Iterator[Trial]:
    """Yield the trials of one table.

    Args:
        check: the check of the table.
        step: the table's name in the names of steps.
        policy, service, needs: see `Trial`.
    """
    yield Trial(f"{step}", check.look, service, policy, needs)
    if check.version is None:
        return
    yield Trial(f"{step} columns", check.columns)
    if check._subject.add_columns:  # noqa: SLF001 - of this module
        yield Trial(f"{step} add columns", check.add_columns)
    if not check._subject.only_stores:  # noqa: SLF001 - likewise
        yield Trial(f"{step} commit", check.commit, service, policy)
