/** Sends traces to OpenTelemetry's collector. The libraries, which read their own settings, are loaded only for that. */
import type { SpanExporter } from '@opentelemetry/sdk-trace-node'
import type { Config } from './config.ts'
import type { Log } from './log.ts'
import { within } from './net/within.ts'
import type { Step } from './stop.ts'

/** Most milliseconds that spans get to be sent when the process stops. */
const flushMs = 2_000
/** Kept free after that, to close everything else. */
const closeMs = 1_000

type Traces = NonNullable<Config['traces']>

interface Process {
  roles: Config['roles']
  log: Log
}

/** Returns the step that sends what is left, and ends. */
export async function sendTraces({ protocol }: Traces, { roles, log }: Process): Promise<Step> {
  const [
    { BatchSpanProcessor, NodeTracerProvider },
    { detectResources, envDetector, resourceFromAttributes },
    library,
  ] = await Promise.all([
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/resources'),
    protocol === 'http/json'
      ? import('@opentelemetry/exporter-trace-otlp-http')
      : import('@opentelemetry/exporter-trace-otlp-proto'),
  ])
  const ours = resourceFromAttributes({ 'service.name': 'fluxbot', 'fluxbot.roles': [...roles] })
  const provider = new NodeTracerProvider({
    resource: ours.merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(withReports(new library.OTLPTraceExporter(), log))],
  })
  provider.register()
  // the exporter has reported its errors
  const flush = () => provider.shutdown().catch(() => undefined)
  return (leftMs) => within(Math.max(0, Math.min(flushMs, leftMs - closeMs)), flush())
}

/** Says once that a collector does not take spans, and once that it does again. */
function withReports(exporter: SpanExporter, log: Log): SpanExporter {
  let fails = false
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.code !== 0
        if (failed && !fails)
          log.warn({ reason: result.error?.message }, 'the collector does not take traces; they are lost until it does')
        if (!failed && fails) log.info({}, 'the collector takes traces again')
        fails = failed
        done(result)
      })
    },
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    shutdown: () => exporter.shutdown(),
  }
}
