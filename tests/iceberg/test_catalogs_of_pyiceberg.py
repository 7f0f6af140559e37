"""`catalog://name`: one append, with any catalog of PyIceberg behind it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from catalog_bench import KINDS, Warehouse, variables
from lake_bench import bodies_at, soon
from pyiceberg_reference import PyIcebergReference
from tiers import tiered

from otlp2parquet_ext.lake.iceberg.commit.expiry import SNAPSHOTS_KEPT
from otlp2parquet_ext.lake.iceberg.commit.terms import Terms
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.records.tables.logs import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile


@pytest.fixture(params=tiered(KINDS))
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """Run every test against every catalog."""
    with KINDS[str(request.param)](tmp_path) as found:
        yield found


def test_a_table_is_created_and_appended_to(warehouse: Warehouse) -> None:
    """Ids, names and partitions are ours, and the warehouse gives the location."""
    table = warehouse.open()
    table.commit(warehouse.store(bodies_at(0, "a"), "1"), soon())
    table.commit(warehouse.store(bodies_at(1, "b", "c"), "2"), soon())
    table.close()
    seen = warehouse.table()
    assert seen.location().removeprefix("file://") == str(warehouse.location)
    assert [(f.field_id, f.name, f.required) for f in seen.schema().fields] == [
        (column.field_id, column.name, not column.nullable) for column in COLUMNS
    ]
    assert [(f.name, str(f.transform), f.source_id) for f in seen.spec().fields] == [
        ("Timestamp_day", "day", 1)
    ]
    assert warehouse.bodies() == ["a", "b", "c"]
    assert [s.summary["total-records"] for s in seen.snapshots() if s.summary] == ["1", "3"]


def test_names_are_lower_case_where_that_is_asked_for(warehouse: Warehouse) -> None:
    """Glue and Athena allow only these; ids and types are the same."""
    files = warehouse.store(bodies_at(0, "a"), "1")
    warehouse.open(terms=Terms(lower_case=True)).commit(files, soon())
    names = [field.name for field in warehouse.table().schema().fields]
    assert names == [column.name.lower() for column in COLUMNS]
    assert warehouse.table().spec().fields[0].name == "timestamp_day"
    assert warehouse.bodies("body") == ["a"]


def test_a_table_is_not_created_when_that_is_forbidden(warehouse: Warehouse) -> None:
    """Another program creates the tables; the message names the setting."""
    files = warehouse.store(bodies_at(0, "a"), "1")
    with pytest.raises(CommitError, match="no such table, and OTLP2PARQUET_CREATE_TABLE=off"):
        warehouse.open(terms=Terms(create=False)).commit(files, soon())
    warehouse.open().commit(files, soon())
    warehouse.open(terms=Terms(create=False)).commit(
        warehouse.store(bodies_at(0, "b"), "2"), soon()
    )
    assert warehouse.bodies() == ["a", "b"]


@pytest.mark.thorough
def test_a_commit_repeated_adds_nothing(warehouse: Warehouse) -> None:
    """This holds in this process, in the next, and after the snapshot that added it has expired."""
    files = warehouse.store(bodies_at(0, "once"), "once")
    table = warehouse.open()
    table.commit(files, soon())
    table.commit(files, soon())
    for number in range(SNAPSHOTS_KEPT + 1):
        table.commit(warehouse.store(bodies_at(0, "other"), str(number)), soon())
    warehouse.open().commit(files, soon())
    assert warehouse.bodies() == ["once"] + ["other"] * (SNAPSHOTS_KEPT + 1)


def test_snapshots_and_metadata_do_not_pile_up(warehouse: Warehouse) -> None:
    """The table's properties and the setting decide how many are kept."""
    table = warehouse.open()
    for number in range(SNAPSHOTS_KEPT + 5):
        table.commit(warehouse.store(bodies_at(0, "x"), str(number)), soon())
    seen = warehouse.table()
    assert len(seen.snapshots()) == SNAPSHOTS_KEPT
    assert len(warehouse.bodies()) == SNAPSHOTS_KEPT + 5
    files = list((warehouse.location / "metadata").glob("*.metadata.json"))
    assert len(files) == 21
    assert {
        Path(entry.metadata_file.removeprefix("file://")) for entry in seen.metadata.metadata_log
    } < set(files)


def test_everybody_appends_on_top_of_everybody(warehouse: Warehouse) -> None:
    """PyIceberg's own append and ours keep one ledger of names. DynamoDB supports only ours."""

    def theirs(files: list[DataFile]) -> None:
        PyIcebergReference(warehouse.catalog, "otel", "logs", str(warehouse.location)).commit(
            files, soon()
        )

    if "dynamodb" in str(warehouse.environ):
        with pytest.raises(CommitError):
            theirs(warehouse.store(bodies_at(0, "x"), "0"))
        return
    kept = warehouse.open()
    kept.commit(warehouse.store(bodies_at(0, "ours"), "1"), soon())
    theirs(files := warehouse.store(bodies_at(0, "theirs"), "2"))
    kept.commit(warehouse.store(bodies_at(1, "ours again"), "3"), soon())
    kept.commit(files, soon())
    theirs(warehouse.store(bodies_at(1, "theirs again"), "4"))
    assert warehouse.bodies() == ["ours", "ours again", "theirs", "theirs again"]


def test_a_table_dropped_under_us_is_created_anew(warehouse: Warehouse) -> None:
    """The handle in use refers to another table."""
    table = warehouse.open()
    table.commit(warehouse.store(bodies_at(0, "first"), "1"), soon())
    warehouse.catalog().drop_table(("otel", "logs"))
    table.commit(warehouse.store(bodies_at(0, "second"), "2"), soon())
    assert warehouse.bodies() == ["second"]


WRITER = """
import sys; sys.path[:0] = sys.argv[1].split(":")
import json, time
from pathlib import Path
from catalog_bench import Warehouse
from lake_bench import bodies_at
from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.destinations.lake import Lake
warehouse, writer = Warehouse(Path(sys.argv[2]), json.loads(sys.argv[3])), sys.argv[4]
lake = Lake(warehouse.storage, warehouse.open)
for number in range(5):
    name = f"{writer}-{number}"
    lake.store(Batch(name.rjust(32, "0"), {"logs": bodies_at(0, name)}))
    lake.commit(time.time_ns() // 1_000_000 + 90_000)
"""


@pytest.mark.parametrize("kind", tiered(["sqlite", "postgresql", "glue", "rest"]))
@pytest.mark.thorough
def test_racing_writers_lose_and_double_nothing(kind: str, tmp_path: Path) -> None:
    """Eight processes begin at once and create catalog tables, namespace, table and snapshots.

    moto's DynamoDB is left out, because it checks the condition and writes in two steps.
    """
    with KINDS[kind](tmp_path) as warehouse:
        here = ":".join(path for path in sys.path if "iceberg" in path or "servers" in path)
        arguments = [here, str(tmp_path), json.dumps(dict(warehouse.environ))]
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, *arguments, str(number)])
            for number in range(8)
        ]
        assert [writer.wait(110) for writer in writers] == [0] * 8
        assert warehouse.bodies() == sorted(f"{w}-{n}" for w in range(8) for n in range(5))
        names = {path.name for path in (warehouse.location / "metadata").iterdir()}
        used = {Path(m["path"]).name for m in warehouse.table().inspect.manifests().to_pylist()}
        assert {name for name in names if name.endswith("-m0.avro")} == used
        if kind != "rest":  # what a server leaves behind is its own affair
            assert sum(name.endswith(".metadata.json") for name in names) <= 21 + 8


def test_a_catalog_in_memory_lives_as_long_as_its_handle(tmp_path: Path) -> None:
    """It is for experiments: every call has to come from the thread that opened it."""
    environ = variables(type="in-memory", warehouse=f"file://{tmp_path}/lake")
    warehouse = Warehouse(tmp_path, environ)
    table = warehouse.open()
    for body in ("a", "b"):
        table.commit(warehouse.store(bodies_at(0, body), body), soon())
    assert table.location(soon()) == f"file://{warehouse.location}"
    last = max((warehouse.location / "metadata").glob("*.metadata.json"))
    assert last.name.startswith("00002-")
    assert json.loads(last.read_bytes())["snapshots"][-1]["summary"]["total-records"] == "2"
