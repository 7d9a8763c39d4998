/** Messages on Telegram that people edit after they have sent them. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { pngOf } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'
import { openTestTelegram, type TestTelegram } from '../helpers/telegram.ts'

const ADA = { userId: 501 }
const GROUP = { chatId: -1001000000001, chatType: 'supergroup' as const, userId: 501 }
const LATE = /already started/
const PART = /only if the request is a single message/

describe('an edited message', () => {
  let test: TestTelegram
  afterEach(async () => {
    await test.close()
    expect(test.telegram.violations).toEqual([])
  })
  const open = async (works = false) => {
    test = await openTestTelegram({ works, limits: { welcome: 20 } })
  }
  const requests = async () => {
    const rows = await test.core.database.rows<{ state: string; prompt: string; posted: string }>(
      sql`select state, request->>'prompt' as prompt, posted from generations order by id`,
    )
    return rows.map(({ state, prompt }) => `${state} ${prompt}`)
  }
  const waiting = (text: string, chatId: number = ADA.userId) =>
    test.telegram.waitFor(chatId, (message) => message.fromBot && message.text.includes(text))
  const ours = (chatId: number = ADA.userId) => test.telegram.botMessages(chatId)
  const drawn = async () => {
    await test.work()
    await test.atRest()
    expect(await violations(test.core.database)).toEqual([])
  }

  it('changes a request that has not started, in the message that waits for it', async () => {
    await open()
    const asked = test.telegram.say('a cat', ADA)
    const { messageId } = await waiting('a cat')
    test.telegram.editMessage(asked, 'a dog 16:9')
    expect((await waiting('a dog')).messageId).toBe(messageId)
    test.telegram.editMessage(asked, 'a bird')
    expect((await waiting('a bird')).messageId).toBe(messageId)
    expect(await requests()).toEqual(['cancelled a cat', 'cancelled a dog', 'queued a bird'])
    await drawn()
    expect(ours()).toHaveLength(1)
    expect(ours()[0]).toMatchObject({ messageId, text: expect.stringContaining('a bird'), photo: expect.anything() })
    expect(await test.core.database.rows(sql`select balance from users`)).toEqual([{ balance: 19 }])
  })

  it('keeps its picture, and may come in a group', async () => {
    await open()
    const photo = test.telegram.sendPhoto({ data: await pngOf(64, 64), caption: '/flux at night' }, GROUP)
    await waiting('at night', GROUP.chatId)
    test.telegram.editMessage(photo, '/flux in snow')
    await waiting('in snow', GROUP.chatId)
    const inputs = await test.core.database.rows(sql`
      select request->'images' as images from generations where state = 'queued'`)
    expect(inputs).toEqual([{ images: 1 }])
    await drawn()
  })

  it('that asks for a private picture now gets it in private, and nothing of it stands in the group', async () => {
    await open()
    test.telegram.open(ADA)
    const asked = test.telegram.say('/flux a cat', GROUP)
    const { messageId } = await waiting('a cat', GROUP.chatId)
    test.telegram.editMessage(asked, '/flux a dog --private')
    await waiting('a dog')
    const notice = await waiting('private message', GROUP.chatId)
    expect(notice.messageId).toBe(messageId)
    await drawn()
    expect(ours().at(-1)?.photo).toBeDefined()
    expect(ours(GROUP.chatId)).toMatchObject([{ messageId, photo: undefined }])
  })

  it('is answered when its request has started, and changes nothing', async () => {
    await open(true)
    const asked = test.telegram.say('a cat', ADA)
    await test.telegram.waitFor(ADA.userId, ({ photo }) => photo !== undefined)
    test.telegram.editMessage(asked, 'a dog')
    const answer = await test.telegram.waitFor(ADA.userId, ({ text }) => LATE.test(text))
    expect(answer.replyTo).toBe(asked.messageId)
    await drawn()
    expect(await requests()).toEqual(['delivered a cat'])
  })

  it('with words that are refused takes the request back, and says why in its message', async () => {
    await open()
    const asked = test.telegram.say('a cat', ADA)
    const { messageId } = await waiting('a cat')
    test.telegram.editMessage(asked, 'a dog --model nothing')
    expect((await waiting('There is no model')).messageId).toBe(messageId)
    expect(await requests()).toEqual(['cancelled a cat'])
    // once the words are right, they are drawn
    test.telegram.editMessage(asked, 'a dog')
    await expect.poll(requests).toEqual(['cancelled a cat', 'queued a dog'])
    await drawn()
  })

  it('is a request if the message was refused before', async () => {
    await open()
    const asked = test.telegram.say('a cat --model nothing', ADA)
    await waiting('There is no model')
    test.telegram.editMessage(asked, 'a cat')
    await expect.poll(requests).toEqual(['queued a cat'])
    await drawn()
  })

  it('does nothing if its words are the same, if it is a command, or if it is old', async () => {
    await open()
    const asked = test.telegram.say('a cat', ADA)
    await waiting('a cat')
    const command = test.telegram.say('/credits', ADA)
    await expect.poll(() => ours().length).toBe(2)
    const old = test.telegram.say('/nothing', ADA)
    await expect.poll(() => ours().length).toBe(3)
    test.telegram.age(old, 24 * 3600)
    test.telegram.editMessage(asked, 'a cat')
    test.telegram.editMessage(command, '/credits ')
    test.telegram.editMessage(old, 'a dog')
    test.telegram.say('/help', ADA)
    await expect.poll(() => ours().length).toBe(4)
    await test.quiet()
    expect(ours()).toHaveLength(4)
    expect(await requests()).toEqual(['queued a cat'])
    await drawn()
  })

  it('of an album is answered, because it holds only a part of the request', async () => {
    await open()
    const data = await pngOf(64, 64)
    const [first] = test.telegram.sendAlbum([{ data, caption: 'mix these' }, { data }], ADA)
    await waiting('mix these')
    test.telegram.editMessage(first!, 'blend these')
    await test.telegram.waitFor(ADA.userId, ({ text }) => PART.test(text))
    expect(await requests()).toEqual(['queued mix these'])
    await drawn()
  })

  it('acts once when the edit arrives several times, in several processes', async () => {
    await open()
    const asked = test.telegram.say('a cat', ADA)
    await waiting('a cat')
    const update = test.telegram.editMessage(asked, 'a dog')
    test.telegram.redeliver(update)
    await waiting('a dog')
    await test.another()
    test.telegram.redeliver(update)
    test.telegram.redeliver(update)
    test.telegram.say('/help', ADA)
    await expect.poll(() => ours().length).toBe(2)
    expect(await requests()).toEqual(['cancelled a cat', 'queued a dog'])
    await drawn()
  })
})
