"""The load of a function, as validated numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

DAY_S = 86_400.0
MONTH_DAYS = 365 / 12
MONTH_S = MONTH_DAYS * DAY_S

EVENT_BYTES = 528
"""Average bytes of an event as delivered, in the mix of our benchmarks."""

ENVELOPE_BYTES = 64
"""Bytes of these that the Telemetry API adds to a log line: time, type, record, a comma."""

LIFETIME_S = 7_200.0
"""Seconds that an execution environment lives. AWS says hours, without a number."""


class WorkloadError(ValueError):
    """An invalid number; the message names it and the valid values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One function in one region; load is even over the day and over the environments.

    Attributes:
        per_second: invocations per second.
        events: an invocation's telemetry events, the platform's three among them.
        size_bytes: bytes of these events, as delivered.
        duration_ms: duration of an invocation.
        environments: execution environments that are alive at once.
        lifetime_s: lifetime of an environment.
        memory_mb: memory of the function.
        architecture: `x86_64` or `arm64`.
        retention_days: how long telemetry is kept.
        committer_every_s: longest time between two runs of a committer; only with COMMIT=inbox.
        woken_by: `events` of the bucket through a queue, or a `schedule`.
        hold_ms: billed time that a hold adds. The first hold of an environment is assumed to take
            the longest allowed time.
        shutdown_ms: billed time of an environment's last flush.
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
        """Refuse invalid numbers.

        Raises:
            WorkloadError: a number is invalid.
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
        """Invocations of the whole function in a day."""
        return self.per_second * DAY_S

    @property
    def starts_a_day(self) -> float:
        """Environments that start, and end, in a day; at most the number of invocations."""
        return min(self.environments * DAY_S / self.lifetime_s, self.invocations_a_day)
