"""A Lambda function with OpenTelemetry's SDK: a span, a log record and a count each invocation.

OTEL_EXPORTER_OTLP_ENDPOINT and similar variables give the target. Run as a program it invokes
itself once for each given request id.
"""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.aws import AwsXRayLambdaPropagator
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

if TYPE_CHECKING:
    from typing import Any

spans = TracerProvider()
spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
metrics = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
records = LoggerProvider()
records.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))

tracer = spans.get_tracer("sample")
orders = metrics.get_meter("sample").create_counter("orders", unit="{order}")
logger = logging.getLogger("sample")
logger.addHandler(LoggingHandler(logger_provider=records))
logger.setLevel(logging.INFO)
xray = AwsXRayLambdaPropagator()


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Take an order, and flush the SDK before the sandbox may be frozen."""
    # There are no request headers: the propagator reads the trace from _X_AMZN_TRACE_ID.
    caller = xray.extract({})
    try:
        with tracer.start_as_current_span("handle order", caller, trace.SpanKind.SERVER) as span:
            span.set_attribute("faas.invocation_id", context.aws_request_id)
            logger.info("order %s", event.get("order"))
            orders.add(1)
            return {"statusCode": 200}
    finally:
        for provider in (spans, records, metrics):
            provider.force_flush()


if __name__ == "__main__":
    for request_id in sys.argv[1:]:
        handler({"order": 7}, SimpleNamespace(aws_request_id=request_id))
