import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createTelegram } from '../../src/bots/telegram/telegram.ts'
import { button } from '../../src/core/chats/buttons.ts'
import type { AppError } from '../../src/core/errors.ts'
import type { Address, Call, Reply } from '../../src/core/ports/chat.ts'
import type { ImageFile } from '../../src/core/ports/images.ts'
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { openTestDatabase, quickest, type TestDatabase } from '../helpers/backends.ts'
import { type FlatCall, flat, keepSent, says } from '../helpers/chat.ts'

const ADA = { userId: 501 }
const GROUP = { chatId: -1001000000001, chatType: 'supergroup' as const, userId: 501 }
const LIMIT = 10 * 1024 * 1024

let telegram: TelegramEmulator
let test: TestDatabase
let stops: (() => Promise<unknown>)[]
let lines: string[]
/** Calls to all started instances, in order. */
let calls: FlatCall[]

beforeEach(async () => {
  telegram = await startTelegram()
  test = await openTestDatabase(quickest)
  stops = [() => telegram.stop(), () => test.drop()]
  lines = []
  calls = []
})

afterEach(async () => {
  for (const stop of stops.toReversed()) await stop()
  expect(telegram.violations).toEqual([])
  expect(lines.join('\n')).not.toContain(telegram.token)
})

describe('a message', () => {
  it('in a private chat is a request', async () => {
    await start()
    const sent = telegram.say('a cat 16:9', { ...ADA, firstName: 'Ada', username: 'ada', languageCode: 'zh-hans' })
    expect(await nextCall()).toEqual({
      key: `telegram:501:${sent.messageId}`,
      surface: 'telegram',
      address: `telegram:501::${sent.messageId}`,
      from: { id: 'telegram:501', name: 'Ada', handle: 'ada' },
      place: { group: undefined, channel: '501', nsfw: false, manager: false, roles: [] },
      locale: 'zh',
      act: { kind: 'message', text: 'a cat 16:9' },
      command: '',
      text: 'a cat 16:9',
      options: {},
      images: [],
      isPrivate: true,
    })
  })

  it('with a photo and a caption has the photo in full size', async () => {
    await start()
    const data = await picture(64, 48)
    telegram.sendPhoto({ data, caption: '/flux make it night' }, ADA)
    const call = await nextCall()
    expect(call).toMatchObject({ command: 'flux', text: 'make it night', locale: 'en' })
    expect(await loadAll(call)).toEqual([data])
  })

  it('may be a photo without a caption or a document, and a file that is no picture is refused', async () => {
    await start()
    const data = await picture(40, 40)
    telegram.sendPhoto({ data }, ADA)
    telegram.sendDocument({ data, fileName: 'a.webp', caption: 'night' }, ADA)
    telegram.sendDocument({ data: Buffer.from('%PDF'), fileName: 'a.pdf', caption: 'night' }, ADA)
    await expect.poll(() => calls.length).toBe(3)
    expect(calls.map(({ text, images }) => [text, images.length])).toEqual([
      ['', 1],
      ['night', 1],
      ['night', 1],
    ])
    expect(await calls[1]!.images[0]!.load(LIMIT)).toEqual(data)
    await expect(calls[2]!.images[0]!.load(LIMIT)).rejects.toMatchObject({ kind: 'image_type' })
  })

  it('that is a reply has the picture it replies to after its own', async () => {
    await start()
    const [first, second] = await Promise.all([picture(40, 40), picture(41, 41)])
    const { messageId } = telegram.sendPhoto({ data: first, caption: 'look' }, ADA)
    telegram.sendPhoto({ data: second, caption: 'mix' }, { ...ADA, replyTo: messageId })
    await expect.poll(() => calls.length).toBe(2)
    expect(await loadAll(calls[1]!)).toEqual([second, first])
  })

  it("in reply to the bot's own picture in a group is a request with that picture", async () => {
    const surface = await start()
    const asked = telegram.say('/flux a cat', GROUP)
    const { address } = await nextCall()
    const image = await imageOf(64, 64)
    const posted = await surface.post(address, says('wait', 'waiting'))
    await surface.edit(posted, says('a cat', 'done', { pictures: [image] }))
    const [, ours] = telegram.messages(GROUP.chatId)
    expect(ours).toMatchObject({ replyTo: asked.messageId, fromBot: true })
    telegram.say('at night', { ...GROUP, replyTo: ours!.messageId })
    const call = await nextCall(2)
    expect(call).toMatchObject({ command: '', text: 'at night', isPrivate: false })
    expect(await loadAll(call)).toEqual([image.file.data])
  })

  it('in a group is a request only if it is addressed to the bot', async () => {
    await start()
    const data = await picture(40, 40)
    telegram.say('hello all', GROUP)
    telegram.say('/flux@other_bot a dog', GROUP)
    telegram.say('/weather', GROUP)
    telegram.sendPhoto({ data, caption: 'my cat' }, GROUP)
    telegram.sendAlbum([{ data, caption: 'my cats' }, { data }], GROUP)
    telegram.say('draw @FluxBot_test_bot a cat', GROUP)
    telegram.say('/flux@Fluxbot_test_bot a bird', GROUP)
    telegram.say('/nothing@fluxbot_test_bot', GROUP)
    await expect.poll(() => calls.length).toBe(3)
    await expect.poll(unhandled).toBe(0)
    expect(calls.map(({ command, text }) => [command, text])).toEqual([
      ['', 'draw a cat'],
      ['flux', 'a bird'],
      ['nothing', ''],
    ])
  })

  it('in a topic is not treated as a reply, and its answer stays in the topic', async () => {
    const surface = await start()
    const forum = { chatId: -1001234567890, threadId: 77, userId: 501 }
    telegram.say('only talk', forum)
    const { messageId } = telegram.say('/flux a cat', forum)
    const call = await nextCall()
    expect(call).toMatchObject({ address: `telegram:-1001234567890:77:${messageId}`, images: [] })
    await surface.post(call.address, says('wait', 'waiting'))
    expect(telegram.messages(forum.chatId).at(-1)).toMatchObject({ text: 'wait', threadId: 77, replyTo: messageId })
  })

  it('with an album is one request', async () => {
    await start()
    const images = await Promise.all([picture(40, 40), picture(41, 41), picture(42, 42)])
    const [, second] = images
    telegram.sendAlbum(
      images.map((data) => ({ data, ...(data === second && { caption: 'mix these' }) })),
      ADA,
    )
    const call = await nextCall()
    expect(call.text).toBe('mix these')
    expect(await loadAll(call)).toEqual(images)
    await expect.poll(unhandled).toBe(0)
    expect(calls).toHaveLength(1)
  })

  it('with a file of too large a stated size causes no download', async () => {
    await start()
    const data = Buffer.from('tiny')
    for (const fileSize of [11 * 1024 ** 2, 5 * 1024 ** 3])
      telegram.sendDocument({ data, fileName: 'a.png', fileSize, caption: 'x' }, ADA)
    await expect.poll(() => calls.length).toBe(2)
    for (const { images } of calls)
      await expect(images[0]!.load(LIMIT)).rejects.toMatchObject({ kind: 'image_too_big', data: { limitMb: 10 } })
    await expect(calls[1]!.images[0]!.load(10 * 1024 ** 3)).rejects.toMatchObject({ kind: 'image_too_big' })
    expect(telegram.requests.filter(({ method }) => method.startsWith('file/'))).toEqual([])
  })

  it('with a wrongly stated file size has its download cut off, and a failed download reveals no token', async () => {
    await start()
    telegram.sendDocument({ data: Buffer.alloc(5000), fileName: 'a.png', fileSize: 10 }, ADA)
    const { images } = await nextCall()
    await expect(images[0]!.load(1000)).rejects.toMatchObject({ kind: 'image_too_big' })
    for (const kind of ['dropBefore', '500'] as const) {
      telegram.faults.add({ kind, match: { path: /^file/ }, times: 1 })
      const error = await failure(images[0]!.load(LIMIT))
      expect(error.kind).toBe('image_unreachable')
      expect(allOf(error)).not.toContain(telegram.token)
    }
  })
})

describe('receiving updates', () => {
  it('handles an update once when it arrives repeatedly, even after a restart', async () => {
    const surface = await start()
    const { update } = telegram.say('a cat', ADA)
    await nextCall()
    telegram.redeliver(update)
    telegram.redeliver(update)
    telegram.say('next', ADA)
    await nextCall(2)
    await surface.stop()
    await start()
    telegram.redeliver(update)
    telegram.say('last', ADA)
    await nextCall(3)
    expect(calls.map(({ text }) => text)).toEqual(['a cat', 'next', 'last'])
  })

  it('handles an update again when a crash interrupted it', async () => {
    const data = await picture(40, 40)
    const died = await start(() => new Promise(() => {}))
    telegram.say('a cat', ADA)
    telegram.sendAlbum([{ data, caption: 'both' }, { data }], { userId: 502 })
    await expect.poll(() => calls.length).toBe(2)
    expect(telegram.pendingUpdates()).toBe(0)
    void died.stop()
    await start()
    // it waits for its handlers before it leaves them to others
    await expect.poll(() => calls.length).toBe(4)
    // acts of different people have no order
    const again = calls.slice(2).map(({ text, images }) => [text, images.length] as const)
    expect(Object.fromEntries(again)).toEqual({ 'a cat': 0, both: 2 })
    await expect.poll(unhandled).toBe(0)
  })

  it('does not confirm an update that it could not store', async () => {
    await start()
    await test.database.rows(sql`alter table inbox rename to gone`)
    telegram.say('a cat', ADA)
    await expect.poll(() => lines.join()).toContain('cannot be stored')
    expect(telegram.pendingUpdates()).toBe(1)
    await test.database.rows(sql`alter table gone rename to inbox`)
    expect(await nextCall()).toMatchObject({ text: 'a cat' })
  })

  it('stores text with characters that Postgres refuses', async () => {
    await start()
    telegram.say('a \0 cat \uD800', ADA)
    expect((await nextCall()).text).toMatch(/^a . cat ./)
    await expect.poll(unhandled).toBe(0)
  })

  it('does not hold up other people while one person’s message is slow', async () => {
    const done: string[] = []
    await start(async (call) => {
      await call.images[0]?.load(LIMIT)
      done.push(flat(call).text)
    })
    telegram.faults.add({ kind: 'hang', match: { path: /^file/ }, times: 1, ms: 2_000 })
    telegram.sendPhoto({ data: await picture(40, 40), caption: 'slow' }, ADA)
    telegram.say('after it', ADA)
    telegram.say('quick', { userId: 502 })
    await expect.poll(() => done).toEqual(['quick'])
    await expect.poll(() => done).toEqual(['quick', 'after it'])
  })

  it('sends one poll at a time and waits for its response', async () => {
    await start()
    await telegram.waitForCall('getUpdates')
    const asked = () => telegram.requests.filter(({ method }) => method === 'getUpdates')
    await expect.poll(() => asked().length).toBe(2)
    await pause(300) // only waiting can show that no further poll is sent
    expect(asked()).toHaveLength(2)
    expect(asked()[1]!.params).toMatchObject({
      timeout: 30,
      allowed_updates: ['message', 'edited_message', 'callback_query', 'inline_query', 'pre_checkout_query'],
    })
  })

  it('survives lost responses and a second poller, and reports them', async () => {
    const surface = await start()
    telegram.faults.add({ kind: 'dropAfter', match: { path: /^getUpdates$/ }, times: 2 })
    telegram.say('a cat', ADA)
    telegram.say('a dog', { userId: 502 })
    await expect.poll(() => calls.length).toBe(2)
    await expect.poll(() => surface.notReady()).toBeUndefined()
    await fetch(`${telegram.apiUrl}/bot${telegram.token}/getUpdates`)
    await expect.poll(() => surface.notReady()).toContain('Another process')
    expect(lines.join()).toContain('same TELEGRAM_TOKEN')
  })

  it('waits for Telegram at the start, and rejects a wrong token', async () => {
    telegram.faults.add({ kind: '502html', match: { path: /^getMe$/ }, times: 1 })
    const surface = await start()
    expect(surface.notReady()).toBeUndefined()
    expect(lines.join()).toContain('Telegram cannot be reached')
    const wrong = create('1:nobody')
    await expect(wrong.start(async () => {})).rejects.toThrow('TELEGRAM_TOKEN')
  })

  it('takes updates from the webhook in any process, with the right secret only', async () => {
    const [handling, receiving] = [create(telegram.token, 'hush'), create(telegram.token, 'hush')]
    await begin(handling)
    const { update } = telegram.say('a cat', ADA)
    expect(await receiving.handleUpdate(update, 'hash')).toBe(401)
    expect(await receiving.handleUpdate({ update: 1 }, 'hush')).toBe(400)
    for (const surface of [receiving, receiving, handling]) expect(await surface.handleUpdate(update, 'hush')).toBe(200)
    await nextCall()
    await expect.poll(unhandled).toBe(0)
    expect(calls).toHaveLength(1)
  })
})

describe('a reply', () => {
  const done = (pictures: Reply['pictures']) => says('a cat', 'done', { pictures })

  it('turns the waiting text into the picture, in a process that never started', async () => {
    const surface = create()
    const { address } = ask()
    const waiting = await surface.post(address, says('wait', 'waiting'))
    await surface.edit(waiting, says('50 %', 'waiting'))
    await surface.edit(waiting, says('50 %', 'waiting'))
    const image = await imageOf(64, 64)
    const posted = await create().edit(waiting, done([image]))
    const [, ours, ...more] = telegram.messages(501)
    expect(more).toEqual([])
    expect(ours).toMatchObject({ text: 'a cat', photo: image.file.data })
    expect(ours!.edits.map(({ text }) => text)).toEqual(['wait', '50 %'])
    expect(telegram.requests.filter(({ method }) => method === 'sendChatAction')).toHaveLength(3)
    await surface.edit(posted, says('gone', 'failed'))
    await surface.edit(waiting, says('gone too', 'failed'))
    await surface.edit(waiting, says('late', 'waiting'))
    expect(telegram.messages(501)[1]).toMatchObject({ text: 'gone too', photo: image.file.data })
  })

  it('repeats an edit whose response was lost, and shows one picture', async () => {
    const surface = create()
    const waiting = await surface.post(ask().address, says('wait', 'waiting'))
    telegram.faults.add({ kind: 'dropAfter', match: { path: /^editMessageMedia$/ }, times: 1 })
    const image = await imageOf(64, 64)
    const error = await failure(surface.edit(waiting, done([image])))
    expect(error.kind).toBe('chat_unavailable')
    expect(allOf(error)).not.toContain(telegram.token)
    await surface.edit(waiting, done([image]))
    expect(telegram.messages(501).filter(({ photo }) => photo)).toHaveLength(1)
  })

  it('shows several pictures as an album with the buttons under it, once, in place of the waiting text', async () => {
    const surface = create()
    const { address, messageId } = ask()
    const waiting = await surface.post(address, says('wait', 'waiting'))
    const images = await Promise.all([imageOf(40, 40), imageOf(41, 41), imageOf(42, 42)])
    const reply = { ...done(images), buttons: [[button('reroll', 'one')]] }
    const sent = keepSent()
    await surface.edit(waiting, reply, sent)
    const posted = await surface.edit(waiting, reply, sent)
    expect(sent.earlier.map(({ part, fileIds, buttons }) => [part, fileIds.length, buttons])).toEqual([
      [0, 1, false],
      [1, 1, false],
      [2, 1, false],
      [6, 0, true],
    ])
    const [, ...album] = telegram.messages(501)
    const under = album.pop()
    expect(album.map(({ photo, replyTo, mediaGroupId }) => [photo, replyTo, mediaGroupId])).toEqual(
      images.map(({ file }) => [file.data, messageId, album[0]!.mediaGroupId]),
    )
    expect(under).toMatchObject({ text: 'a cat', replyTo: messageId, buttons: [[{ id: '1:reroll:one' }]] })
    expect(posted).toContain(`:${under!.messageId}:text:`)
  })

  it('sends no album again that may have arrived, and each that has not', async () => {
    const { address } = ask()
    const reply = done(await Promise.all([imageOf(40, 40), imageOf(41, 41)]))
    const unreachable = create(telegram.token, undefined, 'http://127.0.0.1:9')
    const sent = keepSent()
    expect(await failure(unreachable.post(address, reply, sent))).toMatchObject({ kind: 'chat_unavailable' })
    expect(sent.begun).toEqual([])
    telegram.faults.add({ kind: '500', match: { path: /^sendMediaGroup$/ }, times: 1 })
    await create().post(address, reply, sent)
    expect(sent.begun).toEqual([0])
    expect(telegram.messages(501).filter(({ photo }) => photo)).toEqual([])
    const next = keepSent()
    await create().post(address, reply, next)
    expect(next.begun).toEqual([])
    expect(telegram.messages(501).filter(({ photo }) => photo)).toHaveLength(2)
  })

  it('sends one picture, an album, or a file for a picture that Telegram does not take as a photo', async () => {
    const surface = create()
    const { address } = ask()
    const [small, long] = await Promise.all([imageOf(40, 40), imageOf(2100, 10)])
    await surface.post(address, says('😀'.repeat(600), 'done', { pictures: [small] }))
    await surface.post(address, done([small, small]))
    await surface.post(address, done([long]))
    await surface.post(address, done([long, small]))
    const waiting = await surface.post(address, says('x'.repeat(5000), 'waiting'))
    await surface.edit(waiting, done([long]))
    const [, one, ...rest] = telegram.messages(501)
    expect(one!.text).toBe(`${'😀'.repeat(511)}…`)
    expect(rest.map(({ photo, document, text }) => (photo ? 'photo' : (document?.fileName ?? text)))).toEqual([
      'photo',
      'photo',
      'a cat',
      'cat.png',
      'cat.png',
      'cat.png',
      'a cat',
      'cat.png',
    ])
  })

  it('reports when to retry, and which chats are closed', async () => {
    const surface = create()
    const { address } = ask()
    const waiting = await surface.post(address, says('wait', 'info'))
    const group = telegram.say('hi', { chatType: 'group', userId: 501 })
    telegram.faults.add({ kind: '429', match: { path: /^sendMessage$/ }, times: 1, retryAfterSeconds: 60 })
    const busy = await failure(surface.post(`telegram:${group.chatId}::${group.messageId}`, says('x', 'info')))
    expect(busy).toMatchObject({ kind: 'chat_unavailable', retryAfterMs: expect.closeTo(60_000, -3) })

    const gone = await failure(surface.edit(`telegram:501:999:text::` as Address, says('x', 'info')))
    expect(gone.kind).toBe('chat_refused')
    telegram.block(501)
    expect(await failure(surface.edit(waiting, says('x', 'info')))).toMatchObject({ kind: 'chat_refused' })
    expect(await failure(surface.post('telegram:77::1', says('x', 'info')))).toMatchObject({
      kind: 'chat_refused',
    })
  })

  it('follows a group that became a supergroup, without posting progress', async () => {
    const surface = create()
    const { chatId, messageId } = telegram.say('hi', { chatType: 'group', userId: 501 })
    const address: Address = `telegram:${chatId}::${messageId}`
    const waiting = await surface.post(address, says('wait', 'waiting'))
    const newId = telegram.migrate(chatId)
    expect(await failure(surface.edit(waiting, says('50 %', 'waiting')))).toMatchObject({
      kind: 'chat_refused',
    })
    await surface.edit(waiting, done([await imageOf(40, 40)]))
    const posted = await surface.post(address, says('again', 'info'))
    expect(posted).toContain(String(newId))
    expect(telegram.messages(newId).filter(({ fromBot }) => fromBot)).toMatchObject([
      { text: 'a cat' },
      { text: 'again' },
    ])
  })
})

describe('a pressed button', () => {
  it('stops waiting without a text, and an older press is no error', async () => {
    const surface = await start()
    const { address } = ask()
    await nextCall()
    await surface.post(address, says('a cat', 'done', { buttons: [[button('reroll', 'one')]] }))
    const [shown] = telegram.botMessages(501)
    for (const expired of [false, true]) {
      const pressed = telegram.press(shown!, '1:reroll:one', ADA)
      const call = await nextCall(expired ? 3 : 2)
      if (expired) telegram.expirePress(pressed)
      await surface.seen?.(call.address)
      if (!expired) expect(await pressed.answered()).toEqual({ showAlert: false })
    }
    await surface.seen?.(address)
  })
})

function create(token = telegram.token, webhookSecret?: string, apiUrl = telegram.apiUrl) {
  const write =
    (level: string) =>
    (...parts: unknown[]) => {
      lines.push(`${level} ${JSON.stringify(parts)}`)
    }
  return createTelegram({
    token,
    apiUrl,
    database: test.database,
    commands: allCommands,
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    webhookSecret,
    publicUrl: 'http://127.0.0.1:9',
  })
}

async function begin(surface: ReturnType<typeof create>, handle: (call: Call) => Promise<void> = async () => {}) {
  stops.push(() => Promise.race([surface.stop(), pause(100)]))
  await surface.start((call) => {
    calls.push(flat(call))
    return handle(call)
  })
  return surface
}

function start(handle?: (call: Call) => Promise<void>) {
  return begin(create(), handle)
}

async function nextCall(count = 1): Promise<FlatCall> {
  await expect.poll(() => calls.length, { interval: 10 }).toBeGreaterThanOrEqual(count)
  return calls[count - 1]!
}

/** Sends a message; returns the address of its answer. */
function ask(): { address: Address; messageId: number } {
  const { messageId } = telegram.say('a cat', ADA)
  return { address: `telegram:501::${messageId}`, messageId }
}

async function unhandled(): Promise<number> {
  const rows = await test.database.rows<{ key: string }>(sql`select key from inbox where handled_at is null`)
  return rows.length
}

function picture(width: number, height: number): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: '#48c' } })
    .png()
    .toBuffer()
}

async function imageOf(width: number, height: number) {
  const file: ImageFile = { data: await picture(width, height), type: 'image/png', width, height }
  return { file, key: 'image/1', name: 'cat.png', alt: 'a cat' }
}

function loadAll({ images }: Call): Promise<Buffer[]> {
  return Promise.all(images.map((image) => image.load(LIMIT)))
}

async function failure(action: Promise<unknown>): Promise<AppError> {
  const thrown = await action.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!thrown) throw new Error('it did not fail')
  return thrown as AppError
}

/** Everything that a log would write about an error. */
function allOf(error: Error): string {
  const cause = error.cause instanceof Error ? allOf(error.cause) : JSON.stringify(error.cause)
  return `${error.stack} ${JSON.stringify(error)} ${cause}`
}
