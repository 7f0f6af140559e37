"""When to flush, when to hold an invocation, how to use the shutdown window (no I/O, no clock).

    Buffered + Thresholds + now_ms --due()--> FlushReason or None
    strategy + typical gap         --holds()--> Hold or None (how long: common/hold_limits.py)
    deadline + duration of a store --drain_until_ms()--> how long the receiver stays open

This module has only soft limits: `Thresholds` say when a segment is *worth flushing*. The spool has
the hard limits on what it will *hold*.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from msgspec import Struct

from otlp2parquet_ext.common.retry import left_ms

if TYPE_CHECKING:
    from otlp2parquet_ext.common.settings.settings import FlushStrategy

FREQUENT_GAP_MS = 10_000
"""Longest gap between frequent invocations. The next invocation soon flushes the telemetry of this
one."""

QUIET_MS = 100
"""Silence after SHUTDOWN that ends the wait for deliveries if no `platform.report` is pending."""

FIRST_STORE_MS = 700
"""Expected duration of a store before the first one is measured."""

LEAST_STORE_MS, LONGEST_STORE_MS = 200, 1_000
"""Shortest and longest expected duration of a store. The shutdown window reserves this time, and
one store that a freeze interrupted must not reserve all of it."""

COMMIT_IMPORTS = 2
"""Expected duration of a first commit, as a multiple of the agent's import time."""

FIRST_DELIVERY_WAIT_MS = 1_000
LONGEST_SILENCE_MS = 10_000
"""Longest silence before the end of an invocation is not expected any more. Before the first
delivery, `FIRST_DELIVERY_WAIT_MS` applies instead."""

FINAL_PAUSES_MS = (100, 200, 400)
"""Pauses before the retries of the last flush, so that one refused request does not lose telemetry.
"""

MARGIN_MS = 100
"""Reserve before every deadline, because Lambda's clock may differ from ours."""


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
    FIRST = "first invocation: the gap to the next one is unknown"
    RARE = "invocations are rare"
    LOADING = "the libraries of a store are not imported; SHUTDOWN leaves too little time for it"


class Thresholds(Struct, frozen=True):
    """Soft limits: events, bytes, and milliseconds since the receipt of the oldest event."""

    max_items: int
    max_bytes: int
    timeout_ms: int


class Buffered(Struct, frozen=True):
    """The content of the open segment; `since_ms`: receipt of its oldest event, 0 if empty."""

    items: int
    size_bytes: int
    since_ms: int


def due(thresholds: Thresholds, buffered: Buffered, now_ms: int) -> FlushReason | None:
    """Return why the open segment is worth flushing now; None if it is not."""
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
    """Return the ms until the segment is due by its age; None if it is empty.

    Frozen time counts as age, so a segment that waited through a freeze is due at once.
    """
    if buffered.items == 0:
        return None
    return left_ms(buffered.since_ms + thresholds.timeout_ms, now_ms, thresholds.timeout_ms)


def holds(
    strategy: FlushStrategy, typical_gap_ms: int | None, *, loaded: bool = True
) -> Hold | None:
    """Return why this invocation is held until its telemetry is flushed; None if it is not held.

    A hold adds billed time until `platform.runtimeDone` is delivered and the batch is flushed; the
    caller already has its answer. Without a hold, the invocation's last lines are flushed by the
    next invocation or at SHUTDOWN.

    Args:
        strategy: the setting `flush`.
        typical_gap_ms: time between invocations; None after only one.
        loaded: the libraries that make and store batches are imported. Importing may take two holds
            (`health.HOLDS_FOR_IMPORTS`), because the environment freezes after each. SHUTDOWN
            leaves only two seconds for it.
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
    """Return the time until which to wait for an invocation's end, by the arguments' clock.

    The report of the end may never come: an emulator delivers nothing, and the platform drops
    deliveries that fail. So a hold ends after a long silence. If a function is silent for longer,
    its telemetry is flushed later; to wait would add billed time.

    Args:
        started_ms: when the invocation began.
        deadline_ms: time of the function's timeout.
        last_delivery_ms: time of the latest delivery; 0 before the first.
    """
    silence_ms = LONGEST_SILENCE_MS if last_delivery_ms else FIRST_DELIVERY_WAIT_MS
    return min(deadline_ms - MARGIN_MS, max(started_ms, last_delivery_ms) + silence_ms)


def store_cost_ms(took_ms: int) -> int:
    """Return the expected duration of a store after one that `took_ms`."""
    return min(max(took_ms, LEAST_STORE_MS), LONGEST_STORE_MS)


def first_commit_ms(import_ms: int) -> int:
    """Return the expected duration of a first commit if the imports took `import_ms`."""
    return COMMIT_IMPORTS * import_ms


def drain_until_ms(
    *,
    report_pending: bool,
    now_ms: int,
    last_delivery_ms: int,
    deadline_ms: int,
    store_cost_ms: int,
) -> int:
    """Return the time until which the receiver listens after SHUTDOWN, by the arguments' clock.

    While a `platform.report` is pending, it listens as long as the deadline leaves time for the
    flush. Otherwise it stops after `QUIET_MS` of silence. The result always leaves time for a
    store, and is never before `now_ms`.

    Args:
        report_pending: the last `platform.report` has not arrived.
        now_ms: current time.
        last_delivery_ms: time of SHUTDOWN or of the latest delivery, whichever is later.
        deadline_ms: time of SIGKILL.
        store_cost_ms: recent duration of a store.
    """
    latest = deadline_ms - MARGIN_MS - store_cost_ms
    wanted = latest if report_pending else last_delivery_ms + QUIET_MS
    return max(now_ms, min(wanted, latest))
