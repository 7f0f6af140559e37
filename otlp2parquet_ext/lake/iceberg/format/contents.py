"""The files that a table's snapshots refer to: manifest lists, manifests, and data files.

    snapshots --all_lines()--> a ManifestEntry for each manifest --live()--> the live files

Code that deletes files calls this module first. A result is complete, or an error is raised,
because an unreadable manifest may refer to any file.

Source: Apache Iceberg table specification, "Manifest Lists", "Manifests".
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

import msgspec

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.lake.iceberg.format.avro import AvroError
from otlp2parquet_ext.lake.iceberg.format.avro_file import open_file
from otlp2parquet_ext.lake.iceberg.format.avro_reader import records
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.gather import gather

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from otlp2parquet_ext.lake.iceberg.format.avro_file import AvroFile
    from otlp2parquet_ext.lake.iceberg.format.avro_reader import Record
    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata
    from otlp2parquet_ext.lake.storage.storage import Storage

OF_A_LINE = frozenset({*range(500, 508), *range(509, 520)})
OF_AN_ENTRY = frozenset({0, 100})
DELETED = 2
TAG = re.compile(r"-[0-9a-f]{12}\.parquet$")


class ManifestEntry(msgspec.Struct, frozen=True):
    """A line of a manifest list: one manifest.

    Attributes:
        path: its address.
        length: length of the file.
        spec_id: the partition spec of its files.
        content: 0 for data files, 1 for delete files.
        sequence_number, min_sequence_number: its own, and the least of its files.
        snapshot_id: the snapshot that added it.
        files: numbers of its (added, existing, deleted) files.
        rows: numbers of rows in these files.
        days: first and last day, if its only partition field is a date; else None.
        encrypted: it cannot be read without a key.
        raw: the encoded line.
    """

    path: str
    length: int
    spec_id: int
    content: int
    sequence_number: int
    min_sequence_number: int
    snapshot_id: int
    files: tuple[int, int, int]
    rows: tuple[int, int, int]
    days: tuple[int, int] | None
    encrypted: bool
    raw: bytes


def lines(listing: AvroFile) -> list[ManifestEntry]:
    """Return the lines of a manifest list.

    Raises:
        AvroError: the file is damaged, or is no manifest list.
    """
    try:
        return [_line(record) for record in records(listing, OF_A_LINE)]
    except (KeyError, TypeError) as error:
        raise AvroError(f"a manifest list lacks field {quote(error)}") from error


def _line(record: Record) -> ManifestEntry:
    values = record.values
    return ManifestEntry(
        path=values[500],
        length=values[501],
        spec_id=values[502],
        content=values.get(517, 0),
        sequence_number=values.get(515, 0),
        min_sequence_number=values.get(516, 0),
        snapshot_id=values[503],
        files=(values.get(504) or 0, values.get(505) or 0, values.get(506) or 0),
        rows=(values.get(512) or 0, values.get(513) or 0, values.get(514) or 0),
        days=_days(values.get(507) or ()),
        encrypted=values.get(519) is not None,
        raw=record.raw,
    )


def _days(summaries: Sequence[Mapping[int, Any]]) -> tuple[int, int] | None:
    """Return the bounds of a partition's only field, if they have the four bytes of a date."""
    if len(summaries) != 1 or summaries[0].get(509, True):
        return None
    lower, upper = summaries[0].get(510), summaries[0].get(511)
    if lower is None or upper is None or not len(lower) == len(upper) == 4:
        return None
    return struct.unpack("<i", lower)[0], struct.unpack("<i", upper)[0]


def read_list(storage: Storage, address: str) -> AvroFile:
    """Read a manifest list.

    Raises:
        StorageError: the file cannot be read.
        AvroError: the file is damaged.
    """
    return open_file(storage.get(storage.path(address)))


def all_lines(storage: Storage, metadata: Metadata, threads: int) -> dict[str, ManifestEntry]:
    """Return all manifests of all snapshots of the table, by plain address.

    Raises:
        StorageError: a manifest list cannot be read.
        AvroError: a manifest list is damaged.
        CommitError: a snapshot has no manifest list, as in an old format.
    """
    snapshots = metadata.get("snapshots", ())
    if any("manifest-list" not in snapshot for snapshot in snapshots):
        raise CommitError("the table has a snapshot without a manifest list; it is left alone")
    addresses = {snapshot["manifest-list"] for snapshot in snapshots}
    found: dict[str, ManifestEntry] = {}
    for listing in gather(lambda address: read_list(storage, address), addresses, threads):
        found |= {plain(line.path): line for line in lines(listing)}
    return found


def live(
    storage: Storage,
    manifests: Iterable[ManifestEntry],
    candidates: Collection[str],
    deadline_ms: int,
    threads: int,
    *,
    named: Callable[[str], str] | None = None,
) -> set[str]:
    """Return the candidates that a manifest refers to, other than as deleted.

    Args:
        storage: storage of the manifests.
        manifests: the manifests to search.
        candidates: plain addresses of data and delete files.
        deadline_ms: Unix ms.
        threads: number of manifests to read in parallel.
        named: converts a file's address before the comparison, for example `original`; None for
            no conversion.

    Returns:
        Plain addresses.

    Raises:
        TimeoutError: the deadline passed before all manifests were read.
        StorageError: a manifest cannot be read.
        AvroError: a manifest is damaged or encrypted, or has an unsupported compression.
    """

    def there(line: ManifestEntry) -> set[str]:
        if deadline.left_ms() < 0:
            raise TimeoutError("there was no time to read all manifests")
        files = {plain(path) for path, status in entries(storage, line) if status != DELETED}
        return files & wanted if named is None else {f for f in files if named(f) in wanted}

    wanted, deadline = frozenset(candidates), SteadyDeadline(deadline_ms)
    found: set[str] = set()
    for some in gather(there, manifests, threads):
        found |= some
    return found


def may_have(line: ManifestEntry, metadata: Metadata, days: Collection[int]) -> bool:
    """Return whether a manifest may refer to files of any of these days.

    Args:
        line: the manifest.
        metadata: metadata of the table, which is partitioned by day; a manifest of another
            partition spec may refer to files of any day.
        days: days since 1970.
    """
    if line.days is None or line.spec_id != metadata["default-spec-id"]:
        return True
    return any(line.days[0] <= day <= line.days[1] for day in days)


def entries(storage: Storage, line: ManifestEntry) -> list[tuple[str, int]]:
    """Return the address and status of each file of a manifest.

    Raises:
        StorageError: the manifest cannot be read.
        AvroError: the manifest is damaged or encrypted.
    """
    if line.encrypted:
        raise AvroError(f"the manifest {line.path} is encrypted")
    try:
        manifest = open_file(storage.get(storage.path(line.path), line.length))
        found = [record.values for record in records(manifest, OF_AN_ENTRY)]
        return [(values[2][100], values[0]) for values in found]
    except (AvroError, KeyError) as error:
        raise AvroError(f"the manifest {line.path} cannot be read: {quote(error)}") from error


def plain(address: str) -> str:
    """Return an address in our form; other writers may write the same address in another form."""
    if address.startswith("file:/"):
        return "/" + address.removeprefix("file:").lstrip("/")
    for scheme in ("s3a://", "s3n://"):
        if address.startswith(scheme):
            return "s3://" + address.removeprefix(scheme)
    return address


def original(address: str) -> str:
    """Return the plain address that a file of ours had before it was rewritten for its table.

    The rewritten file's name ends with a tag (`destinations.refit`). A name without a tag stays
    unchanged.
    """
    return TAG.sub(".parquet", plain(address))
