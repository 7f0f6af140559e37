"""The queries of docs/signals.md, run on derived tables by an engine that did not write them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest
from derivations import CONTEXT, OBSERVED_US, Environment, event, invocation

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.telemetry.values import Delivery

REQUEST = "b3b6f3de-5a0e-4a5c-9d53-6a0f1d2c7e11"
SPANS = [{"name": "responseLatency", "start": "2026-03-14T09:26:53.200Z", "durationMs": 5.5}]
METRICS = {"durationMs": 10.0, "maxMemoryUsedMB": 100, "memorySizeMB": 128, "billedDurationMs": 11}
EVENTS = [
    *invocation(REQUEST, 200, spans=SPANS),
    event("start", 300, requestId="failed"),
    event("runtimeDone", 310, requestId="failed", status="error", errorType="Runtime.ExitError"),
    event("report", 312, requestId="failed", status="error", metrics=METRICS),
]
DOCUMENT = (Path(__file__).parents[2] / "docs" / "signals.md").read_text()
QUERIES = dict(re.findall(r"\n([^\n]+):\n\n```sql\n(.*?)```", DOCUMENT, re.DOTALL))


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_of_the_documentation_has_an_answer(query: str) -> None:
    """A query that no test runs may be wrong."""
    environment = Environment()
    tables, _ = environment.mapped(EVENTS)
    body = json.dumps(EVENTS).encode()
    logs = log_table([Delivery(body, OBSERVED_US)], CONTEXT, Invocations()).table
    with duckdb.connect() as connection:
        for name, table in {"logs": logs, **tables}.items():
            connection.register(name, table)
        assert connection.sql(query).to_arrow_table().num_rows > 0


def test_all_queries_are_run() -> None:
    """A block the pattern misses would be a guess again."""
    assert len(QUERIES) == DOCUMENT.count("```sql") == 6
