import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createTelegram } from '../../src/bots/telegram/telegram.ts'
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { openTestDatabase, quickest, type TestDatabase } from '../helpers/backends.ts'
import { type FlatCall, flat } from '../helpers/chat.ts'
import { pngOf } from '../helpers/core.ts'
import { keepLog } from '../helpers/log.ts'

const ADA = { userId: 501 }
const GROUP = { chatId: -1001000000001, chatType: 'supergroup' as const, userId: 501 }
/** As much as a client sends in one message, and the rest. */
const LONG = 'cat '.repeat(1024).trim()
const REST = 'and a dog'
/** Long, but with the rest no longer than a message may be. */
const NOT_CUT = 'cat '.repeat(700).trim()
const LATE = /^⚠️ This part arrived after the rest of your message had been taken/

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
    await expect.poll(() => calls.map(({ text }) => text)).toEqual([`${LONG}\n${LONG}\n${REST}`])
    await expect.poll(unhandled).toBe(0)
    expect(calls).toHaveLength(1)
  })

  it('is one request when two processes receive its parts', async () => {
    const [first, second] = [create('hush'), create('hush')]
    for (const each of [first, second]) await start(each)
    const updates = [telegram.say(`/flux ${LONG}`, ADA), telegram.say(REST, ADA)].map(({ update }) => update)
    await first.handleUpdate(updates[0], 'hush')
    await second.handleUpdate(updates[1], 'hush')
    await expect.poll(() => calls.length).toBe(1)
    expect(calls[0]).toMatchObject({ command: 'flux', text: `${LONG}\n${REST}` })
    await expect.poll(unhandled).toBe(0)
    expect(calls).toHaveLength(1)
  })

  it.each([
    ['privately', ADA, LONG, LONG],
    // the rest does not name the bot
    ['in a group', GROUP, `@FluxBot_test_bot ${LONG.slice(20)}`, LONG.slice(20).trim()],
  ])(
    'is no second request when its rest arrives after it was handled, and the person hears of it: %s',
    async (_where, from, text, asked) => {
      const surface = await start(create('hush'))
      const [first, rest] = [telegram.say(text, from), telegram.say(REST, from)]
      await surface.handleUpdate(first.update, 'hush')
      await expect.poll(() => calls.length).toBe(1)
      await expect.poll(unhandled).toBe(0)
      await surface.handleUpdate(rest.update, 'hush')
      const answer = await telegram.waitFor(rest.chatId, ({ replyTo }) => replyTo === rest.messageId)
      expect(answer.text).toMatch(LATE)
      await expect.poll(unhandled).toBe(0)
      expect(calls.map((call) => call.text)).toEqual([asked])
    },
  )

  it('is also refused when its rest arrives while it is being handled', async () => {
    let handled = () => {}
    const waiting = new Promise<void>((resolve) => {
      handled = resolve
    })
    const surface = await start(create('hush'), () => waiting)
    const [first, rest] = [telegram.say(LONG, ADA), telegram.say(REST, ADA)]
    await surface.handleUpdate(first.update, 'hush')
    await expect.poll(() => calls.length).toBe(1)
    await surface.handleUpdate(rest.update, 'hush')
    handled()
    await telegram.waitFor(rest.chatId, ({ text }) => LATE.test(text))
    await expect.poll(unhandled).toBe(0)
    expect(calls).toHaveLength(1)
  })

  it('has no rest if both texts together fit into one message', async () => {
    await start(create())
    telegram.say(NOT_CUT, ADA)
    telegram.say(REST, ADA)
    await expect.poll(() => calls.map(({ text }) => text)).toEqual([NOT_CUT, REST])
  })

  it('has no rest if both texts together fit into one message, even after the first was handled', async () => {
    const surface = await start(create('hush'))
    const updates = [telegram.say(NOT_CUT, ADA), telegram.say(REST, ADA)].map(({ update }) => update)
    await surface.handleUpdate(updates[0], 'hush')
    await expect.poll(() => calls.length).toBe(1)
    await surface.handleUpdate(updates[1], 'hush')
    await expect.poll(() => calls.map(({ text }) => text)).toEqual([NOT_CUT, REST])
  })

  it('may be cut at a paragraph: its last part is measured with the part before it', async () => {
    await start(create())
    const [first, second] = [LONG.slice(0, 2_399), LONG]
    telegram.say(first, ADA)
    telegram.say(second, ADA)
    telegram.say(REST, ADA)
    await expect.poll(() => calls.map(({ text }) => text)).toEqual([`${first}\n${second}\n${REST}`])
  })

  it('is one request in a group, where only its first part names the bot', async () => {
    await start(create())
    telegram.say('hello all', GROUP)
    telegram.say(`@FluxBot_test_bot ${LONG.slice(20)}`, GROUP)
    telegram.say(REST, GROUP)
    await expect.poll(() => calls.length).toBe(1)
    expect(calls[0]?.text).toBe(`${LONG.slice(20).trim()}\n${REST}`)
    expect(await stored()).toBe(2)
  })

  it('is no part of a command, of a later text, or of a text of another person', async () => {
    await start(create())
    const { update } = telegram.say(LONG, ADA)
    telegram.say('/credits', ADA)
    telegram.say('a bird', { userId: 502 })
    const date = (update.message?.date ?? 0) + 60
    telegram.inject({ message: { ...update.message, message_id: 900, text: 'later', date } as never })
    await expect.poll(() => calls.length).toBe(4)
    expect(calls.map(({ text }) => text).toSorted()).toEqual(['', 'a bird', LONG, 'later'])
  })
})

describe('a picture of an album that arrives after the others were handled', () => {
  const album = async (from: typeof ADA | typeof GROUP, caption?: string) => {
    const photo = await pngOf(9, 9)
    return telegram
      .sendAlbum([{ data: photo, caption }, { data: photo }], from)
      .map(({ update, ...sent }) => ({ ...sent, update }))
  }

  it('is refused', async () => {
    const surface = await start(create('hush'))
    const [first, second] = await album(ADA, 'a cat')
    await surface.handleUpdate(first?.update, 'hush')
    await expect.poll(() => calls.length).toBe(1)
    await expect.poll(unhandled).toBe(0)
    await surface.handleUpdate(second?.update, 'hush')
    await telegram.waitFor(second?.chatId ?? 0, ({ replyTo, text }) => replyTo === second?.messageId && LATE.test(text))
    expect(calls).toHaveLength(1)
  })

  it('is ignored in a group where the album was not for the bot', async () => {
    const surface = await start(create('hush'))
    const [first, second] = await album(GROUP, 'for all of you')
    await surface.handleUpdate(first?.update, 'hush')
    await expect.poll(stored).toBe(1)
    await expect.poll(unhandled).toBe(0)
    await surface.handleUpdate(second?.update, 'hush')
    await expect.poll(stored).toBe(2)
    await expect.poll(unhandled).toBe(0)
    expect(telegram.botMessages(GROUP.chatId)).toEqual([])
    expect(calls).toEqual([])
  })
})

function create(webhookSecret?: string) {
  const { token, apiUrl } = telegram
  const options = { token, apiUrl, database: test.database, commands: allCommands, log: keepLog() }
  return createTelegram({ ...options, webhookSecret, publicUrl: 'http://127.0.0.1:9' })
}

async function start(surface: ReturnType<typeof create>, handling?: () => Promise<void>) {
  stops.push(() => surface.stop())
  await surface.start(async (call) => {
    calls.push(flat(call))
    await handling?.()
  })
  return surface
}

async function unhandled(): Promise<number> {
  return (await test.database.rows(sql`select key from inbox where handled_at is null`)).length
}

async function stored(): Promise<number> {
  return (await test.database.rows(sql`select key from inbox`)).length
}
