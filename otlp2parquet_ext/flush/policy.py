"""When to flush, when to hold an invocation, how to spend the shutdown window (no I/O, no clock).

    Buffered + Thresholds + now_ms --due()--> FlushReason or None
    strategy + what is known       --holds()--> Hold or None (how long: common/hold_limits.py)
    deadline + what storing costs  --drain_until_ms()--> how long the receiver stays open

Soft limits only: `Thresholds` say when a segment is *worth flushing*; what the spool will *hold*
is the spool's affair.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from msgspec import Struct

from otlp2parquet_ext.common.retry import left_ms

if TYPE_CHECKING:
    from otlp2parquet_ext.common.settings.settings import FlushStrategy

FREQUENT_GAP_MS = 10_000
"""Invocations closer together than this are frequent: the next one soon flushes for this one."""

QUIET_MS = 100
"""Silence after SHUTDOWN that counts as the end when no `platform.report` is still to come."""

FIRST_STORE_MS = 700
"""What storing a batch is taken to cost before it has been measured."""

LEAST_STORE_MS, LONGEST_STORE_MS = 200, 1_000
"""Bounds of what a store is taken to cost: time for it is kept in the shutdown window, and a store
that was frozen half way may not take all of it."""

COMMIT_IMPORTS = 2
"""A first commit is taken to cost this many times the agent's own imports."""

FIRST_DELIVERY_WAIT_MS = 1_000
LONGEST_SILENCE_MS = 10_000
"""Silence after which the end of an invocation is not expected any more; the first bound holds
where nothing has ever been delivered."""

FINAL_PAUSES_MS = (100, 200, 400)
"""Before each further try of a last flush: one refused request may not cost what we hold."""

MARGIN_MS = 100
"""Kept back from every deadline: the clock of who kills us is not ours."""


class FlushReason(enum.StrEnum):
    """Why a batch is flushed."""

    ITEMS = "items"
    BYTES = "bytes"
    AGE = "age"
    END = "end of invocation"
    SHUTDOWN = "shutdown"


class Hold(enum.StrEnum):
    """Why an invocation is held until its telemetry is flushed."""

    STRATEGY = "strategy end"
    FIRST = "first invocation: nobody knows when the next one comes"
    RARE = "invocations are rare"
    LOADING = "frozen now, what stores batches would not be there in time for SHUTDOWN"


class Thresholds(Struct, frozen=True):
    """Soft limits: events, bytes, and milliseconds since the oldest event came."""

    max_items: int
    max_bytes: int
    timeout_ms: int


class Buffered(Struct, frozen=True):
    """What waits in the open segment; `since_ms`: when its oldest event came, 0 when empty."""

    items: int
    size_bytes: int
    since_ms: int


def due(thresholds: Thresholds, buffered: Buffered, now_ms: int) -> FlushReason | None:
    """Return why the open segment is worth flushing now, None when it is not."""
    if buffered.items == 0:
        return None
    if buffered.items >= thresholds.max_items:
        return FlushReason.ITEMS
    if buffered.size_bytes >= thresholds.max_bytes:
        return FlushReason.BYTES
    if due_in_ms(thresholds, buffered, now_ms) == 0:
        return FlushReason.AGE
    return None


def due_in_ms(thresholds: Thresholds, buffered: Buffered, now_ms: int) -> int | None:
    """Return in how many ms age alone makes the segment due; None when it is empty.

    Frozen time counts as age: what waited through a freeze is due at once, and once.
    """
    if buffered.items == 0:
        return None
    return left_ms(buffered.since_ms + thresholds.timeout_ms, now_ms, thresholds.timeout_ms)


def holds(
    strategy: FlushStrategy, typical_gap_ms: int | None, *, loaded: bool = True
) -> Hold | None:
    """Return why this invocation is held until its telemetry is flushed, None when it is not.

    A held invocation costs the time until `platform.runtimeDone` has been delivered and the batch
    is flushed; the caller has its answer already. One that is not held leaves its last lines to
    the next invocation or to SHUTDOWN.

    Args:
        strategy: the setting `flush`.
        typical_gap_ms: between invocations, None while there was one only.
        loaded: what makes and stores batches is imported. Importing may take two holds
            (`health.HOLDS_FOR_IMPORTS`): the environment freezes in between, and SHUTDOWN leaves
            two seconds.
    """
    if strategy == "end":
        return Hold.STRATEGY
    if strategy == "threshold":
        return None
    if typical_gap_ms is None:
        return Hold.FIRST
    if typical_gap_ms > FREQUENT_GAP_MS:
        return Hold.RARE
    return None if loaded else Hold.LOADING


def wait_for_end_until_ms(started_ms: int, deadline_ms: int, *, last_delivery_ms: int) -> int:
    """Return until when the end of an invocation is waited for, by the clock of the arguments.

    The end may never be reported: an emulator delivers nothing, the platform drops what it cannot
    deliver. So no invocation is held through a long silence. A function that is silent for longer
    is not held at its end; that costs a later flush, and waiting would cost billed time.

    Args:
        started_ms: when the invocation began.
        deadline_ms: when the function times out.
        last_delivery_ms: when the latest delivery came, 0 when none ever did.
    """
    silence_ms = LONGEST_SILENCE_MS if last_delivery_ms else FIRST_DELIVERY_WAIT_MS
    return min(deadline_ms - MARGIN_MS, max(started_ms, last_delivery_ms) + silence_ms)


def store_cost_ms(took_ms: int) -> int:
    """Return what storing a batch is taken to cost after it `took_ms`."""
    return min(max(took_ms, LEAST_STORE_MS), LONGEST_STORE_MS)


def first_commit_ms(import_ms: int) -> int:
    """Return what a first commit will cost in an environment whose imports took `import_ms`."""
    return COMMIT_IMPORTS * import_ms


def drain_until_ms(
    *,
    report_pending: bool,
    now_ms: int,
    last_delivery_ms: int,
    deadline_ms: int,
    store_cost_ms: int,
) -> int:
    """Return until when the receiver goes on listening after SHUTDOWN, by the arguments' clock.

    While a `platform.report` is still to come: as long as the deadline leaves room for the flush.
    Else until `QUIET_MS` of silence. Never beyond what storing needs, never before `now_ms`.

    Args:
        report_pending: the last `platform.report` has not come.
        now_ms: the present.
        last_delivery_ms: when SHUTDOWN or the latest delivery came, whichever is later.
        deadline_ms: when SIGKILL follows.
        store_cost_ms: what storing has lately cost.
    """
    latest = deadline_ms - MARGIN_MS - store_cost_ms
    wanted = latest if report_pending else last_delivery_ms + QUIET_MS
    return max(now_ms, min(wanted, latest))
