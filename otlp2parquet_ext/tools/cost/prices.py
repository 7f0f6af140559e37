"""List prices in US East (N. Virginia): item, unit, page, and how they were checked.

The user's own file may give prices of other regions or contracts; see `overridden`. The free tier
of new accounts is not counted. Monthly free amounts for all accounts are counted if the page lists
them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

REGION = "us-east-1"
S3_PAGE = "https://aws.amazon.com/s3/pricing/"
LAMBDA_PAGE = "https://aws.amazon.com/lambda/pricing/"
CLOUDWATCH_PAGE = "https://aws.amazon.com/cloudwatch/pricing/"
GLUE_PAGE = "https://aws.amazon.com/glue/pricing/"
SQS_PAGE = "https://aws.amazon.com/sqs/pricing/"
EVENTBRIDGE_PAGE = "https://aws.amazon.com/eventbridge/pricing/"

QUOTED = "quoted from the page"
EXAMPLE = "from the page's own worked example"
UNOFFICIAL = "as others report it: check the page"


class PriceError(ValueError):
    """A file of prices cannot be used; the message names the entry and what is valid."""


class Tier(NamedTuple):
    """A price up to a quantity within a month; the last tier of a price has no upper bound."""

    up_to: float
    usd: float


class Price(NamedTuple):
    """One price.

    Attributes:
        name: its name in a file of prices.
        says: the billed item.
        unit: unit of the price, for example `1,000 requests`.
        per: how many counted things make one unit.
        tiers: dollars per unit, by units a month.
        page: AWS's page with the price.
        valid: month of the last check.
        checked: how the price was checked.
    """

    name: str
    says: str
    unit: str
    per: float
    tiers: tuple[Tier, ...]
    page: str
    valid: str
    checked: str

    def usd(self, quantity: float) -> float:
        """Return the dollars for `quantity` counted things in a month."""
        units, below, total = quantity / self.per, 0.0, 0.0
        for up_to, usd in self.tiers:
            total += usd * max(0.0, min(units, up_to) - below)
            below = up_to
        return total


def _flat(usd: float) -> tuple[Tier, ...]:
    return (Tier(math.inf, usd),)


def _free_first(units: float, usd: float) -> tuple[Tier, ...]:
    return (Tier(units, 0.0), Tier(math.inf, usd))


GB = float(1 << 30)
MILLION = 1_000_000.0
THOUSAND = 1_000.0

PRICES: tuple[Price, ...] = (
    Price("s3_put", "S3 Standard: PUT, COPY, POST, LIST", "1,000 requests", THOUSAND,
          _flat(0.005), S3_PAGE, "2026-06", UNOFFICIAL),
    Price("s3_get", "S3 Standard: GET and all other requests", "1,000 requests", THOUSAND,
          _flat(0.0004), S3_PAGE, "2026-06", UNOFFICIAL),
    Price("s3_storage", "S3 Standard: storage", "GB-month", GB,
          (Tier(51_200, 0.023), Tier(512_000, 0.022), Tier(math.inf, 0.021)),
          S3_PAGE, "2026-06", UNOFFICIAL),
    Price("s3tables_put", "S3 Tables: PUT, POST, LIST", "1,000 requests", THOUSAND,
          _flat(0.005), S3_PAGE, "2026-09", EXAMPLE),
    Price("s3tables_get", "S3 Tables: GET and all other requests", "1,000 requests", THOUSAND,
          _flat(0.0004), S3_PAGE, "2026-09", EXAMPLE),
    Price("s3tables_storage", "S3 Tables: storage", "GB-month", GB,
          (Tier(51_200, 0.0265), Tier(512_000, 0.0253), Tier(math.inf, 0.0242)),
          S3_PAGE, "2026-09", EXAMPLE + "; tiers beyond 50 TB second hand"),
    Price("s3tables_monitoring", "S3 Tables: monitoring", "1,000 objects and month", THOUSAND,
          _flat(0.025), S3_PAGE, "2026-09", EXAMPLE),
    Price("s3tables_compaction_objects", "S3 Tables: compaction, objects", "1,000 objects",
          THOUSAND, _flat(0.002), S3_PAGE, "2026-09", EXAMPLE),
    Price("s3tables_compaction_data", "S3 Tables: compaction, data (binpack)", "GB", GB,
          _flat(0.005), S3_PAGE, "2026-09", EXAMPLE),
    Price("glue_requests", "Glue Data Catalog: requests", "million requests", MILLION,
          _free_first(1, 1.00), GLUE_PAGE, "2026-10", QUOTED),
    Price("lambda_requests", "Lambda: requests", "million requests", MILLION,
          _flat(0.20), LAMBDA_PAGE, "2026-06", UNOFFICIAL),
    Price("lambda_x86_64", "Lambda: duration, x86_64", "GB-second", 1.0,
          (Tier(6e9, 0.0000166667), Tier(15e9, 0.000015), Tier(math.inf, 0.0000133334)),
          LAMBDA_PAGE, "2026-06", UNOFFICIAL),
    Price("lambda_arm64", "Lambda: duration, arm64", "GB-second", 1.0,
          (Tier(7.5e9, 0.0000133334), Tier(18.75e9, 0.0000120001), Tier(math.inf, 0.0000106667)),
          LAMBDA_PAGE, "2026-06", UNOFFICIAL),
    Price("sqs_requests", "SQS standard queue: requests", "million requests", MILLION,
          _free_first(1, 0.40), SQS_PAGE, "2026-03", UNOFFICIAL),
    Price("scheduler_invocations", "EventBridge Scheduler: invocations", "million invocations",
          MILLION, _free_first(14, 1.00), EVENTBRIDGE_PAGE, "2025", UNOFFICIAL),
    Price("cloudwatch_ingest", "CloudWatch Logs: Lambda logs, ingested", "GB", GB,
          (Tier(10_240, 0.50), Tier(30_720, 0.25), Tier(51_200, 0.10), Tier(math.inf, 0.05)),
          CLOUDWATCH_PAGE, "2026-06", UNOFFICIAL + " (tiers of 2025-05)"),
    Price("cloudwatch_storage", "CloudWatch Logs: storage, compressed", "GB-month", GB,
          _flat(0.03), CLOUDWATCH_PAGE, "2026-06", UNOFFICIAL),
)  # fmt: skip

LIST_PRICES: Mapping[str, Price] = {price.name: price for price in PRICES}


def overridden(entries: Mapping[str, Any], source: str) -> dict[str, Price]:
    """Return the list prices with some replaced.

    Args:
        entries: from a price's name to dollars per unit, or to a list of tiers, each with `usd`
            and all but the last with `up_to` (units a month).
        source: shown instead of AWS's page.

    Raises:
        PriceError: an entry has an unknown name or an invalid price.
    """
    prices = dict(LIST_PRICES)
    for name, value in entries.items():
        if name not in prices:
            raise PriceError(f"{source}: {name!r} is no price; expected {', '.join(LIST_PRICES)}")
        tiers = _tiers(value, f"{source}: {name}")
        prices[name] = prices[name]._replace(tiers=tiers, page=source, valid="", checked="yours")
    return prices


def _tiers(value: object, what: str) -> tuple[Tier, ...]:
    if isinstance(value, list) and value and all(isinstance(tier, dict) for tier in value):
        tiers = tuple(
            Tier(
                _number(tier.get("up_to", math.inf), what, value),
                _number(tier.get("usd"), what, value),
            )
            for tier in value
        )
        bounds = [tier.up_to for tier in tiers]
        if bounds == sorted(set(bounds)) and bounds[-1] == math.inf:
            return tiers
        raise PriceError(f"{what}={value!r}: expected rising `up_to`, and none in the last tier")
    return _flat(_number(value, what, value))


def _number(number: object, what: str, value: object) -> float:
    if isinstance(number, int | float) and not isinstance(number, bool) and number >= 0:
        return float(number)
    raise PriceError(
        f"{what}={value!r}: expected dollars, for example 0.005, or a list of tiers, for example "
        '[{"up_to": 10240, "usd": 0.5}, {"usd": 0.25}]'
    )
