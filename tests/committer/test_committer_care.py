"""The care of a table on every kind of catalog and storage, and killed at every step."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import places
import pytest
from committer_bench import LAKES, committer, store
from lake_bench import Home
from places import Bucket, Folder, Place, soon, sqlite
from tiers import tiered

from otlp2parquet_ext.functions.committer.care import care
from otlp2parquet_ext.functions.committer.sweeping import Options, Swept
from otlp2parquet_ext.functions.committer.work import commit_waiting
from otlp2parquet_ext.lake.iceberg.upkeep import merge
from otlp2parquet_ext.lake.iceberg.upkeep.cleaning import Cleaned
from otlp2parquet_ext.lake.iceberg.upkeep.merging import Merging
from otlp2parquet_ext.lake.storage.local import LocalStorage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

UUID = "00000000-0000-4000-8000-000000000000"
FEW = 5
KEPT = {"OTLP2PARQUET_SNAPSHOTS_KEPT": "2"}
ALL = Options(older_than_ms=0)


@pytest.fixture(params=tiered(LAKES))
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Every kind of table."""
    return LAKES[request.param](tmp_path, request)


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a merge be worth while with few manifests."""
    monkeypatch.setattr(merge, "FEWEST_SMALL", FEW)


def commit(lake: Place, *names: str) -> None:
    """Commit one file at a time."""
    place = committer(lake, **KEPT)
    for name in names:
        store(lake, name)
        assert commit_waiting(place, soon()).problem == ""


def manifests(lake: Place) -> list[str]:
    """List the existing manifests."""
    return [name for name in lake.objects.names("metadata/") if name.endswith("-m0.avro")]


def test_a_table_is_merged_cleaned_and_swept_wherever_it_lies(lake: Place) -> None:
    """Only files in use stay, and all rows are read."""
    names = [f"{number:02}" for number in range(FEW)]
    commit(lake, *names)
    first = care(committer(lake), soon(), grace_ms=0)
    assert first.problems == []
    assert first.merging == Merging(FEW, FEW, 1)
    assert first.cleaned == Cleaned(notes=1)
    commit(lake, "x", "y", "z")
    waste = f"metadata/otlp2parquet-{UUID}-m0.avro"
    lake.objects.write(waste, b"waste")
    time.sleep(isinstance(lake.objects, Bucket))  # a bucket's clock shows whole seconds
    store(lake, "lost")
    lake.objects.remove(lake.inbox()[0])
    second = care(committer(lake), soon(), grace_ms=0, sweeping=ALL)
    assert second.problems == []
    assert second.cleaned == Cleaned(FEW, 0, 0)
    assert second.swept is not None
    assert (second.swept.deleted, second.swept.adopted, second.swept.ended) == (1, 1, True)
    assert len(manifests(lake)) == 4
    commit(lake)
    assert commit_waiting(committer(lake), soon()).files == 1
    assert lake.bodies() == sorted([*names, "x", "y", "z", "lost"])


def test_a_table_bucket_is_merged_and_else_left_to_itself(s3_tables: Place) -> None:
    """It may contain only the table, not our notes, and it removes unused files itself."""
    lake = places.s3_tables(s3_tables)
    names = [f"{number:02}" for number in range(FEW)]
    commit(lake, *names)
    cared = care(committer(lake), soon(), grace_ms=0, sweeping=ALL)
    assert cared.problems == []
    assert cared.merging == Merging(FEW, FEW, 1)
    why = "only S3 Tables itself deletes unreferenced files"
    assert (cared.cleaned, cared.swept) == (Cleaned(why=why), Swept(why=why))
    assert len(manifests(lake)) == FEW + 1
    commit(lake, "x")
    assert lake.bodies() == [*names, "x"]


def test_care_without_time_does_nothing(tmp_path: Path) -> None:
    """Nothing is begun that may not end."""
    lake = sqlite(tmp_path)
    commit(lake, "a")
    before = lake.objects.names()
    cared = care(committer(lake), soon(1_000), sweeping=ALL)
    assert (cared.merging, cared.cleaned, cared.swept, cared.problems) == (None, None, None, [])
    assert lake.objects.names() == before


def test_one_part_that_fails_keeps_no_other_from_its_work(tmp_path: Path) -> None:
    """The cleaning cannot read an old list, but merge and sweep run."""
    lake = sqlite(tmp_path)
    commit(lake, *(f"{number:02}" for number in range(FEW)))
    old = Home(tmp_path).metadata()["snapshots"][0]["manifest-list"]
    assert isinstance(lake.objects, Folder)
    lake.objects.remove(old.removeprefix(f"{lake.objects.root}/"))
    cared = care(committer(lake), soon(), grace_ms=0, sweeping=ALL)
    assert cared.merging == Merging(FEW, FEW, 1)
    assert [problem.split(":")[0] for problem in cared.problems] == [
        "cleaning ended early",
        "the sweep ended early",
    ]
    assert len(lake.bodies()) == FEW


def die_at(step: int, *, after: bool) -> None:
    """Kill this process before or after its n-th change of the storage."""
    left = [step]

    def armed(method: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            found = method(*arguments, **named)
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        return changed

    for name in ("put", "delete"):
        setattr(LocalStorage, name, armed(getattr(LocalStorage, name)))


@pytest.mark.e2e
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.thorough
def test_killed_at_every_step_the_care_harms_nothing_and_ends_at_last(
    tmp_path: Path, *, after: bool
) -> None:
    """One step further each time, until there are no more; then all is as it should be."""
    lake = sqlite(tmp_path)
    names = [f"{number:02}" for number in range(FEW)]
    commit(lake, *names)
    care(committer(lake), soon(), grace_ms=0)
    later = [f"n{number}" for number in range(FEW)]
    commit(lake, *later)
    for name in ("v", "w"):
        store(lake, name)
        lake.objects.remove(lake.inbox()[0])
    for number in range(3):
        lake.objects.write(f"metadata/snap-{number}-1-{UUID}.avro", b"waste")
    for step in range(1, 100):
        child = os.fork()
        if child == 0:
            die_at(step, after=after)
            cared = care(committer(lake), soon(), grace_ms=0, sweeping=ALL)
            os._exit(len(cared.problems))
        _, status = os.waitpid(child, 0)
        assert set(lake.bodies()) == {*names, *later}
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0
            break
    assert step > 5
    commit(lake, "x", "y", "z")
    assert lake.bodies() == sorted([*names, *later, "v", "w", "x", "y", "z"])
    last = care(committer(lake), soon(), grace_ms=0, sweeping=ALL)
    assert last.problems == []
    assert len(lake.objects.names("care/replaced/")) == 0
    swept = care(committer(lake), soon(), grace_ms=0, sweeping=ALL).swept
    assert swept is not None
    assert (swept.deleted, swept.adopted, swept.left, swept.foreign) == (0, 0, 0, 0)


def test_a_bucket_is_walked_as_a_disk_is(moto: str) -> None:
    """Pages, and paths in the order of their bytes."""
    lake = LAKES["glue"](None, Servers(moto))  # type: ignore[arg-type]
    assert isinstance(lake.objects, Bucket)
    table = committer(lake).open_table()
    storage = table.handle.storage  # type: ignore[attr-defined]
    names = ["data/a-b/x", "data/a.b", "data/a/b", "data/a0", "data/é"]
    for name in names:
        lake.objects.write(name, b"x")
    root = f"{lake.objects.bucket}/{lake.objects.prefix}"
    entries = list(storage.walk(f"{root}data"))
    assert [entry.path for entry in entries] == [f"{root}{name}" for name in names]
    rest = storage.walk(f"{root}data", f"{root}data/a.b")
    assert [entry.path for entry in rest] == [f"{root}{name}" for name in names[2:]]


class Servers:
    """The servers that `LAKES` needs from a test's request."""

    def __init__(self, moto: str) -> None:
        self._moto = moto

    def getfixturevalue(self, name: str) -> str:
        """See pytest."""
        assert name == "moto"
        return self._moto
