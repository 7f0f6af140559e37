"""Managed Instances and SnapStart: the other two ways in which an environment can live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from local_bench import noted, plan_with_probe, platform, received, types

from otlp2parquet_ext.tools.local import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_managed_instances_run_invocations_side_by_side(tmp_path: Path) -> None:
    """Four at a time: together they take less than one after the other."""
    options = {"managed": True, "concurrency": 4, "invocations": 8}
    outcome = run(plan_with_probe(tmp_path, "sleep", payloads=[{"seconds": 0.2}], **options))
    assert outcome.succeeded
    starts = sorted(it.started_ms for it in outcome.invocations)
    assert starts[3] - starts[0] < 150
    assert platform(outcome, "runtimeDone") == []
    report = platform(outcome, "report")[0]
    assert set(report["metrics"]) == {"durationMs"}
    assert [span["name"] for span in report["spans"]] == ["responseLatency", "responseDuration"]
    assert platform(outcome, "start")[0]["functionArn"].endswith(":function:local")
    assert platform(outcome, "initStart")[0]["initializationType"] == "lambda-managed-instances"


def test_managed_instances_refuse_to_register_for_invoke(tmp_path: Path) -> None:
    """403 Extension.InvalidEventType, then SHUTDOWN alone is accepted."""
    outcome = run(plan_with_probe(tmp_path, managed=True))
    (refused,) = noted(tmp_path, "refused")
    assert refused["errorType"] == "Extension.InvalidEventType"
    assert [event["event"]["eventType"] for event in noted(tmp_path, "events")] == ["SHUTDOWN"]
    assert outcome.acknowledged == received(tmp_path)
    assert "sequence-id" in noted(tmp_path, "deliveries")[0]["headers"]


def test_managed_instances_deliver_the_logs_of_every_worker(tmp_path: Path) -> None:
    """Each worker has a stream of its own; JSON lines are objects."""
    options = {"managed": True, "concurrency": 2, "invocations": 6}
    outcome = run(plan_with_probe(tmp_path, "talk", payloads=[{"lines": 50}], **options))
    records = [event["record"] for event in received(tmp_path) if event["type"] == "function"]
    logged = [record for record in records if isinstance(record, dict) and "message" in record]
    assert len(logged) == 6 * 50
    assert {record["requestId"] for record in logged} == {
        it.request_id for it in outcome.invocations
    }


def test_managed_instances_report_a_timeout_and_let_the_code_run_on(tmp_path: Path) -> None:
    """Nothing is reset: the other invocations of the environment must not suffer."""
    options = {"managed": True, "concurrency": 2, "timeout_s": 0.3, "invocations": 3}
    payloads = [{"seconds": 1}, {"seconds": 0}, {"seconds": 0}]
    outcome = run(plan_with_probe(tmp_path, "sleep", payloads=payloads, **options))
    assert sorted(it.status for it in outcome.invocations) == ["success", "success", "timeout"]
    assert outcome.resets == 0
    assert len(outcome.extensions) == 1


def test_a_crashed_extension_replaces_a_managed_environment(tmp_path: Path) -> None:
    """The environment is unhealthy: SHUTDOWN, and a new INIT of phase `init`."""
    options = {"managed": True, "invocations": 2}
    plan = plan_with_probe(tmp_path, probe={"EXIT_AT_START": 1}, **options)
    outcome = run(plan)
    assert {it.error_type for it in outcome.invocations} == {"Extension.Crash"}
    assert {record["phase"] for record in platform(outcome, "initStart")} == {"init"}


def test_snapstart_restores_before_the_first_invocation(tmp_path: Path) -> None:
    """INIT, snapshot, then the restore events and their duration in the report."""
    outcome = run(plan_with_probe(tmp_path, snapstart=True, invocations=2))
    assert outcome.succeeded
    counts = types(received(tmp_path))
    assert counts["platform.restoreStart"] == counts["platform.restoreReport"] == 1
    first, second = platform(outcome, "report")
    assert "restoreDurationMs" in first["metrics"]
    assert "initDurationMs" not in first["metrics"]
    assert "restoreDurationMs" not in second["metrics"]
    assert platform(outcome, "initStart")[0]["initializationType"] == "snap-start"
    assert [it.cold_start for it in outcome.invocations] == [True, False]
