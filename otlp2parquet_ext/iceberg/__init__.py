"""Files of the lake become visible: what is waiting, and who commits it.

    inbox.py      descriptors of files that are stored but in no snapshot yet
    append.py     the lean append: one snapshot more, with no library but our own
      terms.py, supported.py, matching.py   on what terms, on which tables, with which columns
      ledger.py, doubt.py, history.py       what is committed already
      expiry.py, leftovers.py               which snapshots go with it, and what that leaves
    catalog.py    what it needs of a catalog; lean.py puts it together for each
    understood.py metadata of another shape is a problem of its table
    format/       manifests, lists and metadata as bytes and values
    catalogs/     SQLite, Glue, REST, and any other through PyIceberg
    upkeep/       merging, cleaning, sweeping: for committers

`CommitTable` is all the rest of the house knows of a table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.iceberg.matching import Matched


class CommitError(Exception):
    """The files are not visible; they stay where they are, and so do their descriptors.

    Attributes:
        lacks: the IAM actions one of which is not allowed, if that is the cause.
    """

    lacks: tuple[str, ...] = ()


class ConflictError(CommitError):
    """Another writer was faster, as often as was to be borne: no fault of anybody's."""


class ClashError(CommitError):
    """The table has a column no file of ours fits; says which, and both types."""


class MisfitError(CommitError):
    """The table has our columns under other ids than files have them; these can be written anew.

    Attributes:
        fit: how files have to be written.
        names: of the files.
    """

    def __init__(self, fit: Matched, names: Sequence[str]) -> None:
        super().__init__(
            f"{len(names)} files carry other field ids than the table, for example {names[0]}: "
            "they have to be written anew"
        )
        self.fit = fit
        self.names = names


class Statistics(msgspec.Struct):
    """What readers prune a file by: every map goes from field id to value.

    Attributes:
        column_sizes: bytes in the file.
        value_counts: nulls included.
        null_value_counts: nulls alone.
        lower_bounds, upper_bounds: in Iceberg's binary form, text truncated to 16 characters.
        split_offsets: where row groups begin.
    """

    column_sizes: dict[int, int] = msgspec.field(default_factory=dict)
    value_counts: dict[int, int] = msgspec.field(default_factory=dict)
    null_value_counts: dict[int, int] = msgspec.field(default_factory=dict)
    lower_bounds: dict[int, bytes] = msgspec.field(default_factory=dict)
    upper_bounds: dict[int, bytes] = msgspec.field(default_factory=dict)
    split_offsets: list[int] = msgspec.field(default_factory=list)


class DataFile(msgspec.Struct, frozen=True):
    """The descriptor of one stored Parquet file.

    Attributes:
        name: unique for the file's content; a name already committed is never added again.
        path: the address engines read it by.
        day: days since 1970 of every row's `Timestamp`: its partition.
        rows: number of rows.
        size_bytes: length of the file.
        stored_ms: Unix milliseconds at which it was stored, by the storage's clock; 0 unknown.
        statistics: of its columns; None in descriptors of a version that left none.
        fields: "" when its columns carry our own ids; else the tag of `matching.Matched`.
    """

    name: str
    path: str
    day: int
    rows: int
    size_bytes: int
    stored_ms: int = 0
    statistics: Statistics | None = None
    fields: str = ""


decode_data_file = msgspec.json.Decoder(DataFile).decode
"""Made here, once: two threads that decode a type for the first time can crash msgspec 0.22."""


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
