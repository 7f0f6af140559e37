"""`otlp2parquet-ext check`: what a destination is, found out before a function depends on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import places
import pytest
from lake_bench import bodies_at
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import NestedField, StringType, TimestamptzType

from otlp2parquet_ext.lake.checking.files import PROBE
from otlp2parquet_ext.lake.checking.render import lines as lines_of
from otlp2parquet_ext.lake.checking.run import Wish, verdicts
from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.records.tables.registry import TABLES
from otlp2parquet_ext.tools.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from places import Place


def lines(place: Place, *wanted: str, create: bool = False, add_columns: bool = False) -> str:
    """Check a place."""
    wish = Wish(wanted or ("logs",), others=True, create=create, add_columns=add_columns)
    return "\n".join(line for v in verdicts(place.variables, wish) for line in lines_of(v))


def test_a_table_that_is_missing_is_created_when_asked_to(moto: str) -> None:
    """A role that may create tables does it, and functions need no such permission."""
    place = places.glue(moto)
    assert "not there yet" in lines(place)
    found = lines(place, create=True)
    assert "was created" in found
    assert "fit as they are, version 2" in found
    functions = replace(place, environ={**place.environ, "OTLP2PARQUET_CREATE_TABLE": "off"})
    destination = functions.open()
    destination.store(Batch("a" * 32, {"logs": bodies_at(0, "a")}), commit_follows=True)
    destination.commit(places.soon())
    assert place.bodies() == ["a"]
    assert "1 snapshots" in lines(place)


def test_tables_are_created_that_are_asked_for_and_others_are_looked_at_if_they_are_there(
    tmp_path: Path,
) -> None:
    """Users who collect only logs do not want six empty tables."""
    place = places.sqlite(tmp_path)
    found = lines(place, "logs", "traces", create=True)
    assert "otel.traces was created" in found
    assert "metrics" not in found
    assert "otel.traces at" in lines(place)
    assert lines(place, *TABLES, create=True).count("fit as they are") == 7


def test_a_table_nobody_knows_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """The line lists the existing tables."""
    assert main(["check", "file:///tmp/x", "--tables", "logs,spans"]) == 1
    assert "there is no table 'spans'; expected a comma list of logs, traces, metrics_gauge" in (
        capsys.readouterr().err
    )


def test_what_waits_in_the_inbox_is_counted(tmp_path: Path) -> None:
    """If no committer runs, the count shows it."""
    place = places.sqlite(tmp_path)
    place.open().store(Batch("a" * 32, {"logs": bodies_at(0, "a")}))
    assert "1 files wait" in lines(place)


def test_a_place_for_plain_files_is_written_to_and_left_as_it_was(moto: str) -> None:
    """The permission that matters is the one to write."""
    place = places.plain_s3(moto)
    found = lines(place)
    assert "ok      write " in found
    assert "failed" not in found
    assert place.objects.names() == []


@pytest.mark.parametrize("make", [places.plain_folder, places.sqlite])
def test_a_disk_is_left_as_it_was(make: Callable[[Path], Place], tmp_path: Path) -> None:
    """The folders for the check's file are removed, too."""
    assert "failed" not in lines(make(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_what_a_check_had_to_leave_does_not_disturb_the_next_one(moto: str) -> None:
    """One that was killed, or whose role may not delete."""
    place = places.plain_s3(moto)
    place.objects.write(PROBE, b"")
    assert "failed" not in lines(place)
    assert place.objects.names() == []


def test_a_check_leaves_no_snapshot_and_no_file_in_a_table(moto: str) -> None:
    """The table may be in production."""
    place = places.glue(moto)
    destination = place.open()
    destination.store(Batch("a" * 32, {"logs": bodies_at(0, "a")}), commit_follows=True)
    destination.commit(places.soon())
    before, metadata = place.objects.names(), place.metadata()
    assert "a commit would be taken" in lines(place)
    assert place.objects.names() == before
    assert place.metadata() == metadata
    destination.store(Batch("b" * 32, {"logs": bodies_at(0, "b")}), commit_follows=True)
    destination.commit(places.soon())
    assert place.bodies() == ["a", "b"]


def test_a_rest_catalog_is_asked_for_a_commit_that_cannot_happen(
    iceberg_rest: tuple[str, str],
) -> None:
    """Apache Iceberg's own refuses it because of the table's id, and changes nothing."""
    url, warehouse = iceberg_rest
    place = places.rest(url, Path(warehouse))
    assert "a commit would be taken" in lines(place, create=True)
    assert place.metadata().get("snapshots", []) == []


def test_columns_a_table_lacks_are_named_and_added_when_asked_to(tmp_path: Path) -> None:
    """A user's table of two columns becomes one of ours."""
    uri = f"sqlite:///{tmp_path}/catalog.db"
    theirs = SqlCatalog("lake", uri=uri, warehouse=str(tmp_path))
    place = places.catalog(
        "SQLite",
        str(tmp_path),
        {"PYICEBERG_CATALOG__LAKE__TYPE": "sql", "PYICEBERG_CATALOG__LAKE__URI": uri},
    )
    namespace = place.environ["OTLP2PARQUET_NAMESPACE"]
    theirs.create_namespace(namespace)
    fields = (
        NestedField(1, "timestamp", TimestamptzType(), required=False),
        NestedField(2, "body", StringType(), required=False),
    )
    location = f"{tmp_path}/{namespace}/logs"
    theirs.create_table((namespace, "logs"), Schema(*fields), location=location)
    assert "the table lacks TraceId, SpanId, ServiceName" in lines(place)
    assert "all of ours are there now" in lines(place, add_columns=True)
    destination = place.open()
    destination.store(Batch("a" * 32, {"logs": bodies_at(0, "a")}), commit_follows=True)
    destination.commit(places.soon())
    assert place.rows("SELECT body, servicename FROM logs") == [("a", "orders")]


def test_columns_of_other_catalogs_are_added_by_naming_them_as_pyiceberg_does(
    tmp_path: Path,
) -> None:
    """The error explains how."""
    place = places.sqlite(tmp_path)
    lines(place, create=True)
    assert "check catalog://NAME" in lines(place, add_columns=True)


def test_the_command_says_what_is_wrong_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """One line on stderr, and a status a script can see."""
    assert main(["check", "s3://no"]) == 1
    assert "failed  destination" in (said := capsys.readouterr().out)
    assert "'no' is no name of a bucket" in said
