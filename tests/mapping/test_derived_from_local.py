"""Spans and metrics of a real function in a local execution environment."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from derivations import Environment

from otlp2parquet_ext.tools import local
from otlp2parquet_ext.tools.local import Plan

if TYPE_CHECKING:
    from pathlib import Path

HANDLER = """
import time


def handler(event, context):
    time.sleep(event["seconds"])
"""


@pytest.mark.e2e
def test_a_time_out_between_good_invocations_is_one_span_and_one_point(tmp_path: Path) -> None:
    """Its environment is reset: an initialisation of its own, in the invoke phase, comes after."""
    (tmp_path / "app.py").write_text(HANDLER)
    events = tuple(f'{{"seconds": {seconds}}}'.encode() for seconds in (0, 30, 0))
    plan = Plan(
        handler="app.handler",
        code=tmp_path,
        extensions=(),
        invocations=3,
        timeout_s=3,
        limited=False,  # the third invocation initialises within its time-out, on any machine
        events=events,
    )
    outcome = local.run(plan)
    environment = Environment()
    for event in outcome.events:
        environment.store([event.as_dict()])
    assert environment.known.open == {}
    spans = environment.rows["traces"]
    whole = [row for row in spans if row["SpanAttributes"] != "{}" or "init" in row["SpanName"]]
    assert [(row["SpanName"], row["StatusCode"].removeprefix("STATUS_CODE_")) for row in whole] == [
        ("init orders", "UNSET"),
        ("orders", "OK"),
        ("orders", "ERROR"),
        ("init orders", "UNSET"),
        ("orders", "OK"),
    ]
    assert whole[2]["Duration"] >= 2_000_000_000
    assert len({row["SpanId"] for row in spans}) == len(spans)
    counts = Counter(row["MetricName"] for row in environment.rows["metrics_sum"])
    assert counts["faas.invocations"] == 2
    assert counts["faas.timeouts"] == 1
    assert counts["faas.errors"] == 0
