/**
 * `npx tsx bench/pipeline.ts [rounds] [jobs] [back end] [ours]`: jobs per second of accept → hold → queue → instant provider → store → settle → reply, compared
 * with bare BullMQ that runs the same SQL. Both take turns within one run, on each available back end, without image work. With `ours` the
 * bare queue does not run, for a profile.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { sql } from 'drizzle-orm'
import { Redis } from 'ioredis'
import { v7 as uuidv7 } from 'uuid'
import { compose } from '../src/compose.ts'
import { readConfig } from '../src/config.ts'
import type { Core } from '../src/core/core.ts'
import { submit, wake } from '../src/core/generation/submit.ts'
import type { ImageFile, ImageTools } from '../src/core/ports/images.ts'
import type { ImageProvider } from '../src/core/ports/providers.ts'
import type { JobQueue } from '../src/core/ports/queue.ts'
import type { ObjectStore } from '../src/core/ports/storage.ts'
import { chooseModel } from '../src/core/request/choose-model.ts'
import { parsePrompt } from '../src/core/request/parse.ts'
import { startWorker } from '../src/core/worker/worker.ts'
import type { Database } from '../src/db/database.ts'
import { sketch } from '../src/models/sketch.ts'
import { createQueue } from '../src/queue/bullmq.ts'
import { type Backend, backends, openTestDatabase, testQueueBackend } from '../tests/helpers/backends.ts'
import { createChat } from '../tests/helpers/core.ts'

const [roundsGiven, jobsGiven, backendGiven, only] = process.argv.slice(2)
const [rounds, jobs] = [Number(roundsGiven ?? 5), Number(jobsGiven ?? 1000)]
const people = 50
const concurrency = 20
const log = { debug() {}, info() {}, warn() {}, error() {} }
const pixel: ImageFile = { data: Buffer.alloc(100), type: 'image/png', width: 8, height: 8 }

const always = async () => pixel
const images: ImageTools = {
  clean: always,
  keep: always,
  keepWithThumbnail: async () => ({ file: pixel, thumbnail: pixel }),
  thumbnail: always,
  sheet: always,
  png: always,
  mask: always,
  markAs: always,
  place: always,
}
const store: ObjectStore = {
  reachable: false,
  put: async () => undefined,
  get: async () => undefined,
  link: async () => '',
  delete: async () => undefined,
}
const instant: ImageProvider = {
  name: 'sketch',
  repeatable: true,
  start: async () => ({ state: 'done', images: [pixel.data], seed: '7' }),
}

interface Round {
  jobsPerSecond: number
  transactions: number
  evalsha: number
}

async function main(): Promise<void> {
  for (const kind of backends().filter((each) => backendGiven === undefined || each === backendGiven)) {
    const n = kind === 'pglite' ? Math.ceil(jobs / 4) : jobs
    const ours: Round[] = []
    const bare: Round[] = []
    for (let round = 0; round <= rounds; round++) {
      const first = await measure(kind, n, ourPipeline)
      const results = [first, only === 'ours' ? first : await measure(kind, n, bareQueue)] as const
      // the first round warms up
      if (round > 0) {
        ours.push(results[0])
        bare.push(results[1])
      }
    }
    print(kind, n, ours, bare)
  }
}

type Way = (world: World, count: number) => Promise<void>

interface World {
  database: Database
  queue: JobQueue
}

async function measure(kind: Backend, count: number, way: Way): Promise<Round> {
  const { database, drop } = await openTestDatabase(kind)
  const { backend, prefix, cleanUp } = testQueueBackend(kind, database)
  const queue = await createQueue({ backend, prefix, log, lanes: [{ name: 'sketch', concurrency }] })
  await database.rows(sql`
    insert into users (id, name) select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'p' from generate_series(1, ${people}) n`)
  await database.rows(
    sql`insert into identities (id, user_id, name) select 'test:' || right(id::text, 4)::int, id, 'p' from users`,
  )
  await database.rows(sql`insert into ledger (user_id, kind, amount) select id, 'grant', 1000000 from users`)
  let transactions = 0
  const counted: Database = {
    ...database,
    rows: (query, on) => {
      transactions++
      return database.rows(query, on)
    },
  }
  const before = await evalshaCalls(kind)
  const start = performance.now()
  await way({ database: counted, queue }, count)
  const seconds = (performance.now() - start) / 1000
  const evalsha = (await evalshaCalls(kind)) - before
  await queue.close(0)
  await drop()
  await cleanUp()
  return { jobsPerSecond: count / seconds, transactions: transactions / count, evalsha: evalsha / count }
}

async function evalshaCalls(kind: Backend): Promise<number> {
  if (kind !== 'redis') return 0
  const redis = new Redis(process.env.TEST_REDIS_URL ?? '')
  const stats = await redis.info('commandstats')
  redis.disconnect()
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0)
}

async function ourPipeline({ database, queue }: World, count: number): Promise<void> {
  let finished: () => void = () => undefined
  const done = new Promise<void>((resolve) => {
    finished = resolve
  })
  let left = count
  const chat = createChat({ name: 'test' })
  chat.post = async () => {
    if (--left === 0) finished()
    return 'test:1'
  }
  const settings = { baseUrl: 'test:', timeoutMs: 10_000, concurrency }
  const config = readConfig({ LOG_LEVEL: 'silent', SECRET_KEY: 'a secret key for tests, 32 chars' })
  const { core: composed, close } = await compose(
    { ...config, providers: new Map([[instant.name, settings]]), providerDefaults: settings },
    {
      database,
      models: [sketch],
      providers: [{ name: instant.name, title: instant.name, needsKey: false, create: () => instant }],
      queue: async () => queue,
      limits: { inFlight: 1e9, perMinute: 1e6, deadlineMs: 600_000, welcome: 0 },
      surfaces: () => [chat],
    },
  )
  const core: Core = { ...composed, store, images }
  const worker = await startWorker(core)
  await inParallel(count, async (n) => {
    const id = `test:${(n % people) + 1}`
    const accepted = await submit(core, {
      key: `bench:${n}`,
      surface: 'test',
      address: `test:${n}`,
      from: { id, name: 'p' },
      locale: 'en',
      params: parsePrompt('a cute cat 16:9', { ratios: ['16:9'] }),
      chosen: chooseModel(core, { images: 0, words: true }),
      images: [],
    })
    await wake(core, accepted.job)
  })
  await done
  await worker.stop(5_000)
  await close()
}

/** Runs the same four statements in their simplest form around the bare queue. */
async function bareQueue({ database, queue }: World, count: number): Promise<void> {
  let finished: () => void = () => undefined
  const done = new Promise<void>((resolve) => {
    finished = resolve
  })
  let left = count
  await queue.work(async (id) => {
    await database.rows(
      sql`update generations set state = 'running', attempt = attempt + 1, started_at = now() where id = ${id} returning *`,
    )
    await database.rows(sql`
      with stored as (update generations set state = 'stored', stored_at = now() where id = ${id} returning id)
      insert into images (key, generation_id, role, position, type, width, height, bytes)
      select id || r, id, r, 0, 'image/png', 8, 8, 100 from stored, unnest(array['output','thumbnail']) r`)
    await database.rows(sql`
      with ended as (update generations set state = 'delivered', ended_at = now() where id = ${id} returning id, user_id)
      insert into ledger (user_id, generation_id, kind, amount, held) select user_id, id, 'capture', 0, -1 from ended`)
    if (--left === 0) finished()
    return undefined
  })
  await inParallel(count, async (n) => {
    const id = uuidv7()
    const userId = `00000000-0000-7000-8000-${String((n % people) + 1).padStart(12, '0')}`
    await database.rows(sql`
      with generation as (
        insert into generations (id, user_id, payer_id, key, surface, address, locale, model, provider, endpoint, request, price, priority,
          wake_at, deadline_at)
        values (${id}, ${userId}, ${userId}, ${id}, 'test', 'test:1', 'en', 'sketch', 'sketch', 'sketch', '{}', 1, 1, now(), now()) returning id, user_id)
      insert into ledger (user_id, generation_id, kind, amount, held) select user_id, id, 'hold', -1, 1 from generation`)
    await queue.add({ id, lane: 'sketch', priority: 1 })
  })
  await done
}

/** Runs 20 calls at a time, which the database connections serve well. */
async function inParallel(count: number, act: (n: number) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async () => {
    for (let n = next++; n < count; n = next++) await act(n)
  }
  await Promise.all(Array.from({ length: 20 }, lane))
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

function print(kind: Backend, count: number, ours: Round[], bare: Round[]): void {
  const ratios = ours.map((each, n) => each.jobsPerSecond / (bare[n]?.jobsPerSecond ?? 1))
  const range = (values: number[], digits: number) =>
    `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`
  const row = [
    kind,
    count,
    range(
      ours.map((each) => each.jobsPerSecond),
      0,
    ),
    range(
      bare.map((each) => each.jobsPerSecond),
      0,
    ),
    range(ratios, 2),
    median(ours.map((each) => each.transactions)).toFixed(1),
    median(bare.map((each) => each.transactions)).toFixed(1),
    kind === 'redis' ? median(ours.map((each) => each.evalsha)).toFixed(1) : '–',
  ]
  process.stdout.write(`| ${row.join(' | ')} |\n`)
}

const delay = monitorEventLoopDelay()
delay.enable()
process.stdout.write(
  '| back end | jobs | ours, jobs/s | bare, jobs/s | ratio | our SQL transactions/job | bare | EVALSHA/job |\n|---|---|---|---|---|---|---|---|\n',
)
await main()
process.stdout.write(`event loop p99 ${(delay.percentile(99) / 1e6).toFixed(0)} ms, ${rounds} rounds in turns\n`)
process.exit(0)
