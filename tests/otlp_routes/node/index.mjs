// A Lambda function with OpenTelemetry's SDK: one span an invocation, exported before it ends.
//
// Where to is said by OTEL_EXPORTER_OTLP_ENDPOINT and its like, as everywhere.

import { trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { NodeSDK, tracing } from '@opentelemetry/sdk-node';

const spans = new tracing.BatchSpanProcessor(new OTLPTraceExporter());
const sdk = new NodeSDK({ spanProcessors: [spans], instrumentations: [] });
sdk.start();
const tracer = trace.getTracer('sample');

export async function handler(event, context) {
  try {
    return await tracer.startActiveSpan('handle order', async (span) => {
      span.setAttribute('faas.invocation_id', context.awsRequestId);
      span.setAttribute('order.id', event.order ?? 0);
      span.addEvent('looked up');
      console.log(`order ${event.order}`);
      span.end();
      return { statusCode: 200 };
    });
  } finally {
    // After the return the sandbox may be frozen; a span that waits for its batch waits with it.
    await spans.forceFlush();
  }
}
