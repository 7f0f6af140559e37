"""The part of Lambda's context object that handlers of ours use."""

from __future__ import annotations

from typing import Protocol


class LambdaContext(Protocol):
    """What we need of Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until Lambda ends us, in ms."""
