"""Computes files, commits, requests and bytes per day from a workload and the settings.

The rules are those of the flush (flush/policy.py), with an even load. If real load varies, for
example in bursts, the model counts the more expensive case: more flushes, smaller files.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.flush.policy import holds
from otlp2parquet_ext.lake.destinations.destination_list import lake_of, parse_all
from otlp2parquet_ext.tools.cost.requests import (
    AGAIN,
    COMMIT,
    DESCRIBE,
    LOOK,
    REFRESH,
    RUN,
    STORE,
    TAKE,
    RequestKind,
    Requests,
    at,
)
from otlp2parquet_ext.tools.cost.workload import DAY_S, Workload, WorkloadError

if TYPE_CHECKING:
    from otlp2parquet_ext.common.settings.settings import Settings

FILE_BYTES = 5_800
"""Fixed bytes of every Parquet file: footer, bloom filters, dictionaries."""

STORED_SHARE = 0.072
"""Stored bytes per byte of JSON telemetry, measured on the mix of our benchmarks."""

COMMITS_PER_SECOND = 3.0
"""Most commits per second of a table on a remote catalog, of all writers together (docs/scale.md).
"""

LOOK_INTERVAL_MS = 300_000
"""Interval between two inbox listings of a direct environment."""

KINDS = {
    "file": RequestKind.DISK,
    "s3": RequestKind.PLAIN,
    "sqlite": RequestKind.DISK,
    "s3tables": RequestKind.S3_TABLES,
    "glue": RequestKind.GLUE,
    "rest": RequestKind.REST,
    "catalog": RequestKind.REST,
}
PLAIN = ("file", "s3")


class Volumes(NamedTuple):
    """The volumes of a day, for all environments together.

    Attributes:
        kind: kind of destination.
        held: invocations that are held, and billed, until they are flushed.
        flushes: files written; each is one flush.
        stored_bytes: bytes of these files.
        commits: snapshots of the table.
        lost_attempts: least number of commits that lost to other writers.
        described: files with a descriptor in the inbox.
        committer_runs: runs of a committer; 0 without one.
        requests: all of them.
        visible_after_s: typical time from an event to its visible row.
    """

    kind: RequestKind
    held: float
    flushes: float
    stored_bytes: float
    commits: float
    lost_attempts: float
    described: float
    committer_runs: float
    requests: Requests
    visible_after_s: float


def flushes_per_invocation(work: Workload, settings: Settings) -> float:
    """Return the number of files per invocation; below 1 if several share a file.

    A batch is flushed when it is old enough. Its age counts from the first delivery, which may come
    `platform_timeout_ms` late. A frozen environment does nothing, so a waiting batch is flushed
    during the next invocation if it is old enough then.
    """
    period_ms = settings.timeout_ms + settings.platform_timeout_ms
    within = math.floor(work.duration_ms / period_ms)
    if holds(settings.flush, int(work.gap_ms)) is not None:
        by_age = 1.0 + within
    else:
        # If an invocation ends before its first delivery, its events arrive during the next one.
        # They join the batch that is already old enough, so the next batch begins one invocation
        # later.
        late = work.duration_ms < settings.platform_timeout_ms
        by_age = 1 / (math.ceil(settings.timeout_ms / work.gap_ms) + late) + within
    fill = max(work.size_bytes / settings.max_bytes, work.events / settings.max_items)
    by_size = math.ceil(fill) if fill >= 1 else 1 / math.ceil(1 / fill)
    return max(by_age, by_size)


def volumes(work: Workload, settings: Settings) -> Volumes:
    """Return the volumes of a day.

    Raises:
        AddressError: the settings name no destination with tables.
        WorkloadError: the destination needs the setting of an inbox; or the commit strategy has no
            model.
    """
    if settings.commit == "relay":
        raise WorkloadError(
            "OTLP2PARQUET_COMMIT='relay': expected direct or inbox, for the cost of relay has no "
            "model yet"
        )
    address = lake_of(parse_all(settings.destination))
    kind = KINDS[address.kind]
    if kind is RequestKind.S3_TABLES and settings.commit == "inbox" and not settings.inbox:
        raise WorkloadError("OTLP2PARQUET_COMMIT='inbox' needs OTLP2PARQUET_INBOX with S3 Tables")
    per_invocation = flushes_per_invocation(work, settings)
    held = _held(work, settings)
    # The end of an environment flushes telemetry after its last invocation, at least the report.
    flushes = per_invocation * work.invocations_a_day + work.starts_a_day
    if held < work.invocations_a_day:
        flushes += held
    stored = flushes * FILE_BYTES + work.size_bytes * work.invocations_a_day * STORED_SHARE
    day = Volumes(
        kind, held, flushes, stored, 0, 0, 0, 0, STORE.times(flushes), _waits_s(work, settings)
    )
    if address.kind in PLAIN:
        return day
    if settings.commit != "direct":
        return _with_committer(day, work)
    return _with_direct_commits(day, work, settings, work.gap_ms / per_invocation)


def _held(work: Workload, settings: Settings) -> float:
    """Return the number of held invocations per day.

    With `adaptive`, the first one of an environment is held, because the gap to the next is
    unknown.
    """
    if holds(settings.flush, int(work.gap_ms)) is not None:
        return work.invocations_a_day
    return work.starts_a_day if holds(settings.flush, None) is not None else 0.0


def _with_direct_commits(
    day: Volumes, work: Workload, settings: Settings, flush_gap_ms: float
) -> Volumes:
    """Add the commits of the environments themselves.

    A file needs a descriptor only if its commit must wait for the interval.
    """
    interval_ms = settings.commit_interval_ms
    waits = flush_gap_ms < interval_ms
    commit_gap_ms = flush_gap_ms * math.ceil(interval_ms / flush_gap_ms) if waits else flush_gap_ms
    # The first flush of an environment is followed by a commit, and so is its last.
    life_ms = work.environments * DAY_S * 1_000 / work.starts_a_day
    wanted = work.starts_a_day * (max(1.0, life_ms / commit_gap_ms) + 1)
    commits = min(wanted, COMMITS_PER_SECOND * DAY_S)
    lost = wanted - commits
    # A table bucket cannot hold an inbox, so files wait for a commit in the spool.
    inbox = day.kind is not RequestKind.S3_TABLES or bool(settings.inbox)
    described = inbox * (day.flushes if waits else day.flushes * lost / wanted)
    looks = inbox * work.environments * DAY_S * 1_000 / max(LOOK_INTERVAL_MS, commit_gap_ms)
    shared = commits if work.environments > 1 else 0.0
    requests = day.requests.plus(DESCRIBE.times(described)).plus(LOOK.times(looks))
    requests = requests.plus(COMMIT[day.kind].times(wanted)).plus(REFRESH[day.kind].times(shared))
    wait_s = interval_ms / 1_000 if waits else 0.0
    return day._replace(
        commits=commits,
        lost_attempts=lost,
        described=described,
        requests=requests,
        visible_after_s=day.visible_after_s + wait_s,
    )


def _with_committer(day: Volumes, work: Workload) -> Volumes:
    """Add the runs of a committer; one triggered by events runs only if there are events."""
    window_s = work.committer_every_s
    per_window = day.flushes * window_s / DAY_S
    busy_share = 1 - math.exp(-per_window)
    runs = DAY_S / window_s * (busy_share if work.woken_by == "events" else 1.0)
    commits = DAY_S / window_s * busy_share
    requests = day.requests.plus(DESCRIBE.times(day.flushes)).plus(TAKE.times(day.flushes))
    each = COMMIT[day.kind].plus(REFRESH[day.kind]).plus(AGAIN)  # its cache is outdated
    requests = requests.plus(each.times(commits)).plus(at(day.kind, RUN).times(runs))
    return day._replace(
        commits=commits,
        described=day.flushes,
        committer_runs=runs,
        requests=requests,
        visible_after_s=day.visible_after_s + window_s / 2,
    )


def _waits_s(work: Workload, settings: Settings) -> float:
    """Return the typical seconds from an event to its flush: until old, or the next thaw."""
    if holds(settings.flush, int(work.gap_ms)) is not None:
        return min(work.duration_ms, settings.timeout_ms) / 1_000
    return max(settings.timeout_ms, work.gap_ms) / 1_000
