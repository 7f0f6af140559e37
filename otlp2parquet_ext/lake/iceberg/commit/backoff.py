"""How long who was too late waits before the next attempt."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_WAIT_S = 0.005
LONGEST_WAIT_S = 0.5


def waits() -> Iterator[float]:
    """Yield the pauses between attempts: growing, bounded, and never in step with others."""
    wait_s = FIRST_WAIT_S
    while True:
        yield wait_s * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret
        wait_s = min(wait_s * 2, LONGEST_WAIT_S)
