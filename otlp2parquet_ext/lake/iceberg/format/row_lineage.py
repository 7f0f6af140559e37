"""Row ids in tables of format version 3: each row of a table gets a unique number. Pure.

    the table's next-row-id --> the snapshot's first-row-id --> a manifest's --> a file's --> rows

A manifest list of version 3 gives each manifest of data files its first id, also a manifest from
before the table's upgrade. Files have none of their own: readers count the rows of the files before
them in the manifest. So a manifest stays valid when its snapshot gets other ids after a conflict.

Source: Apache Iceberg table specification, version 3, "Row Lineage", "First Row ID Assignment",
"First Row ID Inheritance".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.lake.iceberg.format.avro import AvroError
from otlp2parquet_ext.lake.iceberg.format.avro_file import new_file
from otlp2parquet_ext.lake.iceberg.format.avro_reader import records
from otlp2parquet_ext.lake.iceberg.format.manifest import check_fields
from otlp2parquet_ext.lake.iceberg.format.manifest_schemas import MANIFEST_FILE_V3

if TYPE_CHECKING:
    from otlp2parquet_ext.lake.iceberg.format.avro_file import AvroFile

FIRST_ROW_ID = 520
"""Id of the manifest list's field `first_row_id`: the id of the manifest's first row."""

CONTENT, EXISTING_ROWS, ADDED_ROWS = 517, 513, 512
OF_A_LINE = frozenset(range(500, 521))


def numbered(listing: AvroFile | None, free: int) -> tuple[AvroFile | None, int]:
    """Return a manifest list in which each manifest of data files has a first row id.

    A list of version 3 is returned as it is: its writer has given the ids. So a steady commit
    decodes no line.

    Args:
        listing: the list; None in a table without a snapshot.
        free: the first free id.

    Returns:
        The list, and the first free id after it.

    Raises:
        AvroError: the list is damaged, or its lines lack what version 3 requires.
    """
    if listing is None or _has_ids(listing):
        return listing, free
    check_fields(listing.schema)
    lines: list[dict[int, Any]] = []
    for record in records(listing, OF_A_LINE):
        line = dict(record.values)
        if not line.get(CONTENT) and line.get(FIRST_ROW_ID) is None:
            line[FIRST_ROW_ID] = free
            free += _rows(line)
        lines.append(line)
    made = new_file(MANIFEST_FILE_V3, listing.codec)
    try:
        return made.adding(lines, {}) if lines else made, free
    except (TypeError, AttributeError) as error:
        raise AvroError("its records are not those of format version 2") from error


def _has_ids(listing: AvroFile) -> bool:
    fields = {field.get("field-id") for field in listing.schema["fields"]}
    return FIRST_ROW_ID in fields and listing.metadata.get("format-version") == "3"


def _rows(line: dict[int, Any]) -> int:
    found: int = line[EXISTING_ROWS] + line[ADDED_ROWS]
    return found
