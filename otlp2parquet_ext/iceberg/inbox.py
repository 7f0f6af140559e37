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

from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.iceberg import DataFile
from otlp2parquet_ext.storage import NotThereError, StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.storage import Storage

FOLDER = "inbox"
MISSING = "inbox/missing"


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

    def put(self, file: DataFile) -> None:
        """Leave a descriptor; one of the same name that is there already is as good."""
        self._storage.put(_path(file), msgspec.json.encode(file))

    def take(self, limit: int) -> list[DataFile]:
        """Return at most `limit` descriptors, oldest first; foreign files are passed over."""
        entries = (p for p in self._storage.list(FOLDER) if p.endswith(".json"))
        files = (self.read(path) for path in entries)
        return list(islice((file for file in files if file is not None), limit))

    def describes(self, file: DataFile) -> bool:
        """Tell whether the file is there, where files may lie, with the length it should have.

        Raises:
            StorageError: that cannot be found out.
        """
        try:
            path = self._files.path(file.path)
        except StorageError:
            return False
        return self._files.size(path) == file.size_bytes

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
            file = msgspec.json.decode(self._storage.get(path), type=DataFile)
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

    def take(self, limit: int) -> list[DataFile]:
        """See `Inbox.take`."""
        del limit
        return []

    def remove(self, files: Sequence[DataFile]) -> None:
        """See `Inbox.remove`."""


def _path(file: DataFile, folder: str = FOLDER) -> str:
    return f"{folder}/{file.stored_ms:013}-{file.name}.json"
