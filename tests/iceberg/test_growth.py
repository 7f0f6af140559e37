"""A table's metadata stays small after any number of commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lake_bench import Home, bodies_at, soon

from otlp2parquet_ext.lake.iceberg.commit.expiry import (
    COMMITS_TO_LIVE,
    SNAPSHOTS_KEPT,
    WAITING,
    expired,
    manifest_lists,
)
from otlp2parquet_ext.lake.iceberg.format.bounds import BOUND_CHARACTERS, lower_bound, upper_bound

if TYPE_CHECKING:
    from pathlib import Path


def test_snapshots_and_old_metadata_are_bounded(tmp_path: Path) -> None:
    """There are twenty snapshots and twenty-one metadata files, and readers see all rows."""
    home, table = Home(tmp_path), Home(tmp_path).lean()
    for number in range(45):
        table.commit(home.store(bodies_at(0, f"{number:02}"), str(number)), soon())
    metadata = home.metadata()
    assert len(metadata["snapshots"]) == SNAPSHOTS_KEPT
    assert len(metadata["snapshot-log"]) == SNAPSHOTS_KEPT
    assert len(metadata["metadata-log"]) == 20
    assert metadata["last-sequence-number"] == 45
    assert len(list((home.location / "metadata").glob("*.metadata.json"))) == 21
    assert home.bodies() == [f"{number:02}" for number in range(45)]


def test_manifest_lists_of_expired_snapshots_are_deleted_later(tmp_path: Path) -> None:
    """Each names every manifest, so they would grow with the square of the commits."""
    home, table = Home(tmp_path), Home(tmp_path).lean()
    for number in range(160):
        table.commit(home.store(bodies_at(0, "x"), str(number)), soon())
    lists = list((home.location / "metadata").glob("snap-*.avro"))
    assert len(lists) == SNAPSHOTS_KEPT + COMMITS_TO_LIVE
    assert {s["manifest-list"] for s in home.metadata()["snapshots"]} <= set(map(str, lists))
    assert len(home.bodies()) == 160


OURS = "snap-1-1-00000000-0000-4000-8000-000000000000.avro"


@pytest.mark.parametrize(
    ("oldest", "deleted"),
    [
        (OURS, [f"/t/metadata/{OURS}"]),
        ("../../../etc/passwd", []),
        ("00001-x.metadata.json", []),
        ("snap-2-1-00000000-0000-4000-8000-000000000000.avro", []),
    ],
)
def test_only_what_is_surely_unused_is_deleted(oldest: str, deleted: list[str]) -> None:
    """Everybody can edit properties, and a snapshot may still need the named files."""
    path = "/t/metadata/snap-2-1-00000000-0000-4000-8000-000000000000.avro"
    kept = {"snapshot-id": 2, "manifest-list": path}
    waiting = " ".join([oldest] + ["x"] * COMMITS_TO_LIVE)
    metadata = {"properties": {WAITING: waiting}, "snapshots": [kept]}
    properties, due = manifest_lists(metadata, frozenset(), "/t/metadata")
    assert due == deleted
    assert properties[WAITING].split() == ["x"] * COMMITS_TO_LIVE


def test_a_table_that_wants_its_old_metadata_keeps_it(tmp_path: Path) -> None:
    """The table decides by `write.metadata.delete-after-commit.enabled`."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "first"), "first")
    metadata = home.metadata()
    metadata["properties"] |= {
        "write.metadata.delete-after-commit.enabled": "false",
        "write.metadata.previous-versions-max": "2",
    }
    home.replace_metadata(metadata)
    for number in range(5):
        home.append(bodies_at(0, "x"), str(number))
    assert len(home.metadata()["metadata-log"]) == 2
    assert len(list((home.location / "metadata").glob("*.metadata.json"))) == 8


def chain(length: int) -> dict[str, object]:
    """Make the metadata of a table with a straight history; ids count from 1."""
    snapshots = [
        {"snapshot-id": n} | ({"parent-snapshot-id": n - 1} if n > 1 else {})
        for n in range(1, length + 1)
    ]
    return {"snapshots": snapshots, "current-snapshot-id": length}


@pytest.mark.parametrize(
    ("length", "more", "gone"),
    [
        (0, {}, set()),
        (19, {}, set()),
        (20, {}, {1}),
        (23, {}, {1, 2, 3, 4}),
        (23, {"properties": {"history.expire.min-snapshots-to-keep": "22"}}, {1, 2}),
        (23, {"refs": {"main": {"type": "branch", "min-snapshots-to-keep": 23}}}, {1}),
        (23, {"refs": {"x": {"type": "tag", "snapshot-id": 2}}}, {1, 3, 4}),
        (23, {"refs": {"x": {"type": "branch", "snapshot-id": 2}}}, {3, 4}),
        (23, {"statistics": [{"snapshot-id": 4}]}, {1, 2, 3}),
        (23, {"partition-statistics": [{"snapshot-id": 1}]}, {2, 3, 4}),
        (23, {"current-snapshot-id": 21}, {1, 2}),
    ],
)
def test_what_goes_with_the_next_commit(
    length: int, more: dict[str, object], gone: set[int]
) -> None:
    """The oldest snapshots of `main` beyond twenty expire, unless a reference needs them."""
    assert expired(chain(length) | more) == gone


@given(st.text(max_size=40))
def test_bounds_are_short_and_include_the_value(text: str) -> None:
    """A reader that filters by them never misses a row."""
    lower, upper = lower_bound(text.encode()), upper_bound(text.encode())
    assert lower.decode() <= text
    assert len(lower.decode()) <= BOUND_CHARACTERS
    if upper is not None:
        assert upper.decode() >= text
        assert len(upper.decode()) <= BOUND_CHARACTERS


@pytest.mark.parametrize(
    ("greatest", "bound"),
    [
        ("a" * 16, "a" * 16),
        ("a" * 17, "a" * 15 + "b"),
        ("a" * 15 + "\U0010ffff" * 2, "a" * 14 + "b"),
        ("a" * 15 + "\ud7ff" * 2, "a" * 14 + "b"),
        ("\U0010ffff" * 17, None),
    ],
)
def test_an_upper_bound_grows_at_its_last_character_that_can(
    greatest: str, bound: str | None
) -> None:
    """If no character can grow, there is no bound."""
    assert upper_bound(greatest.encode()) == (None if bound is None else bound.encode())
