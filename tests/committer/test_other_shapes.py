"""Metadata of any shape, as a catalog or another writer may leave it: a problem of its table."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from committer_bench import committer, store
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from places import Place, soon, sqlite

from otlp2parquet_ext.functions.committer.care import care
from otlp2parquet_ext.functions.committer.opening import open_places
from otlp2parquet_ext.functions.committer.tables import commit_all
from otlp2parquet_ext.functions.committer.work import commit_waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JUNK: list[Any] = [
    None,
    True,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "9" * 5_000,
    "é\u202e" * 99,
    "file:///etc/passwd",
    [],
    [None],
    [[[]]],
    {},
    {"a": None},
]


def places_in(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each value of a document."""
    pairs = document.items() if isinstance(document, dict) else ()
    for key, value in enumerate(document) if isinstance(document, list) else pairs:
        yield (*path, key)
        yield from places_in(value, (*path, key))


def spoil(place: Place, path: tuple[str | int, ...], value: Any) -> None:
    """Put a value somewhere into the newest metadata."""
    newest = max(name for name in place.objects.names() if name.endswith(".metadata.json"))
    document = json.loads(place.objects.read(newest))
    inside = document
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    place.objects.write(newest, json.dumps(document).encode())


class Written:
    """A table with two snapshots, and a waiting file; `anew` restores its first state."""

    def __init__(self, folder: Path) -> None:
        self.place, self._folder = sqlite(folder), folder
        for name in ("a", "b"):
            store(self.place, name)
            commit_waiting(committer(self.place), soon())
        store(self.place, "c")
        self.paths = list(places_in(self.place.metadata()))
        self._kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def anew(self) -> Place:
        """Return the table as it was."""
        for path in [path for path in self._folder.rglob("*") if path.is_file()]:
            if path not in self._kept:
                path.unlink()
        for path, data in self._kept.items():
            path.write_bytes(data)
        return self.place


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """One for all examples."""
    return Written(tmp_path_factory.mktemp("lake"))


@examples(1.0, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_metadata_of_another_shape_is_one_kind_of_problem(
    written: Written, data: st.DataObject
) -> None:
    """It is committed, or kept and logged. Neither commit nor care raises another error."""
    place = written.anew()
    spoil(
        place, data.draw(st.sampled_from(written.paths)), deepcopy(data.draw(st.sampled_from(JUNK)))
    )
    waiting = place.inbox()
    done = commit_waiting(committer(place), soon())
    assert bool(done.files) != bool(done.problem)
    if done.problem:
        assert place.inbox() == waiting
    care(committer(place), soon())


def test_a_table_that_cannot_be_understood_keeps_no_other_from_its_commits(tmp_path: Path) -> None:
    """Its files wait, and those of the others are committed, in any order."""
    place = sqlite(tmp_path)
    store(place, "a")
    commit_waiting(committer(place), soon())
    spoil(place, ("partition-specs",), -1)
    store(place, "b")
    done, *others = commit_all(open_places(place.variables), soon())
    assert "the metadata of otel.logs cannot be understood: TypeError" in done.problem
    assert [other.problem for other in others] == [""] * len(others)
    assert len(place.inbox()) == 1
