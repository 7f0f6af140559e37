"""Volumes at prices: one line for each thing that is paid for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.common.hold_limits import LONGEST_HOLD_MS
from otlp2parquet_ext.lake.destinations.commit_strategy import environment_settings
from otlp2parquet_ext.lake.destinations.destination_list import parse_all
from otlp2parquet_ext.tools.cost.requests import RequestKind
from otlp2parquet_ext.tools.cost.volumes import Volumes, volumes
from otlp2parquet_ext.tools.cost.workload import DAY_S, ENVELOPE_BYTES, MONTH_DAYS, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.tools.cost.prices import Price

CLOUDWATCH_EVENT_BYTES = 26
"""What CloudWatch Logs adds to every event it ingests (CloudWatch Logs quotas, event size)."""

CLOUDWATCH_COMPRESSED = 0.15
"""Of what is ingested, what AWS's price calculator takes to be stored."""

COMPACTED_BYTES = 512 * 1024 * 1024
"""What S3 Tables makes of small files (S3 Tables maintenance, default target)."""

UNCOMPACTED_DAYS = 1.0
"""How long a small file counts as an object before compaction has taken it: not published."""

COMMITTER_MB = 512
COMMITTER_START_S = 0.6
COMMITTER_FILE_S = 0.002
"""A committer's memory, and what a run and each file of it take: see docs/scale.md."""

QUEUE_BATCH = 10.0
"""Messages a Lambda's poller receives and deletes with one request (AWS Lambda, SQS batches)."""

POLLS_PER_SECOND = 0.25
"""Of an idle queue: five pollers, each asking for 20 s (AWS Lambda, SQS event source)."""


class BillLine(NamedTuple):
    """One thing paid for, in a month."""

    price: Price
    quantity: float  # in units of the price
    usd: float


class Bill(NamedTuple):
    """What a workload costs in a month, and why.

    Attributes:
        work: the workload.
        settings: of the extension.
        day: what happens in a day.
        lake: what is paid for in the lake.
        cloudwatch: what would be paid for the same telemetry in CloudWatch Logs.
        region: of the prices.
    """

    work: Workload
    settings: Settings
    day: Volumes
    lake: list[BillLine]
    cloudwatch: list[BillLine]
    region: str


def bill(work: Workload, settings: Settings, prices: Mapping[str, Price], region: str) -> Bill:
    """Return what a workload costs in a month.

    Raises:
        AddressError, WorkloadError: the destination is none, or cannot be used so.
    """
    settings = environment_settings(parse_all(settings.destination), settings)
    day = volumes(work, settings)
    quantities = dict(_bucket(work, day)) | dict(_catalog(day)) | dict(_compute(work, day))
    lake = _lines(quantities, prices)
    return Bill(work, settings, day, lake, _lines(dict(_cloudwatch(work)), prices), region)


def total(lines: Sequence[BillLine]) -> float:
    """Return the sum of lines in dollars."""
    return math.fsum(line.usd for line in lines)


def _cloudwatch(work: Workload) -> Iterator[tuple[str, float]]:
    overhead = CLOUDWATCH_EVENT_BYTES - ENVELOPE_BYTES
    size_bytes = max(0.0, work.size_bytes + work.events * overhead)
    ingested = size_bytes * work.invocations_a_day * MONTH_DAYS
    yield "cloudwatch_ingest", ingested
    yield "cloudwatch_storage", ingested / MONTH_DAYS * work.retention_days * CLOUDWATCH_COMPRESSED


def _lines(quantities: Mapping[str, float], prices: Mapping[str, Price]) -> list[BillLine]:
    return [
        BillLine(prices[name], quantity / prices[name].per, prices[name].usd(quantity))
        for name, quantity in quantities.items()
        if quantity
    ]


def _bucket(work: Workload, day: Volumes) -> Iterator[tuple[str, float]]:
    """Requests and storage; a disk of one's own has no price."""
    if day.kind is RequestKind.DISK:
        return
    name = "s3tables" if day.kind is RequestKind.S3_TABLES else "s3"
    kept = day.stored_bytes * work.retention_days
    yield f"{name}_put", (day.requests.put + day.requests.list) * MONTH_DAYS
    yield f"{name}_get", day.requests.get * MONTH_DAYS
    yield f"{name}_storage", kept
    if day.kind is RequestKind.S3_TABLES:
        objects = day.flushes * UNCOMPACTED_DAYS + kept / COMPACTED_BYTES
        yield "s3tables_monitoring", objects
        yield "s3tables_compaction_objects", day.flushes * MONTH_DAYS
        yield "s3tables_compaction_data", day.stored_bytes * MONTH_DAYS


def _catalog(day: Volumes) -> Iterator[tuple[str, float]]:
    """Requests to a catalog with a price of its own."""
    if day.kind is RequestKind.GLUE:
        yield "glue_requests", day.requests.catalog * MONTH_DAYS


def _compute(work: Workload, day: Volumes) -> Iterator[tuple[str, float]]:
    """Time that functions are billed for on our account, and the committer."""
    firsts = min(day.held, work.starts_a_day)  # everything is imported while they are held
    held_ms = firsts * LONGEST_HOLD_MS + (day.held - firsts) * work.hold_ms
    billed_s = (held_ms + work.starts_a_day * work.shutdown_ms) / 1_000
    gb_seconds = billed_s * work.memory_mb / 1_024
    if day.committer_runs:
        run_s = day.committer_runs * COMMITTER_START_S + day.described * COMMITTER_FILE_S
        gb_seconds += run_s * COMMITTER_MB / 1_024
        yield "lambda_requests", day.committer_runs * MONTH_DAYS
        if work.woken_by == "events":
            messages = day.described * (1 + 2 / QUEUE_BATCH) + POLLS_PER_SECOND * DAY_S
            yield "sqs_requests", messages * MONTH_DAYS
        else:
            yield "scheduler_invocations", day.committer_runs * MONTH_DAYS
    yield f"lambda_{work.architecture}", gb_seconds * MONTH_DAYS
