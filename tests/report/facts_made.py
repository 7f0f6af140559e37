"""Reports made by hand: what a page shows follows from these alone, at any time, anywhere."""

from __future__ import annotations

from otlp2parquet_ext.tools.report.facts import (
    FAILED,
    LOGGED,
    OK,
    Bin,
    Function,
    LogLine,
    LossRow,
    Moment,
    Report,
    RequestSummary,
    Trouble,
)

DAY_MS = 86_400_000
UNTIL_MS = 1_773_482_400_000
"""2026-03-14 10:00 UTC."""
STEP_MS = 1_800_000

ORDERS = Function(
    "orders", 1_200, 0, 0, 40, 24, 48.0, 170.0, 309.0, 595.0, 310.0, 141.0, 512.0, 1, 54.8, None
)
INVOICES = Function(
    "invoices", 480, 10, 10, 0, 6, 608.0, 2_900.0, 3_000.0, 3_000.0, 334.0, 238.0, 256.0, 1, 113.0,
    3_000.0,
)  # fmt: skip
TILL = Function("till", 900, 0, 0, 0, 22, 9.1, 18.0, 23.0, 40.0, 300.0, 71.0, 128.0, 1, 2.7, None)
TOTAL = Function(
    "all functions", 2_580, 10, 10, 40, 52, 40.0, 900.0, 2_000.0, 3_000.0, 310.0, 238.0, 128.0, 3,
    170.5, 3_000.0,
)  # fmt: skip


def lines(request: str, start_ms: int, said: str = "order 7 taken") -> tuple[LogLine, ...]:
    """Return what a request logged."""
    return (
        LogLine(start_ms, 9, "INFO", "platform.start", f"START RequestId: {request} Version: 1", 0),
        LogLine(start_ms + 1, 9, "INFO", "function", said, 0),
        LogLine(start_ms + 5, 13, "WARN", "function", "the ledger does not answer", 0),
        LogLine(start_ms + 9, 17, "ERROR", "function", "order 7 could not be charged", 12),
        LogLine(start_ms + 99, 9, "INFO", "platform.report", f"REPORT RequestId: {request}", 0),
    )


def request(number: int, function: str = "orders", outcome: str = OK) -> RequestSummary:
    """Return one of the slowest."""
    name = f"{number:08x}-e9f4-41e8-9739-{number:012x}"
    start = UNTIL_MS - number * 3_600_000
    return RequestSummary(
        name, function, start + 100, 600.0 / number, 310.0 if number == 2 else None, 120.0, 512.0,
        outcome, "timeout" if outcome == FAILED else "success", "", lines(name, start), number % 3,
    )  # fmt: skip


DECLINED = Trouble(
    "orders", 1, "order # could not be charged: PaymentDeclinedError: card of order # declined",
    "line", 40, 40, UNTIL_MS - DAY_MS, UNTIL_MS - 1_000, "order 7 could not be charged\nTraceback",
    0, request(1).request, lines(request(1).request, UNTIL_MS - 2_000),
)  # fmt: skip
TIMED_OUT = Trouble(
    "invoices", 1, "Invocation timed out, typically after 3.0 s", "invocation", 10, 10,
    UNTIL_MS - DAY_MS, UNTIL_MS - 5_000, "", 0, request(3).request,
)  # fmt: skip

REPORT = Report(
    destination="glue://telemetry?warehouse=s3://lake",
    only="",
    since_ms=UNTIL_MS - DAY_MS,
    until_ms=UNTIL_MS,
    architecture="x86_64",
    rows=12_000,
    newest_ms=UNTIL_MS - 1_000,
    total=TOTAL,
    functions=(INVOICES, ORDERS, TILL),
    step_ms=STEP_MS,
    moments=tuple(
        Moment(UNTIL_MS - DAY_MS + n * STEP_MS, 30 + n, n % 3, n % 5 == 0) for n in range(48)
    ),
    durations=tuple(Bin(low, low * 1.5, 10 + n) for n, low in enumerate((2.0, 3.0, 5.0, 7.0))),
    memory=(Bin(20.0, 30.0, 1_200), Bin(50.0, 60.0, 900), Bin(90.0, 100.0, 480)),
    inits=(Bin(200.0, 300.0, 40), Bin(300.0, 500.0, 12)),
    slowest=(
        request(1, outcome=LOGGED),
        request(2),
        request(3, "invoices", FAILED),
        *(request(n, "till") for n in range(4, 10)),
    ),
    troubles=(DECLINED, TIMED_OUT),
    losses=(LossRow("the spool is full", 12),),
)

EMPTY = REPORT._replace(
    rows=0, total=Function(
        "all functions", 0, 0, 0, 0, 0, None, None, None, None, None, None, None, 0, 0.0, None
    ),
    functions=(), step_ms=0, moments=(), durations=(), memory=(), inits=(), slowest=(),
    troubles=(), losses=(),
)  # fmt: skip
