"""Attempts of one call: counted, spread, and within a deadline."""

from __future__ import annotations

import re
import time
from pathlib import Path

from otlp2parquet_ext.common.retry import Attempts, jitter_ms
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline

ROOT = Path(__file__).parents[2] / "otlp2parquet_ext"
OWNER = "common/retry.py"
RANDOM = {
    "lake/iceberg/upkeep/cleaning.py": "takes some of the notes at random",
    "tools/local/sample/app.py": "pretends to work",
}
"""Modules that use `random`, and what for."""


def in_ms(left_ms: float) -> SteadyDeadline:
    """Return a deadline that many ms ahead."""
    return SteadyDeadline(time.time() * 1_000 + left_ms)


def test_pauses_grow_differ_and_end() -> None:
    """Hundreds of environments that were refused together must not come back together."""
    all_attempts = [Attempts(50, 5_000) for _ in range(50)]
    pauses = [[attempts.pause_ms() or 0 for attempts in all_attempts] for _ in range(12)]
    assert all(len(set(some)) > 10 for some in pauses)
    for number, some in enumerate(pauses):
        bound_ms = min(50 * 2**number, 5_000)
        assert bound_ms / 2 <= min(some)
        assert max(some) <= bound_ms


def test_attempts_are_counted_and_the_last_one_is_not_paused_after() -> None:
    """An error names the number of attempts; pausing before giving up helps no one."""
    attempts = Attempts(1, 1, most=3)
    assert [attempts.again() for _ in range(4)] == [True, True, False, False]
    assert attempts.made == 3


def test_no_pause_goes_on_until_the_deadline() -> None:
    """The attempt after it could not end in time."""
    assert Attempts(100, 100, deadline=in_ms(49)).pause_ms() is None
    assert Attempts(100, 100, deadline=in_ms(-1)).pause_ms() is None
    assert Attempts(100, 100, deadline=in_ms(60_000)).pause_ms() is not None


def test_a_server_that_asks_for_patience_gets_it() -> None:
    """A throttled request begins with a longer pause than a lost one."""
    assert (Attempts(50, 5_000).pause_ms(200) or 0) >= 100


def test_jitter_is_below_its_bound() -> None:
    """Zero is allowed: some writer has to be first."""
    assert {jitter_ms(3) for _ in range(1_000)} == {0, 1, 2}
    assert jitter_ms(1) == 0


def modules_with(pattern: str) -> set[str]:
    """Return the modules of the package in which a line matches."""
    return {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if re.search(pattern, path.read_text(), re.MULTILINE)
    }


def test_pauses_and_jitter_have_one_owner() -> None:
    """A second loop would have other bounds, and miss fixes of the first."""
    jitter = r"^\s*(import|from) random|from_bytes\(os\.urandom"
    assert modules_with(jitter) == {OWNER, *RANDOM}
    assert {m for m in modules_with(r"time\.sleep\(") if not m.startswith("tools/")} == {OWNER}
