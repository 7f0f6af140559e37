"""Multiplies volumes by prices: one line for each billed item."""

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
"""Bytes that CloudWatch Logs adds to every event (CloudWatch Logs quotas, event size)."""

CLOUDWATCH_COMPRESSED = 0.15
"""Share of the ingested bytes that is stored, as AWS's price calculator assumes."""

COMPACTED_BYTES = 512 * 1024 * 1024
"""Bytes of a file after compaction by S3 Tables (S3 Tables maintenance, default target)."""

UNCOMPACTED_DAYS = 1.0
"""Days until compaction replaces a small file. AWS does not publish it; this is an assumption."""

COMMITTER_MB = 512
COMMITTER_START_S = 0.6
COMMITTER_FILE_S = 0.002
"""Memory of a committer, and seconds of a run and of each of its files: see docs/scale.md."""

QUEUE_BATCH = 10.0
"""Messages that Lambda's poller receives or deletes with one request (AWS Lambda, SQS batches)."""

POLLS_PER_SECOND = 0.25
"""Requests per second to an idle queue: five pollers with waits of 20 s (AWS Lambda, SQS event
source)."""


class BillLine(NamedTuple):
    """One billed item of a month."""

    price: Price
    quantity: float  # in units of the price
    usd: float


class Bill(NamedTuple):
    """The cost of a workload in a month, and its causes.

    Attributes:
        work: the workload.
        settings: settings of the extension.
        day: volumes of a day.
        lake: billed items of the lake.
        cloudwatch: billed items for the same telemetry in CloudWatch Logs.
        region: region of the prices.
    """

    work: Workload
    settings: Settings
    day: Volumes
    lake: list[BillLine]
    cloudwatch: list[BillLine]
    region: str


def bill(work: Workload, settings: Settings, prices: Mapping[str, Price], region: str) -> Bill:
    """Return the cost of a workload in a month.

    Raises:
        AddressError, WorkloadError: the destination is invalid, or does not fit the settings.
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
    """Yield requests and storage; a local disk has no price."""
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
    """Yield requests to a catalog that has its own price."""
    if day.kind is RequestKind.GLUE:
        yield "glue_requests", day.requests.catalog * MONTH_DAYS


def _compute(work: Workload, day: Volumes) -> Iterator[tuple[str, float]]:
    """Yield the function time that the extension adds, and the committer's time."""
    firsts = min(day.held, work.starts_a_day)  # all imports happen during these holds
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
