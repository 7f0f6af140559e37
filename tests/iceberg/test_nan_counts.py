"""Deletes of other engines remove the rows that they name, and no NaN beside them."""

from __future__ import annotations

import itertools
import json
import math
import operator
import sys
from typing import TYPE_CHECKING, Any

import every_table
import pyarrow as pa
import pytest
import rest_fixture
from places import rest, soon, sqlite
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import (
    EqualTo,
    GreaterThan,
    GreaterThanOrEqual,
    LessThan,
    NotEqualTo,
)
from pyiceberg.schema import Schema

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.destinations.parquet_file import ParquetFile, encode
from otlp2parquet_ext.lake.iceberg.format.bounds import statistics
from otlp2parquet_ext.lake.iceberg.format.footer import footer_bytes, read
from otlp2parquet_ext.lake.iceberg.format.nan_counts import KEY, float_ids, footer_entry
from otlp2parquet_ext.lake.iceberg.format.new_table import new_table
from otlp2parquet_ext.lake.iceberg.format.parquet_facts import facts
from otlp2parquet_ext.records.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyiceberg.table import Table

    from otlp2parquet_ext.lake.iceberg.model.data_file import Statistics
    from otlp2parquet_ext.records.tables.columns import Column

NAN = math.nan
VALUES = (6.0, NAN, 6.0, NAN)
"""Of each float column: NaN beside a value that a filter takes or leaves."""

OPERATORS: dict[str, tuple[Any, Callable[[float, float], bool]]] = {
    ">": (GreaterThan, operator.gt),
    "<": (LessThan, operator.lt),
    "=": (EqualTo, operator.eq),
    ">=": (GreaterThanOrEqual, operator.ge),
    "!=": (NotEqualTo, operator.ne),
}
LITERALS = (5.0, 6.0, 7.0)
FLOAT_COLUMNS = [
    (n, c.name) for n, columns in TABLES.items() for c in columns if c.type == "double"
]
FLOAT_TABLES = sorted({name for name, _ in FLOAT_COLUMNS})


def with_values(name: str, values: tuple[float | None, ...] = VALUES) -> pa.Table:
    """Make rows of a table with these in every float column, and in its lists of floats."""
    rows = every_table.rows(name)
    for number, column in enumerate(TABLES[name]):
        cells: list[Any] = list(values)
        if column.element_type == "double":
            cells = [[value] for value in values]
        elif column.type != "double":
            continue
        field = rows.schema.field(number)
        rows = rows.set_column(number, field, pa.array(cells, field.type))
    return rows


def described(name: str, rows: pa.Table) -> Statistics:
    """Encode rows; both ways to take statistics of the file agree."""
    file = encode(rows, TABLES[name])
    ours = statistics(file.footer, TABLES[name])
    assert by_a_committer(name, file) == ours
    return ours


def by_a_committer(name: str, file: ParquetFile) -> Statistics:
    """Take statistics from the file's last bytes only."""
    data = file.data.to_pybytes()
    end = len(data) - 8 - footer_bytes(data, len(data))
    return facts(read(data, len(data)), TABLES[name], end).statistics


def float_columns(name: str) -> dict[int, Column]:
    """Return the columns of a table that have bounds and hold floats."""
    return {c.field_id: c for c in TABLES[name] if c.type == "double"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Table]:
    """Every table with float columns, committed by us, opened by PyIceberg.

    It has no partitions: to rewrite files by day PyIceberg needs a library that is not here.
    """
    folder = tmp_path_factory.mktemp("nan")
    catalog = SqlCatalog("otlp2parquet_ext", uri=f"sqlite:///{folder}/catalog.db")
    catalog.create_namespace("otel")
    for name in FLOAT_TABLES:
        schema = Schema.model_validate(new_table(TABLES[name], "/x", 0)["schemas"][0])
        catalog.create_table(("otel", name), schema, location=f"{folder}/lake/otel/{name}")
    destination = sqlite(folder).open()
    destination.store(
        Batch("a" * 32, {name: with_values(name) for name in FLOAT_TABLES}), commit_follows=True
    )
    destination.commit(soon())
    return {name: catalog.load_table(("otel", name)) for name in FLOAT_TABLES}


@pytest.mark.filterwarnings("ignore:Delete operation did not match any records")
@pytest.mark.parametrize(("name", "column"), FLOAT_COLUMNS)
@pytest.mark.parametrize("sign", OPERATORS)
def test_a_delete_of_pyiceberg_keeps_the_nan_rows_it_does_not_name(
    tables: dict[str, Table], name: str, column: str, sign: str
) -> None:
    """It drops a whole file by bounds and NaN counts, without reading the rows.

    NaN differs from every number, so `!=` names it. PyIceberg deletes NaN then with a whole file,
    and keeps it where it rewrites the file.
    """
    term, matches = OPERATORS[sign]
    table = tables[name]
    for literal in LITERALS:
        transaction = table.transaction()
        transaction.delete(term(column, literal))
        changed = transaction.table_metadata
        after = type(table)(table.name(), changed, table.metadata_location, table.io, table.catalog)
        scan = after.scan(selected_fields=(column,))
        found = scan.to_arrow()[column].to_pylist()
        left = [value for value in VALUES if not matches(value, literal)]
        assert [v for v in found if v == v] == [v for v in left if v == v], literal  # noqa: PLR0124
        if sign != "!=":
            assert len(found) == len(left), literal


@pytest.mark.parametrize("name", TABLES)
def test_every_float_column_has_a_count_of_nan_and_no_other_column_has(name: str) -> None:
    """Elements of lists have it by their own id. A table without floats has none."""
    found = described(name, every_table.rows(name))
    floats = {c.element_id or c.field_id for c in TABLES[name] if "double" in c.type}
    assert found.nan_value_counts == dict.fromkeys(floats, 0)
    if floats:
        some = described(name, with_values(name))
        assert some.nan_value_counts == dict.fromkeys(floats, 2)
        assert float_columns(name).keys() <= some.lower_bounds.keys()


def test_a_table_without_floats_has_no_byte_more() -> None:
    """Most rows are logs and traces."""
    assert footer_entry(every_table.rows("logs"), TABLES["logs"]) == {}


@pytest.mark.parametrize("name", FLOAT_TABLES)
@pytest.mark.parametrize("values", [(NAN,) * 4, (NAN, None, NAN, None)])
def test_a_column_of_nothing_but_nan_has_no_bounds(
    name: str, values: tuple[float | None, ...]
) -> None:
    """The specification demands it; nulls beside NaN change nothing."""
    wanted = {c.field_id for c in TABLES[name] if c.type == "double"}
    if None in values:
        wanted = {c.field_id for c in TABLES[name] if c.type == "double" and c.nullable}
        if not wanted:
            pytest.skip("its float columns are never null")
    rows = with_values(name, (NAN,) * 4)
    for number, column in enumerate(TABLES[name]):
        if column.field_id in wanted:
            field = rows.schema.field(number)
            rows = rows.set_column(number, field, pa.array(values, field.type))
    found = described(name, rows)
    assert not wanted & (found.lower_bounds.keys() | found.upper_bounds.keys())
    assert {found.nan_value_counts[field_id] for field_id in wanted} == {values.count(NAN)}


@pytest.mark.parametrize(
    ("values", "nans"),
    [
        ([math.inf, -math.inf, 1.0], 0),
        ([None, NAN, math.inf], 1),
        ([], 0),
        ([None, None], 0),
        ([-NAN, NAN], 2),
    ],
)
def test_only_nan_is_counted(values: list[float | None], nans: int) -> None:
    """Opposite infinities add up to NaN without being NaN, and bytes below a null do not count."""
    column = next(c for c in TABLES["metrics_histogram"] if c.type == "double" and c.nullable)
    padded = pa.array([9.0, *values, NAN, None], pa.float64())
    sliced = pa.chunked_array([padded.slice(1, len(values)), padded.slice(1, 0)])
    rows = pa.table({column.name: sliced})
    assert json.loads(footer_entry(rows, [column])[KEY]) == {str(column.field_id): nans}


def test_a_float_column_without_a_count_has_no_bounds() -> None:
    """In a file of an earlier version readers take a missing count for zero."""
    name = "metrics_gauge"
    file = encode(with_values(name), TABLES[name])
    data = file.data.to_pybytes().replace(KEY.encode(), b"x" * len(KEY))
    old = by_a_committer(name, ParquetFile(pa.py_buffer(data), None))
    assert not float_columns(name).keys() & (old.lower_bounds.keys() | old.upper_bounds.keys())
    assert old.lower_bounds


@pytest.mark.parametrize("count", [b"9", b"-", b'"'])
def test_a_count_no_column_can_have_is_refused(count: bytes) -> None:
    """Any program may have written a footer, with more NaN than values, or no number."""
    name = "metrics_gauge"
    file = encode(with_values(name), TABLES[name])
    said = footer_entry(with_values(name), TABLES[name])[KEY].encode()
    data = file.data.to_pybytes()
    assert said in data
    forged = data.replace(said, said.replace(b":2", b":" + count))
    with pytest.raises(ValueError, match=r"NaN|nan_value_counts"):
        by_a_committer(name, ParquetFile(pa.py_buffer(forged), None))


def test_float_ids_are_those_of_elements_in_lists() -> None:
    """Sizes and counts of a list's values have the same id."""
    lists = [c for c in TABLES["metrics_histogram"] if c.element_type == "double"]
    assert lists
    assert float_ids(lists).keys() == {c.element_id for c in lists}


@pytest.mark.parametrize("name", FLOAT_TABLES)
def test_a_delete_of_java_keeps_the_nan_rows_it_does_not_name(
    iceberg_rest: tuple[str, str], tmp_path: Path, name: str
) -> None:
    """It deletes whole files or refuses. It deletes this one only if every row matches."""
    url, warehouse = iceberg_rest
    place = rest(url, type(tmp_path)(warehouse))
    destination = place.open()
    destination.store(Batch("a" * 32, {name: with_values(name)}), commit_follows=True)
    destination.commit(soon())
    columns = [column for table, column in FLOAT_COLUMNS if table == name]
    asked = list(itertools.product(columns, OPERATORS, LITERALS))
    namespace = place.environ["OTLP2PARQUET_NAMESPACE"]
    deletes = rest_fixture.java_deletes(url, namespace, name, asked)
    for (column, sign, literal), deleted in zip(asked, deletes, strict=True):
        every = all(OPERATORS[sign][1](value, literal) for value in VALUES)
        assert not deleted or every, (column, sign, literal)
        assert deleted or (sign, literal) not in {("!=", 5.0), ("!=", 7.0)}


@pytest.mark.parametrize("name", FLOAT_TABLES)
def test_counting_needs_no_library_that_is_not_in_the_layer(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flatten` of a list imports `pyarrow.compute`: no metric was stored in the layer."""
    monkeypatch.setitem(sys.modules, "pyarrow.compute", None)
    rows, floats = with_values(name), float_ids(TABLES[name])
    found = json.loads(footer_entry(rows, TABLES[name])[KEY])
    assert found == dict.fromkeys(map(str, floats), 2)


@pytest.mark.parametrize("name", FLOAT_TABLES)
def test_a_part_of_a_table_counts_its_own_values(name: str) -> None:
    """A batch of two days is cut in two: both parts share the memory of the whole."""
    rows = with_values(name)
    for start, length in ((0, 1), (1, 1), (1, 2), (2, 2), (4, 0)):
        found = json.loads(footer_entry(rows.slice(start, length), TABLES[name])[KEY])
        expected = sum(map(math.isnan, VALUES[start : start + length]))
        assert set(found.values()) <= {expected}, (start, length)
