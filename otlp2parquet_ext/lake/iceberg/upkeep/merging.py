"""Merge a table's small manifests in one `replace` snapshot, while other writers commit.

    look --> write merged manifests --> note what they replace --> new list --> compare-and-swap
                                                                     ^               |
                                                                     +---- lost -----+

Not for the flush path, because it reads all small manifests. All attempts share the merged
manifests, because their entries do not depend on a snapshot; only the list is written again. A
killed run leaves unreferenced files, which the sweep deletes. A lost run deletes its own files.

Source: Apache Iceberg table specification, "Optimistic Concurrency", "Snapshots".
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.lake.iceberg.commit.backoff import commit_attempts
from otlp2parquet_ext.lake.iceberg.commit.catalog import OutcomeUnknownError
from otlp2parquet_ext.lake.iceberg.commit.handle import now_ms
from otlp2parquet_ext.lake.iceberg.commit.history import proof
from otlp2parquet_ext.lake.iceberg.commit.ledger import names_summary
from otlp2parquet_ext.lake.iceberg.commit.preconditions import current_schema, partitioning
from otlp2parquet_ext.lake.iceberg.format.avro import AvroError
from otlp2parquet_ext.lake.iceberg.format.contents import lines
from otlp2parquet_ext.lake.iceberg.format.manifest import list_header, new_name, open_list
from otlp2parquet_ext.lake.iceberg.format.merged_manifest import MergedManifest
from otlp2parquet_ext.lake.iceberg.format.metadata_paths import metadata_folder
from otlp2parquet_ext.lake.iceberg.format.snapshot import (
    TableChange,
    current_snapshot,
    new_snapshot,
    next_row_id,
    next_sequence_number,
)
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.iceberg.upkeep.merge import (
    Merged,
    days_of,
    list_of,
    mergeable,
    packs,
    replace_summary,
)
from otlp2parquet_ext.lake.iceberg.upkeep.notes import Note, Notes
from otlp2parquet_ext.lake.storage.gather import gather
from otlp2parquet_ext.lake.storage.storage import ObjectTooLongError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otlp2parquet_ext.lake.iceberg.commit.catalog import Version
    from otlp2parquet_ext.lake.iceberg.commit.handle import Handle
    from otlp2parquet_ext.lake.iceberg.format.avro_file import AvroFile
    from otlp2parquet_ext.lake.iceberg.format.contents import ManifestEntry

MOST_BYTES = 67_108_864
"""Most bytes of manifests to read in one run."""

MOST_ATTEMPTS = 30


class Merging(msgspec.Struct, frozen=True):
    """The result of a run, or of a dry run.

    Attributes:
        manifests: number of the table's manifests before it.
        replaced: number of merged manifests.
        written: number of new manifests.
        why: the reason why nothing was merged; "" otherwise.
    """

    manifests: int
    replaced: int = 0
    written: int = 0
    why: str = ""


def merge_manifests(
    handle: Handle, deadline_ms: int, *, most_bytes: int = MOST_BYTES, dry_run: bool = False
) -> Merging:
    """Merge our small manifests, if there are many.

    Args:
        handle: the table.
        deadline_ms: Unix ms; half of the time until then is for reading.
        most_bytes: most bytes of manifests to read; the next run takes the rest.
        dry_run: count the manifests, but write nothing.

    Raises:
        CommitError: the table is not supported, or its catalog cannot be reached; the table is
            unchanged.
        StorageError: a file cannot be read or written; the table is unchanged.
        AvroError: a file is damaged; the table is unchanged.
    """
    version = handle.catalog.load(deadline_ms, fresh=True)
    parent = None if version is None else current_snapshot(version.metadata)
    if version is None or parent is None:
        return Merging(0, why="there is no snapshot")
    spec = partitioning(version.metadata, handle.columns)
    if next_row_id(version.metadata) is not None:
        return Merging(0, why="manifests of format version 3 are not merged: their rows have ids")
    old = lines(open_list(handle.get(parent["manifest-list"])))
    chosen = mergeable(old, metadata_folder(version.metadata), spec, most_bytes)
    if not chosen:
        return Merging(len(old), why="few small ones")
    if dry_run:
        return Merging(len(old), len(chosen), len(list(packs(chosen))))
    run = _MergeRun(handle, deadline_ms)
    try:
        return run.merge(version, chosen, len(old))
    finally:
        handle.delete(run.written - run.used)


class _MergeRun:
    """One run, over all its attempts.

    Attributes:
        written: addresses of the files that the run has written.
        used: those of `written` that the catalog refers to, or may refer to.
    """

    def __init__(self, handle: Handle, deadline_ms: int) -> None:
        self._handle = handle
        self._deadline = SteadyDeadline(deadline_ms)
        self._read_until = SteadyDeadline(self._deadline.unix_ms(self._deadline.left_ms() / 2))
        self._snapshot_id = uuid4().int >> 65
        self._known: tuple[AvroFile, list[ManifestEntry]] | None = None
        self.written: set[str] = set()
        self.used: set[str] = set()

    def merge(self, version: Version, chosen: Sequence[ManifestEntry], manifests: int) -> Merging:
        """See `merge_manifests`."""
        merged = [m for pack in packs(chosen) if (m := self._merged(version, pack)) is not None]
        if not merged:
            return Merging(manifests, why="there was no time, or nothing that can be merged")
        replaced = [line.path for m in merged for line in m.pack]
        take_back = self._note(version, replaced)
        try:
            why = self._replace(merged)
        finally:
            if not self.used:
                take_back()
        return Merging(manifests, 0 if why else len(replaced), 0 if why else len(merged), why)

    def _note(self, version: Version, replaced: list[str]) -> Callable[[], None]:
        """Write a note of the replaced manifests, if we may delete files; return its undo."""
        metadata, storage = version.metadata, self._handle.storage
        if self._handle.why_not_delete(metadata):
            return lambda: None
        note = Note(metadata["table-uuid"], self._snapshot_id, now_ms(), replaced)
        notes = Notes(storage, storage.path(metadata["location"]))
        notes.put(note)
        return lambda: notes.remove(note)

    def _read(self, line: ManifestEntry) -> bytes | None:
        """Read a manifest; None if it is longer than in its manifest list."""
        try:
            return self._handle.get(line.path, line.length)
        except ObjectTooLongError:
            return None

    def _merged(self, version: Version, pack: Sequence[ManifestEntry]) -> Merged | None:
        """Store the manifest that replaces a pack; None if there is no time left."""
        if self._read_until.left_ms() < 0:
            return None
        metadata = version.metadata
        taken: list[ManifestEntry] = []
        spec = partitioning(metadata, self._handle.columns)
        manifest = MergedManifest(spec, current_schema(metadata))
        read = gather(self._read, pack, self._handle.threads)
        for line, data in zip(pack, read, strict=True):
            try:
                manifest.take(line, _whole(line, data))
                taken.append(line)
            except AvroError as error:
                log("warning", f"{error}; it is kept as it is")
            if self._read_until.left_ms() < 0:
                break
        if len(taken) < 2:
            return None
        data, path = manifest.encode(), f"{metadata_folder(metadata)}/{new_name()}"
        self._put(path, data)
        return Merged(path, len(data), taken, spec.spec_id, days_of(taken))

    def _replace(self, merged: Sequence[Merged]) -> str:
        """Commit; return "", or the reason for a failure."""
        attempts = commit_attempts(self._deadline, MOST_ATTEMPTS)
        while True:
            version = self._handle.catalog.load(self._deadline.unix_ms())
            if version is None:
                return "the table was dropped"
            try:
                landed = self._attempt(version, merged)
            except OutcomeUnknownError:
                return "" if self._landed() else "it is not known whether the commit landed"
            if landed is not None:
                return landed
            if not attempts.again():
                return f"{attempts.made} attempts were lost against other writers"

    def _attempt(self, version: Version, merged: Sequence[Merged]) -> str | None:
        """Commit once; return "" after success, None for another attempt, or a final reason."""
        metadata = version.metadata
        parent = current_snapshot(metadata)
        listing = None if parent is None else open_list(self._handle.get(parent["manifest-list"]))
        if parent is None or listing is None:
            return "another writer emptied the table"
        current = {line.path: line for line in self._lines(listing)}
        replaced = {line.path: line for m in merged for line in m.pack}
        if any(current.pop(path, None) != line for path, line in replaced.items()):
            return "another writer replaced the same manifests"
        number = next_sequence_number(metadata)
        lines = list_of(
            listing,
            list(current.values()),
            [m.record(self._snapshot_id, number) for m in merged],
            list_header(self._snapshot_id, parent["snapshot-id"], number),
        )
        path = f"{metadata_folder(metadata)}/snap-{self._snapshot_id}-1-{uuid4()}.avro"
        self._put(path, lines.encode())
        summary = replace_summary(parent, merged, len(current)) | names_summary(())
        snapshot = new_snapshot(metadata, self._snapshot_id, path, summary, now_ms())
        change = TableChange(snapshot, frozenset(), proof(metadata, number, self._snapshot_id))
        return "" if self._swap(version, change, path, merged) else None

    def _swap(
        self, version: Version, change: TableChange, path: str, merged: Sequence[Merged]
    ) -> bool:
        """Send a change; its files count as used until the catalog refuses it."""
        self.used = {path, *(m.path for m in merged)}
        try:
            landed = self._handle.catalog.commit(version, change, self._deadline.unix_ms())
        except CommitError:
            self.used = set()
            raise
        if not landed:
            self.used = set()
        return landed

    def _landed(self) -> bool:
        version = self._handle.catalog.load(self._deadline.unix_ms(), fresh=True)
        snapshots = () if version is None else version.metadata.get("snapshots", ())
        return any(s["snapshot-id"] == self._snapshot_id for s in snapshots)

    def _lines(self, listing: AvroFile) -> list[ManifestEntry]:
        """Return a list's lines; if the list has only grown, decode only its new end."""
        before, known = self._known or (None, [])
        if (
            before is not None
            and (before.schema, before.sync) == (listing.schema, listing.sync)
            and listing.blocks.startswith(before.blocks)
        ):
            rest = listing.blocks[len(before.blocks) :]
            found = known + lines(msgspec.structs.replace(listing, blocks=rest))
        else:
            found = lines(listing)
        self._known = (listing, found)
        return found

    def _put(self, address: str, data: bytes) -> None:
        self.written.add(address)
        self._handle.put(address, data)


def _whole(line: ManifestEntry, data: bytes | None) -> bytes:
    """Return the bytes of a manifest.

    Raises:
        AvroError: the manifest is longer than in its manifest list.
    """
    if data is None:
        raise AvroError(
            f"the manifest {line.path} is longer than the {line.length} bytes of its manifest list"
        )
    return data
