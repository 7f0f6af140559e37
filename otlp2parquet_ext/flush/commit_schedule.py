"""The schedule of commits: at most one in an interval (no I/O, no clock)."""

from __future__ import annotations

from msgspec import Struct

from otlp2parquet_ext.common.retry import left_ms


class CommitSchedule(Struct):
    """Whether a commit is due.

    Attributes:
        interval_ms: shortest time between two commits.
        last_ms: when the last commit succeeded, by the clock of `now_ms`; None before it.
        uncommitted: at least one stored batch is not visible yet.
    """

    interval_ms: int
    last_ms: int | None = None
    uncommitted: bool = False

    def changed(self) -> None:
        """Note that a batch is stored and not visible yet."""
        self.uncommitted = True

    def begun(self) -> None:
        """Note that a commit begins; it contains the batches stored by now, not later ones."""
        self.uncommitted = False

    def done(self, now_ms: int) -> None:
        """Note when a commit succeeded."""
        self.last_ms = now_ms

    def due(self, now_ms: int) -> bool:
        """Tell whether a commit is due now."""
        return self.uncommitted and self.allowed(now_ms)

    def allowed(self, now_ms: int) -> bool:
        """Tell whether a batch stored now may be committed at once."""
        return self._wait_ms(now_ms) == 0

    def due_in_ms(self, now_ms: int) -> int | None:
        """Return in how many ms a commit is due; None when nothing is uncommitted."""
        return self._wait_ms(now_ms) if self.uncommitted else None

    def _wait_ms(self, now_ms: int) -> int:
        if self.last_ms is None:
            return 0
        return left_ms(self.last_ms + self.interval_ms, now_ms, self.interval_ms)
