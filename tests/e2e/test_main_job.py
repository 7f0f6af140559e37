"""The main job: a real function, the real protocol, a real table, read by another engine.

Every test compares what the platform generated with what is in the table: each event once.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from reserved_port import ReservedPort
from scripted_lambda import COMMAND

from otlp2parquet_ext.tools import local, query
from otlp2parquet_ext.tools.commit import commit_quietly
from otlp2parquet_ext.tools.local import (
    ExtensionProgram,
    Faults,
    Kill,
    KillPoint,
    LogFormat,
    Outcome,
    Plan,
)

if TYPE_CHECKING:
    from pathlib import Path

    from otlp2parquet_ext.tools.local.events import PlatformEvent

pytestmark = pytest.mark.e2e

HANDLER = """
import json
import logging

logger = logging.getLogger()
logger.setLevel(logging.INFO)
count = 0


def handler(event, context):
    global count
    count += 1
    logger.info("start of %d", count)
    print(json.dumps({"print": count}))
    logger.warning("warning in %d", count)
    try:
        {}["missing"]
    except KeyError:
        logger.exception("failed in %d", count)
    return {"count": count}
"""
LINES = 4  # of one invocation


@dataclass(frozen=True)
class Job:
    """A function in an empty folder, and the destination of its telemetry."""

    folder: Path
    url: str

    def run(self, invocations: int, faults: Faults | None = None, **changes: Any) -> Outcome:
        """Run the function in a local execution environment with one whole CPU."""
        (self.folder / "app.py").write_text(HANDLER)
        port = ReservedPort()
        plan = Plan(
            handler="app.handler",
            code=self.folder,
            memory_mb=1_769,
            timeout_s=10,
            invocations=invocations,
            gap_ms=20,
            destination=self.url,
            extensions=(ExtensionProgram(name="otlp2parquet", command=COMMAND),),
            faults=faults or Faults(),
        )
        plan = replace(plan, **changes)
        return local.run(replace(plan, env={"RECEIVER_PORT": str(port), **plan.env}))

    def rows(self) -> Counter[tuple[str, str, str]]:
        """Count the rows by (event type, millisecond, request id of the row)."""
        sql = (
            "SELECT EventName, strftime(Timestamp, '%Y-%m-%dT%H:%M:%S.%gZ'), "
            "coalesce(FaasInvocationId, '') FROM logs"
        )
        return Counter((kind, time, request) for kind, time, request in self.ask(sql))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query over the table."""
        return query.connect(self.url).execute(sql).fetchall()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Give the embedded default: an Iceberg table with a SQLite catalog."""
    return Job(tmp_path, f"sqlite://{tmp_path}/catalog.db?warehouse={tmp_path}/warehouse")


def expected(
    outcome: Outcome, undelivered: tuple[PlatformEvent, ...] = ()
) -> Counter[tuple[str, str, str]]:
    """Count the platform's deliveries in the same way; log lines have their request."""
    windows = [
        (event.time, str(event.record["requestId"]))
        for event in outcome.events
        if event.type == "platform.start" and isinstance(event.record, dict)
    ]
    generated, missing = (
        Counter((event.type, event.time, _request(event, windows)) for event in events)
        for events in (_subscribed(outcome.events), undelivered)
    )
    return generated - missing


def _subscribed(events: tuple[PlatformEvent, ...]) -> list[PlatformEvent]:
    """Leave out the output of extensions, because we do not subscribe to it."""
    return [event for event in events if event.type != "extension"]


def _request(event: PlatformEvent, windows: list[tuple[str, str]]) -> str:
    if isinstance(event.record, dict) and "requestId" in event.record:
        return str(event.record["requestId"])
    if event.type != "function":
        return ""
    return next((r for start, r in reversed(windows) if start <= event.time), "")


def check(job: Job, outcome: Outcome, invocations: int) -> None:
    """Check that every event is there once, with its invocation, and the function succeeded."""
    assert [i.status for i in outcome.invocations] == ["success"] * invocations
    assert outcome.dropped_records == 0
    assert job.rows() == expected(outcome)
    functions = sum(n for (kind, _, _), n in job.rows().items() if kind == "function")
    assert functions == LINES * invocations


def test_thirty_invocations_are_in_the_table_exactly_once(job: Job) -> None:
    """Rows have request id, severity, trace id and the facts of the cold start."""
    outcome = job.run(30)
    check(job, outcome, 30)
    assert outcome.extensions[0].exit_code == 0
    assert outcome.extensions[0].lines == ()
    traces = {i.request_id: i.trace_header for i in outcome.invocations}
    for request_id, trace_id in job.ask(
        "SELECT DISTINCT FaasInvocationId, TraceId FROM logs WHERE FaasInvocationId IS NOT NULL"
    ):
        root = traces.pop(request_id).split(";")[0].removeprefix("Root=1-").replace("-", "")
        assert trace_id == root
    assert traces == {}
    severities = job.ask(
        "SELECT SeverityText, SeverityNumber, count(*) FROM logs WHERE EventName = 'function' "
        "GROUP BY ALL ORDER BY 2"
    )
    assert severities == [("", 0, 30), ("INFO", 9, 30), ("WARNING", 13, 30), ("ERROR", 17, 30)]
    cold = job.ask(
        "SELECT FaasInvocationId FROM logs WHERE (LogAttributes->>'faas.coldstart')::BOOLEAN "
        "AND EventName = 'platform.report'"
    )
    assert cold == [(outcome.invocations[0].request_id,)]


def test_json_logs_keep_their_fields(job: Job) -> None:
    """AWS_LAMBDA_LOG_FORMAT=JSON: records are objects, the message is the body."""
    outcome = job.run(3, log_format=LogFormat.JSON)
    assert job.rows() == expected(outcome)
    errors = job.ask(
        "SELECT Body, SeverityText, LogAttributes->>'exception.type' FROM logs "
        "WHERE SeverityNumber = 17 AND EventName = 'function' ORDER BY Body"
    )
    assert errors == [(f"failed in {n}", "ERROR", "KeyError") for n in (1, 2, 3)]


def test_plain_parquet_holds_the_same_rows(job: Job, tmp_path: Path) -> None:
    """Both destinations use the same mapping."""
    plain = replace(job, url=f"file://{tmp_path}/lake")
    check(plain, plain.run(5), 5)


@pytest.mark.parametrize("after_ms", [0, 50, 300])
def test_telemetry_that_comes_only_after_shutdown_is_in_the_table(job: Job, after_ms: int) -> None:
    """The platform's last delivery can follow its SHUTDOWN, so the receiver closes last."""
    outcome = job.run(10, Faults(telemetry_after_shutdown_ms=after_ms))
    check(job, outcome, 10)


def test_telemetry_that_races_shutdown_is_in_the_table(job: Job) -> None:
    """Half of it comes just before the event, and half at the same moment."""
    check(job, job.run(10, Faults(race_shutdown=True)), 10)


def test_a_redelivered_body_is_in_the_table_once(job: Job) -> None:
    """The platform repeats a delivery that it assumes lost."""
    outcome = job.run(10, Faults(redeliver_every=1))
    assert any(delivery.redelivery for delivery in outcome.deliveries)
    check(job, outcome, 10)


@pytest.mark.parametrize(
    "kill",
    [
        Kill(point=KillPoint.BETWEEN, at=1),
        Kill(point=KillPoint.BETWEEN, at=5),
        Kill(point=KillPoint.DELIVERY, at=3),
        Kill(point=KillPoint.INVOKE, at=4),
    ],
    ids=lambda kill: f"{kill.point}-{kill.at}",
)
def test_what_was_acknowledged_survives_a_kill(job: Job, kill: Kill) -> None:
    """The extension gets kill -9. The spool survives, and the next process stores it.

    With `end` the lines of every invocation arrive within it, so the platform buffers none of them
    at the kill. Whatever it buffers (usually a report) was never delivered.
    """
    outcome = job.run(10, Faults(kill=kill), env={"OTLP2PARQUET_FLUSH": "end"})
    assert outcome.resets == 1
    rows = job.rows()
    assert rows == expected(outcome, outcome.undelivered)
    assert sum(n for (kind, _, _), n in rows.items() if kind == "function") >= LINES * 9


@pytest.mark.thorough
def test_all_lines_are_in_the_table_after_a_kill_between_two_invocations(job: Job) -> None:
    """Thirty invocations, with a kill during the freeze after the fifteenth.

    Every line is there once.
    """
    kill = Kill(point=KillPoint.BETWEEN, at=15)
    outcome = job.run(30, Faults(kill=kill), env={"OTLP2PARQUET_FLUSH": "end"})
    assert outcome.resets == 1
    assert [event.type for event in outcome.undelivered] == ["platform.report"]
    assert job.rows() == expected(outcome, outcome.undelivered)
    lines = job.ask(
        "SELECT count(*), count(DISTINCT FaasInvocationId) FROM logs WHERE EventName = 'function'"
    )
    assert lines == [(30 * LINES, 30)]


@pytest.mark.parametrize("status", [202, 400, 403])
@pytest.mark.timing
def test_a_refused_subscription_harms_no_invocation(job: Job, status: int) -> None:
    """There is no telemetry, but the function runs as without the extension."""
    outcome = job.run(3, Faults(refuse_subscription=status))
    assert [i.status for i in outcome.invocations] == ["success"] * 3
    assert max(i.post_runtime_extension_ms for i in outcome.invocations) < 200
    assert outcome.extensions[0].exit_code == 0


def test_managed_instances_deliver_everything(job: Job) -> None:
    """There is no INVOKE, invocations overlap, and logs are JSON: only records have ids."""
    outcome = job.run(6, managed=True, concurrency=2)
    commit_quietly(
        {"OTLP2PARQUET_DESTINATION": job.url}, 60
    )  # files that SHUTDOWN had no time to commit
    rows = job.ask("SELECT EventName, count(*) FROM logs GROUP BY 1")
    assert dict(rows) == Counter(event.type for event in outcome.events)
    attributed = job.ask(
        "SELECT FaasInvocationId FROM logs WHERE EventName = 'function' AND Body LIKE 'start of%'"
    )
    assert {i.request_id for i in outcome.invocations} == {row[0] for row in attributed}


def test_a_timeout_of_the_function_loses_nothing(job: Job) -> None:
    """After the reset a new process has the same /tmp, and first flushes the old telemetry."""
    (job.folder / "slow.py").write_text(
        HANDLER + "\n\ndef slow(event, context):\n    import time\n    handler(event, context)\n"
        "    if event.get('slow'):\n        time.sleep(30)\n"
    )
    events = (b"{}", json.dumps({"slow": True}).encode(), b"{}")
    # Only the slow one may time out: on a busy machine two seconds are short for a cold start.
    faults = Faults(timeouts_s={2: 2})
    outcome = job.run(3, faults, handler="slow.slow", timeout_s=60, events=events)
    assert [i.status for i in outcome.invocations] == ["success", "timeout", "success"]
    commit_quietly({"OTLP2PARQUET_DESTINATION": job.url}, 60)
    assert job.rows() == expected(outcome)
