/**
 * Spans of OpenTelemetry, which do nothing until telemetry.ts sets up an exporter. They hold ids, names of parts, counts and
 * kinds of errors: no words of people, no names of people, no keys, and no messages of errors.
 */
import {
  type Attributes,
  context,
  propagation,
  ROOT_CONTEXT,
  type SpanOptions,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { AppError, type ErrorKind } from './errors.ts'

/** What a span may hold. */
export interface SpanFacts {
  /** Of the generation. */
  id?: string
  /** `x-request-id` of the HTTP request. */
  requestId?: string | null
  surface?: string
  act?: string
  command?: string
  model?: string
  provider?: string
  endpoint?: string
  attempt?: number
  /** Calls, pictures or tries. */
  count?: number
  outcome?: string
  error?: ErrorKind
}

const names: Readonly<Record<keyof SpanFacts, string>> = {
  id: 'fluxbot.request.id',
  requestId: 'fluxbot.http_request.id',
  surface: 'fluxbot.surface',
  act: 'fluxbot.act',
  command: 'fluxbot.command',
  model: 'fluxbot.model',
  provider: 'fluxbot.provider',
  endpoint: 'fluxbot.endpoint',
  attempt: 'fluxbot.attempt',
  count: 'fluxbot.count',
  outcome: 'fluxbot.outcome',
  error: 'error.type',
}

const tracer = trace.getTracer('fluxbot')

/** Runs work in a span below the current one. If it fails, the span has the kind of the error. */
export const traced = <T>(name: string, facts: SpanFacts, work: () => Promise<T>): Promise<T> =>
  inSpan(name, facts, { work })

/** As `traced`, for work that begins a trace. `agoMs`: milliseconds since the span began. */
export const tracedFrom = <T>(
  name: string,
  { agoMs, ...facts }: SpanFacts & { agoMs: number },
  work: () => Promise<T>,
): Promise<T> => inSpan(name, facts, { work, options: { root: true, startTime: Date.now() - agoMs } })

/** A span for a time that has passed, until now. */
export function traceWait(name: string, { agoMs, ...facts }: SpanFacts & { agoMs: number }): void {
  const span = tracer.startSpan(name, { startTime: Date.now() - agoMs })
  if (span.isRecording()) span.setAttributes(attributesOf(facts))
  span.end()
}

/** Adds facts to the current span. */
export function note(facts: SpanFacts): void {
  trace.getActiveSpan()?.setAttributes(attributesOf(facts))
}

/** The current span as W3C's `traceparent`. undefined: there are no traces. */
export function traceparent(): string | undefined {
  const carrier: { traceparent?: string } = {}
  propagation.inject(context.active(), carrier)
  return carrier.traceparent
}

/** Runs work as a part of the trace that `from` names. Without one, or with an invalid one, its spans begin a trace. */
export function continueTrace<T>(from: string | null | undefined, work: () => T): T {
  return context.with(from ? propagation.extract(ROOT_CONTEXT, { traceparent: from }) : ROOT_CONTEXT, work)
}

interface Spanned<T> {
  work(): Promise<T>
  options?: SpanOptions
}

function inSpan<T>(name: string, facts: SpanFacts, { work, options = {} }: Spanned<T>): Promise<T> {
  return tracer.startActiveSpan(name, options, async (span) => {
    if (span.isRecording()) span.setAttributes(attributesOf(facts))
    try {
      return await work()
    } catch (error) {
      span.setAttribute(names.error, kindOf(error))
      span.setStatus({ code: SpanStatusCode.ERROR })
      throw error
    } finally {
      span.end()
    }
  })
}

function kindOf(error: unknown): string {
  if (error instanceof AppError) return error.kind
  return error instanceof Error ? error.name : typeof error
}

function attributesOf(facts: SpanFacts): Attributes {
  const known = Object.entries(facts).filter(([, value]) => value !== undefined && value !== null)
  return Object.fromEntries(known.map(([name, value]) => [names[name as keyof SpanFacts], value]))
}
