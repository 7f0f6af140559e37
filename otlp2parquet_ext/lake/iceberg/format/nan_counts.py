"""NaN values of float columns: counted from rows, kept in the Parquet file's footer, read back.

    rows --count()--> {field id: NaN values} --footer_entry()--> the file's key-value metadata
    key-value metadata --read_counts()--> {field id: NaN values}

Parquet's own statistics ignore NaN, so bounds alone do not describe a column with NaN values. For
example, an engine deletes the rows with `Value > 5`. If a file's lower bound is above 5 and its
metadata counts no NaN, the engine drops the whole file, with its NaN rows. The counts are in the
file, not only in its descriptor, because a committer takes statistics from the file alone. A float
column without a count gets no bounds.

Source: Apache Iceberg table specification, "Manifests", `nan_value_counts`, `lower_bounds`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from otlp2parquet_ext.records.tables.columns import Column

KEY = "otlp2parquet.nan_value_counts"
"""Key of the entry in a footer's key-value metadata: a JSON object from field id to number."""

FLOAT_TYPE = "double"
FLOAT_BYTES = 8

_decode = msgspec.json.Decoder(dict[int, int]).decode
"""The decoder of the entry. Made once at import, because msgspec 0.22 can crash when two threads
decode a type for the first time."""


def float_ids(columns: Sequence[Column]) -> dict[int, Column]:
    """Return the float columns by field id; lists of floats have the id of their elements."""
    return {
        c.element_id or c.field_id: c for c in columns if FLOAT_TYPE in (c.type, c.element_type)
    }


def footer_entry(rows: pa.Table, columns: Sequence[Column]) -> dict[str, str]:
    """Return the footer's entry with the NaN counts of `rows`; empty without float columns.

    Args:
        rows: rows of the file.
        columns: columns of the file, in its order.
    """
    floats = float_ids(columns)
    found = {
        column.element_id or column.field_id: _count(values)
        for column, values in zip(columns, rows.columns, strict=True)
        if (column.element_id or column.field_id) in floats
    }
    return {KEY: msgspec.json.encode(found).decode()} if found else {}


def read_counts(
    metadata: Mapping[bytes, bytes] | None, columns: Sequence[Column]
) -> dict[int, int]:
    """Return the NaN counts of the float columns in a footer.

    Args:
        metadata: the footer's key-value metadata.
        columns: columns of the file.

    Raises:
        ValueError: the footer's entry is no object from field id to number.
    """
    said = (metadata or {}).get(KEY.encode())
    if said is None:
        return {}
    try:
        counts = _decode(said)
    except msgspec.MsgspecError as error:
        raise ValueError(f"its footer's {KEY} is no object of numbers by field id") from error
    floats = float_ids(columns)
    return {field_id: count for field_id, count in counts.items() if field_id in floats}


def _count(values: pa.ChunkedArray) -> int:
    """Count NaN without Arrow's compute library, because loading it takes longer than this."""
    return sum(_count_in(chunk) for chunk in values.chunks)


def _count_in(values: pa.Array) -> int:
    if not len(values):
        return 0
    lists = hasattr(values, "offsets")
    # Not `flatten`: it imports Arrow's compute library, which is not in the layer.
    flat = (
        values.values[values.offsets[0].as_py() : values.offsets[-1].as_py()] if lists else values
    )
    if not len(flat):
        return 0
    start = flat.offset * FLOAT_BYTES
    view = memoryview(flat.buffers()[1])[start : start + len(flat) * FLOAT_BYTES].cast("d")
    total = sum(view)
    if total == total:  # noqa: PLR0124 - a sum with NaN in it is NaN, and NaN differs from itself
        return 0
    # The cause is NaN, opposite infinities, or arbitrary bytes of nulls: test each value.
    found = values.to_pylist()
    plain = (value for one in found for value in one or ()) if lists else found
    return sum(value is not None and value != value for value in plain)  # noqa: PLR0124
