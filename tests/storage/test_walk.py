"""A walk returns every object once, in an order that allows it to continue later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otlp2parquet_ext.lake.storage.gather import gather
from otlp2parquet_ext.lake.storage.local import LocalStorage

if TYPE_CHECKING:
    from pathlib import Path

PATHS = ["t/a-b/x", "t/a.b", "t/a/b/c", "t/a/d", "t/a0", "t/Z/y", "t/é", "t/.hidden.1", "u/other"]


@pytest.fixture
def disk(tmp_path: Path) -> LocalStorage:
    """A folder with a tree below `t`."""
    storage = LocalStorage(tmp_path)
    for number, path in enumerate(PATHS):
        storage.put(path, b"x" * number)
    return storage


def in_order(prefix: str) -> list[str]:
    """Give the paths below a folder as S3 orders keys: by bytes, slashes among them."""
    return sorted((p for p in PATHS if p.startswith(prefix)), key=str.encode)


def test_every_object_below_a_folder_is_told_of_in_the_order_of_its_bytes(
    disk: LocalStorage,
) -> None:
    """Folders are no objects. `a/b` comes after `a-b` and `a.b`, and before `a0`."""
    entries = list(disk.walk("t"))
    assert [entry.path for entry in entries] == in_order("t/")
    assert [entry.size_bytes for entry in entries] == [PATHS.index(e.path) for e in entries]
    assert {abs(entries[0].stored_ms - entry.stored_ms) < 60_000 for entry in entries} == {True}
    assert [entry.path for entry in disk.walk("")] == in_order("")


@pytest.mark.parametrize("after", ["", *PATHS, "t/a/", "t/a/b", "t/a/c", "t/zzz", "s", "v"])
def test_a_walk_is_taken_up_behind_any_path(disk: LocalStorage, after: str) -> None:
    """The path may be deleted by then."""
    expected = [path for path in in_order("t/") if path.encode() > after.encode()]
    assert [entry.path for entry in disk.walk("t", after)] == expected


def test_a_folder_that_is_not_there_is_empty(disk: LocalStorage) -> None:
    """The same holds for a file in the place of a folder, as in a bucket."""
    assert list(disk.walk("nothing")) == []
    assert list(disk.walk("t/a0")) == []


def test_what_goes_away_on_the_way_is_passed_over(disk: LocalStorage) -> None:
    """Others delete while we walk."""
    walk = iter(disk.walk("t"))
    assert next(walk).path == "t/.hidden.1"
    for path in ("t/a/b/c", "t/a/d", "t/a0"):
        disk.delete(path)
    (disk.root / "t/a/b").rmdir()
    (disk.root / "t/a").rmdir()
    assert [entry.path for entry in walk] == ["t/Z/y", "t/a-b/x", "t/a.b", "t/é"]


@pytest.mark.parametrize("threads", [1, 4])
def test_answers_come_in_the_order_of_the_questions(threads: int) -> None:
    """However many are under way."""
    assert list(gather(lambda n: n * n, range(100), threads)) == [n * n for n in range(100)]
    assert list(gather(lambda n: n, range(0), threads)) == []


@pytest.mark.parametrize("threads", [1, 4])
def test_an_error_of_one_question_is_an_error(threads: int) -> None:
    """No further requests begin after it."""
    asked: list[int] = []

    def ask(number: int) -> int:
        asked.append(number)
        if number == 10:
            raise ValueError("ten")
        return number

    found: list[int] = []
    with pytest.raises(ValueError, match="ten"):
        found.extend(gather(ask, range(1_000), threads))
    assert len(asked) < 30
    stopped = gather(ask, range(100, 1_000), threads)
    assert next(stopped) == 100
    del stopped
    assert len(asked) < 60
