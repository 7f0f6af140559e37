"""The table's own rules decide which snapshots and files stay, and a commit follows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lake_bench import Home, bodies_at, soon

from otlp2parquet_ext.lake.iceberg.commit.expiry import COMMITS_TO_LIVE, SNAPSHOTS_KEPT, expired
from otlp2parquet_ext.lake.iceberg.format.table_properties import bad_values

if TYPE_CHECKING:
    from pathlib import Path

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LEAST, AGE = "history.expire.min-snapshots-to-keep", "history.expire.max-snapshot-age-ms"


def hourly(length: int, *heads: tuple[int, int]) -> dict[str, Any]:
    """Make the metadata of a table with a snapshot every hour; ids count from 1, ages from 0 h.

    Args:
        length: snapshots of `main`.
        heads: parent and id of further snapshots, as old as their parent.
    """
    snapshots: list[dict[str, Any]] = [
        {"snapshot-id": n, "timestamp-ms": NOW_MS - (length - n) * HOUR_MS}
        | ({"parent-snapshot-id": n - 1} if n > 1 else {})
        for n in range(1, length + 1)
    ]
    snapshots += [
        {**snapshots[parent - 1], "snapshot-id": n, "parent-snapshot-id": parent}
        for parent, n in heads
    ]
    return {"snapshots": snapshots, "current-snapshot-id": length}


def branch(head: int, **rules: Any) -> dict[str, Any]:
    """Make a branch with rules of its own."""
    own = {name.replace("_", "-"): value for name, value in rules.items()}
    return {"type": "branch", "snapshot-id": head} | own


def first(number: int) -> set[int]:
    """Return the ids of the oldest snapshots."""
    return set(range(1, number + 1))


@pytest.mark.parametrize(
    ("properties", "main", "gone"),
    [
        ({}, {}, first(21)),
        ({AGE: str(30 * HOUR_MS)}, {}, first(9)),
        ({AGE: str(30 * HOUR_MS - 1)}, {}, first(10)),
        ({AGE: "1"}, {}, first(21)),
        ({AGE: str(DAY_MS * 9)}, {}, set()),
        ({AGE: str(30 * HOUR_MS), LEAST: "36"}, {}, first(5)),
        ({AGE: str(30 * HOUR_MS)}, {"max-snapshot-age-ms": 25 * HOUR_MS}, first(14)),
        ({LEAST: "36"}, {"min-snapshots-to-keep": 30}, first(11)),
        ({LEAST: "36", AGE: "1"}, {"max-snapshot-age-ms": 38 * HOUR_MS}, first(1)),
        ({"gc.enabled": "false"}, {}, set()),
        ({"gc.enabled": "False"}, {}, set()),
        ({"gc.enabled": "no"}, {}, set()),
        ({"gc.enabled": "TRUE"}, {}, first(21)),
    ],
)
def test_the_rules_of_main_keep_snapshots_by_number_and_by_age(
    properties: dict[str, str], main: dict[str, int], gone: set[int]
) -> None:
    """There are forty hourly snapshots. A rule of the branch precedes one of the table."""
    metadata = hourly(40) | {"properties": properties, "refs": {"main": branch(40) | main}}
    assert expired(metadata, now_ms=NOW_MS) == gone


def test_a_snapshot_that_is_older_than_its_child_ends_the_branch() -> None:
    """As in Java: all snapshots below the first expired one expire, with any time."""
    metadata = hourly(40) | {"properties": {AGE: str(30 * HOUR_MS)}}
    metadata["snapshots"][14]["timestamp-ms"] = 0
    assert expired(metadata, now_ms=NOW_MS) == first(15)


@pytest.mark.parametrize(
    ("properties", "rules", "gone"),
    [
        ({}, {}, first(21) - {10, 9, 8, 7, 6, 5, 4, 3, 2, 1}),
        ({}, {"min_snapshots_to_keep": 3, "max_snapshot_age_ms": 1}, first(21) - {10, 9}),
        ({}, {"max_snapshot_age_ms": 32 * HOUR_MS}, first(21) - {10, 9, 8}),
        ({LEAST: "4"}, {"max_snapshot_age_ms": 1}, first(21) - {10, 9, 8}),
        ({AGE: str(21 * HOUR_MS)}, {}, first(18)),
    ],
)
def test_the_rules_of_another_branch_keep_the_snapshots_it_shares_with_main(
    properties: dict[str, str], rules: dict[str, int], gone: set[int]
) -> None:
    """The branch left `main` at its tenth snapshot; without rules five days of it stay."""
    metadata = hourly(40, (10, 99)) | {
        "properties": properties,
        "refs": {"main": branch(40), "audit": branch(99, **rules)},
    }
    assert expired(metadata, now_ms=NOW_MS) == gone


def test_a_branch_without_rules_keeps_its_head_and_five_days() -> None:
    """Java's defaults."""
    metadata = hourly(200, (60, 999))
    metadata["refs"] = {"main": branch(200), "audit": branch(999), "v1": {"type": "tag"}}
    metadata["refs"]["v1"]["snapshot-id"] = 5
    assert expired(metadata, now_ms=NOW_MS) == first(181) - {5}
    assert expired(metadata, now_ms=NOW_MS - 21 * HOUR_MS) == first(181) - {5, 60, 59}
    metadata["refs"]["audit"]["snapshot-id"] = 60
    assert expired(metadata, now_ms=NOW_MS + DAY_MS) == first(181) - {5, 60}


def set_properties(home: Home, **properties: str) -> None:
    """Set properties, as another user would; underscores stand for dots and hyphens."""
    metadata = home.metadata()
    metadata["properties"] |= properties
    home.replace_metadata(metadata)


def test_a_table_with_gc_disabled_loses_no_snapshot_and_no_file(tmp_path: Path) -> None:
    """Its files may belong to others: clones, and tables that were registered twice."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "x"), "first")
    set_properties(home, **{"gc.enabled": "false", "write.metadata.previous-versions-max": "1"})
    table = home.lean()
    seen: set[Path] = set()
    for number in range(SNAPSHOTS_KEPT + 5):
        table.commit(home.store(bodies_at(0, "x"), str(number)), soon())
        files = set((home.location / "metadata").iterdir())
        assert seen <= files
        seen = files
    assert len(home.metadata()["snapshots"]) == SNAPSHOTS_KEPT + 6


def test_manifest_lists_that_wait_to_be_deleted_stay_while_gc_is_disabled(tmp_path: Path) -> None:
    """It was disabled after snapshots had expired."""
    home = Home(tmp_path)
    waiting = [f"snap-{n}-1-00000000-0000-4000-8000-000000000000.avro" for n in range(200)]
    home.append(bodies_at(0, "x"), "first")
    folder = home.location / "metadata"
    for name in waiting:
        (folder / name).touch()
    key = "otlp2parquet_ext.expired-manifest-lists"
    set_properties(home, **{"gc.enabled": "false", key: " ".join(waiting)})
    home.append(bodies_at(0, "x"), "second")
    assert set(waiting) <= {path.name for path in folder.iterdir()}
    set_properties(home, **{"gc.enabled": "true"})
    home.append(bodies_at(0, "x"), "third")
    left = {path.name for path in folder.iterdir()} & set(waiting)
    assert left == set(waiting[-COMMITS_TO_LIVE:])


@pytest.mark.parametrize("value", ["five", "", "-1", "0", "1.5", "9" * 30, "1e3"])
def test_a_bad_value_is_logged_once_and_the_default_is_used(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], value: str
) -> None:
    """A typing error in a property keeps no row from the table."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "0"), "0")
    set_properties(home, **{LEAST: value, AGE: value})
    table = home.lean()
    for number in range(1, 3):
        table.commit(home.store(bodies_at(0, str(number)), str(number)), soon())
    assert home.bodies() == ["0", "1", "2"]
    said = capfd.readouterr().err
    for key in (LEAST, AGE):
        assert said.count(f"otel.logs: the table's property {key} is {value!r}: expected") == 1


@pytest.mark.parametrize("value", ["many", "-3", "1.5"])
def test_a_bad_number_of_old_metadata_files_is_logged_too(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], value: str
) -> None:
    """Every number that a commit reads is read in the same way."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "0"), "0")
    key = "write.metadata.previous-versions-max"
    set_properties(home, **{key: value})
    home.append(bodies_at(0, "1"), "1")
    assert home.bodies() == ["0", "1"]
    assert f"the table's property {key} is {value!r}: expected" in capfd.readouterr().err


@pytest.mark.parametrize("value", ["5", 0, -1, True, 1.5, []])
def test_a_bad_rule_of_a_branch_is_named_and_the_tables_is_used(value: object) -> None:
    """Text that is a number counts as one; nothing else does."""
    metadata = hourly(40) | {
        "properties": {LEAST: "30"},
        "refs": {"main": branch(40) | {"min-snapshots-to-keep": value}},
    }
    problems = list(bad_values(metadata))
    assert expired(metadata, now_ms=NOW_MS) == (first(21) if value == "5" else first(11))
    assert len(problems) == (value != "5")
    assert all("min-snapshots-to-keep of the table's branch main" in p for p in problems)
