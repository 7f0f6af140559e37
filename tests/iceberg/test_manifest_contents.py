"""A table's references are found for every writer; unreadable metadata is an error, never a no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from lake_bench import Home, bodies_at, soon

from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.format.avro import AvroError
from otlp2parquet_ext.lake.iceberg.format.avro_file import new_file, open_file
from otlp2parquet_ext.lake.iceberg.format.contents import (
    ManifestEntry,
    all_lines,
    entries,
    lines,
    live,
    may_have,
    plain,
)
from otlp2parquet_ext.lake.iceberg.format.manifest_schemas import MANIFEST_FILE
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from otlp2parquet_ext.lake.iceberg.commit.handle import Handle

LINE = ManifestEntry(
    path="/t/metadata/x.avro",
    length=1,
    spec_id=0,
    content=0,
    sequence_number=1,
    min_sequence_number=1,
    snapshot_id=1,
    files=(1, 0, 0),
    rows=(1, 0, 0),
    days=(10, 12),
    encrypted=False,
    raw=b"",
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A table with one file of ours and one that PyIceberg committed."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "ours"), "o")
    home.pyiceberg().commit(home.store(bodies_at(1, "theirs"), "t"), soon())
    return home


def handle(home: Home) -> Handle:
    """Open the table."""
    table = home.lean()
    assert isinstance(table, LeanTable)
    return table.handle


def found(home: Home) -> dict[str, ManifestEntry]:
    """Return every manifest of the table."""
    return all_lines(handle(home).storage, home.metadata(), 1)


@pytest.mark.parametrize("threads", [1, 4])
def test_files_are_found_whoever_committed_them(home: Home, threads: int) -> None:
    """They are found by their plain address, and uncommitted files are not."""
    files = [str(path) for path in (home.location / "data").rglob("*.parquet")]
    storage, wanted = handle(home).storage, [*files, "/t/other.parquet"]
    assert live(storage, found(home).values(), wanted, soon(), threads) == set(files)
    assert len(files) == 2


def test_an_answer_is_whole_or_an_error(home: Home) -> None:
    """A manifest may be missing, or there may be no time to read it."""
    storage, all_of_them = handle(home).storage, found(home)
    with pytest.raises(TimeoutError):
        live(storage, all_of_them.values(), ["x"], soon(-1), 1)
    (home.location / "metadata" / next(iter(all_of_them)).rpartition("/")[2]).unlink()
    with pytest.raises(StorageError):
        live(storage, all_of_them.values(), ["x"], soon(), 1)


def test_an_encrypted_manifest_is_an_error(home: Home) -> None:
    """It may refer to anything."""
    line = msgspec.structs.replace(next(iter(found(home).values())), encrypted=True)
    with pytest.raises(AvroError, match="is encrypted"):
        entries(handle(home).storage, line)


def test_a_list_that_is_none_is_an_error() -> None:
    """Another Avro file is in its place."""
    field = {"name": "x", "type": "int", "field-id": 1}
    empty = new_file({"type": "record", "name": "r", "fields": [field]}, "null")
    file = msgspec.structs.replace(empty, blocks=empty.block(1, b"\2"))
    with pytest.raises(AvroError, match="lacks field 500"):
        lines(file)


def test_a_list_of_an_older_format_is_read() -> None:
    """Version 1 knows no sequence numbers and no delete files."""
    fields = [f for f in MANIFEST_FILE["fields"] if f["field-id"] not in (515, 516, 517)]
    record: dict[int, Any] = {500: "/x", 501: 2, 502: 0, 503: 7, 504: 1, 505: 0, 506: 0}
    record |= {512: 9, 513: 0, 514: 0}
    file = new_file(MANIFEST_FILE | {"fields": fields}, "deflate").adding([record], {})
    (line,) = lines(open_file(file.encode()))
    assert (line.path, line.content, line.sequence_number, line.rows) == ("/x", 0, 0, (9, 0, 0))


def test_a_snapshot_without_a_list_is_an_error(home: Home) -> None:
    """Version 1 may name its manifests in the metadata itself."""
    metadata = home.metadata()
    del metadata["snapshots"][0]["manifest-list"]
    with pytest.raises(CommitError, match="without a manifest list"):
        all_lines(handle(home).storage, metadata, 1)


@pytest.mark.parametrize(
    ("line", "days", "asked"),
    [
        (LINE, {11}, True),
        (LINE, {9, 13}, False),
        (LINE, {9, 12}, True),
        (msgspec.structs.replace(LINE, days=None), {9}, True),
        (msgspec.structs.replace(LINE, spec_id=1), {9}, True),
    ],
)
def test_only_manifests_of_other_days_are_not_asked(
    line: ManifestEntry, days: set[int], *, asked: bool
) -> None:
    """The bounds of another partition spec may have any type: four bytes may be no day."""
    assert may_have(line, {"default-spec-id": 0}, days) == asked


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/a/b", "/a/b"),
        ("file:/a/b", "/a/b"),
        ("file:///a/b", "/a/b"),
        ("s3://b/k", "s3://b/k"),
        ("s3a://b/k", "s3://b/k"),
        ("s3n://b/k", "s3://b/k"),
        ("abfss://c/k", "abfss://c/k"),
    ],
)
def test_the_same_object_under_other_names_is_the_same(address: str, expected: str) -> None:
    """Hadoop has other names for S3, and Java for files."""
    assert plain(address) == expected


def test_files_of_ours_say_that_they_are_unsorted(tmp_path: Path) -> None:
    """A null is unknown to readers that plan by sort orders; 0 is unsorted in every table."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "a"), "a")
    (task,) = home.table().scan().plan_files()
    assert task.file.sort_order_id == 0
