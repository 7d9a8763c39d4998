/** Sends a broadcast with two processes of a bot, kills them while they send, and says who got it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { openDatabase } from '../../src/db/open.ts'
import { startTelegram } from '../emulators/telegram/index.ts'
import { createDatabase } from '../helpers/backends.ts'
import { freePort } from '../helpers/ports.ts'
import { apiKey } from './rest.ts'
import { startService } from './service.ts'

const text = 'The service moves tonight.'
const admin = { userId: 1 }
const firstPerson = 10_000
const answerMs = 60_000

export interface KilledBroadcast {
  /** How often each person got it, administrator included. */
  times: number[]
  /** People whose outcome is unknown, and of these, those who did not get it. */
  unknown: number
  left: number
  /** People without it whose outcome is known. */
  forgotten: string[]
  /** States of the rows at the end. */
  states: Readonly<Record<string, number>>
  /** The most calls in any second, edits included. */
  busiest: number
  /** People who had not got it yet when processes were killed, by kill. */
  waiting: number[]
  violations: string[]
}

interface Plan {
  people: number
  kills: number
}

/**
 * The kills come after equal parts of the people. Usually the process that sends is killed, and the other one takes its place; the third
 * time both are killed.
 */
export async function sendWhileKilled({ people, kills }: Plan): Promise<KilledBroadcast> {
  const telegram = await startTelegram()
  const { url, drop } = await createDatabase()
  const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-broadcast-'))
  const settings = {
    DATA_DIR: dataDir,
    DATABASE_URL: url,
    SECRET_KEY: 'a secret for the broadcast run, 32 long',
    LOG_LEVEL: 'warn',
    ROLES: 'bots',
    API_KEY: apiKey,
    ADMIN_IDS: `telegram:${admin.userId}`,
    TELEGRAM_TOKEN: telegram.token,
    TELEGRAM_API_URL: telegram.apiUrl,
  }
  const start = async () => {
    const port = await freePort()
    return { port, ...startService({ ...settings, PORT: String(port) }) }
  }
  const bots = [await start(), await start()]
  try {
    await Promise.all(bots.map(({ ready }) => ready))
    const database = await openDatabase({ url, dataDir, maxConnections: 2 })
    const ids = Array.from({ length: people - 1 }, (_, index) => firstPerson + index)
    for (const userId of ids) telegram.open({ userId })
    await database.rows(sql`
      insert into private_chats (person, locale)
      select 'telegram:' || value, 'en' from jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb)`)
    const got = (id: number) => telegram.botMessages(id).filter((message) => message.text === text).length
    const all = [admin.userId, ...ids]
    const arrived = () => all.reduce((sum, id) => sum + got(id), 0)

    telegram.say(`/broadcast ${text}`, admin)
    const preview = await telegram.waitFor(1, ({ text: shown }) => shown.startsWith(`${text}\n`), answerMs)
    telegram.press(preview, '📣 Send', admin)
    const waiting: number[] = []
    for (let kill = 1; kill <= kills; kill++) {
      const after = Math.floor((people * kill) / (kills + 1))
      await telegram.waitForCall('sendMessage', () => arrived() >= after, 600_000)
      const sent = await Promise.all(bots.map(({ port }) => sentBy(port)))
      const sending = sent.findIndex((messages) => messages > 0)
      const killed = kill % 3 === 0 ? bots.splice(0) : bots.splice(Math.max(0, sending), 1)
      await Promise.all(killed.map((service) => service.kill()))
      waiting.push(people - arrived())
      if (kill === kills && bots.length > 0) break
      for (const _ of killed) bots.push(await start())
    }
    await telegram.waitFor(1, ({ text: shown }) => shown.startsWith('✅ Sent'), 600_000)

    const rows = await database.rows<{ person: string; state: string }>(
      sql`select person, state from broadcast_recipients order by person`,
    )
    await database.close()
    const has = ({ person }: { person: string }) => got(Number(person.split(':')[1])) > 0
    const unknown = rows.filter(({ state }) => state === 'unknown')
    const states: Record<string, number> = {}
    for (const { state } of rows) states[state] = (states[state] ?? 0) + 1
    const counted = telegram.requests.filter(({ method }) => /^(send(?!ChatAction)|edit)/.test(method))
    const at = counted.map((request) => request.at).toSorted((a, b) => a - b)
    return {
      times: all.map(got),
      unknown: unknown.length,
      left: unknown.filter((row) => !has(row)).length,
      forgotten: rows.filter((row) => row.state !== 'unknown' && !has(row)).map(({ person }) => person),
      states,
      busiest: Math.max(
        ...at.map((from, index) => at.slice(index, index + 100).filter((to) => to < from + 1_000).length),
      ),
      waiting,
      violations: telegram.violations,
    }
  } finally {
    await Promise.all(bots.map((service) => service.kill()))
    await telegram.stop()
    await drop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** Messages that a process has sent: none while it starts. */
async function sentBy(port: number): Promise<number> {
  const headers = { authorization: `Bearer ${apiKey}` }
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { headers }).catch(() => undefined)
  const metrics = (await answer?.text()) ?? ''
  return Number(/^fluxbot_announcements_total\{surface="telegram",result="sent"\} (\d+)$/m.exec(metrics)?.[1] ?? 0)
}
