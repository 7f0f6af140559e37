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

        Files whose name an earlier snapshot has are left out, so a commit of unknown outcome can be
        repeated safely. The first commit creates namespace and table.

        Args:
            files: n > 0 descriptors.
            deadline_ms: Unix ms; after it no further attempt begins.

        Raises:
            ConflictError: other writers won too many attempts, or all until the deadline.
            MisfitError: some of the files must be rewritten first.
            ClashError: our files do not fit the table, and no rewrite makes them fit.
            CommitError: no file became visible by this call, as far as is known.
        """

    def location(self, deadline_ms: int) -> str:
        """Return the address of the table's location; creates the table like `commit`.

        Raises:
            CommitError: the catalog does not return it.
        """

    def metadata_location(self, deadline_ms: int) -> str | None:
        """Return the address of the table's current metadata; None if the table does not exist.

        Raises:
            CommitError: the catalog does not return it.
        """

    def close(self) -> None:
        """Close all connections."""
