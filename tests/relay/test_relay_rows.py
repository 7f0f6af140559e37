"""A committer makes the same rows of raw segments as environments make themselves."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import duckdb
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from relay_worlds import LATER_MS, Environment, form, relayed, rows, settings_of

from otlp2parquet_ext.common.settings.settings import Settings, load
from otlp2parquet_ext.flush.table_builder import TableBuilder
from otlp2parquet_ext.functions.committer.opening import open_places
from otlp2parquet_ext.functions.committer.tables import commit_all, together
from otlp2parquet_ext.spool.raw_segments import RowSettings
from otlp2parquet_ext.tools import query
from otlp2parquet_ext.tools.commit import commit_quietly

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

STEPS = ("lines", "begin", "end", "flush", "form")
steps = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(STEPS)), min_size=1, max_size=25)
folders = itertools.count()


@examples(0.05)
@given(steps=steps)
def test_relay_gives_row_for_row_what_direct_gives(
    steps: list[tuple[int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Logs, spans and metrics: also of invocations that begin in one segment and end in another."""
    folder = tmp_path_factory.mktemp(f"world-{next(folders)}")
    worlds = {}
    for commit in ("direct", "relay"):
        url = f"file://{folder}/{commit}"
        worlds[commit] = [
            Environment(folder / f"{commit}-{number}", number, settings_of(url, commit))
            for number in range(3)
        ]
    for commit, environments in worlds.items():
        for number, step in steps:
            if step == "lines":
                environments[number].lines(3)
            elif step == "form":
                if commit == "relay":
                    form(f"file://{folder}/relay")
            else:
                getattr(environments[number], step)()
        for environment in environments:
            environment.shut_down()
            environment.flush()
    assert form(f"file://{folder}/relay").empty
    assert relayed(folder / "relay") == []
    assert rows(folder / "relay") == rows(folder / "direct")


def test_every_setting_that_shapes_rows_goes_with_a_segment() -> None:
    """A committer has settings of its own: with those, rows would be others."""
    read: set[str] = set()

    class Watched(Settings):
        def __getattribute__(self, name: str) -> object:
            if name in Settings.__annotations__:
                read.add(name)
            return super().__getattribute__(name)

    TableBuilder(Watched(vars(load({})[0])))
    assert read == set(RowSettings.__struct_fields__)


def test_many_environments_become_one_file_of_a_table(tmp_path: Path) -> None:
    """Its rows are in the order of service and environment, so bounds are narrow."""
    url = f"file://{tmp_path}/lake"
    for number in range(40):
        environment = Environment(tmp_path / f"e{number}", number, settings_of(url, "relay"))
        environment.begin()
        environment.lines(5)
        environment.end()
        environment.flush()
    assert len(relayed(tmp_path / "lake")) == 40
    formed = form(url)
    assert (formed.segments, formed.aside, formed.problem) == (40, 0, "")
    files = list((tmp_path / "lake" / "logs").rglob("*.parquet"))
    assert len(files) == 2, "one for each of the two services of this hour"
    instances = duckdb.execute(
        "SELECT ServiceInstanceId FROM read_parquet(?, file_row_number = true)"
        " ORDER BY filename, file_row_number",
        [[str(file) for file in sorted(files)]],
    ).fetchall()
    assert len(list(itertools.groupby(instances))) == 40


def test_tables_get_what_was_relayed_in_one_snapshot(tmp_path: Path) -> None:
    """A commit makes files of raw segments, and commits them with what waits in the inbox."""
    url = f"sqlite://{tmp_path}/catalog.db?warehouse={tmp_path}/warehouse"
    for number in range(6):
        environment = Environment(tmp_path / f"e{number}", number, settings_of(url, "relay"))
        environment.begin()
        environment.lines(2)
        environment.flush()
    environ = {"OTLP2PARQUET_DESTINATION": url}
    assert commit_quietly(environ, 600) == 1
    done = together(commit_all(open_places(environ), LATER_MS))
    assert (done.files, done.problem) == (0, "")
    found = (
        query.connect(url)
        .execute("SELECT EventName, count(*) FROM logs GROUP BY 1 ORDER BY 1")
        .fetchall()
    )
    assert found == [("function", 12), ("platform.start", 6)]
