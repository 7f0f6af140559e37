"""Decides the next actions, from the queue and the destination's health (no I/O, no clock).

    queue, health, now_ms --plan()--> actions to begin now, and when to plan again

The flusher carries out the actions. It plans again after each delivery or request, after each job
of a worker, and after `wake_ms`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from otlp2parquet_ext.flush import policy
from otlp2parquet_ext.flush.health import Work
from otlp2parquet_ext.flush.policy import FlushReason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.flush.commit_schedule import CommitSchedule
    from otlp2parquet_ext.flush.health import DestinationHealth
    from otlp2parquet_ext.flush.policy import Buffered, Thresholds


class FlushAction(enum.Enum):
    """An action to begin."""

    SEAL = "close the open segment"
    STORE = "store sealed segments"
    COMMIT = "commit stored segments"
    REDELIVER = "send segments to destinations that lack them"
    ABANDON_STORE = "abandon a store that does not end"
    ABANDON_COMMIT = "abandon a commit that does not end"
    ABANDON_REDELIVERY = "abandon a redelivery that does not end"


STEP_LIMIT_MS = 120_000
"""Longest store, commit or redelivery of a batch, without frozen time. The deadlines of its
requests normally end it earlier: after 30 s, or a few times that with several destinations or
parts."""


class FlushPlan(NamedTuple):
    """Actions in order, and milliseconds until the next plan; None if no time is set."""

    actions: tuple[FlushAction, ...]
    wake_ms: int | None


class Pending(Struct, frozen=True):
    """The unsafe telemetry, as far as the plan depends on it.

    Attributes:
        open: the open segment.
        thresholds: soft limits of the open segment.
        unsealed: the open segment exists, or losses are counted that no row reports.
        waiting: a sealed segment is not stored.
        undelivered: a destination lacks a stored segment, which may be redelivered.
        commits: the commit schedule.
        busy: kinds of work that are running.
        ending: SHUTDOWN has come, so no later delivery would flush the open segment.
        running_ms: duration of the running function of each thread that may be abandoned, without
            frozen time. Idle threads are left out.
        step_limit_ms: see `STEP_LIMIT_MS`.
    """

    open: Buffered
    thresholds: Thresholds
    commits: CommitSchedule
    unsealed: bool = False
    waiting: bool = False
    undelivered: bool = False
    busy: frozenset[Work] = frozenset()
    ending: bool = False
    running_ms: Mapping[Work, int] = field(default_factory=dict)
    step_limit_ms: int = STEP_LIMIT_MS

    def seal_reason(self, now_ms: int) -> FlushReason | None:
        """Return why the open segment is closed now; None if it stays open."""
        if self.ending and self.unsealed:
            return FlushReason.SHUTDOWN
        return policy.due(self.thresholds, self.open, now_ms)

    def due_in_ms(self, now_ms: int, *, sealed: bool) -> dict[Work, int | None]:
        """Return the ms until each kind of work is due; None if it is not."""
        store = 0 if sealed else policy.due_in_ms(self.thresholds, self.open, now_ms)
        return {
            Work.STORE: store,
            Work.COMMIT: self.commits.due_in_ms(now_ms),
            Work.REDELIVER: 0 if self.undelivered else None,
        }


ACTION_OF = {
    Work.STORE: FlushAction.STORE,
    Work.COMMIT: FlushAction.COMMIT,
    Work.REDELIVER: FlushAction.REDELIVER,
}

ABANDON_ACTION_OF = {
    Work.STORE: FlushAction.ABANDON_STORE,
    Work.COMMIT: FlushAction.ABANDON_COMMIT,
    Work.REDELIVER: FlushAction.ABANDON_REDELIVERY,
}


def plan(pending: Pending, health: DestinationHealth, now_ms: int) -> FlushPlan:
    """Return the actions to begin now, and the time until the next plan.

    While storing fails, no segment is sealed: the open segment grows, retries back off, and no
    invocation is held. While committing fails, storing continues.

    Args:
        pending: the unsafe telemetry.
        health: says which work may be tried.
        now_ms: ms of `steady_ms`.
    """
    actions: list[FlushAction] = []
    waits: list[int] = []
    seals = pending.seal_reason(now_ms) is not None
    due = pending.due_in_ms(now_ms, sealed=seals or pending.waiting)
    for work in Work:
        due_ms = due[work]
        if due_ms is None or work in pending.busy:
            continue  # the flusher plans again when the job of a busy worker ends
        wait_ms = max(due_ms, health.wait_ms(work, now_ms))
        if wait_ms:
            waits.append(wait_ms)
            continue
        if work is Work.STORE and seals:
            actions.append(FlushAction.SEAL)
        actions.append(ACTION_OF[work])
    if pending.busy or actions:
        waits.append(pending.step_limit_ms)  # a function that begins later also ends later
    for work, running_ms in pending.running_ms.items():
        if running_ms < pending.step_limit_ms:
            waits.append(pending.step_limit_ms - running_ms)
        else:
            actions.append(ABANDON_ACTION_OF[work])
    return FlushPlan(tuple(actions), min(waits, default=None))
