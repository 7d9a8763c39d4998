/** Answers that come late on Discord, and answers in places where the bot is not. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addressOf, createdAtMs, targetOf } from '../../../src/bots/discord/address.ts'
import { button } from '../../../src/core/chats/buttons.ts'
import { sentMessages } from '../../../src/core/generation/sent-messages.ts'
import { type Address, noPicture, type Reply } from '../../../src/core/ports/chat.ts'
import { snowflake } from '../../emulators/discord/ids.ts'
import type { From, Interaction, Message } from '../../emulators/discord/index.ts'
import { keepSent } from '../../helpers/chat.ts'
import { createPlain, pngOf } from '../../helpers/core.ts'
import { type OnDiscord, openOnDiscord } from '../../helpers/discord.ts'
import { createGate } from '../../helpers/gate.ts'

let on: OnDiscord

beforeAll(async () => {
  on = await openOnDiscord()
})

afterAll(async () => {
  await on.close()
  expect(on.discord.violations).toEqual([])
})

const result: Reply = {
  locale: 'en',
  state: 'done',
  content: {
    kind: 'result',
    id: '1a2b3c4d',
    prompt: 'for <@80351110224678912> @everyone',
    model: 'm',
    servedBy: 's',
    width: 1,
    height: 1,
    seconds: 1,
    credits: 1,
    notes: [],
  },
}

async function drawn(from: From = {}) {
  const asked = on.discord.slash('flux', { prompt: 'a fox under a very old tree' }, from)
  return { asked, shown: await asked.waitForReply(({ attachments }) => attachments.length > 0) }
}

/** Where the answer to an interaction of so many milliseconds ago goes. */
function addressAfter({ token, payload }: Interaction, ageMs: number, more: object = {}): Address {
  const { application_id: applicationId, channel_id: channelId } = payload
  const target = {
    kind: 'interaction' as const,
    applicationId: String(applicationId),
    token,
    interactionId: snowflake(Date.now() - ageMs),
    channelId: String(channelId),
    userId: on.discord.person.id,
    audience: 'public' as const,
    ...more,
  }
  expect(targetOf(addressOf(target))).toMatchObject(target)
  return addressOf(target)
}

async function newPicture() {
  return { key: '', name: 'new.png', alt: 'new', file: await on.test.core.images.keep(await pngOf(32, 32)) }
}

describe('a result', () => {
  it('has its prompt as the alternative text of the picture', async () => {
    const { shown } = await drawn()
    expect(shown.attachments).toMatchObject([{ description: 'a fox under a very old tree' }])
    expect(shown.mentions).toEqual([])
  })

  it('mentions the person who asked, and no other, in a new message, only if it took longer than a minute', async () => {
    const { asked } = await drawn()
    const { notified } = on.discord
    await on.surface.edit(addressAfter(asked, 50_000), result, keepSent())
    expect(notified).toEqual([])
    await on.surface.edit(addressAfter(asked, 61_000, { audience: 'private' }), result, keepSent())
    const progress: Reply = { ...result, state: 'waiting', content: { kind: 'drawing', prompt: 'a fox' } }
    await on.surface.edit(addressAfter(asked, 61_000), progress)
    expect(notified).toEqual([])
    await on.surface.edit(addressAfter(asked, 61_000), result, keepSent())
    const shown = asked.reply()
    expect(shown).toMatchObject({ mentions: [], mentionsEveryone: false })
    const last = on.discord.messages(shown?.channelId).at(-1)
    expect(last).toMatchObject({
      content: `<@${on.discord.person.id}> your picture is ready.`,
      replyTo: shown?.id,
      mentions: [on.discord.person.id],
      mentionsEveryone: false,
    })
    expect(notified).toEqual([{ userId: on.discord.person.id, messageId: last?.id }])
  })

  it('mentions the person once, however often it is sent', async () => {
    const { asked } = await drawn()
    const { notified, faults } = on.discord
    const before = notified.length
    const address = addressAfter(asked, 61_000)
    // no response arrives, so that nothing is recorded: the nonce keeps the second mention away
    faults.add({ kind: 'dropAfter', match: { method: 'POST', path: /^\/channels/ }, times: 2 })
    const failed = keepSent()
    await on.surface.edit(address, result, failed)
    expect(failed.earlier).toEqual([])
    const sent = keepSent()
    await Promise.all([on.surface.edit(address, result, sent), on.another().edit(address, result, sent)])
    expect(sent.earlier).toMatchObject([{ part: noPicture, fileIds: [] }])
    expect(notified).toHaveLength(before + 1)
    // what is recorded is not sent again, even if Discord has forgotten the nonce
    const requests = on.discord.requests.length
    await on.surface.edit(address, result, sent)
    expect(on.discord.requests.slice(requests).map(({ method }) => method)).toEqual(['PATCH'])
    // the token has expired: the message that was there is edited, and mentions no one a second time
    await on.surface.edit(addressAfter(asked, 16 * 60_000), result, sent)
    expect(on.discord.notified).toHaveLength(before + 1)
  })

  it('takes its mention along when it is deleted', async () => {
    const { core } = on.test
    const { asked, shown } = await drawn()
    const [row] = await core.database.rows<{ id: string }>(sql`select id from generations order by id desc limit 1`)
    const sent = await sentMessages(core, { id: row!.id, surface: 'discord' })
    const late = { ...result, pictures: [await newPicture()], buttons: [[button('delete', row!.id)]] }
    await on.surface.edit(addressAfter(asked, 61_000), late, sent)
    const mention = on.discord.messages(shown.channelId).at(-1)
    expect(mention).toMatchObject({ replyTo: shown.id, content: expect.stringContaining('your picture is ready') })
    const parts = sql`select part from sent_messages where generation_id = ${row!.id} order by part`
    expect(await core.database.rows(parts)).toEqual([{ part: noPicture }, { part: 0 }])
    await on.discord.press(asked.reply()!, '🗑 Delete').waitForAck()
    await expect
      .poll(() =>
        asked
          .reply()
          ?.buttons.flat()
          .map(({ label }) => label),
      )
      .toContain('Delete for good')
    on.discord.press(asked.reply()!, 'Delete for good')
    const left = () => on.discord.messages(shown.channelId).map((message) => message.id)
    await expect.poll(left).not.toContain(shown.id)
    await expect.poll(left).not.toContain(mention?.id)
  })

  it('keeps its picture while only its buttons change, and has only the new one when it is shown again', async () => {
    const { asked, shown } = await drawn()
    const files = ({ attachments }: Message) => attachments.map(({ id, filename }) => [id, filename])
    const picture = await newPicture()
    const channelId = on.discord.addChannel()
    on.discord.sendMessage(`<@${on.discord.applicationId}> a fox in a message`, { channelId })
    const inMessage = () => on.discord.botMessages(channelId).at(-1)!
    await expect.poll(() => inMessage()?.attachments.length).toBe(1)
    const written = inMessage()
    const channelTarget = { kind: 'channel' as const, channelId, userId: on.discord.person.id, messageId: written.id }
    const messages: [Message, Address, () => Message][] = [
      [shown, addressAfter(asked, 0), () => asked.reply()!],
      [written, addressOf(channelTarget), inMessage],
    ]
    for (const [before, address, now] of messages) {
      await on.surface.changeButtons(address, { locale: 'en', buttons: [[button('keep', 'x')]] })
      expect(
        now()
          .buttons.flat()
          .map(({ label }) => label),
      ).toEqual(['Keep'])
      expect(files(now())).toEqual(files(before))
      await on.surface.edit(address, { ...result, pictures: [picture] })
      expect(files(now())).toEqual([[expect.any(String), 'new.png']])
      expect(now().attachments[0]?.id).not.toBe(before.attachments[0]?.id)
      await on.surface.edit(address, { ...result, state: 'failed', content: { kind: 'text', text: 'gone' } })
      expect(now()).toMatchObject({ content: 'gone', attachments: [] })
    }
  })

  it('mentions the person through the token of the interaction where the bot cannot write', async () => {
    const channelId = on.discord.addChannel()
    const { asked } = await drawn({ channelId })
    const before = on.discord.notified.length
    on.discord.denyChannel(channelId, 50013)
    const sent = keepSent()
    for (let times = 2; times > 0; times--) await on.surface.edit(addressAfter(asked, 61_000), result, sent)
    expect(asked.followUps()).toMatchObject([{ mentions: [on.discord.person.id] }])
    const outside = await drawn({ guildId: snowflake(), installs: 'user' })
    const other = keepSent()
    const address = addressAfter(outside.asked, 61_000, { isOutside: true })
    await Promise.all([on.surface.edit(address, result, other), on.another().edit(address, result, other)])
    expect(outside.asked.followUps()).toMatchObject([{ mentions: [on.discord.person.id] }])
    expect(on.discord.notified).toHaveLength(before + 2)
  })
})

describe('four pictures', () => {
  it('are one message, with buttons that name their numbers and the prompt as alternative text', async () => {
    const images = await Promise.all(['red', 'green', 'blue', 'white'].map((colour) => pngOf(64, 64, colour)))
    const provider = createPlain({ start: async () => ({ state: 'done', images }) })
    const batch = await openOnDiscord({ providers: [provider] })
    const asked = batch.discord.slash('flux', { prompt: 'a fox', count: 4 })
    const shown = await asked.waitForReply(({ attachments }) => attachments.length > 0)
    expect(shown.attachments.map(({ description }) => description)).toEqual(Array(4).fill('a fox'))
    const labels = shown.buttons.flat().map(({ label }) => label ?? '')
    for (const number of [1, 2, 3, 4]) {
      expect(labels.filter((label) => new RegExp(` ${number}( ·|$)`).test(label)).length).toBeGreaterThan(0)
    }
    expect(shown.buttons.length).toBeLessThanOrEqual(5)
    expect(Math.max(...shown.buttons.map((row) => row.length))).toBeLessThanOrEqual(5)
    expect([batch.discord.botMessages().length, asked.followUps()]).toEqual([1, []])
    // the second one is the input of what its button draws
    const vary = labels.find((label) => / 2( ·|$)/.test(label)) ?? ''
    expect(await batch.discord.press(shown, vary).waitForAck()).toBeDefined()
    await expect
      .poll(() => batch.test.core.database.rows(sql`select state from generations where parent_id is not null`))
      .toEqual([{ state: 'delivered' }])
    await batch.close()
    expect(batch.discord.violations).toEqual([])
  })
})

describe('where only the person has installed the app', () => {
  const places: [string, From][] = [
    ['a server', { guildId: snowflake(), installs: 'user' }],
    ['a chat between people', { channelId: '', installs: 'user', context: 2 }],
  ]

  it.each(places)('a request in %s is answered through the token of the interaction alone', async (_place, where) => {
    const from = where.channelId === '' ? { ...where, channelId: on.discord.addChannel({ guildId: null }) } : where
    const before = on.discord.requests.length
    const { asked } = await drawn(from)
    await on.surface.edit(addressAfter(asked, 15 * 60_000, { isOutside: true }), result)
    const sent = on.discord.requests.slice(before).map(({ path }) => path)
    expect(sent.filter((path) => path.startsWith(`/channels/${asked.payload.channel_id}`))).toEqual([])
    const dm = on.discord.dmChannel(on.discord.person.id)
    expect(on.discord.botMessages(dm).at(-1)?.mentions).toEqual([on.discord.person.id])
  })

  it('the result of a long request is fetched by a button, when the person takes no direct messages', async () => {
    const long = await openLong()
    const { discord, test } = long
    const asked = discord.slash('flux', { prompt: 'a fox' }, { guildId: snowflake(), installs: 'user' })
    await long.drawing()
    discord.faults.add({ kind: '500', match: { method: 'PATCH', path: /webhooks/ }, times: 1 })
    await long.makeOlder(13 * 60_000)
    const waiting = await asked.waitForReply(({ buttons }) => buttons.flat().some(({ label }) => label === getResult))
    expect(discord.faults.hits).toHaveLength(1)
    expect(await discord.press(waiting, getResult).waitForAck()).toBeDefined()
    // its answer is an edit of the same message
    await expect.poll(() => test.core.database.rows(sql`select key from inbox where handled_at is null`)).toEqual([])
    await long.makeOlder(6 * 60_000)
    discord.expireToken(asked)
    discord.closeDms(discord.person.id)
    long.finish()
    await expect.poll(long.state).toBe('delivered')
    expect(asked.reply()?.attachments).toEqual([])
    const pressed = discord.press(waiting, getResult)
    await pressed.waitForAck()
    await expect.poll(() => discord.messages(waiting.channelId).at(-1)?.attachments.length).toBe(1)
    expect(discord.botMessages(waiting.channelId)).toHaveLength(1)
    await long.close()
    expect(discord.violations).toEqual([])
  })

  it('a result gives its credits back, if neither the button nor a direct message reached the person', async () => {
    const long = await openLong()
    const { discord, test } = long
    const asked = discord.slash('flux', { prompt: 'a fox' }, { guildId: snowflake(), installs: 'user' })
    await long.drawing()
    discord.faults.add({ kind: '500', match: { method: 'PATCH', path: /webhooks/ } })
    await long.makeOlder(13 * 60_000)
    await expect.poll(() => discord.faults.hits.length).toBeGreaterThan(1)
    discord.expireToken(asked)
    discord.faults.clear()
    discord.closeDms(discord.person.id)
    long.finish()
    await expect.poll(long.state).toBe('failed')
    const spent = sql`select sum(amount)::int as sum, sum(held)::int as held from ledger where generation_id is not null`
    expect(await test.core.database.rows(spent)).toEqual([{ sum: 0, held: 0 }])
    const drawn = sql`select stored_at is not null as drawn from generations`
    expect(await test.core.database.rows(drawn)).toEqual([{ drawn: true }])
    await long.close()
  })

  it('a message that the bot can reach without a press needs none', async () => {
    const { asked } = await drawn()
    const { needsPressFrom } = on.surface
    expect(needsPressFrom?.(addressAfter(asked, 0))).toBeUndefined()
    const pressed = { audience: 'private', originalId: snowflake() }
    expect(needsPressFrom?.(addressAfter(asked, 0, pressed))).toBeUndefined()
    for (const more of [{ isOutside: true }, { audience: 'private' }, { isOutside: true, offersResult: true }]) {
      const inMs = (needsPressFrom?.(addressAfter(asked, 0, more)) ?? 0) - Date.now()
      expect(Math.round(inMs / 60_000)).toBe(13)
    }
  })
})

describe('a result after more than a minute', () => {
  it('is edited into the message that waited, and a message that is recorded mentions the person', async () => {
    const long = await openLong()
    const { discord, test } = long
    const asked = discord.slash('flux', { prompt: 'a fox' })
    await long.drawing()
    await long.makeOlder(2 * 60_000)
    // the worker reads the older address with its second try
    discord.faults.add({ kind: '500', match: { method: 'PATCH', path: /webhooks/ }, times: 2 })
    long.finish()
    await expect.poll(long.state).toBe('delivered')
    expect(asked.reply()?.attachments).toHaveLength(1)
    const [notified, ...others] = discord.notified
    expect([notified?.userId, others]).toEqual([discord.person.id, []])
    const recorded = sql`select part, posted from sent_messages order by part`
    expect(await test.core.database.rows(recorded)).toMatchObject([
      { part: noPicture, posted: expect.stringContaining(notified?.messageId ?? 'none') },
      { part: 0 },
    ])
    await long.close()
    expect(discord.violations).toEqual([])
  })

  it('is delivered although Discord does not respond to the mention', async () => {
    const long = await openLong()
    const { discord } = long
    discord.slash('flux', { prompt: 'a fox' })
    await long.drawing()
    await long.makeOlder(2 * 60_000)
    // the worker reads the older address with its second try
    discord.faults.add({ kind: '500', match: { method: 'PATCH', path: /webhooks/ }, times: 2 })
    discord.faults.add({ kind: 'hang', match: { method: 'POST', path: /^\/channels/ } })
    long.finish()
    await expect.poll(long.state, { timeout: 20_000 }).toBe('delivered')
    discord.faults.clear()
    await long.close()
  })

  it('mentions no one if the person cancels the request', async () => {
    const long = await openLong()
    const { discord } = long
    const asked = discord.slash('flux', { prompt: 'a fox' })
    await long.drawing()
    await long.makeOlder(2 * 60_000)
    discord.press(asked.reply()!, 'Cancel')
    await expect.poll(long.state).toBe('cancelled')
    await asked.waitForReply(({ content }) => content.includes('Cancelled'))
    long.finish()
    await long.close()
    expect([discord.notified, discord.violations]).toEqual([[], []])
  })
})

describe('a result after more than 15 minutes, which its provider may take', () => {
  it.each(['the channel', 'a direct message'])('is posted in %s', async (place) => {
    const isOutside = place !== 'the channel'
    const long = await openLong()
    const { discord, test } = long
    const asked = discord.slash(
      'flux',
      { prompt: 'a fox' },
      isOutside ? { guildId: snowflake(), installs: 'user' } : {},
    )
    await long.drawing()
    await long.makeOlder(15.5 * 60_000)
    discord.expireToken(asked)
    // a round of the sweeper would end it if its deadline had passed
    await test.core.database.rows(sql`update generations set wake_at = now()`)
    await expect
      .poll(() => test.core.database.rows(sql`select wake_at > now() as swept from generations`))
      .toEqual([{ swept: true }])
    long.finish()
    await expect.poll(long.state).toBe('delivered')
    const channel = isOutside ? discord.dmChannel(discord.person.id) : String(asked.payload.channel_id)
    expect(discord.botMessages(channel).at(-1)).toMatchObject({ mentions: [discord.person.id] })
    const shown = () => discord.botMessages(channel).at(-1)!
    expect(shown().attachments).toHaveLength(1)
    // its buttons work as ever
    const { id } = shown()
    const labels = () =>
      shown()
        .buttons.flat()
        .map(({ label }) => label ?? '')
    discord.press(shown(), labels().find((label) => label.includes('Delete')) ?? '')
    await expect.poll(() => labels().length).toBe(2)
    discord.press(shown(), labels()[0]!)
    await expect.poll(() => discord.botMessages(channel).some((each) => each.id === id)).toBe(false)
    await long.close()
    expect(discord.violations).toEqual([])
  })
})

const getResult = '📬 Get result'

/** With a provider that draws until `finish`. */
async function openLong(options: Parameters<typeof openOnDiscord>[0] = {}) {
  const finish = createGate()
  const slow = createPlain()
  const { start } = slow
  const long = await openOnDiscord({
    providerMs: 20 * 60_000,
    limits: { deadlineMs: 14 * 60_000, afterTimeoutMs: 60_000 },
    ...options,
    providers: [
      {
        ...slow,
        start: async (...given) => {
          await finish.pass(undefined)
          return start(...given)
        },
      },
    ],
  })
  // the worker, for which the request stays young, shows no progress in place of the button
  Object.assign(long.surface, { paceMs: 3_600_000 })
  const { database } = long.test.core
  const row = async () => {
    const [generation] = await database.rows<{ id: string; state: string; posted: Address | null }>(
      sql`select id, state, posted from generations`,
    )
    return generation
  }
  const state = async () => (await row())?.state
  return {
    ...long,
    finish: () => finish.open(),
    state,
    drawing: () => expect.poll(state).toBe('running'),
    /** As if the person had acted so much earlier. */
    async makeOlder(ms: number) {
      const { id, posted } = (await row()) ?? { id: '', posted: null }
      const target = targetOf(posted ?? '')
      if (target.kind !== 'interaction') throw new Error('not an interaction')
      const older = addressOf({ ...target, interactionId: snowflake(createdAtMs(target.interactionId) - ms) })
      const past = sql`${`${ms} milliseconds`}::interval`
      await database.rows(sql`
        update generations set posted = ${older}, address = ${older}, created_at = created_at - ${past}, deadline_at = deadline_at - ${past}
        where id = ${id}::uuid`)
    },
  }
}
