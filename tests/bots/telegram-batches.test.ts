/** Results of several pictures on Telegram, and how words and facts of a result are laid out. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { button } from '../../src/core/chats/buttons.ts'
import { forgetBegunMessages, sentMessages } from '../../src/core/generation/sent-messages.ts'
import type { Address, Reply } from '../../src/core/ports/chat.ts'
import { quoteAnew } from '../../src/core/results/quotes.ts'
import { says } from '../helpers/chat.ts'
import { createPlain, pngOf } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'
import { openTestTelegram, type TestTelegram } from '../helpers/telegram.ts'

const TOPIC = { chatId: -1001234567890, threadId: 77, userId: 501 }

describe('a result of several pictures', () => {
  let test: TestTelegram
  afterEach(async () => {
    const wrong = await violations(test.core.database)
    await test.close()
    expect(test.telegram.violations).toEqual([])
    expect(wrong).toEqual([])
  })

  async function open(whenDrawn = () => {}) {
    const plain = createPlain({
      start: async ({ input }) => {
        whenDrawn()
        const { count = 1 } = input as { count?: number }
        return { state: 'done', images: await Promise.all(Array.from({ length: count }, (_, n) => pngOf(60 + n, 40))) }
      },
    })
    test = await openTestTelegram({ providers: [plain], limits: { welcome: 50 } })
    return test.telegram
  }

  async function batch() {
    const asked = test.telegram.say('/flux a cat --n 4', TOPIC)
    const under = await test.telegram.waitFor(TOPIC.chatId, ({ text }) => text.includes('4 credits'))
    await test.atRest()
    const album = test.telegram.botMessages(TOPIC.chatId).filter(({ photo }) => photo)
    return { asked, under, album }
  }

  it('is an album in the same topic with the buttons in one message under it', async () => {
    await open()
    const { asked, under, album } = await batch()
    expect(album).toHaveLength(4)
    expect(new Set(album.map(({ mediaGroupId }) => mediaGroupId)).size).toBe(1)
    expect([...album, under].map(({ threadId }) => threadId)).toEqual([77, 77, 77, 77, 77])
    expect(under.replyTo).toBe(asked.messageId)
    expect(under.buttons.flat().map(({ label }) => label)).toEqual(
      expect.arrayContaining(['🎲 Again · 4 credits', '🔀 Vary 4 · 1 credit', '🗑 Delete']),
    )
    // the message that waited is gone
    expect(test.telegram.botMessages(TOPIC.chatId)).toHaveLength(5)
  })

  async function generation() {
    const [row] = await test.core.database.rows<{ id: string; address: Address }>(
      sql`select id, address from generations`,
    )
    return row!
  }

  async function fourPictures() {
    const file = { data: await pngOf(60, 40), type: 'image/png' as const, width: 60, height: 40 }
    return [1, 2, 3, 4].map((number) => ({ file, key: `${number}`, name: `${number}.png`, alt: 'a cat' }))
  }

  const albums = () => {
    const photos = test.telegram.botMessages(TOPIC.chatId).filter(({ photo }) => photo)
    return new Map(photos.map(({ mediaGroupId, messageId }) => [mediaGroupId ?? messageId, photos]))
  }

  it('comes once if the answer to its album is lost, and again if the person asks for it', async () => {
    await open()
    const { faults } = test.telegram
    faults.add({ kind: 'dropAfter', match: { path: /^sendMediaGroup$/ }, times: 1 })
    const { under, album } = await batch()
    expect(album).toHaveLength(4)
    expect(under.text).toContain('ℹ️ Telegram did not confirm that it got the pictures.')
    expect(under.buttons[0]?.map(({ label }) => label)).toEqual(['📨 Send again'])
    expect((await test.telegram.press(under, '📨 Send again', { userId: 502 }).answered()).text).toContain(
      'Only the person',
    )
    await test.telegram.press(under, '📨 Send again', TOPIC).answered()
    await test.quiet()
    expect(albums().size).toBe(2)
    expect(test.telegram.botMessages(TOPIC.chatId).at(-1)!.text).not.toContain('did not confirm')
    expect(await test.core.database.rows(sql`select part from begun_messages`)).toEqual([{ part: 0 }])
  })

  it.each([
    ['arrived, but was not confirmed', 'dropAfter', 6],
    ['did not arrive', 'dropBefore', 5],
  ] as const)('is shown once, with its buttons above it too, if the text below it %s', async (_, kind, count) => {
    const { faults } = await open(() => faults.add({ kind, match: { path: /^sendMessage$/ }, times: 1 }))
    test.telegram.say('/flux a cat --n 4', TOPIC)
    const above = await test.telegram.waitFor(TOPIC.chatId, ({ text }) => text.includes('did not confirm'))
    await test.atRest()
    expect(above.text).toContain('ℹ️ Telegram did not confirm that it got the text and the buttons below the pictures.')
    expect(above.buttons.flat().map(({ label }) => label)).toEqual(
      expect.arrayContaining(['📨 Send again', '🎲 Again · 4 credits', '🗑 Delete']),
    )
    expect(albums().size).toBe(1)
    expect(test.telegram.botMessages(TOPIC.chatId)).toHaveLength(count)
    // the text that may be there shows the lower price
    await test.core.database.rows(sql`update generations set quoted = '{"reroll": 1}'`)
    await quoteAnew(test.core, (await generation()).id)
    expect(await test.core.database.rows(sql`select quoted from generations`)).toEqual([{ quoted: { reroll: 1 } }])
    const begunRows = () => test.core.database.rows(sql`select part from begun_messages`)
    await test.core.database.rows(sql`update begun_messages set begun_at = now() - interval '3 days'`)
    await forgetBegunMessages(test.core.database)
    expect(await begunRows()).toEqual([{ part: 8 }])
    test.telegram.press(above, '🗑 Delete', TOPIC)
    await expect.poll(() => test.telegram.botMessages(TOPIC.chatId)[0]?.buttons.length).toBe(1)
    const told = await test.telegram.press(above, 'Delete for good', TOPIC).answered()
    expect(told.text).toContain('Deleted. The chat did not confirm some messages')
    expect(test.telegram.botMessages(TOPIC.chatId)).toHaveLength(count - 5)
    await test.quiet()
    await forgetBegunMessages(test.core.database)
    expect(await begunRows()).toEqual([])
  })

  it('is shown once if it is not known whether a process that died had sent the text below it', async () => {
    await open()
    const { core, telegram } = test
    await batch()
    const { id, address } = await generation()
    const shown = core.surfaces.get('telegram')!
    const waiting = await shown.post(address, says('wait', 'waiting'))
    const read = (call = 1) => sentMessages(core, { id, surface: 'telegram', askedBy: `telegram:${call}` })
    await (await read()).begin(8)
    const pictures = await fourPictures()
    const buttons = [[button('reroll', id)]]
    for (const _ of [1, 2]) {
      expect(await shown.edit(waiting, { ...says('a cat', 'done'), pictures, buttons }, await read())).toBe(waiting)
    }
    expect(telegram.botMessages(TOPIC.chatId).filter(({ photo }) => photo)).toHaveLength(8)
    expect(telegram.botMessages(TOPIC.chatId).filter(({ text }) => text.includes('a cat'))).toHaveLength(1)
    // someone may have deleted that message
    await shown.remove(waiting)
    expect(await shown.edit(waiting, { ...says('a cat', 'done'), pictures, buttons }, await read())).toBe(waiting)
    // an answer to a command has no message that waits
    await (await read(2)).begin(8)
    const spare = await shown.post(address, { ...says('a cat', 'done'), pictures, buttons }, await read(2))
    expect(await shown.post(address, { ...says('a cat', 'done'), pictures, buttons }, await read(2))).toBe(spare)
    expect(telegram.botMessages(TOPIC.chatId).at(-1)).toMatchObject({
      text: expect.stringContaining('did not confirm that it got the text and the buttons'),
      buttons: [[{ label: '🎲 Again' }]],
    })
  })

  it('comes once if a process that was stopped before it sent it goes on after another one has sent it', async () => {
    await open()
    const { core, telegram } = test
    await batch()
    const { id, address } = await generation()
    const surface = 'telegram'
    const sent = await sentMessages(core, { id, surface })
    // what it read before it was stopped
    const stale = { ...sent, earlier: [], begun: [] }
    const withAlbum = { ...stale, earlier: sent.earlier.filter(({ part }) => part < 4) }
    const pictures = await fourPictures()
    const again: Reply = { ...says('a cat', 'done'), pictures }
    for (const read of [stale, withAlbum]) {
      const posting = core.surfaces.get(surface)!.post(address, again, read)
      await expect(posting).rejects.toMatchObject({ kind: 'chat_unavailable' })
    }
    expect(albums().size).toBe(1)
    expect(telegram.botMessages(TOPIC.chatId)).toHaveLength(5)
    expect(await core.database.rows(sql`select part from begun_messages`)).toEqual([])
    // nor does one of two that begin at once
    const showings = await Promise.all([1, 2].map(() => sentMessages(core, { id, surface, askedBy: 'telegram:1' })))
    const begun = await Promise.all(showings.map(({ begin }) => begin(0)))
    expect(begun.toSorted()).toEqual([false, true])
    await showings[begun.indexOf(true)]!.withdraw(0)
    expect(await showings[0]!.begin(0)).toBe(true)
  })

  it('comes once if Telegram asks for a pause, or takes no connection', async () => {
    await open()
    test.telegram.faults.add({ kind: '429', match: { path: /^sendMediaGroup$/ }, times: 2 })
    const { under } = await batch()
    expect(albums().size).toBe(1)
    expect(under.text).not.toContain('did not confirm')
    expect(await test.core.database.rows(sql`select part from begun_messages`)).toEqual([])
  })

  it('has its words and buttons in a text if the answer to its only picture is lost as it is shown again', async () => {
    await open()
    const { messageId } = test.telegram.say('/flux a dog', TOPIC)
    const first = await test.telegram.waitFor(TOPIC.chatId, ({ photo, replyTo }) => !!photo && replyTo === messageId)
    await test.atRest()
    const id = /#([0-9a-f]{8})/.exec(first.text)?.[1]
    test.telegram.faults.add({ kind: 'dropAfter', match: { path: /^sendPhoto$/ }, times: 1 })
    const asked = test.telegram.say(`/show ${id}`, TOPIC)
    await test.telegram.waitFor(TOPIC.chatId, ({ text }) => text.includes('did not confirm'))
    await test.quiet()
    const answers = test.telegram.botMessages(TOPIC.chatId).filter(({ replyTo }) => replyTo === asked.messageId)
    expect(answers.map(({ photo }) => photo !== undefined)).toEqual([true, false])
  })

  it('says that original files may not have arrived, and sends them again only if asked', async () => {
    await open()
    const { under } = await batch()
    const documents = () => test.telegram.botMessages(TOPIC.chatId).filter(({ document }) => document).length
    test.telegram.faults.add({ kind: 'dropAfter', match: { path: /^sendMediaGroup$/ }, times: 1 })
    expect((await test.telegram.press(under, '💾 Original', TOPIC).answered()).text).toBe(
      'The chat did not confirm that it got the files. If you do not see them, press Original again.',
    )
    expect(documents()).toBe(4)
    expect((await test.telegram.press(under, '💾 Original', TOPIC).answered()).text).toBe('💾 The original pictures')
    expect(documents()).toBe(8)
    await test.quiet()
  })

  it('takes each of its pictures as the start of another one, by a reply', async () => {
    await open()
    const { album } = await batch()
    const reply = test.telegram.say('at night', { ...TOPIC, replyTo: album[2]!.messageId })
    await test.telegram.waitFor(TOPIC.chatId, ({ photo, replyTo }) => !!photo && replyTo === reply.messageId)
    await test.atRest()
    const inputs = await test.core.database.rows(sql`
      select width from images where role = 'input' order by key`)
    expect(inputs).toEqual([{ width: 62 }])
  })

  it('is deleted with all its messages', async () => {
    await open()
    const { under } = await batch()
    test.telegram.press(under, '🗑 Delete', { userId: 501 })
    await expect.poll(() => test.telegram.botMessages(TOPIC.chatId).at(-1)?.buttons.length).toBe(1)
    test.telegram.press(under, 'Delete for good', { userId: 501 })
    await expect.poll(() => test.telegram.botMessages(TOPIC.chatId)).toEqual([])
    await test.quiet()
  })

  it('quotes the words, and has the facts in one line', async () => {
    await open()
    const { under } = await batch()
    // Telegram itself makes a tag of some ids
    expect(under.entities.filter(({ type }) => type !== 'hashtag')).toEqual([
      { type: 'blockquote', offset: 0, length: 'a cat'.length },
    ])
    const [words, facts, ...more] = under.text.split('\n')
    expect(words).toBe('a cat')
    expect(facts).toMatch(/^Sketch.* · 60×40 · .* · 4 credits, 46 left · #[0-9a-f]{8}$/)
    expect(more).toEqual([])
  })
})
