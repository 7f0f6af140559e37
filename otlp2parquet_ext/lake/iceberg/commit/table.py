"""The interface of one Iceberg table to append to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile


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
            ConflictError: other writers were faster too often, or until the deadline.
            MisfitError: some of the files have to be written anew first.
            ClashError: no file of ours fits the table.
            CommitError: none of them became visible by this call, as far as is known.
        """

    def location(self, deadline_ms: int) -> str:
        """Return below which address the table's files lie; creates it like `commit`.

        Raises:
            CommitError: the catalog cannot say.
        """

    def metadata_location(self, deadline_ms: int) -> str | None:
        """Return the address of the table's current metadata; None when there is no table.

        Raises:
            CommitError: the catalog cannot say.
        """

    def close(self) -> None:
        """Give connections back."""
