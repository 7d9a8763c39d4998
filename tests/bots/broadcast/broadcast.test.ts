/** `/broadcast` on Telegram: the preview, the pace, what becomes of each chat, and how administrators steer it. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { broadcastLooks } from '../../../src/bots/broadcast/replies.ts'
import { allCommands } from '../../../src/bots/commands/index.ts'
import { answerTo } from '../../../src/bots/dispatch.ts'
import { plainText } from '../../../src/bots/layout.ts'
import { telegramPace } from '../../../src/bots/telegram/pace.ts'
import { createTelegram } from '../../../src/bots/telegram/telegram.ts'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { forgetOldBroadcasts, readBroadcast } from '../../../src/core/broadcasts/broadcasts.ts'
import { readStanding } from '../../../src/core/broadcasts/recipients.ts'
import { type Broadcasting, keepBroadcasting } from '../../../src/core/broadcasts/send.ts'
import { createChatPace } from '../../../src/core/chats/pace.ts'
import type { Call } from '../../../src/core/ports/chat.ts'
import { closeAccount } from '../../../src/core/privacy/close.ts'
import type { ShownMessage } from '../../emulators/telegram/index.ts'
import { keepLog } from '../../helpers/log.ts'
import { openTestTelegram, type TestTelegram } from '../../helpers/telegram.ts'

const ROOT = { userId: 1, firstName: 'Root' }
const many = 60
const firstId = 2_000
const ids = Array.from({ length: many }, (_, index) => firstId + index)

let test: TestTelegram
let sending: Broadcasting
beforeAll(async () => {
  test = await openTestTelegram({ admins: ['telegram:1'], works: false })
  sending = await keepBroadcasting(test.core, broadcastLooks)
})
afterAll(async () => {
  await sending.stop()
  await test.close()
  expect(test.telegram.violations).toEqual([])
})

/** People who wrote in private, as many as the test needs. */
beforeEach(async () => {
  await test.quiet()
  await test.core.database.rows(sql`delete from private_chats`)
})
async function open(people: readonly number[], locale = 'en', seen = 'now') {
  for (const userId of people) test.telegram.open({ userId })
  await test.core.database.rows(sql`
    insert into private_chats (person, locale, seen_at)
    select 'telegram:' || value, ${locale}, ${seen}::timestamptz
    from jsonb_array_elements_text(${JSON.stringify(people)}::jsonb)`)
}

const last = () => test.telegram.botMessages(1).at(-1)!
const labels = ({ buttons }: ShownMessage) => buttons.flat().map(({ label }) => label)
const shows = (pattern: RegExp) => test.telegram.waitFor(1, ({ fromBot, text }) => fromBot && pattern.test(text))

/** Resolves with the preview. */
async function propose(text: string): Promise<ShownMessage> {
  const { messageId } = test.telegram.say(`/broadcast ${text}`, ROOT)
  return test.telegram.waitFor(1, ({ fromBot, replyTo }) => fromBot && replyTo === messageId)
}
const press = async (message: ShownMessage, button: string) =>
  (await test.telegram.press(message, button, ROOT).answered()).text
const got = (chatId: number, text: string) =>
  test.telegram.botMessages(chatId).filter((message) => message.text === text)
const outcomes = async () => {
  const rows = await test.core.database.rows<{ state: string; n: number }>(sql`
    select state, count(*)::int as n from broadcast_recipients where broadcast_id = (
      select id from broadcasts order by created_at desc limit 1) group by state`)
  return Object.fromEntries(rows.map(({ state, n }) => [state, n]))
}

describe('/broadcast', () => {
  it('shows the text as people will get it, and counts each audience', async () => {
    await open([firstId, firstId + 1], 'zh')
    await open([firstId + 2], 'en', '2020-01-01')
    const preview = await propose('New:  upscaling --ar 16:9\n\nTry /upscale')
    expect(preview.text).toMatch(/^New: {2}upscaling --ar 16:9\n\nTry \/upscale\n\n———\n/)
    expect(preview.text).toContain('1. Everyone who has written in private: 4 people ✅')
    expect(preview.text).toContain(
      '2. Wrote in the last 30 days: 3 people\n3. English: 2 people\n4. 简体中文: 2 people',
    )
    expect(labels(preview)).toEqual(['👥 1', '👥 2', '👥 3', '👥 4', '📣 Send', 'Do not send'])
    await press(preview, '👥 4')
    expect(last().text).toMatch(/4\. 简体中文: 2 people ✅$/)
    await press(last(), '📣 Send')
    const status = await shows(/^✅ Sent · 简体中文/)
    expect(status.messageId).toBe(preview.messageId)
    expect(status.text).toContain('2 sent, 0 blocked the bot, 0 failed, 0 left')
    expect(labels(status)).toEqual([])
    const announced = 'New:  upscaling --ar 16:9\n\nTry /upscale'
    expect(ids.slice(0, 3).map((id) => got(id, announced).length)).toEqual([1, 1, 0])
    expect(labels(got(firstId, announced)[0]!)).toEqual(['🔕 不再接收公告'])
    // a second press of an older message does not start it again
    expect(await press({ ...preview }, '📣 Send')).toBe('Under way.')
  })

  it('keeps within 30 calls a second, and sends once to each person, also when chats refuse or calls are lost', async () => {
    await open(ids)
    // in the order of their ids, so that the calls that fail are to others
    const [blocked, blockedToo, gone, unknown] = ids.slice(-4) as [number, number, number, number]
    test.telegram.block(blocked)
    test.telegram.refuse(blockedToo, 'Bad Request: chat not found')
    test.telegram.refuse(gone, 'Forbidden: user is deactivated')
    test.telegram.refuse(unknown, 'Bad Request: PEER_ID_INVALID')
    const preview = await propose('Faults')
    const { faults } = test.telegram
    // a lost answer, a lost call, and a pause: Telegram says only of the last that nothing was sent
    faults.add({ kind: 'dropAfter', match: { path: /^sendMessage$/ }, times: 1 })
    faults.add({ kind: '500', match: { path: /^sendMessage$/ }, times: 1 })
    faults.add({ kind: '429', match: { path: /^sendMessage$/ }, times: 2, retryAfterSeconds: 1 })
    await press(preview, '📣 Send')
    const status = await shows(/^✅ Sent · Everyone[\s\S]*Faults/)
    // the administrator has a private chat, too
    const all = many + 1
    const sent = all - 6
    expect(status.text).toContain(
      `${sent} sent, 3 blocked the bot, 1 failed, 0 left\n2 unclear, may have arrived, not sent again: `,
    )
    const inDoubt = await test.core.database.rows<{ person: string }>(sql`
      select person from broadcast_recipients where state = 'unknown' order by person`)
    expect(status.text.split('again: ')[1]).toBe(inDoubt.map(({ person }) => person).join(', '))
    await test.core.database.rows(sql`update broadcasts set locale = 'zh' where text = 'Faults'`)
    const [{ id } = { id: '' }] = await test.core.database.rows<{ id: string }>(sql`
      select id from broadcasts where text = 'Faults'`)
    const inChinese = broadcastLooks.status((await readBroadcast(test.core, id))!, await readStanding(test.core, id))
    expect(plainText(inChinese)).toContain(
      `结果不明 2，可能已送达，不会重发：${inDoubt.map(({ person }) => person).join('、')}`,
    )
    expect(await outcomes()).toEqual({ sent, blocked: 2, gone: 1, failed: 1, unknown: 2 })
    const times = [...ids, 1].map((id) => got(id, 'Faults').length)
    expect(Math.max(...times)).toBe(1)
    // of the two that are unknown one arrived
    expect(times.filter((n) => n === 1)).toHaveLength(sent + 1)
    const calls = test.telegram.requests.filter(
      ({ method, params }) => params.chat_id !== undefined && method !== 'sendChatAction',
    )
    const starts = calls.map(({ at }) => at)
    const busiest = Math.max(...starts.map((start) => starts.filter((at) => at >= start && at < start + 1_000).length))
    expect(busiest).toBeLessThanOrEqual(30)

    // the next one leaves out those who do not let the bot write, until they write again
    test.telegram.unblock(blocked)
    test.telegram.say('/help', { userId: blocked })
    await test.quiet()
    expect((await propose('Next')).text).toContain(`private: ${all - 2} people ✅`)
  })

  it('is paused, goes on and stops, and passes over people who mute it meanwhile', async () => {
    const others = ids.slice(0, 30)
    await open(others)
    const preview = await propose('Steered')
    // two presses at once start it once; it gets no further than the first people
    const start = async (of: ShownMessage) => {
      test.telegram.faults.add({ kind: '429', match: { path: /^sendMessage$/ }, times: 1, retryAfterSeconds: 600 })
      await Promise.all([press(of, '📣 Send'), press(of, '📣 Send')])
      const waiting = sql`select id from broadcasts where state = 'running' and not_before > now() + interval '5 minutes'`
      await expect.poll(() => test.core.database.rows(waiting)).toHaveLength(1)
    }
    await start(preview)
    const running = await shows(/^📣 Sending · Everyone[\s\S]*Steered/)
    expect(await press(running, '⏸ Pause')).toBe('Paused.')
    const paused = await shows(/^⏸ Paused[\s\S]*Steered/)
    expect(labels(paused)).toEqual(['▶️ Resume', '⏹ Stop'])
    const muted = got(ids[40]!, 'Faults')[0]!
    const answer = await test.telegram.press(muted, '🔕 No more announcements', { userId: ids[40] }).answered()
    expect(answer).toMatchObject({ text: expect.stringContaining('/settings announcements on'), showAlert: true })
    expect(labels(got(ids[40]!, 'Faults')[0]!)).toEqual(['🔔 Get announcements again'])
    const muting = others.at(-1)!
    test.telegram.say('/settings announcements off', { userId: muting })
    await test.telegram.waitFor(muting, ({ text }) => text.includes('Announcements: off · yours'))
    // the command shows it again, and that message then goes on
    test.telegram.say('/broadcast', ROOT)
    const again = await test.telegram.waitFor(
      1,
      ({ messageId, text }) => messageId > paused.messageId && /Paused/.test(text),
    )
    await test.core.database.rows(sql`update broadcasts set not_before = now() where text = 'Steered'`)
    expect(await press(again, '▶️ Resume')).toBe('Under way.')
    const done = await shows(/^✅ Sent[\s\S]*Steered/)
    expect(done.messageId).toBe(again.messageId)
    expect(done.text).toContain(`${others.length} sent, 0 blocked the bot, 0 failed, 0 left\n1 left out`)
    expect(Math.max(...[...others, 1].map((id) => got(id, 'Steered').length))).toBe(1)

    expect((await propose('After')).text).toContain(`private: ${others.length} people ✅`)
    await start(last())
    const stopping = await shows(/^📣 Sending[\s\S]*After/)
    expect(await press(stopping, '⏹ Stop')).toBe('Stopped.')
    const stopped = await shows(/^⏹ Stopped[\s\S]*After/)
    expect(labels(stopped)).toEqual([])
    expect(await press(stopped, '⏸ Pause')).toBe('Stopped.')
    const acts = await test.core.database.rows<{ action: string }>(sql`
      select action from audit_log where target in (select id::text from broadcasts where text in ('Steered', 'After')) order by id`)
    expect(acts.map(({ action }) => action)).toEqual([
      'broadcast',
      'broadcast pause',
      'broadcast resume',
      'broadcast',
      'broadcast stop',
    ])
  })

  it('leaves room to people who wait, and most of it to answers', async () => {
    // a second that lasts for the whole test, of a bot without other calls
    const overall = [{ calls: 30, ms: 600_000 }]
    const token = '42:of-another-bot'
    const bot = createTelegram({
      token,
      apiUrl: test.telegram.apiUrl,
      database: test.core.database,
      commands: [],
      log: keepLog(),
      pace: { ...telegramPace, group: [], private: [], overall },
    })
    const countOf = async (takes: () => Promise<boolean>) => {
      let n = 0
      while (await takes()) n++
      return n
    }
    expect(await countOf(() => bot.announcer!.takeRoom())).toBe(20)
    expect(await countOf(() => bot.takeRoom!('telegram:1:1:text::'))).toBe(5)
    const pace = createChatPace(test.core.database)
    expect(await countOf(() => pace.takeRoom('telegram:42:all', overall))).toBe(5)
  })

  it('is refused by name where announcements do not go out, and without a text', async () => {
    const { messageId } = test.telegram.say('/broadcast', ROOT)
    const refused = await test.telegram.waitFor(1, ({ replyTo }) => replyTo === messageId)
    expect(refused.text).toContain('text needs a value')
    expect((await propose('x'.repeat(3_501))).text).toContain('at most 3500 characters')
    const from = { id: 'telegram:1', name: 'Root' }
    const act = { kind: 'command', name: 'broadcast', text: 'Hello', options: {} } as const
    const place = { channel: 'c', nsfw: false, manager: false, roles: [] }
    const call: Call = {
      key: 'd',
      surface: 'discord',
      address: 'discord:1',
      from,
      place,
      locale: 'en',
      act,
      images: [],
    }
    const handlers = { commands: allCommands, actions: [] }
    const { answer } = await answerTo({ core: test.core, handlers, call }, act)
    expect(answer.content).toMatchObject({ kind: 'refusal', error: 'no_broadcasts' })
  })

  it('forgets what a person got once the account is deleted, and everything after a week', async () => {
    const { core } = test
    const userId = await accountOf(core, { id: `telegram:${firstId}`, name: 'Ada' })
    await open([firstId, firstId + 1])
    await press(await propose('Old'), '📣 Send')
    await shows(/^✅ Sent[\s\S]*Old/)
    await closeAccount(core, userId)
    const ofPerson = sql`
      select person from private_chats where person = ${`telegram:${firstId}`}
      union all select person from broadcast_recipients where person = ${`telegram:${firstId}`}`
    expect(await core.database.rows(ofPerson)).toEqual([])
    expect((await outcomes()).sent).toBe(2)
    await core.database.rows(
      sql`update broadcasts set created_at = now() - interval '8 days', ended_at = now() - interval '8 days' where text = 'Old'`,
    )
    await forgetOldBroadcasts(core)
    expect(await core.database.rows(sql`select id from broadcasts where text = 'Old'`)).toEqual([])
    expect(
      await core.database.rows(
        sql`select r.person from broadcast_recipients r left join broadcasts b on b.id = r.broadcast_id where b.id is null`,
      ),
    ).toEqual([])
  })
})
