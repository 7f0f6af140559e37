"""Several destinations: each gets each batch, and one in trouble costs the others nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from otlp2parquet_ext.lake.destinations.destination import (
    Batch,
    BusyError,
    DestinationError,
    Lost,
    Need,
    Receipt,
)
from otlp2parquet_ext.lake.destinations.group import DestinationGroup


@dataclass
class Member:
    """A destination that fails on demand."""

    fails: Exception | None = None
    safe: bool = True
    asked: list[str] = field(default_factory=list)
    has: list[str] = field(default_factory=list)
    lost: tuple[Lost, ...] = ()
    commits: list[Exception | int] = field(default_factory=list)
    needs: frozenset[Need] = frozenset()

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Receipt:
        """Take a batch, or fail."""
        self.asked.append(batch.name)
        if self.fails:
            raise self.fails
        self.has.append(batch.name)
        return Receipt(1, 10, safe=self.safe or not commit_follows, lost=self.lost)

    def commit(self, deadline_ms: int) -> int:
        """Do what the test says."""
        del deadline_ms
        result = self.commits.pop(0) if self.commits else 0
        if isinstance(result, Exception):
            raise result
        return result

    def describe(self) -> None:
        """Do nothing."""

    warm_up = close = describe


def group() -> tuple[DestinationGroup, Member, Member, Member]:
    """Make three destinations, and a group of them."""
    lake, tap, otlp = Member(), Member(), Member()
    return DestinationGroup({"lake": lake, "tap": tap, "otlp": otlp}), lake, tap, otlp


def batch(name: str) -> Batch:
    """Make a batch without contents."""
    return Batch(name, {})


def test_every_destination_gets_every_batch() -> None:
    """There is one receipt for all of them."""
    all_, lake, tap, otlp = group()
    lake.safe = False
    tap.lost = (Lost("tap: HTTP 400", 1, 5),)
    stored = all_.store(batch("a"), commit_follows=True)
    assert stored == Receipt(3, 30, safe=False, undelivered=(), lost=tap.lost)
    assert [member.has for member in (lake, tap, otlp)] == [["a"]] * 3


@pytest.mark.parametrize("error", [DestinationError("down"), OSError("down")])
def test_a_member_that_is_behind_is_not_asked_until_it_has_what_it_lacks(
    error: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    """It cost one request. The others go on at their own speed, and the order stays."""
    all_, lake, tap, _ = group()
    tap.fails = error
    assert all_.store(batch("a")).undelivered == ("tap",)
    behind = frozenset({"tap"})
    for name in "bc":
        assert all_.store(batch(name), behind=behind).undelivered == ("tap",)
    assert (tap.asked, lake.has) == (["a"], ["a", "b", "c"])
    with pytest.raises(DestinationError, match="down"):
        all_.redeliver(batch("a"), behind)
    tap.fails = None
    assert [all_.redeliver(batch(name), behind).undelivered for name in "abc"] == [()] * 3
    assert tap.has == ["a", "b", "c"]
    assert lake.asked == ["a", "b", "c"]
    assert capfd.readouterr().err.count("the other destinations continue") == 1


def test_a_batch_is_kept_when_nobody_takes_it() -> None:
    """It is a failure as with a single destination, and later all of them are tried."""
    all_, lake, tap, otlp = group()
    lake.fails = tap.fails = otlp.fails = DestinationError("no network")
    with pytest.raises(DestinationError, match="no network"):
        all_.store(batch("a"))
    lake.fails = tap.fails = otlp.fails = None
    assert all_.store(batch("a")).undelivered == ()


def test_those_left_failing_while_one_is_in_trouble_keeps_the_batch() -> None:
    """No member has it, so none lacks it apart from the others."""
    all_, lake, tap, otlp = group()
    tap.fails = DestinationError("down")
    all_.store(batch("a"))
    lake.fails = otlp.fails = DestinationError("down, too")
    with pytest.raises(DestinationError, match="down, too"):
        all_.store(batch("b"), behind=frozenset({"tap"}))
    assert tap.asked == ["a"]


def test_what_two_lack_is_redelivered_to_each() -> None:
    """A destination that has the batch gets no further request."""
    all_, _, tap, otlp = group()
    tap.fails = otlp.fails = DestinationError("down")
    assert all_.store(batch("a")).undelivered == ("otlp", "tap")
    tap.fails = None
    assert all_.redeliver(batch("a"), ("otlp", "tap")).undelivered == ("otlp",)
    otlp.fails = None
    assert all_.redeliver(batch("a"), ("otlp",)).undelivered == ()
    assert (tap.has, otlp.has) == (["a"], ["a"])


def test_a_bug_of_ours_passes_through() -> None:
    """The caller keeps the batch as text then; it is no trouble of a destination's."""
    all_, lake, _, _ = group()
    lake.fails = ZeroDivisionError("bug")
    with pytest.raises(ZeroDivisionError):
        all_.store(batch("a"))


def test_commits_are_those_of_the_one_that_has_some() -> None:
    """The caller gets its errors."""
    all_, lake, _, _ = group()
    lake.commits = [2, BusyError("others were faster")]
    assert all_.commit(1) == 2
    with pytest.raises(BusyError):
        all_.commit(1)
