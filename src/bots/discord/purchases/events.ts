/**
 * Events about purchases in the shop of the app. Discord sends them to every connection without an intent. They only say what to look at:
 * what is stored for the inbox is the id of the entitlement, which is then read from Discord.
 */
import { createHash } from 'node:crypto'
import {
  type APIEntitlement,
  GatewayDispatchEvents as Event,
  type GatewayDispatchPayload,
  type GatewayEntitlementModifyDispatch,
  type GatewaySubscriptionModifyDispatch,
} from 'discord-api-types/v10'
import type { Json } from '../../../db/json.ts'
import type { Received } from '../../inbox-store.ts'

export type PurchaseEvent = GatewayEntitlementModifyDispatch | GatewaySubscriptionModifyDispatch

/** What the inbox keeps. */
export interface StoredEntitlement {
  kind: 'entitlement'
  id: string
  /** As Discord announced that it is gone: it may no longer be readable. */
  deleted?: APIEntitlement
}

export interface StoredItem {
  kind: 'item'
  sku: string
  /** Part of the keys of the acts that follow from it. */
  reason: string
}

const ofEntitlements: readonly string[] = [Event.EntitlementCreate, Event.EntitlementUpdate, Event.EntitlementDelete]
const ofSubscriptions: readonly string[] = [
  Event.SubscriptionCreate,
  Event.SubscriptionUpdate,
  Event.SubscriptionDelete,
]

export const isPurchase = (payload: GatewayDispatchPayload): payload is PurchaseEvent =>
  ofEntitlements.includes(payload.t) || ofSubscriptions.includes(payload.t)

const isAboutEntitlement = (event: PurchaseEvent): event is GatewayEntitlementModifyDispatch =>
  ofEntitlements.includes(event.t)

/** The same event has the same key in every process. A renewed subscription is a reason to look at its entitlements. */
export function actsOfEvent(event: PurchaseEvent): Received[] {
  if (!isAboutEntitlement(event)) {
    const { entitlement_ids: ids, current_period_start: period } = event.d
    return ids.map((id) => actOf({ kind: 'entitlement', id }, `period ${period}`))
  }
  const isGone = event.t === Event.EntitlementDelete || event.d.deleted
  const stored: StoredEntitlement = { kind: 'entitlement', id: event.d.id, ...(isGone && { deleted: event.d }) }
  return [actOf(stored, `${isGone ? 'gone' : event.t} ${digestOf(event.d)}`)]
}

/** `reason`: what makes the act different from others about this entitlement. They share a lane, so that one is handled at a time. */
export const actOf = (stored: StoredEntitlement, reason: string): Received => ({
  key: `discord:entitlement:${stored.id}:${reason}`,
  lane: `entitlement ${stored.id}`,
  body: stored as unknown as Json,
})

const digestOf = (entitlement: APIEntitlement) =>
  createHash('sha256').update(JSON.stringify(entitlement)).digest('base64url').slice(0, 22)
