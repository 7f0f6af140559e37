"""The real SDKs of Python and Node, exporting to the endpoint as they do inside a function."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from built_tools import needed
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_server import running

from otlp2parquet_ext.records.otlp.requests import Signal

if TYPE_CHECKING:
    from otlp_server import Running

pytestmark = [pytest.mark.thorough, pytest.mark.e2e]

HERE = Path(__file__).parent
DOCUMENT = (HERE.parents[1] / "docs" / "otlp.md").read_text()
PYTHON = (sys.executable, str(HERE / "sdk_function.py"))
INVOKE_TWICE = """
const { handler } = await import('./index.mjs');
for (const id of ['r-1', 'r-2']) await handler({ order: 7 }, { awsRequestId: id });
process.exit(0);
"""


async def invoke(
    server: Running, command: tuple[str, ...], folder: Path = HERE, **variables: str
) -> str:
    """Run a function to its end; return its output."""
    environ = os.environ | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.port}",
        "OTEL_SERVICE_NAME": "shop",
    }
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environ | variables,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


def payloads(server: Running, signal: Signal) -> list[bytes]:
    """Return what was taken of one signal."""
    return [accepted.payload for taken, accepted in server.taken if taken is signal]


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
async def test_the_sdk_of_python_exports_all_three_signals(compression: str) -> None:
    """With variables alone, and everything is here before the invocation ends."""
    async with running() as server:
        command = (*PYTHON, "r-1", "r-2")
        said = await invoke(server, command, OTEL_EXPORTER_OTLP_COMPRESSION=compression)
        traces, logs, metrics = (
            payloads(server, s) for s in (Signal.TRACES, Signal.LOGS, Signal.METRICS)
        )
        assert (len(traces), len(logs)) == (2, 2)
        resource = ExportTraceServiceRequest.FromString(traces[1]).resource_spans[0]
        [span] = resource.scope_spans[0].spans
        attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
        assert (attributes["service.name"], span.name) == ("shop", "handle order")
        assert [a.value.string_value for a in span.attributes] == ["r-2"]
        record = ExportLogsServiceRequest.FromString(logs[1]).resource_logs[0]
        [record] = record.scope_logs[0].log_records
        assert (record.body.string_value, record.trace_id) == ("order 7", span.trace_id)
        # Its reader exports when flushed, and once more when the interpreter ends.
        metric = ExportMetricsServiceRequest.FromString(metrics[1]).resource_metrics[0]
        assert metric.scope_metrics[0].metrics[0].sum.data_points[0].as_int == 2
        assert "Failed" not in said


async def test_the_sdk_of_python_sends_again_what_the_spool_did_not_take() -> None:
    """503 with Retry-After: the exporter waits that second, and nothing is lost or doubled."""
    async with running() as server:
        refusals = iter(["the spool is full"])
        take = server.accept

        def once(signal: Signal, accepted: object) -> str | None:
            return next(refusals, None) or take(signal, accepted)  # type: ignore[arg-type]

        server.receiver._accept = once
        said = await invoke(server, (*PYTHON, "r-1"))
        assert server.spans == ["handle order"]
        assert "retrying in 1.00s" in said


@pytest.fixture(scope="module")
def node_function() -> Path:
    """The folder of the function of Node, with the packages its lock names."""
    return needed("node")


@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_the_sdk_of_node_exports_all_three_signals_before_its_invocation_ends(
    node_function: Path, compression: str
) -> None:
    """It sends bodies in chunks of unknown length, and keeps its connection."""
    command = ("node", "--input-type=module", "--eval", INVOKE_TWICE)

    async with running() as server:
        said = await invoke(
            server, command, node_function, OTEL_EXPORTER_OTLP_COMPRESSION=compression
        )
        assert server.spans == ["handle order", "handle order"], said
        payload = payloads(server, Signal.TRACES)[1]
        resource = ExportTraceServiceRequest.FromString(payload).resource_spans[0]
        attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
        assert attributes["service.name"] == "shop"
        [span] = resource.scope_spans[0].spans
        ours = {a.key: a.value for a in span.attributes}
        assert ours["faas.invocation_id"].string_value == "r-2"
        assert ours["order.id"].int_value == 7
        assert [event.name for event in span.events] == ["looked up"]
        records = ExportLogsServiceRequest.FromString(payloads(server, Signal.LOGS)[1])
        [record] = records.resource_logs[0].scope_logs[0].log_records
        assert (record.body.string_value, record.trace_id) == ("order 7", span.trace_id)
        points = ExportMetricsServiceRequest.FromString(payloads(server, Signal.METRICS)[1])
        [metric] = points.resource_metrics[0].scope_metrics[0].metrics
        assert metric.sum.data_points[0].as_double == 2


HEADER = "Root=1-69b52bcd-0f1e2d3c4b5a69788796a5b4;Parent=1122334455667788;Lineage=25b3ac4f:0"
TRACE = ("69b52bcd0f1e2d3c4b5a69788796a5b4", "1122334455667788")


def traces(server: Running) -> list[tuple[str, str]]:
    """Give trace id and parent of each span that was taken."""
    return [
        (span.trace_id.hex(), span.parent_span_id.hex())
        for payload in payloads(server, Signal.TRACES)
        for resource in ExportTraceServiceRequest.FromString(payload).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@pytest.mark.parametrize("language", ["python", "node"])
async def test_a_trace_that_x_ray_does_not_sample_is_exported_by_those_who_say_so(
    language: str, request: pytest.FixtureRequest
) -> None:
    """Without active tracing Lambda's header has Sampled=0, and SDKs obey it by default."""
    command, folder = (*PYTHON, "r-1", "r-2"), HERE
    if language == "node":
        command = ("node", "--input-type=module", "--eval", INVOKE_TWICE)
        folder = request.getfixturevalue("node_function")

    async with running() as server:
        for sampled, sampler, spans in (
            ("1", {}, 2),
            ("0", {}, 0),
            ("0", {"OTEL_TRACES_SAMPLER": "always_on"}, 2),
        ):
            header = {"_X_AMZN_TRACE_ID": f"{HEADER};Sampled={sampled}"}
            await invoke(server, command, folder, **header, **sampler)
            assert traces(server) == [TRACE] * spans
            server.taken.clear()


@pytest.mark.parametrize(
    ("language", "sample"), [("python", "sdk_function.py"), ("js", "node/index.mjs")]
)
def test_what_the_docs_show_is_what_the_samples_do(language: str, sample: str) -> None:
    """Each line of a snippet, in its order."""
    program = iter([line.strip() for line in (HERE / sample).read_text().splitlines()])
    [snippet] = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    for line in filter(None, map(str.strip, snippet.splitlines())):
        assert line == "…" or line in program, line
