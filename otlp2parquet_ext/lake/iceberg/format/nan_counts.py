"""NaN values of float columns: counted from rows, kept in the Parquet file's footer, read back.

    rows --count()--> {field id: NaN values} --footer_entry()--> the file's key-value metadata
    key-value metadata --read_counts()--> {field id: NaN values}

Parquet's own statistics leave NaN out without a trace, so bounds alone do not describe a column
that holds NaN. An engine that deletes `Value > 5` drops a whole file if its lower bound is above 5
and its metadata counts no NaN: the NaN rows go with it. The counts lie in the file, and not only in
its descriptor, because a committer takes statistics from the file alone. A float column without a
count gets no bounds.

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
"""The entry of a footer's key-value metadata: a JSON object, field id to number."""

FLOAT_TYPE = "double"
FLOAT_BYTES = 8

_decode = msgspec.json.Decoder(dict[int, int]).decode
"""Made here, once: two threads that decode a type for the first time can crash msgspec 0.22."""


def float_ids(columns: Sequence[Column]) -> dict[int, Column]:
    """Return the columns that hold floats, by field id; lists of floats by their elements' id."""
    return {
        c.element_id or c.field_id: c for c in columns if FLOAT_TYPE in (c.type, c.element_type)
    }


def footer_entry(rows: pa.Table, columns: Sequence[Column]) -> dict[str, str]:
    """Return what the footer of a file of `rows` says of NaN; empty without float columns.

    Args:
        rows: of the file.
        columns: the file's, in its order.
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
    """Return the NaN values of the float columns a footer counts.

    Args:
        metadata: the footer's key-value metadata.
        columns: the file's.

    Raises:
        ValueError: the footer's entry is no such object.
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
    """Count NaN without Arrow's compute library, which takes longer to load than this to run."""
    return sum(_count_in(chunk) for chunk in values.chunks)


def _count_in(values: pa.Array) -> int:
    flat = values.flatten() if hasattr(values, "flatten") else values
    if not len(flat):
        return 0
    start = flat.offset * FLOAT_BYTES
    view = memoryview(flat.buffers()[1])[start : start + len(flat) * FLOAT_BYTES].cast("d")
    total = sum(view)
    if total == total:  # noqa: PLR0124 - a sum with NaN in it is NaN, and NaN differs from itself
        return 0
    # NaN, opposite infinities, or bytes under nulls: look at each value.
    return sum(value is not None and value != value for value in flat.to_pylist())  # noqa: PLR0124
