"""The health of the destination: which work may be tried now, and whether to hold invocations.

    failed(work), contended(work), worked(work)    from the workers
    hold_ended(), request_failed()                 from the flush during a hold
      --> wait_ms(work), may_try(work), may_hold()

No I/O, no clock: each call takes `now_ms` of the monotonic clock (`steady_ms`). A change of the
wall clock does not change a wait. Frozen time counts as waiting time, because the monotonic clock
goes on.
"""

from __future__ import annotations

import enum

from msgspec import Struct, field

from otlp2parquet_ext.common.hold_limits import LONGEST_HOLD_MS
from otlp2parquet_ext.common.retry import Retry

FIRST_TRIAL_MS = 60_000
"""Delay before the next trial hold after the first hold that timed out."""

LONGEST_TRIAL_MS = 3_600_000
"""Longest delay before a trial hold; the delay doubles with each trial that times out."""

HOLDS_FOR_IMPORTS = 2
"""Most holds that may time out because of our own imports; at 128 MB imports take one and a half
holds."""


class Work(enum.Enum):
    """One kind of work at the destination; each has a worker of its own."""

    STORE = "storing"
    COMMIT = "committing"
    REDELIVER = "redelivering"


def _trial() -> Retry:
    return Retry(FIRST_TRIAL_MS, LONGEST_TRIAL_MS)


class DestinationHealth(Struct):
    """The known state of the destination.

    A destination without history gets one trial hold. Each hold that times out doubles the delay
    before the next trial: 1 min up to 1 h. While work fails, no invocation is held.

    Attributes:
        failing: kinds of work that failed and have not succeeded since. Contention is no failure.
        retries: when each kind of work may be tried again.
        trial: when the next hold may be tried after one that timed out.
        failed_during_hold: a request failed while an invocation was held.
        import_holds: holds that timed out because of our own imports.
    """

    failing: set[Work] = field(default_factory=set)
    retries: dict[Work, Retry] = field(default_factory=dict)
    trial: Retry = field(default_factory=_trial)
    failed_during_hold: bool = False
    import_holds: int = 0

    def failures(self, work: Work) -> int:
        """Return the number of failures and contentions of work in a row."""
        return self._retry(work).failures

    def _retry(self, work: Work) -> Retry:
        return self.retries.setdefault(work, Retry())

    def failed(self, work: Work, now_ms: int) -> bool:
        """Note a failure; True for the first one in a row, which is logged."""
        first = work not in self.failing
        self.failing.add(work)
        self._retry(work).failed(now_ms)
        return first

    def delayed(self, work: Work, now_ms: int) -> None:
        """Double the pause before the next try, without counting the destination as failing."""
        self._retry(work).failed(now_ms)

    def contended(self, work: Work, now_ms: int, jitter_ms: int) -> None:
        """Note that other writers were faster; wait with jitter before the next try."""
        self._retry(work).postponed(now_ms, jitter_ms)

    def worked(self, work: Work, took_ms: int) -> int:
        """Note a success; return how many failures it ends, 0 if none of them was logged.

        Args:
            work: the kind of work that succeeded.
            took_ms: duration; a success within the limit of a hold counts as a successful hold.
        """
        ended = self._retry(work).failures if work in self.failing else 0
        self.failing.discard(work)
        self.retries[work] = Retry()
        if work is not Work.REDELIVER:
            self.failed_during_hold = False
            if took_ms <= LONGEST_HOLD_MS:
                self.trial = _trial()
        return ended

    def wait_ms(self, work: Work, now_ms: int) -> int:
        """Return the ms until work may be tried; 0 if it may be tried now."""
        return self._retry(work).wait_ms(now_ms)

    def may_try(self, work: Work, now_ms: int) -> bool:
        """Tell whether work may be tried now."""
        return self.wait_ms(work, now_ms) == 0

    def request_failed(self) -> None:
        """Note that a request failed during a hold."""
        self.failed_during_hold = True

    def hold_ended(self, now_ms: int, *, flushed: bool, loaded: bool = True) -> None:
        """Note the result of the flush during a hold.

        Args:
            now_ms: ms of `steady_ms`.
            flushed: everything was stored and, if it was due, committed within the hold.
            loaded: the libraries of the flush were imported. If not, our own imports took the time.
                Up to `HOLDS_FOR_IMPORTS` such holds do not count against the destination.
        """
        if flushed:
            self.trial = _trial()
        elif not loaded and self.import_holds < HOLDS_FOR_IMPORTS:
            self.import_holds += 1
        else:
            self.trial.failed(now_ms)

    def may_hold(self, now_ms: int) -> bool:
        """Tell whether an invocation may be held for a flush now."""
        held_back = (Work.STORE, Work.COMMIT)
        return not (
            self.failed_during_hold
            or self.trial.waits(now_ms)
            or any(w in self.failing or not self.may_try(w, now_ms) for w in held_back)
        )
