"""Several tables of one destination: safe together, visible each for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import every_table
import places
import pytest
from places import Place, soon, sqlite

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.lake.destinations.address import AddressError
from otlp2parquet_ext.lake.destinations.choose import checked, choose
from otlp2parquet_ext.lake.destinations.destination import Batch, BusyError, DestinationError
from otlp2parquet_ext.lake.destinations.namespace import Namespace
from otlp2parquet_ext.records.tables.registry import TABLES
from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from pathlib import Path

    from otlp2parquet_ext.lake.destinations.lake import Lake


class Trouble:
    """Tables of one place; a test lets commits or stores of some of them fail."""

    def __init__(self, place: Place) -> None:
        self.commits: dict[str, DestinationError] = {}
        self.stores: dict[str, DestinationError] = {}
        self.asked: list[str] = []
        self.opened: list[str] = []
        [real] = choose(load(place.variables)[0], place.variables).members.values()
        assert isinstance(real, Namespace)
        self._real = real

    def namespace(self) -> Namespace:
        """Open the tables as one environment does."""
        return Namespace(self._open)

    def _open(self, name: str) -> Lake:
        self.opened.append(name)
        lake = self._real._open_lake(name)
        commit, store = lake.commit, lake.store

        def failing_commit(deadline_ms: int) -> int:
            self.asked.append(name)
            if name in self.commits:
                raise self.commits[name]
            return commit(deadline_ms)

        def failing_store(batch: Batch, *, commit_follows: bool = False) -> object:
            if name in self.stores:
                raise self.stores[name]
            return store(batch, commit_follows=commit_follows)

        lake.commit = failing_commit  # type: ignore[method-assign]
        lake.store = failing_store  # type: ignore[method-assign, assignment]
        return lake


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty namespace."""
    return sqlite(tmp_path)


@pytest.fixture
def trouble(place: Place) -> Trouble:
    """Nothing is wrong yet."""
    return Trouble(place)


def batch(*names: str, letter: str = "a") -> Batch:
    """Make a batch of some tables."""
    return Batch(letter * 32, {name: every_table.rows(name) for name in names})


def counts(place: Place) -> dict[str, int]:
    """Count the rows DuckDB sees of each table that is there."""
    connection = query.connect(place.url, environ=place.variables)
    found = {}
    views = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal")
    for (name,) in views.fetchall():
        rows = connection.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608 - ours
        assert rows is not None
        found[name] = rows[0]
    return found


def test_a_table_is_opened_when_its_first_rows_come(place: Place, trouble: Trouble) -> None:
    """With logs only, no other table costs a request or is created."""
    environment = trouble.namespace()
    environment.warm_up()
    environment.store(batch("logs"), commit_follows=True)
    environment.commit(soon())
    assert trouble.opened == ["logs"]
    assert counts(place) == {"logs": 4}
    environment.store(batch("traces"), commit_follows=True)
    environment.commit(soon())
    assert trouble.opened == ["logs", "traces"]
    assert counts(place) == {"logs": 4, "traces": 4}


def test_a_batch_is_safe_when_all_its_parts_are(trouble: Trouble) -> None:
    """All parts are tried: what is durable already need not be repeated at a bad moment."""
    trouble.stores["logs"] = DestinationError("no room")
    environment = trouble.namespace()
    with pytest.raises(DestinationError, match="no room"):
        environment.store(batch("logs", "traces"))
    trouble.stores.clear()
    again = environment.store(batch("logs", "traces"))
    assert (again.files, again.safe) == (1, True)
    assert not environment.store(batch("logs", "traces", letter="b"), commit_follows=True).safe


def test_one_tables_failure_keeps_no_other_from_becoming_visible(
    place: Place, trouble: Trouble, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its files wait in its inbox, each commit tries again, and one line is logged."""
    trouble.commits["logs"] = DestinationError("otel.logs: not allowed")
    environment = trouble.namespace()
    for letter in "ab":
        environment.store(batch("logs", "traces", letter=letter), commit_follows=True)
        assert environment.commit(soon()) == 1
    assert counts(place) == {"traces": 8}
    assert len(place.inbox()) == 2
    said = capfd.readouterr().err
    assert said.count("otel.logs: not allowed; the other tables are committed to") == 1
    trouble.commits.clear()
    assert environment.commit(soon()) == 2
    assert counts(place) == {"logs": 8, "traces": 8}
    assert place.inbox() == []
    assert "the table of logs is committed to again" in capfd.readouterr().err


def test_who_was_in_trouble_comes_last_and_leaves_a_descriptor_at_once(
    place: Place, trouble: Trouble
) -> None:
    """A catalog that hangs for one table may take all the time there is."""
    trouble.commits["logs"] = DestinationError("no answer")
    environment = trouble.namespace()
    environment.store(batch("logs", "traces"), commit_follows=True)
    environment.commit(soon())
    trouble.asked.clear()
    environment.store(batch("logs", letter="b"), commit_follows=True)
    assert len(place.inbox()) == 2
    environment.commit(soon())
    assert trouble.asked == ["traces", "logs"]


def test_others_who_were_faster_at_one_table_are_no_trouble(
    place: Place, trouble: Trouble, capfd: pytest.CaptureFixture[str]
) -> None:
    """This is no failure, so nothing is logged. The next commit adds the files."""
    trouble.commits["traces"] = BusyError("lost 1 times")
    environment = trouble.namespace()
    environment.store(batch("logs", "traces"), commit_follows=True)
    assert environment.commit(soon()) == 1
    assert len(place.table("traces").inbox()) == 1
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("worst", [BusyError("slow"), DestinationError("broken")])
def test_when_no_table_can_be_committed_to_the_caller_hears_why(
    trouble: Trouble, worst: DestinationError
) -> None:
    """It backs off then, as it always did with one table."""
    trouble.commits = {"logs": BusyError("slow"), "traces": worst}
    environment = trouble.namespace()
    environment.store(batch("logs", "traces"), commit_follows=True)
    with pytest.raises(type(worst), match=str(worst)):
        environment.commit(soon())


def test_what_is_safe_nowhere_is_an_error_whatever_else_became_visible(
    place: Place, trouble: Trouble
) -> None:
    """Otherwise the caller would discard the only copy of the batch."""
    trouble.commits["traces"] = DestinationError("not allowed")
    environment = trouble.namespace()
    environment.store(batch("logs", "traces"), commit_follows=True)
    inbox = place.table("traces").objects
    inbox.write("inbox", b"a file where the folder should be")
    with pytest.raises(DestinationError, match="inbox"):
        environment.commit(soon())
    assert counts(place) == {"logs": 4}


def test_what_others_left_in_the_inbox_of_a_table_goes_with_its_next_commit(place: Place) -> None:
    """Any writer with rows for the table adds them."""
    place.open().store(batch("logs", "traces"))
    other = place.open()
    other.store(batch("traces", letter="b"), commit_follows=True)
    assert other.commit(soon()) == 2
    assert counts(place) == {"traces": 8}
    assert place.open().commit(soon()) == 1
    assert counts(place) == {"logs": 4, "traces": 8}


def test_tables_are_called_as_the_settings_say(place: Place, tmp_path: Path) -> None:
    """The names of otlp2parquet's own tables, for those who come from there."""
    names = {f"OTLP2PARQUET_ICEBERG_TABLE_{name.upper()}": f"otel_{name}" for name in TABLES}
    renamed = Place(place.kind, place.url, place.objects, names)
    destination = renamed.open()
    destination.store(Batch("a" * 32, every_table.all_rows()), commit_follows=True)
    destination.commit(soon())
    assert counts(renamed) == dict.fromkeys(TABLES, 4)
    folders = {path.name for path in (tmp_path / "lake/otel").iterdir()}
    assert folders == {f"otel_{name}" for name in TABLES}


def test_two_tables_of_one_name_are_refused() -> None:
    """Rows of either would clash with the other's columns, or worse, not."""
    settings, _ = load(
        {"OTLP2PARQUET_DESTINATION": "rest+http://host", "OTLP2PARQUET_TABLE_TRACES": "Logs"}
    )
    with pytest.raises(AddressError) as caught:
        checked(settings)
    assert str(caught.value) == (
        "OTLP2PARQUET_TABLE_TRACES='Logs': OTLP2PARQUET_TABLE_LOGS names the same table; expected "
        "one of its own"
    )


def test_plain_files_lie_in_the_folder_of_their_signal_and_their_own_service(
    tmp_path: Path,
) -> None:
    """An SDK may name a service of its own, or none, in the same batch."""
    table = every_table.rows("traces")
    services = table.schema.get_field_index("ServiceName")
    table = table.set_column(
        services, table.schema.field(services), [["orders", None, "orders", "till/1"]]
    )
    place = places.plain_folder(tmp_path)
    sums = every_table.rows("metrics_exponential_histogram")
    tables = {"traces": table, "metrics_exponential_histogram": sums}
    assert place.open().store(Batch("a" * 32, tables)).files == 4
    folders = {name.partition("/year=")[0] for name in place.objects.names()}
    assert folders == {
        "traces/orders",
        "traces/unknown-service",
        "traces/till%2F1",
        "metrics/exponential_histogram/orders",
    }
    rows = query.connect(place.url).execute(
        "SELECT ServiceName, count(*) FROM traces GROUP BY 1 ORDER BY 1"
    )
    assert rows.fetchall() == [("orders", 2), ("till/1", 1), (None, 1)]
