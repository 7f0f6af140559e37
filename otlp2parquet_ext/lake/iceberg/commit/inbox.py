"""The inbox: descriptors of files that are stored but in no snapshot yet.

    put(file) --> inbox/<stored>-<name>.json --take()--> files to commit --remove()--> gone
                                                 |
                                                 +--set_aside()--> inbox/missing/…, inbox/rejected/…

Entries sort by the time their files were stored, and the oldest are committed first. So the table's
ledger forgets only files that are older than all waiting ones.

An entry is deleted only after its commit has succeeded. After a crash between the two, the next
committer finds the file's name in the table, and does not commit it again.

A descriptor is not trusted: `trust.py` compares it with its file, which `inspection.py` reads. An
entry that fails is set aside with the reason, where committers do not read it and a person can.
Entries whose file is missing, and may come back, go to another folder than false ones.
"""

from __future__ import annotations

import contextlib
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.lake.iceberg.commit import trust
from otlp2parquet_ext.lake.iceberg.commit.inspection import look
from otlp2parquet_ext.lake.iceberg.commit.set_aside import FOLDER, Aside, file_name, keep
from otlp2parquet_ext.lake.iceberg.commit.trust import (
    ENTRY,
    ENTRY_BYTES,
    QUOTED,
    Rejection,
    entry_name,
)
from otlp2parquet_ext.lake.storage.gather import gather
from otlp2parquet_ext.lake.storage.storage import ForeignAddressError, NotThereError, StorageError
from otlp2parquet_ext.records.tables.logs import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile
    from otlp2parquet_ext.lake.storage.storage import Storage
    from otlp2parquet_ext.records.tables.columns import Column


class InboxEntry(NamedTuple):
    """A file that waits for a commit.

    Attributes:
        entry: path of its descriptor.
        file: the verified descriptor.
    """

    entry: str
    file: DataFile


class Unread(NamedTuple):
    """An entry that could not be checked, for it or its file cannot be read; it stays."""

    error: StorageError


class InboxBatch(NamedTuple):
    """The checked entries of the inbox.

    Attributes:
        files: entries to commit; each file name once.
        again: further entries of the same file names.
        aside: entries that cannot be committed.
        unread: errors of entries that could not be read; they stay in the inbox. It may be all of
            them, for example without a permission.
    """

    files: list[InboxEntry]
    again: list[InboxEntry]
    aside: list[Aside]
    unread: list[StorageError]


class Inbox:
    """The inbox of one table.

    Args:
        storage: the inbox's storage.
        files: storage of the data files; None if it is the same.
        columns: our columns of the table.

    Attributes:
        usable: there is an inbox.
    """

    usable = True

    def __init__(
        self,
        storage: Storage,
        files: Storage | None = None,
        columns: Sequence[Column] = COLUMNS,
    ) -> None:
        self._storage = storage
        self._files = files or storage
        self._columns = columns

    @property
    def storage(self) -> Storage:
        """The inbox's storage: unlike a table bucket, it accepts any file and can list them."""
        return self._storage

    @property
    def location(self) -> str:
        """The address of the inbox, and of data files of environments that know no table."""
        return self._storage.url("").rstrip("/")

    def put(self, file: DataFile) -> None:
        """Write a descriptor; an existing one of the same name stays and is equally valid."""
        self._storage.put(_path(file), msgspec.json.encode(file))

    def take(self, limit: int, *, threads: int = 1, deadline_ms: int | None = None) -> InboxBatch:
        """Check the oldest entries.

        Args:
            limit: most entries to return, n > 0, good or bad; unreadable ones are not counted.
            threads: number of entries to check in parallel, for a remote storage.
            deadline_ms: Unix ms; after it, no further entry is checked.

        Raises:
            StorageError: the storage itself fails, not only one of its objects.
        """
        taken = InboxBatch([], [], [], [])
        names = set[str]()
        deadline = None if deadline_ms is None else SteadyDeadline(deadline_ms)
        looked = (found for found in self._look_at_all(threads, deadline) if found is not None)
        for found in islice(_but_unread(looked, taken.unread), limit):
            if isinstance(found, Aside):
                taken.aside.append(found)
            elif found.file.name in names:
                taken.again.append(found)
            else:
                names.add(found.file.name)
                taken.files.append(found)
        return taken

    def _look_at_all(
        self, threads: int, deadline: SteadyDeadline | None
    ) -> Iterator[InboxEntry | Aside | Unread | None]:
        """Yield the result of each entry's check; None if another committer has deleted it."""

        def entries() -> Iterator[str]:
            for path in self._storage.list(FOLDER):
                if deadline is not None and deadline.left_ms() < 0:
                    return
                if ENTRY.fullmatch(file_name(path)):
                    yield path

        yield from gather(self._look_at, entries(), threads)

    def _look_at(self, entry: str) -> InboxEntry | Aside | Unread | None:
        data = b""
        try:
            part = self._storage.part(entry, 0, ENTRY_BYTES)
            data = part.data
            found = trust.read_entry(file_name(entry), data, part.size_bytes)
            if not isinstance(found, Rejection):
                found = self.look_at(found)
        except NotThereError:
            return None
        except ForeignAddressError as error:
            found = Rejection(str(error))
        except StorageError as error:
            if not error.of_object:
                raise
            return Unread(error)
        return (
            Aside(entry, found, data) if isinstance(found, Rejection) else InboxEntry(entry, found)
        )

    def look_at(self, file: DataFile) -> DataFile | Rejection:
        """Compare a file with its descriptor; return the verified descriptor or a rejection.

        Raises:
            StorageError: the file cannot be read.
        """
        try:
            storage = self.storage_of(file)
        except ForeignAddressError:
            return trust.outside(file)
        return look(storage, file, self._columns)

    def entries(self) -> list[str]:
        """Return the file names of all entries, oldest first, unchecked; ignore other files."""
        names = map(file_name, self._storage.list(FOLDER))
        return [name for name in names if ENTRY.fullmatch(name)]

    def names(self) -> set[str]:
        """Return the names of all files that have a descriptor.

        Entries that are set aside do not count. If their file is complete, the sweep writes a new
        descriptor.
        """
        return {match[2] for name in self.entries() if (match := ENTRY.fullmatch(name))}

    def storage_of(self, file: DataFile) -> Storage:
        """Return the storage of a file.

        It is the table's, or the inbox's for files of environments that know no table location.

        Raises:
            ForeignAddressError: the file lies in neither.
        """
        with contextlib.suppress(ForeignAddressError):
            self._files.path(file.path)
            return self._files
        self._storage.path(file.path)
        return self._storage

    def entry_of(self, file: DataFile) -> str:
        """Return the path of the descriptor that `put` writes."""
        return _path(file)

    def set_aside(self, aside: Sequence[Aside], *, threads: int = 1) -> None:
        """Set entries aside with their reasons, and log one line about all of them.

        Args:
            aside: the entries.
            threads: number of parallel writes, for a remote storage.

        Raises:
            StorageError: some or all of them stay in the inbox.
        """
        if not aside:
            return
        folders = keep(self._storage, aside, threads)
        self.remove([one.entry for one in aside])
        first = aside[0]
        log(
            "error",
            f"{len(aside)} entries of the inbox are not committed, for example "
            f"{file_name(first.entry)[:QUOTED]!r}: {first.why.reason}; they are in "
            f"{' and '.join(folders)}, each with its reason, and their files stay",
        )

    def remove(self, entries: Sequence[str]) -> None:
        """Delete the descriptors of visible files."""
        if entries:
            self._storage.delete_many(list(entries))


class NoInbox(Inbox):
    """No inbox: S3 Tables cannot list or delete objects, and `OTLP2PARQUET_INBOX` is not set."""

    usable = False

    def put(self, file: DataFile) -> None:
        """See `Inbox.put`."""
        raise StorageError(
            f"{file.path} cannot wait in an inbox, because there is none: set "
            "OTLP2PARQUET_INBOX=s3://bucket/prefix"
        )

    def take(self, limit: int, *, threads: int = 1, deadline_ms: int | None = None) -> InboxBatch:
        """See `Inbox.take`."""
        del limit, threads, deadline_ms
        return InboxBatch([], [], [], [])

    def entries(self) -> list[str]:
        """See `Inbox.entries`."""
        return []

    def set_aside(self, aside: Sequence[Aside], *, threads: int = 1) -> None:
        """See `Inbox.set_aside`: does nothing, for there are no entries."""

    def remove(self, entries: Sequence[str]) -> None:
        """See `Inbox.remove`."""


def _but_unread(
    found: Iterator[InboxEntry | Aside | Unread], unread: list[StorageError]
) -> Iterator[InboxEntry | Aside]:
    """Yield the checked entries, and append the errors of unreadable ones to `unread`."""
    for one in found:
        if isinstance(one, Unread):
            unread.append(one.error)
        else:
            yield one


def _path(file: DataFile) -> str:
    return f"{FOLDER}/{entry_name(file)}"
