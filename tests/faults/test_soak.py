"""A short soak, and its page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from faults import soak_report
from faults.accounting import Books
from faults.scenario import FILE, GLUE, S3, SQLITE
from faults.soak import LaneResult, soak

if TYPE_CHECKING:
    from pathlib import Path

SEED = 1
SECONDS = 15
CHAOS = ("kills", "stops", "troubles", "floods", "forged")


@pytest.mark.e2e
@pytest.mark.thorough
@pytest.mark.parametrize("kinds", [(FILE, SQLITE), (S3,), (GLUE,)], ids="+".join)
def test_chaos_costs_no_event_and_doubles_none(kinds: tuple[str, ...], tmp_path: Path) -> None:
    """Kills, freezes, copies, endless answers, forgeries: committed once, or counted exactly."""
    for result in soak(SEED, SECONDS, tmp_path, kinds):
        assert result.broken == ()
        assert result.books.sent > 0
        assert sum(result.figures[name] for name in CHAOS) > 0


def test_the_page_says_what_a_soak_has_found(tmp_path: Path) -> None:
    """Foreign text in a message does not reach a terminal unchanged."""
    books = Books(sent=7, committed=5, inbox=0, spool=0, dropped=1, lost=1, twice=0)
    found = LaneResult("s3", 2, Counter(kills=4), books, 97.5, ("1 lost: \x1b[31m\u202e",))
    page = tmp_path / "reliability.md"
    page.write_text("before\n" + "\nold\n".join(soak_report.MARKERS) + "\nafter\n")
    for _ in range(2):
        soak_report.write(tmp_path, [found], "a head")
    told = page.read_text()
    assert told.startswith("before\n")
    assert told.endswith("\nafter\n")
    assert "| kills | 4 |" in told
    assert "| lost | 1 |" in told
    assert "- s3: 1 lost: \\x1b[31m\\u202e\n" in told
    assert soak_report.lines([found])[-1] == "BROKEN: s3: 1 lost: \\x1b[31m\\u202e"
