"""Tables of other writers: unknown parts survive, and unsupported tables are refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_bench import Home, bodies_at, soon
from pyiceberg.types import LongType, StringType

from otlp2parquet_ext.lake.iceberg.format.avro_file import new_file, open_file
from otlp2parquet_ext.lake.iceberg.format.manifest_schemas import (
    DATE,
    MANIFEST_FILE,
    entry_schema,
    partition_field,
)
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMITS = 25
"""More than snapshots are kept."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A table of ours with one row."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "first"), "first")
    return home


def many_commits(home: Home) -> None:
    """Commit until the first snapshot would have expired."""
    for number in range(COMMITS):
        home.append(bodies_at(0, f"{number}"), f"{number}")


def test_unknown_fields_survive_every_commit(home: Home) -> None:
    """Fields of a future version, or of a vendor, may be anywhere in the metadata."""
    metadata = home.metadata()
    metadata["vendor-field"] = {"deep": [1, None, 2**63 - 1, "é"]}
    metadata["schemas"][0]["vendor-schema"] = "x"
    metadata["snapshots"][0]["vendor-snapshot"] = True
    metadata["refs"]["main"]["max-ref-age-ms"] = 10**12
    metadata["sort-orders"].append({"order-id": 7, "fields": [SORT]})
    metadata["default-sort-order-id"] = 7
    home.replace_metadata(metadata)
    home.append(bodies_at(0, "second"), "second")
    after = home.metadata()
    for key in ("vendor-field", "schemas", "sort-orders", "default-sort-order-id"):
        assert after[key] == metadata[key]
    assert after["snapshots"][0] == metadata["snapshots"][0]
    assert after["refs"]["main"]["max-ref-age-ms"] == 10**12
    assert home.bodies() == ["first", "second"]


SORT = {"transform": "identity", "source-id": 1, "direction": "asc", "null-order": "nulls-first"}


def test_branches_and_tags_keep_their_snapshots(home: Home) -> None:
    """Only snapshots of `main` that no other reference needs expire."""
    first = home.table().metadata.current_snapshot_id
    assert first is not None
    home.table().manage_snapshots().create_tag(first, "release").commit()
    home.append(bodies_at(0, "second"), "second")
    second = home.table().metadata.current_snapshot_id
    assert second is not None
    home.table().manage_snapshots().create_branch(second, "audit").commit()
    many_commits(home)
    table = home.table()
    assert table.scan(snapshot_id=first).to_arrow().num_rows == 1
    assert table.scan().use_ref("audit").to_arrow().num_rows == 2
    assert table.scan().to_arrow().num_rows == 2 + COMMITS
    assert {"release", "audit", "main"} == table.metadata.refs.keys()


def test_statistics_keep_their_snapshot(home: Home) -> None:
    """Another tool computed them for it, so the snapshot stays."""
    metadata = home.metadata()
    analysed = metadata["current-snapshot-id"]
    statistics = {
        "snapshot-id": analysed,
        "statistics-path": "x.puffin",
        "file-size-in-bytes": 1,
        "file-footer-size-in-bytes": 1,
        "blob-metadata": [],
    }
    metadata["statistics"] = [statistics]
    home.replace_metadata(metadata)
    many_commits(home)
    after = home.metadata()
    assert after["statistics"] == [statistics]
    assert analysed in {snapshot["snapshot-id"] for snapshot in after["snapshots"]}


def test_a_schema_evolved_by_others_is_kept_and_appended_to(home: Home) -> None:
    """After renames and widenings our files keep their ids, and their bounds stay useful."""
    with home.table().update_schema() as update:
        update.rename_column("Body", "Message")
        update.rename_column("SpanId", "Span")
        update.add_column("Team", StringType())
        update.update_column("SeverityNumber", LongType())
        update.delete_column("EventName")
    home.append(bodies_at(0, "second"), "second")
    table = home.table()
    rows = table.scan().to_arrow()
    assert sorted(rows["Message"].to_pylist()) == ["first", "second"]
    assert rows["Team"].null_count == 2
    assert rows["SeverityNumber"].to_pylist() == [9, 9]
    found = [
        len(list(table.scan(row_filter=row_filter).plan_files()))
        for row_filter in ("SeverityNumber >= 9", "SeverityNumber > 9", "Span == 'second'")
    ]
    assert found == [2, 0, 1]
    assert table.metadata.snapshots[-1].schema_id == table.metadata.current_schema_id == 1


def test_a_new_column_may_take_the_name_of_one_that_was_renamed(home: Home) -> None:
    """Our column still exists, by its id."""
    with home.table().update_schema() as update:
        update.rename_column("Body", "Message")
    with home.table().update_schema() as update:
        update.add_column("Body", StringType())
    home.append(bodies_at(0, "second"), "second")
    rows = home.table().scan().to_arrow()
    assert sorted(rows["Message"].to_pylist()) == ["first", "second"]
    assert rows["Body"].null_count == 2


def test_an_older_partition_spec_is_left_to_its_files(home: Home) -> None:
    """New files use the default spec; this table was unpartitioned once."""
    metadata = home.metadata()
    metadata["partition-specs"].append({"spec-id": 1, "fields": []})
    metadata["default-spec-id"] = 1
    home.replace_metadata(metadata)
    home.append(bodies_at(1, "second"), "second")
    specs = {m["partition_spec_id"] for m in home.table().inspect.manifests().to_pylist()}
    assert specs == {0, 1}
    assert home.bodies() == ["first", "second"]


def test_rows_deleted_by_position_stay_deleted(home: Home) -> None:
    """With merge-on-read, delete manifests in the list are copied like the others."""
    home.append(bodies_at(0, "keep", "delete me"), "second")
    files = home.table().inspect.files().to_pylist()
    delete_by_position(home, next(f["file_path"] for f in files if f["record_count"] == 2), 1)
    home.append(bodies_at(0, "third"), "third")
    home.append(bodies_at(0, "fourth"), "fourth")
    assert home.bodies() == ["first", "fourth", "keep", "third"]
    summary = home.metadata()["snapshots"][-1]["summary"]
    assert (summary["total-delete-files"], summary["total-position-deletes"]) == ("1", "1")


def delete_by_position(home: Home, data_file: str, position: int) -> None:
    """Commit a position delete file, as an engine with merge-on-read does; PyIceberg cannot."""
    metadata = home.metadata()
    folder = home.location / "metadata"
    ids = [b"2147483546", b"2147483545"]
    schema = pa.schema(
        [
            pa.field("file_path", pa.string(), metadata={"PARQUET:field_id": ids[0]}),
            pa.field("pos", pa.int64(), metadata={"PARQUET:field_id": ids[1]}),
        ]
    )
    deletes = home.location / "data" / "deletes.parquet"
    rows = {"file_path": [data_file], "pos": [position]}
    pq.write_table(pa.table(rows, schema=schema), deletes)
    size, number = deletes.stat().st_size, metadata["last-sequence-number"] + 1
    spec = metadata["partition-specs"][0]["fields"]
    file = {134: 1, 100: str(deletes), 101: "PARQUET", 102: {1000: 20_000}, 103: 1, 104: size}
    header = {
        "schema": msgspec.json.encode(metadata["schemas"][0]).decode(),
        "partition-spec": msgspec.json.encode(spec).decode(),
        "partition-spec-id": "0",
        "format-version": "2",
        "content": "deletes",
    }
    entry = entry_schema([partition_field(1000, "Timestamp_day", DATE)])
    manifest = new_file(entry, "null").adding([{0: 1, 1: 77, 2: file}], header).encode()
    (folder / "deletes-m0.avro").write_bytes(manifest)
    parent = metadata["snapshots"][-1]
    counts = {504: 1, 505: 0, 506: 0, 512: 1, 513: 0, 514: 0}
    line = counts | {
        500: str(folder / "deletes-m0.avro"),
        501: len(manifest),
        502: 0,
        517: 1,
        515: number,
        516: number,
        503: 77,
    }
    with open(parent["manifest-list"], "rb") as old:  # noqa: PTH123 - a path as text
        lines = open_file(old.read())
    (folder / "snap-77.avro").write_bytes(lines.adding([line], lines.metadata).encode())
    totals = {"total-delete-files": "1", "total-position-deletes": "1"}
    snapshot = parent | {
        "snapshot-id": 77,
        "parent-snapshot-id": parent["snapshot-id"],
        "sequence-number": number,
        "manifest-list": str(folder / "snap-77.avro"),
        "summary": parent["summary"] | {"operation": "delete"} | totals,
    }
    metadata["snapshots"].append(snapshot)
    metadata |= {"last-sequence-number": number, "current-snapshot-id": 77}
    metadata["refs"]["main"]["snapshot-id"] = 77
    home.replace_metadata(metadata)


def field(name: str, **changes: object) -> Callable[[dict[str, Any]], object]:
    """Change one column of the schema."""

    def edit(metadata: dict[str, Any]) -> None:
        fields = metadata["schemas"][0]["fields"]
        next(f for f in fields if f["name"] == name).update(changes)

    return edit


def swapped(one: str, other: str) -> Callable[[dict[str, Any]], object]:
    """Give two columns each other's ids."""

    def edit(metadata: dict[str, Any]) -> None:
        fields = {f["name"]: f for f in metadata["schemas"][0]["fields"]}
        fields[one]["id"], fields[other]["id"] = fields[other]["id"], fields[one]["id"]

    return edit


def spec(*fields: tuple[int, str]) -> Callable[[dict[str, Any]], object]:
    """Partition the table in another way."""
    made = [
        {"source-id": source, "field-id": 1001 + n, "transform": transform, "name": f"f{n}"}
        for n, (source, transform) in enumerate(fields)
    ]
    return lambda metadata: (
        metadata["partition-specs"].append({"spec-id": 5, "fields": made}),
        metadata.update({"default-spec-id": 5}),
    )


NEW_COLUMN = {"id": 23, "name": "Team", "type": "string", "required": True}
DEFAULTED = NEW_COLUMN | {"required": False, "initial-default": "dev", "write-default": "ops"}


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda m: m.update({"format-version": 4}), "format version 4; expected 2 or 3"),
        (lambda m: m.update({"format-version": 1}), "format version 1; expected 2 or 3"),
        (
            lambda m: m["schemas"][0]["fields"].append(DEFAULTED),
            "column Team has the write-default 'ops', and our files lack the column",
        ),
        (lambda m: m["properties"].update({"encryption.key-id": "k"}), "is encrypted"),
        (lambda m: m.update({"encryption-keys": [{"key-id": "k"}]}), "is encrypted"),
        (spec((1, "hour")), r"partitioned by hour\(f0\).* expected day\(Timestamp\)"),
        (spec((14, "day")), r"partitioned by day\(f0\)"),
        (spec((1, "day"), (4, "identity")), r"day\(f0\), identity\(f1\)"),
        (field("Body", type="int"), "column Body is int; ours, Body, is string; rows go to plain"),
        (field("Body", required=True), "requires Body; ours, Body, may be null"),
        (field("Body", id=23), "1 files carry other field ids than the table"),
        (swapped("ScopeName", "ScopeAttributes"), "1 files carry other field ids than the table"),
        (
            lambda m: m["schemas"][0]["fields"].append(NEW_COLUMN),
            "requires a column Team, which we have not",
        ),
        (lambda m: m.update({"current-snapshot-id": 1}), "snapshot 1 is not in its metadata"),
        (lambda m: m["snapshots"][0].pop("manifest-list"), "has no manifest list"),
    ],
)
def test_a_table_we_do_not_support_is_refused_before_anything_is_written(
    home: Home, edit: Callable[[dict[str, Any]], object], problem: str
) -> None:
    """One line reports it. The files stay, for a committer that supports the table."""
    metadata = home.metadata()
    edit(metadata)
    home.replace_metadata(metadata)
    files = home.store(bodies_at(0, "second"), "second")
    before = sorted((home.location / "metadata").iterdir())
    with pytest.raises(CommitError, match=problem):
        home.lean().commit(files, soon())
    assert home.metadata() == metadata
    assert sorted((home.location / "metadata").iterdir()) == before


def test_compressed_metadata_is_refused(home: Home) -> None:
    """Some engines can be configured to write it."""
    with closing(sqlite3.connect(home.database)) as catalog, catalog:
        catalog.execute("UPDATE iceberg_tables SET metadata_location = '/x/1.gz.metadata.json'")
    with pytest.raises(CommitError, match="compressed metadata is not read here"):
        home.append(bodies_at(0, "second"), "second")


def test_a_manifest_list_of_an_older_format_is_refused(home: Home) -> None:
    """A table upgraded from version 1 keeps such a list until another writer commits."""
    old = [f for f in MANIFEST_FILE["fields"] if f["field-id"] not in (515, 516, 517)]
    path = home.location / "metadata" / "v1.avro"
    path.write_bytes(new_file(MANIFEST_FILE | {"fields": old}, "null").encode())
    metadata = home.metadata()
    metadata["snapshots"][0]["manifest-list"] = str(path)
    home.replace_metadata(metadata)
    with pytest.raises(CommitError, match="its records are not those of format version 2"):
        home.append(bodies_at(0, "second"), "second")


def test_a_manifest_list_with_other_names_and_order_is_added_to(home: Home) -> None:
    """Iceberg's Java library used other names for the counts. Only ids matter."""
    names = {504: "added_data_files_count", 505: "existing_data_files_count"}
    fields = [f | {"name": names.get(f["field-id"], f["name"])} for f in MANIFEST_FILE["fields"]]
    path = home.location / "metadata" / "other.avro"
    future = {"name": "x", "type": ["null", "long"], "default": None, "field-id": 520}
    path.write_bytes(
        new_file(MANIFEST_FILE | {"fields": [*fields[::-1], future]}, "deflate").encode()
    )
    metadata = home.metadata()
    metadata["snapshots"][0]["manifest-list"] = str(path)
    home.replace_metadata(metadata)
    home.append(bodies_at(0, "second"), "second")
    home.append(bodies_at(0, "third"), "third")
    assert home.bodies() == ["second", "third"]  # the list in between was empty


def test_a_view_of_the_tables_name_is_refused(home: Home) -> None:
    """The catalog stores views beside tables."""
    with closing(sqlite3.connect(home.database)) as catalog, catalog:
        catalog.execute("UPDATE iceberg_tables SET iceberg_type = 'VIEW'")
    with pytest.raises(CommitError, match="taken by a VIEW"):
        home.append(bodies_at(0, "second"), "second")


def test_a_catalog_of_the_older_layout_is_used_as_it_is(tmp_path: Path) -> None:
    """It has no column for the type, and PyIceberg does not change it either."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "first"), "first")
    with closing(sqlite3.connect(home.database)) as catalog, catalog:
        catalog.execute("ALTER TABLE iceberg_tables DROP COLUMN iceberg_type")
        catalog.execute("DELETE FROM iceberg_tables")
    home.append(bodies_at(0, "second"), "second")
    home.append(bodies_at(0, "third"), "third")
    assert home.bodies() == ["second", "third"]
