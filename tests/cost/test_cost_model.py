"""The predictions of the model, compared with the real extension in a real environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from cost_examples import settings, workload
from telemetry_mix import delivery

from otlp2parquet_ext.lake.destinations.parquet_file import encode
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.tables.logs import COLUMNS
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext
from otlp2parquet_ext.tools import local
from otlp2parquet_ext.tools.cost.volumes import (
    FILE_BYTES,
    STORED_SHARE,
    flushes_per_invocation,
    volumes,
)
from otlp2parquet_ext.tools.cost.workload import DAY_S, ENVELOPE_BYTES, EVENT_BYTES
from otlp2parquet_ext.tools.local import Plan

if TYPE_CHECKING:
    from pathlib import Path

HANDLER = """
import time
def handler(event, context):
    for number in range({lines}):
        print("x" * {line_bytes})
        time.sleep({pause_s})
"""
PLATFORM_EVENTS = 3
START_UP_MS = 25  # of an invocation in the local environment


class Run(NamedTuple):
    """One function, for a while: what is invoked, how often, under which settings."""

    invocations: int
    gap_ms: int
    duration_ms: int
    lines: int = 5
    line_bytes: int = 100
    variables: tuple[tuple[str, str], ...] = ()


RUNS = {
    "every wake finds an old batch": Run(8, 350, 200, variables=(("TIMEOUT_MS", "300"),)),
    "several invocations share a file": Run(16, 50, 130, variables=(("TIMEOUT_MS", "400"),)),
    "short ones are heard of late": Run(10, 350, 40, variables=(("TIMEOUT_MS", "300"),)),
    "long ones flush within": Run(2, 50, 1_500, lines=30, variables=(("TIMEOUT_MS", "300"),)),
    "held at every end": Run(12, 50, 100, variables=(("FLUSH", "end"),)),
    "many bytes": Run(6, 50, 200, lines=100, line_bytes=10_000),
    "a commit with every file": Run(
        6, 350, 200, variables=(("TIMEOUT_MS", "300"), ("COMMIT_INTERVAL_MS", "0"))
    ),
}


@pytest.mark.e2e
@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_files_and_commits_come_as_predicted(run: Run, tmp_path: Path) -> None:
    """Within a third, and one or two: deliveries and wakes race, here as in production."""
    variables = dict(run.variables)
    url = f"sqlite://{tmp_path}/catalog.db?warehouse={tmp_path}/lake"
    _run(run, tmp_path, url)
    gap_ms = run.gap_ms + run.duration_ms + START_UP_MS
    work = workload(
        per_second=1_000 / gap_ms,
        environments=1.0,
        events=float(run.lines + PLATFORM_EVENTS),
        size_bytes=float(run.lines * (run.line_bytes + ENVELOPE_BYTES) + 600),
        duration_ms=float(run.duration_ms),
        lifetime_s=run.invocations * gap_ms / 1_000,
    )
    day = volumes(work, settings(url, **variables))
    share = run.invocations / work.invocations_a_day
    files = list(tmp_path.glob("lake/**/data/**/*.parquet"))
    snapshots = list(tmp_path.glob("lake/**/snap-*.avro"))
    assert len(files) == pytest.approx(day.flushes * share, rel=0.35, abs=2), day
    assert len(snapshots) == pytest.approx(day.commits * share, rel=0.35, abs=2), day


def _run(run: Run, folder: Path, url: str) -> None:
    """Run the function in one environment, from cold start to SHUTDOWN."""
    code = folder / "code"
    code.mkdir()
    pause_s = run.duration_ms / 1_000 / run.lines
    text = HANDLER.format(lines=run.lines, line_bytes=run.line_bytes, pause_s=pause_s)
    (code / "app.py").write_text(text)
    outcome = local.run(
        Plan(
            handler="app.handler",
            code=code,
            timeout_s=30,
            invocations=run.invocations,
            gap_ms=run.gap_ms,
            limited=False,
            destination=url,
            env={f"OTLP2PARQUET_{name}": value for name, value in run.variables},
        )
    )
    assert all(invocation.status == "success" for invocation in outcome.invocations)


@pytest.mark.parametrize("events", [3, 30, 100, 300, 1_000, 10_000])
def test_files_are_as_large_as_predicted(events: int) -> None:
    """An eighth more or less, over four powers of ten: the fixed part decides for small ones."""
    body = delivery(events)
    context = EnvironmentContext(instance_id="i", function_name="f")
    rows = log_table([Delivery(body, 1_790_000_000_000_000)], context, Invocations()).table
    size = len(encode(rows, COLUMNS).data)
    assert size == pytest.approx(FILE_BYTES + STORED_SHARE * len(body), rel=0.12)


def test_an_event_is_as_large_as_predicted() -> None:
    """CloudWatch Logs gets the record without its envelope."""
    assert len(delivery(10_000)) / 10_000 == pytest.approx(EVENT_BYTES, rel=0.03)
    envelope = '{"time":"2026-03-14T12:00:00.000Z","type":"function","record":},'
    assert len(envelope) == ENVELOPE_BYTES


def test_a_busy_environment_writes_no_more_files_than_time_allows() -> None:
    """The prediction for a busy one is one file in a TIMEOUT_MS, and one at an end."""
    work = workload(per_second=1.0, environments=1.0, duration_ms=1_000.0)
    per_day = flushes_per_invocation(work, settings()) * work.invocations_a_day
    assert per_day <= DAY_S + work.invocations_a_day
