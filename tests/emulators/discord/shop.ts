/** The shop of an app: its SKUs, and people's entitlements and subscriptions. What people do there becomes a gateway event. */
import { badRequest, notConsumable, notSandboxed, unknownEntitlement, unknownSku } from './errors.ts'
import type { Gateway } from './gateway.ts'
import { snowflake } from './ids.ts'
import type { Call, Routes } from './rest.ts'
import type { Json } from './types.ts'

const SKU_TYPES = { durable: 2, consumable: 3, subscription: 5, group: 6 }
const AVAILABLE = 1 << 2
const USER_SUBSCRIPTION = 1 << 8
const TYPE = { purchase: 1, test: 4 }
const DAY_MS = 86_400_000
const PERIOD_MS = 30 * DAY_MS

export interface Entitlement extends Json {
  id: string
  sku_id: string
  user_id: string
  guild_id?: string
  deleted: boolean
  consumed?: boolean
  ends_at: string | null
}

export interface Subscription extends Json {
  id: string
  user_id: string
  sku_ids: string[]
  entitlement_ids: string[]
  current_period_start: string
  status: number
}

type EventName = 'ENTITLEMENT_CREATE' | 'ENTITLEMENT_UPDATE' | 'ENTITLEMENT_DELETE'

interface Buying {
  /** false: as if a bot that is away: no event is sent. Default true. */
  isAnnounced?: boolean
  /** When it was bought, Unix milliseconds. Default: now. */
  atMs?: number
  /** Discord announces it before its REST API knows it, until `show`. Default false. */
  isHidden?: boolean
  /** Bought by a developer in test mode, who pays nothing. */
  isTest?: boolean
  /** The server that it is for. Absent: it is for the person. */
  guildId?: string
  /** Discord names the server alone. */
  isAnonymous?: boolean
}

export interface Shop {
  routes: Routes
  /** Returns the id of the SKU. */
  add(kind: keyof typeof SKU_TYPES, options?: { isAvailable?: boolean }): string
  /** The app no longer has the SKU. */
  withdraw(sku: string): void
  has(sku: string): boolean
  /** Throws if the person has an unconsumed one: Discord sells no second one before. */
  buy(sku: string, userId: string, options?: Buying): Entitlement
  /** The REST API knows it from now on. */
  show(entitlement: Entitlement): void
  /** Discord gives the money back, or removes the entitlement. */
  refund(entitlement: Entitlement, options?: Pick<Buying, 'isAnnounced'>): void
  /** Starts another period, `days` after the start of the one before. */
  renew(entitlement: Entitlement, options?: Pick<Buying, 'isAnnounced'> & { days?: number }): Subscription
  /** The subscription ends, and the entitlement with it. */
  end(entitlement: Entitlement): void
  /** Sends an event about it, as it is now, again. */
  announce(event: EventName, entitlement: Entitlement): void
  /** The entitlement as it is now. */
  now(entitlement: Pick<Entitlement, 'id'>): Entitlement
  /** Ids of consumed entitlements, in order, without what Discord refused. */
  readonly consumed: readonly string[]
}

interface ShopOptions {
  applicationId: string
  gateway: Gateway
  /** Describes what is wrong with an entitlement. */
  checkEvent(entitlement: Json): string | undefined
  violate(problem: string): void
}

export function createShop({ applicationId, gateway, checkEvent, violate }: ShopOptions): Shop {
  const skus = new Map<string, Json>()
  const entitlements = new Map<string, Entitlement>()
  const subscriptions = new Map<string, Subscription>()
  const consumed: string[] = []
  const hidden = new Set<string>()

  function announce(t: string, d: Json) {
    const problem = t.startsWith('ENTITLEMENT') ? checkEvent(d) : undefined
    if (problem) violate(`${t}: ${problem}`)
    gateway.dispatch({ t, d: structuredClone(d) })
  }

  function buy(
    sku: string,
    userId: string,
    {
      isAnnounced = true,
      atMs = Date.now(),
      isTest = false,
      isHidden = false,
      isAnonymous = false,
      guildId,
    }: Buying = {},
  ) {
    const item = skus.get(sku)
    if (!item) throw new Error(`no SKU ${sku}`)
    const owned = [...entitlements.values()].find(
      (each) => each.sku_id === sku && each.user_id === userId && each.guild_id === guildId && isOwned(each),
    )
    if (owned && !isTest) throw new Error(`${userId} has an entitlement of ${sku} that is not consumed`)
    const isSubscription = item.type === SKU_TYPES.subscription
    const entitlement: Entitlement = {
      id: snowflake(atMs),
      sku_id: sku,
      application_id: applicationId,
      // left out of the JSON
      user_id: isAnonymous ? (undefined as unknown as string) : userId,
      ...(guildId !== undefined && { guild_id: guildId }),
      type: isTest ? TYPE.test : TYPE.purchase,
      deleted: false,
      starts_at: isSubscription ? new Date(atMs).toISOString() : null,
      ends_at: null,
      ...(item.type === SKU_TYPES.consumable && { consumed: false }),
    }
    entitlements.set(entitlement.id, entitlement)
    if (isHidden) hidden.add(entitlement.id)
    if (isSubscription) subscribe(entitlement, { atMs, isAnnounced })
    if (isAnnounced) announce('ENTITLEMENT_CREATE', entitlement)
    return entitlement
  }

  /** Discord names the entitlements of a subscription a little later. */
  function subscribe(
    { id, user_id: userId, sku_id: sku }: Entitlement,
    { atMs, isAnnounced }: Required<Pick<Buying, 'atMs' | 'isAnnounced'>>,
  ) {
    const subscription: Subscription = {
      id: snowflake(atMs),
      user_id: userId,
      sku_ids: [sku],
      renewal_sku_ids: null,
      entitlement_ids: [],
      current_period_start: new Date(atMs).toISOString(),
      current_period_end: new Date(atMs + PERIOD_MS).toISOString(),
      status: 0,
      canceled_at: null,
    }
    subscriptions.set(id, subscription)
    if (isAnnounced) announce('SUBSCRIPTION_CREATE', subscription)
    subscription.entitlement_ids = [id]
    if (isAnnounced) announce('SUBSCRIPTION_UPDATE', subscription)
  }

  const isOwned = ({ deleted, ends_at: end, consumed: isUsed }: Entitlement) => !deleted && end === null && !isUsed

  function known(id: string | undefined): Entitlement {
    const entitlement = entitlements.get(id ?? '')
    if (!entitlement || hidden.has(entitlement.id)) throw unknownEntitlement()
    return entitlement
  }

  function list({ query }: Call): Json[] {
    const { after = '0', before, limit = '100', user_id: user, sku_ids: ids } = query
    const wanted = ids?.split(',')
    return [...entitlements.values()]
      .filter(({ id }) => !hidden.has(id))
      .filter(({ id }) => BigInt(id) > BigInt(after) && (before === undefined || BigInt(id) < BigInt(before)))
      .filter((each) => (user ?? each.user_id) === each.user_id && (wanted?.includes(each.sku_id) ?? true))
      .filter(({ deleted }) => !deleted || query.exclude_deleted === 'false')
      .filter(({ ends_at: end }) => end === null || query.exclude_ended !== 'true')
      .toSorted((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1))
      .slice(0, Number(limit))
  }

  /** What Discord answers when an entitlement is consumed again is not documented. This is the less convenient answer. */
  function consume({ params }: Call) {
    const entitlement = known(params.entitlement_id)
    if (skus.get(entitlement.sku_id)?.type !== SKU_TYPES.consumable) throw notConsumable()
    if (entitlement.deleted) throw unknownEntitlement()
    if (entitlement.consumed) throw badRequest()
    entitlement.consumed = true
    consumed.push(entitlement.id)
    return undefined
  }

  function remove({ params }: Call) {
    const entitlement = known(params.entitlement_id)
    if (entitlement.type !== TYPE.test) throw notSandboxed()
    refund(entitlement)
    return undefined
  }

  function refund(entitlement: Entitlement, { isAnnounced = true }: Pick<Buying, 'isAnnounced'> = {}) {
    entitlement.deleted = true
    const subscription = subscriptions.get(entitlement.id)
    if (subscription) subscription.status = 2
    if (isAnnounced) announce('ENTITLEMENT_DELETE', entitlement)
  }

  const base = '/applications/{application_id}/entitlements'
  return {
    consumed,
    buy,
    refund,
    show: ({ id }) => void hidden.delete(id),
    withdraw: (sku) => void skus.delete(sku),
    has: (sku) => skus.has(sku),
    add(kind, { isAvailable = true } = {}) {
      const id = snowflake()
      const flags = (isAvailable ? AVAILABLE : 0) | (kind === 'subscription' ? USER_SUBSCRIPTION : 0)
      skus.set(id, { id, type: SKU_TYPES[kind], application_id: applicationId, name: kind, slug: kind, flags })
      return id
    },
    renew(entitlement, { isAnnounced = true, days = 30 } = {}) {
      const subscription = subscriptions.get(entitlement.id)
      if (!subscription) throw new Error(`${entitlement.id} is of no subscription`)
      const start = Date.parse(subscription.current_period_start) + days * DAY_MS
      subscription.current_period_start = new Date(start).toISOString()
      subscription.current_period_end = new Date(start + PERIOD_MS).toISOString()
      if (isAnnounced) announce('SUBSCRIPTION_UPDATE', subscription)
      return subscription
    },
    end(entitlement) {
      entitlement.ends_at = new Date().toISOString()
      announce('ENTITLEMENT_UPDATE', entitlement)
    },
    announce,
    now: ({ id }) => known(id),
    routes: {
      'GET /applications/{application_id}/skus': () => [...skus.values()],
      [`GET ${base}`]: list,
      [`POST ${base}`]: ({ body }) => {
        if (!skus.has(String(body.sku_id))) throw unknownSku()
        const {
          starts_at: _start,
          ends_at: _end,
          ...made
        } = buy(String(body.sku_id), String(body.owner_id), { isTest: true })
        return { ...made, starts_at: null, ends_at: null }
      },
      [`GET ${base}/{entitlement_id}`]: ({ params }) => known(params.entitlement_id),
      [`DELETE ${base}/{entitlement_id}`]: remove,
      [`POST ${base}/{entitlement_id}/consume`]: consume,
      'GET /skus/{sku_id}/subscriptions': ({ params, query }) =>
        [...subscriptions.values()].filter(
          (each) => each.user_id === query.user_id && each.sku_ids.includes(params.sku_id ?? ''),
        ),
    },
  }
}
