"""The number of attempts of a lost commit and the pauses between them, by common/retry.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.retry import Attempts

if TYPE_CHECKING:
    from otlp2parquet_ext.common.steady_deadline import SteadyDeadline

FIRST_WAIT_MS, LONGEST_WAIT_MS = 7, 700
"""First and longest pause: a commit takes milliseconds on a disk, and some hundreds of them on a
remote catalog."""


def commit_attempts(deadline: SteadyDeadline, most: int | None = None) -> Attempts:
    """Return the attempts of one commit; see `Attempts`."""
    return Attempts(FIRST_WAIT_MS, LONGEST_WAIT_MS, most=most, deadline=deadline)
