/** Credits in a server of Discord: those of a role, and the pool of the server. */
import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { accountOf, readAccount } from '../../../src/core/accounts/accounts.ts'
import { identityHash } from '../../../src/core/accounts/bans.ts'
import { askToJoin, createLinkCode, joinAgreed } from '../../../src/core/accounts/link-codes.ts'
import { unlink } from '../../../src/core/accounts/unlink.ts'
import { forgetOldClaims } from '../../../src/core/billing/roles.ts'
import { snowflake } from '../../emulators/discord/ids.ts'
import type { From, Message, OptionValue } from '../../emulators/discord/index.ts'
import { type OnDiscord, openOnDiscord } from '../../helpers/discord.ts'
import { violations } from '../../helpers/invariants.ts'

const manageServer = String(1n << 5n)
const welcome = 20

let on: OnDiscord

beforeAll(async () => {
  on = await openOnDiscord({ limits: { welcome, perMinute: 1_000, inFlight: 100, roleCredits: 12 } })
})

afterEach(async () => {
  const underWay = sql`select id from generations where ended_at is null`
  await expect.poll(() => on.test.core.database.rows(underWay), { timeout: 20_000 }).toEqual([])
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
