"""An environment never commits to `catalog://NAME`: it stores, and a committer commits."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from lake_bench import bodies_at
from places import Place, catalog
from pyarrow import feather

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.lake.checking.run import Wish, verdicts
from otlp2parquet_ext.lake.checking.runner import FAILED, NOTE
from otlp2parquet_ext.lake.destinations.address import parse
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.commit_strategy import (
    environment_settings,
    strategy_problem,
)
from otlp2parquet_ext.lake.destinations.destination import Batch, DestinationError
from otlp2parquet_ext.tools.commit import commit_quietly

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROBLEM = (
    "OTLP2PARQUET_COMMIT='direct': expected 'inbox' or 'relay' with catalog://lake, for importing "
    "PyIceberg "
    "takes longer than a shutdown window; using inbox: batches are stored and wait in the inbox "
    "for a committer"
)
STORES = """
import os, sys, time
import pyarrow.feather as feather
from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.destination import Batch
lake = choose(load(os.environ)[0], os.environ)
lake.warm_up()
stored = lake.store(Batch("a" * 32, {"logs": feather.read_table(sys.argv[1])}), commit_follows=True)
assert stored.safe, stored
assert lake.commit(time.time_ns() // 1_000_000 + 20_000) == 0
assert "pyiceberg" not in sys.modules
"""


@pytest.fixture
def lake(tmp_path: Path) -> Place:
    """A SQL catalog in a file, through PyIceberg."""
    uri = f"sqlite:///{tmp_path}/catalog.db"
    kind = {"PYICEBERG_CATALOG__LAKE__TYPE": "sql", "PYICEBERG_CATALOG__LAKE__URI": uri}
    return catalog("SQLite", str(tmp_path), kind)


def test_an_environment_stores_and_a_committer_commits(lake: Place, tmp_path: Path) -> None:
    """The environment never imports PyIceberg, with any strategy."""
    variables = {**os.environ, **lake.variables, "OTLP2PARQUET_COMMIT": "direct"}
    feather.write_feather(bodies_at(0, "kept"), tmp_path / "rows")
    done = subprocess.run(
        [sys.executable, "-c", STORES, str(tmp_path / "rows")],
        env=variables,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr.count(PROBLEM) == 1
    assert len(lake.objects.names("inbox/")) == 1
    assert lake.objects.names("metadata/") == []
    assert commit_quietly(lake.variables, 20) == 1
    assert lake.bodies() == ["kept"]
    assert lake.objects.names("inbox/") == []


@pytest.mark.parametrize(
    ("destination", "commit", "problem"),
    [
        ("catalog://lake", "direct", PROBLEM),
        ("https://tap.example, catalog://lake", "direct", PROBLEM),
        ("catalog://lake", "inbox", ""),
        ("sqlite:///tmp/lake.db", "direct", ""),
    ],
)
def test_the_strategy_is_changed_for_catalogs_of_pyiceberg_alone(
    destination: str, commit: str, problem: str
) -> None:
    """A commit to any other catalog takes a few requests of our own."""
    settings, _ = load({"OTLP2PARQUET_COMMIT": commit})
    addresses = [parse(text) for text in destination.split(", ")]
    assert strategy_problem(addresses, settings) == problem
    used = environment_settings(addresses, settings)
    assert used.commit == ("inbox" if problem else commit)
    assert used.namespace == settings.namespace


@pytest.mark.parametrize("warehouse", ["", "a-name"])
def test_a_catalog_that_alone_knows_where_tables_lie_needs_an_inbox(
    warehouse: str, tmp_path: Path
) -> None:
    """Only PyIceberg could ask it; an inbox elsewhere takes the files, too."""
    variables = {"OTLP2PARQUET_DESTINATION": "catalog://lake", "OTLP2PARQUET_COMMIT": "inbox"}
    if warehouse:
        variables["PYICEBERG_CATALOG__LAKE__WAREHOUSE"] = warehouse
    expected = f"PYICEBERG_CATALOG__LAKE__WAREHOUSE='{warehouse}': expected s3://bucket/prefix"
    with pytest.raises(DestinationError, match=expected):
        choose(load(variables)[0], variables)
    [found] = [v for v in verdicts(variables) if v.state == FAILED]
    assert expected in found.says
    variables["OTLP2PARQUET_INBOX"] = f"file://{tmp_path}"
    destination = choose(load(variables)[0], variables)
    assert destination.store(Batch("a" * 32, {"logs": bodies_at(0, "kept")})).safe
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.suffix for path in kept) == [".json", ".parquet"]


def test_a_check_notes_the_strategy_and_asks_the_catalog_only_outside_of_an_environment(
    lake: Place,
) -> None:
    """At the start of an environment PyIceberg would take its memory."""

    def says(wish: Wish) -> Mapping[str, str]:
        return {v.step: v.says for v in verdicts(lake.variables, wish) if v.state == NOTE}

    assert says(Wish())["strategy"] == PROBLEM
    assert "an environment does not import PyIceberg" in says(Wish(in_environment=True))["logs"]
    verdict = next(v for v in verdicts(lake.variables, Wish(create=True)) if v.step == "logs")
    assert "was created" in verdict.says
    assert {v.step for v in verdicts(lake.variables, Wish(in_environment=True))} >= {
        "write",
        "logs inbox",
    }
