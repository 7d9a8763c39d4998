/** The history in the chats and on the page: its pages, filters, pictures and buttons. */
import { type SQL, sql } from 'drizzle-orm'
import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { allActions } from '../../src/bots/actions/index.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDiscord } from '../../src/bots/discord/discord.ts'
import { createDispatch } from '../../src/bots/dispatch.ts'
import { createTelegram } from '../../src/bots/telegram/telegram.ts'
import { createWeb } from '../../src/bots/web/web.ts'
import type { Parts } from '../../src/compose.ts'
import { accountOf } from '../../src/core/accounts/accounts.ts'
import type { Core } from '../../src/core/core.ts'
import { AppError } from '../../src/core/errors.ts'
import { readHistory, startOf } from '../../src/core/history/history.ts'
import { erase } from '../../src/core/media/erase.ts'
import { thumbnailKey } from '../../src/core/media/object-keys.ts'
import type { Act, ChatSurface } from '../../src/core/ports/chat.ts'
import type { Model } from '../../src/core/ports/models.ts'
import { waitForEnd } from '../../src/core/programs/wait.ts'
import { createApiSurface } from '../../src/http/api/surface.ts'
import { sketch } from '../../src/models/sketch.ts'
import { startDiscord } from '../emulators/discord/index.ts'
import { startTelegram } from '../emulators/telegram/index.ts'
import { quickest } from '../helpers/backends.ts'
import { askAs, createChat, openTestCore, type ShownReply, type TestCore } from '../helpers/core.ts'
import { keepLog } from '../helpers/log.ts'

const other: Model = { ...sketch, id: `other-${'long-'.repeat(10)}name`, aliases: ['other'], title: 'Other' }
const options = { models: [sketch, other], limits: { welcome: 100, perMinute: 1_000 } }
const log = keepLog()

let test: TestCore
let stops: (() => Promise<unknown>)[]

async function open(surfaces: (parts: Parts) => ChatSurface[] = () => []) {
  const chat = createChat()
  test = await openTestCore(quickest, { ...options, chat, surfaces: (parts) => [chat, ...surfaces(parts)] })
  stops = []
  await test.work()
  return test
}

afterEach(async () => {
  for (const stop of stops.toReversed()) await stop()
  await test.close()
})

/** Draws one after the other. Resolves with their ids, newest first. */
async function draw(prompts: readonly string[], from: Parameters<TestCore['say']>[1] = {}): Promise<string[]> {
  const ids: string[] = []
  for (const prompt of prompts) {
    const call = await test.say(prompt, from)
    expect(await test.ended(call)).toBe('delivered')
    // unchecked row: one column
    const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations where key = ${call.key}`)
    ids.unshift(row!.id)
  }
  return ids
}

const prompts = (count: number) => Array.from({ length: count }, (_, index) => `picture ${index + 1}`)
const short = (id: string) => `#${id.slice(-8)}`
/** Short ids in the order of the lines. */
const idsIn = (text = '') => [...text.matchAll(/#[0-9a-f]{8}$/gm)].map(([id]) => id)
const labels = ({ buttons = [] }: Pick<ShownReply, 'buttons'>) =>
  buttons.map((row) => row.map(({ action, number }) => (number ? `${action} ${number}` : action)))

/** The last state of the message that shows the history. */
async function ask(text = '/history'): Promise<{ address: string; shown: ShownReply }> {
  const { address } = await test.say(text)
  return { address, shown: test.chat.last(address)! }
}

/** Presses a button of the message, and resolves with what it shows then. */
async function press(address: string, action: string): Promise<ShownReply> {
  const message = test.chat.messages.find((each) => each.address === address)!
  const found = message.history
    .at(-1)
    ?.buttons?.flat()
    .find((each) => each.action === action)
  const act: Act = { kind: 'press', button: found?.id ?? '', on: { posted: message.id } }
  await test.say('', { act })
  return message.history.at(-1)!
}

describe('the history', () => {
  it('has pages that turn in place, and returns to the newest one', async () => {
    await open()
    const ids = (await draw(prompts(8))).map(short)
    const { address, shown } = await ask()
    expect(shown).toMatchObject({ private: true })
    expect(idsIn(shown.text)).toEqual(ids.slice(0, 6))
    expect(shown.text).toMatch(/^🖼 Your requests\n1\. ✅ picture 8 \(sketch, \d{4}-\d\d-\d\d \d\d:\d\d UTC\) #/)
    expect(labels(shown)).toEqual([['show 1', 'show 2', 'show 3'], ['show 4', 'show 5', 'show 6'], ['older']])
    const older = await press(address, 'older')
    expect(idsIn(older.text)).toEqual(ids.slice(6))
    expect(labels(older)).toEqual([['show 1', 'show 2'], ['newer']])
    const newer = await press(address, 'newer')
    expect(idsIn(newer.text)).toEqual(ids.slice(0, 6))
    expect(labels(newer)).toEqual(labels(shown))
    for (const { id } of [...shown.buttons!, ...older.buttons!].flat())
      expect(Buffer.byteLength(id)).toBeLessThanOrEqual(64)
  })

  it('shows its pictures side by side, with a place for each request', async () => {
    await open()
    await draw(prompts(3))
    const failed = await test.say('/flux a cat --n 1')
    await test.core.database.rows(
      sql`update generations set state = 'failed', error = 'internal' where key = ${failed.key}`,
    )
    const { shown } = await ask()
    const [sheet] = shown.pictures!
    expect(shown.pictures).toHaveLength(1)
    expect(sheet).toMatchObject({ key: '', file: { type: 'image/jpeg', width: 800, height: 536 } })
    const { data, info } = await sharp(sheet!.file.data).raw().toBuffer({ resolveWithObject: true })
    const colourAt = (x: number, y: number) => [
      ...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3),
    ]
    const near = (colour: number[]) => colour.map((part) => expect.closeTo(part, -1.3))
    // the failed one is the newest, and has no picture
    expect(colourAt(136, 200)).toEqual(near([46, 49, 56]))
    // the provider of this test draws plain pictures of this colour
    expect(colourAt(400, 136)).toEqual(near([0x33, 0x66, 0xcc]))
    expect(labels(shown)).toEqual([['show 2', 'show 3', 'show 4']])
  })

  it('opens a request by its button', async () => {
    await open()
    const [id] = await draw(['a cat'])
    const { address } = await ask()
    await press(address, 'show')
    const shown = test.chat.messages.at(-1)!.history.at(-1)!
    expect(shown).toMatchObject({ state: 'done', content: { kind: 'result', id: id!.slice(-8) } })
    expect(shown.pictures).toHaveLength(1)
    expect(labels(shown).flat()).toContain('reroll')
  })

  it.each([
    ['--favourites', [2]],
    ['--model other', [1]],
    ['--state done', [0, 1, 2]],
    ['--state failed', []],
    ['--state done --model sketch', [0, 2]],
    ['—favourites', [2]],
  ])('is filtered by %s', async (flags, expected) => {
    await open()
    const ids = (await draw(['one', 'two --model other', 'three'])).map(short)
    await test.core.database.rows(sql`insert into favourites (user_id, generation_id)
      select user_id, id from generations where request->>'prompt' = 'one'`)
    const { shown } = await ask(`/history ${flags}`)
    expect(idsIn(shown.text)).toEqual(expected.map((index) => ids[index]))
    if (expected.length === 0) expect(shown.text).toBe('No request of yours matches: failed.')
    expect(shown.text.includes('⭐')).toBe(expected.includes(2))
  })

  it('lists favourites that others asked for, and shows them, but none that is private or erased', async () => {
    await open()
    const bob = { from: { id: 'test:bob', name: 'bob' } }
    const [erased, hidden, kept] = await draw(['a cat', 'a dog', 'a bird'], bob)
    for (const id of [erased, hidden, kept]) await test.say('', { act: { kind: 'press', button: `1:favourite:${id}` } })
    await test.core.database.rows(sql`update generations set private = true where id = ${hidden}::uuid`)
    await erase(test.core, await accountOf(test.core, bob.from), erased!)
    const home = { place: { channel: 'home', nsfw: false, manager: false, roles: [] } }
    const { address } = await test.say('/history --favourites', home)
    const shown = test.chat.last(address)!
    expect(idsIn(shown.text)).toEqual([short(kept!)])
    expect(shown.text).toContain('⭐')
    const opened = await test.say('', { act: { kind: 'press', button: `1:show:${kept}` }, ...home })
    expect(test.chat.last(opened.address)).toMatchObject({ content: { kind: 'result', id: kept!.slice(-8) } })
    expect(idsIn((await ask()).shown.text)).toEqual([])
  })

  it('keeps its filter when it is turned, also that of a model with a long name', async () => {
    await open()
    const ids = (await draw(prompts(7).flatMap((prompt) => [`${prompt} --model other`, prompt]))).map(short)
    const { address } = await ask('/history --model other --state done')
    const shown = await press(address, 'older')
    // newest first, one of this model after one of the other
    expect(idsIn(shown.text)).toEqual([ids[13]])
    expect(shown.text).toContain(`🖼 Your requests · ${other.id} · done`)
  })

  it('starts at a page by its number', async () => {
    await open()
    const ids = (await draw(prompts(7))).map(short)
    const { shown } = await ask('/history 2')
    expect(idsIn(shown.text)).toEqual(ids.slice(6))
    expect(labels(shown).at(-1)).toEqual(['newer'])
    expect(idsIn((await ask('/history 3')).shown.text)).toEqual(ids.slice(0, 6))
  })

  it('shows no erased requests, even when they are erased between two pages, and none of other people', async () => {
    await open()
    await draw(['of another person'], { who: 'bob' })
    const ids = await draw(prompts(8))
    const owner = await accountOf(test.core, { id: 'test:ann', name: 'ann', handle: 'ann' })
    const { address } = await ask()
    for (const id of ids.slice(5, 7)) await erase(test.core, owner, id)
    expect(idsIn((await press(address, 'older')).text)).toEqual([short(ids[7]!)])
    await erase(test.core, owner, ids[7]!)
    // nothing is older any more, so it starts anew
    const { shown } = await ask()
    expect(idsIn(shown.text)).toEqual(ids.slice(0, 5).map(short))
    expect(labels(shown)).toEqual([
      ['show 1', 'show 2', 'show 3'],
      ['show 4', 'show 5'],
    ])
  })

  it('goes to the private chat from a group that would see it, from a button as well', async () => {
    await open()
    await draw(Array.from({ length: 7 }, (_, n) => `cat ${n}`))
    const alone = 'test:alone'
    test.chat.privately = async () => alone
    const place = { group: { id: 'g' }, channel: 'g', nsfw: false, manager: false, roles: [] }
    const inGroup = await test.say('/history', { place })
    expect(test.chat.last(inGroup.address)?.text).toContain('The answer goes to you in a private message')
    const older = test.chat
      .last(alone)
      ?.buttons?.flat()
      .find(({ action }) => action === 'older')
    expect(test.chat.last(alone)?.text).toContain('cat 6')
    const old = test.chat.messages.find(({ address }) => address === inGroup.address)!
    const act = { kind: 'press', button: older!.id, on: { posted: old.id } } as const
    await test.say('', { place, act, address: 'test:press' })
    expect(test.chat.last(alone)?.text).toContain('cat 0')
    expect(old.history.at(-1)?.text).not.toContain('cat')
    test.chat.privately = async () => Promise.reject(new AppError('cannot_write_privately'))
    const refused = await test.say('/history', { place })
    expect(test.chat.last(refused.address)?.text).toContain('Start a private chat with it first')
  })

  it('refuses a button of another form', async () => {
    await open()
    await draw(['a cat'])
    for (const button of ['1:older:nonsense', `1:older:ax${'0'.repeat(32)}${'f'.repeat(8)}`]) {
      const call = await test.say('', { act: { kind: 'press', button, on: { posted: 'test:0' } } })
      expect(test.chat.last(call.address)?.text).toContain('no longer works')
    }
  })

  it('reads the requests of one account only, however many others there are', async () => {
    await open()
    await draw(['a cat'])
    await draw(['a dog'], { who: 'bob' })
    const copies = (who: string, count: number, days: number) => sql`
      insert into generations select (jsonb_populate_record(g, jsonb_build_object(
        'id', gen_random_uuid(), 'key', gen_random_uuid(), 'created_at', now() - make_interval(days => ${days}::int)))).*
      from generations g, generate_series(1, ${count}::int) where g.key = (select min(key) from generations
        where user_id = (select user_id from identities where id = ${`test:${who}`}))`
    await test.core.database.rows(copies('ann', 4_000, 30))
    await test.core.database.rows(copies('bob', 8_000, 1))
    await test.core.database.rows(sql`analyze generations`)
    const plans: string[] = []
    const explaining: Core = {
      ...test.core,
      database: {
        ...test.core.database,
        rows: async <T>(query: SQL) => {
          const plan = await test.core.database.rows<object>(sql`explain ${query}`)
          plans.push(plan.map((row) => Object.values(row)[0]).join('\n'))
          return [] as T[]
        },
      },
    }
    const owner = await accountOf(test.core, { id: 'test:ann', name: 'ann', handle: 'ann' })
    const id = '0199ffff-ffff-7fff-bfff-ffffffffffff'
    await readHistory(explaining, owner, { filter: {} })
    await readHistory(explaining, owner, { filter: { state: 'done' } })
    await readHistory(explaining, owner, { filter: {}, from: { direction: 'older', id } })
    await startOf(explaining, owner, { filter: {}, page: 100 })
    expect(plans.length).toBeGreaterThanOrEqual(4)
    for (const plan of plans) {
      expect(plan).toContain('generations_of_user')
      expect(plan).not.toMatch(/generations_pkey|Seq Scan on generations/)
    }
  })
})

describe('the history on a platform', () => {
  const commands = allCommands
  const actions = allActions
  const dispatch = () => createDispatch(test.core, { commands, actions })

  it('is one picture with its text and buttons on Telegram, and is turned by an edit', async () => {
    const telegram = await startTelegram()
    await open(({ database }) => [
      createTelegram({ token: telegram.token, apiUrl: telegram.apiUrl, database, commands, log }),
    ])
    stops.push(async () => {
      await telegram.stop()
      expect(telegram.violations).toEqual([])
    })
    const surface = test.core.surfaces.get('telegram')!
    await surface.start(dispatch())
    stops.push(() => surface.stop())
    const ann = { userId: 501 }
    const sent = telegram.say('/help', ann)
    await telegram.waitFor(sent.chatId, ({ fromBot }) => fromBot)
    await draw(prompts(7), { from: { id: 'telegram:501', name: 'Ada' } })
    telegram.say('/history', ann)
    const shown = await telegram.waitFor(sent.chatId, ({ text }) => text.startsWith('🖼'))
    expect(shown.raw.photo).toBeDefined()
    expect(shown.text).toContain('1. ✅ picture 7')
    const older = shown.buttons.flat().find(({ label }) => label === 'Older ▶')!
    await telegram.press(shown, older.id!, ann).answered(10_000)
    const turned = telegram.messages(sent.chatId).find(({ messageId }) => messageId === shown.messageId)!
    expect(turned.text).toContain('1. ✅ picture 1')
    expect(idsIn(turned.text)).toHaveLength(1)
    const show = turned.buttons.flat().find(({ label }) => label === '🔍 1')!
    await telegram.press(turned, show.id!, ann).answered(10_000)
    const result = await telegram.waitFor(
      sent.chatId,
      ({ text, messageId }) => messageId > shown.messageId && text.includes('picture 1'),
    )
    expect(result.raw.photo).toBeDefined()
  })

  it('is seen by the person only on Discord, has typed options, and is turned by an edit', async () => {
    const discord = await startDiscord()
    await open(({ database, models }) => [
      createDiscord({
        token: discord.token,
        apiUrl: discord.apiUrl,
        database,
        commands,
        actions,
        models,
        facts: { get: async () => undefined, set: async () => undefined },
        log,
      }),
    ])
    stops.push(async () => {
      await discord.stop()
      expect(discord.violations).toEqual([])
    })
    const surface = test.core.surfaces.get('discord')!
    await surface.start(dispatch())
    stops.push(() => surface.stop())
    const command = discord.commands().find(({ name }) => name === 'history')
    expect(command?.options).toMatchObject([
      { name: 'page', type: 4 },
      { name: 'model', type: 3 },
      { name: 'state', type: 3 },
      { name: 'favourites', type: 5 },
    ])
    await draw(prompts(7), { from: { id: `discord:${discord.person.id}`, name: 'Ada' } })
    const asked = discord.slash('history', { state: 'done', favourites: false })
    await expect.poll(() => asked.reply()?.content).toContain('picture 7')
    const shown = asked.reply()!
    expect(shown.ephemeral).toBe(true)
    expect(shown.attachments).toHaveLength(1)
    const press = discord.press(shown, 'Older ▶')
    await press.waitForAck()
    await expect.poll(() => asked.reply()?.content).toContain('picture 1')
    expect(idsIn(asked.reply()?.content.replaceAll('\\', ''))).toHaveLength(1)
    const opened = discord.press(asked.reply()!, '🔍 1')
    await expect.poll(() => opened.reply()?.attachments.length).toBe(1)
    expect(opened.reply()?.ephemeral).toBe(true)
  })

  it('has thumbnails by links on the page, also of what was asked for by the API', async () => {
    await open(({ database, secretKey, link }) => [
      createApiSurface({ database }),
      createWeb({ core: () => test.core, database, secretKey, link, publicUrl: 'http://localhost:9', log }),
    ])
    const from = { id: 'web:ann', name: 'ann' }
    await draw(['picture 1'], { from })
    const userId = await accountOf(test.core, from)
    const holder = { userId, keyId: null, admin: false, models: null }
    const { id } = await askAs(test.core, { holder, key: 'by-api', params: { prompt: 'picture 2' }, images: [] })
    await waitForEnd(test.core, userId, id, { signal: AbortSignal.timeout(60_000) })
    const smallKey = thumbnailKey(test.core, id, 0)
    expect(await test.core.store.get(smallKey)).toBeUndefined()
    await test.say('/history', { from, surface: 'web', address: 'web:ann:message-1' })
    // unchecked row: one column
    const [row] = await test.core.database.rows<{ body: { images: { key: string; alt: string; preview?: string }[] } }>(
      sql`select body from web_messages where id = 'ann:message-1:answer'`,
    )
    expect(row?.body.images.map(({ alt }) => alt)).toEqual(['1. picture 2', '2. picture 1'])
    for (const { key, preview } of row!.body.images) {
      expect(key).toMatch(/-small-[\w-]+\.webp$/)
      expect(preview).toBeUndefined()
      expect(await test.core.store.get(key)).toMatchObject({ type: 'image/webp' })
    }
    expect(row?.body.images[0]).toMatchObject({ key: smallKey, width: 64, height: 64 })
  })
})
