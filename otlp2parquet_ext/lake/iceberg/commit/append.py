"""The lean append: files become visible in one snapshot, without an Iceberg library.

    read current --> one manifest --> manifest list, one line longer --> change --> compare-and-swap
         ^                                                                              |
         +------------------------- lost, or outcome unknown: wait a little ------------+

Each attempt begins by reading the committed names, so it finds out an unknown outcome of the one
before. Metadata files of an attempt are deleted only after the catalog has refused it.

Source: Apache Iceberg table specification, v2, "Optimistic Concurrency".
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import uuid4

from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.lake.iceberg.commit import preconditions
from otlp2parquet_ext.lake.iceberg.commit.backoff import commit_attempts
from otlp2parquet_ext.lake.iceberg.commit.bad_values import BadValues
from otlp2parquet_ext.lake.iceberg.commit.catalog import OutcomeUnknownError
from otlp2parquet_ext.lake.iceberg.commit.expiry import expired, manifest_lists
from otlp2parquet_ext.lake.iceberg.commit.handle import Handle
from otlp2parquet_ext.lake.iceberg.commit.history import proof
from otlp2parquet_ext.lake.iceberg.commit.ledger import Ledger, names_summary
from otlp2parquet_ext.lake.iceberg.commit.leftovers import ExpiredFiles
from otlp2parquet_ext.lake.iceberg.commit.progress import CommitProgress
from otlp2parquet_ext.lake.iceberg.commit.terms import USUAL, Terms
from otlp2parquet_ext.lake.iceberg.format.manifest import (
    Manifest,
    describe,
    extended_list,
    manifest,
    new_name,
    open_list,
)
from otlp2parquet_ext.lake.iceberg.format.metadata_errors import understood
from otlp2parquet_ext.lake.iceberg.format.metadata_paths import metadata_folder
from otlp2parquet_ext.lake.iceberg.format.new_table import new_table
from otlp2parquet_ext.lake.iceberg.format.row_lineage import numbered
from otlp2parquet_ext.lake.iceberg.format.schema_match import ClashError, MisfitError
from otlp2parquet_ext.lake.iceberg.format.snapshot import (
    TableChange,
    append_summary,
    current_snapshot,
    new_snapshot,
    next_row_id,
    next_sequence_number,
)
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError, ConflictError
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.lake.iceberg.commit.catalog import Catalog, Version
    from otlp2parquet_ext.lake.iceberg.format.avro_file import AvroFile
    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata
    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile
    from otlp2parquet_ext.lake.storage.storage import Storage
    from otlp2parquet_ext.records.tables.columns import Column

LIST_CACHE_BYTES = 4_194_304


class LeanTable:
    """See `CommitTable`.

    Args:
        catalog: the table's catalog.
        storage: storage for all addresses in the table's metadata.
        columns: columns of our files; the first is the time that partitions them.
        location: location for a new table; "" lets the catalog choose.
        label: the table's name, for messages.
        terms: conditions of a commit.

    Attributes:
        handle: access to the table for merging, cleaning and sweeping.
    """

    def __init__(
        self,
        catalog: Catalog,
        storage: Storage,
        columns: Sequence[Column],
        *,
        location: str,
        label: str,
        terms: Terms = USUAL,
    ) -> None:
        self._catalog = catalog
        self._terms = terms
        self._storage = storage
        self._columns = columns
        self._location = location
        self._label = label
        self.handle = Handle(
            catalog, storage, tuple(columns), in_table_bucket=terms.in_table_bucket
        )
        self._leftovers = ExpiredFiles(storage)
        self._list: tuple[str, AvroFile] | None = None
        self._bad_values = BadValues(label)

    def commit(self, files: Sequence[DataFile], deadline_ms: int) -> None:
        """See `CommitTable.commit`."""
        commit = CommitProgress(files, SteadyDeadline(deadline_ms))
        problem = f"commit of {len(files)} files to {self._label}"
        try:
            attempts = commit_attempts(commit.deadline)
            while True:
                with understood(self._label):
                    landed = self._attempt(commit)
                if landed:
                    return
                if commit.conflicts > self._terms.most_conflicts or not attempts.again():
                    break
        except MisfitError:
            raise
        except (CommitError, StorageError) as error:
            kind = ClashError if isinstance(error, ClashError) else CommitError
            raise kind(f"{problem} failed: {error}") from error
        finally:
            self._leftovers.delete(commit.written - commit.used)
        if commit.unknown_outcome:
            raise CommitError(
                f"{problem} has no known outcome: {commit.unknown_outcome}; the files are kept, "
                "the next commit takes those that are not there"
            )
        raise ConflictError(
            f"{problem} lost {commit.conflicts} times against other writers; the files are kept, "
            "the next commit takes them"
        )

    def location(self, deadline_ms: int) -> str:
        """See `CommitTable.location`."""
        with understood(self._label):
            return str(self._load(deadline_ms).metadata["location"])

    def metadata_location(self, deadline_ms: int) -> str | None:
        """See `CommitTable.metadata_location`."""
        with understood(self._label):
            table = self._catalog.load(deadline_ms)
            return None if table is None else table.location

    def close(self) -> None:
        """See `CommitTable.close`: does nothing, for no connection is its own."""

    def _attempt(self, commit: CommitProgress) -> bool:
        """Commit once on top of the current snapshot; False if another attempt is needed."""
        table = self._load(commit.deadline.unix_ms())
        snapshots = table.metadata.get("snapshots", ())
        ledger = Ledger(
            table.metadata.get("properties", {}), (s.get("summary", {}) for s in snapshots)
        )
        new = self._certain(table.metadata, ledger, commit)
        if not new:
            return True
        added = self._manifest(commit, table.metadata, new)
        path, lines, rows = self._manifest_list(commit, table.metadata, added)
        self._bad_values.log(table.metadata)
        gone = expired(table.metadata, self._terms.snapshots_kept, time.time_ns() // 1_000_000)
        waiting, due = manifest_lists(table.metadata, gone, metadata_folder(table.metadata))
        change = TableChange(
            new_snapshot(
                table.metadata,
                commit.snapshot_id,
                path,
                append_summary(current_snapshot(table.metadata), new, added.partitions)
                | names_summary(new),
                time.time_ns() // 1_000_000,
                added_rows=rows,
            ),
            gone,
            ledger.properties_with(new)
            | waiting
            | proof(table.metadata, next_sequence_number(table.metadata), commit.snapshot_id),
        )
        landed = self._swap(commit, table, change, {path, added.path})
        if landed:
            self._leftovers.delete(due)
            self._list = (path, lines) if len(lines.blocks) <= LIST_CACHE_BYTES else None
        return landed

    def _certain(
        self, metadata: Metadata, ledger: Ledger, commit: CommitProgress
    ) -> list[DataFile]:
        """Return the files that are not committed yet."""
        new = ledger.unseen(commit.files)
        if not (uncertain := ledger.uncertain(new)):
            return new
        # Seldom needed: if an environment was frozen while others committed thousands of files.
        from otlp2parquet_ext.lake.iceberg.commit.committed_lookup import committed  # noqa: PLC0415

        parent = current_snapshot(metadata)
        listing = None if parent is None else self._lines(parent["manifest-list"])
        old = committed(self._storage, metadata, listing, uncertain, commit.deadline.unix_ms())
        return [file for file in new if file.name not in old]

    def _swap(
        self, commit: CommitProgress, table: Version, change: TableChange, paths: set[str]
    ) -> bool:
        """Send a change; its files count as used until the catalog refuses it.

        After an attempt of unknown outcome they stay used: that attempt, with the same manifest,
        may still succeed.
        """
        commit.used |= paths
        try:
            if self._catalog.commit(table, change, commit.deadline.unix_ms()):
                return True
            commit.conflicts += 1
        except OutcomeUnknownError as error:
            commit.unknown_outcome = str(error) or "no answer"
        except CommitError:
            if not commit.unknown_outcome:
                commit.used -= paths
            raise
        if not commit.unknown_outcome:
            commit.used -= paths
        return False

    def _load(self, deadline_ms: int) -> Version:
        """Read the current table; create it if it does not exist."""
        table = self._catalog.load(deadline_ms)
        if table is None and not self._terms.create:
            raise CommitError(
                "there is no such table, and OTLP2PARQUET_CREATE_TABLE=off forbids to create it; "
                "the files are kept until there is one"
            )
        if table is None:
            now_ms = time.time_ns() // 1_000_000
            metadata = new_table(
                self._columns, self._location, now_ms, lower_case=self._terms.lower_case
            )
            self._catalog.create(metadata, deadline_ms)
            table = self._catalog.load(deadline_ms)
        if table is None:
            raise CommitError(
                "the table cannot be found after it was created: dropped at once, or its name is "
                "taken by something else, a view"
            )
        return table

    def _manifest(
        self, commit: CommitProgress, metadata: Metadata, files: Sequence[DataFile]
    ) -> Manifest:
        """Store a manifest of `files`, unless an earlier attempt has stored it."""
        spec = preconditions.partitioning(metadata, self._columns)
        schema = preconditions.current_schema(metadata)
        preconditions.check_files(metadata, self._columns, files)
        names = tuple(file.name for file in files)
        shape = (schema["schema-id"], spec.spec_id, spec.format_version)
        key = (names, metadata.get("table-uuid"), shape)
        if key not in commit.manifests:
            data = manifest(files, commit.snapshot_id, spec, schema)
            path = f"{metadata_folder(metadata)}/{new_name()}"
            self._put(commit, path, data)
            commit.manifests[key] = describe(files, path, len(data), commit.snapshot_id, spec)
        return commit.manifests[key]

    def _manifest_list(
        self, commit: CommitProgress, metadata: Metadata, added: Manifest
    ) -> tuple[str, AvroFile, int]:
        """Store the parent's manifest list plus one line.

        Returns:
            Its address, the list, and the number of rows that get ids with it, if rows have ids.
        """
        parent = current_snapshot(metadata)
        old = None if parent is None else self._lines(parent["manifest-list"])
        rows, row_id = 0, next_row_id(metadata)
        if row_id is not None:
            old, free = numbered(old, row_id)
            rows, row_id = free - row_id + added.rows, free
        lines = extended_list(
            old,
            added,
            next_sequence_number(metadata),
            None if parent is None else parent["snapshot-id"],
            row_id,
        )
        path = f"{metadata_folder(metadata)}/snap-{commit.snapshot_id}-1-{uuid4()}.avro"
        self._put(commit, path, lines.encode())
        return path, lines, rows

    def _lines(self, path: str) -> AvroFile:
        """Return a manifest list, from memory if our last commit wrote it."""
        if self._list is not None and self._list[0] == path:
            return self._list[1]
        return open_list(self._storage.get(self._storage.path(path)))

    def _put(self, commit: CommitProgress, address: str, data: bytes) -> None:
        commit.written.add(address)
        self._storage.put(self._storage.path(address), data)
