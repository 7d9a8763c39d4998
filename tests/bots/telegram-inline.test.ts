/** Inline mode of the Telegram bot, its menus, and the ways into the private chat. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { telegramPace } from '../../src/bots/telegram/pace.ts'
import { rewardReferrals } from '../../src/core/billing/referrals.ts'
import { isPutOff } from '../../src/core/errors.ts'
import type { Address } from '../../src/core/ports/chat.ts'
import { openTestTelegram, type TestTelegram } from '../helpers/telegram.ts'

const ADA = { userId: 501 }
const EVE = { userId: 502 }

let test: TestTelegram
afterEach(async () => {
  await test.close()
  expect(test.telegram.violations).toEqual([])
})

async function draw(prompt: string, from: { userId: number }) {
  const { chatId, messageId } = test.telegram.say(prompt, from)
  const shown = await test.telegram.waitFor(chatId, ({ photo, replyTo }) => !!photo && replyTo === messageId)
  await test.atRest()
  return shown
}

describe('an inline query', () => {
  const fileIds = async (text: string, from = ADA) => {
    const { results } = await test.telegram.askInline(text, from).answered()
    return results.map(({ photo_file_id: id }) => id)
  }
  const shownIds = async () => {
    const rows = await test.core.database.rows<{ prompt: string; id: string }>(sql`
      select request->>'prompt' as prompt, file_ids->>0 as id from sent_messages
      join generations on generations.id = generation_id`)
    return Object.fromEntries(rows.map(({ prompt, id }) => [prompt, id]))
  }

  it('offers the person’s own latest pictures, those with the words first, and a button into the private chat', async () => {
    test = await openTestTelegram({ limits: { welcome: 20 } })
    for (const prompt of ['a cat', 'a dog --private', 'a bird']) await draw(prompt, ADA)
    await draw('a cat of another person', EVE)
    const ids = await shownIds()
    expect(await fileIds('')).toEqual([ids['a bird'], ids['a dog'], ids['a cat']])
    expect(await fileIds('a cat 16:9')).toEqual([ids['a cat'], ids['a bird'], ids['a dog']])
    expect(await fileIds('a cat', EVE)).toEqual([ids['a cat of another person']])
    expect(await fileIds('a cat', { userId: 503 })).toEqual([])
    const answer = await test.telegram.askInline('a cat', ADA).answered()
    expect(answer).toMatchObject({ isPersonal: true, cacheSeconds: 5, startParameter: 'inline', nextOffset: '' })
    // queries are answered at once, and leave nothing behind
    expect(await test.core.database.rows(sql`select key from inbox where body::text like '%inline%'`)).toEqual([])
    expect(await test.core.database.rows(sql`select id from identities where id = 'telegram:503'`)).toEqual([])
  })

  it('is answered for the last of the words that are typed meanwhile, and not for banned people', async () => {
    test = await openTestTelegram({ limits: { welcome: 20 } })
    await draw('a cat', ADA)
    const asked = ['a', 'a ', 'a c', 'a ca', 'a cat'].map((text) => test.telegram.askInline(text, ADA))
    const ids = await shownIds()
    expect((await asked.at(-1)?.answered())?.results.map(({ photo_file_id: id }) => id)).toEqual([ids['a cat']])
    await test.core.database.rows(sql`update users set banned = true`)
    expect(await fileIds('a cat')).toEqual([])
  })

  it('shows no picture that was deleted, and has pages', async () => {
    test = await openTestTelegram({ limits: { welcome: 20 } })
    await draw('a cat', ADA)
    await draw('a dog', ADA)
    await test.core.database.rows(sql`
      insert into sent_messages (generation_id, surface, posted, asked_by, part, file_ids)
      select generation_id, surface, posted, 'again', part, file_ids from sent_messages`)
    await test.core.database.rows(sql`update generations set erased_at = now() where request->>'prompt' = 'a cat'`)
    expect(await fileIds('')).toEqual([(await shownIds())['a dog']])
    const second = await test.telegram.askInline('', ADA, '20').answered()
    expect(second.results).toEqual([])
  })

  it('is answered without pictures if Telegram does not know their files', async () => {
    test = await openTestTelegram({ limits: { welcome: 20 } })
    await draw('a cat', ADA)
    await test.core.database.rows(sql`update sent_messages set file_ids = '["of-another-bot"]'`)
    const answer = await test.telegram.askInline('', ADA).answered()
    expect(answer).toMatchObject({ results: [], button: 'Draw a new picture' })
  })
})

describe('starting the bot', () => {
  it('greets with three examples, and a tap draws one', async () => {
    test = await openTestTelegram({ limits: { welcome: 20 } })
    for (const text of ['/start', '/start inline', '/start show_', '/start other_1']) {
      const { messageId } = test.telegram.say(text, ADA)
      const greeting = await test.telegram.waitFor(501, ({ replyTo }) => replyTo === messageId)
      expect(greeting.text).toMatch(/^Hello! [\s\S]*1\. a lighthouse in a storm[\s\S]*for 1 credit\./)
      expect(greeting.buttons.flat().map(({ label }) => label)).toEqual(['Example 1', 'Example 2', 'Example 3'])
    }
    const [greeting] = test.telegram.botMessages(501)
    const pressed = test.telegram.press(greeting!, 'Example 1', ADA)
    expect(await pressed.answered()).toEqual({ showAlert: false })
    const drawn = await test.telegram.waitFor(501, ({ photo }) => photo !== undefined)
    expect(drawn.text).toMatch(/^a lighthouse in a storm, oil painting\n/)
    await test.atRest()
  })

  it('with a link to a picture shows it', async () => {
    test = await openTestTelegram({ limits: { welcome: 20 } })
    const shown = await draw('a cat', ADA)
    const id = /#([0-9a-f]{8})/.exec(shown.text)![1]
    const { messageId } = test.telegram.say(`/start show_${id}`, ADA)
    const again = await test.telegram.waitFor(501, ({ replyTo }) => replyTo === messageId)
    expect(again.photo).toBeDefined()
  })
})

describe('an invitation', () => {
  it('in a link gives credits to both people after the first picture of the invited one, once', async () => {
    test = await openTestTelegram({ limits: { welcome: 20, referral: 10 } })
    const { telegram, core } = test
    const answerTo = async (text: string, from: { userId: number }) => {
      const { messageId, update } = telegram.say(text, from)
      return { update, shown: await telegram.waitFor(from.userId, ({ replyTo }) => replyTo === messageId) }
    }
    const { shown } = await answerTo('/credits', ADA)
    const [, payload] = /https:\/\/t\.me\/fluxbot_test_bot\?start=(ref_\w+)/.exec(shown.text) ?? []
    const opened = await answerTo(`/start ${payload}`, EVE)
    expect(opened.shown.text).toContain('You were invited')
    expect(opened.shown.buttons.flat().map(({ label }) => label)).toEqual(['Example 1', 'Example 2', 'Example 3'])
    telegram.redeliver(opened.update)
    const balances = async () => {
      const rows = await core.database.rows<{ balance: number }>(
        sql`select balance from users join identities on user_id = users.id order by identities.id`,
      )
      return rows.map(({ balance }) => balance)
    }
    await draw('a cat of the inviting person', ADA)
    expect(await balances()).toEqual([19, 20])
    await draw('a first cat', EVE)
    await expect.poll(balances).toEqual([29, 29])
    await answerTo(`/start ${payload}`, EVE)
    await draw('a second cat', EVE)
    await rewardReferrals(core)
    await test.quiet()
    expect(await balances()).toEqual([29, 28])
    const rewards = sql`select amount from ledger where source = 'referral'`
    expect(await core.database.rows(rewards)).toEqual([{ amount: 10 }, { amount: 10 }])
  })
})

describe('the list of commands', () => {
  const lists = () =>
    test.telegram.commands.map(({ scope, languageCode, commands }) => ({
      scope: [scope.type, scope.chat_id].filter(Boolean).join(' '),
      languageCode,
      names: commands.map(({ command }) => command),
    }))
  const namesIn = (scope: string) => lists().find((list) => list.scope === scope)?.names

  it('depends on the chat and the language, and is set once', async () => {
    test = await openTestTelegram({ bot: { admins: new Set(['telegram:501', 'telegram:502', 'discord:1']) } })
    test.telegram.open(ADA)
    const calls = () => test.telegram.requests.filter(({ method }) => method === 'setMyCommands').length
    // the chat of an administrator has its list once there is such a chat
    expect(namesIn('chat 501')).toBeUndefined()
    await test.another()
    expect(namesIn('chat 501')).toEqual(expect.arrayContaining(['flux', 'credits', 'panel']))
    expect(namesIn('all_private_chats')).toEqual(expect.arrayContaining(['flux', 'apikey', 'panel', 'history']))
    for (const scope of ['default', 'all_group_chats', 'all_chat_administrators']) {
      expect(namesIn(scope)).toEqual(expect.arrayContaining(['flux', 'settings']))
      expect(namesIn(scope)).not.toContain('apikey')
    }
    expect(
      lists()
        .filter(({ scope }) => scope === 'default')
        .map(({ languageCode }) => languageCode),
    ).toEqual(['', 'zh'])
    test.telegram.open(EVE)
    await test.another()
    const before = calls()
    await test.another()
    expect(calls()).toBe(before)
  })
})

describe('the room', () => {
  const info = { locale: 'en', state: 'info', content: { kind: 'text', text: 'hello' } } as const
  const sentAt = () => test.telegram.requests.filter(({ method }) => method === 'sendMessage').map(({ at }) => at)

  /** Sends all at once, through two processes in turns. Returns the errors. */
  async function send(addresses: readonly Address[]): Promise<unknown[]> {
    const second = await test.another()
    const sent = addresses.map((address, n) => (n % 2 ? test.bot : second).post(address, info))
    return (await Promise.allSettled(sent)).flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
  }

  it('of the whole bot is kept by all processes together, and what finds none within ten seconds is put off', async () => {
    test = await openTestTelegram({
      bot: { pace: { ...telegramPace, group: [], private: [], overall: [{ calls: 2, ms: 1_000 }] } },
    })
    const people = Array.from({ length: 30 }, (_, n) => 600 + n)
    for (const userId of people) test.telegram.open({ userId })
    const start = Date.now()
    const errors = await send(people.map((id): Address => `telegram:${id}::`))
    const times = sentAt().map((at) => at - start)
    expect(times).toHaveLength(people.length - errors.length)
    expect(errors.length).toBeGreaterThan(0)
    expect(errors.filter((error) => !isPutOff(error))).toEqual([])
    // a busy machine delays calls, and none comes early
    const early = times.sort((a, b) => a - b).filter((at, n) => at < Math.floor(n / 2) * 1_000 - 100)
    expect(early).toEqual([])
  })

  it('of a private chat is one call a second on average, and a burst of twenty passes', async () => {
    test = await openTestTelegram({})
    test.telegram.open(ADA)
    const errors = await send(Array<Address>(24).fill('telegram:501::'))
    expect(errors).toHaveLength(4)
    expect(errors.filter((error) => !isPutOff(error))).toEqual([])
    expect(sentAt()).toHaveLength(20)
  })
})
