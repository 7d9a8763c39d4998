/** Traces as text, for tests. */
import type { CollectedSpan } from './index.ts'

/** One list of lines for each trace: a span's name and the roles of its process, below the span that it is a part of. */
export function treesOf(spans: readonly CollectedSpan[]): string[][] {
  const traces = [...new Set(spans.map(({ traceId }) => traceId))]
  return traces.map((traceId) => {
    const own = spans.filter((span) => span.traceId === traceId).toSorted((a, b) => a.startMs - b.startMs)
    const known = new Set(own.map(({ spanId }) => spanId))
    const lines = (of: CollectedSpan, depth: number): string[] => [
      `${'  '.repeat(depth)}${of.name} ${[of.resource['fluxbot.roles']].flat().join(',')}`,
      ...own.filter(({ parentSpanId }) => parentSpanId === of.spanId).flatMap((child) => lines(child, depth + 1)),
    ]
    return own.filter(({ parentSpanId }) => !known.has(parentSpanId)).flatMap((top) => lines(top, 0))
  })
}
