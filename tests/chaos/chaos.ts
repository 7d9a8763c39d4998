/**
 * Sends requests through both emulated chats while processes are killed at random, then checks the invariants in the database,
 * the store and the chats. The seed repeats the choices of a run, but not the timing of its processes.
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { Redis } from 'ioredis'
import { openDatabase } from '../../src/db/open.ts'
import { type Comfyui, startComfyui } from '../emulators/comfyui/index.ts'
import { type DiscordEmulator, startDiscord } from '../emulators/discord/index.ts'
import { type FalEmulator, startFal } from '../emulators/fal/index.ts'
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { type Backend, createDatabase } from '../helpers/backends.ts'
import { freePort } from '../helpers/ports.ts'
import { startCluster } from '../helpers/redis.ts'
import { apiKey, brokenAtRest, settleMs, unfinished, untilEnded } from './rest.ts'
import { type Service, startService } from './service.ts'

/** What gets lost besides processes, as shares of all: answers to submissions, calls of webhooks, answers of chats. */
export const mixes = {
  /** fal cannot reach us. */
  usual: { submissions: 0.05, chats: 0 },
  all: { submissions: 0.05, webhooks: 0.3, chats: 0.03 },
  /** A provider that never calls back, although it is asked to. */
  silent: { submissions: 0.1, webhooks: 1, chats: 0 },
} satisfies Record<string, { submissions: number; webhooks?: number; chats: number }>
export type Mix = keyof typeof mixes

export interface ChaosOptions {
  backend: Backend
  mix: Mix
  requests: number
  kills: number
  seed: number
  /** Whether Redis is emptied in the middle of the run. */
  flush?: boolean
  say?(line: string): void
}

export interface ChaosResult {
  accepted: number
  delivered: number
  /** Milliseconds from a kill until the work of the killed process continued. */
  restarts: number[]
  /** Milliseconds from the last fault until new requests were answered, by model. */
  answers: Record<string, number>
  /** Waiting messages that are never edited, because a process died between posting and recording them. */
  leftover: number
  violations: string[]
}

const requestsPerPerson = 3
/** Number of the database that only this run uses. */
const redisDatabase = 5

interface World {
  options: ChaosOptions
  discord: DiscordEmulator
  telegram: TelegramEmulator
  fal: FalEmulator
  comfyui: Comfyui
  services: Service[]
  settings: Record<string, string>
  redis?: EmptiedRedis
  url?: string
  dataDir: string
  random: () => number
}

/** A Redis that only this run uses, so that it can be emptied. */
interface EmptiedRedis {
  settings: Record<string, string>
  empty(): Promise<unknown>
  stop(): Promise<void>
}

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const random = randomOf(options.seed)
  const [discord, telegram, fal, comfyui] = await Promise.all([
    startDiscord({ keepRequests: 0, random }),
    startTelegram({ keepRequests: 0, random }),
    startFal({ random, workMs: () => 50 + random() * 800 }),
    startComfyui({ random, workMs: 300 }),
  ])
  const mix: { submissions: number; webhooks?: number; chats: number } = mixes[options.mix]
  for (const { faults } of [fal, comfyui]) {
    const match = { method: 'POST', path: submissions }
    faults.add({ kind: 'dropAfter', match, probability: mix.submissions })
  }
  for (const { faults } of [discord, telegram]) {
    faults.add({ kind: 'dropAfter', match: { path: answersOfChats }, probability: mix.chats })
  }
  Object.defineProperty(fal.hooks.switches, 'on', { get: () => random() >= (mix.webhooks ?? 0) })
  const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-chaos-'))
  const { url, drop } = options.backend === 'pglite' ? { url: undefined, drop: async () => {} } : await createDatabase()
  const port = await freePort()
  const redis = options.backend === 'redis' ? await openRedis() : undefined
  const base = settingsOf({ discord, telegram, fal, comfyui, dataDir, redis, url, port })
  const settings = mix.webhooks === undefined ? base : { ...base, PUBLIC_URL: `http://127.0.0.1:${port}` }
  const world: World = { options, discord, telegram, fal, comfyui, services: [], settings, redis, url, dataDir, random }
  try {
    return await play(world)
  } finally {
    await Promise.all(world.services.map((service) => service.kill()))
    await Promise.all([discord, telegram, fal, comfyui].map((emulator) => emulator.stop()))
    await redis?.stop()
    await drop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

type Parts = Pick<World, 'discord' | 'telegram' | 'fal' | 'comfyui' | 'dataDir' | 'redis' | 'url'>

function settingsOf(parts: Parts & { port: number }): Record<string, string> {
  const { discord, telegram, fal, comfyui, dataDir, redis, url, port } = parts
  return {
    DATA_DIR: dataDir,
    PORT: String(port),
    API_KEY: apiKey,
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
    ...redis?.settings,
  }
}

async function play(world: World): Promise<ChaosResult> {
  const { options, discord, telegram, fal, comfyui, settings, services, redis } = world
  const say = options.say ?? (() => undefined)
  await redis?.empty()
  const workers = options.backend === 'pglite' ? [startService(settings)] : startApart(world)
  services.push(...workers)
  await Promise.all(services.map((service) => service.ready))
  await discord.waitForBot(120_000)

  const watch = options.backend === 'pglite' ? watchAnswers(world) : await watchRows(world)
  const sending = sendRequests(world)
  for (let kill = 0; kill < options.kills; kill++) {
    await sleep(options.backend === 'pglite' ? 1_000 + world.random() * 1_000 : 400 + world.random() * 1_200)
    if (options.flush && kill === Math.floor(options.kills / 2)) await redis?.empty()
    const index = Math.floor(world.random() * workers.length)
    const victim = workers[index]
    if (!victim) continue
    await watch.killing()
    await victim.kill()
    services.splice(services.indexOf(victim), 1)
    const fresh = startService(options.backend === 'pglite' ? settings : { ...settings, ROLES: 'worker', PORT: '0' })
    workers[index] = fresh
    services.push(fresh)
    say(`kill ${kill + 1} of ${options.kills}`)
    // a process killed during its start has no work to continue
    await fresh.ready
    if (options.backend === 'pglite') await watch.continued()
  }
  await sending
  for (const emulator of [fal, comfyui, discord, telegram]) emulator.faults.clear()
  const answers = await answerAgain(world)
  const restarts = await watch.stop()
  return finish(world, { restarts, answers })
}

/** Starts one process for the bots and the webhooks, and three workers. Returns the workers. */
function startApart({ settings, services }: World): Service[] {
  services.push(startService({ ...settings, ROLES: settings.PUBLIC_URL ? 'bots,http' : 'bots' }))
  return [1, 2, 3].map(() => startService({ ...settings, ROLES: 'worker', PORT: '0' }))
}

const submissions = /^\/(prompt$|fal-ai\/)/
const answersOfChats = /^(send|edit)|\/messages\//

/** Telegram id of the person who asks after the last fault, for each model. */
const lastAsker = 600_000
const lastModels = ['sketch', 'flux-dev', 'comfy-dev']

/** Milliseconds until requests are answered that come after the last fault, while others still wait. */
async function answerAgain({ telegram }: World): Promise<Record<string, number>> {
  const times = lastModels.map(async (model, n): Promise<[string, number]> => {
    const since = Date.now()
    const userId = lastAsker + n
    telegram.say(`last picture of ${model}. --model ${model} 64x64`, { userId, firstName: `last of ${model}` })
    const answered = () => telegram.messages(userId).some(({ fromBot, text }) => fromBot && !isWaiting(text))
    while (!answered() && Date.now() - since < settleMs) await sleep(20)
    return [model, Date.now() - since]
  })
  return Object.fromEntries(await Promise.all(times))
}

/** Violations of I3: requests that were submitted to the image services more than once. */
function repeatedSubmissions({ fal, comfyui }: World): string[] {
  const count = new Map<string, number>()
  for (const { method, path, body } of [...fal.requests, ...comfyui.requests]) {
    if (method !== 'POST' || !submissions.test(path)) continue
    const name = /picture \d+\.|last picture of [a-z-]+\./.exec(body.toString())?.[0] ?? 'unnamed'
    count.set(name, (count.get(name) ?? 0) + 1)
  }
  const repeated = [...count].filter(([, times]) => times > 1)
  return repeated.map(([name, times]) => `I3 one submission: ${name} was submitted ${times} times`)
}

/** Sends three requests for each person, half of them on each chat, spread over the time of the kills. */
async function sendRequests({ options, discord, telegram, random }: World): Promise<void> {
  const pauseMs = Math.min(200, (options.kills * (options.backend === 'pglite' ? 3_500 : 2_000)) / options.requests)
  for (let n = 0; n < options.requests; n++) {
    const person = Math.floor(n / requestsPerPerson)
    const slow = `[slow ${Math.floor(50 + random() * 800)}ms] --model sketch`
    const flags = [slow, slow, '--model flux-dev', '--model comfy-dev'][n % 4]
    const prompt = `picture ${n}. ${flags} 64x64`
    if (person % 2 === 0) discord.slash('flux', { prompt }, { userId: String(100000000000000000n + BigInt(person)) })
    else telegram.say(prompt, { userId: 1000 + person, firstName: `P${person}` })
    await sleep(pauseMs * (0.5 + random()))
  }
}

/** Measures how soon the work of killed processes continues. */
interface Watch {
  /** Called right before a kill. */
  killing(): Promise<void>
  /** Resolves once the work has continued, where the next kill has to wait for that. */
  continued(): Promise<void>
  /** Resolves with the milliseconds of all kills. */
  stop(): Promise<number[]>
}

/** Watches the rows that a worker had when it was killed, until another attempt has begun. */
async function watchRows({ url = '' }: World): Promise<Watch> {
  const database = await openDatabase({ url, dataDir: '', maxConnections: 2 })
  const restarts: number[] = []
  const waiting = new Map<string, { attempt: number; killedAt: number }>()
  const check = async () => {
    if (waiting.size === 0) return
    const rows = await database.rows<{ id: string; attempt: number; ended: boolean }>(
      sql`select id, attempt, state in ('delivered','failed','cancelled') as ended from generations
        where id in (${sql.join(
          [...waiting.keys()].map((id) => sql`${id}::uuid`),
          sql`, `,
        )})`,
    )
    for (const { id, attempt, ended } of rows) {
      const before = waiting.get(id)
      if (before && attempt > before.attempt) restarts.push(Date.now() - before.killedAt)
      if (before && (ended || attempt > before.attempt)) waiting.delete(id)
    }
  }
  let checking: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    checking = checking.then(check).catch(() => undefined)
  }, 100)
  return {
    async killing() {
      const rows = await database.rows<{ id: string; attempt: number }>(
        sql`select id, attempt from generations where state in ('running','stored')`,
      )
      for (const { id, attempt } of rows) if (!waiting.has(id)) waiting.set(id, { attempt, killedAt: Date.now() })
    },
    continued: async () => undefined,
    async stop() {
      const until = Date.now() + settleMs
      while (waiting.size > 0 && Date.now() < until) await sleep(100)
      clearInterval(timer)
      await checking
      await database.close()
      return restarts
    },
  }
}

/** Telegram id of the person who asks right before the first kill of the only process. Later ones count up. */
const firstProbe = 500_000

/** Measures with one process until a request that was sent right before the kill is answered. */
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
    async continued() {
      const until = Date.now() + settleMs
      while (!answered() && Date.now() < until) await sleep(50)
      restarts.push(Date.now() - killedAt)
    },
    stop: async () => restarts,
  }
}

const isWaiting = (text: string) => /^[⏳🎨]/u.test(text)

/** The words of a prompt that no other request has. */
const pictureIn = (text: string) => /picture \d+\./.exec(text)?.[0]

/**
 * Number of final answers that people see, by the key of the call. A late answer on Discord is a new message, which does not name the call: it
 * counts by the picture that it shows or names.
 */
function finals({ discord, telegram, options }: World): Map<string, number> {
  const count = new Map<string, number>()
  const add = (key: string) => count.set(key, (count.get(key) ?? 0) + 1)
  for (const message of discord.messages()) {
    const { interactionId, thinking, content, author } = message
    if (thinking || content === '' || isWaiting(content)) continue
    const picture = pictureIn(content)
    if (interactionId) add(`discord:${interactionId}`)
    else if (author.bot && picture) add(picture)
  }
  for (const chat of telegramChats(options)) {
    for (const message of telegram.messages(chat)) {
      const final = message.fromBot && message.replyTo && !isWaiting(message.text)
      if (final) add(`telegram:${chat}:${message.replyTo}`)
    }
  }
  return count
}

/** Number of waiting messages that are still shown on Telegram. */
function leftovers({ telegram, options }: World): number {
  const waiting = (chat: number) =>
    telegram.messages(chat).filter(({ fromBot, text }) => fromBot && isWaiting(text)).length
  return telegramChats(options).reduce((sum, chat) => sum + waiting(chat), 0)
}

/** Chats of every second person, and of the people who ask right before a kill. */
function telegramChats({ requests, kills }: ChaosOptions): number[] {
  const people = Array.from({ length: Math.ceil(requests / requestsPerPerson) }, (_, person) => person)
  const probes = Array.from({ length: kills }, (_, kill) => firstProbe + kill)
  const last = lastModels.map((_, n) => lastAsker + n)
  return [...people.filter((person) => person % 2 === 1).map((person) => 1000 + person), ...probes, ...last]
}

async function finish(world: World, measured: Pick<ChaosResult, 'restarts' | 'answers'>): Promise<ChaosResult> {
  const { options, url, dataDir, services, discord, telegram } = world
  if (url) await untilEnded(url)
  else await untilQuiet(world)
  await Promise.all(services.splice(0).map((service) => service.stop()))
  const database = await openDatabase({ url, dataDir })
  try {
    const found = await brokenAtRest(database, dataDir)
    const rows = await database.rows<{
      key: string
      prompt: string
      state: string
      error: string | null
      seconds: number
    }>(sql`
      select key, request->>'prompt' as prompt, state, error, extract(epoch from ended_at - created_at)::int as seconds
      from generations`)
    const shown = finals(world)
    const countOf = (name = '') => shown.get(name) ?? 0
    const wrong = rows.filter(({ key, prompt }) => countOf(key) + countOf(pictureIn(prompt)) !== 1)
    if (wrong.length > 0) {
      found.push(
        `I5 one visible answer: ${wrong.length} of ${rows.length}, such as ${JSON.stringify(wrong[0])} shown ${countOf(wrong[0]?.key) + countOf(pictureIn(wrong[0]?.prompt ?? ''))} times`,
      )
    }
    found.push(...repeatedSubmissions(world), ...discord.violations, ...telegram.violations)
    if (options.backend !== 'pglite' && rows.length < options.requests)
      found.push(`${options.requests - rows.length} requests were never accepted`)
    const delivered = rows.filter((row) => row.state === 'delivered').length
    return { ...measured, accepted: rows.length, delivered, leftover: leftovers(world), violations: found }
  } finally {
    await database.close()
  }
}

/**
 * Waits until every request has ended and no more answers come. The embedded database cannot be read while the service has it
 * open, so the service is asked.
 */
async function untilQuiet(world: World): Promise<void> {
  let [last, since] = [-1, Date.now()]
  const until = Date.now() + settleMs
  while (Date.now() - since < 5_000 && Date.now() < until) {
    const now = finals(world).size
    if (now !== last || (await unfinished(world.settings)) > 0) [last, since] = [now, Date.now()]
    await sleep(200)
  }
}

/** One database of the Redis of the environment. A cluster has only one, which other tests use, so the run gets a cluster of its own. */
async function openRedis(): Promise<EmptiedRedis> {
  if (process.env.TEST_REDIS_CLUSTER === 'true') {
    const { url, nodes, stop } = await startCluster()
    const empty = () => Promise.all(nodes.map((node) => node.run('flushall')))
    return { settings: { REDIS_URL: url, REDIS_CLUSTER: 'true' }, empty, stop }
  }
  const url = `${process.env.TEST_REDIS_URL}/${redisDatabase}`
  const redis = new Redis(url)
  return { settings: { REDIS_URL: url }, empty: () => redis.flushdb(), stop: async () => redis.disconnect() }
}

export function randomOf(seed: number): () => number {
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
