"""What the lean append needs of a catalog: three calls.

file_catalog.py   for catalogs that only hold where the metadata lies
(REST catalogs take the change itself, and keep the metadata to themselves)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata, TableChange


class OutcomeUnknownError(Exception):
    """A commit was sent, and its answer is not known: it may have landed, or may yet land."""


class Version(msgspec.Struct, frozen=True):
    """A table as it was at one moment.

    Attributes:
        location: where its metadata lies.
        metadata: parsed; never modified.
    """

    location: str
    metadata: Metadata


class Catalog(Protocol):
    """One table in a catalog.

    Every call may raise `CommitError`: the catalog refused or could not be reached, nothing
    happened. None of them waits longer than until `deadline_ms`, Unix ms.
    """

    def load(self, deadline_ms: int, *, fresh: bool = False) -> Version | None:
        """Return the table; None when there is none.

        Args:
            deadline_ms: Unix ms.
            fresh: as it surely is now; else as it lately was is good enough, for a commit on top
                of anything older is refused.
        """

    def create(self, metadata: Metadata, deadline_ms: int) -> None:
        """Create the table, unless somebody else just did."""

    def commit(self, base: Version, change: TableChange, deadline_ms: int) -> bool:
        """Apply a change if the table is still as it was; False when it is not.

        Raises:
            OutcomeUnknownError: look before you try again.
        """


@runtime_checkable
class Trying(Protocol):
    """A catalog that can be asked whether it would take a commit of ours."""

    def try_commit(self, base: Version, deadline_ms: int) -> bool:
        """Ask for a commit that cannot happen; the table stays as it is, and without a snapshot.

        Args:
            base: the table, as `load` just returned it.
            deadline_ms: Unix ms.

        Returns:
            False when the catalog offers no way to find out.

        Raises:
            CommitError: a commit would be refused.
        """
