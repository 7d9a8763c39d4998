/** How Discord's API reaches a message: through the token of an interaction while that lives, then as the bot. */
import { Routes } from 'discord-api-types/v10'
import { ageMs, type ChannelTarget, type InteractionTarget, type Target, tokenLifeMs } from './address.ts'

export function routeOf(target: Target): `/${string}` {
  if (target.kind === 'channel') return Routes.channelMessage(target.channelId, target.messageId ?? '')
  return Routes.webhookMessage(target.applicationId, target.token, target.messageId ?? '@original')
}

export const reachable = (target: Target): Target =>
  target.kind === 'interaction' && hasExpired(target) ? (originalOf(target) ?? answerOf(target) ?? target) : target

export const authOf = ({ kind }: Target) => (kind === 'interaction' ? ({ auth: 'none' } as const) : {})

export const hasExpired = (target: InteractionTarget) => ageMs(target) > tokenLifeMs

export function originalOf({ channelId, userId, originalId }: InteractionTarget): ChannelTarget | undefined {
  return originalId === undefined ? undefined : { kind: 'channel', channelId, userId, messageId: originalId }
}

/** Our own answer, in a channel where the bot is. */
function answerOf({ channelId, userId, audience, messageId, answerId, isOutside }: InteractionTarget) {
  const id = audience === 'public' && !isOutside ? (messageId ?? answerId) : undefined
  return id === undefined ? undefined : ({ kind: 'channel', channelId, userId, messageId: id } as const)
}
