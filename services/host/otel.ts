import { AsyncLocalStorage } from 'node:async_hooks';
import { type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';
import { Refusal } from '../domain/outcome.ts';
import type { Config } from './config.ts';
import type { Span, Trace } from './trace.ts';

const KINDS: Record<Span['kind'], SpanKind> = {
  server: SpanKind.SERVER,
  consumer: SpanKind.CONSUMER,
  producer: SpanKind.PRODUCER,
  internal: SpanKind.INTERNAL,
};
/** A collector that is away or slow costs nothing but its spans: the queue is bounded, what does not fit is dropped. */
const BATCH = { maxQueueSize: 4096, maxExportBatchSize: 512, scheduledDelayMillis: 1000, exportTimeoutMillis: 5000 };
const STOP_WITHIN_MS = 2000;

/**
 * Spans to a collector by OTLP over HTTP. Nothing of it is global: several houses in one process have each their own. `rooms` is who
 * speaks, for the collector.
 */
export function openTrace({ endpoint, percent }: Config['traces'], rooms: string): Trace {
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'lachak', 'service.instance.id': `${rooms}-${process.pid}` }),
    // Whether a trace is kept is decided where it begins, and holds for all that follows.
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(percent / 100) }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: endpoint }), BATCH)],
  });
  const tracer = provider.getTracer('lachak');
  const now = new AsyncLocalStorage<Context>();

  return {
    here: () => {
      const context = now.getStore();
      const active = context && trace.getSpanContext(context);
      if (!active || (active.traceFlags & TraceFlags.SAMPLED) === 0) return '';
      return `00-${active.traceId}-${active.spanId}-01`;
    },
    span: async ({ name, kind, because = '', begins = false, about = {} }, work) => {
      const within = contextOf(because) ?? now.getStore();
      if (!within && !begins) return work();
      const span = tracer.startSpan(name, { kind: KINDS[kind], attributes: { ...about } }, within ?? ROOT_CONTEXT);
      try {
        return await now.run(trace.setSpan(within ?? ROOT_CONTEXT, span), work);
      } catch (error) {
        // A refusal is an answer, like any other; its code says which.
        if (error instanceof Refusal) span.setAttribute('lachak.refused', error.code);
        else span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
        throw error;
      } finally {
        span.end();
      }
    },
    stop: async () => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((done) => {
        timer = setTimeout(done, STOP_WITHIN_MS);
      });
      await Promise.race([provider.shutdown().catch(() => {}), late]);
      clearTimeout(timer);
    },
  };
}

/** W3C Trace Context: `00-<trace, 32 hex>-<span, 16 hex>-<flags>`. Null: none, or not one. */
function contextOf(traceparent: string): Context | null {
  const found = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent);
  if (!found || /^0+$/.test(found[1]!) || /^0+$/.test(found[2]!)) return null;
  const [, traceId, spanId, flags] = found as unknown as [string, string, string, string];
  const parent = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true };
  return trace.setSpanContext(ROOT_CONTEXT, parent);
}
