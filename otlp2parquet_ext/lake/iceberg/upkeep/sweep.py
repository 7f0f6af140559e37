"""What lies in a table's folders and nothing refers to: found page by page, and told apart.

    places() --look()--> a page of old files --sort_out()--> waste | strays | foreign

*Waste* is metadata of attempts that were killed, and data files that are in the table written
anew: it can go. Metadata of a name we do not know is *foreign*. A *stray* is a data file of ours:
rows of an environment that died between file and descriptor, or a file that a rewrite replaced; it
is `adoptable` only when it surely never was in the table. Data files of others are theirs.

The order of questions is what makes it safe: first the files, then who waits in the inbox, then the
table as it is after that. What was referred to in between is younger than `older_than_ms`.

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
"""Names in the metadata folder that we and Iceberg's libraries give."""

UNFINISHED = re.compile(r"\.[^/]+\.\d+")
"""Names of files on a disk whose writer was killed."""

DATA = re.compile(r"[^/=]+=(\d{4}-\d\d-\d\d)/([0-9A-Za-z]{32})\.parquet")
"""Names in a data folder that we give: the day, and the batch."""

EPOCH = date(1970, 1, 1).toordinal()


class Places(msgspec.Struct, frozen=True):
    """Folders that are the table's alone, as paths of the storage, with a slash at their end.

    Its location is none of them: other tables may lie below it.

    Attributes:
        metadata: of the table.
        data: in its location, and where environments store that may not write there.
    """

    metadata: str
    data: tuple[str, ...]


class SweepPage(msgspec.Struct, frozen=True):
    """Part of a walk.

    Attributes:
        old: files that are old enough.
        looked: how many there were in all.
        after: where the next page begins; None when this was the last.
    """

    old: Sequence[ObjectEntry]
    looked: int
    after: str | None


class Stray(msgspec.Struct, frozen=True):
    """A data file of ours that nothing refers to.

    Attributes:
        entry: the file.
        name: that its descriptor would have had.
        day: days since 1970.
        adoptable: it surely never was in the table.
    """

    entry: ObjectEntry
    name: str
    day: int
    adoptable: bool


class SweepFindings(msgspec.Struct, frozen=True):
    """What nothing refers to, of one page."""

    waste: list[ObjectEntry] = msgspec.field(default_factory=list)
    strays: list[Stray] = msgspec.field(default_factory=list)
    foreign: list[ObjectEntry] = msgspec.field(default_factory=list)


def places(handle: Handle, metadata: Metadata, elsewhere: Sequence[str] = ()) -> Places:
    """Return where a table's files lie.

    Args:
        handle: the table.
        metadata: the table's.
        elsewhere: addresses of further locations that hold data files of this table alone.
    """
    roots = {plain(address).rstrip("/") for address in (metadata["location"], *elsewhere)}
    data = []
    for root in sorted(roots):
        with contextlib.suppress(StorageError):  # an inbox in another kind of storage
            data.append(handle.storage.path(f"{root}/data") + "/")
    return Places(handle.storage.path(metadata_folder(metadata)) + "/", tuple(data))


def look(handle: Handle, where: Places, after: str, older_than_ms: int, most: int) -> SweepPage:
    """Walk through a part of the table's folders.

    Args:
        handle: the table.
        where: to look.
        after: where an earlier page ended; empty for the first.
        older_than_ms: age in ms from which a file counts as old.
        most: files to look at, n > 0.

    Raises:
        StorageError: they cannot be listed.
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
    """Tell apart what nothing refers to.

    Args:
        handle: the table.
        version: as it is now, asked for after the files were seen.
        where: they were seen.
        files: old ones.
        described: names of descriptors that wait, asked for in between.
        deadline_ms: Unix ms.

    Raises:
        TimeoutError: there was no time to ask every manifest.
        StorageError: something the table refers to cannot be read.
        AvroError: likewise.
        CommitError: likewise.
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
    """Return a data file as ours; None when it is not."""
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
    """Return what a table's metadata itself refers to."""
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
    """Return what is noted to be deleted: that is the cleaning's business."""
    notes = Notes(handle.storage, handle.storage.path(metadata["location"]))
    read = gather(lambda name: notes.read(*name), notes.known().items(), handle.threads)
    found = [note for note in read if note is not None]
    return {plain(path) for note in found for path in (*note.manifests, *note.files)}
