/**
 * Joins accounts while three requests of each are drawn, and kills the process at a random moment of the joining. LINKS: how many are
 * joined, 10 unless it says otherwise; LINKS_AT_ONCE: around one kill, 5 unless it says otherwise.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { openDatabase } from '../../src/db/open.ts'
import { startComfyui } from '../emulators/comfyui/index.ts'
import { type DiscordEmulator, startDiscord } from '../emulators/discord/index.ts'
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { createDatabase, quickest } from '../helpers/backends.ts'
import { violations } from '../helpers/invariants.ts'
import { freePort } from '../helpers/ports.ts'
import { newSeed, randomOf } from './chaos.ts'
import { startService } from './service.ts'

const people = Number(process.env.LINKS_AT_ONCE ?? 5)
const kills = Math.ceil(Number(process.env.LINKS ?? 10) / people)
const requestsEach = 3
const welcome = 20
/** The process is killed within this time of the press that joins, mostly early in it: a busy machine takes a second to join. */
const aroundMs = 3_000
const answerMs = 90_000

interface World {
  discord: DiscordEmulator
  telegram: TelegramEmulator
  database: Database
}

// the embedded database belongs to the process that is killed
it.skipIf(quickest === 'pglite')(
  'settles each request once when its account is joined and the process is killed',
  async () => {
    const seed = newSeed()
    const random = randomOf(seed)
    const [discord, telegram, comfyui] = await Promise.all([
      startDiscord({ keepRequests: 0 }),
      startTelegram({ keepRequests: 0 }),
      startComfyui({ workMs: 1_000 }),
    ])
    const { url, drop } = await createDatabase()
    const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-linking-'))
    const settings = {
      DISCORD_TOKEN: discord.token,
      DISCORD_API_URL: discord.apiUrl,
      TELEGRAM_TOKEN: telegram.token,
      TELEGRAM_API_URL: telegram.apiUrl,
      COMFYUI_URL: comfyui.url,
      DATA_DIR: dataDir,
      DATABASE_URL: url,
      SECRET_KEY: 'a secret for the run of linking, 32 long',
      LOG_LEVEL: 'warn',
      PROVIDER_CONCURRENCY: '40',
      WELCOME_CREDITS: String(welcome),
      PORT: String(await freePort()),
    }
    let service = startService(settings)
    const wrong: string[] = []
    const states = new Map<string, number>()
    let before = 0
    try {
      await service.ready
      await discord.waitForBot(120_000)
      const database = await openDatabase({ url, dataDir: '', maxConnections: 2 })
      const world = { discord, telegram, database }
      for (let kill = 0; kill < kills; kill++) {
        const persons = Array.from({ length: people }, (_, index) => kill * people + index)
        const links = await Promise.all(persons.map((person) => startOne(world, person)))
        await acceptedAll(world, persons)
        const joining = links.map((link) => link())
        await sleep(random() ** 2 * aroundMs)
        await service.kill()
        before += await joinedOf(database, persons)
        service = startService(settings)
        await Promise.all([...joining, service.ready])
        await discord.waitForBot(120_000)
        await ended(database)
        wrong.push(...(await violations(database)), ...(await misjoined(database, persons)))
        process.stdout.write(`kill ${kill + 1} of ${kills}, ${before} joined before theirs\n`)
      }
      for (const { state, n } of await statesIn(database)) states.set(state, n)
      await database.close()
    } finally {
      await service.kill()
      await Promise.all([discord, telegram, comfyui].map((emulator) => emulator.stop()))
      await drop()
      await rm(dataDir, { recursive: true, force: true })
    }
    const all = kills * people
    process.stdout.write(`${all} joined around ${kills} kills, ${before} before: ${JSON.stringify([...states])}\n`)
    expect(wrong, `seed ${seed}`).toEqual([])
    expect([...states.values()].reduce((sum, n) => sum + n, 0)).toBe(kills * people * requestsEach * 2)
  },
  120_000 + kills * 60_000,
)

const onDiscord = (person: number) => ({ userId: String(100_000_000_000_000_000n + BigInt(person)) })
const onTelegram = (person: number) => ({ userId: 1_000 + person, firstName: `P${person}` })
const identities = (person: number) => [`discord:${onDiscord(person).userId}`, `telegram:${onTelegram(person).userId}`]

/** The code first, then the requests. Resolves with what joins the two, and waits for its answer. */
async function startOne({ discord, telegram }: World, person: number): Promise<() => Promise<unknown>> {
  const { id } = discord.slash('link', {}, onDiscord(person))
  const shown = await discord.waitForMessage(
    (message) => message.interactionId === id && message.content.includes('/link '),
    answerMs,
  )
  const code = /\/link (\S+)/.exec(shown.content)?.[1] ?? ''
  for (let n = 0; n < requestsEach; n++) {
    discord.slash('flux', { prompt: `a cat ${n}`, model: 'comfy-dev' }, onDiscord(person))
    telegram.say(`a dog ${n} --model comfy-dev`, onTelegram(person))
  }
  const { chatId, messageId } = telegram.say(`/link ${code}`, onTelegram(person))
  const asked = await telegram.waitFor(
    chatId,
    ({ replyTo, text }) => replyTo === messageId && /Press the button/.test(text),
    answerMs,
  )
  return () => {
    telegram.press(asked, '🔗 Join them', onTelegram(person))
    return telegram.waitFor(
      chatId,
      (shown) => shown.messageId === asked.messageId && /Joined/.test(shown.text),
      answerMs,
    )
  }
}

async function acceptedAll({ database }: World, persons: readonly number[]): Promise<void> {
  const wanted = persons.length * requestsEach * 2
  await until(async () => {
    const [row] = await database.rows<{ n: number }>(sql`
      select count(*)::int as n from generations g join identities i on i.user_id = g.user_id
      where i.id in ${persons.flatMap(identities)}`)
    return row?.n === wanted
  }, 'the acceptance of all requests')
}

const ended = (database: Database) =>
  until(async () => {
    const rows = await database.rows(sql`select id from generations where ended_at is null limit 1`)
    return rows.length === 0
  }, 'the end of all requests')

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const since = Date.now()
  while (!(await holds())) {
    if (Date.now() - since > answerMs) throw new Error(`${what} did not come`)
    await sleep(50)
  }
}

/**
 * Both identities have one account. It has its own welcome grant and has paid for what it ordered before; the other one paid for its
 * own requests with its welcome grant, and what was left of that is gone.
 */
async function misjoined(database: Database, persons: readonly number[]): Promise<string[]> {
  const wrong: string[] = []
  for (const person of persons) {
    const rows = await database.rows<{ balance: number; paid: number; requests: number }>(sql`
      select u.balance, (select count(*)::int from generations where user_id = u.id) as requests,
        (select -coalesce(sum(l.amount), 0)::int from ledger l where l.user_id = u.id and l.generation_id is not null) as paid
      from users u where u.id in (select user_id from identities where id in ${identities(person)})`)
    const [account] = rows
    const isRight =
      account !== undefined &&
      rows.length === 1 &&
      account.balance === welcome - account.paid &&
      account.requests === requestsEach * 2
    if (!isRight) wrong.push(`person ${person}: ${JSON.stringify(rows)}`)
  }
  const left = await database.rows(
    sql`select id from users where joined_into is not null and (balance <> 0 or debt <> 0)`,
  )
  return left.length === 0 ? wrong : [...wrong, `${left.length} joined accounts have credits or owe some`]
}

/** How many of the people have one account. */
async function joinedOf(database: Database, persons: readonly number[]): Promise<number> {
  const [row] = await database.rows<{ n: number }>(sql`
    select count(*)::int as n from identities d join identities t on t.user_id = d.user_id and t.id <> d.id
    where d.id in ${persons.map((person) => identities(person)[0])}`)
  return row?.n ?? 0
}

const statesIn = (database: Database) =>
  database.rows<{ state: string; n: number }>(sql`select state, count(*)::int as n from generations group by state`)
