/**
 * Requests through both emulated chats while processes are killed at random; then the invariants are asked of the database,
 * the store, and what people see. Seeded, so that a run can be repeated (as far as processes can).
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { Redis } from 'ioredis'
import type { Database } from '../../src/db/database.ts'
import { openDatabase } from '../../src/db/open.ts'
import { createDiskStore } from '../../src/storage/disk.ts'
import { type Comfyui, startComfyui } from '../emulators/comfyui/index.ts'
import { type DiscordEmulator, startDiscord } from '../emulators/discord/index.ts'
import { type FalEmulator, startFal } from '../emulators/fal/index.ts'
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { type Backend, createDatabase } from '../helpers/backends.ts'
import { violations } from '../helpers/invariants.ts'
import { type Service, startService } from './service.ts'

export interface ChaosOptions {
  backend: Backend
  requests: number
  kills: number
  seed: number
  /** Redis is emptied in the middle. */
  flush?: boolean
  say?(line: string): void
}

export interface ChaosResult {
  accepted: number
  delivered: number
  /** Milliseconds from a kill until the work of the killed process went on. */
  restarts: number[]
  /** Waiting messages that nobody edits any more: a process died between posting one and saving that it did. */
  leftover: number
  violations: string[]
}

const perPerson = 3
const settleMs = 90_000
/** A database of Redis of its own, so that it can be emptied. */
const redisDatabase = 5

interface World {
  options: ChaosOptions
  discord: DiscordEmulator
  telegram: TelegramEmulator
  fal: FalEmulator
  comfyui: Comfyui
  services: Service[]
  settings: Record<string, string>
  url?: string
  dataDir: string
  random: () => number
}

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const random = randomOf(options.seed)
  const [discord, telegram, fal, comfyui] = await Promise.all([
    startDiscord({ keepRequests: 0, random }),
    startTelegram({ keepRequests: 0, random }),
    startFal({ random, workMs: () => 50 + random() * 800 }),
    startComfyui({ random, workMs: 300 }),
  ])
  // answers to submissions get lost, now and then
  for (const { faults } of [fal, comfyui]) {
    faults.add({ kind: 'dropAfter', match: { method: 'POST', path: submissions }, probability: 0.05 })
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-chaos-'))
  const { url, drop } = options.backend === 'pglite' ? { url: undefined, drop: async () => {} } : await createDatabase()
  const settings = settingsOf(options.backend, { discord, telegram, fal, comfyui, dataDir, url })
  const world: World = { options, discord, telegram, fal, comfyui, services: [], settings, url, dataDir, random }
  try {
    return await play(world)
  } finally {
    await Promise.all(world.services.map((service) => service.kill()))
    await Promise.all([discord, telegram, fal, comfyui].map((emulator) => emulator.stop()))
    await drop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

function settingsOf(
  backend: Backend,
  world: Pick<World, 'discord' | 'telegram' | 'fal' | 'comfyui' | 'dataDir' | 'url'>,
): Record<string, string> {
  const { discord, telegram, fal, comfyui, dataDir, url } = world
  const redis = `${process.env.TEST_REDIS_URL}/${redisDatabase}`
  return {
    DATA_DIR: dataDir,
    PORT: '0',
    LOG_LEVEL: 'warn',
    PROVIDER_CONCURRENCY: '10',
    DISCORD_TOKEN: discord.token,
    DISCORD_API_URL: discord.apiUrl,
    TELEGRAM_TOKEN: telegram.token,
    TELEGRAM_API_URL: telegram.apiUrl,
    FAL_KEY: fal.key,
    FAL_QUEUE_URL: fal.url,
    COMFYUI_URL: comfyui.url,
    ...(url ? { DATABASE_URL: url, SECRET_KEY: 'a secret for the chaos run, 32 long' } : {}),
    ...(backend === 'redis' ? { REDIS_URL: redis } : {}),
  }
}

async function play(world: World): Promise<ChaosResult> {
  const { options, discord, settings, services } = world
  const say = options.say ?? (() => undefined)
  if (options.backend === 'redis') await withRedis((redis) => redis.flushdb())
  const workers = options.backend === 'pglite' ? [startService(settings)] : startApart(world)
  services.push(...workers)
  await Promise.all(services.map((service) => service.ready))
  await discord.waitForBot(30_000)

  const watch = options.backend === 'pglite' ? watchAnswers(world) : await watchRows(world)
  const asking = ask(world)
  for (let kill = 0; kill < options.kills; kill++) {
    await sleep(options.backend === 'pglite' ? 1_000 + world.random() * 1_000 : 400 + world.random() * 1_200)
    if (options.flush && kill === Math.floor(options.kills / 2)) await withRedis((redis) => redis.flushdb())
    const index = Math.floor(world.random() * workers.length)
    const victim = workers[index]
    if (!victim) continue
    await watch.killing()
    await victim.kill()
    services.splice(services.indexOf(victim), 1)
    const fresh = startService(options.backend === 'pglite' ? settings : { ...settings, ROLES: 'worker' })
    workers[index] = fresh
    services.push(fresh)
    say(`kill ${kill + 1} of ${options.kills}`)
    // one that dies while it starts proves nothing about the work it had
    await fresh.ready
    if (options.backend === 'pglite') await watch.wentOn()
  }
  await asking
  const restarts = await watch.stop()
  return finish(world, restarts)
}

/** One process for the bots, three that draw. */
function startApart({ settings, services }: World): Service[] {
  services.push(startService({ ...settings, ROLES: 'bots' }))
  return [1, 2, 3].map(() => startService({ ...settings, ROLES: 'worker' }))
}

const submissions = /^\/(prompt$|fal-ai\/)/

/** What was submitted more than once, of all that the image services were asked for. */
function repeated({ fal, comfyui }: World): string[] {
  const count = new Map<string, number>()
  for (const { method, path, body } of [...fal.requests, ...comfyui.requests]) {
    if (method !== 'POST' || !submissions.test(path)) continue
    const name = /picture \d+\./.exec(body.toString())?.[0] ?? 'nameless'
    count.set(name, (count.get(name) ?? 0) + 1)
  }
  const twice = [...count].filter(([, times]) => times > 1)
  return twice.map(([name, times]) => `I3 one submission: ${name} was submitted ${times} times`)
}

/** Three requests a person, half of them on each chat, spread over the time of the kills. */
async function ask({ options, discord, telegram, random }: World): Promise<void> {
  const pauseMs = Math.min(200, (options.kills * (options.backend === 'pglite' ? 3_500 : 2_000)) / options.requests)
  for (let n = 0; n < options.requests; n++) {
    const person = Math.floor(n / perPerson)
    const slow = `[slow ${Math.floor(50 + random() * 800)}ms] --model sketch`
    const how = [slow, slow, '--model flux-dev', '--model comfy-dev'][n % 4]
    const words = `picture ${n}. ${how} 64x64`
    if (person % 2 === 0)
      discord.slash('flux', { prompt: words }, { userId: String(100000000000000000n + BigInt(person)) })
    else telegram.say(words, { userId: 1000 + person, firstName: `P${person}` })
    await sleep(pauseMs * (0.5 + random()))
  }
}

interface Watch {
  killing(): Promise<void>
  wentOn(): Promise<void>
  stop(): Promise<number[]>
}

/** What the killed worker had is what another attempt takes up later: seen in the rows. */
async function watchRows({ url = '' }: World): Promise<Watch> {
  const database = await openDatabase({ url, dataDir: '', maxConnections: 2 })
  const restarts: number[] = []
  const waiting = new Map<string, { attempt: number; killedAt: number }>()
  const look = async () => {
    if (waiting.size === 0) return
    const rows = await database.rows<{ id: string; attempt: number; over: boolean }>(
      sql`select id, attempt, state in ('delivered','failed','cancelled') as over from generations
        where id in (${sql.join(
          [...waiting.keys()].map((id) => sql`${id}::uuid`),
          sql`, `,
        )})`,
    )
    for (const { id, attempt, over } of rows) {
      const before = waiting.get(id)
      if (before && attempt > before.attempt) restarts.push(Date.now() - before.killedAt)
      if (before && (over || attempt > before.attempt)) waiting.delete(id)
    }
  }
  let looking: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    looking = looking.then(look).catch(() => undefined)
  }, 100)
  return {
    async killing() {
      const rows = await database.rows<{ id: string; attempt: number }>(
        sql`select id, attempt from generations where state in ('running','stored')`,
      )
      for (const { id, attempt } of rows) if (!waiting.has(id)) waiting.set(id, { attempt, killedAt: Date.now() })
    },
    wentOn: async () => undefined,
    async stop() {
      const until = Date.now() + settleMs
      while (waiting.size > 0 && Date.now() < until) await sleep(100)
      clearInterval(timer)
      await looking
      await database.close()
      return restarts
    },
  }
}

/** Telegram's numbers of those who ask just before a kill of the only process. */
const firstProbe = 500_000

/** One process has everything: work goes on when what was asked right before the kill is answered. */
function watchAnswers({ telegram, options }: World): Watch {
  const restarts: number[] = []
  let killedAt = 0
  let probe = firstProbe - 1
  const answered = () => telegram.messages(probe).some((message) => message.fromBot && !isWaiting(message.text))
  return {
    async killing() {
      killedAt = Date.now()
      telegram.say('probe [slow 50ms] --model sketch 64x64', {
        userId: ++probe,
        firstName: `probe of ${options.kills}`,
      })
    },
    async wentOn() {
      const until = Date.now() + settleMs
      while (!answered() && Date.now() < until) await sleep(50)
      restarts.push(Date.now() - killedAt)
    },
    stop: async () => restarts,
  }
}

const isWaiting = (text: string) => /^[⏳🎨]/u.test(text)

/** Final answers that people see, by the key of the call: how many each. */
function finals({ discord, telegram, options }: World): Map<string, number> {
  const count = new Map<string, number>()
  const add = (key: string) => count.set(key, (count.get(key) ?? 0) + 1)
  for (const message of discord.messages()) {
    const final = message.interactionId && !message.thinking && message.content !== '' && !isWaiting(message.content)
    if (final) add(`discord:${message.interactionId}`)
  }
  for (const chat of telegramChats(options)) {
    for (const message of telegram.messages(chat)) {
      const final = message.fromBot && message.replyTo && !isWaiting(message.text)
      if (final) add(`telegram:${chat}:${message.replyTo}`)
    }
  }
  return count
}

function leftovers({ telegram, options }: World): number {
  const waiting = (chat: number) =>
    telegram.messages(chat).filter(({ fromBot, text }) => fromBot && isWaiting(text)).length
  return telegramChats(options).reduce((sum, chat) => sum + waiting(chat), 0)
}

/** Every second person is on Telegram; the probes are all there. */
function telegramChats({ requests, kills }: ChaosOptions): number[] {
  const people = Array.from({ length: Math.ceil(requests / perPerson) }, (_, person) => person)
  const probes = Array.from({ length: kills }, (_, kill) => firstProbe + kill)
  return [...people.filter((person) => person % 2 === 1).map((person) => 1000 + person), ...probes]
}

async function finish(world: World, restarts: number[]): Promise<ChaosResult> {
  const { options, url, dataDir, services, discord, telegram } = world
  if (url) await settled(url)
  else await quiet(world)
  await Promise.all(services.splice(0).map((service) => service.stop()))
  const database = await openDatabase({ url, dataDir })
  try {
    const store = createDiskStore({
      folder: join(dataDir, 'images'),
      secretKey: Buffer.alloc(32),
      publicUrl: 'http://localhost',
    })
    const keys = async () => (await files(join(dataDir, 'images'))).filter((name) => !name.endsWith('.tmp'))
    const found = await violations(database, { ...store, keys })
    const rows = await database.rows<{ key: string; state: string }>(sql`select key, state from generations`)
    const shown = finals(world)
    const wrong = rows.filter(({ key }) => shown.get(key) !== 1)
    if (wrong.length > 0) {
      found.push(
        `I5 one visible answer: ${wrong.length} of ${rows.length}, such as ${JSON.stringify(wrong[0])} shown ${shown.get(wrong[0]?.key ?? '') ?? 0} times`,
      )
    }
    found.push(...repeated(world), ...discord.violations, ...telegram.violations)
    if (options.backend !== 'pglite' && rows.length < options.requests)
      found.push(`${options.requests - rows.length} requests were never accepted`)
    const delivered = rows.filter((row) => row.state === 'delivered').length
    return { accepted: rows.length, delivered, restarts, leftover: leftovers(world), violations: found }
  } finally {
    await database.close()
  }
}

async function settled(url: string): Promise<void> {
  const database: Database = await openDatabase({ url, dataDir: '', maxConnections: 1 })
  const until = Date.now() + settleMs
  for (;;) {
    const [row] = await database.rows<{ n: number }>(
      sql`select count(*)::int as n from generations where state in ('queued','running','stored')`,
    )
    if (row?.n === 0 || Date.now() > until) break
    await sleep(200)
  }
  await database.close()
}

/** The embedded database cannot be asked while it is open elsewhere: wait until no more answers come. */
async function quiet(world: World): Promise<void> {
  let [last, since] = [-1, Date.now()]
  const until = Date.now() + settleMs
  while (Date.now() - since < 8_000 && Date.now() < until) {
    const now = finals(world).size
    if (now !== last) [last, since] = [now, Date.now()]
    await sleep(200)
  }
}

async function files(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}

async function withRedis(act: (redis: Redis) => Promise<unknown>): Promise<void> {
  const redis = new Redis(`${process.env.TEST_REDIS_URL}/${redisDatabase}`)
  await act(redis)
  redis.disconnect()
}

function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 4294967296
  }
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

export const newSeed = () => Number.parseInt(randomUUID().slice(0, 8), 16)
