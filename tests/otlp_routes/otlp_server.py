"""A running OTLP receiver and what it took, for the tests of this folder."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otlp2parquet_ext.extension.receive.otlp_receiver import OtlpReceiver
from otlp2parquet_ext.records.otlp.requests import Signal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from otlp2parquet_ext.records.otlp.requests import Accepted

LIMIT = 1_000_000
TRACE_ID = bytes(range(16))
SPAN_ID = bytes(range(8))


@dataclass
class Running:
    """A receiver on a port of its own.

    Attributes:
        taken: what was accepted, as (signal, accepted), in order.
        refuse: why nothing is accepted just now, None when all is.
    """

    port: int
    receiver: OtlpReceiver
    taken: list[tuple[Signal, Accepted]] = field(default_factory=list)
    refuse: str | None = None

    def accept(self, signal: Signal, accepted: Accepted) -> str | None:
        """Take the records, as a spool would."""
        if self.refuse is None:
            self.taken.append((signal, accepted))
        return self.refuse

    @property
    def spans(self) -> list[str]:
        """Names of all spans taken."""
        return [
            span.name
            for signal, accepted in self.taken
            if signal is Signal.TRACES
            for resource in ExportTraceServiceRequest.FromString(accepted.payload).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    async def exchange(self, data: bytes) -> bytes:
        """Write raw bytes, and return the answer until the connection closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        await writer.drain()
        answer = await reader.read()
        writer.close()
        return answer


@asynccontextmanager
async def running(
    limit: int = LIMIT, tick_s: float = 1.0, send_bytes: int = 0
) -> AsyncIterator[Running]:
    """Run a receiver on a free port; `send_bytes` is what the kernel keeps of answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    if send_bytes:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
    server: Running

    def accept(signal: Signal, accepted: Accepted) -> str | None:
        return server.accept(signal, accepted)

    receiver = OtlpReceiver(accept, limit, tick_s=tick_s)
    server = Running(listener.getsockname()[1], receiver)
    await receiver.start(listener)
    try:
        yield server
    finally:
        receiver.stop()


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until something is so; the time limit of a test bounds it."""
    while not true():  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0)


def head(path: str, *headers: str, version: str = "1.1") -> bytes:
    """Write the head of a POST."""
    lines = [f"POST {path} HTTP/{version}", "Host: x", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def post(path: str, body: bytes, *headers: str) -> bytes:
    """Write a protobuf request after whose answer the connection closes."""
    length = f"Content-Length: {len(body)}"
    about = ("Content-Type: application/x-protobuf", length, "Connection: close")
    return head(path, *about, *headers) + body


def spans(*names: str, trace_id: bytes = TRACE_ID) -> bytes:
    """Write a protobuf request of spans."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for name in names:
        scope.spans.add(
            trace_id=trace_id,
            span_id=SPAN_ID,
            name=name,
            start_time_unix_nano=1_700_000_000 * 10**9,
        )
    return bytes(request.SerializeToString())


def logs(*bodies: str) -> bytes:
    """Write a protobuf request of log records."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for body in bodies:
        scope.log_records.add(time_unix_nano=1_700_000_000 * 10**9).body.string_value = body
    return bytes(request.SerializeToString())


def gauge(*values: float) -> bytes:
    """Write a protobuf request of one gauge."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="queue.length")
    for value in values:
        metric.gauge.data_points.add(as_double=value, time_unix_nano=1_700_000_000 * 10**9)
    return bytes(request.SerializeToString())


REQUESTS = {Signal.LOGS: logs("hello"), Signal.TRACES: spans("a"), Signal.METRICS: gauge(1.5)}
"""One request of one record in each signal."""
