"""Choose the small manifests to merge, and write the new manifest list. Pure.

    lines of the manifest list --mergeable()--> some of ours --packs()--> a manifest each
    old list + kept lines + merged manifests --list_of()--> the new list

Readers open all manifests, and each commit rewrites the list of them. Only manifests of this
package are merged; the lines of all others are copied unchanged. Small manifests are merged more
often than medium ones, so that a few small ones do not cause the rewrite of a large one.

Source: Apache Iceberg table specification, "Manifest Lists".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgspec

from otlp2parquet_ext.lake.iceberg.format.manifest import DATA, OURS, check_fields
from otlp2parquet_ext.lake.iceberg.format.snapshot import EMPTY_TOTALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otlp2parquet_ext.lake.iceberg.format.avro_file import AvroFile
    from otlp2parquet_ext.lake.iceberg.format.contents import ManifestEntry
    from otlp2parquet_ext.lake.iceberg.format.manifest import Partitioning

SMALL_BYTES, FEWEST_SMALL = 262_144, 64
LARGE_BYTES, FEWEST_MEDIUM = 8_388_608, 16


class Merged(msgspec.Struct, frozen=True):
    """The facts about a stored merged manifest for its line of the manifest list.

    Attributes:
        path: its address.
        length: length of the file.
        pack: the manifests that it replaces.
        spec_id: the partition spec of its files.
        days: first and last day of its files; None without partitions.
    """

    path: str
    length: int
    pack: Sequence[ManifestEntry]
    spec_id: int
    days: tuple[int, int] | None

    def record(self, snapshot_id: int, sequence_number: int) -> dict[int, object]:
        """Return the manifest's line of the manifest list."""
        summaries = []
        if self.days is not None:
            lower, upper = (struct.pack("<i", day) for day in self.days)
            summaries = [{509: False, 518: False, 510: lower, 511: upper}]
        return {
            500: self.path,
            501: self.length,
            502: self.spec_id,
            517: DATA,
            515: sequence_number,
            516: min(line.min_sequence_number for line in self.pack),
            503: snapshot_id,
            504: 0,
            505: sum(sum(line.files) for line in self.pack),
            506: 0,
            512: 0,
            513: sum(sum(line.rows) for line in self.pack),
            514: 0,
            507: summaries,
        }


def mergeable(
    lines: Sequence[ManifestEntry], folder: str, partitioning: Partitioning, most_bytes: int
) -> list[ManifestEntry]:
    """Return the manifests to merge; none if there are few small ones.

    Args:
        lines: lines of the current manifest list.
        folder: folder of the table's metadata.
        partitioning: the table's partitioning; manifests of other specs are not merged.
        most_bytes: most bytes of manifests in one run; the next run takes the rest.
    """
    ours = [line for line in lines if _ours(line, folder, partitioning)]
    small = [line for line in ours if line.length < SMALL_BYTES]
    medium = [line for line in ours if SMALL_BYTES <= line.length < LARGE_BYTES]
    chosen = small if len(small) >= FEWEST_SMALL else []
    if len(medium) + bool(chosen) > FEWEST_MEDIUM:
        chosen = [*chosen, *medium]
    kept: list[ManifestEntry] = []
    for line in chosen:
        most_bytes -= line.length
        if most_bytes >= 0:
            kept.append(line)
    return kept if len(kept) > 1 else []


def _ours(line: ManifestEntry, folder: str, partitioning: Partitioning) -> bool:
    """Return whether the line can be that of an unchanged manifest of ours."""
    place, _, name = line.path.rpartition("/")
    return (
        place == folder
        and OURS.fullmatch(name) is not None
        and line.spec_id == partitioning.spec_id
        and line.content == DATA
        and line.files[2] == 0
        and not line.encrypted
        and (line.days is not None or not partitioning.fields)
    )


def packs(lines: Sequence[ManifestEntry]) -> Iterator[list[ManifestEntry]]:
    """Yield packs of manifests of at most `LARGE_BYTES`, with manifests of the same days together.

    A pack of one manifest is left out, because there is nothing to merge.
    """
    pack: list[ManifestEntry] = []
    for line in sorted(lines, key=lambda line: line.days or (0, 0)):
        if sum(other.length for other in pack) + line.length > LARGE_BYTES:
            if len(pack) > 1:
                yield pack
            pack = []
        pack.append(line)
    if len(pack) > 1:
        yield pack


def days_of(pack: Sequence[ManifestEntry]) -> tuple[int, int] | None:
    """Return the first and last day of a pack's files; None without partitions."""
    days = [line.days for line in pack if line.days is not None]
    return (min(d[0] for d in days), max(d[1] for d in days)) if days else None


def list_of(
    old: AvroFile,
    kept: Sequence[ManifestEntry],
    new: Sequence[Mapping[int, object]],
    metadata: Mapping[str, str],
) -> AvroFile:
    """Return a manifest list with the kept lines unchanged, and new lines.

    Args:
        old: the current list.
        kept: n >= 0 lines of it.
        new: records for new lines.
        metadata: entries of the header.

    Raises:
        AvroError: the list has a form that cannot be extended.
    """
    check_fields(old.schema)
    copied = old.block(len(kept), b"".join(line.raw for line in kept)) if kept else b""
    return msgspec.structs.replace(old, blocks=copied).adding(new, metadata)


def replace_summary(
    parent: Mapping[str, Any], merged: Sequence[Merged], kept: int
) -> dict[str, str]:
    """Return the summary of a snapshot that only merges manifests and changes no row.

    Args:
        parent: the snapshot before; a total that it lacks is left out.
        merged: the new manifests.
        kept: number of unchanged manifests.
    """
    before = parent.get("summary", {})
    return {
        "operation": "replace",
        "manifests-created": str(len(merged)),
        "manifests-kept": str(kept),
        "manifests-replaced": str(sum(len(m.pack) for m in merged)),
        "entries-processed": str(sum(sum(line.files) for m in merged for line in m.pack)),
        **{total: before[total] for total in EMPTY_TOTALS if total in before},
    }
