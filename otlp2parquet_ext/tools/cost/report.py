"""The bill as text for a terminal, and as JSON; `*` marks a price with tiers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.tools.cost.bill import total
from otlp2parquet_ext.tools.cost.requests import RequestKind
from otlp2parquet_ext.tools.cost.workload import MONTH_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otlp2parquet_ext.tools.cost.bill import Bill, BillLine
    from otlp2parquet_ext.tools.cost.prices import Price

SMALL_FILE_BYTES = 65_536
SETTINGS_SHOWN = ("max_items", "max_bytes", "timeout_ms", "flush", "commit", "commit_interval_ms")


def notes(bill: Bill) -> list[str]:
    """Return remarks that explain the numbers."""
    work, day, found = bill.work, bill.day, []
    if day.lost_attempts:
        found.append(
            f"{day.commits + day.lost_attempts:,.0f} commits a day are wanted and a table takes "
            f"about {day.commits:,.0f}: with OTLP2PARQUET_COMMIT=inbox a committer does it for all"
        )
    average = day.stored_bytes / day.flushes
    if average < SMALL_FILE_BYTES and day.held < work.invocations_a_day:
        found.append(
            f"files are small, {_size(average)}: with a longer TIMEOUT_MS (now "
            f"{bill.settings.timeout_ms}) fewer and larger ones cost less and read faster"
        )
    if day.kind is RequestKind.REST:
        found.append("the REST catalog's own price is not known here and not counted")
    if day.kind is RequestKind.DISK:
        found.append("a disk and a catalog of one's own are not priced")
    found.append("Lambda goes on writing to CloudWatch Logs until its role may not: docs/cost.md")
    return found


def text(bill: Bill) -> str:
    """Return the bill for a terminal."""
    pages = list(dict.fromkeys(_source(line.price) for line in (*bill.lake, *bill.cloudwatch)))
    lake, beside = total(bill.lake), total(bill.cloudwatch)
    share = f"the lake costs {lake / beside:.0%} of that"
    return "\n".join(
        [
            *_head(bill),
            "",
            f"In the lake ({bill.day.kind.value}, {bill.region}): {_usd(lake)} a month",
            *_lines(bill.lake, pages),
            "",
            f"In CloudWatch Logs: {_usd(beside)} a month; {share}",
            *_lines(bill.cloudwatch, pages),
            "",
            *(f"  [{number}] {source}" for number, source in enumerate(pages, 1)),
            *(f"  note: {note}" for note in notes(bill)),
        ]
    )


def _head(bill: Bill) -> Iterator[str]:
    """Yield lines about a day's volumes and the settings."""
    work, day = bill.work, bill.day
    put, get, listed, catalog = day.requests
    yield (
        f"{work.per_second:,.6g} invocations/s of {work.events:,.6g} events, "
        f"{_size(work.size_bytes)} of JSON each; environments: {work.environments:,.6g}, each "
        f"invoked every {work.gap_ms / 1_000:,.3g} s"
    )
    yield "  " + ", ".join(f"{n.upper()}={getattr(bill.settings, n)}" for n in SETTINGS_SHOWN)
    yield (
        f"  a day: {day.flushes:,.0f} files of {_size(day.stored_bytes / day.flushes)}, "
        f"{_size(day.stored_bytes)} together, visible after about {day.visible_after_s:,.3g} s"
    )
    yield (
        f"  a day: {day.commits:,.0f} commits; {put:,.0f} PUT, {get:,.0f} GET, {listed:,.0f} LIST, "
        f"{catalog:,.0f} catalog requests"
    )


def _lines(lines: Sequence[BillLine], pages: Sequence[str]) -> Iterator[str]:
    for line in lines:
        price = line.price
        first = next((tier.usd for tier in price.tiers if tier.usd), 0.0)
        at = f"at ${first:.10f}".rstrip("0").rstrip(".") + (" *" if len(price.tiers) > 1 else "")
        yield (
            f"  {price.says:<40}{_count(line.quantity):>10} x {price.unit:<24} {at:<19}"
            f"{_usd(line.usd):>12} [{pages.index(_source(price)) + 1}]"
        )


def _source(price: Price) -> str:
    return f"{price.page}{f', {price.valid}' if price.valid else ''}: {price.checked}"


def as_json(bill: Bill) -> dict[str, Any]:
    """Return the bill as values; quantities are per month."""
    day = bill.day
    return {
        "region": bill.region,
        "workload": {name: getattr(bill.work, name) for name in bill.work.__slots__},
        "settings": {name: getattr(bill.settings, name) for name in SETTINGS_SHOWN},
        "per_day": day._asdict() | {"kind": day.kind.value, "requests": day.requests._asdict()},
        "lake": [_entry(line) for line in bill.lake],
        "lake_usd": total(bill.lake),
        "cloudwatch": [_entry(line) for line in bill.cloudwatch],
        "cloudwatch_usd": total(bill.cloudwatch),
        "days_a_month": MONTH_DAYS,
        "notes": notes(bill),
    }


def _entry(line: BillLine) -> dict[str, Any]:
    price = line.price
    tiers = [{"up_to": up_to, "usd": usd} for up_to, usd in price.tiers if up_to != math.inf]
    return {
        "name": price.name,
        "says": price.says,
        "quantity": line.quantity,
        "unit": price.unit,
        "tiers": [*tiers, {"usd": price.tiers[-1].usd}],
        "usd": line.usd,
        "page": price.page,
        "valid": price.valid,
        "checked": price.checked,
    }


def _usd(dollars: float) -> str:
    return f"${dollars:,.2f}"


def _count(number: float) -> str:
    return f"{number:,.0f}" if number >= 1_000 else f"{number:.3g}"


def _size(size_bytes: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1_024:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1_024
    return f"{size_bytes:,.4g} TiB"
