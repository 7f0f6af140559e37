"""The cost of functions at Lambda's list prices: only requests and GB-seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.cost.prices import LIST_PRICES

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.report.facts import Function, Report

MONTH_MS = 30 * 86_400_000
SHORTEST_MS = 3_600_000
"""Shortest time from which the cost of a month is estimated: one hour."""


def usd(function: Function, architecture: str) -> float:
    """Return dollars for all invocations of a function, x86_64 or arm64, in US East.

    Source: `cost.prices`, which names the pages.
    """
    return duration_usd(function, architecture) + LIST_PRICES["lambda_requests"].usd(
        function.invocations
    )


def duration_usd(function: Function, architecture: str) -> float:
    """Return the duration's part of that cost, which is proportional to memory."""
    return LIST_PRICES[f"lambda_{architecture}"].usd(function.gb_s)


def month_usd(report: Report) -> float | None:
    """Return the cost of a month at the current rate; None if the time is too short."""
    if not report.moments:
        return None
    seen = report.moments[-1].start_ms + report.step_ms - report.moments[0].start_ms
    if seen < SHORTEST_MS:
        return None
    asked = report.until_ms - report.since_ms
    return usd(report.total, report.architecture) * MONTH_MS / max(seen, asked)
