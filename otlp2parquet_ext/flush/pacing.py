"""When to try again: after a failure, after a commit, after an invocation held in vain.

    Retry     a destination in trouble is left alone, longer each time
    Holding   whether it is good enough to hold an invocation for
    Commits   at most one in an interval

No I/O, no clock: every question comes with `now_ms`. Frozen time counts as waited, for the clock
goes on; a clock that was set back ends the wait, for nothing is known then.
"""

from __future__ import annotations

from msgspec import Struct, field

from otlp2parquet_ext.common.hold_limits import LONGEST_HOLD_MS
from otlp2parquet_ext.common.retry import Retry, left_ms

FIRST_LENT_MS = 60_000
LONGEST_LENT_MS = 3_600_000
"""For how long no invocation is held after one was held in vain: doubling from the first."""

HOLDS_FOR_IMPORTS = 2
"""Holds that may be spent on our own imports: at 128 MB they take one and a half."""


class HoldPolicy(Struct):
    """Whether a destination is good enough to hold an invocation for.

    One that has never answered is lent a hold, for somebody has to find out; what a hold is spent
    on in vain makes the next one wait: a minute, two, up to an hour. So what a silent or a slow
    destination costs has a bound. (For one that fails nobody is held at all: see `Flusher`.)
    """

    doubted: bool = False  # a request failed while an invocation was held for it
    in_vain: Retry = field(default_factory=lambda: Retry(FIRST_LENT_MS, LONGEST_LENT_MS))
    spent_on_imports: int = 0

    def ended(self, now_ms: int, *, flushed: bool, loaded: bool = True) -> None:
        """Note how the flush that an invocation was held for ended.

        Args:
            now_ms: the present.
            flushed: everything was stored and, if it was time, committed within the hold.
            loaded: what makes and stores batches was; else the time went to our own imports, and
                says nothing of the destination. At a fourteenth of a CPU two holds may do so.
        """
        if flushed:
            self.in_vain = Retry(FIRST_LENT_MS, LONGEST_LENT_MS)
        elif not loaded and self.spent_on_imports < HOLDS_FOR_IMPORTS:
            self.spent_on_imports += 1
        else:
            self.in_vain.failed(now_ms)

    def worked(self, took_ms: int) -> None:
        """Note that work ended well, beside invocations: in the time of a hold it counts as one."""
        self.doubted = False
        if took_ms <= LONGEST_HOLD_MS:
            self.in_vain = Retry(FIRST_LENT_MS, LONGEST_LENT_MS)

    def refuses(self, now_ms: int) -> bool:
        """Tell whether no invocation is held now."""
        return self.doubted or self.in_vain.waits(now_ms)


class CommitSchedule(Struct):
    """When what is stored becomes visible: at most one commit in `interval_ms`."""

    interval_ms: int
    last_ms: int = 0
    waiting: bool = False

    def changed(self) -> None:
        """Note that something is stored that no commit has made visible."""
        self.waiting = True

    def begun(self) -> None:
        """Note that a commit takes what is stored by now; what is stored later waits again."""
        self.waiting = False

    def done(self, now_ms: int) -> None:
        """Note when a commit succeeded."""
        self.last_ms = now_ms

    def due(self, now_ms: int) -> bool:
        """Tell whether it is worth committing now."""
        return self.waiting and self.allowed(now_ms)

    def allowed(self, now_ms: int) -> bool:
        """Tell whether what is stored now may be committed at once."""
        return self._wait_ms(now_ms) == 0

    def due_in_ms(self, now_ms: int) -> int | None:
        """Return in how many ms a commit is due; None when nothing waits for one."""
        return self._wait_ms(now_ms) if self.waiting else None

    def _wait_ms(self, now_ms: int) -> int:
        return left_ms(self.last_ms + self.interval_ms, now_ms, self.interval_ms)
