"""Several destinations: each gets each batch, and one in trouble costs the others nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from otlp2parquet_ext.lake.destinations.destination import (
    Batch,
    BusyError,
    DestinationError,
    Lost,
    Stored,
)
from otlp2parquet_ext.lake.destinations.several import Several


@dataclass
class Member:
    """A destination that fails while told to."""

    fails: Exception | None = None
    safe: bool = True
    asked: list[str] = field(default_factory=list)
    has: list[str] = field(default_factory=list)
    lost: tuple[Lost, ...] = ()
    commits: list[Exception | int] = field(default_factory=list)

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Stored:
        """Take a batch, or fail."""
        self.asked.append(batch.name)
        if self.fails:
            raise self.fails
        self.has.append(batch.name)
        return Stored(1, 10, safe=self.safe or not commit_follows, lost=self.lost)

    def commit(self, deadline_ms: int) -> int:
        """Do as told."""
        del deadline_ms
        result = self.commits.pop(0) if self.commits else 0
        if isinstance(result, Exception):
            raise result
        return result

    def describe(self) -> None:
        """Do nothing."""

    warm_up = close = describe


def several() -> tuple[Several, Member, Member, Member]:
    """Make three, and all of them together."""
    lake, tap, otlp = Member(), Member(), Member()
    return Several({"lake": lake, "tap": tap, "otlp": otlp}), lake, tap, otlp


def batch(name: str) -> Batch:
    """Make a batch nobody looks into."""
    return Batch(name, {})


def test_every_destination_gets_every_batch() -> None:
    """And one receipt is for all of them."""
    all_, lake, tap, otlp = several()
    lake.safe = False
    tap.lost = (Lost("tap: HTTP 400", 1, 5),)
    stored = all_.store(batch("a"), commit_follows=True)
    assert stored == Stored(3, 30, safe=False, owed=(), lost=tap.lost)
    assert [member.has for member in (lake, tap, otlp)] == [["a"]] * 3


@pytest.mark.parametrize("error", [DestinationError("down"), OSError("down")])
def test_who_is_in_trouble_is_asked_no_more_until_what_it_is_owed_is_settled(
    error: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    """One request found it out; the others go on at their own speed."""
    all_, lake, tap, _ = several()
    tap.fails = error
    assert [all_.store(batch(name)).owed for name in "abc"] == [("tap",)] * 3
    assert (tap.asked, lake.has) == (["a"], ["a", "b", "c"])
    with pytest.raises(DestinationError, match="down"):
        all_.settle(batch("a"))
    tap.fails = None
    assert [all_.settle(batch(name)).owed for name in "ab"] == [(), ()]
    assert all_.store(batch("d")).owed == ("tap",)  # it would overtake
    assert [all_.settle(batch(name)).owed for name in "cd"] == [(), ()]
    assert all_.store(batch("e")).owed == ()
    assert tap.has == ["a", "b", "c", "d", "e"]
    assert lake.asked == ["a", "b", "c", "d", "e"]
    said = capfd.readouterr().err
    assert said.count("the others go on") == 1
    assert said.count("tap has everything it was owed") == 1


def test_a_batch_is_kept_when_nobody_takes_it() -> None:
    """That is a failure like that of a single destination, and nobody is left out afterwards."""
    all_, lake, tap, otlp = several()
    lake.fails = tap.fails = otlp.fails = DestinationError("no network")
    with pytest.raises(DestinationError, match="no network"):
        all_.store(batch("a"))
    lake.fails = tap.fails = otlp.fails = None
    assert all_.store(batch("a")).owed == ()


def test_those_left_failing_while_one_is_in_trouble_keeps_the_batch() -> None:
    """Nobody has it, so nobody is owed it apart from the others."""
    all_, lake, tap, otlp = several()
    tap.fails = DestinationError("down")
    all_.store(batch("a"))
    lake.fails = otlp.fails = DestinationError("down, too")
    with pytest.raises(DestinationError, match="down, too"):
        all_.store(batch("b"))
    assert tap.asked == ["a"]


def test_what_two_are_owed_is_settled_with_each() -> None:
    """Whoever has it by then is not asked again."""
    all_, _, tap, otlp = several()
    tap.fails = otlp.fails = DestinationError("down")
    assert all_.store(batch("a")).owed == ("otlp", "tap")
    tap.fails = None
    assert all_.settle(batch("a")).owed == ("otlp",)
    otlp.fails = None
    assert all_.settle(batch("a")).owed == ()
    assert (tap.has, otlp.has) == (["a"], ["a"])


def test_a_batch_that_is_given_up_is_owed_to_nobody() -> None:
    """Else its destination would be left out for ever."""
    all_, _, tap, _ = several()
    tap.fails = DestinationError("down")
    all_.store(batch("a"))
    tap.fails = None
    all_.forget("a")
    assert all_.store(batch("b")).owed == ()


def test_a_bug_of_ours_passes_through() -> None:
    """The caller keeps the batch as text then; it is no trouble of a destination's."""
    all_, lake, _, _ = several()
    lake.fails = ZeroDivisionError("bug")
    with pytest.raises(ZeroDivisionError):
        all_.store(batch("a"))


def test_commits_are_those_of_the_one_that_has_some() -> None:
    """What it raises is what the caller acts on."""
    all_, lake, _, _ = several()
    lake.commits = [2, BusyError("others were faster")]
    assert all_.commit(1) == 2
    with pytest.raises(BusyError):
        all_.commit(1)
