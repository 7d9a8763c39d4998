import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createTelegram } from '../../src/bots/telegram/telegram.ts'
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { openTestDatabase, quickest, type TestDatabase } from '../helpers/backends.ts'
import { type FlatCall, flat } from '../helpers/chat.ts'
import { keepLog } from '../helpers/log.ts'

const ADA = { userId: 501 }
const GROUP = { chatId: -1001000000001, chatType: 'supergroup' as const, userId: 501 }
/** As much as a client sends in one message, and the rest. */
const LONG = 'cat '.repeat(1024).trim()
const REST = 'and a dog'

let telegram: TelegramEmulator
let test: TestDatabase
let stops: (() => Promise<unknown>)[]
let calls: FlatCall[]

beforeEach(async () => {
  telegram = await startTelegram()
  test = await openTestDatabase(quickest)
  stops = [() => telegram.stop(), () => test.drop()]
  calls = []
})

afterEach(async () => {
  for (const stop of stops.toReversed()) await stop()
})

describe('a text that the client cut', () => {
  it('is one request', async () => {
    await start(create())
    telegram.say(LONG, ADA)
    telegram.say(LONG, ADA)
    telegram.say(REST, ADA)
    await expect.poll(() => calls.map(({ text }) => text), { timeout: 5_000 }).toEqual([`${LONG}\n${LONG}\n${REST}`])
    await expect.poll(unhandled).toBe(0)
    expect(calls).toHaveLength(1)
  })

  it('is one request when two processes receive its parts', async () => {
    const [first, second] = [create('hush'), create('hush')]
    for (const each of [first, second]) await start(each)
    const updates = [telegram.say(`/flux ${LONG}`, ADA), telegram.say(REST, ADA)].map(({ update }) => update)
    await first.handleUpdate(updates[0], 'hush')
    await second.handleUpdate(updates[1], 'hush')
    await expect.poll(() => calls.length, { timeout: 5_000 }).toBe(1)
    expect(calls[0]).toMatchObject({ command: 'flux', text: `${LONG}\n${REST}` })
    await expect.poll(unhandled).toBe(0)
    expect(calls).toHaveLength(1)
  })

  it('is no second request when its rest arrives after it was handled', async () => {
    const surface = await start(create('hush'))
    const updates = [telegram.say(LONG, ADA), telegram.say(REST, ADA)].map(({ update }) => update)
    await surface.handleUpdate(updates[0], 'hush')
    await expect.poll(() => calls.length, { timeout: 5_000 }).toBe(1)
    await expect.poll(unhandled).toBe(0)
    await surface.handleUpdate(updates[1], 'hush')
    expect(await stored()).toBe(2)
    await expect.poll(unhandled, { timeout: 5_000 }).toBe(0)
    expect(calls.map(({ text }) => text)).toEqual([LONG])
  })

  it('is one request in a group, where only its first part names the bot', async () => {
    await start(create())
    telegram.say('hello all', GROUP)
    telegram.say(`@FluxBot_test_bot ${LONG.slice(100)}`, GROUP)
    telegram.say(REST, GROUP)
    await expect.poll(() => calls.length, { timeout: 5_000 }).toBe(1)
    expect(calls[0]?.text).toBe(`${LONG.slice(100).trim()}\n${REST}`)
    expect(await stored()).toBe(2)
  })

  it('is no part of a command, of a later text, or of a text of another person', async () => {
    await start(create())
    const { update } = telegram.say(LONG, ADA)
    telegram.say('/credits', ADA)
    telegram.say('a bird', { userId: 502 })
    const date = (update.message?.date ?? 0) + 60
    telegram.inject({ message: { ...update.message, message_id: 900, text: 'later', date } as never })
    await expect.poll(() => calls.length, { timeout: 5_000 }).toBe(4)
    expect(calls.map(({ text }) => text).toSorted()).toEqual(['', 'a bird', LONG, 'later'])
  })
})

function create(webhookSecret?: string) {
  const { token, apiUrl } = telegram
  const options = { token, apiUrl, database: test.database, commands: allCommands, log: keepLog() }
  return createTelegram({ ...options, webhookSecret, publicUrl: 'http://127.0.0.1:9' })
}

async function start(surface: ReturnType<typeof create>) {
  stops.push(() => surface.stop())
  await surface.start(async (call) => void calls.push(flat(call)))
  return surface
}

async function unhandled(): Promise<number> {
  return (await test.database.rows(sql`select key from inbox where handled_at is null`)).length
}

async function stored(): Promise<number> {
  return (await test.database.rows(sql`select key from inbox`)).length
}
