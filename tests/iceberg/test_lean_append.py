"""The lean append beside PyIceberg's: both make the same table, and two engines read it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from as_seen import as_seen, with_little, without
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from lake_bench import DAY_US, NOON_US, Home, bodies_at, log_rows, soon

from otlp2parquet_ext.lake.iceberg.commit.history import APPENDS_ONLY
from otlp2parquet_ext.records.tables.logs import COLUMNS
from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    import pyarrow as pa


TEXT = st.text(max_size=40)
ROW = st.fixed_dictionaries(
    {
        "Timestamp": st.integers(NOON_US - DAY_US, NOON_US + 2 * DAY_US),
        "TraceId": st.none() | TEXT,
        "ServiceName": TEXT,
        "SeverityNumber": st.integers(0, 24),
        "Body": st.none() | TEXT | st.just("\U0010ffff" * 20),
        "LogAttributes": st.just("{}") | st.just('{"long":"' + "x" * 5_000 + '"}'),
        "EventName": st.none(),
    }
)
EVERYTHING = "SELECT COLUMNS(*)::VARCHAR FROM logs ORDER BY ALL"
BATCHES = st.lists(st.lists(ROW, min_size=1, max_size=8), min_size=1, max_size=3)


def both(folder: Path, batches: list[pa.Table]) -> tuple[Home, Home]:
    """Commit the same files to one table lean, and to another with PyIceberg."""
    ours, theirs = Home(folder / "a"), Home(folder / "b")
    for number, rows in enumerate(batches):
        files = ours.store(rows, str(number))
        ours.lean().commit(files, soon())
        theirs.pyiceberg().commit(with_little(files), soon())
    return ours, theirs


@pytest.fixture
def unpartitioned(tmp_path: Path) -> Home:
    """A table of another user: no partitions, in a place of its own."""
    home = Home(tmp_path)
    home.catalog().create_namespace("otel")
    place = (tmp_path / "elsewhere").as_uri()
    home.catalog().create_table(("otel", "logs"), bodies_at(0).schema, location=place)
    return home


@pytest.fixture(params=["day", "none"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A table of ours, by day, and one of another user, without partitions."""
    if request.param == "day":
        return Home(tmp_path)
    found: Home = request.getfixturevalue("unpartitioned")
    return found


@examples(0.03, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES)
@pytest.mark.thorough
def test_a_table_after_our_append_is_the_one_after_pyicebergs(
    tmp_path: Path, batches: list[list[dict[str, object]]]
) -> None:
    """Rows, files with every count and bound, partitions, snapshots and manifests are compared."""
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    ours, theirs = both(folder, [log_rows(*rows) for rows in batches])
    assert as_seen(ours.table()) == as_seen(theirs.table())
    read = [
        query.connect(f"sqlite://{home.database}").execute(EVERYTHING).fetchall()
        for home in (ours, theirs)
    ]
    assert read[0] == read[1]
    assert len(read[0]) == sum(map(len, batches))


@pytest.mark.parametrize(
    ("row_filter", "files"),
    [
        ("Timestamp >= '2024-10-05T00:00:00+00:00'", 1),
        ("Timestamp < '2024-10-04T00:00:00+00:00'", 0),
        ("SpanId == 'only on the second day'", 1),
        ("SpanId == 'nowhere'", 0),
        ("SpanId > 'x'", 0),
        ("SeverityNumber > 9", 0),
        ("EventName is not null", 0),
        ("TraceId is null", 2),
    ],
)
def test_readers_prune_by_day_and_by_bounds(tmp_path: Path, row_filter: str, files: int) -> None:
    """Files of another day, or without a possible match, are never opened."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "a", "b"), "1")
    home.append(bodies_at(1, "only on the second day"), "2")
    assert len(list(home.table().scan(row_filter=row_filter).plan_files())) == files


def test_the_table_we_create_is_the_one_pyiceberg_creates(tmp_path: Path) -> None:
    """Schema, spec, order and properties are equal. Ours also has docs of columns, and a proof."""
    ours, theirs = both(tmp_path, [bodies_at(0, "a")])
    mine, reference = ours.table(), theirs.table()
    for field, other in zip(mine.schema().fields, reference.schema().fields, strict=True):
        assert field.model_copy(update={"doc": None}) == other
    assert [f.doc for f in mine.schema().fields] == [c.doc for c in COLUMNS]
    assert mine.spec() == reference.spec()
    assert mine.sort_order() == reference.sort_order()
    properties = without(mine.metadata.properties, APPENDS_ONLY)
    assert properties == reference.metadata.properties
    assert mine.metadata.last_partition_id == reference.metadata.last_partition_id
    assert mine.metadata.last_column_id == reference.metadata.last_column_id


def test_the_catalog_we_create_is_the_one_pyiceberg_creates(tmp_path: Path) -> None:
    """Tables, columns, types, keys and rows are equal, so other programs can open it."""
    ours, theirs = both(tmp_path, [bodies_at(0, "a")])
    seen = []
    for home in (ours, theirs):
        with closing(sqlite3.connect(home.database)) as catalog:
            layout = "SELECT * FROM pragma_table_info(?)"
            tables = ("iceberg_tables", "iceberg_namespace_properties")
            seen.append([catalog.execute(layout, (name,)).fetchall() for name in tables])
        assert home.catalog().list_namespaces() == [("otel",)]
        assert home.catalog().list_tables("otel") == [("otel", "logs")]
    assert seen[0] == seen[1]


def test_everybody_appends_on_top_of_everybody(home: Home) -> None:
    """Both append in turn: no row is lost, and none is counted twice."""
    home.append(bodies_at(0, "ours"), "1")
    for number, body in enumerate(("theirs", "theirs again"), 2):
        files = home.store(bodies_at(number, body), str(number))
        home.pyiceberg().commit(files, soon())
    home.append(bodies_at(1, "ours again"), "4")
    home.append(bodies_at(2, "ours at last"), "5")
    home.pyiceberg().commit(home.store(bodies_at(2, "theirs at last"), "6"), soon())
    expected = ["ours", "theirs", "theirs again", "ours again", "ours at last", "theirs at last"]
    assert home.bodies() == sorted(expected)
    snapshots = home.table().metadata.snapshots
    assert [snapshot.sequence_number for snapshot in snapshots] == [1, 2, 3, 4, 5, 6]
    assert snapshots[-1].summary is not None
    assert snapshots[-1].summary["total-records"] == "6"
    assert home.table().scan().count() == 6


def test_rows_somebody_deleted_stay_deleted(home: Home) -> None:
    """A file is removed and its manifest rewritten; our append copies the list unchanged."""
    home.append(bodies_at(0, "keep"), "1")
    home.append(bodies_at(0, "delete me"), "2")
    home.table().delete("Body == 'delete me'")
    home.append(bodies_at(0, "new"), "3")
    assert home.bodies() == ["keep", "new"]


def test_rows_somebody_rewrote_stay_rewritten(unpartitioned: Home) -> None:
    """PyIceberg rewrites rows in a file, and writes rows of its own, between two of our appends."""
    unpartitioned.append(bodies_at(0, "keep", "delete me"), "1")
    unpartitioned.table().delete("Body == 'delete me'")
    unpartitioned.append(bodies_at(0, "new"), "2")
    unpartitioned.table().append(bodies_at(0, "theirs"))
    unpartitioned.append(bodies_at(0, "newest"), "3")
    assert unpartitioned.bodies() == ["keep", "new", "newest", "theirs"]


def test_a_table_emptied_by_others_fills_again(tmp_path: Path) -> None:
    """The parent's manifest list may be empty."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "a"), "1")
    home.table().delete("Body == 'a'")
    home.append(bodies_at(0, "b"), "2")
    assert home.bodies() == ["b"]


def test_a_table_is_appended_to_where_it_lies(unpartitioned: Home) -> None:
    """Its metadata goes to its own location, with the same kind of address."""
    place = unpartitioned.table().location()
    assert place == (unpartitioned.folder / "elsewhere").as_uri()
    unpartitioned.append(bodies_at(0, "a"), "1")
    unpartitioned.append(bodies_at(1, "b"), "2")
    assert unpartitioned.table().metadata_location.startswith(f"{place}/metadata/00002-")
    assert unpartitioned.bodies() == ["a", "b"]


def test_neither_storing_nor_committing_imports_a_catalog_library(tmp_path: Path) -> None:
    """At 128 MB importing PyIceberg takes twenty seconds."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from otlp2parquet_ext.lake.destinations.destination import Batch\n"
        "from otlp2parquet_ext.lake.destinations.choose import choose\n"
        "from otlp2parquet_ext.common.settings.settings import load\n"
        "from otlp2parquet_ext.records.tables.logs import LOGS, COLUMNS\n"
        "import pyarrow as pa\n"
        "value = {'timestamptz': 0, 'string': '', 'int': 0}\n"
        "row = {c.name: value[c.type] for c in COLUMNS}\n"
        "url = f'sqlite://{sys.argv[1]}/catalog.db'\n"
        "lake = choose(load({'OTLP2PARQUET_DESTINATION': url})[0], {})\n"
        "lake.store(Batch('a' * 32, {'logs': pa.Table.from_pylist([row], schema=LOGS)}))\n"
        "assert lake.commit(2**50) == 1\n"
        "heavy = {'pyiceberg', 'sqlalchemy', 'pyarrow.compute', 'pyarrow.dataset', 'pandas'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, tmp_path], check=True, capture_output=True, text=True
    )
    assert run.stdout == "[]\n"


@pytest.mark.thorough
def test_many_writers_lose_and_double_nothing(tmp_path: Path) -> None:
    """Eight processes make ten commits each to one table; a late one reads again."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from lake_bench import Home, bodies_at\n"
        "from otlp2parquet_ext.lake.destinations.destination import Batch\n"
        "from otlp2parquet_ext.lake.destinations.lake import Lake\n"
        "from otlp2parquet_ext.lake.storage.local import LocalStorage\n"
        "import time\n"
        "home, writer = Home(Path(sys.argv[2])), sys.argv[3]\n"
        "lake = Lake(LocalStorage(home.location), home.lean)\n"
        "for number in range(10):\n"
        "    name = f'{writer}-{number}'\n"
        "    batch = Batch(name.replace('-', 'x').rjust(32, '0'), {'logs': bodies_at(0, name)})\n"
        "    lake.store(batch)\n"
        "    lake.commit(time.time_ns() // 1_000_000 + 60_000)\n"
    )
    here = Path(__file__).parent
    writers = [
        subprocess.Popen([sys.executable, "-c", code, here, tmp_path, str(number)])
        for number in range(8)
    ]
    assert [writer.wait(100) for writer in writers] == [0] * 8
    home = Home(tmp_path)
    assert home.bodies() == sorted(f"{w}-{n}" for w in range(8) for n in range(10))
    names = {path.name for path in (home.location / "metadata").iterdir()}
    used = {Path(m["path"]).name for m in home.table().inspect.manifests().to_pylist()}
    assert {name for name in names if name.endswith("-m0.avro")} == used
