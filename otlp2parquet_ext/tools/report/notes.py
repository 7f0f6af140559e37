"""Notes of a report: how it counts, and what to check if it has no invocations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext import __version__
from otlp2parquet_ext.tools.cost.prices import LIST_PRICES, REGION
from otlp2parquet_ext.tools.report import listings, scales
from otlp2parquet_ext.tools.report.markup import Html, element, join

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.report.facts import Report

ERRORS = (
    "Alike once numbers and ids are folded (#, …); the most frequent first. Open one for its text "
    "and its request."
)
NO_INVOCATIONS = (
    "There are {rows} of logs in this time, and no platform.report among them: nothing says which "
    "invocations there were. Does OTLP2PARQUET_EXCLUDE leave platform.report out?"
)
CHECKS = (
    ("Ask for a longer time: --since 7d."),
    (
        "Is the name right? --function takes the ServiceName: OTEL_SERVICE_NAME, or the "
        "function's own."
    ),
    (
        "Was the function invoked since the layer was added, and does its log have the "
        "extension's line?"
    ),
    ("Has it the same OTLP2PARQUET_DESTINATION as this report?"),
    ("Batches that wait in an inbox are not visible yet: otlp2parquet-ext commit."),
    (
        "A function that is rarely invoked is stored at the end of its invocation, or when its "
        "environment shuts down."
    ),
)


def empty(report: Report) -> Html:
    """Return the content of an empty report: the facts found, and what to check."""
    newest = None if report.newest_ms is None else scales.moment(report.newest_ms)
    whose = f" of {report.only}" if report.only else ""
    found = (
        f"No row{whose} is from this time; the table's newest row is of {newest} UTC."
        if newest
        else "The table is there, and has no row."
    )
    steps = element("ol", *(element("li", check) for check in CHECKS), class_="checks")
    title = element("h3", "What to check")
    return join((element("p", element("strong", found)), title, steps))


def about(report: Report) -> Html:
    """Return notes on how the report counts, and the source of its prices."""
    names = (f"lambda_{report.architecture}", "lambda_requests")
    prices = " and ".join(_price(name) for name in names)
    said = (
        (
            "An invocation is a platform.report. It failed when its status is not success, and "
            "timed out when that says so; it “logged an error” when it ended well and a line of "
            "it is of severity ERROR or higher: many runtimes report a raised exception no other "
            "way."
        ),
        (
            "Percentiles are exact, of all invocations; a cold start's initialisation is not part "
            "of a duration."
        ),
        (
            f"Cost is Lambda's list price for {report.architecture} in {REGION}: {prices}. No free "
            "tier, no provisioned concurrency, no other service."
        ),
        (
            f"At most {listings.MOST_FUNCTIONS} functions, 20 errors and 20 requests are shown, "
            "with 40 lines each of 500 characters. All times are UTC."
        ),
        f"Made by otlp2parquet-ext {__version__} at {scales.moment(report.until_ms)} UTC.",
    )
    return join(element("p", text) for text in said)


def _price(name: str) -> str:
    price = LIST_PRICES[name]
    usd = f"{price.tiers[0].usd:.10f}".rstrip("0")
    return f"${usd} a {price.unit} ({price.says}, {price.checked})"
