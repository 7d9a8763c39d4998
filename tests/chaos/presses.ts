/**
 * Presses the buttons of results on both emulated chats: while processes are killed, delivered twice, and once more after a
 * restart of everything. Then checks that each press had one effect and one answer.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { Redis } from 'ioredis'
import { openDatabase } from '../../src/db/open.ts'
import { startComfyui } from '../emulators/comfyui/index.ts'
import { startDiscord } from '../emulators/discord/index.ts'
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { type Backend, createDatabase } from '../helpers/backends.ts'
import { freePort } from '../helpers/ports.ts'
import { randomOf } from './chaos.ts'
import {
  free,
  type Place,
  type Pressable,
  type PressedChat,
  paid,
  pressingOnDiscord,
  pressingOnTelegram,
  type Standing,
} from './pressing.ts'
import { apiKey, brokenAtRest, settleMs, unfinished, untilEnded } from './rest.ts'
import { type Service, startService } from './service.ts'

export interface PressesOptions {
  backend: Backend
  /** Presses that are delivered twice, where the back end allows to two processes. */
  presses: number
  /** In each, a person on Discord and one on Telegram press a button while processes are killed. */
  kills: number
  seed: number
  say?(line: string): void
}

export interface PressesResult {
  /** Presses by people who were asked to pay, and by others. */
  paid: number
  free: number
  delivered: number
  refunded: number
  /** Milliseconds until the person had the answer to a press around a kill. */
  answers: number[]
  /** Waiting messages that are never edited, because a process died between posting and recording them. */
  leftover: number
  violations: string[]
}

/** Processes are killed within this time of the press. */
const aroundPressMs = 700
const atOnce = 8
const maxStarts = 10
/** Share of kills that leave no process. */
const killsOfAll = 0.25
/** Every so many results are deleted after all other presses. */
const deletedAtLast = 4
/** Number of the Redis database that only this run uses. */
const redisDatabase = 7
const all: readonly Pressable[] = [...paid, ...free]
const allButDelete = all.filter((action) => action !== 'delete')

interface World extends PressesOptions {
  random: () => number
  chats: PressedChat[]
  services: Running[]
  url?: string
  dataDir: string
  /** What the services must have done and shown by the end. */
  expected: Expected
}

interface Running {
  settings: Readonly<Record<string, string>>
  service: Service
}

interface Expected {
  answers: Map<Place, number>
  /** Generation → presses. */
  favourite: Map<string, number>
  up: Map<string, number>
  deleted: Set<string>
  violations: string[]
}

export async function runPresses(options: PressesOptions): Promise<PressesResult> {
  const random = randomOf(options.seed)
  const [discord, telegram, comfyui] = await Promise.all([
    startDiscord({ keepRequests: 0, random }),
    startTelegram({ keepRequests: 0, random }),
    startComfyui({ random, workMs: 200 }),
  ])
  const { url, drop } = options.backend === 'pglite' ? { url: undefined, drop: async () => {} } : await createDatabase()
  const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-presses-'))
  const upstream = {
    DISCORD_TOKEN: discord.token,
    DISCORD_API_URL: discord.apiUrl,
    TELEGRAM_TOKEN: telegram.token,
    TELEGRAM_API_URL: telegram.apiUrl,
    COMFYUI_URL: comfyui.url,
  }
  const world: World = {
    ...options,
    random,
    chats: [pressingOnDiscord(discord), pressingOnTelegram(telegram)],
    services: [],
    url,
    dataDir,
    expected: { answers: new Map(), favourite: new Map(), up: new Map(), deleted: new Set(), violations: [] },
  }
  try {
    if (options.backend === 'redis') await emptyRedis()
    const settings = await settingsOf(world, { upstream, telegram })
    world.services = settings.map((each) => ({ settings: each, service: startService(each) }))
    await ready(world)
    await discord.waitForBot(120_000)
    const measured = await play(world)
    return await finish(world, { ...measured, platforms: () => [...discord.violations, ...telegram.violations] })
  } finally {
    await Promise.all(world.services.map(({ service }) => service.kill()))
    await Promise.all([discord, telegram, comfyui].map((emulator) => emulator.stop()))
    await drop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** Two processes that receive everything that people do, and two workers. The embedded database allows one process for all. */
async function settingsOf(
  { backend, url, dataDir }: World,
  { upstream, telegram }: { upstream: Record<string, string>; telegram: TelegramEmulator },
): Promise<Record<string, string>[]> {
  const [first, second] = [String(await freePort()), String(await freePort())]
  const common = {
    ...upstream,
    DATA_DIR: dataDir,
    API_KEY: apiKey,
    LOG_LEVEL: 'warn',
    PROVIDER_CONCURRENCY: '10',
    WELCOME_CREDITS: '10000',
    PORT: first,
  }
  if (!url) return [common]
  telegram.mirrorWebhook(`http://127.0.0.1:${second}/telegram/webhook`)
  const shared = {
    ...common,
    DATABASE_URL: url,
    SECRET_KEY: 'a secret for the run of presses, 32 long',
    PUBLIC_URL: `http://127.0.0.1:${first}`,
    TELEGRAM_WEBHOOK_SECRET: 'a-secret-of-the-webhook',
    ...(backend === 'redis' ? { REDIS_URL: `${process.env.TEST_REDIS_URL}/${redisDatabase}` } : {}),
  }
  const bots = [first, second].map((PORT) => ({ ...shared, ROLES: 'bots,http', PORT }))
  return [...bots, ...[1, 2].map(() => ({ ...shared, ROLES: 'worker', PORT: '0' }))]
}

/** A process that could not start, because the database had no connection left, is started again as a service manager does. */
async function ready({ services }: World): Promise<void> {
  for (let tries = 1; ; tries++) {
    const started = await Promise.allSettled(services.map(({ service }) => service.ready))
    const failed = services.filter((_, index) => started[index]?.status === 'rejected')
    if (failed.length === 0) return
    if (tries === maxStarts) throw new Error(`a process did not start: ${failed[0]?.service.log()}`)
    await Promise.all(failed.map((running) => restart(running)))
  }
}

async function play(world: World): Promise<Pick<PressesResult, 'answers'>> {
  const { kills, presses, chats, expected, say = () => undefined } = world
  const answers: number[] = []
  const results = await inGroups(
    Array.from({ length: 2 * kills }, (_, person) => person),
    (person) => chatOf(chats, person).ask(person),
  )
  say(`${results.length} results`)
  for (let kill = 0; kill < kills; kill++) {
    const pair = results.slice(2 * kill, 2 * kill + 2)
    const since = Date.now()
    const pressing = pair.map(async (result, index) => {
      // both chats get each action, in different rounds
      await pressOnce(world, { result, action: pick(all, kill + 3 * index) })
      answers.push(Date.now() - since)
    })
    await sleep(world.random() * aroundPressMs)
    await killSome(world)
    await Promise.all([...pressing, ready(world)])
    say(`kill ${kill + 1} of ${kills}`)
  }
  const standing = results.filter(({ id }) => !expected.deleted.has(id))
  await inGroups(standing, async (result, index) => {
    for (let n = index; n < presses; n += standing.length) {
      const action = pick(allButDelete, n + Math.floor(n / standing.length))
      await pressOnce(world, { result, action, twice: true })
    }
  })
  say(`${presses} presses delivered twice`)
  await Promise.all(world.services.map((running) => restart(running)))
  await ready(world)
  await inGroups(standing, async (result, index) => {
    // what is deleted no longer tells how often it was pressed
    const actions = index % deletedAtLast === 0 ? all : allButDelete
    for (const action of actions) await pressOnce(world, { result, action })
  })
  say(`every button of ${standing.length} results pressed again after a restart of everything`)
  return { answers }
}

const chatOf = (chats: readonly PressedChat[], person: number) => chats[person % 2] as PressedChat
const pick = <T>(list: readonly T[], n: number) => list[n % list.length] as T

async function inGroups<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const done: R[] = []
  let next = 0
  const lane = async () => {
    for (let index = next++; index < items.length; index = next++) done[index] = await work(items[index] as T, index)
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return done
}

interface Pressing {
  result: Standing
  action: Pressable
  twice?: boolean
}

async function pressOnce({ chats, expected, say }: World, { result, action, twice }: Pressing): Promise<void> {
  const chat = chatOf(chats, result.person)
  const count = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1)
  try {
    const place = await chat.press(result, action, twice)
    if (place !== undefined) count(expected.answers, place)
    if (action === 'favourite' || action === 'up') count(expected[action], result.id)
    if (action === 'delete') expected.deleted.add(result.id)
  } catch (error) {
    const violation = `${action} on ${chat.name}: ${(error as Error).message}`
    expected.violations.push(violation)
    say?.(violation)
  }
}

async function killSome({ services, random }: World): Promise<void> {
  const victims = random() < killsOfAll ? services : [pick(services, Math.floor(random() * services.length))]
  await Promise.all(victims.map((victim) => restart(victim)))
}

async function restart(running: Running): Promise<void> {
  await running.service.kill()
  running.service = startService(running.settings)
}

interface Measured extends Pick<PressesResult, 'answers'> {
  platforms(): string[]
}

async function finish(world: World, { answers, platforms }: Measured): Promise<PressesResult> {
  const { url, dataDir, services, chats, expected } = world
  if (url) await untilEnded(url)
  else await untilFinished(services[0]?.settings ?? {})
  await Promise.all(services.splice(0).map(({ service }) => service.stop()))
  const database = await openDatabase({ url, dataDir })
  try {
    const found = [...expected.violations, ...(await brokenAtRest(database, dataDir)), ...platforms()]
    const rows = await database.rows<{ state: string; button: string | null }>(
      sql`select state, parent_button as button from generations`,
    )
    const pressed = rows.filter(({ button }) => button !== null)
    const places = [...expected.answers.values()].reduce((sum, count) => sum + count, 0)
    if (pressed.length !== places) found.push(`${places} paid presses made ${pressed.length} requests`)
    found.push(...wrongAnswers(chats, expected))
    found.push(...(await wrongReactions(database, expected)))
    const frees = [...expected.favourite.values(), ...expected.up.values()].reduce((sum, count) => sum + count, 0)
    return {
      paid: places,
      free: frees + expected.deleted.size,
      delivered: pressed.filter(({ state }) => state === 'delivered').length,
      refunded: pressed.filter(({ state }) => state === 'failed').length,
      answers,
      leftover: chats.reduce((sum, chat) => sum + chat.leftover(), 0),
      violations: found,
    }
  } finally {
    await database.close()
  }
}

async function untilFinished(settings: Readonly<Record<string, string>>): Promise<void> {
  const until = Date.now() + settleMs
  while ((await unfinished(settings)) > 0 && Date.now() < until) await sleep(100)
}

/** I5: places of paid presses that do not show one final answer for each. */
function wrongAnswers(chats: readonly PressedChat[], { answers }: Expected): string[] {
  const shown = new Map(chats.flatMap((chat) => [...chat.answers()]))
  const wrong = [...answers].filter(([place, count]) => shown.get(place) !== count)
  return wrong.map(
    ([place, count]) => `I5 one visible answer: ${place} has ${shown.get(place) ?? 0} for ${count} presses`,
  )
}

/** Each press of a favourite or a rating changes it once, so an even number leaves nothing. */
async function wrongReactions(database: Awaited<ReturnType<typeof openDatabase>>, expected: Expected) {
  const rows = await database.rows<{ id: string; kept: boolean; rated: boolean; erased: boolean }>(sql`
    select id, erased_at is not null as erased, exists (select from favourites where generation_id = id) as kept,
      exists (select from ratings where generation_id = id) as rated
    from generations where parent_id is null`)
  const isOdd = (count = 0) => count % 2 === 1
  return rows.flatMap(({ id, kept, rated, erased }) => {
    if (erased !== expected.deleted.has(id)) return [`${id} is ${erased ? '' : 'not '}deleted`]
    if (erased) return []
    const isWrong = kept !== isOdd(expected.favourite.get(id)) || rated !== isOdd(expected.up.get(id))
    return isWrong ? [`the presses of ⭐ and 👍 of ${id} were not counted once each`] : []
  })
}

async function emptyRedis(): Promise<void> {
  const redis = new Redis(`${process.env.TEST_REDIS_URL}/${redisDatabase}`)
  await redis.flushdb()
  redis.disconnect()
}
