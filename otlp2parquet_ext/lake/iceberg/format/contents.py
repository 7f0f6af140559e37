"""What a table's snapshots refer to: manifest lists, their manifests, and the files in these.

    snapshots --all_lines()--> one Line for each manifest --live()--> which files are still there

Code that deletes files asks here first. An answer is whole or an error: what cannot be read might
refer to anything.

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
    """A manifest, as a manifest list knows it.

    Attributes:
        path: its address.
        length: of the file.
        spec_id: the partition spec of its files.
        content: 0 for data files, 1 for delete files.
        sequence_number, min_sequence_number: its own, and the least of its files.
        snapshot_id: the snapshot that added it.
        files: how many it (adds, keeps, deletes).
        rows: how many rows those have.
        days: first and last, if it has one partition field and that is a date; else None.
        encrypted: it cannot be read without a key.
        raw: the line itself, encoded.
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
        AvroError: it is damaged, or no manifest list.
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
    """Return the bounds of the one field of a partition, if four bytes may be its value."""
    if len(summaries) != 1 or summaries[0].get(509, True):
        return None
    lower, upper = summaries[0].get(510), summaries[0].get(511)
    if lower is None or upper is None or not len(lower) == len(upper) == 4:
        return None
    return struct.unpack("<i", lower)[0], struct.unpack("<i", upper)[0]


def read_list(storage: Storage, address: str) -> AvroFile:
    """Read a manifest list.

    Raises:
        StorageError: it cannot be read.
        AvroError: it is damaged.
    """
    return open_file(storage.get(storage.path(address)))


def all_lines(storage: Storage, metadata: Metadata, threads: int) -> dict[str, ManifestEntry]:
    """Return every manifest that any snapshot of the table refers to, by its plain address.

    Raises:
        StorageError: a manifest list cannot be read.
        AvroError: one is damaged.
        CommitError: a snapshot names its manifests in a way of older versions.
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
    """Return the files that any of the manifests refers to as there, if they are candidates.

    Args:
        storage: reaches them.
        manifests: to look into.
        candidates: plain addresses of data and delete files.
        deadline_ms: Unix ms.
        threads: manifests read at once.
        named: under which address a file is a candidate, for example `original`; None for its own.

    Returns:
        Plain addresses.

    Raises:
        TimeoutError: the deadline passed before all were read.
        StorageError: a manifest cannot be read.
        AvroError: one is damaged, compressed or encrypted in a way that is not read here.
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
    """Tell whether a manifest may refer to files of any of these days.

    Args:
        line: the manifest.
        metadata: of the table, which is partitioned by days; manifests of other specs may
            refer to anything.
        days: since 1970.
    """
    if line.days is None or line.spec_id != metadata["default-spec-id"]:
        return True
    return any(line.days[0] <= day <= line.days[1] for day in days)


def entries(storage: Storage, line: ManifestEntry) -> list[tuple[str, int]]:
    """Return a manifest's files: address and status.

    Raises:
        StorageError: it cannot be read.
        AvroError: it is damaged or encrypted.
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
    """Return an address as we write it: others name the same object in other ways."""
    if address.startswith("file:/"):
        return "/" + address.removeprefix("file:").lstrip("/")
    for scheme in ("s3a://", "s3n://"):
        if address.startswith(scheme):
            return "s3://" + address.removeprefix(scheme)
    return address


def original(address: str) -> str:
    """Return the plain address a file of ours had before it was written anew for its table.

    See `destinations.refit`: the new file's name ends in a tag. Names without one stay.
    """
    return TAG.sub(".parquet", plain(address))
