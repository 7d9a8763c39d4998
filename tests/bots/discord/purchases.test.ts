/** Purchases in Discord's shop: credits are given once, however many reports arrive, and taken back when a purchase is undone. */
import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { allActions } from '../../../src/bots/actions/index.ts'
import { allCommands } from '../../../src/bots/commands/index.ts'
import type { Discord } from '../../../src/bots/discord/discord.ts'
import { createDispatch } from '../../../src/bots/dispatch.ts'
import { accountOf, readAccount } from '../../../src/core/accounts/accounts.ts'
import { askToJoin, createLinkCode, joinAgreed } from '../../../src/core/accounts/link-codes.ts'
import { grant } from '../../../src/core/billing/ledger.ts'
import { closeAccount } from '../../../src/core/privacy/close.ts'
import { snowflake } from '../../emulators/discord/ids.ts'
import type { Entitlement } from '../../emulators/discord/shop.ts'
import { type OnDiscord, openOnDiscord } from '../../helpers/discord.ts'
import { violations } from '../../helpers/invariants.ts'

const admin = snowflake()
const dayMs = 86_400_000

let on: OnDiscord
/** Two processes receive each event. */
let other: Discord
let sentinel: string | undefined

beforeAll(async () => {
  on = await openOnDiscord({ limits: { welcome: 0 }, admins: [`discord:${admin}`] })
  other = await startAnother()
  await on.discord.waitForGateways(2)
})

afterEach(async () => {
  await quiet()
  on.discord.faults.clear()
  expect(await violations(on.test.core.database)).toEqual([])
  // not all of them fit into `/credits sku`
  await on.test.core.database.rows(sql`update skus set credits = 0 where id <> ${sentinel ?? ''}`)
})

afterAll(async () => {
  await other.stop()
  await on.close()
  expect(on.discord.violations).toEqual([])
})

const handlers = { commands: allCommands, actions: allActions }

async function startAnother(): Promise<Discord> {
  const process = on.another()
  await process.start(createDispatch(on.test.core, handlers))
  return process
}

/** Resolves once everything that was announced before is handled: events arrive in order, and this purchase comes last. */
async function handled(): Promise<void> {
  const { shop } = on.discord
  sentinel ??= await sell('consumable', 1)
  const last = shop.buy(sentinel, snowflake())
  await expect.poll(() => shop.now(last).consumed).toBe(true)
  await quiet()
}

/** Another process starts, which compares Discord's list with ours. */
async function compare(): Promise<void> {
  const lists = () => on.discord.requests.filter(({ path }) => path.endsWith('/entitlements')).length
  // the row of one that ran out on a busy machine stays
  const lease = sql`
    select name from facts where name = 'lease:discord purchases'
      and split_part(value, ' ', 2)::float8 > extract(epoch from clock_timestamp())`
  const isFree = () => on.test.core.database.rows(lease)
  // that of an earlier process may not be over
  await expect.poll(isFree).toEqual([])
  const before = lists()
  const third = await startAnother()
  await expect.poll(lists).toBeGreaterThan(before)
  await expect.poll(isFree).toEqual([])
  await third.stop()
  await quiet()
}

async function quiet(): Promise<void> {
  const waiting = sql`select key from inbox where handled_at is null limit 1`
  await expect.poll(() => on.test.core.database.rows(waiting)).toEqual([])
}

const asAdmin = async (options: Record<string, string | number>) => {
  const shown = await on.discord.slash('credits', { action: 'sku', ...options }, { userId: admin }).waitForReply()
  return shown.content.replaceAll('\\', '')
}

async function sell(kind: Parameters<OnDiscord['discord']['shop']['add']>[0], credits: number): Promise<string> {
  const sku = on.discord.shop.add(kind)
  expect(await asAdmin({ sku, amount: credits })).toMatch(/^✅ Saved/)
  await quiet()
  return sku
}

const person = (userId: string) => ({
  id: `discord:${userId}`,
  name: `user-${userId.slice(-6)}`,
  handle: `user-${userId.slice(-6)}`,
})

async function account(userId: string) {
  const { core } = on.test
  return readAccount(core, await accountOf(core, person(userId)))
}

const balanceOf = async (userId: string) => (await account(userId)).balance

/** Someone whom Discord knows. */
function newPerson(): string {
  const userId = snowflake()
  on.discord.slash('queue', {}, { userId })
  return userId
}

const announcedTo = (userId: string, text: string) =>
  on.discord.botMessages(on.discord.dmChannel(userId)).filter(({ content }) => content.includes(text))

const recordsOf = ({ id }: Entitlement) =>
  on.test.core.database.rows<{ charge: string; state: string; announced: string | null }>(sql`
    select charge, state, announced from payments join orders on orders.id = order_id
    where purchase = ${`discord:${id}`} order by paid_at`)

const entriesOf = async ({ id }: Entitlement) =>
  (
    await on.test.core.database.rows<{ key: string }>(sql`
      select key from ledger where position(${`discord:${id}`} in key) > 0 order by id`)
  ).map(({ key }) => key)

const timesConsumed = ({ id }: Entitlement) => on.discord.shop.consumed.filter((each) => each === id).length

describe('a consumable', () => {
  it('that is reported three times to two processes, and listed, gives credits once and is consumed once', async () => {
    const { shop } = on.discord
    const sku = await sell('consumable', 100)
    const buyer = newPerson()
    const bought = shop.buy(sku, buyer)
    shop.announce('ENTITLEMENT_CREATE', bought)
    shop.announce('ENTITLEMENT_CREATE', bought)
    await compare()
    await compare()
    shop.announce('ENTITLEMENT_CREATE', bought)
    await handled()
    expect(await account(buyer)).toMatchObject({ balance: 100, debt: 0 })
    expect(await recordsOf(bought)).toEqual([{ charge: `discord:${bought.id}`, state: 'paid', announced: 'paid' }])
    expect(await entriesOf(bought)).toEqual([`order:discord:${bought.id}`])
    expect(timesConsumed(bought)).toBe(1)
    expect(announcedTo(buyer, 'Thank you! You bought 100 credits. The balance is 100 credits.')).toHaveLength(1)
    // it can be bought again, and each purchase has a message of its own
    const again = shop.buy(sku, buyer)
    await expect.poll(() => shop.now(again).consumed).toBe(true)
    await handled()
    expect(await balanceOf(buyer)).toBe(200)
    expect(announcedTo(buyer, 'Thank you!')).toHaveLength(2)
  })

  it('that was bought while the bot was away is found at the start', async () => {
    const sku = await sell('consumable', 30)
    const buyer = newPerson()
    const bought = on.discord.shop.buy(sku, buyer, { isAnnounced: false })
    await handled()
    expect(await recordsOf(bought)).toEqual([])
    await compare()
    expect(await balanceOf(buyer)).toBe(30)
    expect(timesConsumed(bought)).toBe(1)
  })

  it.each([
    ['the response is lost', { kind: 'dropAfter' as const }],
    ['Discord fails', { kind: '500' as const, times: 3 }],
    ['Discord limits the rate', { kind: '429' as const, retryAfterSeconds: 0.1 }],
    ['a proxy answers 404', { kind: 'gone' as const }],
  ])('is consumed once and granted once if %s', async (_, fault) => {
    const sku = await sell('consumable', 40)
    const buyer = newPerson()
    on.discord.faults.add({ times: 1, ...fault, match: { method: 'POST', path: /\/consume$/ } })
    const bought = on.discord.shop.buy(sku, buyer)
    await expect.poll(() => on.discord.shop.now(bought).consumed).toBe(true)
    await handled()
    expect(await balanceOf(buyer)).toBe(40)
    expect(timesConsumed(bought)).toBe(1)
    expect(announcedTo(buyer, 'Thank you!')).toHaveLength(1)
  })

  it('that Discord announces before it can be read is granted once it can', async () => {
    const { shop } = on.discord
    const sku = await sell('consumable', 20)
    const buyer = newPerson()
    const bought = shop.buy(sku, buyer, { isHidden: true })
    const refused = () => on.discord.requests.some(({ path, code }) => path.endsWith(bought.id) && code === 10029)
    await expect.poll(refused).toBe(true)
    shop.show(bought)
    await expect.poll(() => timesConsumed(bought)).toBe(1)
    expect(await balanceOf(buyer)).toBe(20)
  })

  it('whose process died between the grant and the consumption is consumed by the next one', async () => {
    const { shop, faults } = on.discord
    const sku = await sell('consumable', 50)
    const buyer = newPerson()
    // no process gets an answer: what was granted is all that is left of the first try
    faults.add({ kind: '500', match: { method: 'POST', path: /\/consume$/ } })
    const bought = shop.buy(sku, buyer)
    await expect.poll(async () => (await recordsOf(bought))[0]?.announced).toBe('paid')
    await on.test.core.database.rows(sql`
      update inbox set handled_at = now(), body = '{}' where lane = ${`entitlement ${bought.id}`}`)
    expect(shop.now(bought).consumed).toBe(false)
    faults.clear()
    await compare()
    expect(await balanceOf(buyer)).toBe(50)
    expect(timesConsumed(bought)).toBe(1)
    expect(announcedTo(buyer, 'Thank you!')).toHaveLength(1)
  })

  it('that a person buys who takes no direct messages, or has left Discord, is granted all the same', async () => {
    const sku = await sell('consumable', 10)
    const closed = newPerson()
    on.discord.closeDms(closed)
    const gone = snowflake()
    const [first, second] = [on.discord.shop.buy(sku, closed), on.discord.shop.buy(sku, gone)]
    await expect.poll(() => [timesConsumed(first), timesConsumed(second)]).toEqual([1, 1])
    expect(await balanceOf(closed)).toBe(10)
    expect(await balanceOf(gone)).toBe(10)
  })

  it('that another program has consumed gives nothing', async () => {
    const sku = await sell('consumable', 10)
    const buyer = newPerson()
    const bought = on.discord.shop.buy(sku, buyer, { isAnnounced: false })
    bought.consumed = true
    await compare()
    on.discord.shop.announce('ENTITLEMENT_CREATE', bought)
    await handled()
    expect(await recordsOf(bought)).toEqual([])
  })

  it('that was bought in test mode gives credits as any other', async () => {
    const sku = await sell('consumable', 10)
    const developer = newPerson()
    const bought = on.discord.shop.buy(sku, developer, { isTest: true })
    await expect.poll(() => timesConsumed(bought)).toBe(1)
    expect(await balanceOf(developer)).toBe(10)
  })
})

describe('a purchase that Discord undoes', () => {
  it('takes back what it gave, once, and what is spent is a debt that the next purchase pays off', async () => {
    const { shop } = on.discord
    const { core } = on.test
    const sku = await sell('consumable', 100)
    const buyer = newPerson()
    const bought = shop.buy(sku, buyer)
    await expect.poll(() => timesConsumed(bought)).toBe(1)
    await grant(core, { userId: (await account(buyer)).id, amount: -70, source: 'admin', key: `spent ${bought.id}` })
    shop.refund(bought)
    shop.announce('ENTITLEMENT_DELETE', bought)
    await compare()
    expect(await account(buyer)).toMatchObject({ balance: 0, debt: 70 })
    expect(await entriesOf(bought)).toEqual([`order:discord:${bought.id}`, `refund:discord:${bought.id}`])
    expect(await recordsOf(bought)).toEqual([
      { charge: `discord:${bought.id}`, state: 'refunded', announced: 'refunded' },
    ])
    expect(announcedTo(buyer, 'was refunded, and its 100 credits were taken back')).toHaveLength(1)
    // an event from before the refund arrives again
    shop.announce('ENTITLEMENT_CREATE', { ...bought, deleted: false, consumed: false })
    const next = shop.buy(sku, buyer)
    await expect.poll(() => timesConsumed(next)).toBe(1)
    await handled()
    expect(await account(buyer)).toMatchObject({ balance: 30, debt: 0 })
    expect(announcedTo(buyer, '70 credits of them paid off your debt')).toHaveLength(1)
  })

  it('is found in the list, and gives nothing if it was undone before it was seen', async () => {
    const { shop } = on.discord
    const sku = await sell('consumable', 100)
    const [buyer, early] = [newPerson(), newPerson()]
    const bought = shop.buy(sku, buyer)
    await expect.poll(() => timesConsumed(bought)).toBe(1)
    shop.refund(bought, { isAnnounced: false })
    const undone = shop.buy(sku, early, { isAnnounced: false })
    shop.refund(undone)
    shop.announce('ENTITLEMENT_CREATE', { ...undone, deleted: false })
    await compare()
    expect(await account(buyer)).toMatchObject({ balance: 0, debt: 0 })
    expect(await balanceOf(early)).toBe(0)
    expect(await recordsOf(undone)).toEqual([])
    expect(timesConsumed(undone)).toBe(0)
  })

  it('is not taken back twice after /refund', async () => {
    const sku = await sell('consumable', 100)
    const buyer = newPerson()
    const bought = on.discord.shop.buy(sku, buyer)
    await expect.poll(() => timesConsumed(bought)).toBe(1)
    const refund = on.discord.slash('refund', { id: `discord:${bought.id}` }, { userId: admin })
    expect((await refund.waitForReply()).content).toContain('100 credits taken back')
    on.discord.shop.refund(bought)
    await handled()
    expect(await account(buyer)).toMatchObject({ balance: 0, debt: 0 })
    expect(await entriesOf(bought)).toHaveLength(2)
  })
})

describe('a SKU without credits', () => {
  it('grants and consumes nothing, is logged once with the cure, and its purchases count once credits are set', async () => {
    const { shop } = on.discord
    const sku = shop.add('consumable')
    const [first, second, refunded] = [newPerson(), newPerson(), newPerson()]
    const bought = [shop.buy(sku, first), shop.buy(sku, second), shop.buy(sku, refunded)] as const
    shop.refund(bought[2])
    await compare()
    expect(await Promise.all(bought.map(recordsOf))).toEqual([[], [], []])
    expect(bought.map(timesConsumed)).toEqual([0, 0, 0])
    const cure = () => on.log.lines.filter((line) => line.includes(`/credits sku ${sku} <credits>`))
    expect(cure()).toHaveLength(1)
    expect(await asAdmin({ sku, amount: 25 })).toContain(`${sku} · 25 credits`)
    await expect.poll(() => bought.map(timesConsumed)).toEqual([1, 1, 0])
    await handled()
    expect(await Promise.all([first, second, refunded].map(balanceOf))).toEqual([25, 25, 0])
    // without credits again
    expect(await asAdmin({ sku, amount: 0 })).not.toContain(sku)
    const later = shop.buy(sku, first)
    await expect.poll(() => cure().length).toBe(2)
    await handled()
    expect(await recordsOf(later)).toEqual([])
    expect(await balanceOf(first)).toBe(25)
    const audit = sql`select actor, before, after from audit_log where action = 'sku' and target = ${sku} order by id`
    expect(await on.test.core.database.rows(audit)).toEqual([
      { actor: `discord:${admin}`, before: null, after: 25 },
      { actor: `discord:${admin}`, before: 25, after: 0 },
    ])
  })

  it('or a purchase that names no person is logged once, with what to do', async () => {
    const sku = await sell('consumable', 100)
    const bought = on.discord.shop.buy(sku, snowflake(), { guildId: snowflake(), isAnonymous: true })
    await handled()
    await compare()
    expect(await recordsOf(bought)).toEqual([])
    const cure = on.log.lines.filter((line) => line.includes(bought.id) && line.includes('/credits give @user'))
    expect(cure).toHaveLength(1)
  })

  it('is refused with the name of the option if its id or its credits make no sense', async () => {
    expect(await asAdmin({ sku: 'gold', amount: 5 })).toMatch(/sku.*1019475255913222144/)
    expect(await asAdmin({ sku: snowflake() })).toMatch(/amount.*0–1000000/)
    const anyone = await on.discord.slash('credits', { action: 'sku', sku: snowflake(), amount: 5 }).waitForReply()
    expect(anyone.content).toContain('Only administrators can do that')
  })
})

describe('a subscription', () => {
  it('gives credits for its own periods, where the person has others of the same SKU for other servers', async () => {
    const { shop } = on.discord
    const sku = await sell('subscription', 60)
    const buyer = newPerson()
    const starts = [Date.now() - 40 * dayMs, Date.now() - 33 * dayMs]
    const [first, second] = starts.map((atMs) => shop.buy(sku, buyer, { atMs, guildId: snowflake() }))
    await expect.poll(() => balanceOf(buyer)).toBe(120)
    for (const bought of [first!, second!]) {
      shop.renew(bought)
      await handled()
    }
    expect(await balanceOf(buyer)).toBe(240)
    for (const bought of [first!, second!]) {
      expect((await recordsOf(bought)).map(({ state }) => state)).toEqual(['paid', 'paid'])
    }
  })

  it('gives credits for each period, once', async () => {
    const { shop } = on.discord
    const sku = await sell('subscription', 60)
    const buyer = newPerson()
    const start = Date.now() - 65 * dayMs
    const bought = shop.buy(sku, buyer, { atMs: start })
    await expect.poll(() => balanceOf(buyer)).toBe(60)
    shop.renew(bought)
    await expect.poll(() => balanceOf(buyer)).toBe(120)
    // what is a little off is the same period
    shop.renew(bought, { days: 0.01 })
    await handled()
    // the event of the next renewal is lost
    shop.renew(bought, { isAnnounced: false })
    await compare()
    expect(await balanceOf(buyer)).toBe(120)
    await on.test.core.database.rows(sql`
      update payments set paid_at = paid_at - interval '8 days' where purchase = ${`discord:${bought.id}`}`)
    await compare()
    await compare()
    expect(await balanceOf(buyer)).toBe(180)
    expect((await recordsOf(bought)).map(({ state }) => state)).toEqual(['paid', 'paid', 'paid'])
    expect(timesConsumed(bought)).toBe(0)
    expect(on.discord.requests.filter(({ path }) => path.endsWith(`${bought.id}/consume`))).toEqual([])
    // Discord refunds the current period
    shop.refund(bought)
    await expect.poll(() => balanceOf(buyer)).toBe(120)
    await compare()
    expect((await recordsOf(bought)).map(({ state }) => state)).toEqual(['paid', 'paid', 'refunded'])
    expect(await account(buyer)).toMatchObject({ balance: 120, debt: 0 })
  })

  it('that began long ago loses its credits if it was refunded while the bot was away', async () => {
    const sku = await sell('subscription', 100)
    const buyer = newPerson()
    const bought = on.discord.shop.buy(sku, buyer, { isAnnounced: false, atMs: Date.now() - 150 * dayMs })
    await compare()
    expect(await balanceOf(buyer)).toBe(100)
    on.discord.shop.refund(bought, { isAnnounced: false })
    await compare()
    await expect.poll(() => balanceOf(buyer)).toBe(0)
    const [{ cursor } = {}] = await on.test.core.database.rows<{ cursor: string }>(
      sql`select value as cursor from facts where name = 'discord subscriptions read'`,
    )
    expect(cursor).toBe('0')
  })

  it('gives nothing for a period after its end', async () => {
    const { shop } = on.discord
    const sku = await sell('subscription', 60)
    const buyer = newPerson()
    const bought = shop.buy(sku, buyer, { atMs: Date.now() - 40 * dayMs })
    await expect.poll(() => balanceOf(buyer)).toBe(60)
    await handled()
    shop.end(bought)
    bought.ends_at = new Date(Date.now() - 15 * dayMs).toISOString()
    shop.renew(bought)
    await handled()
    expect(await balanceOf(buyer)).toBe(60)
  })
})

describe('the account of a buyer', () => {
  it('gets the credits although it was deleted: the person has a new one', async () => {
    const sku = await sell('consumable', 100)
    const buyer = newPerson()
    const before = await account(buyer)
    const bought = on.discord.shop.buy(sku, buyer, { isAnnounced: false })
    await closeAccount(on.test.core, before.id)
    await compare()
    const after = await account(buyer)
    expect(after).toMatchObject({ balance: 100 })
    expect(after.id).not.toBe(before.id)
    expect(await readAccount(on.test.core, before.id)).toMatchObject({ balance: 0 })
    // what a deleted account was given stays its debt
    await closeAccount(on.test.core, after.id)
    on.discord.shop.refund(bought)
    await handled()
    expect(await readAccount(on.test.core, after.id)).toMatchObject({ balance: 0, debt: 100 })
  })

  it('pays for a refund after it joined an older account', async () => {
    const { core } = on.test
    const sku = await sell('consumable', 100)
    const [buyer, older] = [newPerson(), person(snowflake())]
    const heir = await accountOf(core, older)
    const bought = on.discord.shop.buy(sku, buyer)
    await expect.poll(() => timesConsumed(bought)).toBe(1)
    const code = await createLinkCode(core, { from: older, key: snowflake() })
    const joining = { from: person(buyer), key: snowflake() }
    const { ref } = await askToJoin(core, joining, code)
    await joinAgreed(core, joining, ref)
    expect((await account(buyer)).id).toBe((await account(older.id.slice('discord:'.length))).id)
    expect(await balanceOf(buyer)).toBe(100)
    on.discord.shop.refund(bought)
    await expect.poll(() => balanceOf(buyer)).toBe(0)
    expect(await readAccount(core, heir)).toMatchObject({ debt: 0 })
  })
})

describe('/credits', () => {
  it('has a button of Discord for each SKU that is for sale', async () => {
    const sku = await sell('consumable', 100)
    const hidden = on.discord.shop.add('consumable', { isAvailable: false })
    await asAdmin({ sku: hidden, amount: 5 })
    const unlisted = snowflake()
    await asAdmin({ sku: unlisted, amount: 5 })
    await handled()
    const shown = await on.discord.slash('credits', {}, { userId: newPerson() }).waitForReply()
    const offered = shown.buttons.flat()
    expect(offered).toContainEqual({ label: '', sku })
    expect(offered.every((each) => each.sku !== undefined && each.id === undefined)).toBe(true)
    expect(offered.map((each) => each.sku)).not.toContain(hidden)
    expect(offered.map((each) => each.sku)).not.toContain(unlisted)
    const listed = await asAdmin({})
    expect(listed).toContain(`${sku} · 100 credits · consumable\n`)
    expect(listed).toContain(`${hidden} · 5 credits · consumable · not for sale`)
    expect(listed).toContain(`${unlisted} · 5 credits · not listed by Discord`)
  })

  it('is answered without the button of a SKU that Discord no longer has, which it learns from the refusal', async () => {
    const { shop } = on.discord
    const [kept, gone] = [await sell('consumable', 100), await sell('consumable', 200)]
    await handled()
    const ask = async () => {
      const shown = await on.discord.slash('credits', {}, { userId: newPerson() }).waitForReply()
      return shown.buttons.flat().map(({ sku }) => sku)
    }
    shop.withdraw(gone)
    expect(await ask()).toEqual([])
    const after = await ask()
    expect(after).toContain(kept)
    expect(after).not.toContain(gone)
    expect(on.discord.violations.splice(0)).toEqual([expect.stringContaining('Unknown SKU')])
  })
})
