/**
 * The service as `main.ts` composes it, from `dist`, with parts replaced as BENCH says: pictures that are trusted instead of
 * decoded, a slow provider, accounts with keys. Reports measurements to the process that started it.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Core } from '../../src/core/core.ts'
import type { ImageFile, ImageTools } from '../../src/core/ports/images.ts'
import type { Progress, ProviderKind } from '../../src/core/ports/providers.ts'
import type { Database } from '../../src/db/database.ts'
import type { Json } from '../../src/db/json.ts'
import { heavyPicture, smallPicture } from './picture.ts'

export interface ChildOptions {
  /** No image work: what comes is taken to be what it should be. */
  trusting?: boolean
  /** In place of all other providers: one that takes so long for a picture, with previews. */
  slowMs?: number
  /** So many accounts, with a key each. */
  people?: number
  /** Of each account at a time. */
  inFlight?: number
}

export interface Answers {
  keys: string[]
  /** Statements sent since the last time, by their beginning. */
  statements: Record<string, number>
  /** Milliseconds that the event loop was late since the last time; megabytes of heap, swept. */
  loop: { p50: number; p99: number; max: number; heapMb: number }
}

/** Milliseconds. Each measured delay includes one of them. */
const resolutionMs = 5
const statements = new Map<string, number>()

const built = <T>(path: string): Promise<T> => import(new URL(`../../dist/${path}.js`, import.meta.url).href)

async function main(options: ChildOptions): Promise<void> {
  const { loadConfig } = await built<typeof import('../../src/config.ts')>('config')
  const { compose } = await built<typeof import('../../src/compose.ts')>('compose')
  const { createApiSurface } = await built<typeof import('../../src/http/api/surface.ts')>('http/api/surface')
  const { openai } = await built<typeof import('../../src/http/api/openai/index.ts')>('http/api/openai/index')
  const { createApiParts } = await built<typeof import('../../src/http/api/parts.ts')>('http/api/parts')
  const { status } = await built<typeof import('../../src/http/operations/status.ts')>('http/operations/status')
  const { createStoredPictures } =
    await built<typeof import('../../src/http/pictures/stored.ts')>('http/pictures/stored')
  const { createHttp } = await built<typeof import('../../src/http/server/http.ts')>('http/server/http')
  const { createApp } = await built<typeof import('../../src/http/server/app.ts')>('http/server/app')
  const { startWorker } = await built<typeof import('../../src/core/worker/worker.ts')>('core/worker/worker')
  const config = loadConfig()
  const providers = options.slowMs === undefined ? undefined : [await slowProvider(options.slowMs)]
  const composed = await compose(config, { providers, surfaces: (parts) => [createApiSurface(parts)] })
  const core: Core = {
    ...composed.core,
    database: counted(composed.core.database),
    images: options.trusting ? await trusting() : composed.core.images,
    limits: { ...composed.core.limits, perMinute: 6_000, inFlight: options.inFlight ?? composed.core.limits.inFlight },
  }
  const keys = await keysFor(core, options.people ?? 0)
  const worker = await startWorker(core)
  const { publicUrl, imageExpirationSeconds } = config
  const http = createHttp(core, { operatorKey: config.apiKey })
  const parts = createApiParts({ http, pictures: createStoredPictures(core), publicUrl, imageExpirationSeconds })
  const app = createApp({
    log: core.log,
    plugins: [openai(parts), status({ ready: async () => ({ queue: core.queue.notReady() }) })],
  })
  await app.listen({ port: config.port, host: config.host })
  answerQuestions(keys)
  process.once('SIGTERM', async () => {
    await app.close()
    await worker.stop(2_000)
    await composed.close()
    process.exit(0)
  })
}

function answerQuestions(keys: string[]): void {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  const late = (q: number) => Math.max(0, delay.percentile(q) / 1e6 - resolutionMs)
  const answers: { [K in keyof Answers]: () => Answers[K] } = {
    keys: () => keys,
    statements: () => {
      const seen = Object.fromEntries(statements)
      statements.clear()
      return seen
    },
    loop: () => {
      const figures = { p50: late(50), p99: late(99), max: Math.max(0, delay.max / 1e6 - resolutionMs) }
      globalThis.gc?.()
      delay.reset()
      return { ...figures, heapMb: process.memoryUsage().heapUsed / 1024 / 1024 }
    },
  }
  process.on('message', (what: keyof Answers) => process.send?.(answers[what]()))
}

async function keysFor(core: Core, people: number): Promise<string[]> {
  const { accountOf } = await built<typeof import('../../src/core/accounts/accounts.ts')>('core/accounts/accounts')
  const { createApiKey } = await built<typeof import('../../src/core/accounts/api-keys.ts')>('core/accounts/api-keys')
  const { grant } = await built<typeof import('../../src/core/billing/ledger.ts')>('core/billing/ledger')
  const keys: string[] = []
  for (let n = 0; n < people; n++) {
    const userId = await accountOf(core, { id: `test:${n}`, name: `p${n}` })
    await grant(core, { userId, amount: 10_000, source: 'admin', actor: 'test', key: `bench:${n}` })
    keys.push((await createApiKey(core, { userId, name: 'bench' })).key)
  }
  return keys
}

async function trusting(): Promise<ImageTools> {
  const small = await smallPicture(64)
  const file = async (data: Buffer): Promise<ImageFile> => ({ data, type: 'image/png', width: 1024, height: 1024 })
  const thumbnail = async (): Promise<ImageFile> => ({ data: small, type: 'image/webp', width: 512, height: 512 })
  return {
    clean: file,
    keep: file,
    keepWithThumbnail: async (data) => ({ file: await file(data), thumbnail: await thumbnail() }),
    thumbnail,
    sheet: async () => ({ data: small, type: 'image/jpeg', width: 512, height: 512 }),
    mask: file,
    markAs: () => file(small),
    place: ({ data }) => file(data),
    png: ({ data }) => file(data),
  }
}

/** Half done after half the time; a preview for each half. */
async function slowProvider(slowMs: number): Promise<ProviderKind> {
  const picture = await heavyPicture()
  const previews = [await smallPicture(512), await smallPicture(511)]
  const progress = (ticket: Json): Progress => {
    const share = 1 - Math.max(0, (ticket as { until: number }).until - Date.now()) / slowMs
    if (share >= 1) return { state: 'done', images: [picture], seed: '7' }
    return { state: 'pending', ticket, waitMs: 250, percent: share * 100, preview: previews[share < 0.5 ? 0 : 1] }
  }
  return {
    name: 'sketch',
    title: 'slow',
    defaultUrl: 'sketch:',
    needsKey: false,
    create: () => ({
      name: 'sketch',
      repeatable: true,
      start: async () => progress({ until: Date.now() + slowMs }),
      check: async (ticket) => progress(ticket),
    }),
  }
}

function counted(database: Database): Database {
  return {
    ...database,
    rows: (query, on) => {
      const words = query.queryChunks.map((chunk) => (isText(chunk) ? chunk.value.join('') : '?')).join('')
      const name = words.replace(/\s+/g, ' ').trim().slice(0, 110)
      statements.set(name, (statements.get(name) ?? 0) + 1)
      return database.rows(query, on)
    },
  }
}

const isText = (chunk: unknown): chunk is { value: string[] } =>
  typeof chunk === 'object' && chunk !== null && Array.isArray((chunk as { value?: unknown }).value)

await main(JSON.parse(process.env.BENCH ?? '{}') as ChildOptions)
