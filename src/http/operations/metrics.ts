/**
 * `GET /metrics` for Prometheus. Counters cover this process, as Prometheus expects. Unfinished generations are read from the
 * database at each scrape, so every process reports the same.
 */

import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { z } from 'zod'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { unfinishedLoad } from '../../core/history/backlog.ts'
import type { Meter } from '../../core/ports/meter.ts'
import { isNetworkHost } from '../../net/own-address.ts'
import type { Http } from '../server/http.ts'
import { withSchemas } from '../server/validation.ts'

export interface Metrics {
  meter: Meter
  /** Counts the responses of routes that are added after the call. */
  countResponses(app: FastifyInstance): void
  /** Metrics in the text format of Prometheus. */
  read(core: Pick<Core, 'database' | 'providers'>): Promise<string>
}

const responseSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]
const generationSeconds = [0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 840]

export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const responses = new Histogram({
    name: 'fluxbot_http_request_duration_seconds',
    help: 'Seconds from a request to the end of its response, streams included.',
    labelNames: ['method', 'route', 'status'],
    buckets: responseSeconds,
    registers,
  })
  const ended = new Counter({
    name: 'fluxbot_generations_total',
    help: 'Generations that this process ended. error: kind of the failure.',
    labelNames: ['surface', 'provider', 'model', 'state', 'error'],
    registers,
  })
  const duration = new Histogram({
    name: 'fluxbot_generation_duration_seconds',
    help: 'Seconds from acceptance to delivery or failure.',
    labelNames: ['provider', 'state'],
    buckets: generationSeconds,
    registers,
  })
  const drew = new Histogram({
    name: 'fluxbot_provider_duration_seconds',
    help: 'Seconds from a submission to the picture (result done) or the error of the provider.',
    labelNames: ['provider', 'result'],
    buckets: generationSeconds,
    registers,
  })
  const notDelivered = new Counter({
    name: 'fluxbot_delivery_failures_total',
    help: 'Failed tries of this process to show an answer in a chat.',
    labelNames: ['surface', 'error'],
    registers,
  })
  const notStored = new Counter({
    name: 'fluxbot_upload_failures_total',
    help: 'Failed tries of this process to put a picture into the store.',
    registers,
  })
  const announced = new Counter({
    name: 'fluxbot_announcements_total',
    help: 'Messages of broadcasts that this process sent. result: sent, or why not.',
    labelNames: ['surface', 'result'],
    registers,
  })
  const breaker = new Gauge({
    name: 'fluxbot_provider_resting',
    help: '1 while a provider that keeps failing gets single trials only, else 0.',
    labelNames: ['provider'],
    registers,
  })
  const places = new Gauge({
    name: 'fluxbot_provider_places',
    help: 'Pictures that all processes together may draw with the provider at the same time.',
    labelNames: ['provider'],
    registers,
  })
  const oldest = new Gauge({
    name: 'fluxbot_oldest_waiting_seconds',
    help: 'Seconds since the oldest request that waits for a provider was accepted.',
    labelNames: ['provider'],
    registers,
  })
  const unfinished = new Gauge({
    name: 'fluxbot_generations_unfinished',
    help: 'Unfinished generations of all processes.',
    labelNames: ['provider', 'state'],
    registers,
  })
  const held = new Gauge({
    name: 'fluxbot_credits_held',
    help: 'Credits held for unfinished generations.',
    registers,
  })

  return {
    meter: {
      ended({ provider, model, surface }, { state, error = '' as const }, seconds) {
        ended.inc({ surface, provider, model, state, error })
        if (seconds !== undefined) duration.observe({ provider, state }, seconds)
      },
      drew: (provider, result, seconds) => drew.observe({ provider, result }, seconds),
      notDelivered: (surface, error) => notDelivered.inc({ surface, error }),
      notStored: () => notStored.inc(),
      announced: (surface, result) => announced.inc({ surface, result }),
    },
    countResponses(app) {
      app.addHook('onResponse', async ({ method, routeOptions }, { statusCode, elapsedTime }) => {
        responses.observe({ method, route: routeOptions.url ?? 'none', status: statusCode }, elapsedTime / 1000)
      })
    },
    async read({ database, providers }) {
      const rows = await unfinishedLoad(database)
      for (const gauge of [unfinished, breaker, places, oldest]) gauge.reset()
      for (const { provider, breaker: its, settings } of providers.all()) {
        places.set({ provider: provider.name }, settings.concurrency)
        breaker.set({ provider: provider.name }, its.isOpen() ? 1 : 0)
        oldest.set({ provider: provider.name }, 0)
      }
      for (const { provider, state, count, oldestSeconds } of rows) {
        unfinished.set({ provider, state }, count)
        if (state === 'queued') oldest.set({ provider }, oldestSeconds)
      }
      held.set(rows.reduce((sum, { price }) => sum + price, 0))
      return registry.metrics()
    },
  }
}

export interface MetricsOptions {
  http: Pick<Http, 'core' | 'authenticate'>
  metrics: Metrics
  publicUrl: string
}

const error = z.object({ error: z.object({ kind: z.string(), message: z.string() }) }).meta({ id: 'MetricsError' })

const page = {
  summary: 'Returns metrics for Prometheus.',
  description: "Requires an administrator's key.",
  operationId: 'metrics',
  tags: ['Operations'],
  response: {
    200: { description: 'Metrics in the text format 0.0.4.', content: { 'text/plain': { schema: z.string() } } },
    401: error,
    403: error,
    429: error.describe('Too many wrong keys came from this address.'),
  },
}

export function metricsPage({ http, metrics, publicUrl }: MetricsOptions): FastifyPluginAsync {
  return async (plain) => {
    const app = withSchemas(plain)
    app.get('/metrics', { schema: page }, async (request, reply) => {
      if (!isNetworkHost(request.headers.host ?? '', publicUrl)) throw new AppError('admins_only')
      await http.authenticate(request, 'admin')
      reply.headers({ 'content-type': Registry.PROMETHEUS_CONTENT_TYPE, 'cache-control': 'no-store' })
      return metrics.read(http.core)
    })
  }
}
