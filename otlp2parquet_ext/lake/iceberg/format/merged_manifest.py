"""Merge the entries of many small manifests into one manifest. Pure.

Entries become EXISTING, with explicit values for the snapshot and sequence numbers that they have
inherited so far, as the specification requires. The rest of each entry is copied without decoding,
and so are whole blocks of a manifest that was merged before.

Source: Apache Iceberg table specification, "Manifests", "Sequence Number Inheritance".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from otlp2parquet_ext.lake.iceberg.format.avro import AvroError, encoder
from otlp2parquet_ext.lake.iceberg.format.avro_decode import decoder
from otlp2parquet_ext.lake.iceberg.format.avro_file import new_file, open_file
from otlp2parquet_ext.lake.iceberg.format.avro_reader import blocks, decompressed, guarded
from otlp2parquet_ext.lake.iceberg.format.manifest import (
    ADDED,
    MANIFEST_CODEC,
    header,
    manifest_schema,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.lake.iceberg.format.contents import ManifestEntry
    from otlp2parquet_ext.lake.iceberg.format.manifest import Partitioning

EXISTING = 0
BLOCK_BYTES = 1_048_576

HEAD, HEAD_IDS = 4, frozenset({0, 1, 3, 4})
"""Fields of an entry before its data file: status, snapshot and the two sequence numbers."""

ROWS = 103


class MergedManifest:
    """A manifest that replaces others.

    Args:
        partitioning: the table's partitioning.
        schema: the table's current schema, in the form of the metadata.
    """

    def __init__(self, partitioning: Partitioning, schema: Mapping[str, Any]) -> None:
        empty = new_file(manifest_schema(partitioning), MANIFEST_CODEC)
        fields = empty.schema["fields"]
        self._header = header(partitioning, schema)
        head = {"type": "record", "name": "head", "fields": fields[:HEAD]}
        self._read_head = decoder(head, HEAD_IDS)
        self._put_head = encoder(head)
        self._read_file = decoder(fields[HEAD]["type"], {ROWS})
        self._empty = empty
        self._blocks: list[bytes] = []
        self._count = 0
        self._encoded = bytearray()

    def take(self, line: ManifestEntry, data: bytes) -> None:
        """Add all entries of a manifest, or none if it is refused.

        Args:
            line: its line of the manifest list.
            data: the manifest.

        Raises:
            AvroError: the manifest is damaged, from another writer, or differs from its line.
        """
        file = open_file(data)
        if file.schema != self._empty.schema or file.codec != self._empty.codec:
            raise AvroError(f"the manifest {line.path} is not written as ours are")
        if line.files[0] == 0:  # merged before: all its entries are EXISTING
            found = list(blocks(file))
            _check(line, sum(block.records for block in found), sum(line.rows))
            self._blocks += [self._empty.framed(*block) for block in found]
            return
        encoded, count, rows = bytearray(), 0, 0
        for block in blocks(file):
            rows += self._existing(decompressed(block, file.codec), block.records, line, encoded)
            count += block.records
        _check(line, count, rows)
        self._encoded += encoded
        self._count += count
        if len(self._encoded) >= BLOCK_BYTES:
            self._end_block()

    def _existing(self, data: bytes, count: int, line: ManifestEntry, encoded: bytearray) -> int:
        """Re-encode entries as EXISTING; return the number of their rows."""
        position = rows = 0
        for _ in range(count):
            head, start = guarded(self._read_head, data, position)
            file, position = guarded(self._read_file, data, start)
            self._put_head(_written_out(head, line), encoded)
            encoded += data[start:position]
            rows += file[ROWS]
        if position != len(data):
            raise AvroError(f"a block of the manifest {line.path} is longer than its entries")
        return rows

    def _end_block(self) -> None:
        if self._count:
            self._blocks.append(self._empty.block(self._count, bytes(self._encoded)))
        self._count, self._encoded = 0, bytearray()

    def encode(self) -> bytes:
        """Return the manifest as Avro bytes."""
        self._end_block()
        joined = b"".join(self._blocks)
        return msgspec.structs.replace(self._empty, metadata=self._header, blocks=joined).encode()


def _check(line: ManifestEntry, count: int, rows: int) -> None:
    """Refuse a manifest whose numbers of files or rows differ from the manifest list's."""
    if (count, rows) != (sum(line.files), sum(line.rows)):
        raise AvroError(
            f"the manifest {line.path} holds {count} files of {rows} rows; the manifest list says "
            f"{sum(line.files)} of {sum(line.rows)}"
        )


def _written_out(head: Mapping[int, Any], line: ManifestEntry) -> dict[int, int]:
    """Return the fields before an entry's data file, with the inherited ones.

    Raises:
        AvroError: the entry is a deleted one, or an EXISTING one without explicit numbers.
    """
    inherited = {1: line.snapshot_id, 3: line.sequence_number, 4: line.sequence_number}
    explicit = {field: value for field, value in head.items() if value is not None}
    if head[0] == EXISTING and not inherited.keys() <= explicit.keys():
        raise AvroError(f"the manifest {line.path} has an entry without what it may not inherit")
    if head[0] not in (ADDED, EXISTING):
        raise AvroError(f"the manifest {line.path} has an entry of status {head[0]}")
    return inherited | explicit | {0: EXISTING}
