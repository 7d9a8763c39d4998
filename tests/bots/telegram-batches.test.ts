/** Results of several pictures on Telegram, and how words and facts of a result are laid out. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
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

  async function open() {
    const plain = createPlain({
      start: async ({ input }) => {
        const { count = 1 } = input as { count?: number }
        return { state: 'done', images: await Promise.all(Array.from({ length: count }, (_, n) => pngOf(60 + n, 40))) }
      },
    })
    test = await openTestTelegram({ providers: [plain], limits: { welcome: 50 } })
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
