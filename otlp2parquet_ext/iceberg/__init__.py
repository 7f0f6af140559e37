"""Files of the lake become visible: what is waiting, and who commits it.

    inbox.py               descriptors of files that are stored but in no snapshot yet
    pyiceberg_catalog.py   any table PyIceberg can open, appended to in one snapshot

The interface below is all the rest of the house knows of a catalog: PyIceberg stands behind it,
and a leaner append may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class CommitError(Exception):
    """The files are not visible; they stay where they are, and so do their descriptors."""


class UnreadableFileError(CommitError):
    """A file is gone or is no Parquet file: no commit that takes it will ever succeed.

    Args:
        file: its descriptor.
        why: what reading it said.
    """

    def __init__(self, file: DataFile, why: object) -> None:
        super().__init__(f"{file.path} ({file.rows} rows) cannot be committed: {why}")
        self.file = file


class DataFile(msgspec.Struct, frozen=True):
    """The descriptor of one stored Parquet file.

    Attributes:
        name: unique for the file's content; a name already committed is never added again.
        path: the address engines read it by.
        day: days since 1970 of every row's `Timestamp`: its partition.
        rows: number of rows.
        size_bytes: length of the file.
    """

    name: str
    path: str
    day: int
    rows: int
    size_bytes: int


class CommitTable(Protocol):
    """One Iceberg table to append to."""

    def commit(self, files: Sequence[DataFile], deadline_ms: int) -> None:
        """Make all `files` visible in one snapshot, each exactly once.

        Files whose name an earlier snapshot carries are left out, so that repeating a commit of
        unknown outcome is safe. Creates namespace and table on first use.

        Args:
            files: n > 0 descriptors.
            deadline_ms: Unix ms after which no further attempt begins.

        Raises:
            CommitError: none of them became visible by this call, as far as is known.
            UnreadableFileError: likewise, because of one file.
        """

    def close(self) -> None:
        """Give connections back."""
