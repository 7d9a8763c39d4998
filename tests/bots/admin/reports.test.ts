/** Reports of results: administrators see them in private, also after crashes and refusals, and in `/lookup`. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { AppError } from '../../../src/core/errors.ts'
import { shortId } from '../../../src/core/ids.ts'
import type { Reply } from '../../../src/core/ports/chat.ts'
import { closeAccount } from '../../../src/core/privacy/close.ts'
import { report, tellOfReports } from '../../../src/core/results/reports.ts'
import { snowflake } from '../../emulators/discord/ids.ts'
import { quickest } from '../../helpers/backends.ts'
import { createChat, openTestCore, type TestCore } from '../../helpers/core.ts'
import { type OnDiscord, openOnDiscord } from '../../helpers/discord.ts'
import { openTestTelegram, type TestTelegram } from '../../helpers/telegram.ts'

describe('a report', () => {
  let test: TestCore
  /** Refuses posts to these administrators. */
  let refused: Record<string, AppError>

  beforeEach(async () => {
    refused = {}
    const chat = createChat()
    const { post } = chat
    const withPrivateChats = Object.assign(chat, {
      privateChat: async (person: string, about: string) => `test:${person}/${about}` as const,
      post: async (...given: Parameters<typeof post>) => {
        const error = refused[/^test:(test:\w+)\//.exec(given[0])?.[1] ?? '']
        if (error) throw error
        return post(...given)
      },
    })
    test = await openTestCore(quickest, { admins: ['test:root', 'test:deputy', 'web:none'], chat: withPrivateChats })
  })
  afterEach(() => test.close())

  const rows = <T extends object>(query: ReturnType<typeof sql>) => test.core.database.rows<T>(query)
  const account = (name: string) => accountOf(test.core, { id: `test:${name}`, name, handle: `${name}_h` })

  async function drawn(text = 'a secret wish'): Promise<string> {
    const worker = await test.work()
    const call = await test.say(text)
    await test.ended(call)
    // the tests decide when administrators are told
    await worker.stop(2_000)
    const [row] = await rows<{ id: string }>(sql`select id from generations where key = ${call.key}`)
    return row!.id
  }
  const reportBy = async (name: string, generationId: string, reason = '') =>
    report(test.core, { userId: await account(name), generationId, reason })
  const toldTo = (admin: string): Reply[] =>
    test.chat.messages
      .filter(({ address }) => address.startsWith(`test:test:${admin}/`))
      .flatMap((each) => each.history)
  const texts = (admin: string) => toldTo(admin).map(({ content }) => content)
  /** The pause before the next try is over. */
  const later = () => rows(sql`update reports set due_at = now() - interval '1 second' where due_at is not null`)
  const open = async () => (await rows(sql`select from reports where due_at is not null`)).length

  it('reaches each administrator once, with the person, the reason and the buttons that they may press', async () => {
    const id = await drawn()
    await reportBy('bob', id, 'not a cat')
    await Promise.all([tellOfReports(test.core), tellOfReports(test.core)])
    await later()
    await tellOfReports(test.core)
    for (const admin of ['root', 'deputy']) {
      expect(toldTo(admin)).toHaveLength(1)
      expect(toldTo(admin)[0]).toMatchObject({
        text: `🚩 bob · test:bob @bob_h reports a result:\nnot a cat\n\n/lookup ${id}`,
        buttons: [[{ action: 'show' }, { action: 'delete', style: 'danger' }]],
      })
    }
    expect(await rows(sql`select due_at, told from reports`)).toEqual([{ due_at: null, told: [] }])
  })

  it('of the same person counts once and is shown once; that of another person is shown with their number', async () => {
    const id = await drawn()
    await reportBy('bob', id, 'not a cat')
    await reportBy('bob', id, 'a dog')
    await tellOfReports(test.core)
    await reportBy('bob', id, 'a horse')
    await tellOfReports(test.core)
    expect(texts('root')).toEqual([expect.objectContaining({ reason: 'a dog', people: 1 })])
    await reportBy('cyd', id)
    await tellOfReports(test.core)
    expect(texts('root')).toEqual([
      expect.objectContaining({ reason: 'a dog', people: 1 }),
      expect.objectContaining({ reason: '', people: 2 }),
    ])
    expect(toldTo('root')[1]).toMatchObject({ text: expect.stringContaining('No reason was given.') })
    expect(toldTo('root')[1]).toMatchObject({ text: expect.stringContaining('2 people have reported it.') })
  })

  it('without a reason is shown again when the person gives one', async () => {
    const id = await drawn()
    await reportBy('bob', id)
    await tellOfReports(test.core)
    await reportBy('bob', id, 'not a cat')
    await Promise.all([tellOfReports(test.core), tellOfReports(test.core)])
    expect(texts('root')).toMatchObject([{ reason: '' }, { reason: 'not a cat' }])
    // on Discord, messages about the same occasion would show once
    const to = test.chat.messages
      .map(({ address }) => address)
      .filter((address) => address.startsWith('test:test:root/'))
    expect(new Set(to).size).toBe(2)
    expect(await open()).toBe(0)
  })

  it('is tried again for those who could not be reached, and not shown again to those who were', async () => {
    const id = await drawn()
    refused['test:deputy'] = new AppError('chat_unavailable')
    await reportBy('bob', id, 'not a cat')
    await tellOfReports(test.core)
    // not before the pause is over
    await tellOfReports(test.core)
    expect([toldTo('root').length, toldTo('deputy').length, await open()]).toEqual([1, 0, 1])
    refused = {}
    await later()
    await tellOfReports(test.core)
    expect([toldTo('root').length, toldTo('deputy').length, await open()]).toEqual([1, 1, 0])
  })

  it('stays open while all administrators refuse it, and is given up after a day', async () => {
    const id = await drawn()
    refused['test:root'] = new AppError('chat_refused')
    refused['test:deputy'] = new AppError('chat_refused')
    await reportBy('bob', id, 'not a cat')
    await tellOfReports(test.core)
    expect(await open()).toBe(1)
    delete refused['test:root']
    await later()
    await tellOfReports(test.core)
    expect([toldTo('root').length, toldTo('deputy').length, await open()]).toEqual([1, 0, 0])
    refused['test:root'] = new AppError('chat_refused')
    await reportBy('cyd', id)
    await rows(sql`update reports set created_at = now() - interval '25 hours'`)
    await tellOfReports(test.core)
    expect([toldTo('root').length, await open()]).toEqual([1, 0])
  })

  it('is shown by the next process if the one that began died', async () => {
    const id = await drawn()
    await reportBy('bob', id, 'not a cat')
    // what a process leaves that dies before its first post
    await rows(sql`update reports set due_at = now() + interval '2 minutes'`)
    await tellOfReports(test.core)
    expect(toldTo('root')).toEqual([])
    await later()
    await test.work()
    await expect.poll(() => toldTo('root').length).toBe(1)
  })

  it('waits if the same person has just sent five', async () => {
    const ids = [await drawn('a cat')]
    for (let number = 0; number < 5; number++) ids.push(await drawn(`a cat ${number}`))
    for (const id of ids) await reportBy('bob', id)
    await tellOfReports(test.core)
    expect([toldTo('root').length, await open()]).toEqual([5, 1])
    await rows(sql`delete from chat_calls`)
    await later()
    await tellOfReports(test.core)
    expect([toldTo('root').length, await open()]).toEqual([6, 0])
  })

  it('of a private result has no buttons, and one of a result whose pictures are gone can only be deleted', async () => {
    const [hidden, expired, erased] = [await drawn('a'), await drawn('b'), await drawn('c')]
    await rows(sql`update generations set private = true where id = ${hidden}::uuid`)
    await rows(sql`delete from images where generation_id = ${expired}::uuid`)
    await rows(sql`update generations set erased_at = now() where id = ${erased}::uuid`)
    for (const id of [hidden, expired, erased]) await reportBy('ann', id)
    await tellOfReports(test.core)
    const shown = Object.fromEntries(
      toldTo('root').map(({ content, buttons = [] }) => [
        content.kind === 'report' ? content.id : '',
        buttons.flat().map(({ action }) => action),
      ]),
    )
    expect(shown).toEqual({ [hidden]: [], [expired]: ['delete'], [erased]: [] })
    const text = toldTo('root').find(({ content }) => content.kind === 'report' && content.private)
    expect(text).toMatchObject({ text: expect.stringContaining('only its owner can see or delete it') })
  })

  it('is in the language of each administrator', async () => {
    const id = await drawn()
    await saveLanguage('deputy', 'zh')
    await reportBy('bob', id, '不是猫')
    await tellOfReports(test.core)
    expect(toldTo('root')[0]).toMatchObject({ locale: 'en' })
    expect(toldTo('deputy')[0]).toMatchObject({
      locale: 'zh',
      text: `🚩 bob · test:bob @bob_h 举报了一个结果：\n不是猫\n\n/lookup ${id}`,
    })
  })

  it('and its reason are in /lookup, until the person deletes the account', async () => {
    const id = await drawn()
    await reportBy('bob', id, 'mark: not a cat')
    await reportBy('cyd', id)
    const lookup = async () => test.chat.last((await test.say(`/lookup ${shortId(id)}`, { who: 'root' })).address)?.text
    expect(await lookup()).toMatch(
      /\n\nReported by 2 people:\n\S+ \S+ UTC {2}cyd: no reason given\n\S+ \S+ UTC {2}bob: mark: not a cat$/,
    )
    await closeAccount(test.core, await account('bob'))
    expect(await lookup()).toMatch(/Reported by 2 people:\n.*cyd: no reason given\n.*deleted account: no reason given$/)
    await tellOfReports(test.core)
    expect(JSON.stringify(toldTo('root'))).not.toMatch(/mark|bob/)
    expect(toldTo('root').map(({ content }) => content)).toContainEqual(
      expect.objectContaining({ reporter: undefined, reason: '' }),
    )
  })

  it('is kept where no administrator can be written to, and the person reads that', async () => {
    const id = await drawn()
    Object.assign(test.core, { admins: ['web:none'] })
    const press = async () => {
      const act = { kind: 'form', form: `1:report:${id}`, fields: { reason: 'x' } } as const
      return test.chat.last((await test.say('', { who: 'bob', act })).address)?.text
    }
    expect(await press()).toBe('🚩 Thanks. The report is kept for the people who run this bot.')
    await tellOfReports(test.core)
    expect(await open()).toBe(1)
    Object.assign(test.core, { admins: ['test:root'] })
    expect(await press()).toBe('🚩 Thanks. The administrators will look at it.')
    await tellOfReports(test.core)
    expect(toldTo('root')).toHaveLength(1)
  })

  async function saveLanguage(name: string, language: string) {
    await rows(sql`insert into user_settings (user_id, language) values (${await account(name)}::uuid, ${language})`)
  }
})

describe('a report on Discord', () => {
  const admin = snowflake()
  let on: OnDiscord
  beforeEach(async () => {
    on = await openOnDiscord({ admins: [`discord:${admin}`] })
  })
  afterEach(async () => {
    await on.close()
    expect(on.discord.violations).toEqual([])
  })

  it('reaches the administrator in a direct message, whose buttons show and delete the result', async () => {
    const { discord, test } = on
    const drawn = await discord
      .slash('flux', { prompt: 'a cat' })
      .waitForReply(({ attachments }) => attachments.length > 0)
    const asked = discord.press(drawn, '🚩 Report')
    await asked.waitForAck()
    // the first answer is lost, and Discord knows a repeated message by its nonce
    discord.faults.add({ match: { method: 'POST', path: /\/channels\/\d+\/messages$/ }, kind: 'dropAfter', times: 1 })
    const sent = discord.submitModal(asked, { reason: 'not *a* cat' })
    expect((await sent.waitForReply()).content).toBe('🚩 Thanks. The administrators will look at it.')
    const direct = discord.dmChannel(admin)
    const notice = await discord.waitForMessage(
      ({ channelId, content }) => channelId === direct && /reports a/.test(content),
    )
    expect(notice.content).toContain(`discord:${discord.person.id}`)
    expect(notice.content).toContain('\nnot \\*a\\* cat\n')
    expect(notice.buttons.flat().map(({ label }) => label)).toEqual([
      expect.stringMatching(/^🔍 #[0-9a-f]{8}$/),
      '🗑 Delete',
    ])
    expect(discord.botMessages(direct)).toHaveLength(1)
    const by = { userId: admin, channelId: direct, guildId: null }
    discord.press(notice, notice.buttons.flat()[0]!.label, by)
    const again = await discord.waitForMessage(
      ({ channelId, attachments }) => channelId === direct && attachments.length > 0,
    )
    expect(again.buttons.flat().map(({ label }) => label)).toContain('🗑 Delete')
    discord.press(notice, '🗑 Delete', by)
    const sure = await discord.waitForMessage(
      ({ id, buttons }) =>
        id === notice.id && buttons.flat().length === 2 && buttons.flat()[0]!.label === 'Delete for good',
    )
    discord.press(sure, 'Delete for good', by)
    const erased = sql`select from generations where erased_at is not null`
    await expect.poll(() => test.core.database.rows(erased)).toHaveLength(1)
    await expect.poll(() => discord.botMessages().map(({ id }) => id)).not.toContain(drawn.id)
    expect(discord.botMessages(direct).map(({ id }) => id)).not.toContain(notice.id)
  })
})

describe('a report on Telegram', () => {
  const admin = { userId: 900 }
  let test: TestTelegram
  beforeEach(async () => {
    test = await openTestTelegram({ admins: ['telegram:900'] })
  })
  afterEach(async () => {
    await test.close()
    expect(test.telegram.violations).toEqual([])
  })

  it('waits for an administrator who has not started the bot, and then comes with its buttons', async () => {
    const { telegram, core } = test
    const { chatId } = telegram.say('/flux a cat', { userId: 501 })
    const drawn = await telegram.waitFor(chatId, ({ fromBot, photo }) => fromBot && photo !== undefined)
    await telegram.press(drawn, '🚩 Report', { userId: 501 }).answered(10_000)
    const question = await telegram.waitFor(chatId, ({ opensReplyOf }) => opensReplyOf !== undefined)
    telegram.say('not a cat', { userId: 501, replyTo: question.messageId })
    await telegram.waitFor(chatId, ({ text }) => text.includes('The administrators will look at it.'))
    await telegram.waitForCall('sendMessage', ({ params }) => Number(params.chat_id) === admin.userId)
    telegram.say('/help', admin)
    await core.database.rows(sql`update reports set due_at = now()`)
    const notice = await telegram.waitFor(admin.userId, ({ text }) => text.includes('reports a result'))
    expect(notice.text).toContain('telegram:501')
    expect(notice.text).toContain('\nnot a cat\n')
    telegram.press(notice, notice.buttons.flat()[0]!.label, admin)
    const again = await telegram.waitFor(admin.userId, ({ fromBot, photo }) => fromBot && photo !== undefined)
    expect(JSON.stringify(again.raw.reply_markup)).toContain('Delete')
    await expect.poll(() => core.database.rows(sql`select from reports where due_at is not null`)).toEqual([])
  })
})
