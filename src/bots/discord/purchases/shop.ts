/** Discord's REST API of purchases: the SKUs of the app, its entitlements and subscriptions. */
import {
  type APIApplication,
  type APIEntitlement,
  type APISKU,
  type APISubscription,
  type APIUser,
  RESTJSONErrorCodes as Code,
  Routes,
  SKUFlags,
  SKUType,
} from 'discord-api-types/v10'
import { noteListedSkus } from '../../../core/billing/shop/skus.ts'
import type { Reply } from '../../../core/ports/chat.ts'
import type { Database } from '../../../db/database.ts'
import type { SkuKind } from '../../../db/schema/billing.ts'
import type { Log } from '../../../log.ts'
import { type Api, codeOf, reasonOf } from '../rest/api.ts'

export interface Shop {
  /** A page of the entitlements of the app, the oldest first. */
  entitlements(query: Readonly<Record<string, string>>): Promise<APIEntitlement[]>
  /** undefined: there is none. */
  entitlement(id: string): Promise<APIEntitlement | undefined>
  /** Resolves to false if it is not of a kind that is consumed, or is gone. */
  consume(id: string): Promise<boolean>
  subscriptions(sku: string, user: string): Promise<APISubscription[]>
  /** Reads which SKUs the app has. */
  readItems(): Promise<void>
  /** undefined: the person has left Discord. */
  user(id: string): Promise<APIUser | undefined>
  /**
   * Discord refuses a message with a button for an item that it no longer sells: then the message goes out without such buttons, and the list
   * of items is read again.
   */
  sendReply<T>(reply: Reply, send: (reply: Reply) => Promise<T>): Promise<T>
}

interface ShopOptions {
  api: Api
  database: Database
  log: Log
}

const kinds: Partial<Record<SKUType, SkuKind>> = {
  [SKUType.Consumable]: 'consumable',
  [SKUType.Durable]: 'durable',
  [SKUType.Subscription]: 'subscription',
}

export const pageSize = 100

export function createShop({ api, database, log }: ShopOptions): Shop {
  let application: string | undefined

  async function applicationId(): Promise<string> {
    application ??= (await api.send<APIApplication>('get', Routes.currentApplication())).id
    return application
  }

  async function orNone<T>(code: Code, reading: Promise<T>): Promise<T | undefined> {
    return reading.catch((error: unknown) => {
      if (codeOf(error) === code) return undefined
      throw error
    })
  }

  async function readItems(): Promise<void> {
    const listed = await api.send<APISKU[]>('get', Routes.skus(await applicationId()))
    const items = listed.map(({ id, type, flags }) => ({
      id,
      kind: kinds[type] ?? null,
      available: kinds[type] !== undefined && (flags & SKUFlags.Available) !== 0,
    }))
    await noteListedSkus({ database }, items)
  }

  return {
    async entitlements(query) {
      const given = new URLSearchParams({ ...query, limit: String(pageSize) })
      return api.send('get', Routes.entitlements(await applicationId()), { query: given })
    },
    async entitlement(id) {
      return orNone(Code.UnknownEntitlement, api.send('get', Routes.entitlement(await applicationId(), id)))
    },
    async consume(id) {
      try {
        await api.send('post', Routes.consumeEntitlement(await applicationId(), id))
        return true
      } catch (error) {
        const isOver = [Code.OnlyConsumableSKUsCanBeConsumed, Code.UnknownEntitlement].includes(codeOf(error) ?? 0)
        if (isOver) return false
        throw error
      }
    },
    subscriptions: (sku, user) =>
      api.send('get', Routes.skuSubscriptions(sku), { query: new URLSearchParams({ user_id: user }) }),
    readItems,
    user: (id) => orNone(Code.UnknownUser, api.send<APIUser>('get', Routes.user(id))),
    async sendReply(reply, send) {
      try {
        return await send(reply)
      } catch (error) {
        const others = reply.buttons?.map((row) => row.filter(({ item }) => item === undefined))
        const hasItems = others?.flat().length !== reply.buttons?.flat().length
        if (!hasItems || codeOf(error) !== Code.InvalidFormBodyOrContentType) throw error
        log.warn(
          { reason: reasonOf(error) },
          'Discord refused a message with buttons of its shop; sending it without them',
        )
        await readItems().catch((failed: unknown) => {
          log.warn({ reason: reasonOf(failed) }, 'could not read the SKUs of the app')
        })
        return send({ ...reply, buttons: others?.filter((row) => row.length > 0) })
      }
    },
  }
}
