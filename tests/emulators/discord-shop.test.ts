/** The shop of the emulated Discord, as discord.js sees it. */
import { type Entitlement, Events, type Subscription } from 'discord.js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectBot, errorOf, type TestBot } from './discord/bot.ts'
import { snowflake } from './discord/ids.ts'
import { type DiscordEmulator, startDiscord } from './discord/index.ts'

let discord: DiscordEmulator
let bot: TestBot

beforeAll(async () => {
  discord = await startDiscord()
  bot = await connectBot(discord)
})

afterAll(async () => {
  await bot.stop()
  await discord.stop()
  expect(discord.violations).toEqual([])
})

const next = <T>(event: Events) =>
  new Promise<T>((resolve) =>
    bot.client.once(event as never, ((...given: unknown[]) => resolve(given.at(-1) as T)) as never),
  )
const application = () => bot.client.application!

it('sells a consumable, which is consumed once and removed', async () => {
  const { shop } = discord
  const sku = shop.add('consumable')
  const skus = await application().fetchSKUs()
  expect(skus.get(sku)).toMatchObject({ type: 3, flags: { bitfield: 4 } })
  const created = next<Entitlement>(Events.EntitlementCreate)
  const userId = snowflake()
  const bought = shop.buy(sku, userId)
  const entitlement = await created
  expect(entitlement).toMatchObject({ id: bought.id, skuId: sku, userId, type: 1, consumed: false, deleted: false })
  expect(() => shop.buy(sku, userId)).toThrow('not consumed')
  await entitlement.consume()
  expect(await errorOf(entitlement.consume())).toMatchObject({ status: 400 })
  expect(shop.consumed).toEqual([bought.id])
  expect(await application().entitlements.fetch({ entitlement: bought.id, force: true })).toMatchObject({
    consumed: true,
  })
  const unknown = application().entitlements.consume(snowflake())
  expect(await errorOf(unknown)).toMatchObject({ status: 404, code: 10029 })
  const deleted = next<Entitlement>(Events.EntitlementDelete)
  shop.refund(bought)
  expect(await deleted).toMatchObject({ id: bought.id, deleted: true })
  expect((await application().entitlements.fetch({ cache: false })).has(bought.id)).toBe(false)
  const all = await application().entitlements.fetch({ excludeDeleted: false, cache: false })
  expect(all.get(bought.id)?.deleted).toBe(true)
})

it('lists in pages, without what has ended', async () => {
  const { shop } = discord
  const sku = shop.add('durable')
  const bought = [1, 2, 3].map(() => shop.buy(sku, snowflake()))
  shop.end(bought[1]!)
  const idsOf = async (query: object) => [
    ...(await application().entitlements.fetch({ skus: [sku], cache: false, ...query })).keys(),
  ]
  expect(await idsOf({})).toEqual(bought.map(({ id }) => id))
  expect(await idsOf({ limit: 1, after: bought[0]!.id })).toEqual([bought[1]!.id])
  expect(await idsOf({ excludeEnded: true })).toEqual([bought[0]!.id, bought[2]!.id])
  expect(await errorOf(application().entitlements.consume(bought[0]!.id))).toMatchObject({ status: 400, code: 40018 })
})

it('sells a subscription, whose renewals change the subscription alone', async () => {
  const { shop } = discord
  const sku = shop.add('subscription')
  const userId = snowflake()
  const bought = shop.buy(sku, userId)
  const renewed = next<Subscription>(Events.SubscriptionUpdate)
  shop.renew(bought)
  expect(await renewed).toMatchObject({ userId, skuIds: [sku], entitlementIds: [bought.id] })
  const listed = await application().subscriptions.fetch({ sku, user: userId })
  expect([...listed.values()].map(({ currentPeriodStartTimestamp: start }) => start > Date.now())).toEqual([true])
  expect(shop.now(bought).ends_at).toBeNull()
})

it('makes and removes test entitlements', async () => {
  const { shop } = discord
  const sku = shop.add('subscription')
  const made = await application().entitlements.createTest({ sku, user: snowflake() })
  expect(shop.now(made)).toMatchObject({ type: 4, deleted: false })
  await application().entitlements.deleteTest(made.id)
  expect(shop.now(made).deleted).toBe(true)
  const real = shop.buy(sku, snowflake())
  expect(await errorOf(application().entitlements.deleteTest(real.id))).toMatchObject({ code: 40019 })
})
