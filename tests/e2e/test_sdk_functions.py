"""Functions with OpenTelemetry's SDK: their telemetry joins Lambda's.

Real functions of Python and Node are invoked and frozen. DuckDB reads the rows of both.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from built_tools import needed
from reserved_port import ReservedPort
from scripted_lambda import COMMAND

from otlp2parquet_ext.tools import local, query
from otlp2parquet_ext.tools.commit import commit_quietly
from otlp2parquet_ext.tools.local import ExtensionProgram, Faults, Outcome, Plan

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.thorough, pytest.mark.e2e]

SAMPLES = Path(__file__).parents[1] / "otlp_routes"
INVOCATIONS = 5
EVENTS = tuple(json.dumps({"order": number}).encode() for number in range(INVOCATIONS))


def in_python(plan: Plan) -> Plan:
    """Run the function of Python by AWS's own client."""
    return replace(plan, handler="sdk_function.handler", code=SAMPLES)


def in_node(plan: Plan) -> Plan:
    """Run the function of Node."""
    return replace(plan, command=("node", "runtime.mjs"), code=needed("node"))


each_language = pytest.mark.parametrize("language", [in_python, in_node])


@dataclass(frozen=True)
class Job:
    """The destination of a function's telemetry."""

    url: str

    def run(
        self, language: Callable[[Plan], Plan], faults: Faults | None = None, **variables: str
    ) -> Outcome:
        """Invoke a function with freezes in between, and commit the rest of its inbox."""
        port, receiver = ReservedPort(), ReservedPort()
        ours = {"OTLP2PARQUET_OTLP": "on", "OTLP2PARQUET_OTLP_PORT": str(port)}
        ours |= {"RECEIVER_PORT": str(receiver)}
        sdk = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
        }
        plan = Plan(
            memory_mb=1_769,
            timeout_s=20,
            invocations=INVOCATIONS,
            events=EVENTS,
            gap_ms=20,
            destination=self.url,
            extensions=(ExtensionProgram(name="otlp2parquet", command=COMMAND),),
            faults=faults or Faults(),
            env=ours | sdk | variables,
        )
        outcome = local.run(language(plan))
        assert [one.status for one in outcome.invocations] == ["success"] * INVOCATIONS
        commit_quietly({"OTLP2PARQUET_DESTINATION": self.url}, 60)
        return outcome

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query over the tables."""
        return query.connect(self.url).execute(sql).fetchall()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Give the embedded default: Iceberg tables with a SQLite catalog."""
    return Job(f"sqlite://{tmp_path}/catalog.db?warehouse={tmp_path}/warehouse")


ABOUT = [f'$."cloud.{name}"' for name in ("provider", "platform", "region", "account.id")]
ABOUT += [f'$."faas.{name}"' for name in ("name", "version", "max_memory")]
ABOUT += ['$."cloud.resource_id"']

JOINED = f"""
SELECT s.FaasInvocationId, s.TraceId, s.ParentSpanId,
       count(DISTINCT s.SpanId) AS spans,
       count(*) FILTER (l.EventName = 'platform.report') AS reports,
       count(*) FILTER (l.EventName = 'function' AND l.Body LIKE '%order%') AS lines,
       count(*) FILTER (l.ScopeName = 'sample' AND l.SpanId = s.SpanId) AS records,
       bool_and(l.ServiceName = s.ServiceName AND l.ServiceInstanceId = s.ServiceInstanceId
                AND json_extract_string(l.ResourceAttributes, {ABOUT})
                    = json_extract_string(s.ResourceAttributes, {ABOUT})) AS one_resource,
       bool_and(list_count(json_extract_string(s.ResourceAttributes, {ABOUT})) = {len(ABOUT)})
FROM traces s JOIN logs l USING (TraceId, FaasInvocationId)
WHERE s.SpanName = 'handle order' GROUP BY ALL
"""  # noqa: S608 - of constants


def xray(outcome: Outcome) -> set[tuple[str, str, str]]:
    """Give (request id, trace id, parent) of each invocation, as its X-Ray header has them."""
    found = set()
    for one in outcome.invocations:
        parts = dict(part.split("=") for part in one.trace_header.split(";"))
        root = parts["Root"].removeprefix("1-").replace("-", "")
        found.add((one.request_id, root, parts["Parent"]))
    return found


def in_the_docs() -> str:
    """Return the query of docs/otlp.md."""
    document = (SAMPLES.parents[1] / "docs" / "otlp.md").read_text()
    [query] = re.findall(r"```sql\n(.*?)```", document, re.DOTALL)
    return str(query)


def counted(job: Job) -> list[tuple[Any, ...]]:
    """Return number and sum of the points that the SDK counted."""
    return job.ask(
        "SELECT count(*), sum(Value), count(DISTINCT ServiceInstanceId) FROM metrics_sum "
        "WHERE MetricName = 'orders'"
    )


@each_language
@pytest.mark.parametrize("signals", ["logs", "logs,traces,metrics"])
def test_what_the_sdk_says_joins_what_lambda_says(
    job: Job, language: Callable[[Plan], Plan], signals: str
) -> None:
    """One query joins by TraceId and FaasInvocationId. Every row is there once."""
    outcome = job.run(language, OTLP2PARQUET_SIGNALS=signals)
    rows = job.ask(JOINED)
    assert {row[:3] for row in rows} == xray(outcome)
    assert [row[3:] for row in rows] == [(1, 1, 1, 1, True, True)] * INVOCATIONS
    assert counted(job) == [(INVOCATIONS, INVOCATIONS, 1)]
    names = "SELECT Body FROM logs WHERE ScopeName = 'sample' ORDER BY 1"
    assert job.ask(names) == [(f"order {number}",) for number in range(INVOCATIONS)]
    shown = [(request, name) for request, name, *_ in job.ask(in_the_docs())]
    assert sorted(shown) == sorted((request, "handle order") for request, *_ in xray(outcome))
    if signals == "logs":
        return
    siblings = (
        "SELECT own.TraceId, own.FaasInvocationId, count(*) FROM traces sdk JOIN traces own "
        "USING (TraceId, FaasInvocationId, ParentSpanId) WHERE sdk.SpanName = 'handle order' "
        "AND own.SpanName = 'local' AND own.SpanKind = 'SPAN_KIND_SERVER' "
        "AND sdk.SpanId <> own.SpanId GROUP BY ALL"
    )
    wanted = {(trace, request, 1) for request, trace, _ in xray(outcome)}
    assert set(job.ask(siblings)) == wanted


@each_language
def test_a_subscription_that_is_refused_takes_nothing_from_the_sdk(
    job: Job, language: Callable[[Plan], Plan]
) -> None:
    """Some emulators refuse it.

    There is no telemetry of Lambda's, and all of the function's own.
    """
    outcome = job.run(language, Faults(refuse_subscription=202))
    assert outcome.deliveries == ()
    spans = job.ask("SELECT FaasInvocationId, TraceId, ParentSpanId FROM traces")
    assert sorted(spans) == sorted(xray(outcome))
    assert counted(job) == [(INVOCATIONS, INVOCATIONS, 1)]
    assert job.ask(
        "SELECT count(*), count(DISTINCT Body) FROM logs WHERE ScopeName = 'sample'"
    ) == [(INVOCATIONS, INVOCATIONS)]


def test_what_is_to_be_masked_is_masked_in_what_both_say(job: Job) -> None:
    """One rule masks Lambda's line, and the SDK's record of the same line."""
    job.run(in_python, OTLP2PARQUET_REDACT=r"order (\d)")
    bodies = "SELECT Body, count(*) FROM logs WHERE ScopeName = 'sample' GROUP BY 1"
    assert job.ask(bodies) == [("order [redacted]", INVOCATIONS)]
    lines = (
        "SELECT count(*) FROM logs WHERE EventName = 'function' AND Body LIKE '%order [redacted]%'"
    )
    assert job.ask(lines) == [(INVOCATIONS,)]
    assert job.ask(r"SELECT count(*) FROM logs WHERE regexp_matches(Body, 'order \d')") == [(0,)]
