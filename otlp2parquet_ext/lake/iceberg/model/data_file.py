"""The descriptor of one stored Parquet file: what a commit needs to know about it."""

from __future__ import annotations

import msgspec


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
