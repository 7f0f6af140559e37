"""The wall clock is set while the committer works, and its remaining time does not change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from committer_bench import committer, store
from lake_bench import soon
from places import Place, sqlite
from wall_clock import Wall

from otlp2parquet_ext.functions.committer import care as care_room
from otlp2parquet_ext.functions.committer import sweeping as sweeping_room
from otlp2parquet_ext.functions.committer import work as work_room
from otlp2parquet_ext.functions.committer.care import care
from otlp2parquet_ext.functions.committer.sweeping import Options, sweep
from otlp2parquet_ext.functions.committer.tables import commit_all
from otlp2parquet_ext.functions.committer.work import Done, commit_waiting
from otlp2parquet_ext.lake.destinations.refit import commit_fitting
from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.commit.inbox import Inbox
from otlp2parquet_ext.lake.iceberg.format import contents
from otlp2parquet_ext.lake.iceberg.upkeep.cleaning import clean
from otlp2parquet_ext.lake.iceberg.upkeep.sweep import look

if TYPE_CHECKING:
    from pathlib import Path

    from otlp2parquet_ext.functions.committer.opening import TableLocation
    from otlp2parquet_ext.lake.iceberg.commit.handle import Handle

JUMPS_S = [600.0, -600.0, -5.0]
"""Minutes ahead, minutes behind, seconds behind."""

LIMIT_MS = 20_000


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """A clock that is right until it is set."""
    return Wall(monkeypatch)


@pytest.fixture
def lake(tmp_path: Path) -> Place:
    """A table to which three files wait to be committed."""
    lake = sqlite(tmp_path)
    store(lake, "a", "b", "c")
    return lake


def left_ms(deadline_ms: int) -> float:
    """Return how long a deadline is away, by the clock as it is set."""
    return deadline_ms - time.time() * 1_000


def handle_of(place: TableLocation) -> Handle:
    """Return the handle of a table."""
    table = place.open_table()
    assert isinstance(table, LeanTable)
    return table.handle


@pytest.mark.parametrize("ahead_s", JUMPS_S)
def test_commits_go_on_though_the_clock_was_set(
    ahead_s: float, lake: Place, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first snapshot sees the clock set; each later one gets what is left, and no more."""
    told: list[float] = []

    def fitting(table, inbox, files, deadline_ms):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        told.append(left_ms(deadline_ms))
        wall.ahead_s = ahead_s
        return commit_fitting(table, inbox, files, deadline_ms)

    monkeypatch.setattr(work_room, "commit_fitting", fitting)
    done = commit_waiting(committer(lake), soon(LIMIT_MS), per_snapshot=1)
    assert done == Done(files=3, rows=3, snapshots=3, empty=True)
    assert len(told) == 3
    assert all(0 < left <= LIMIT_MS for left in told)


@pytest.mark.parametrize("ahead_s", JUMPS_S)
def test_each_table_gets_what_is_left_though_the_clock_was_set(
    ahead_s: float, lake: Place, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is set while the first table is committed to."""
    told: list[float] = []
    really = Inbox.take

    def take(self: Inbox, limit: int, **options: object) -> object:
        told.append(left_ms(options["deadline_ms"]))  # type: ignore[arg-type]
        wall.ahead_s = ahead_s
        return really(self, limit, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Inbox, "take", take)
    dones = commit_all([committer(lake), committer(lake)], soon(LIMIT_MS), per_snapshot=2)
    assert (dones[0].files + dones[1].files, dones[0].problem, dones[1].problem) == (3, "", "")
    assert all(0 < left <= LIMIT_MS for left in told)


@pytest.mark.parametrize("ahead_s", JUMPS_S)
def test_the_inbox_is_read_though_the_clock_was_set(
    ahead_s: float, lake: Place, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its second entry is read, although the wall clock is beyond the deadline."""
    inbox, really = committer(lake).inbox, Inbox._look_at

    def look_at(self: Inbox, entry: str) -> object:
        wall.ahead_s = ahead_s
        return really(self, entry)

    monkeypatch.setattr(Inbox, "_look_at", look_at)
    assert len(inbox.take(10, deadline_ms=soon(LIMIT_MS)).files) == 3


@pytest.mark.parametrize("ahead_s", JUMPS_S)
def test_every_part_of_the_care_is_done_though_the_clock_was_set(
    ahead_s: float, lake: Place, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cleaning and the sweep come after merging, which saw the clock set."""
    told: list[float] = []

    def cleaned(handle, deadline_ms, **options):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN003, ANN202
        wall.ahead_s = ahead_s
        return clean(handle, deadline_ms, **options)

    def swept(place, handle, deadline_ms, options):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        told.append(left_ms(deadline_ms))
        return sweep(place, handle, deadline_ms, options)

    commit_waiting(committer(lake), soon())
    monkeypatch.setattr(care_room, "clean", cleaned)
    monkeypatch.setattr(care_room, "sweep", swept)
    cared = care(committer(lake), soon(LIMIT_MS), sweeping=Options())
    assert cared.problems == []
    assert cared.swept is not None
    assert len(told) == 1
    assert 0 < told[0] <= LIMIT_MS


@pytest.mark.parametrize("ahead_s", JUMPS_S)
def test_a_sweep_sees_all_pages_though_the_clock_was_set(
    ahead_s: float, lake: Place, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page at a time; the clock is set with the first."""
    place = committer(lake)
    commit_waiting(place, soon())

    def looked(*given: object) -> object:
        wall.ahead_s = ahead_s
        return look(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(sweeping_room, "look", looked)
    swept = sweep(place, handle_of(place), soon(LIMIT_MS), Options(files_per_page=1, dry_run=True))
    assert swept.ended
    assert swept.looked > 1


@pytest.mark.parametrize("ahead_s", [0.0, *JUMPS_S])
def test_manifests_are_read_until_their_deadline_by_a_clock_that_is_set(
    ahead_s: float, lake: Place, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds are enough for three; a deadline that has passed stays passed."""
    place = committer(lake)
    commit_waiting(place, soon(), per_snapshot=1)
    handle, really = handle_of(place), contents.entries
    version = handle.catalog.load(soon())
    assert version is not None
    lines = contents.all_lines(handle.storage, version.metadata, 1).values()
    assert len(lines) == 3
    passes = False

    def entries(*given: object) -> object:
        wall.ahead_s = ahead_s
        if passes:
            steady_s = time.monotonic()
            monkeypatch.setattr(time, "monotonic", lambda: steady_s + LIMIT_MS / 1_000)
        return really(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(contents, "entries", entries)
    assert contents.live(handle.storage, lines, [], soon(LIMIT_MS), 1) == set()
    wall.ahead_s, passes = 0.0, True
    with pytest.raises(TimeoutError, match="there was no time to read all manifests"):
        contents.live(handle.storage, lines, [], soon(LIMIT_MS), 1)
