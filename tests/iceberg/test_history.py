"""A table counts as append-only while every step of its history is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lake_bench import Home, bodies_at, soon

from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.commit.history import APPENDS_ONLY, appends_only_since
from otlp2parquet_ext.lake.iceberg.upkeep.merge import FEWEST_SMALL
from otlp2parquet_ext.lake.iceberg.upkeep.merging import merge_manifests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A table of ours with three rows, in three commits."""
    home = Home(tmp_path)
    for number in range(3):
        home.append(bodies_at(0, str(number)), str(number))
    return home


def began(home: Home) -> int | None:
    """Return when the table began, if it was only appended to."""
    return appends_only_since(home.metadata())


def test_appends_of_ours_and_merges_are_followed_far_beyond_expiry(home: Home) -> None:
    """The time is the table's creation, at any age."""
    since_ms = began(home)
    assert since_ms is not None
    assert since_ms <= home.metadata()["snapshots"][0]["timestamp-ms"]
    for number in range(3, FEWEST_SMALL + 1):
        home.append(bodies_at(0, str(number)), str(number))
    table = home.lean()
    assert isinstance(table, LeanTable)
    assert merge_manifests(table.handle, soon()).replaced > 0
    assert began(home) == since_ms
    home.append(bodies_at(0, "x"), "x")
    assert began(home) == since_ms


def test_appends_of_others_are_followed_while_their_snapshots_are_there(home: Home) -> None:
    """An append of any writer loses nothing."""
    since_ms = began(home)
    home.pyiceberg().commit(home.store(bodies_at(0, "p"), "p"), soon())
    assert began(home) == since_ms
    home.append(bodies_at(0, "x"), "x")
    assert began(home) == since_ms


def test_a_table_others_began_is_followed_if_its_first_snapshot_is_there(tmp_path: Path) -> None:
    """Created and appended to by PyIceberg."""
    home = Home(tmp_path)
    home.pyiceberg().commit(home.store(bodies_at(0, "p"), "p"), soon())
    assert began(home) == home.metadata()["snapshots"][0]["timestamp-ms"]


def test_an_empty_table_was_only_appended_to(home: Home) -> None:
    """This holds as long as there never was a snapshot."""
    metadata = home.metadata()
    metadata |= {"snapshots": [], "refs": {}, "current-snapshot-id": -1, "properties": {}}
    assert appends_only_since(metadata) is None
    assert appends_only_since(metadata | {"last-sequence-number": 0}) is not None


def test_rows_deleted_end_it_for_good(home: Home) -> None:
    """PyIceberg rewrites a file. The proof stays broken when its snapshot has expired."""
    home.table().delete("Body = '1'")
    assert began(home) is None
    for number in range(25):
        home.append(bodies_at(0, f"x{number}"), f"x{number}")
    assert began(home) is None


def snapshot(metadata: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Add a snapshot on top of the current one, as another writer might."""
    last = metadata["snapshots"][-1]
    number = metadata["last-sequence-number"] + 1
    added = last | {
        "snapshot-id": number,
        "parent-snapshot-id": metadata["current-snapshot-id"],
        "sequence-number": number,
        "summary": {"operation": "append"},
    }
    metadata["snapshots"].append(added | changes)
    metadata |= {"last-sequence-number": number, "current-snapshot-id": number}
    return metadata


def rolled_back(metadata: dict[str, Any]) -> dict[str, Any]:
    """Set `main` back by one snapshot."""
    return metadata | {"current-snapshot-id": metadata["snapshots"][-2]["snapshot-id"]}


def expired(metadata: dict[str, Any]) -> dict[str, Any]:
    """Let all snapshots but the current one expire."""
    return metadata | {"snapshots": metadata["snapshots"][-1:]}


@pytest.mark.parametrize(
    ("edit", "holds"),
    [
        (snapshot, True),
        (lambda m: snapshot(snapshot(m)), True),
        (lambda m: expired(snapshot(m)), True),
        (lambda m: expired(snapshot(snapshot(m))), False),
        (lambda m: snapshot(m, summary={"operation": "replace"}), False),
        (lambda m: snapshot(m, summary={"operation": "overwrite"}), False),
        (lambda m: snapshot(m, summary={"operation": "delete"}), False),
        (lambda m: snapshot(m, summary={}), False),
        (lambda m: snapshot(snapshot(m, summary={"operation": "delete"})), False),
        (rolled_back, False),
        (lambda m: snapshot(rolled_back(m)), False),
        (lambda m: expired(snapshot(rolled_back(m))), False),
        (lambda m: m["properties"].pop(APPENDS_ONLY) and m, True),
        (lambda m: m["properties"].pop(APPENDS_ONLY) and expired(m), False),
        (lambda m: m["properties"].update({APPENDS_ONLY: "x"}) or expired(m), False),
    ],
)
def test_every_step_since_the_last_proof_has_to_be_known(
    home: Home, edit: Callable[[dict[str, Any]], dict[str, Any]], *, holds: bool
) -> None:
    """After a rollback, a fork or a gap a missing file may have been there once."""
    assert (appends_only_since(edit(home.metadata())) is not None) == holds
