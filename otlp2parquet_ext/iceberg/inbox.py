"""The inbox: descriptors of files that are stored but in no snapshot yet.

    put(file) --> inbox/<stored>-<name>.json --take()--> files to commit --remove()--> gone
                                                 |
                                                 +--set_aside()--> inbox/missing/…

Entries sort by when their files were stored, and the oldest are taken first: what the table's
ledger forgets is then always older than what still waits.

An entry is removed only after its commit is known to have landed. One that is met again after a
crash in between is recognised by its name, in the table.

A descriptor whose file is not there (any more) would break the table, and must not block the
others: it is set aside, out of every committer's way, for a person who can bring the file back.
"""

from __future__ import annotations

import contextlib
import re
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.iceberg import DataFile, decode_data_file
from otlp2parquet_ext.storage import ForeignAddressError, NotThereError, StorageError
from otlp2parquet_ext.storage.gather import gather

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.storage import Storage

FOLDER = "inbox"
MISSING = "inbox/missing"
ENTRY = re.compile(r"\d{13,}-(.+)\.json")


class Inbox:
    """The inbox of one table.

    Args:
        storage: in which it lies.
        files: reaches the data files, if they lie elsewhere.

    Attributes:
        usable: False where there is none.
    """

    usable = True

    def __init__(self, storage: Storage, files: Storage | None = None) -> None:
        self._storage = storage
        self._files = files or storage

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

    def take(self, limit: int, *, threads: int = 1) -> list[DataFile]:
        """Return at most `limit` descriptors, oldest first; foreign files are passed over.

        Args:
            limit: n > 0.
            threads: descriptors to read at once, where they lie far away.
        """
        entries = (p for p in self._storage.list(FOLDER) if p.endswith(".json"))
        files = gather(self.read, entries, threads)
        return list(islice((file for file in files if file is not None), limit))

    def entries(self) -> list[str]:
        """Return the file names of what waits, oldest first, unread: foreign ones among them."""
        return [path.rpartition("/")[2] for path in self._storage.list(FOLDER)]

    def names(self) -> set[str]:
        """Return the names of all files that have a descriptor, those set aside included."""
        found = (p for folder in (FOLDER, MISSING) for p in self._storage.list(folder))
        return {match[1] for path in found if (match := ENTRY.fullmatch(path.rpartition("/")[2]))}

    def describes(self, file: DataFile) -> bool:
        """Tell whether the file is there, where files may lie, with the length it should have.

        Where: in the table's location, or, of environments that know none, beside the inbox.

        Raises:
            StorageError: that cannot be found out.
        """
        try:
            storage = self.storage_of(file)
        except ForeignAddressError:
            return False
        return storage.size(storage.path(file.path)) == file.size_bytes

    def storage_of(self, file: DataFile) -> Storage:
        """Return the storage a file lies in.

        Raises:
            ForeignAddressError: in none where files may lie.
        """
        with contextlib.suppress(ForeignAddressError):
            self._files.path(file.path)
            return self._files
        self._storage.path(file.path)
        return self._storage

    def set_aside(self, files: Sequence[DataFile]) -> None:
        """Move descriptors out of the way."""
        for file in files:
            self._storage.put(_path(file, MISSING), msgspec.json.encode(file))
        self.remove(files)

    def remove(self, files: Sequence[DataFile]) -> None:
        """Forget descriptors whose files are visible."""
        if files:
            self._storage.delete_many([_path(file) for file in files])

    def read(self, path: str) -> DataFile | None:
        """Read an entry; None when it is not ours, or another committer was faster."""
        try:
            file = decode_data_file(self._storage.get(path))
        except (msgspec.MsgspecError, NotThereError):
            return None
        return file if _path(file) == path else None


class NoInbox(Inbox):
    """Where none can be: S3 Tables neither lists nor deletes objects, and none was named."""

    usable = False

    def put(self, file: DataFile) -> None:
        """See `Inbox.put`."""
        raise StorageError(
            f"{file.path} cannot wait in an inbox, for there is none: set "
            "OTLP2PARQUET_INBOX=s3://bucket/prefix"
        )

    def take(self, limit: int, *, threads: int = 1) -> list[DataFile]:
        """See `Inbox.take`."""
        del limit, threads
        return []

    def entries(self) -> list[str]:
        """See `Inbox.entries`."""
        return []

    def names(self) -> set[str]:
        """See `Inbox.names`."""
        return set()

    def remove(self, files: Sequence[DataFile]) -> None:
        """See `Inbox.remove`."""


def _path(file: DataFile, folder: str = FOLDER) -> str:
    return f"{folder}/{file.stored_ms:013}-{file.name}.json"
