/**
 * `npm run bench -- providers [jobs]`: how soon we notice that fal is done, and how often a request is submitted when
 * answers are lost; beside fal's own client on the same emulator.
 */
import { createFalClient } from '@fal-ai/client'
import { sql } from 'drizzle-orm'
import type { Core } from '../src/core/core.ts'
import { receiveWebhook, webhookToken } from '../src/core/generation/provider-webhook.ts'
import { thumbnailEdge } from '../src/core/media/thumbnails.ts'
import { hooks } from '../src/http/operations/provider-webhooks.ts'
import { createApp } from '../src/http/server/app.ts'
import { fluxDev } from '../src/models/flux-dev.ts'
import { fal } from '../src/providers/fal/fal.ts'
import { type FalEmulator, startFal } from '../tests/emulators/fal/index.ts'
import { openTestCore } from '../tests/helpers/core.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }
const prompt = 'a cute cat'
/** As long as real pictures take, and never the same. */
const workMs = () => 1_000 + Math.random() * 2_000

type Way = 'webhook' | 'stream' | 'polling'

interface Figures {
  /** Provider done → the first byte of its picture asked for, ms. */
  noticedMs: number[]
  /** Provider done → picture stored, ms. */
  laterMs: number[]
  /** Status questions for each job. */
  asked: number
}

export async function benchProviders(jobs: number): Promise<void> {
  const rows: [string, Figures][] = []
  for (const way of ['webhook', 'stream', 'polling'] as const) rows.push([`ours, by ${way}`, await ours(way, jobs)])
  rows.push(['@fal-ai/client subscribe, polling', await theirs('polling', jobs)])
  rows.push(['@fal-ai/client subscribe, streaming', await theirs('streaming', jobs)])
  print(`fal done → picture stored (${jobs} jobs of 1–3 s each)`, [
    ['', 'noticed, mean ms', 'p99', 'stored, mean ms', 'p99', 'status calls/job'],
    ...rows.map(([name, { noticedMs, laterMs, asked }]) => [
      name,
      ...[mean(noticedMs), quantile(noticedMs, 0.99), mean(laterMs), quantile(laterMs, 0.99)].map((ms) =>
        ms.toFixed(0),
      ),
      asked.toFixed(1),
    ]),
  ])
  print(`submissions accepted per job when the answer to each is lost (${jobs} jobs)`, [
    ['', 'per job'],
    ['ours', (await oursLost(jobs)).toFixed(2)],
    ['@fal-ai/client', (await theirsLost(jobs)).toFixed(2)],
  ])
}

async function ours(way: Way, jobs: number): Promise<Figures> {
  const emulator = await startFal({ workMs, stream: way === 'stream' })
  const { core, say, ended, work, close } = await openCore(emulator, way === 'webhook')
  const app = createApp({ log, plugins: [hooks((call) => receiveWebhook(core.live, call))] })
  core.hookUrl = await app.listen({ host: '127.0.0.1', port: 0 })
  await work()
  await inTurn(jobs, 4, async (n) => ended(await say(prompt, { who: `p${n}` })))
  const stored = await core.live.database.rows<{ ticket: { requestId: string }; at: number }>(
    sql`select ticket, (extract(epoch from stored_at) * 1000)::float8 as at from generations where stored_at is not null`,
  )
  const laterMs = stored.map(({ ticket, at }) => at - (emulator.doneAt(ticket.requestId) ?? at))
  const noticedMs = await Promise.all(stored.map(({ ticket }) => noticed(emulator, ticket.requestId)))
  const asked = statusCalls(emulator) / jobs
  await app.close()
  await close()
  await emulator.stop()
  return { noticedMs, laterMs, asked }
}

async function oursLost(jobs: number): Promise<number> {
  const emulator = await startFal({ workMs: () => 50 })
  emulator.faults.add({ kind: 'dropAfter', match: { method: 'POST' } })
  const { say, ended, work, close } = await openCore(emulator, false)
  await work()
  await inTurn(jobs, 4, async (n) => ended(await say(prompt, { who: `p${n}` })))
  const accepted = emulator.accepted()
  await close()
  await emulator.stop()
  return accepted / jobs
}

/** The same work as ours: the picture fetched, checked and stored. */
async function theirs(mode: 'polling' | 'streaming', jobs: number): Promise<Figures> {
  const emulator = await startFal({ workMs, stream: true })
  const { core, close } = await openCore(emulator, false)
  const client = clientOf(emulator)
  const [laterMs, noticedMs]: number[][] = [[], []]
  await inTurn(jobs, 4, async (n) => {
    const { data, requestId } = await client.subscribe('fal-ai/flux-1/dev', { input: { prompt }, mode })
    const [image] = (data as { images: { url: string }[] }).images
    const bytes = Buffer.from(await (await fetch(image?.url ?? '')).arrayBuffer())
    const { file, thumbnail } = await core.live.images.keepWithThumbnail(bytes, thumbnailEdge)
    await core.live.store.put(`image/bench/${n}-a.jpg`, file.data, file.type)
    await core.live.store.put(`image/bench/${n}-b.webp`, thumbnail.data, thumbnail.type)
    laterMs?.push(Date.now() - (emulator.doneAt(requestId) ?? 0))
    noticedMs?.push(await noticed(emulator, requestId))
  })
  const asked = statusCalls(emulator) / jobs
  await close()
  await emulator.stop()
  return { noticedMs: noticedMs ?? [], laterMs: laterMs ?? [], asked }
}

async function theirsLost(jobs: number): Promise<number> {
  const emulator = await startFal({ workMs: () => 50 })
  emulator.faults.add({ kind: 'dropAfter', match: { method: 'POST' } })
  const client = clientOf(emulator)
  await inTurn(jobs, 4, async () => {
    await client.queue.submit('fal-ai/flux-1/dev', { input: { prompt } }).catch(() => undefined)
  })
  const accepted = emulator.accepted()
  await emulator.stop()
  return accepted / jobs
}

async function noticed(emulator: FalEmulator, requestId: string): Promise<number> {
  const path = /\/files\/[\w.-]+/.exec(JSON.stringify(await emulator.job(requestId)?.outcome))?.[0]
  const fetched = emulator.requests.find((request) => request.path === path)
  return (fetched?.at ?? Number.NaN) - (emulator.doneAt(requestId) ?? Number.NaN)
}

const statusCalls = (emulator: FalEmulator) => emulator.requests.filter(({ path }) => path.endsWith('/status')).length

/** fal's client knows its own addresses only: they are turned on the way out. */
function clientOf(emulator: FalEmulator) {
  const turned: typeof fetch = (input, init) =>
    fetch(
      String(input instanceof Request ? input.url : input).replace(/^https:\/\/(queue\.)?fal\.run/, emulator.url),
      init,
    )
  return createFalClient({ credentials: emulator.key, fetch: turned })
}

async function openCore(emulator: FalEmulator, callsBack: boolean) {
  const late: { live: Core; hookUrl: string } = { live: undefined as never, hookUrl: '' }
  const webhookUrl = (id: string) => `${late.hookUrl}/hooks/fal/${id}/${webhookToken(late.live.secretKey, id)}`
  const provider = fal.create(
    { baseUrl: emulator.url, key: emulator.key, timeoutMs: 60_000, concurrency: 100 },
    { log, webhookUrl: callsBack ? webhookUrl : undefined },
  )
  const test = await openTestCore('pglite', {
    providers: [provider],
    models: [fluxDev],
    limits: { inFlight: 100, perMinute: 1000, welcome: 1000 },
    providerMs: 60_000,
  })
  late.live = test.core
  return { ...test, core: late }
}

async function inTurn(count: number, atOnce: number, run: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await run(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

function quantile(values: number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))] ?? 0
}

function print(title: string, table: readonly (readonly string[])[]): void {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => (row[column] ?? '').length)))
  const lines = table.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
  process.stdout.write(`\n${title}\n${lines.join('\n')}\n`)
}

await benchProviders(Number(process.argv[2] ?? 60))
