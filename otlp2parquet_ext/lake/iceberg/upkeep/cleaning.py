"""Delete the files that only expired snapshots referred to.

    a merge of ours, or a rewrite of others --> a note of what it replaced --> deleted, once
        no snapshot that is left refers to it, and `grace_ms` after it was replaced

A file is deleted only if all of these hold: a note names it, which proves that it was in the table;
it lies in the table's folders; and no remaining snapshot, on any branch or tag, refers to it. A
concurrent commit cannot refer to it again: it is based on a remaining snapshot, or the catalog
refuses it. If a manifest cannot be read in time, the next run tries again.

(`expiry.py` deletes old manifest lists, and the catalog deletes old metadata files.)

Source: Apache Iceberg table specification, "Snapshot Retention Policy".
"""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.lake.iceberg.commit.handle import now_ms
from otlp2parquet_ext.lake.iceberg.commit.ledger import NAMES
from otlp2parquet_ext.lake.iceberg.format.avro import AvroError
from otlp2parquet_ext.lake.iceberg.format.contents import (
    all_lines,
    entries,
    lines,
    live,
    plain,
    read_list,
)
from otlp2parquet_ext.lake.iceberg.format.metadata_paths import metadata_folder
from otlp2parquet_ext.lake.iceberg.upkeep.notes import Note, Notes
from otlp2parquet_ext.lake.storage.gather import gather

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from otlp2parquet_ext.lake.iceberg.commit.catalog import Version
    from otlp2parquet_ext.lake.iceberg.commit.handle import Handle
    from otlp2parquet_ext.lake.iceberg.format.contents import ManifestEntry

GRACE_MS = 3_600_000
MOST_NOTES = 500
DELETED = 2


class Cleaned(msgspec.Struct, frozen=True):
    """The result of a run, or of a dry run.

    Attributes:
        manifests, files: numbers of deleted manifests, and of deleted data and delete files that
            other programs replaced.
        notes: number of notes left for a later run.
        why: the reason why nothing was deleted; "" otherwise.
    """

    manifests: int = 0
    files: int = 0
    notes: int = 0
    why: str = ""


def clean(
    handle: Handle, deadline_ms: int, *, grace_ms: int = GRACE_MS, dry_run: bool = False
) -> Cleaned:
    """Delete the files that a snapshot replaced and that no snapshot needs any more.

    Args:
        handle: the table.
        deadline_ms: Unix ms.
        grace_ms: time for readers of an expired snapshot to finish.
        dry_run: count the files, but delete nothing.

    Raises:
        CommitError: the catalog cannot be reached; nothing was deleted.
        StorageError: a file of the table cannot be read; nothing was deleted.
        AvroError: a file of the table is damaged; nothing was deleted.
        TimeoutError: there was no time to read all manifests; nothing was deleted.
    """
    deadline = SteadyDeadline(deadline_ms)
    version = handle.catalog.load(deadline_ms, fresh=True)
    if version is None or not version.metadata.get("snapshots"):
        return Cleaned(why="there is no snapshot")
    if why := handle.why_not_delete(version.metadata):
        return Cleaned(why=why)
    notes = Notes(handle.storage, handle.storage.path(version.metadata["location"]))
    known = notes.known()
    if not dry_run:
        for note in _rewrites(handle, version, known):
            notes.put(note)
            known[note.snapshot_id] = note.replaced_ms
    due = [
        (s, replaced_ms) for s, replaced_ms in known.items() if replaced_ms <= now_ms() - grace_ms
    ]
    # A tag can keep a note for years. A random sample makes sure that all other notes get a run.
    some = random.sample(due, min(len(due), MOST_NOTES))
    read = gather(lambda name: notes.read(*name), some, handle.threads)
    found = [note for note in read if note is not None]
    if not found:
        return Cleaned(notes=len(known), why="nothing is due")
    run = _CleaningRun(handle, version, deadline, dry_run=dry_run)
    done = [note for note in found if run.resolve(note)]
    for note in done if not dry_run else ():
        notes.remove(note)
    return Cleaned(run.manifests, run.files, len(known) - len(done))


class _CleaningRun:
    """One run over the notes that are due.

    Attributes:
        manifests, files: numbers of files deleted so far.
    """

    def __init__(
        self, handle: Handle, version: Version, deadline: SteadyDeadline, *, dry_run: bool
    ) -> None:
        self._handle = handle
        self._version = version
        self._deadline = deadline
        self._dry_run = dry_run
        self._live = all_lines(handle.storage, version.metadata, handle.threads)
        self.manifests = self.files = 0

    def resolve(self, note: Note) -> bool:
        """Delete a note's unneeded files; return whether the note itself is no longer needed."""
        metadata = self._version.metadata
        if note.table_uuid != metadata["table-uuid"]:
            return True  # a note of an earlier table; the sweep finds that table's files
        manifests = set(_within(metadata_folder(metadata), note.manifests))
        files = set(_within(metadata["location"].rstrip("/"), note.files))
        kept = manifests & self._live.keys()
        if files:
            kept |= live(
                self._handle.storage,
                self._live.values(),
                files,
                self._deadline.unix_ms(),
                self._handle.threads,
            )
        self._delete(manifests - kept | files - kept)
        self.manifests += len(manifests - kept)
        self.files += len(files - kept)
        return not kept

    def _delete(self, addresses: Iterable[str]) -> None:
        storage = self._handle.storage
        if not self._dry_run:
            storage.delete_many([storage.path(address) for address in addresses])


def _within(folder: str, addresses: Iterable[str]) -> Iterator[str]:
    """Yield the plain addresses inside a folder: other programs may have edited a note."""
    inside = plain(folder) + "/"
    for address in map(plain, addresses):
        if address.startswith(inside) and "/../" not in address:
            yield address


def _rewrites(handle: Handle, version: Version, known: Mapping[int, int]) -> Iterator[Note]:
    """Yield notes of files that other programs replaced, while both snapshots still exist."""
    snapshots = {s["snapshot-id"]: s for s in version.metadata["snapshots"]}
    for snapshot in snapshots.values():
        parent = snapshots.get(snapshot.get("parent-snapshot-id"))
        summary = snapshot.get("summary", {})
        ours = NAMES in summary or summary.get("operation") == "append"
        if parent is None or ours or snapshot["snapshot-id"] in known:
            continue
        with contextlib.suppress(AvroError):  # an unsupported form; its files stay
            note = _replaced(handle, version, parent, snapshot)
            if note.manifests or note.files:
                yield note


def _replaced(
    handle: Handle, version: Version, parent: Mapping[str, Any], snapshot: Mapping[str, Any]
) -> Note:
    """Return a note of the parent's manifests that a snapshot lacks, and of its deleted files."""
    before, after = (
        {line.path: line for line in lines(read_list(handle.storage, s["manifest-list"]))}
        for s in (parent, snapshot)
    )
    return Note(
        version.metadata["table-uuid"],
        snapshot["snapshot-id"],
        snapshot["timestamp-ms"],
        [path for path in before if path not in after],
        [
            path
            for line in after.values()
            if line.snapshot_id == snapshot["snapshot-id"] and line.files[2]
            for path in _deleted(handle, line)
        ],
    )


def _deleted(handle: Handle, line: ManifestEntry) -> list[str]:
    """Return the files that a manifest marks as deleted."""
    return [path for path, status in entries(handle.storage, line) if status == DELETED]
