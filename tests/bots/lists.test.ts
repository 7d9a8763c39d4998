/** `/queue`, `/cancel` and `/models`, and the buttons that change their answers in place, in emulated chats. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allActions } from '../../src/bots/actions/index.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDiscord } from '../../src/bots/discord/discord.ts'
import { createDispatch } from '../../src/bots/dispatch.ts'
import { createTelegram } from '../../src/bots/telegram/telegram.ts'
import type { Parts } from '../../src/compose.ts'
import { accountOf, readAccount } from '../../src/core/accounts/accounts.ts'
import { cancelNewest } from '../../src/core/generation/cancel.ts'
import { shortId } from '../../src/core/ids.ts'
import type { ChatSurface } from '../../src/core/ports/chat.ts'
import { sketch } from '../../src/models/sketch.ts'
import { chatOnDiscord, chatOnTelegram, type EmulatedChat } from '../emulators/chat.ts'
import { startDiscord } from '../emulators/discord/index.ts'
import { startTelegram } from '../emulators/telegram/index.ts'
import { quickest } from '../helpers/backends.ts'
import { openTestCore, type TestCore } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'
import { keepLog } from '../helpers/log.ts'

interface Platform {
  chat: EmulatedChat
  create(parts: Parts): ChatSurface
  stop(): Promise<void>
}

const shared = { commands: allCommands, actions: allActions, log: keepLog() }

async function onTelegram(): Promise<Platform> {
  const telegram = await startTelegram()
  const { token, apiUrl } = telegram
  return {
    chat: chatOnTelegram(telegram),
    create: ({ database }) => createTelegram({ ...shared, token, apiUrl, database }),
    stop: () => telegram.stop(),
  }
}

async function onDiscord(): Promise<Platform> {
  const discord = await startDiscord()
  const { token, apiUrl } = discord
  const facts = { get: async () => undefined, set: async () => undefined }
  return {
    chat: chatOnDiscord(discord),
    create: ({ database, models }) => createDiscord({ ...shared, token, apiUrl, database, models, facts }),
    stop: () => discord.stop(),
  }
}

/** More than fit on a page. */
const models = Array.from({ length: 12 }, (_, n) =>
  n === 0 ? sketch : { ...sketch, id: `sketch-${n}`, title: `Sketch ${n}`, aliases: [`other/sketch-${n}`], price: n },
)

describe.each([
  ['Discord', onDiscord],
  ['Telegram', onTelegram],
])('a list on %s', (_name, openPlatform) => {
  let platform: Platform
  let test: TestCore
  let chat: EmulatedChat

  beforeEach(async () => {
    platform = await openPlatform()
    chat = platform.chat
    test = await openTestCore(quickest, { models, surfaces: (parts) => [platform.create(parts)] })
    const [surface] = [...test.core.surfaces.values()]
    await surface!.start(createDispatch(test.core, { commands: allCommands, actions: allActions }))
  })
  afterEach(async () => {
    for (const surface of test.core.surfaces.values()) await surface.stop()
    const userIds = await test.core.database.rows<{ id: string }>(sql`select id from users`)
    for (const { id } of userIds) while (await cancelNewest(test.core, { userId: id, key: crypto.randomUUID() }));
    const wrong = await violations(test.core.database)
    await test.close()
    await platform.stop()
    expect(wrong).toEqual([])
    expect(chat.violations()).toEqual([])
  })

  const labels = (message: { buttons: { label: string }[][] }) =>
    message.buttons.map((row) => row.map(({ label }) => label))
  const account = async (identity: string) =>
    readAccount(test.core, await accountOf(test.core, { id: identity, name: '' }))
  const waiting = async (words: string, name = 'Ann') => {
    const act = chat.person(name, 'private').ask(words)
    return act.waitForAnswer(({ text }) => text.includes(words))
  }

  it('of requests under way has their places, a button for each, and the load of the services', async () => {
    await waiting('a fox')
    await waiting('a bird')
    await waiting('a stranger', 'Bob')
    const ann = chat.person('Ann', 'private')
    const list = await ann.command('queue').waitForAnswer(({ text }) => text.includes('places'))
    expect(list.text).toMatch(
      /^⏳ Your requests under way\n1\. ⏳ Number 3 in the queue: a bird \(#[0-9a-f]{8}\)\n2\. ⏳ Number 1 in the queue: a fox \(#[0-9a-f]{8}\)\n\nImage services:\nsketch: 0 of 5 places in use, 3 waiting$/,
    )
    expect(labels(list)).toEqual([['Cancel 1', 'Cancel 2'], ['🔄 Refresh']])

    ann.press(list, 'Cancel 1')
    const shorter = await chat.waitFor(list, ({ text }) => !text.includes('a bird'))
    expect(shorter.text).toContain('1. ⏳ Number 1 in the queue: a fox')
    expect(labels(shorter)).toEqual([['Cancel 1'], ['🔄 Refresh']])
    expect(await account(ann.identity)).toMatchObject({ balance: 19, held: 1 })

    await ann.command('cancel').waitForAnswer(({ text }) => text === '✖️ Cancelled: a fox')
    await ann.press(shorter, '🔄 Refresh').acknowledged(30_000)
    const empty = await chat.waitFor(list, ({ text }) => text.startsWith('You have no request under way.'))
    expect(labels(empty)).toEqual([['🔄 Refresh']])
    expect(await account(ann.identity)).toMatchObject({ balance: 20, held: 0 })
  })

  it('of models has pages, which replace one another', async () => {
    const ann = chat.person('Ann', 'private')
    const list = await ann.command('models').waitForAnswer(({ text }) => text.includes('Models'))
    expect(list.text).toMatch(
      /^1\. ⭐ .* · sketch · 1 credit a picture · default\nTakes words, and up to \d+ pictures if you like\n1:1 /m,
    )
    expect(list.text).toContain('Also: other/sketch-1')
    expect(list.text.length).toBeLessThan(2_000)
    expect(labels(list).at(-1)).toEqual(['Page 2'])
    ann.press(list, 'Page 2')
    const second = await chat.waitFor(list, ({ text }) => text.startsWith('🎨 Models, page 2'))
    expect(second.text).not.toContain('⭐')
    expect(labels(second).at(-1)).toEqual(['Page 1', 'Page 3'])
  })

  it('of models makes a model the default of the person who presses', async () => {
    const ann = chat.person('Ann', 'private')
    const list = await ann.command('models').waitForAnswer(({ text }) => text.includes('Models'))
    // four fit on this page, and the default needs no button
    expect(labels(list)[0]).toEqual(expect.arrayContaining(['Use 2', 'Use 3']))
    expect(labels(list)[0]).not.toContain('Use 1')
    ann.press(list, 'Use 3')
    const changed = await chat.waitFor(list, ({ text }) => text.includes('3. ⭐ Sketch 2 · sketch-2'))
    expect(changed.text).not.toContain('1. ⭐')
    expect(labels(changed)[0]).toContain('Use 1')
    const userId = await accountOf(test.core, { id: ann.identity, name: 'Ann' })
    const rows = await test.core.database.rows(sql`select model from user_settings where user_id = ${userId}`)
    expect(rows).toEqual([{ model: 'sketch-2' }])
  })
})

describe('/cancel', () => {
  let test: TestCore
  beforeEach(async () => {
    test = await openTestCore(quickest)
  })
  afterEach(() => test.close())
  const idOf = async (key: string) => {
    const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations where key = ${key}`)
    return row!.id
  }
  const answer = async (text: string, over = {}) => test.chat.last((await test.say(text, over)).address)?.text

  it('takes an id or a short id of the person’s request, and refuses others', async () => {
    const [first, second, third] = [await test.say('one'), await test.say('two'), await test.say('three')]
    const id = await idOf(first.key)
    expect(await answer(`/cancel ${shortId(id)}`, { who: 'bob' })).toContain('There is no such request')
    expect(await answer('/cancel nonsense')).toContain('There is no such request')
    expect(await answer(`/cancel ${shortId(id)}`)).toBe('✖️ Cancelled: one')
    expect(await answer(`/cancel ${await idOf(second.key)}`)).toBe('✖️ Cancelled: two')
    expect(await answer('/cancel')).toBe('✖️ Cancelled: three')
    expect(await answer('/cancel')).toBe('You have no request under way.')
    const next = await test.say('four')
    await test.work()
    await test.ended(next)
    expect(await answer(`/cancel ${await idOf(next.key)}`)).toContain('has ended already')
    expect(await test.ended(third)).toBe('cancelled')
  })

  it('and /queue leave out the words of private requests in a group that would read them', async () => {
    const place = { group: { id: 'g' }, channel: 'g', nsfw: false, manager: false, roles: [] }
    await test.say('a secret cat --private')
    await test.say('a plain cat')
    expect(await answer('/queue')).toContain('a secret cat (#')
    expect(await answer('/queue', { place })).toMatch(/a plain cat \(#[0-9a-f]{8}\)\n2\..*: 🔒 \(#[0-9a-f]{8}\)\n/)
    expect(await answer('/cancel', { place })).toBe('✖️ Cancelled: a plain cat')
    expect(await answer('/cancel', { place })).toBe('✖️ Cancelled: 🔒')
  })

  it('that is handled again after a crash cancels no second request', async () => {
    await test.say('one')
    await test.say('two')
    const again = { key: 'test:same', address: 'test:same' }
    expect(await answer('/cancel', again)).toBe('✖️ Cancelled: two')
    expect(await answer('/cancel', again)).toBe('✖️ Cancelled: two')
    expect(await answer('/cancel')).toBe('✖️ Cancelled: one')
  })
})
