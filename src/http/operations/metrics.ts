/**
 * `GET /metrics` for Prometheus. Counters are of this process, as Prometheus wants them; what is unfinished is asked of the
 * database at each scrape, and so the same whichever process is asked.
 */
import { sql } from 'drizzle-orm'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { z } from 'zod'
import type { Core } from '../../core/core.ts'
import type { Meter } from '../../core/ports/meter.ts'
import type { Database } from '../../db/database.ts'
import type { ApiApp } from '../api/family.ts'
import { authenticate } from '../server/auth.ts'

export interface Metrics {
  meter: Meter
  /** To be called before routes are added: counts the answers of all of them. */
  countAnswers(app: FastifyInstance): void
  /** As Prometheus reads it. */
  read(database: Database): Promise<string>
}

const answerSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]
const drawSeconds = [0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 840]

export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const answers = new Histogram({
    name: 'fluxbot_http_request_duration_seconds',
    help: 'From a request to the end of its answer, streams included.',
    labelNames: ['method', 'route', 'status'],
    buckets: answerSeconds,
    registers,
  })
  const ended = new Counter({
    name: 'fluxbot_generations_total',
    help: 'Generations that this process ended; error: why one failed.',
    labelNames: ['surface', 'provider', 'model', 'state', 'error'],
    registers,
  })
  const duration = new Histogram({
    name: 'fluxbot_generation_duration_seconds',
    help: 'From accepted to delivered or failed.',
    labelNames: ['provider', 'state'],
    buckets: drawSeconds,
    registers,
  })
  const drew = new Histogram({
    name: 'fluxbot_provider_duration_seconds',
    help: 'From asking a provider to its picture (result done) or its error.',
    labelNames: ['provider', 'result'],
    buckets: drawSeconds,
    registers,
  })
  const unfinished = new Gauge({
    name: 'fluxbot_generations_unfinished',
    help: 'Generations in all processes that have not ended.',
    labelNames: ['provider', 'state'],
    registers,
  })
  const held = new Gauge({
    name: 'fluxbot_credits_held',
    help: 'Credits put aside for generations that have not ended.',
    registers,
  })

  return {
    meter: {
      ended({ surface, provider, model }, { state, error = '' as const }, seconds) {
        ended.inc({ surface, provider, model, state, error })
        if (seconds !== undefined) duration.observe({ provider, state }, seconds)
      },
      drew: (provider, result, seconds) => drew.observe({ provider, result }, seconds),
    },
    countAnswers(app) {
      app.addHook('onResponse', async ({ method, routeOptions }, { statusCode, elapsedTime }) => {
        answers.observe({ method, route: routeOptions.url ?? 'none', status: statusCode }, elapsedTime / 1000)
      })
    },
    async read(database) {
      const rows = await database.rows<{ provider: string; state: string; count: number; price: number }>(sql`
        select provider, state, count(*)::int as count, sum(price)::int as price from generations
        where state in ('queued','running','stored') group by provider, state`)
      unfinished.reset()
      for (const { provider, state, count } of rows) unfinished.set({ provider, state }, count)
      held.set(rows.reduce((sum, { price }) => sum + price, 0))
      return registry.metrics()
    },
  }
}

export interface MetricsOptions {
  core: Core
  metrics: Metrics
  operatorKey?: string
  /** Only this machine reaches us: no key is needed. */
  local: boolean
}

const refused = z.object({ error: z.object({ kind: z.string(), message: z.string() }) }).meta({ id: 'Refused' })

const page = {
  summary: 'Figures for Prometheus.',
  description: 'For admins, and for everybody on this machine while nobody else can reach the service.',
  operationId: 'metrics',
  tags: ['Operations'],
  response: {
    200: { description: 'Text format 0.0.4.', content: { 'text/plain': { schema: z.string() } } },
    401: refused,
    403: refused,
    429: refused.describe('Too many wrong keys came from this address.'),
  },
}

export function metricsPage({ core, metrics, operatorKey, local }: MetricsOptions): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider() as ApiApp
    app.setSerializerCompiler(() => JSON.stringify)
    const holderOf = authenticate(core, operatorKey)
    app.get('/metrics', { schema: page }, async (request, reply) => {
      if (!local) await holderOf(request, 'admin')
      reply.headers({ 'content-type': Registry.PROMETHEUS_CONTENT_TYPE, 'cache-control': 'no-store' })
      return metrics.read(core.database)
    })
  }
}
