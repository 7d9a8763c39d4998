/** A collector of OpenTelemetry that takes traces by OTLP over HTTP, in JSON or protobuf. */
import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import type { Faults } from '../faults.ts'
import { type Received, type Sent, startServer } from '../server.ts'
import { readTraces } from './protobuf.ts'

export interface CollectedSpan {
  traceId: string
  spanId: string
  /** '': it begins the trace. */
  parentSpanId: string
  name: string
  startMs: number
  endMs: number
  /** Its own, and those of the process below `resource`. */
  attributes: Readonly<Record<string, unknown>>
  resource: Readonly<Record<string, unknown>>
  /** Whether it is marked as failed. */
  failed: boolean
  events: readonly unknown[]
}

export interface Collector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  url: string
  spans: CollectedSpan[]
  requests: Received[]
  faults: Faults
  stop(): Promise<void>
}

export async function startCollector({ port }: { port?: number } = {}): Promise<Collector> {
  const spans: CollectedSpan[] = []
  const { url, requests, faults, stop } = await startServer({
    port,
    answers: {},
    handle: async (received) => collect(received, spans),
  })
  return { url, spans, requests, faults, stop }
}

function collect({ method, path, headers, body }: Received, spans: CollectedSpan[]): Sent {
  if (method !== 'POST' || path !== '/v1/traces') return { status: 404, body: 'no such path' }
  const bytes = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
  const type = headers['content-type'] ?? ''
  const isJson = type === 'application/json'
  if (!isJson && type !== 'application/x-protobuf') return { status: 415, body: 'neither JSON nor protobuf' }
  const parsed = request.safeParse(isJson ? JSON.parse(bytes.toString('utf8')) : readTraces(bytes))
  if (!parsed.success) return { status: 400, body: z.prettifyError(parsed.error) }
  spans.push(...parsed.data)
  return { status: 200, headers: { 'content-type': type }, body: isJson ? {} : Buffer.alloc(0) }
}

const value = z.looseObject({ arrayValue: z.object({ values: z.array(z.looseObject({})) }).optional() })
const attributes = z
  .array(z.object({ key: z.string(), value }))
  .default([])
  .transform((list) => Object.fromEntries(list.map(({ key, value: given }) => [key, plain(given)])))
const id = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`))
/** Nanoseconds, which exceed the numbers of JSON. */
const time = z.string().regex(/^\d{19}$/)
const span = z
  .object({
    traceId: id(32),
    spanId: id(16),
    parentSpanId: id(16).optional(),
    name: z.string().min(1),
    startTimeUnixNano: time,
    endTimeUnixNano: time,
    attributes,
    events: z.array(z.unknown()).default([]),
    status: z.object({ code: z.number().optional(), message: z.string().optional() }).default({}),
  })
  .transform(({ parentSpanId = '', startTimeUnixNano, endTimeUnixNano, status, ...rest }) => ({
    ...rest,
    parentSpanId,
    startMs: Number(BigInt(startTimeUnixNano) / 1_000n) / 1_000,
    endMs: Number(BigInt(endTimeUnixNano) / 1_000n) / 1_000,
    failed: status.code === 2,
  }))
const request = z
  .object({
    resourceSpans: z.array(
      z.object({
        resource: z.object({ attributes }),
        scopeSpans: z.array(z.object({ spans: z.array(span) })),
      }),
    ),
  })
  .transform(({ resourceSpans }): CollectedSpan[] =>
    resourceSpans.flatMap(({ resource, scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) => spans.map((one) => ({ ...one, resource: resource.attributes }))),
    ),
  )

function plain({ arrayValue, ...one }: z.infer<typeof value>): unknown {
  return arrayValue ? arrayValue.values.map(plain) : Object.values(one)[0]
}
