"""Rows that a writer with the role of any function can forge: types, sizes, times and texts."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from demo_rows import DEFAULTS, NOW_US

from otlp2parquet_ext.records.tables.registry import TABLES, arrow

FORGER = "forger"
"""In the service, the request and the span's name of each hostile row; the rest is free."""

LONG_TEXT = "9" * 1_000_000
FIGURES: tuple[Any, ...] = (
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "abc",
        "",
        " ",
        "1e400",
        "-1",
        "12 ms",
        "0x10",
        "١٢",
        LONG_TEXT,
    ),
    *(
        None,
        True,
        [],
        {},
        [1],
        {"a": 1},
        0,
        -1,
        1e308,
        -1e308,
        10**30,
        -(10**30),
        0.5,
        2**63,
        -(2**63),
    ),
)
"""Where a number is expected."""

TEXTS = (
    *("", " ", "{", "null", "[]", '"text"', "1", '{"metrics":', '{"metrics":"text"}', "{'a':1}"),
    *(
        '{"metrics":{"durationMs":NaN}}',
        '{"metrics":null}',
        '{"metrics":[1]}',
        "\ud7ff\x01",
        LONG_TEXT,
    ),
    '{"a":1}{"b":2}',
    '{"a":1,"a":2}',
    '{"exception.type":{"x":1},"error.type":[1],"reason":1,"status":{},"errorType":[]}',
    "[" * 5_000,
)
"""Where a JSON object is expected."""

FIGURE_NAMES = (
    *("durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs"),
    *("restoreDurationMs", "billedRestoreDurationMs"),
)
TIMES = (NOW_US, 0, -1, NOW_US + 10**15, 253_402_300_800_000_000, 2**63 - 2, -(2**63) + 2)
NUMBERS = (0.0, -0.0, float("nan"), float("inf"), float("-inf"), 1.7e308, -1.7e308, 5e-324)
HOSTILE_TEXT = (
    "a\x1b[31mred\x1b[0m\x1b]0;title\x07\x9b2Jb\u202edesrever\u2066x\u2069\u200b\u2060\ufeff"
    "\U000e0041\U000e007f\u2028\u2029\x85\x00\x07\x08\rc\u061c\u034f\u3164\xad"
)


def attributes() -> list[str]:
    """Return hostile attributes of a report."""
    records = [json.dumps({"metrics": dict.fromkeys(FIGURE_NAMES, value)}) for value in FIGURES]
    mixed = [
        json.dumps({"metrics": {"memorySizeMB": 1, "durationMs": 1e308}, "droppedRecords": "x"})
    ]
    return [*records, *mixed, *TEXTS]


def table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Return rows of a table; columns that they do not give are empty, or a forger's."""
    defaults = {
        c.name: [] if c.element_type else None if c.nullable else DEFAULTS[c.type]
        for c in TABLES[name]
    }
    known = defaults.keys()
    shared = {"ServiceName": FORGER, "Timestamp": NOW_US, "FaasInvocationId": f"{FORGER}-1"}
    own = {key: value for key, value in shared.items() if key in known}
    return pa.Table.from_pylist([defaults | own | row for row in rows], schema=arrow(name))


def logs(text: str = HOSTILE_TEXT, times: tuple[int, ...] = TIMES) -> pa.Table:
    """Return hostile rows of logs."""
    kinds = ("platform.report", "function", "platform.initReport", "otlp2parquet_ext.dropped")
    rows = [
        {
            "EventName": kind,
            "LogAttributes": found,
            "SeverityNumber": 17,
            "Body": f"{FORGER} {text}",
        }
        for kind in kinds
        for found in attributes()
    ]
    rows += [
        {"EventName": kind, "Timestamp": at, "LogAttributes": "{}", "SeverityNumber": number}
        for kind in kinds
        for at in times
        for number in (-(2**31), 0, 17, 2**31 - 1)
    ]
    rows += [
        {"Body": body, "EventName": text, "SeverityText": text, "SeverityNumber": 24}
        for body in (None, "", LONG_TEXT, text, "(" * 10_000)
    ]
    return table("logs", rows)


def traces() -> pa.Table:
    """Return hostile spans."""
    rows: list[dict[str, Any]] = [
        {"Duration": length, "Timestamp": at, "SpanName": FORGER, "StatusCode": "STATUS_CODE_ERROR"}
        for length in (0, -1, 2**63 - 1, -(2**63))
        for at in TIMES
    ]
    rows += [
        {
            "SpanAttributes": found,
            "SpanName": FORGER,
            "StatusCode": "STATUS_CODE_ERROR",
            "ScopeName": "otlp2parquet_ext",
            "EventsName": ["exception", "exception"],
            "EventsAttributes": [found, found],
        }
        for found in TEXTS
    ]
    # Lists of one span that are not of one length.
    rows.append({"EventsName": ["exception"] * 3, "EventsAttributes": ["{}"], "SpanName": FORGER})
    return table("traces", rows)


def metrics() -> dict[str, pa.Table]:
    """Return hostile points of each table that a query reads."""
    sums = [
        {"MetricName": name, "Value": value, "Timestamp": at, "AggregationTemporality": 1}
        for name in ("faas.invocations", "faas.errors")
        for value in (*NUMBERS, *NUMBERS)
        for at in TIMES
    ]
    gauges = [{"MetricName": "aws.lambda.memory_size", "Value": value} for value in NUMBERS]
    histograms = [
        {"MetricName": "faas.mem_usage", "MetricUnit": unit, "Sum": value, "Timestamp": at}
        for unit in ("s", "By")
        for value in NUMBERS
        for at in TIMES
    ]
    return {
        "metrics_sum": table("metrics_sum", sums),
        "metrics_gauge": table("metrics_gauge", gauges),
        "metrics_histogram": table("metrics_histogram", histograms),
    }


def all_tables() -> dict[str, pa.Table]:
    """Return hostile rows of every table that a query reads."""
    return {"logs": logs(), "traces": traces(), **metrics()}
