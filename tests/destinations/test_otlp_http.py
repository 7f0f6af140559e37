"""`otlp+https://…`: what a collector gets, and what becomes of what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import otelcol
import pyarrow as pa
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from telemetry_sinks import Collector, Reply, running

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.extension.context import context_note, ending_note
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.flush.table_builder import LIMITS
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.destination import DestinationError
from otlp2parquet_ext.lake.destinations.otlp_http import read_headers
from otlp2parquet_ext.records.otlp.messages import Signal
from otlp2parquet_ext.records.otlp.sending import Export, rejected
from otlp2parquet_ext.records.telemetry.values import EnvironmentContext
from otlp2parquet_ext.spool import FrameKind, Spool
from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otlp2parquet_ext.lake.destinations.destination import Receipt

REQUEST_ID = "b3b6f3de-5a0e-4a5c-9d53-6a0f1d2c7e11"
EVENTS: list[dict[str, Any]] = [
    {
        "time": "2026-03-14T09:26:53.500Z",
        "type": "platform.start",
        "record": {"requestId": REQUEST_ID, "version": "17"},
    },
    {"time": "2026-03-14T09:26:53.510Z", "type": "function", "record": "plain line"},
    {
        "time": "2026-03-14T09:26:53.520Z",
        "type": "function",
        "record": {
            "level": "ERROR",
            "message": "failed",
            "n": 7,
            "big": 2**63,
            "x": 1.5,
            "yes": True,
            "none": None,
            "list": [1, "a"],
            "deep": {"a": {}},
        },
    },
    {
        "time": "2026-03-14T09:26:53.700Z",
        "type": "platform.report",
        "record": {
            "requestId": REQUEST_ID,
            "status": "success",
            "metrics": {
                "durationMs": 200.0,
                "billedDurationMs": 200,
                "memorySizeMB": 128,
                "maxMemoryUsedMB": 60,
            },
        },
    },
]
CONTEXT = EnvironmentContext(instance_id="i-1", function_name="orders", region="eu-west-1")


def logs_request(*bodies: str) -> bytes:
    """Make a request as an SDK would."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    records = resource.scope_logs.add().log_records
    for body in bodies:
        records.add(time_unix_nano=1_773_480_413_540_000_000).body.string_value = body
    return bytes(request.SerializeToString())


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A strict receiver."""
    with running(Collector()) as server:
        assert isinstance(server, Collector)
        yield server


class Bench:
    """A flush side that forwards to one endpoint."""

    def __init__(self, url: str, folder: Path, **more: str) -> None:
        environ = {"OTLP2PARQUET_DESTINATION": f"otlp+{url}", **more}
        self.side = FlushPipeline(load(environ)[0], environ)
        self.spool = Spool(
            folder / "spool", 1 << 26, 0, segment_bytes=1 << 25, segment_items=1 << 20
        )
        self.spool.set_preamble([context_note(CONTEXT)])

    def store(
        self, *requests: tuple[FrameKind, bytes], events: list[dict[str, Any]] | None = None
    ) -> Receipt:
        """Forward events of Lambda's and requests of an SDK's as one batch."""
        if events:
            self.spool.append(json.dumps(events).encode(), 1_773_480_414_000_000, len(events))
        for kind, payload in requests:
            self.spool.append(payload, 1_773_480_414_000_000, 1, kind)
        if events:
            kind, payload, _ = ending_note("spindown", 1_773_480_415_000_000)
            self.spool.append(payload, 1, 0, kind)
        segment = self.spool.seal()
        assert segment is not None
        return self.side.store(segment)


def test_what_an_sdk_exported_goes_on_byte_for_byte(collector: Collector, tmp_path: Path) -> None:
    """It is not converted to our columns and back, so pyarrow is not needed."""
    payload = logs_request("one", "two")
    Bench(f"{collector.url}/base/", tmp_path).store((FrameKind.OTLP_LOGS, payload))
    assert [request.path for request in collector.requests] == ["/base/v1/logs"]
    collector.requests.clear()
    Bench(collector.url, tmp_path).store((FrameKind.OTLP_LOGS, payload))
    [request] = collector.taken
    assert request.body == payload
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["content-encoding"] == "gzip"
    assert request.headers["user-agent"].startswith("otlp2parquet-ext/")


def test_lambdas_telemetry_goes_on_as_the_rows_of_the_lake(
    collector: Collector, tmp_path: Path
) -> None:
    """One mapping: severity, request id, resource and attributes are those of the tables."""
    bench = Bench(collector.url, tmp_path, OTLP2PARQUET_SIGNALS="logs,traces,metrics")
    bench.store(events=EVENTS)
    [message] = collector.messages("/v1/logs")
    resource = message.resource_logs[0].resource.attributes
    told = {pair.key: pair.value.string_value for pair in resource}
    assert (told["service.name"], told["service.instance.id"]) == ("orders", "i-1")
    assert told["cloud.region"] == "eu-west-1"
    start, line, error, report = collector.log_records
    assert [r.event_name for r in (start, line, error, report)] == [e["type"] for e in EVENTS]
    assert (line.body.string_value, error.severity_number) == ("plain line", 17)
    assert line.time_unix_nano == 1_773_480_413_510_000_000
    assert line.observed_time_unix_nano == 1_773_480_414_000_000_000
    attributes = {pair.key: pair.value for pair in error.attributes}
    assert attributes["faas.invocation_id"].string_value == REQUEST_ID
    assert attributes["n"].int_value == 7
    assert attributes["big"].string_value == str(2**63)
    assert attributes["x"].double_value == 1.5
    assert attributes["yes"].bool_value
    assert attributes["none"].WhichOneof("value") is None
    assert [v.WhichOneof("value") for v in attributes["list"].array_value.values] == [
        "int_value",
        "string_value",
    ]
    inner = attributes["deep"].kvlist_value.values[0]
    assert (inner.key, inner.value.WhichOneof("value")) == ("a", "kvlist_value")


def test_a_long_batch_is_mapped_and_sent_in_portions(collector: Collector, tmp_path: Path) -> None:
    """Its rows are never all in memory, and after a failure the next try begins behind them."""
    columns_bytes: list[int] = []

    def look(body: bytes) -> Reply | None:
        del body
        columns_bytes.append(pa.total_allocated_bytes())
        return Reply(503) if len(columns_bytes) == 100 else None

    bench = Bench(collector.url, tmp_path, OTLP2PARQUET_SIGNALS="logs,traces,metrics")
    event = {"time": EVENTS[0]["time"], "type": "function"}
    before_bytes, count = pa.total_allocated_bytes(), 65_536
    for start in range(0, count, 4_096):
        lines = [{**event, "record": f"{n} {'x' * 200}"} for n in range(start, start + 4_096)]
        bench.spool.append(json.dumps(lines).encode(), 1_773_480_414_000_000, len(lines))
    segment = bench.spool.seal()
    assert segment is not None
    collector.refuses = look
    with pytest.raises(DestinationError):
        bench.side.store(segment)
    bench.side.store(segment)
    assert max(columns_bytes) - before_bytes < 3 * LIMITS.size_bytes // 2
    numbers = [int(record.body.string_value.split()[0]) for record in collector.log_records]
    assert numbers == list(range(count))


def test_spans_and_metrics_that_are_derived_are_exported_too(
    collector: Collector, tmp_path: Path
) -> None:
    """`OTLP2PARQUET_SIGNALS` selects them."""
    bench = Bench(collector.url, tmp_path, OTLP2PARQUET_SIGNALS="logs,traces,metrics")
    bench.store(events=EVENTS)
    [traces] = collector.messages("/v1/traces")
    [span] = traces.resource_spans[0].scope_spans[0].spans
    assert (span.name, span.kind, len(span.trace_id), len(span.span_id)) == ("orders", 2, 16, 8)
    assert span.end_time_unix_nano - span.start_time_unix_nano == 200_000_000
    metrics = {
        metric.name: metric
        for message in collector.messages("/v1/metrics")
        for resource in message.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    usage = metrics["faas.mem_usage"]
    assert (usage.unit, usage.histogram.aggregation_temporality) == ("By", 1)
    [point] = usage.histogram.data_points
    assert (point.count, point.max, sum(point.bucket_counts)) == (1, 60 * 2**20, 1)
    [billed] = metrics["aws.lambda.billed_duration"].gauge.data_points
    assert billed.as_double == 0.2


def test_headers_are_sent_decoded_and_compression_can_be_switched_off(
    collector: Collector, tmp_path: Path
) -> None:
    """As the SDKs read the same variables."""
    variables = {
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%3Db%2C, Authorization=Bearer%20token-1",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
    }
    Bench(collector.url, tmp_path, **variables).store((FrameKind.OTLP_LOGS, logs_request("x")))
    headers = collector.taken[0].headers
    assert (headers["api-key"], headers["authorization"]) == ("a=b,", "Bearer token-1")
    assert "content-encoding" not in headers


def test_headers_that_are_none_are_left_out_and_named_by_number_only(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Their text may be a secret."""
    assert read_headers("a=1,hush-hush,b%0A=2,c=x%0D%0Ahost: evil,Content-Type=text/html,d=") == {
        "a": "1",
        "d": "",
    }
    said = capfd.readouterr().err
    assert [f"entry {number} is no header" in said for number in range(1, 7)] == [
        False, True, True, True, True, False,
    ]  # fmt: skip
    assert "hush" not in said


def test_what_a_collector_takes_only_in_part_is_counted(
    collector: Collector, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A partial success is one: it must not be sent again."""
    partial = ExportLogsServiceResponse()
    partial.partial_success.rejected_log_records = 2
    partial.partial_success.error_message = "too old"
    collector.success = Reply(200, partial.SerializeToString())
    bench = Bench(collector.url, tmp_path)
    [lost] = bench.store((FrameKind.OTLP_LOGS, logs_request("a", "b", "c"))).lost
    assert (lost.reason, lost.records) == (f"rejected by otlp+{collector.url}", 2)
    bench.store((FrameKind.OTLP_LOGS, logs_request("d", "e", "f")))
    assert capfd.readouterr().err.count("2 records were rejected: too old") == 1
    assert len(collector.requests) == 2


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_statuses_that_may_pass_keep_the_batch(
    collector: Collector, tmp_path: Path, status: int
) -> None:
    """The four of the specification."""
    bench = Bench(collector.url, tmp_path)
    collector.replies = [Reply(status, b"later")]
    with pytest.raises(DestinationError, match=f"HTTP {status}: later"):
        bench.store((FrameKind.OTLP_LOGS, logs_request("a")))


@pytest.mark.parametrize("status", [401, 403, 404, 500, 501, 301])
def test_all_other_statuses_are_for_ever(collector: Collector, tmp_path: Path, status: int) -> None:
    """The batch is dropped for this destination, and counted; one request, not a search."""
    collector.replies = [Reply(status)]
    request = (FrameKind.OTLP_LOGS, logs_request("a", "b"))
    [lost] = Bench(collector.url, tmp_path).store(request).lost
    assert (lost.reason, lost.records) == (f"otlp+{collector.url}: HTTP {status}", 2)
    assert len(collector.requests) == 1


def test_one_record_that_is_refused_costs_no_other(collector: Collector, tmp_path: Path) -> None:
    """Requests are divided, and both halves keep resource and scope of their records."""
    collector.refuses = lambda body: Reply(400) if b"poison" in body else None
    bodies = [f"line {number}" for number in range(100)]
    request = (FrameKind.OTLP_LOGS, logs_request(*bodies[:30], "poison", *bodies[30:]))
    [lost] = Bench(collector.url, tmp_path).store(request).lost
    assert lost.records == 1
    assert [record.body.string_value for record in collector.log_records] == bodies
    services = {
        message.resource_logs[0].resource.attributes[0].value.string_value
        for message in collector.messages("/v1/logs")
    }
    assert services == {"shop"}


def test_cutting_a_request_loses_no_piece_of_any_signal() -> None:
    """Across resources and scopes, wherever the cut falls."""
    logs = ExportLogsServiceRequest()
    traces = ExportTraceServiceRequest()
    metrics = ExportMetricsServiceRequest()
    for number in range(3):
        for _ in range(2):
            logs.resource_logs.add().scope_logs.add().log_records.add(severity_number=number)
        spans = traces.resource_spans.add().scope_spans
        for part in range(2):
            spans.add(schema_url=str(part)).spans.add(name=f"{number}{part}")
        for part in range(2):
            metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name=str(part))
            metric.gauge.data_points.add(as_double=1)
            metric.gauge.data_points.add(as_double=2)
    requests: tuple[Any, ...] = (logs, traces, metrics)
    for signal, request in zip(Signal, requests, strict=True):
        export = Export(signal, request.SerializeToString())
        assert export.pieces == 6
        assert export.records() == (12 if signal is Signal.METRICS else 6)
        for at in range(1, 6):
            first, rest = export.cut(at)
            assert (first.pieces, rest.pieces) == (at, 6 - at)
            both = type(request).FromString(first.body(0) + rest.body(0))  # protobuf appends
            assert Export(signal, both.SerializeToString()).records() == export.records()


def test_a_lake_that_gets_its_batches_later_gets_the_same_rows(
    collector: Collector, tmp_path: Path
) -> None:
    """Spans are derived from several batches; others having them by then changes nothing."""
    lake = tmp_path / "lake"
    url = f"sqlite://{lake}/catalog.db?warehouse={lake}/warehouse"
    environ = {
        "OTLP2PARQUET_DESTINATION": f"{url} otlp+{collector.url}",
        "OTLP2PARQUET_SIGNALS": "logs,traces",
    }
    side = FlushPipeline(load(environ)[0], environ)
    spool = Spool(tmp_path / "spool", 1 << 24, 0)
    spool.set_preamble([context_note(CONTEXT)])
    segments = []
    for event in EVENTS:
        spool.append(json.dumps([event]).encode(), 1_773_480_414_000_000, 1)
        if event is EVENTS[-1]:
            kind, payload, _ = ending_note("spindown", 1_773_480_415_000_000)
            spool.append(payload, 1, 0, kind)
        segments.append(spool.seal())
    lake.write_text("in the way")
    for segment in segments:
        assert segment is not None
        assert side.store(segment).undelivered == (str(lake / "catalog.db"),)
    lake.unlink()
    for segment in segments:
        assert segment is not None
        assert side.redeliver(segment, (str(lake / "catalog.db"),)).undelivered == ()
    side.commit(2**60)
    rows = query.connect(url)
    assert rows.execute("SELECT count(*) FROM logs").fetchall() == [(len(EVENTS),)]
    [message] = collector.messages("/v1/traces")
    span = message.resource_spans[0].scope_spans[0].spans[0]
    found = rows.execute("SELECT SpanId, Duration, ServiceName FROM traces").fetchall()
    assert found == [(span.span_id.hex(), 200_000_000, "orders")]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "sandbox"])
def test_our_own_endpoint_is_no_destination(host: str) -> None:
    """Its requests would come back for ever. Another collector's port is a destination."""
    environ = {"OTLP2PARQUET_OTLP": "on", "OTLP2PARQUET_DESTINATION": f"otlp+http://{host}:4318"}
    with pytest.raises(DestinationError, match="own OTLP endpoint"):
        choose(load(environ)[0], environ)
    choose(load({**environ, "OTLP2PARQUET_OTLP_PORT": "4319"})[0], environ)
    choose(load({**environ, "OTLP2PARQUET_OTLP": "off"})[0], environ)


def test_an_answer_nobody_understands_says_nothing() -> None:
    """Some answer in JSON, or with a page."""
    assert rejected(Signal.LOGS, b"") == (0, "")
    assert rejected(Signal.LOGS, b"<html>") == (0, "")


def test_the_real_collector_takes_all_three_signals(tmp_path: Path) -> None:
    """Its output has everything that Lambda and an SDK sent."""
    folder = tmp_path / "collector"
    folder.mkdir()
    sdk = (FrameKind.OTLP_LOGS, logs_request("from an SDK"))
    with otelcol.running(folder) as url:
        bench = Bench(url, tmp_path, OTLP2PARQUET_SIGNALS="logs,traces,metrics")
        assert bench.store(sdk, events=EVENTS).lost == ()
        documents = otelcol.taken(folder, "from an SDK")
    assert {key for document in documents for key in document} == {
        "resourceLogs",
        "resourceSpans",
        "resourceMetrics",
    }
    bodies = [
        record.get("body", {}).get("stringValue")
        for document in documents
        for resource in document.get("resourceLogs", ())
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
    ]
    assert "plain line" in bodies
    assert "from an SDK" in bodies
    assert len(bodies) == len(EVENTS) + 1
    [spans] = [d for d in documents if "resourceSpans" in d]
    [span] = spans["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert span["name"] == "orders"


def test_a_wrong_path_of_the_real_collector_is_for_ever(tmp_path: Path) -> None:
    """Nothing is tried again, and nothing waits behind it."""
    folder = tmp_path / "collector"
    folder.mkdir()
    with otelcol.running(folder) as url:
        bench = Bench(url + "/not-there", tmp_path)
        [lost] = bench.store((FrameKind.OTLP_LOGS, logs_request("x"))).lost
        assert lost.reason.endswith("HTTP 404")
