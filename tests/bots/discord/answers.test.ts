/** Answers that come late on Discord, and answers in places where the bot is not. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addressOf, targetOf } from '../../../src/bots/discord/address.ts'
import type { Address, Reply } from '../../../src/core/ports/chat.ts'
import { snowflake } from '../../emulators/discord/ids.ts'
import type { From, Interaction } from '../../emulators/discord/index.ts'
import { createPlain } from '../../helpers/core.ts'
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

describe('a result', () => {
  it('has its prompt as the alternative text of the picture', async () => {
    const { shown } = await drawn()
    expect(shown.attachments).toMatchObject([{ description: 'a fox under a very old tree' }])
    expect(shown.mentions).toEqual([])
  })

  it('mentions the person who asked, and no other, only if it took longer than a minute', async () => {
    const { asked } = await drawn()
    await on.surface.edit(addressAfter(asked, 50_000), result)
    expect(asked.reply()).toMatchObject({ mentions: [] })
    await on.surface.edit(addressAfter(asked, 61_000), result)
    expect(asked.reply()).toMatchObject({ mentions: [on.discord.person.id], mentionsEveryone: false })
    expect(asked.reply()?.content).toMatch(new RegExp(`^<@${on.discord.person.id}> `))
    const progress: Reply = { ...result, state: 'waiting', content: { kind: 'drawing', prompt: 'a fox' } }
    await on.surface.edit(addressAfter(asked, 61_000), progress)
    expect(asked.reply()).toMatchObject({ mentions: [] })
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
    const finish = createGate()
    const slow = createPlain()
    const { start } = slow
    const long = await openOnDiscord({
      // a minute before the deadline is now
      limits: { deadlineMs: 59_000 },
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
    const { discord, surface, test } = long
    const asked = discord.slash('flux', { prompt: 'a fox' }, { guildId: snowflake(), installs: 'user' })
    const waiting = await asked.waitForReply(({ buttons }) =>
      buttons.flat().some(({ label }) => label === '📬 Get result'),
    )
    expect(await discord.press(waiting, '📬 Get result').waitForAck()).toBeDefined()
    // its answer is an edit of the same message
    await expect.poll(() => test.core.database.rows(sql`select key from inbox where handled_at is null`)).toEqual([])
    discord.expireToken(asked)
    discord.closeDms(discord.person.id)
    finish.open()
    await expect
      .poll(
        async () => (await test.core.database.rows<{ state: string }>(sql`select state from generations`))[0]?.state,
      )
      .toBe('delivered')
    expect(asked.reply()?.attachments).toEqual([])
    const pressed = discord.press(waiting, '📬 Get result')
    await pressed.waitForAck()
    await expect.poll(() => discord.messages(waiting.channelId).at(-1)?.attachments.length).toBe(1)
    expect(discord.botMessages(waiting.channelId)).toHaveLength(1)
    expect(surface.needsPress?.(addressAfter(asked, 0))).toBe(false)
    await long.close()
    expect(discord.violations).toEqual([])
  })
})
