"""The ingest function as Lambda runs it: real exporters, real processes, rows read by DuckDB."""

from __future__ import annotations

import http.client
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import function_url as url_room
import pytest
from gateway_events import GATEWAYS, answered, function_url
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from places import plain_folder, sqlite

from otlp2parquet_ext.tools import query
from otlp2parquet_ext.tools.local import Outcome, Plan
from otlp2parquet_ext.tools.local.command import events_of
from otlp2parquet_ext.tools.local.environment import run

if TYPE_CHECKING:
    from places import Place

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
ROOT = Path(__file__).parents[2]
RUNTIME = (sys.executable, "-m", "otlp2parquet_ext.functions.ingest.runtime")
HANDED_OVER = f"import os\nos.execv({sys.executable!r}, {list(RUNTIME)!r})\n"
REQUEST = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a"}}]}]}]}'
JSON = {"Content-Type": "application/json"}


def export(url: str, token: str, compression: Compression) -> None:
    """Export a span, a log record and a count with OpenTelemetry's SDK."""
    resource = Resource.create({"service.name": "shop", "service.instance.id": "s-1"})
    sending: dict[str, Any] = {
        "headers": {"authorization": f"Bearer {token}"},
        "compression": compression,
    }
    spans = TracerProvider(resource=resource)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces", **sending)))
    metrics = MeterProvider(
        [PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/v1/metrics", **sending))],
        resource,
    )
    records = LoggerProvider(resource)
    records.add_log_record_processor(
        BatchLogRecordProcessor(OTLPLogExporter(f"{url}/v1/logs", **sending))
    )
    logger = logging.getLogger("ingest.sample")
    handler = LoggingHandler(logger_provider=records)
    logger.addHandler(handler)
    with spans.get_tracer("sample").start_as_current_span("order"):
        logger.warning("order %d", 7)
    metrics.get_meter("sample").create_counter("orders").add(3)
    logger.removeHandler(handler)
    assert spans.force_flush()
    assert records.force_flush()
    assert metrics.force_flush()
    for provider in (spans, metrics, records):
        provider.shutdown()


@pytest.mark.filterwarnings("ignore:`LoggingHandler`:DeprecationWarning")
@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_sdk_exports_through_a_function_url(compression: Compression, tmp_path: Path) -> None:
    """All three signals, with a token, in one trace, and nothing of the function's own."""
    lake = sqlite(tmp_path)
    variables = {
        "OTLP2PARQUET_INGEST_DESTINATION": lake.url,
        "OTLP2PARQUET_INGEST_TOKEN": "sample-token",
        "AWS_LAMBDA_FUNCTION_NAME": "ingest",
        "PYTHONPATH": str(ROOT),
    }
    with url_room.running(RUNTIME, variables, function_url) as (url, environment):
        export(url, "sample-token", compression)
    paths = {event["rawPath"] for event in environment.events}
    assert paths == {"/v1/traces", "/v1/logs", "/v1/metrics"}
    assert all(event["isBase64Encoded"] for event in environment.events)
    rows = query.connect(lake.url, environ=lake.variables).execute(
        "SELECT DISTINCT l.Body, l.SeverityText, s.SpanName, s.ServiceName, s.ServiceInstanceId, "
        "m.Value, l.ResourceAttributes LIKE '%aws%' "
        "FROM logs l JOIN traces s USING (TraceId), metrics_sum m"
    )
    assert rows.fetchall() == [("order 7", "WARN", "order", "shop", "s-1", 3.0, False)]


def test_a_client_without_the_token_stores_nothing(tmp_path: Path) -> None:
    """The answer does not ask it to try again."""
    lake = plain_folder(tmp_path)
    variables = {**lake.variables, "OTLP2PARQUET_INGEST_TOKEN": "t-sample", "PYTHONPATH": str(ROOT)}
    with url_room.running(RUNTIME, variables, function_url) as (url, _):
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
        for path, status in (("/v1/logs", 401), ("/v1/logs?x=y", 401)):
            connection.request("POST", path, REQUEST, JSON)
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["error"]) == (
                status,
                "unauthenticated",
            )
        connection.request("GET", "/health")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"Healthy")
        connection.close()
    assert lake.objects.names() == []


def invoke(lake: Place, folder: Path, events: list[dict[str, Any]], **options: Any) -> Outcome:
    """Invoke the function in a local execution environment, with events from a file."""
    file = folder / "events.jsonl"
    file.write_text("\n".join(map(json.dumps, events)))
    plan = Plan(
        code=folder,
        extensions=(),
        invocations=len(events),
        events=events_of(file),
        memory_mb=512,
        timeout_s=30.0,
        env={"OTLP2PARQUET_INGEST_DESTINATION": lake.url, "PYTHONPATH": str(ROOT)},
        **options,
    )
    return run(plan)


def everything() -> list[dict[str, Any]]:
    """Make an event of each gateway for the same request, so all but the first are redeliveries."""
    record = {"timeUnixNano": "1773480413510000000", "body": {"stringValue": "once"}}
    request = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    body = json.dumps(request).encode()
    return [make("POST", "/v1/logs", body, JSON) for make in GATEWAYS.values()]


@pytest.mark.parametrize(
    "options",
    [
        {"handler": "otlp2parquet_ext.functions.ingest.function.handler"},
        {"command": RUNTIME},
        {"handler": "index.handler"},
    ],
    ids=["handler", "layer", "handed over"],
)
def test_every_gateway_is_served_in_each_way_to_run_it(
    options: dict[str, Any], tmp_path: Path
) -> None:
    """As AWS's runtime client calls it, by our own runtime, and by that in the place of another."""
    lake = sqlite(tmp_path)
    (tmp_path / "index.py").write_text(HANDED_OVER)
    outcome = invoke(lake, tmp_path, everything(), **options)
    assert [i.status for i in outcome.invocations] == ["success"] * len(GATEWAYS)
    for invocation in outcome.invocations:
        answer = json.loads(invocation.response)
        assert answer["statusCode"] == 200, invocation.response
        assert json.loads(answered(answer)) == {"status": "ok", "records_processed": 1}
    assert lake.bodies() == ["once"]


@pytest.mark.parametrize(
    "options",
    [{"handler": "otlp2parquet_ext.functions.ingest.function.handler"}, {"command": RUNTIME}],
)
def test_an_event_that_is_no_request_fails_and_the_next_does_not(
    options: dict[str, Any], tmp_path: Path
) -> None:
    """A queue keeps its messages, and the environment lives on."""
    lake = sqlite(tmp_path)
    outcome = invoke(lake, tmp_path, [{"Records": []}, everything()[0]], **options)
    assert [i.status for i in outcome.invocations] == ["error", "success"]
    assert b"is no HTTP request" in outcome.invocations[0].response
    assert lake.bodies() == ["once"]
