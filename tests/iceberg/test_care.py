"""Tables of others: files rewritten for them, columns added to them, files put beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_bench import Home, bodies_at, soon
from pyiceberg.types import IntegerType, StringType

from otlp2parquet_ext.lake.destinations.refit import lay_beside, refit
from otlp2parquet_ext.lake.iceberg.format.schema_match import ClashError, MisfitError
from otlp2parquet_ext.lake.iceberg.model.errors import ConflictError
from otlp2parquet_ext.lake.iceberg.upkeep.care import ATTEMPTS, evolve
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.lake.storage.storage import StorageError
from otlp2parquet_ext.records.tables.logs import COLUMNS, LOGS
from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile

OWN_FIRST = pa.schema(
    [pa.field("team", pa.string()), *(pa.field(f.name.lower(), f.type) for f in reversed(LOGS))]
)
"""A user's table: a column of its own, then ours in reverse order; every id differs."""

FEW = pa.schema([("id", pa.int64()), ("body", pa.string()), ("timestamp", LOGS[0].type)])
"""A user's table that has two columns of ours."""


def somebodys(folder: Path, schema: pa.Schema) -> Home:
    """Create a table with PyIceberg, as a user would."""
    home = Home(folder)
    home.catalog().create_namespace("otel")
    home.catalog().create_table(("otel", "logs"), schema, location=str(home.location))
    return home


def append(home: Home, body: str, day: int = 0) -> list[DataFile]:
    """Store and commit a row, rewriting the file if the table needs it; return the result."""
    files = home.store(bodies_at(day, body), body)
    try:
        home.lean().commit(files, soon())
    except MisfitError as misfit:
        files = [refit(LocalStorage(home.location), file, misfit.fit) for file in files]
        home.lean().commit(files, soon())
    return files


def values(home: Home, column: str) -> list[object]:
    """Read a column with PyIceberg, and make sure that DuckDB reads the same."""
    read = home.table().scan().to_arrow()[column].to_pylist()
    connection = query.connect(f"sqlite://{home.database}")
    again = connection.execute(f'SELECT "{column}" FROM logs').fetchall()  # noqa: S608
    assert sorted(map(str, read)) == sorted(str(row[0]) for row in again)
    return sorted(read, key=str)


def test_files_are_written_anew_with_the_ids_of_somebodys_table(tmp_path: Path) -> None:
    """Every value is in its column, and readers filter by the table's bounds."""
    home = somebodys(tmp_path, OWN_FIRST)
    append(home, "a")
    (file,) = append(home, "b", 1)
    assert values(home, "body") == ["a", "b"]
    assert values(home, "servicename") == ["orders", "orders"]
    assert values(home, "team") == [None, None]
    for row_filter, files in (("spanid == 'b'", 1), ("timestamp < '2024-10-05T00:00:00+00:00'", 1)):
        assert len(list(home.table().scan(row_filter=row_filter).plan_files())) == files
    assert file.fields != ""
    (stored,) = (home.location / "data").rglob(f"*b-{file.fields}.parquet")
    assert pq.read_schema(stored).names == [name.lower() for name in LOGS.names]


def test_writing_anew_twice_changes_nothing_and_is_committed_once(tmp_path: Path) -> None:
    """A crash may come before the commit, or another committer has the old descriptor."""
    home = somebodys(tmp_path, OWN_FIRST)
    files = home.store(bodies_at(0, "once"), "1")
    storage = LocalStorage(home.location)
    with pytest.raises(MisfitError) as caught:
        home.lean().commit(files, soon())
    assert caught.value.names == [file.name for file in files]
    written = [refit(storage, file, caught.value.fit) for file in files]
    home.lean().commit(written, soon())
    home.lean().commit(files, soon())  # its name is known, so its columns do not matter
    again = [refit(storage, file, caught.value.fit) for file in files]
    assert again == written
    home.lean().commit(again, soon())
    assert values(home, "body") == ["once"]
    assert len(list((home.location / "data").rglob("*.parquet"))) == 2


def test_columns_a_table_lacks_are_kept_in_its_files_and_shown_by_nobody(tmp_path: Path) -> None:
    """Queries see the columns of the table. The others can be restored from the files."""
    home = somebodys(tmp_path, FEW)
    (file,) = append(home, "a")
    assert values(home, "body") == ["a"]
    assert home.table().scan().to_arrow().column_names == ["id", "body", "timestamp"]
    stored = pq.read_table(file.path)
    assert stored["ServiceName (unmapped)"].to_pylist() == ["orders"]
    assert stored.num_columns == len(COLUMNS)


def test_columns_a_table_lacks_are_added(tmp_path: Path) -> None:
    """They have the table's case, are optional, and have docs. Existing rows stay readable."""
    home = somebodys(tmp_path, FEW)
    append(home, "before")
    found = evolve(home.catalog(), ("otel", "logs"), COLUMNS)
    assert found.missing == ()
    append(home, "after")
    schema = home.table().schema()
    assert values(home, "body") == ["after", "before"]
    assert values(home, "servicename") == [None, "orders"]
    assert not any(field.required for field in schema.fields)
    assert schema.find_field("traceid").doc == COLUMNS[1].doc
    names = [field.name for field in schema.fields]
    assert names[:3] == ["id", "body", "timestamp"]
    assert len(names) == len(COLUMNS) + 1
    assert evolve(home.catalog(), ("otel", "logs"), COLUMNS) == found


def test_a_table_that_lacks_nothing_is_not_touched(tmp_path: Path) -> None:
    """A table whose owner has dropped or renamed a column stays, too: that was on purpose."""
    home = Home(tmp_path)
    append(home, "a")
    before = home.metadata_path()
    assert evolve(home.catalog(), ("otel", "logs"), COLUMNS).columns == COLUMNS
    assert home.metadata_path() == before
    with home.table().update_schema() as update:
        update.delete_column("EventName")
        update.rename_column("Body", "Message")
        update.add_column("Team", StringType())
    changed = home.metadata_path()
    evolve(home.catalog(), ("otel", "logs"), COLUMNS)
    assert home.metadata_path() == changed
    append(home, "b")
    assert values(home, "Message") == ["a", "b"]


def test_others_may_change_the_table_at_the_same_time(tmp_path: Path) -> None:
    """The next try sees their changes, and the number of tries is limited."""
    home = somebodys(tmp_path, FEW)

    def disturbed(times: int) -> Any:
        catalog: Any = home.catalog()
        load, numbers = catalog.load_table, list(range(times))

        def then_somebody_else(identifier: tuple[str, str]) -> Any:
            table = load(identifier)
            if numbers:
                with home.table().update_schema() as update:
                    update.add_column(f"x{len(numbers)}_{times}", IntegerType())
                numbers.pop()
            return table

        catalog.load_table = then_somebody_else
        return catalog

    with pytest.raises(ConflictError, match="was changed by other writers 5 times in a row"):
        evolve(disturbed(2 * ATTEMPTS), ("otel", "logs"), COLUMNS)
    assert evolve(disturbed(1), ("otel", "logs"), COLUMNS).missing == ()


@pytest.fixture
def origins_table(tmp_path: Path) -> Home:
    """Make a table of otlp2parquet, whose ids are 16 bytes instead of text."""
    return somebodys(
        tmp_path,
        pa.schema(
            [
                pa.field(f.name, pa.binary() if f.name in ("TraceId", "SpanId") else f.type)
                for f in LOGS
            ]
        ),
    )


def test_a_clash_names_the_column_both_types_and_what_becomes_of_the_rows(
    origins_table: Home,
) -> None:
    """Nothing is written or added, because evolving the schema would not help."""
    files = origins_table.store(bodies_at(0, "a"), "1")
    with pytest.raises(ClashError) as caught:
        origins_table.lean().commit(files, soon())
    assert (
        "the table's column TraceId is binary; ours, TraceId, is string; rows go to plain Parquet "
        "files beside the table until the column is changed or OTLP2PARQUET_TABLE_LOGS names "
        "another table" in str(caught.value)
    )
    with pytest.raises(ClashError, match="TraceId is binary"):
        evolve(origins_table.catalog(), ("otel", "logs"), COLUMNS)
    assert origins_table.metadata()["snapshots"] == []


def test_a_file_is_laid_beside_the_table_where_plain_parquet_is_read(origins_table: Home) -> None:
    """The whole file is there, once, and outside the area of the sweep."""
    (file,) = origins_table.store(bodies_at(0, "a"), "1")
    storage = LocalStorage(origins_table.location)
    places = {lay_beside(storage, file) for _ in range(2)}
    beside = origins_table.location / "beside"
    assert places == {str(next(beside.rglob("*.parquet")))}
    rows = query.connect(f"file://{tmp(beside)}").execute("SELECT Body FROM logs").fetchall()
    assert rows == [("a",)]


def tmp(beside: Path) -> Path:
    """Return a folder whose `logs` is `beside`."""
    (beside.parent / "logs").symlink_to(beside)
    return beside.parent


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"PAR1 no more"),
        lambda path: pq.write_table(pa.table({"x": [1]}), path),
    ],
)
def test_a_file_that_cannot_be_written_anew_is_an_error(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    """It may be missing, damaged, or have other columns. The message names it."""
    home = somebodys(tmp_path, OWN_FIRST)
    (file,) = home.store(bodies_at(0, "a"), "1")
    with pytest.raises(MisfitError) as caught:
        home.lean().commit([file], soon())
    spoil(next((home.location / "data").rglob("*.parquet")))
    with pytest.raises(StorageError, match=r"0001\.parquet"):
        refit(LocalStorage(home.location), file, caught.value.fit)
