/** Credits in a server of Discord: those of a role, and the pool of the server. */
import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { accountOf, readAccount } from '../../../src/core/accounts/accounts.ts'
import { identityHash } from '../../../src/core/accounts/bans.ts'
import { askToJoin, createLinkCode, joinAgreed } from '../../../src/core/accounts/link-codes.ts'
import { unlink } from '../../../src/core/accounts/unlink.ts'
import { grant } from '../../../src/core/billing/ledger.ts'
import { forgetOldDraws } from '../../../src/core/billing/pool.ts'
import { forgetOldClaims } from '../../../src/core/billing/roles.ts'
import { AppError } from '../../../src/core/errors.ts'
import { submit, wake } from '../../../src/core/generation/submit.ts'
import { recordsOf } from '../../../src/core/privacy/records.ts'
import { chooseModel } from '../../../src/core/request/choose-model.ts'
import { snowflake } from '../../emulators/discord/ids.ts'
import type { From, Message, OptionValue } from '../../emulators/discord/index.ts'
import { createPlain, pngOf } from '../../helpers/core.ts'
import { type OnDiscord, openOnDiscord } from '../../helpers/discord.ts'
import { violations } from '../../helpers/invariants.ts'

const manageServer = String(1n << 5n)
const welcome = 20

let on: OnDiscord

beforeAll(async () => {
  const provider = createPlain({
    start: async ({ input }) => {
      if (JSON.stringify(input).includes('broken')) throw new AppError('moderated', { provider: 'sketch' })
      return { state: 'done', images: [await pngOf(64, 64)] }
    },
  })
  on = await openOnDiscord({
    providers: [provider],
    limits: { welcome, perMinute: 1_000, inFlight: 100, roleCredits: 12 },
  })
})

afterEach(async () => {
  const underWay = sql`select id from generations where ended_at is null`
  await expect.poll(() => on.test.core.database.rows(underWay)).toEqual([])
  expect(await violations(on.test.core.database)).toEqual([])
})

afterAll(async () => {
  await on.close()
  expect(on.discord.violations).toEqual([])
})

const person = (userId: string) => ({ id: `discord:${userId}`, name: userId })
const balanceOf = async (userId: string) => {
  const { core } = on.test
  return (await readAccount(core, await accountOf(core, { ...person(userId), name: 'x' }))).balance
}

function newServer() {
  const guildId = snowflake()
  const rule = async (what: string, values: Record<string, OptionValue> = {}): Promise<Message> =>
    on.discord.slash(`server ${what}`, values, { guildId, permissions: manageServer }).waitForReply()
  const act = (from: From) => on.discord.slash('queue', {}, { guildId, ...from }).waitForReply()
  return { guildId, rule, act }
}

describe('the daily credits of a role', () => {
  it('are those of the best role, once a day, for many acts at once', async () => {
    const { guildId, rule, act } = newServer()
    const [artist, star, userId] = [snowflake(), snowflake(), snowflake()]
    await rule('role', { role: artist, credits: 3 })
    const shown = await rule('role', { role: star, credits: 5 })
    expect(shown.content.replaceAll('\\', '')).toContain(`Role role-${star.slice(-3)}: 5 credits a day`)
    expect((await rule('role', { role: star, credits: 13 })).content).toContain('0–12')
    const roles = [artist, star, snowflake()]
    await Promise.all(Array.from({ length: 8 }, () => act({ userId, roles })))
    await act({ userId, roles })
    expect(await balanceOf(userId)).toBe(welcome + 5)
    const other = snowflake()
    await act({ userId: other, roles: [snowflake()] })
    expect(await balanceOf(other)).toBe(welcome)
    const entries = await on.discord.slash('credits', {}, { userId }).waitForReply()
    expect(entries.content).toContain('a role’s daily credits')
    // those of another day do not count
    const regular = snowflake()
    const { core } = on.test
    const id = await accountOf(core, person(regular))
    await core.database.rows(sql`
      insert into role_claims (chat, user_id, day, member, credits) values (${`discord:${guildId}`}, ${id}::uuid,
        (now() at time zone 'UTC')::date - 1, ${identityHash(core, `discord:${regular}`)}, 12)`)
    await act({ userId: regular, roles: [artist] })
    expect(await balanceOf(regular)).toBe(welcome + 3)
    await core.database.rows(sql`update role_claims set day = day - 3`)
    await forgetOldClaims(core)
    expect(await on.test.core.database.rows(sql`select from role_claims`)).toEqual([])
    await rule('role', { role: artist, credits: 0 })
    const late = snowflake()
    await act({ userId: late, roles: [artist] })
    expect(await balanceOf(late)).toBe(welcome)
  })

  it('have a limit in all servers together, and none are for banned people', async () => {
    const [userId, banned, role] = [snowflake(), snowflake(), snowflake()]
    const servers = [newServer(), newServer(), newServer()]
    for (const { rule } of servers) await rule('role', { role, credits: 8 })
    await Promise.all(servers.map(({ act }) => act({ userId, roles: [role] })))
    expect(await balanceOf(userId)).toBe(welcome + 12)
    const id = await accountOf(on.test.core, person(banned))
    await on.test.core.database.rows(sql`update users set banned = true where id = ${id}::uuid`)
    await servers[0]!.act({ userId: banned, roles: [role] })
    expect(await balanceOf(banned)).toBe(welcome)
  })

  it('come once to a person with several identities, and to an identity that changes its account', async () => {
    const { core } = on.test
    const { rule, act } = newServer()
    const [first, second, role] = [snowflake(), snowflake(), snowflake()]
    await rule('role', { role, credits: 4 })
    await act({ userId: first, roles: [role] })
    await act({ userId: second })
    const code = await createLinkCode(core, { from: person(first), key: snowflake() })
    const { ref } = await askToJoin(core, { from: person(second), key: snowflake() }, code)
    await joinAgreed(core, { from: person(second), key: snowflake() }, ref)
    const joined = await balanceOf(first)
    await act({ userId: second, roles: [role] })
    expect(await balanceOf(first)).toBe(joined)
    await unlink(core, { from: person(first), key: snowflake() })
    await act({ userId: first, roles: [role] })
    expect([await balanceOf(first), await balanceOf(second)]).toEqual([0, joined])
  })
})

/** Credits of an administrator; negative ones are taken. */
async function give(userId: string, amount: number): Promise<void> {
  const { core } = on.test
  await grant(core, { userId: await accountOf(core, person(userId)), amount, source: 'admin', key: snowflake() })
}

/** A person without credits. */
async function pauper(): Promise<string> {
  const userId = snowflake()
  await give(userId, -welcome)
  return userId
}

async function poolIn(guildId: string): Promise<number> {
  const rows = await on.test.core.database.rows<{ balance: number }>(
    sql`select balance from users where id = (select pool_id from chat_rules where chat = ${`discord:${guildId}`})`,
  )
  return rows[0]?.balance ?? 0
}

const drawnIn = async (guildId: string) => {
  const rows = await on.test.core.database.rows<{ credits: number }>(
    sql`select credits from pool_draws where chat = ${`discord:${guildId}`} order by id`,
  )
  return rows.map(({ credits }) => credits)
}

/** A server whose pool has so many credits. */
async function withPool(credits: number, cap: number) {
  const server = newServer()
  const { guildId, rule } = server
  const giver = snowflake()
  await give(giver, credits)
  const fund = (amount: number, from: From = {}) =>
    on.discord.slash('server fund', { amount }, { guildId, userId: giver, ...from }).waitForReply()
  const told = await fund(credits)
  expect(told.content).toContain(
    `${credits} credits moved into the pool of this server, which has ${credits} credits now`,
  )
  expect(told.ephemeral).toBe(true)
  expect([await balanceOf(giver), await poolIn(guildId)]).toEqual([welcome, credits])
  const shown = await rule('pool', { cap })
  expect(shown.content).toContain(`Pool: ${credits} credits · a member may draw ${cap} credit`)
  const ask = (prompt: string, userId: string, from: From = {}) =>
    on.discord.slash('flux', { prompt }, { guildId, userId, ...from })
  const drawn = (prompt: string, userId: string) =>
    ask(prompt, userId).waitForReply(({ attachments }) => attachments.length > 0)
  const submitAs = (userId: string) =>
    submit(on.test.core, {
      key: `at once:${snowflake()}`,
      surface: 'discord',
      address: `discord:/channels/${on.discord.addChannel({ guildId })}/${userId}/-/-`,
      place: { group: { id: guildId }, channel: 'x', nsfw: false, manager: false, roles: [] },
      locale: 'en',
      chosen: chooseModel(on.test.core, { images: 0, words: true }),
      params: { prompt: 'a fox' },
      images: [],
      from: person(userId),
    })
  return { ...server, giver, fund, ask, drawn, submitAs }
}

/** Accepts them all at the same time, and has the accepted ones drawn. Resolves to the errors of the others. */
async function allAtOnce(asking: readonly ReturnType<typeof submit>[]) {
  const outcomes = await Promise.allSettled(asking)
  const accepted = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const errors = outcomes.flatMap((each) => (each.status === 'rejected' ? [(each.reason as AppError).kind] : []))
  return { accepted, errors, draw: () => Promise.all(accepted.map(({ job }) => wake(on.test.core, job))) }
}

describe('the pool of a server', () => {
  it('pays for members whose own credits do not suffice, up to the cap of a day', async () => {
    const { guildId, giver, fund, ask, drawn, rule } = await withPool(30, 3)
    const userId = await pauper()
    expect((await drawn('a first fox', userId)).content).toContain('1 credit from the server’s pool, 0 left')
    // own credits come first
    expect((await drawn('a fox of the giver', giver)).content).toContain(`1 credit, ${welcome - 1} left`)
    await drawn('a second fox', userId)
    expect([await poolIn(guildId), await drawnIn(guildId)]).toEqual([28, [2]])
    const credits = await on.discord.slash('credits', {}, { guildId, userId }).waitForReply()
    expect(credits.content).toContain('The pool of this server: 28 credits.')
    expect(credits.content).toContain('up to 3 credits a day; today you have drawn 2.')
    // what fails gives the credits back to the pool and to the day
    await ask('a broken fox', userId).waitForReply(
      ({ content }) => content.includes('refused this for its content'),
      20_000,
    )
    await expect.poll(async () => [await poolIn(guildId), await drawnIn(guildId)]).toEqual([28, [2]])
    await drawn('a third fox', userId)
    const told = await ask('a fourth fox', userId).waitForFollowUp()
    expect(told.content).toContain(
      'That costs 1 credit and you have 0. The pool of this server has 0 left for you today.',
    )
    const elsewhere = await ask('a fox elsewhere', userId, { guildId: newServer().guildId }).waitForFollowUp()
    expect(elsewhere.content).toContain('An administrator can give you more')
    await rule('pool', { cap: 0 })
    expect((await ask('a fox without a cap', await pauper()).waitForFollowUp()).content).toContain('An administrator')
    // free credits cannot be put there, and neither can those of others
    expect((await fund(5)).content.replaceAll('\\', '')).toMatch(/^⚠️/)
    expect([await balanceOf(giver), await poolIn(guildId)]).toEqual([welcome - 1, 27])
  })

  it('never pays beyond the cap for 50 requests of a member at once', async () => {
    const { guildId, submitAs } = await withPool(100, 10)
    const userId = await pauper()
    const { accepted, errors, draw } = await allAtOnce(Array.from({ length: 50 }, () => submitAs(userId)))
    expect([accepted.length, new Set(errors)]).toEqual([10, new Set(['no_credits'])])
    expect([await poolIn(guildId), await drawnIn(guildId)]).toEqual([90, [10]])
    await draw()
  })

  it('never pays more than it has for 50 members at once', async () => {
    const { guildId, submitAs } = await withPool(7, 10)
    const members = await Promise.all(Array.from({ length: 50 }, pauper))
    const { accepted, errors, draw } = await allAtOnce(members.map(submitAs))
    expect([accepted.length, new Set(errors)]).toEqual([7, new Set(['no_credits'])])
    expect([await poolIn(guildId), await drawnIn(guildId)]).toEqual([0, Array.from({ length: 7 }, () => 1)])
    await draw()
  })

  it('counts what a member has drawn today when accounts are joined and left', async () => {
    const { core } = on.test
    const { drawn, ask } = await withPool(10, 1)
    const [userId, other] = [await pauper(), await pauper()]
    await drawn('a fox before', userId)
    const code = await createLinkCode(core, { from: person(other), key: snowflake() })
    const { ref } = await askToJoin(core, { from: person(userId), key: snowflake() }, code)
    await joinAgreed(core, { from: person(userId), key: snowflake() }, ref)
    expect((await ask('a fox after', userId).waitForFollowUp()).content).toContain('has 0 left for you today')
    await unlink(core, { from: person(userId), key: snowflake() })
    expect((await ask('a fox alone', userId).waitForFollowUp()).content).toContain('has 0 left for you today')
  })

  it('is part of the export, and forgets after days who drew', async () => {
    const { core } = on.test
    const { guildId, drawn } = await withPool(10, 3)
    const userId = await pauper()
    await drawn('a fox to export', userId)
    let exported = ''
    for await (const piece of recordsOf(core, await accountOf(core, person(userId)))) exported += piece
    expect(JSON.parse(exported).poolDraws).toEqual([
      { chat: `discord:${guildId}`, day: expect.any(String), credits: 1 },
    ])
    const chat = `discord:${guildId}`
    const read = () =>
      core.database.rows<object>(sql`select member = id::text as forgotten from pool_draws where chat = ${chat}`)
    await forgetOldDraws(core)
    expect(await read()).toEqual([{ forgotten: false }])
    await core.database.rows(sql`update pool_draws set day = day - 3 where chat = ${chat}`)
    await forgetOldDraws(core)
    expect([await read(), await drawnIn(guildId)]).toEqual([[{ forgotten: true }], [1]])
  })
})
