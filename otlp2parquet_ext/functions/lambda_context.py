"""The part of Lambda's context object that our handlers use."""

from __future__ import annotations

from typing import Protocol


class LambdaContext(Protocol):
    """Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until Lambda ends the invocation, in ms."""
