"""The interface of a catalog for the lean append: three calls.

file_catalog.py   for catalogs that hold only the location of the metadata
(REST catalogs accept the change itself, and write the metadata on their own)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata, TableChange


class OutcomeUnknownError(Exception):
    """A commit was sent without a response: it may have succeeded, or may still succeed."""


class Version(msgspec.Struct, frozen=True):
    """A table at one moment.

    Attributes:
        location: address of its metadata.
        metadata: parsed; never modified.
    """

    location: str
    metadata: Metadata


class Catalog(Protocol):
    """One table in a catalog.

    Each call may raise `CommitError`: the catalog refused or could not be reached, and the table is
    unchanged. No call takes longer than until `deadline_ms`, Unix ms.
    """

    def load(self, deadline_ms: int, *, fresh: bool = False) -> Version | None:
        """Return the table; None if it does not exist.

        Args:
            deadline_ms: Unix ms.
            fresh: read the current version. Otherwise a recently read version is enough: the
                catalog refuses a commit on top of an old one.
        """

    def create(self, metadata: Metadata, deadline_ms: int) -> None:
        """Create the table, unless another writer has just created it."""

    def commit(self, base: Version, change: TableChange, deadline_ms: int) -> bool:
        """Apply a change if the table is still `base`; return False if it has changed.

        Raises:
            OutcomeUnknownError: load the table before the next attempt.
        """


@runtime_checkable
class Trying(Protocol):
    """A catalog with a way to test whether it would accept our commit."""

    def try_commit(self, base: Version, deadline_ms: int) -> bool:
        """Send a commit that cannot succeed; the table stays unchanged, without a new snapshot.

        Args:
            base: the table from the latest `load`.
            deadline_ms: Unix ms.

        Returns:
            False if the catalog offers no such test.

        Raises:
            CommitError: a commit would be refused.
        """
