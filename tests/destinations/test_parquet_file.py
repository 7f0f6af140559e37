"""The parts of our Parquet files, and their size."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otlp2parquet_ext.lake.destinations.parquet_file import PAGE_BYTES, encode
from otlp2parquet_ext.records.tables.logs import COLUMNS, LOGS


@pytest.fixture(scope="module")
def mix() -> Any:
    """Load the generator the benchmarks measure with."""
    path = Path(__file__).parents[2] / "benchmarks" / "reference_mix.py"
    spec = importlib.util.spec_from_file_location("reference_mix", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["reference_mix"] = module
    spec.loader.exec_module(module)
    return module


def test_the_mix_is_the_yardsticks(mix: Any) -> None:
    """528 bytes of JSON an event, 41 under zstd; otherwise the figures below mean nothing."""
    raw = b"".join(mix.bodies(10_000))
    assert 528 * 0.97 < len(raw) / 10_000 < 528 * 1.03
    packed = pa.Codec("zstd", compression_level=3).compress(raw)
    assert 41 * 0.95 < len(packed) / 10_000 < 41 * 1.05


@pytest.mark.parametrize(("events", "most"), [(500, 54.0), (1_000, 46.0), (10_000, 40.5)])
def test_an_event_of_the_mix_weighs_no_more_than_this(mix: Any, events: int, most: float) -> None:
    """The default batch has about 500; there the footer still counts."""
    file = encode(mix.rows(events), COLUMNS)
    assert file.data.size / events < most


def test_every_value_of_the_mix_comes_back(mix: Any, tmp_path: Path) -> None:
    """From two readers, in the order of the rows."""
    rows = mix.rows(3_000)
    data = encode(rows, COLUMNS).data
    assert pq.read_table(pa.BufferReader(data)).equals(rows)
    path = tmp_path / "mix.parquet"
    path.write_bytes(memoryview(data))
    names = ", ".join(name for name in LOGS.names if "imestamp" not in name)
    read = duckdb.execute(f"SELECT {names} FROM '{path}'").fetchall()  # noqa: S608
    columns = [rows[name].to_pylist() for name in LOGS.names if "imestamp" not in name]
    assert read == list(zip(*columns, strict=True))


def chunks(rows: pa.Table) -> dict[str, Any]:
    """Return the footer's entries for each column of a file."""
    group = encode(rows, COLUMNS).footer.row_group(0)
    return {column.name: group.column(number) for number, column in enumerate(COLUMNS)}


def test_columns_are_stored_as_their_table_says(mix: Any) -> None:
    """One row group, zstd, the encodings that were measured."""
    file = encode(mix.rows(1_000), COLUMNS)
    assert file.footer.num_row_groups == 1
    found = chunks(mix.rows(1_000))
    assert {chunk.compression for chunk in found.values()} == {"ZSTD"}
    assert found["Timestamp"].encodings == ("RLE", "DELTA_BINARY_PACKED")
    assert "RLE_DICTIONARY" in found["FaasInvocationId"].encodings
    assert set(found["Body"].encodings) == {"RLE", "PLAIN"}


def test_who_asks_for_a_request_reads_a_bloom_filter_first(mix: Any, tmp_path: Path) -> None:
    """The same holds for a trace. Queries do not search other columns for single values."""
    path = tmp_path / "mix.parquet"
    path.write_bytes(memoryview(encode(mix.rows(1_000), COLUMNS).data))
    sql = "SELECT path_in_schema FROM parquet_metadata(?) WHERE bloom_filter_offset IS NOT NULL"
    read = duckdb.execute(sql, [str(path)]).fetchall()
    assert [row[0] for row in read] == ["TraceId", "FaasInvocationId"]


def test_long_text_does_not_lie_in_the_footer() -> None:
    """Two bodies of 4 kB would be there four times: as much as a hundred rows."""
    values = {"timestamptz": 0, "string": "x", "int": 0}
    row = {column.name: values[column.type] for column in COLUMNS}
    long = [row | {"Body": letter * 4_000, "LogAttributes": letter * 4_000} for letter in "ab"]
    rows = pa.Table.from_pylist(long, schema=LOGS)
    file = encode(rows, COLUMNS)
    assert file.data.size < 9_000
    found = chunks(rows)
    assert found["Timestamp"].statistics.has_min_max
    for name in ("Body", "LogAttributes", "ResourceAttributes", "ScopeAttributes"):
        assert found[name].statistics is None


def test_a_page_index_is_only_where_there_are_pages(mix: Any) -> None:
    """For a single page it would repeat the footer."""
    few, many = mix.rows(500), mix.rows(6_000)
    assert many["LogAttributes"].nbytes > PAGE_BYTES
    assert {chunk.has_offset_index for chunk in chunks(few).values()} == {False}
    assert {chunk.has_offset_index for chunk in chunks(many).values()} == {True}
