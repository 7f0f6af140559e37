"""From a workload and the settings to files, commits, requests and bytes a day.

The rules are those of `flushing` and `batches`, with load spread evenly. Where reality varies
(invocations that come in bursts), the model counts the dearer case: more flushes, smaller files.
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
"""Of every Parquet file, however few rows: footer, bloom filters, dictionaries."""

STORED_SHARE = 0.072
"""Of every byte of JSON telemetry, what is stored: measured on the mix of our benchmarks."""

COMMITS_PER_SECOND = 3.0
"""What a table on a remote catalog takes from all writers together (docs/scale.md)."""

LOOK_INTERVAL_MS = 300_000
"""Between two looks of a direct environment into the inbox."""

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
    """What happens in a day, all environments together.

    Attributes:
        kind: of the destination.
        held: invocations that are held, and billed, until they are flushed.
        flushes: files written; each is one flush.
        stored_bytes: of these files.
        commits: snapshots of the table.
        lost_attempts: commits that other writers were faster than, at least.
        described: files that passed through the inbox.
        committer_runs: of a Lambda or schedule; 0 without.
        requests: all of them.
        visible_after_s: from an event to the table, as a rule.
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
    """Return how many files an invocation's telemetry becomes; below 1 when several share one.

    Age makes a batch worth flushing. It counts from the first delivery, which the platform makes
    up to `platform_timeout_ms` late, and an environment that is frozen does nothing: what waits is
    flushed when the next invocation wakes it, if it is old enough by then.
    """
    period_ms = settings.timeout_ms + settings.platform_timeout_ms
    within = math.floor(work.duration_ms / period_ms)
    if holds(settings.flush, int(work.gap_ms)) is not None:
        by_age = 1.0 + within
    else:
        # An invocation that ends before its first delivery is heard of when the next one wakes us:
        # its events join those that are old enough to go, and the next batch begins one later.
        late = work.duration_ms < settings.platform_timeout_ms
        by_age = 1 / (math.ceil(settings.timeout_ms / work.gap_ms) + late) + within
    fill = max(work.size_bytes / settings.max_bytes, work.events / settings.max_items)
    by_size = math.ceil(fill) if fill >= 1 else 1 / math.ceil(1 / fill)
    return max(by_age, by_size)


def volumes(work: Workload, settings: Settings) -> Volumes:
    """Return what happens in a day.

    Raises:
        AddressError: the settings name no destination that holds tables.
        WorkloadError: the destination needs an inbox of its own.
    """
    address = lake_of(parse_all(settings.destination))
    kind = KINDS[address.kind]
    if kind is RequestKind.S3_TABLES and settings.commit == "inbox" and not settings.inbox:
        raise WorkloadError("OTLP2PARQUET_COMMIT='inbox' needs OTLP2PARQUET_INBOX with S3 Tables")
    per_invocation = flushes_per_invocation(work, settings)
    held = _held(work, settings)
    # The end of an environment flushes what came after its last invocation: at least the report.
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
    """Return how many invocations a day are held for their flush.

    Under `adaptive` the first of an environment is, for nobody knows when the next one comes.
    """
    if holds(settings.flush, int(work.gap_ms)) is not None:
        return work.invocations_a_day
    return work.starts_a_day if holds(settings.flush, None) is not None else 0.0


def _with_direct_commits(
    day: Volumes, work: Workload, settings: Settings, flush_gap_ms: float
) -> Volumes:
    """Add the commits of the environments themselves.

    A file whose commit is due at once needs no descriptor; one that has to wait for the interval
    does.
    """
    interval_ms = settings.commit_interval_ms
    waits = flush_gap_ms < interval_ms
    commit_gap_ms = flush_gap_ms * math.ceil(interval_ms / flush_gap_ms) if waits else flush_gap_ms
    # The first flush of an environment is followed by a commit, and so is its last.
    life_ms = work.environments * DAY_S * 1_000 / work.starts_a_day
    wanted = work.starts_a_day * (max(1.0, life_ms / commit_gap_ms) + 1)
    commits = min(wanted, COMMITS_PER_SECOND * DAY_S)
    lost = wanted - commits
    # A table bucket can hold no inbox: what waits for a commit waits in the spool.
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
    """Add the runs of a committer; one that is woken by events sleeps while there are none."""
    window_s = work.committer_every_s
    per_window = day.flushes * window_s / DAY_S
    busy_share = 1 - math.exp(-per_window)
    runs = DAY_S / window_s * (busy_share if work.woken_by == "events" else 1.0)
    commits = DAY_S / window_s * busy_share
    requests = day.requests.plus(DESCRIBE.times(day.flushes)).plus(TAKE.times(day.flushes))
    each = COMMIT[day.kind].plus(REFRESH[day.kind]).plus(AGAIN)  # its memory is long out of date
    requests = requests.plus(each.times(commits)).plus(at(day.kind, RUN).times(runs))
    return day._replace(
        commits=commits,
        described=day.flushes,
        committer_runs=runs,
        requests=requests,
        visible_after_s=day.visible_after_s + window_s / 2,
    )


def _waits_s(work: Workload, settings: Settings) -> float:
    """Return how long an event waits for its flush, as a rule: until old, or the next wake."""
    if holds(settings.flush, int(work.gap_ms)) is not None:
        return min(work.duration_ms, settings.timeout_ms) / 1_000
    return max(settings.timeout_ms, work.gap_ms) / 1_000
