"""What a function does all day, as numbers that have been checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

DAY_S = 86_400.0
MONTH_DAYS = 365 / 12
MONTH_S = MONTH_DAYS * DAY_S

EVENT_BYTES = 528
"""One event as the Telemetry API delivers it, in the mix of our benchmarks."""

ENVELOPE_BYTES = 64
"""Of those, what the Telemetry API wraps around a log line: time, type, record, a comma."""

LIFETIME_S = 7_200.0
"""How long an execution environment lives: AWS says hours, and no number."""


class WorkloadError(ValueError):
    """A number that no workload has; the message names it and what is valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One function in one region; load is even over the day and over the environments.

    Attributes:
        per_second: invocations.
        events: an invocation's telemetry events, the platform's three among them.
        size_bytes: all of them, as the Telemetry API delivers them.
        duration_ms: of an invocation.
        environments: execution environments that are alive at once.
        lifetime_s: of one.
        memory_mb: of the function.
        architecture: `x86_64` or `arm64`.
        retention_days: how long telemetry is kept.
        committer_every_s: the most time between two runs of a committer; COMMIT=inbox only.
        woken_by: `events` of the bucket through a queue, or a `schedule`.
        hold_ms: what a held invocation is billed longer for a flush; the first of an environment
            is taken to use up what is allowed.
        shutdown_ms: what an environment's end is billed for its last flush.
    """

    per_second: float
    events: float
    size_bytes: float
    duration_ms: float
    environments: float
    lifetime_s: float
    memory_mb: float
    architecture: str
    retention_days: float
    committer_every_s: float
    woken_by: str
    hold_ms: float
    shutdown_ms: float

    def __post_init__(self) -> None:
        """Refuse what no workload has.

        Raises:
            WorkloadError: see there.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str):
                continue
            at_least_0 = field.name in ("hold_ms", "shutdown_ms")
            if not (math.isfinite(value) and (value > 0 or (at_least_0 and value == 0))):
                least = "at least 0" if at_least_0 else "more than 0"
                raise WorkloadError(f"{field.name}={value}: expected a number, {least}")
        busy = self.per_second * self.duration_ms / 1_000
        if busy > self.environments * 1.000001:
            raise WorkloadError(
                f"environments={self.environments:g}: {self.per_second:g} invocations/s of "
                f"{self.duration_ms:g} ms keep {busy:.3g} environments busy: expected no fewer"
            )

    @property
    def gap_ms(self) -> float:
        """Time from one invocation of an environment to its next."""
        return self.environments / self.per_second * 1_000

    @property
    def invocations_a_day(self) -> float:
        """Of the whole function."""
        return self.per_second * DAY_S

    @property
    def starts_a_day(self) -> float:
        """Environments that start, and end, in a day; no more than there are invocations."""
        return min(self.environments * DAY_S / self.lifetime_s, self.invocations_a_day)
