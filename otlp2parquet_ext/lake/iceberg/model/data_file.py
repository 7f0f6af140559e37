"""The descriptor of one stored Parquet file: the facts that a commit needs."""

from __future__ import annotations

import msgspec


class Statistics(msgspec.Struct):
    """Statistics with which readers skip a file. All maps are from field id to value.

    Attributes:
        column_sizes: bytes in the file.
        value_counts: number of values, nulls included.
        null_value_counts: number of nulls.
        nan_value_counts: number of NaN values, of each float column.
        lower_bounds, upper_bounds: in Iceberg's binary form, text truncated to 16 characters.
        split_offsets: offsets of the row groups.
    """

    column_sizes: dict[int, int] = msgspec.field(default_factory=dict)
    value_counts: dict[int, int] = msgspec.field(default_factory=dict)
    null_value_counts: dict[int, int] = msgspec.field(default_factory=dict)
    nan_value_counts: dict[int, int] = msgspec.field(default_factory=dict)
    lower_bounds: dict[int, bytes] = msgspec.field(default_factory=dict)
    upper_bounds: dict[int, bytes] = msgspec.field(default_factory=dict)
    split_offsets: list[int] = msgspec.field(default_factory=list)


class DataFile(msgspec.Struct, frozen=True):
    """The descriptor of one stored Parquet file.

    Attributes:
        name: unique for the file's content; a commit never adds the same name twice.
        path: the file's address for query engines.
        day: the file's partition: days since 1970 of each row's `Timestamp`.
        rows: number of rows.
        size_bytes: length of the file.
        stored_ms: time of its writing in Unix milliseconds, by the storage's clock; 0 if unknown.
        statistics: statistics of its columns; None in descriptors of an old version.
        fields: "" if its columns have our own field ids; else the tag of `schema_match.Matched`.
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
"""The decoder of descriptors. Made once at import, because msgspec 0.22 can crash when two threads
decode a type for the first time."""
