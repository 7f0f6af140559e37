"""A committer may die between any two requests, race others, or meet a segment put again."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest
from relay_worlds import (
    BASE_US,
    LATER_MS,
    Environment,
    event,
    form,
    plain_location,
    relayed,
    rows,
    settings_of,
)

from otlp2parquet_ext.functions.relay import forming
from otlp2parquet_ext.functions.relay.claims import Claim
from otlp2parquet_ext.functions.relay.folder import MOST_BYTES
from otlp2parquet_ext.functions.relay.forming import form_files
from otlp2parquet_ext.functions.relay.location import Formed
from otlp2parquet_ext.lake.destinations.destination import DestinationError
from otlp2parquet_ext.lake.destinations.hive import Hive
from otlp2parquet_ext.lake.storage.local import LocalStorage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class KilledError(BaseException):
    """The end of a process, which no code of ours catches."""


class Dying(LocalStorage):
    """A storage whose process ends before the n-th change.

    Args:
        root: see `LocalStorage`.
        changes: that still happen.
    """

    def __init__(self, root: Path, changes: int) -> None:
        super().__init__(root)
        self.left = changes

    def _changes(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KilledError

    def put(self, path: str, data: Any) -> Any:
        """See `Storage`."""
        self._changes()
        return super().put(path, data)

    def delete(self, path: str) -> None:
        """See `Storage`; `delete_many` comes here, too, so a process may end half-way."""
        self._changes()
        super().delete(path)

    def delete_many(self, paths: Any) -> None:
        """See `Storage`."""
        for path in paths:
            self.delete(path)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A folder in which six segments of three environments wait."""
    lake = tmp_path / "lake"
    for number in range(3):
        settings = settings_of(f"file://{lake}", "relay")
        environment = Environment(tmp_path / f"e{number}", number, settings)
        environment.now_us += number * 1_800_000_000  # a claim of more than one hour
        environment.begin()
        environment.lines(2)
        environment.deliver(event(BASE_US + number * 1_000, "function", message="late"))
        environment.flush()
        environment.end()
        environment.flush()
    assert len(relayed(lake)) == 6
    return lake


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.thorough)])
def test_a_committer_killed_between_any_two_changes_loses_and_doubles_nothing(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Another one finishes its claim: each change, or each seventh, is tried as the last one."""
    whole = tmp_path / "whole"
    shutil.copytree(lake, whole)
    form(f"file://{whole}")
    wanted = rows(whole)
    monkeypatch.setattr(forming, "TAKE_OVER_MS", -1)
    for changes in range(0, 1_000, step):
        killed = tmp_path / f"killed-{changes}"
        shutil.copytree(lake, killed)
        url = f"file://{killed}"
        place = plain_location(Dying(killed, changes), url)
        try:
            form_files(place, LATER_MS)
        except KilledError:
            assert form(url).problem == ""
        else:
            break
        assert relayed(killed) == []
        assert rows(killed) == wanted, f"killed before change {changes}"
        shutil.rmtree(killed)
    assert changes > 10


def test_a_segment_that_is_put_again_after_it_was_mapped_is_not_mapped_again(
    lake: Path, tmp_path: Path
) -> None:
    """An environment that got no answer puts its segment again, however late."""
    segments = lake / "_relay" / "segments"
    shutil.copytree(segments, tmp_path / "copy")
    form(f"file://{lake}")
    before = rows(lake)
    shutil.copytree(tmp_path / "copy", segments, dirs_exist_ok=True)
    formed = form(f"file://{lake}")
    assert (formed.segments, formed.files, formed.problem) == (0, 0, "")
    assert relayed(lake) == []
    assert rows(lake) == before


def test_committers_that_race_map_each_segment_once(lake: Path, tmp_path: Path) -> None:
    """Whichever puts the object of a number first has the claim."""
    whole = tmp_path / "whole"
    shutil.copytree(lake, whole)
    form(f"file://{whole}")
    barrier = threading.Barrier(4)

    def commit() -> None:
        barrier.wait()
        form(f"file://{lake}")

    _together(commit, 4)
    form(f"file://{lake}")
    assert relayed(lake) == []
    assert rows(lake) == rows(whole)


def test_two_claims_of_different_numbers_do_not_map_one_segment_twice(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim ends between two listings, so two committers choose different free numbers."""
    whole = tmp_path / "whole"
    shutil.copytree(lake, whole)
    form(f"file://{whole}")
    place, rival = (plain_location(LocalStorage(lake), f"file://{lake}") for _ in range(2))
    put_claim, note_stored = place.folder.put_claim, place.folder.note_stored
    other = Claim((relayed(lake)[0],))

    def late(number: int, claim: Claim) -> bool:
        rival.folder.put_claim(7, other)
        return put_claim(number, claim)

    def meanwhile(claim: Claim) -> None:
        monkeypatch.undo()
        forming._Claimed(rival, 7, other, Formed()).form()
        note_stored(claim)

    monkeypatch.setattr(place.folder, "put_claim", late)
    monkeypatch.setattr(place.folder, "note_stored", meanwhile)
    form_files(place, LATER_MS)
    form(f"file://{lake}")
    assert relayed(lake) == []
    found = {name: sum(made.values()) for name, made in rows(lake).items()}
    assert found == {name: sum(made.values()) for name, made in rows(whole).items()}


def test_two_committers_that_finish_one_claim_make_the_same_files(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A committer thaws and continues after another one has taken its claim over."""
    whole = tmp_path / "whole"
    shutil.copytree(lake, whole)
    form(f"file://{whole}")
    monkeypatch.setattr(forming, "TAKE_OVER_MS", -1)
    barrier = threading.Barrier(2)

    def commit() -> None:
        barrier.wait()
        form(f"file://{lake}")

    _together(commit, 2)
    form(f"file://{lake}")
    assert relayed(lake) == []
    assert rows(lake) == rows(whole)


def test_what_ends_committers_is_kept_as_text_then_set_aside(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment that takes more memory than there is may not block all others for ever."""
    monkeypatch.setattr(forming, "TAKE_OVER_MS", -1)

    def die(*_: object, as_text: bool, **__: object) -> None:
        raise MemoryError if as_text else KilledError

    monkeypatch.setattr(forming, "map_segments", die)
    url = f"file://{lake}"
    for _ in range(forming.TEXT_AFTER):
        with pytest.raises(KilledError):
            form(url)
    for _ in range(forming.ASIDE_AFTER - forming.TEXT_AFTER):
        with pytest.raises(MemoryError):
            form(url)
    formed = form(url)
    assert (formed.aside, formed.empty) == (6, True)
    assert len(list((lake / "_relay" / "aside").iterdir())) == 6


def _together(work: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_segment_that_is_moved_back_from_aside_is_mapped(lake: Path) -> None:
    """The page advises it; what was set aside does not count as mapped."""
    url, segments = f"file://{lake}", lake / "_relay" / "segments"
    name = relayed(lake)[0]
    whole = (segments / name).read_bytes()
    (segments / name).write_bytes(whole[:-1])
    formed = form(url)
    assert (formed.segments, formed.aside) == (5, 1)
    before = rows(lake)["logs"].total()
    (lake / "_relay" / "aside" / name).unlink()
    (segments / name).write_bytes(whole)
    assert form(url).segments == 1
    assert rows(lake)["logs"].total() > before


def test_an_outage_is_no_kill(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a destination refuses, segments become neither text nor set aside."""
    monkeypatch.setattr(forming, "TAKE_OVER_MS", -1)
    url = f"file://{lake}"
    with monkeypatch.context() as patch:

        def refuse(*_: object, **__: object) -> None:
            raise DestinationError("it is down")

        patch.setattr(Hive, "store", refuse)
        for _ in range(2 * forming.ASIDE_AFTER):
            assert form(url).problem == "it is down"
    formed = form(url)
    assert (formed.segments, formed.aside, formed.empty) == (6, 0, True)
    assert "traces" in rows(lake), "no body became text"


def test_an_object_longer_than_any_segment_stays_and_blocks_no_other(lake: Path) -> None:
    """Reading it could take more memory than there is."""
    forged = lake / "_relay" / "segments" / f"{1:017}-{1:032x}-{1:032x}.o2p1"
    with forged.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    formed = form(f"file://{lake}")
    assert (formed.segments, formed.aside, formed.problem) == (6, 0, "")
    assert relayed(lake) == [forged.name]


def test_a_claim_is_mapped_again_from_the_states_before_it(lake: Path, tmp_path: Path) -> None:
    """Another committer in between does not merge its states: derived rows would be others."""
    whole = tmp_path / "whole"
    shutil.copytree(lake, whole)
    form(f"file://{whole}")
    url = f"file://{lake}"

    class DiesBeforeStored(LocalStorage):
        def put(self, path: str, data: Any) -> Any:
            if path.endswith("-stored"):
                raise KilledError
            return super().put(path, data)

    with pytest.raises(KilledError):
        form_files(plain_location(DiesBeforeStored(lake), url), LATER_MS)
    states = list((lake / "_relay" / "states").iterdir())
    other = Environment(tmp_path / "other", 9, settings_of(url, "relay"))
    other.begin()
    other.flush()
    assert form(url).segments == 1, "that of the other environment"
    assert states[0].exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forming, "TAKE_OVER_MS", -1)
        form(url)
    assert relayed(lake) == []
    assert rows(lake)["traces"] == rows(whole)["traces"]
