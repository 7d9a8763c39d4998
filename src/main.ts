/** Starts the parts of the service that ROLES names, and stops them in reverse order. */
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { welcome } from './banner.ts'
import { allSurfaces, type Surfaces } from './bots/index.ts'
import { startBots } from './bots/start.ts'
import { compose } from './compose.ts'
import { ConfigError, loadConfig } from './config.ts'
import type { Core } from './core/core.ts'
import { receiveWebhook } from './core/generation/provider-webhook.ts'
import { startWorker } from './core/generation/worker.ts'
import { verifyLink } from './core/media/links.ts'
import { api } from './http/api/index.ts'
import type { ApiParts } from './http/api/parts.ts'
import { createApiSurface } from './http/api/surface.ts'
import { startWebhooks } from './http/api/webhooks/index.ts'
import { createMetrics, metricsPage } from './http/operations/metrics.ts'
import { hooks } from './http/operations/provider-webhooks.ts'
import { pictures } from './http/pictures/pictures.ts'
import { createThumbnails } from './http/pictures/thumbnails.ts'
import { createApp } from './http/server/app.ts'
import { databaseAnswers } from './http/server/in-time.ts'
import { type Step, stopOnce } from './stop.ts'

const stopWithinMs = 20_000
/** For what is being drawn. */
const graceMs = 12_000
/** After that it is handed back and everything else closed. */
const closeMs = 5_000
/** Clients that wait for a picture still get what is drawn in that time. */
const clientsMs = graceMs + 1_000

async function main(): Promise<void> {
  const config = loadConfig()
  const undo: Step[] = []
  const stop = stopOnce(undo, { withinMs: stopWithinMs, exit: process.exit })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(0))
  try {
    const surfaces = allSurfaces(config)
    const metrics = createMetrics()
    const { core, close } = await compose(config, {
      surfaces: (parts) => [...surfaces.create(parts), createApiSurface(parts)],
      meter: metrics.meter,
    })
    undo.push(close)
    // all at once: none waits for another, and whoever asked hears how it ended
    const serving: Step[] = []
    undo.push((leftMs) => Promise.allSettled(serving.map((step) => step(leftMs))))
    if (config.roles.has('worker')) {
      const worker = await startWorker(core)
      serving.push((leftMs) => worker.stop(Math.max(0, Math.min(graceMs, leftMs - closeMs))))
    }
    const bots = await startBots(core, config.roles)
    serving.push(() => bots.stop())
    const { apiKey: operatorKey, publicUrl, imageExpirationSeconds, local } = config
    const parts = { core, operatorKey, publicUrl, imageExpirationSeconds }
    if (config.roles.has('http')) {
      const webhooks = await startWebhooks(parts)
      serving.push(() => webhooks.stop())
    }
    if (config.listens) {
      const app = createApp({
        log: core.log,
        ready: () => readiness(core, bots.notReady),
        publicUrl,
        plugins: [
          ...(config.roles.has('http') ? routes(parts, surfaces) : []),
          metricsPage({ core, metrics, operatorKey, local }),
        ],
        countAnswers: metrics.countAnswers,
        closeMs: clientsMs,
      })
      serving.push(() => app.close())
      await listen(app, config)
    }
    process.stdout.write(welcome(config, core))
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`)
    await stop(1)
  }
}

const routes = (parts: ApiParts, surfaces: Surfaces): FastifyPluginAsync[] => [
  ...surfaces.plugins(),
  hooks((call) => receiveWebhook(parts.core, call)),
  ...api(parts),
  pictures({
    store: parts.core.store,
    verify: (link) => verifyLink(parts.core.secretKey, link),
    thumbnails: createThumbnails(parts.core),
  }),
]

async function readiness(core: Core, bots: () => Record<string, string | undefined>) {
  const { database: asked } = core
  const database = asked.notReady() ?? ((await databaseAnswers(asked)) ? undefined : 'does not answer')
  return { database, queue: core.queue.notReady(), ...bots() }
}

async function listen(app: FastifyInstance, { port, host }: { port: number; host: string }): Promise<void> {
  try {
    await app.listen({ port, host })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new ConfigError([`PORT ${port} is in use by another program: stop that program or choose another PORT`])
  }
}

function explain(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

await main().catch((error: unknown) => {
  process.stderr.write(`${explain(error)}\n`)
  process.exit(1)
})
