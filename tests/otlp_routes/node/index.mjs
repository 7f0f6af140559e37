// A Lambda function with OpenTelemetry's SDK: a span, a log record and a count each invocation.
//
// Where to is said by OTEL_EXPORTER_OTLP_ENDPOINT and its like, as everywhere.

import { context, metrics, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api-logs';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { AWSXRayLambdaPropagator } from '@opentelemetry/propagator-aws-xray-lambda';
import * as otel from '@opentelemetry/sdk-node';

const spans = new otel.tracing.BatchSpanProcessor(new OTLPTraceExporter());
const records = new otel.logs.BatchLogRecordProcessor({ exporter: new OTLPLogExporter() });
const counts = new otel.metrics.PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() });
const sdk = new otel.NodeSDK({
  spanProcessors: [spans],
  logRecordProcessors: [records],
  metricReaders: [counts],
  textMapPropagator: new AWSXRayLambdaPropagator(),
  instrumentations: [],
});
sdk.start();
const tracer = trace.getTracer('sample');
const logger = logs.getLogger('sample');
const orders = metrics.getMeter('sample').createCounter('orders', { unit: '{order}' });

export async function handler(event, lambda) {
  // Nobody called with headers: the propagator finds the invocation's trace in _X_AMZN_TRACE_ID.
  const caller = propagation.extract(ROOT_CONTEXT, {});
  try {
    return await tracer.startActiveSpan('handle order', {}, caller, async (span) => {
      span.setAttribute('faas.invocation_id', lambda.awsRequestId);
      span.setAttribute('order.id', event.order ?? 0);
      span.addEvent('looked up');
      logger.emit({ body: `order ${event.order}`, context: context.active() });
      orders.add(1);
      console.log(`order ${event.order}`);
      span.end();
      return { statusCode: 200 };
    });
  } finally {
    // After the return the sandbox may be frozen; what waits for its batch waits with it.
    await Promise.all([spans.forceFlush(), records.forceFlush(), counts.forceFlush()]);
  }
}
