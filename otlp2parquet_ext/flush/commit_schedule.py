"""When what is stored becomes visible: at most one commit in an interval (no I/O, no clock)."""

from __future__ import annotations

from msgspec import Struct

from otlp2parquet_ext.common.retry import left_ms


class CommitSchedule(Struct):
    """Whether a commit is due.

    Attributes:
        interval_ms: least time between two commits.
        last_ms: when the last commit succeeded, by the clock of `now_ms`; None before it.
        uncommitted: something is stored that no commit has made visible.
    """

    interval_ms: int
    last_ms: int | None = None
    uncommitted: bool = False

    def changed(self) -> None:
        """Note that something is stored that no commit has made visible."""
        self.uncommitted = True

    def begun(self) -> None:
        """Note that a commit takes what is stored by now; the next store waits for another."""
        self.uncommitted = False

    def done(self, now_ms: int) -> None:
        """Note when a commit succeeded."""
        self.last_ms = now_ms

    def due(self, now_ms: int) -> bool:
        """Tell whether it is worth committing now."""
        return self.uncommitted and self.allowed(now_ms)

    def allowed(self, now_ms: int) -> bool:
        """Tell whether what is stored now may be committed at once."""
        return self._wait_ms(now_ms) == 0

    def due_in_ms(self, now_ms: int) -> int | None:
        """Return in how many ms a commit is due; None when nothing is uncommitted."""
        return self._wait_ms(now_ms) if self.uncommitted else None

    def _wait_ms(self, now_ms: int) -> int:
        if self.last_ms is None:
            return 0
        return left_ms(self.last_ms + self.interval_ms, now_ms, self.interval_ms)
