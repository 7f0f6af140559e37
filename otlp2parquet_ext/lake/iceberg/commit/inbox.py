"""The inbox: descriptors of files that are stored but in no snapshot yet.

    put(file) --> inbox/<stored>-<name>.json --take()--> files to commit --remove()--> gone
                                                 |
                                                 +--set_aside()--> inbox/missing/…, inbox/rejected/…

Entries sort by when their files were stored, and the oldest are taken first: what the table's
ledger forgets is then always older than what still waits.

An entry is removed only after its commit is known to have landed. One that is met again after a
crash in between is recognised by its name, in the table.

Nothing an entry says is believed: `trust.py` compares it with its file, which is looked at by
`looking.py`. What fails is set aside with the reason, out of every committer's way, for a person:
those whose file is not there, and may come back, apart from those that are not true.
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
    """A file that waits.

    Attributes:
        entry: the path of its descriptor.
        file: as it is, or as its descriptor says where nobody has looked yet.
    """

    entry: str
    file: DataFile


class Unread(NamedTuple):
    """An entry of which nobody knows, for it or its file cannot be read; it stays."""

    error: StorageError


class InboxBatch(NamedTuple):
    """Some of what waits, looked at.

    Attributes:
        files: what can be committed; one name only once.
        again: entries besides, of the same names.
        aside: what cannot be committed.
        unread: why some were passed over, which stay: perhaps none may be read.
    """

    files: list[InboxEntry]
    again: list[InboxEntry]
    aside: list[Aside]
    unread: list[StorageError]


class Inbox:
    """The inbox of one table.

    Args:
        storage: in which it lies.
        files: reaches the data files, if they lie elsewhere.
        columns: ours, of the table.

    Attributes:
        usable: False where there is none.
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
        """What it lies in: other than a table bucket it holds files of any kind, and lists them."""
        return self._storage

    @property
    def location(self) -> str:
        """The address below which it lies, and files of those who may not write to the table."""
        return self._storage.url("").rstrip("/")

    def put(self, file: DataFile) -> None:
        """Leave a descriptor; one of the same name that is there already is as good."""
        self._storage.put(_path(file), msgspec.json.encode(file))

    def take(self, limit: int, *, threads: int = 1, deadline_ms: int | None = None) -> InboxBatch:
        """Look at the oldest that wait.

        Args:
            limit: descriptors at most, n > 0, good or bad; those that cannot be read come on top.
            threads: to look at at once, where they lie far away.
            deadline_ms: Unix ms after which no more of them are taken.

        Raises:
            StorageError: the storage is in trouble, and not one object of it.
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
        """Yield what is known of each entry; None when another committer was faster."""

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
        """Return a file as it is, if that is what its descriptor says.

        Raises:
            StorageError: that cannot be found out.
        """
        try:
            storage = self.storage_of(file)
        except ForeignAddressError:
            return trust.outside(file)
        return look(storage, file, self._columns)

    def entries(self) -> list[str]:
        """Return the file names of what waits, oldest first, unread; none of others."""
        names = map(file_name, self._storage.list(FOLDER))
        return [name for name in names if ENTRY.fullmatch(name)]

    def names(self) -> set[str]:
        """Return the names of all files that have a descriptor.

        What is set aside is none: if its file is a whole one, the sweep describes it anew.
        """
        return {match[2] for name in self.entries() if (match := ENTRY.fullmatch(name))}

    def storage_of(self, file: DataFile) -> Storage:
        """Return the storage a file lies in.

        Where: in the table's location, or, of environments that know none, beside the inbox.

        Raises:
            ForeignAddressError: in none where files may lie.
        """
        with contextlib.suppress(ForeignAddressError):
            self._files.path(file.path)
            return self._files
        self._storage.path(file.path)
        return self._storage

    def entry_of(self, file: DataFile) -> str:
        """Return the path of the descriptor that `put` leaves."""
        return _path(file)

    def set_aside(self, aside: Sequence[Aside], *, threads: int = 1) -> None:
        """Move entries out of the way, with the reason, and log one line of all.

        Args:
            aside: entries.
            threads: to write at once, where they lie far away.

        Raises:
            StorageError: they stay where they are, or some of them.
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
        """Forget descriptors whose files are visible."""
        if entries:
            self._storage.delete_many(list(entries))


class NoInbox(Inbox):
    """Where none can be: S3 Tables neither lists nor deletes objects, and none was named."""

    usable = False

    def put(self, file: DataFile) -> None:
        """See `Inbox.put`."""
        raise StorageError(
            f"{file.path} cannot wait in an inbox, for there is none: set "
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
        """See `Inbox.set_aside`: there is nothing that waits."""

    def remove(self, entries: Sequence[str]) -> None:
        """See `Inbox.remove`."""


def _but_unread(
    found: Iterator[InboxEntry | Aside | Unread], unread: list[StorageError]
) -> Iterator[InboxEntry | Aside]:
    """Yield what was looked at, and keep why the others were not."""
    for one in found:
        if isinstance(one, Unread):
            unread.append(one.error)
        else:
            yield one


def _path(file: DataFile) -> str:
    return f"{FOLDER}/{entry_name(file)}"
