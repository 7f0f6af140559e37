"""Lists in Iceberg tables: ids of elements, statistics, tables of others, other readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import every_table
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rest_fixture
from msgspec.structs import replace
from places import Place, rest, soon, sqlite
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.schema import Schema
from pyiceberg.types import ListType, NestedField, StringType, TimestamptzType

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.destinations.parquet_file import encode
from otlp2parquet_ext.lake.iceberg.catalogs.glue_requests import new_input
from otlp2parquet_ext.lake.iceberg.format.bounds import statistics
from otlp2parquet_ext.lake.iceberg.format.new_table import new_table
from otlp2parquet_ext.lake.iceberg.format.schema_match import (
    UNMAPPED_ID_OFFSET,
    Clash,
    Matched,
    match,
)
from otlp2parquet_ext.lake.iceberg.upkeep.care import evolve, iceberg_type
from otlp2parquet_ext.records.tables.registry import TABLES
from otlp2parquet_ext.records.tables.traces import COLUMNS
from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyiceberg.table import Table

LISTS = tuple(column for column in COLUMNS if column.element_type)


@pytest.fixture
def lake(tmp_path: Path) -> Place:
    """An empty namespace."""
    return sqlite(tmp_path)


def theirs(tmp_path: Path) -> SqlCatalog:
    """Open the catalog with PyIceberg."""
    return SqlCatalog("otlp2parquet_ext", uri=f"sqlite:///{tmp_path}/catalog.db")


def flush(place: Place, name: str = "a") -> None:
    """Store rows of all tables and commit them."""
    destination = place.open()
    destination.store(Batch(name * 32, every_table.all_rows()), commit_follows=True)
    destination.commit(soon())


def read(place: Place, name: str) -> list[tuple[Any, ...]]:
    """Read a table with DuckDB."""
    sql = f"SELECT {every_table.selected(TABLES[name])} FROM {name} ORDER BY 1"  # noqa: S608
    return query.connect(place.url, environ=place.variables).execute(sql).fetchall()


@pytest.mark.parametrize("name", TABLES)
def test_pyiceberg_reads_ids_nullability_and_every_value(
    lake: Place, tmp_path: Path, name: str
) -> None:
    """Most readers in Python use this library."""
    flush(lake)
    table: Table = theirs(tmp_path).load_table(("otel", name))
    fields = table.schema().model_dump(by_alias=True)["fields"]
    found = [(f["id"], f["name"], f["required"], f["type"]) for f in fields]
    assert found == every_table.fields(name, lower_case=False)
    rows = table.scan().to_arrow().sort_by("Timestamp")
    assert rows.to_pylist() == every_table.rows(name).to_pylist()


def test_pyiceberg_and_we_append_in_turn(lake: Place, tmp_path: Path) -> None:
    """Both read manifests and statistics of the other; the table has no partitions."""
    catalog = theirs(tmp_path)
    catalog.create_namespace("otel")
    schema = Schema.model_validate(new_table(COLUMNS, "/x", 0)["schemas"][0])
    catalog.create_table(("otel", "traces"), schema, location=f"{tmp_path}/lake/otel/traces")
    flush(lake)
    catalog.load_table(("otel", "traces")).append(every_table.rows("traces"))
    flush(lake, "b")
    table = theirs(tmp_path).load_table(("otel", "traces"))
    assert table.scan().to_arrow().num_rows == 3 * every_table.ROWS
    assert len(read(lake, "traces")) == 3 * every_table.ROWS


@pytest.mark.parametrize("name", TABLES)
def test_statistics_are_pyicebergs_without_bounds_of_lists(
    lake: Place, tmp_path: Path, name: str
) -> None:
    """Sizes and counts have the ids of elements.

    The bounds for skipping files are those of columns.
    """
    flush(lake)
    table = theirs(tmp_path).load_table(("otel", name))
    file = encode(every_table.rows(name), TABLES[name])
    ours = statistics(file.footer, TABLES[name])
    metadata = pq.read_metadata(pa.BufferReader(file.data))
    other = data_file_statistics_from_parquet_metadata(
        metadata,
        compute_statistics_plan(table.schema(), table.properties),
        parquet_path_to_id_mapping(table.schema()),
    )
    assert ours.column_sizes == other.column_sizes
    assert ours.value_counts == other.value_counts
    elements = {column.element_id for column in TABLES[name]}
    assert not elements & (ours.lower_bounds.keys() | ours.upper_bounds.keys())
    assert ours.lower_bounds.keys() == {c.field_id for c in TABLES[name] if c.bounds}


def with_own_ids(catalog: SqlCatalog, location: Path) -> None:
    """Let a user create the traces table: lower case, reversed, all optional, own ids."""
    catalog.create_namespace("otel")
    fields = [
        NestedField(n, column.name.lower(), iceberg_type(column), required=False)
        for n, column in enumerate(reversed(COLUMNS), 100)
    ]
    catalog.create_table(("otel", "traces"), Schema(*fields), location=str(location))


def test_a_table_with_ids_of_its_own_gets_lists_with_its_ids(lake: Place, tmp_path: Path) -> None:
    """The first file is rewritten, and so are those that an environment left to a committer."""
    catalog = theirs(tmp_path)
    with_own_ids(catalog, tmp_path / "lake/otel/traces")
    flush(lake)
    assert read(lake, "traces") == every_table.expected("traces")
    fields = catalog.load_table(("otel", "traces")).schema().fields
    ids = {f.name: f.field_type.element_id for f in fields if isinstance(f.field_type, ListType)}
    assert ids != {column.name.lower(): column.element_id for column in LISTS}
    anew = next(p for p in lake.table("traces").objects.names("data/") if p.count("-") == 3)
    arrow = pq.read_schema(pa.BufferReader(lake.table("traces").objects.read(anew)))
    written = {
        f.name: int(f.type.value_field.metadata[b"PARQUET:field_id"])
        for f in arrow
        if isinstance(f.type, pa.ListType)
    }
    assert written == ids


def test_columns_a_table_lacks_are_added_lists_among_them(lake: Place, tmp_path: Path) -> None:
    """Until then they are unmapped, under ids that no table has; then they are visible."""
    catalog = theirs(tmp_path)
    catalog.create_namespace("otel")
    fields = (
        NestedField(1, "Timestamp", TimestamptzType(), required=True),
        NestedField(2, "EventsName", ListType(3, StringType(), element_required=False)),
    )
    location = str(tmp_path / "lake/otel/traces")
    catalog.create_table(("otel", "traces"), Schema(*fields), location=location)
    flush(lake)
    assert evolve(catalog, ("otel", "traces"), COLUMNS).missing == ()
    flush(lake, "b")
    sql = "SELECT EventsName, LinksTraceState FROM traces ORDER BY Timestamp"
    rows = query.connect(lake.url).execute(sql).fetchall()
    names = [every_table.cell(COLUMNS[16], n) for n in (0, 0, 1, 1, 2, 2, 3, 3)]
    states = [every_table.cell(COLUMNS[20], n) for n in range(4)]
    assert [row[0] for row in rows] == names
    assert sorted(row[1] for row in rows if row[1] is not None) == sorted(states)
    assert sum(row[1] is None for row in rows) == every_table.ROWS


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> Matched | Clash:
    """Match a traces table of ours after a user has changed one column."""
    metadata = new_table(COLUMNS, "/x", 0)
    field = next(f for f in metadata["schemas"][0]["fields"] if f["name"] == name)
    change(field)
    return match(metadata, COLUMNS)


def test_a_list_of_something_else_is_a_clash() -> None:
    """The message has both types in the words of SQL."""
    found = changed("EventsName", lambda field: field["type"].update(element="long"))
    assert isinstance(found, Clash)
    assert found.problem == (
        "the table's column EventsName is list<long>; ours, EventsName, is list<string>"
    )
    found = changed("EventsName", lambda field: field.update(type="string"))
    assert isinstance(found, Clash)
    found = changed("Duration", lambda field: field.update(type={"type": "list", "element": "int"}))
    assert isinstance(found, Clash)
    assert "Duration is list<int>" in found.problem


def test_a_list_that_takes_no_nulls_is_a_clash_where_ours_has_some() -> None:
    """The other direction is none, because a nullable column accepts any value."""
    required = {"element-required": True}
    found = changed("LinksTraceState", lambda field: field["type"].update(required))
    assert isinstance(found, Clash)
    assert found.problem == (
        "the table requires what LinksTraceState holds; in ours it may be null"
    )
    optional = {"element-required": False}
    assert changed("EventsName", lambda field: field["type"].update(optional)) == Matched(COLUMNS)


def test_elements_of_a_list_have_the_id_of_the_table_or_none_it_has() -> None:
    """With an id of another column readers would mix up the two."""
    found = changed("EventsName", lambda field: field["type"].update({"element-id": 77}))
    assert isinstance(found, Matched)
    assert found.tag
    assert [c.element_id for c in found.columns if c.name == "EventsName"] == [77]
    metadata = new_table(COLUMNS, "/x", 0)
    whole = metadata["schemas"][0]
    without = {**whole, "schema-id": 1, "fields": [f for f in whole["fields"] if f["id"] != 17]}
    found = match(metadata | {"schemas": [whole, without], "current-schema-id": 1}, COLUMNS)
    assert isinstance(found, Matched)
    dropped = found.columns[16]
    assert dropped == replace(COLUMNS[16], element_id=UNMAPPED_ID_OFFSET + COLUMNS[16].element_id)


def test_a_new_table_gives_the_next_column_an_id_that_is_free() -> None:
    """The ids of elements count, too, so the owner's next column does not get one of them."""
    for columns in TABLES.values():
        used = {i for c in columns for i in (c.field_id, c.element_id)}
        assert new_table(columns, "/x", 0)["last-column-id"] == max(used)


def test_glue_is_told_of_arrays() -> None:
    """Consoles, and engines without Iceberg, show them."""
    made: Any = new_input("traces", COLUMNS, "s3://lake/traces", "s3://lake/traces/m.json")
    types = {c["Name"]: c["Type"] for c in made["StorageDescriptor"]["Columns"]}
    assert types["eventstimestamp"] == "array<timestamp>"
    assert types["linkstracestate"] == "array<string>"
    assert types["duration"] == "bigint"


@pytest.mark.parametrize("name", ["traces", "metrics_histogram"])  # every type of list
def test_java_reads_what_we_wrote(iceberg_rest: tuple[str, str], tmp_path: Path, name: str) -> None:
    """The reference implementation reads lists, empty ones, and null elements."""
    url, warehouse = iceberg_rest
    place = rest(url, type(tmp_path)(warehouse))
    flush(place)
    namespace = place.environ["OTLP2PARQUET_NAMESPACE"]
    found = rest_fixture.java_rows(url, namespace, name)
    wanted = [every_table.as_java_says(name, row) for row in range(every_table.ROWS)]
    assert sorted(found, key=lambda row: str(row["Timestamp"])) == wanted
