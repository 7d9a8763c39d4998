/** Starts what ROLES asks for, in order, and stops it in reverse. Reads from top to bottom like the life of a process. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { welcome } from './banner.ts'
import { allSurfaces, type Surfaces } from './bots/index.ts'
import { type Bots, startBots } from './bots/start.ts'
import { answerTerminal } from './bots/terminal/terminal.ts'
import { compose } from './compose.ts'
import { type Config, ConfigError, loadConfig } from './config.ts'
import type { Core } from './core/core.ts'
import { receiveWebhook } from './core/generation/provider-webhook.ts'
import { verifyLink } from './core/media/links.ts'
import { startWorker } from './core/worker/worker.ts'
import { api } from './http/api/index.ts'
import { webhookEvent } from './http/api/openai/webhooks.ts'
import { type ApiParts, createApiParts } from './http/api/parts.ts'
import { createApiSurface } from './http/api/surface.ts'
import { startWebhooks } from './http/api/webhooks/index.ts'
import { exportLinks } from './http/exports/exports.ts'
import { operatorCommands } from './http/operations/commands.ts'
import { createMetrics, metricsPage } from './http/operations/metrics.ts'
import { hooks } from './http/operations/provider-webhooks.ts'
import { status } from './http/operations/status.ts'
import { pictures } from './http/pictures/pictures.ts'
import { createStoredPictures } from './http/pictures/stored.ts'
import { createApp } from './http/server/app.ts'
import { createHttp, type Http } from './http/server/http.ts'
import { inTime } from './http/server/readiness.ts'
import { basePathOf } from './net/own-address.ts'
import { runAll, type Step, stopOnce } from './stop.ts'
import { folderProblem } from './storage/data-dir.ts'
import { sendTraces } from './telemetry.ts'

const stopWithinMs = 20_000
/** For generations under way. */
const graceMs = 12_000
/** Kept free after that, to hand back generations and close everything else. */
const closeMs = 5_000
/** Clients that wait for a picture still get those that are finished within the grace period. */
const clientsMs = graceMs + 1_000

/** Most milliseconds that the banner waits for the chats to connect. */
const connectMs = 10_000

async function main(): Promise<void> {
  const config = loadConfig()
  const undo: Step[] = []
  const onError = (error: unknown) => process.stderr.write(`${explain(error)}\n`)
  const exit = (code: number) => {
    if (code === 0) say('fluxbot has stopped.')
    process.exit(code)
  }
  const stop = stopOnce(undo, { withinMs: stopWithinMs, exit, onError })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(0))
  try {
    const surfaces = allSurfaces(config)
    const metrics = createMetrics()
    const { core, close } = await compose(config, {
      surfaces: (parts) => [...surfaces.create(parts), createApiSurface(parts)],
      meter: metrics.meter,
      report: say,
    })
    undo.push(close)
    // before anything that makes spans, and stopped after it
    if (config.traces) undo.push(await sendTraces(config.traces, { roles: config.roles, log: core.log }))
    // stopped at the same time: while generations finish, people and clients still get their results
    const serving: Step[] = []
    undo.push((leftMs) => Promise.all(serving.map((step) => runAll([() => step(leftMs)], onError))))
    if (config.roles.has('worker')) {
      const worker = await startWorker(core)
      serving.push((leftMs) => worker.stop(Math.max(0, Math.min(graceMs, leftMs - closeMs))))
    }
    const bots = startBots(core, config.roles)
    serving.push(() => bots.stop())
    const { apiKey: operatorKey, publicUrl, imageExpirationSeconds, anonymousApi } = config
    const http = createHttp(core, { operatorKey })
    const stored = createStoredPictures(core)
    const parts = createApiParts({ http, pictures: stored, publicUrl, imageExpirationSeconds, anonymousApi })
    if (config.roles.has('http')) {
      const webhooks = await startWebhooks(core, { eventOf: (outcome) => webhookEvent(parts, outcome) })
      serving.push(() => webhooks.stop())
    }
    if (config.listens) {
      const app = createApp({
        log: core.log,
        plugins: [
          ...(config.roles.has('http') ? routes(parts, surfaces) : []),
          metricsPage({ http, metrics, publicUrl }),
          status({ http, ready: createReadiness({ http, bots, config }), publicUrl }),
        ],
        countResponses: metrics.countResponses,
        closeMs: clientsMs,
        basePath: basePathOf(publicUrl),
      })
      serving.push(() => app.close())
      await listen(app, config)
    }
    await connected(bots, core)
    process.stdout.write(welcome(config, { core, notReady: bots.notReady() }))
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`)
    await stop(1)
  }
}

const routes = (parts: ApiParts, surfaces: Surfaces): FastifyPluginAsync[] => [
  ...surfaces.plugins(),
  hooks((call) => receiveWebhook(parts.core, call)),
  operatorCommands({ secretKey: parts.core.secretKey, run: (command) => answerTerminal(parts.core, command) }),
  ...api(parts),
  exportLinks(parts.core),
  pictures({ ...parts.pictures, verify: (link) => verifyLink(parts.core.secretKey, link) }),
]

const say = (line: string) => void process.stdout.write(`${line}\n`)

/** Waits briefly for the chats to connect, so that the banner shows them. Rejects if a chat refuses the bot. */
async function connected(bots: Bots, { log }: Core): Promise<void> {
  const late = new AbortController()
  const waited = sleep(connectMs, undefined, { signal: late.signal }).catch(() => undefined)
  await Promise.race([bots.started, waited])
  late.abort()
  bots.started.catch((error: unknown) => log.error({ reason: explain(error) }, 'a chat does not accept the bot'))
}

interface ForReadiness {
  http: Http
  bots: Bots
  config: Config
}

/** Logs each change with its reasons, because the route shows them to administrators only. */
function createReadiness({ http: { core, databaseAnswers }, bots, config }: ForReadiness) {
  let last = ''
  let probe: Promise<{ problem: string | undefined }> | undefined
  // checks share one probe, so that a disk that hangs gets one
  const storageProblem = async () => {
    probe ??= folderProblem(config.dataDir)
      .then((problem) => ({ problem }))
      .finally(() => {
        probe = undefined
      })
    const found = await inTime(probe)
    return found ? found.problem : 'does not answer'
  }
  return async () => {
    const answers = await databaseAnswers()
    const database = core.database.notReady() ?? (answers ? undefined : 'does not answer, or cannot be written')
    const storage = config.usesDataDir ? await storageProblem() : undefined
    const parts = { database, queue: core.queue.notReady(), storage, ...bots.notReady() }
    const now = JSON.stringify(parts)
    if (now !== last && now !== '{}') core.log.warn({ parts }, 'not ready')
    else if (now !== last && last !== '') core.log.info({}, 'ready again')
    last = now
    return parts
  }
}

async function listen(app: FastifyInstance, { port, host }: { port: number; host: string }): Promise<void> {
  try {
    await app.listen({ port, host })
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    const mistake = listenMistakes(port, host)[code]
    throw mistake === undefined ? error : new ConfigError([mistake])
  }
}

function listenMistakes(port: number, host: string): Readonly<Record<string, string>> {
  const notHere = `HOST ${host} is not an address of this machine: use 127.0.0.1, or 0.0.0.0 for all its addresses`
  return {
    EADDRINUSE: `PORT ${port} is taken by another program: stop it, or choose another PORT`,
    EACCES: `PORT ${port} needs rights that fluxbot does not have: choose a PORT above 1023`,
    EADDRNOTAVAIL: notHere,
    EAFNOSUPPORT: notHere,
    EINVAL: notHere,
    ENOTFOUND: notHere,
    EAI_AGAIN: notHere,
  }
}

function explain(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

await main().catch((error: unknown) => {
  process.stderr.write(`${explain(error)}\n`)
  process.exit(1)
})
