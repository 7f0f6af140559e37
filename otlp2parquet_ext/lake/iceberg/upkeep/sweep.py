"""Find the files in a table's folders without a reference, page by page, and classify them.

    places() --look()--> a page of old files --sort_out()--> waste | strays | foreign

*Waste* can be deleted: metadata of killed attempts, and data files whose rewritten copy is in the
table. *Foreign* is metadata with an unknown form of name. A *stray* is a data file of ours: its
environment died before it wrote the descriptor, or a rewrite has replaced the file. A stray is
`adoptable` only if it certainly never was in the table. Data files of other writers are ignored.

The order makes it safe: first list the files, then the inbox, then load the table. A file that is
committed in between is younger than `older_than_ms`.

Source: Apache Iceberg's `remove_orphan_files`, whose three days are kept.
"""

from __future__ import annotations

import contextlib
import re
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.lake.iceberg.commit.expiry import WAITING
from otlp2parquet_ext.lake.iceberg.commit.handle import now_ms
from otlp2parquet_ext.lake.iceberg.commit.history import appends_only_since
from otlp2parquet_ext.lake.iceberg.format.contents import all_lines, live, may_have, original, plain
from otlp2parquet_ext.lake.iceberg.format.metadata_paths import metadata_folder
from otlp2parquet_ext.lake.iceberg.upkeep.notes import Notes
from otlp2parquet_ext.lake.storage.gather import gather
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from otlp2parquet_ext.lake.iceberg.commit.catalog import Version
    from otlp2parquet_ext.lake.iceberg.commit.handle import Handle
    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata
    from otlp2parquet_ext.lake.storage.storage import ObjectEntry

OLDER_THAN_MS = 3 * 86_400_000
FILES_PER_PAGE = 10_000

METADATA = re.compile(r"snap-[^/]*\.avro|[^/]*-m\d+\.avro|\d{5,}-[0-9a-f-]{36}\.metadata\.json")
"""Names of metadata files of this package and of Iceberg's libraries."""

UNFINISHED = re.compile(r"\.[^/]+\.\d+")
"""Names of incomplete files on a disk, whose writer was killed."""

DATA = re.compile(r"[^/=]+=(\d{4}-\d\d-\d\d)/([0-9A-Za-z]{32})\.parquet")
"""Names of our data files: the day, and the batch."""

EPOCH = date(1970, 1, 1).toordinal()


class Places(msgspec.Struct, frozen=True):
    """Folders that belong to one table alone, as paths in the storage, with a trailing slash.

    The table's location itself is not among them, because other tables may lie below it.

    Attributes:
        metadata: folder of the metadata.
        data: folder of data files in the table's location, and that of environments that may not
            write there.
    """

    metadata: str
    data: tuple[str, ...]


class SweepPage(msgspec.Struct, frozen=True):
    """A page of a walk through the folders.

    Attributes:
        old: files that are old enough.
        looked: number of all files on the page.
        after: path after which the next page begins; None for the last page.
    """

    old: Sequence[ObjectEntry]
    looked: int
    after: str | None


class Stray(msgspec.Struct, frozen=True):
    """A data file of ours without a reference.

    Attributes:
        entry: the file.
        name: name for its descriptor.
        day: days since 1970.
        adoptable: the file certainly never was in the table.
    """

    entry: ObjectEntry
    name: str
    day: int
    adoptable: bool


class SweepFindings(msgspec.Struct, frozen=True):
    """The files of one page without a reference."""

    waste: list[ObjectEntry] = msgspec.field(default_factory=list)
    strays: list[Stray] = msgspec.field(default_factory=list)
    foreign: list[ObjectEntry] = msgspec.field(default_factory=list)


def places(handle: Handle, metadata: Metadata, elsewhere: Sequence[str] = ()) -> Places:
    """Return the folders of a table.

    Args:
        handle: the table.
        metadata: the table's metadata.
        elsewhere: addresses of further locations with data files of this table alone.
    """
    roots = {plain(address).rstrip("/") for address in (metadata["location"], *elsewhere)}
    data = []
    for root in sorted(roots):
        with contextlib.suppress(StorageError):  # this inbox lies in another kind of storage
            data.append(handle.storage.path(f"{root}/data") + "/")
    return Places(handle.storage.path(metadata_folder(metadata)) + "/", tuple(data))


def look(handle: Handle, where: Places, after: str, older_than_ms: int, most: int) -> SweepPage:
    """Return the next page of the table's folders.

    Args:
        handle: the table.
        where: the folders.
        after: path at the end of the page before; "" for the first page.
        older_than_ms: least age of an old file, in ms.
        most: most files of a page, n > 0.

    Raises:
        StorageError: a folder cannot be listed.
    """
    before_ms, looked = now_ms() - older_than_ms, 0
    old: list[ObjectEntry] = []
    for folder in sorted({where.metadata, *where.data}):
        for entry in handle.storage.walk(folder.rstrip("/"), after):
            if looked == most:
                return SweepPage(old, looked, after)
            looked, after = looked + 1, entry.path
            if entry.stored_ms <= before_ms:
                old.append(entry)
    return SweepPage(old, looked, None)


def sort_out(
    handle: Handle,
    version: Version,
    where: Places,
    files: Sequence[ObjectEntry],
    described: Collection[str],
    *,
    deadline_ms: int,
) -> SweepFindings:
    """Classify the files without a reference.

    Args:
        handle: the table.
        version: the current table, loaded after the files were listed.
        where: the folders.
        files: old files of a page.
        described: names of the inbox's descriptors, listed before the table was loaded.
        deadline_ms: Unix ms.

    Raises:
        TimeoutError: there was no time to read all manifests.
        StorageError: a file of the table cannot be read.
        AvroError: a file of the table is damaged.
        CommitError: a snapshot has no manifest list.
    """
    metadata, deadline = version.metadata, SteadyDeadline(deadline_ms)
    lines = all_lines(handle.storage, metadata, handle.threads)
    known = _references(version) | lines.keys() | _noted(handle, metadata)
    found, since_ms = SweepFindings(), appends_only_since(metadata)
    strays: dict[str, Stray] = {}
    for entry in files:
        address = plain(handle.storage.url(entry.path))
        folder = next(f for f in (where.metadata, *where.data) if entry.path.startswith(f))
        name = entry.path.removeprefix(folder)
        if address in known:
            continue
        if UNFINISHED.fullmatch(name.rpartition("/")[2]):
            found.waste.append(entry)
        elif folder == where.metadata:
            (found.waste if METADATA.fullmatch(name) else found.foreign).append(entry)
        elif (stray := _stray(entry, name, since_ms)) is not None:
            strays[address] = stray
    days = frozenset(stray.day for stray in strays.values())
    manifests = [line for line in lines.values() if may_have(line, metadata, days)]
    there = live(
        handle.storage,
        manifests if strays else (),
        strays,
        deadline.unix_ms(),
        handle.threads,
        named=original,
    )
    anew = {original(address) for address in there}
    for address, stray in strays.items():
        if address in there or stray.name in described:
            continue
        if address in anew:
            found.waste.append(stray.entry)
        else:
            found.strays.append(stray)
    return found


def _stray(entry: ObjectEntry, name: str, since_ms: int | None) -> Stray | None:
    """Return a stray if a file's name is one of ours, else None."""
    match = DATA.fullmatch(name)
    if match is None:
        return None
    try:
        day = date.fromisoformat(match[1]).toordinal() - EPOCH
    except ValueError:
        return None
    adoptable = since_ms is not None and entry.stored_ms >= since_ms
    return Stray(entry, f"{match[2]}-{match[1]}", day, adoptable)


def _references(version: Version) -> set[str]:
    """Return the addresses that a table's metadata itself refers to."""
    metadata = version.metadata
    found = {version.location}
    found |= {entry["metadata-file"] for entry in metadata.get("metadata-log", ())}
    found |= {snapshot.get("manifest-list", "") for snapshot in metadata.get("snapshots", ())}
    for kind in ("statistics", "partition-statistics"):
        found |= {entry["statistics-path"] for entry in metadata.get(kind, ())}
    waiting = metadata.get("properties", {}).get(WAITING, "").split()
    found |= {f"{metadata_folder(metadata)}/{name}" for name in waiting}
    return set(map(plain, found))


def _noted(handle: Handle, metadata: Metadata) -> set[str]:
    """Return the addresses in notes, which `cleaning.py` deletes."""
    notes = Notes(handle.storage, handle.storage.path(metadata["location"]))
    read = gather(lambda name: notes.read(*name), notes.known().items(), handle.threads)
    found = [note for note in read if note is not None]
    return {plain(path) for note in found for path in (*note.manifests, *note.files)}
