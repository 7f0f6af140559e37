"""How often, and with which pauses, a lost commit is attempted again: common/retry.py does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.retry import Attempts

if TYPE_CHECKING:
    from otlp2parquet_ext.common.steady_deadline import SteadyDeadline

FIRST_WAIT_MS, LONGEST_WAIT_MS = 7, 700
"""A commit takes milliseconds on a disk and some hundreds on a catalog far away."""


def commit_attempts(deadline: SteadyDeadline, most: int | None = None) -> Attempts:
    """Return the attempts of one commit; see `Attempts`."""
    return Attempts(FIRST_WAIT_MS, LONGEST_WAIT_MS, most=most, deadline=deadline)
