/**
 * Where an answer goes, as text that survives queues and restarts. It is shaped like Discord's own routes, so that what
 * takes tokens out of those in log lines takes them out of addresses too.
 */
import { AppError } from '../../core/errors.ts'
import type { Address } from '../../core/ports/chat.ts'

/** A slash command: answered through its token by any process, for 15 minutes. */
export interface InteractionTarget {
  kind: 'interaction'
  applicationId: string
  token: string
  interactionId: string
  channelId: string
  userId: string
  /** What was acknowledged as ephemeral stays so. */
  isPrivate: boolean
  /** A follow-up of ours. Absent: the answer itself, '@original'. */
  messageId?: string
}

/** A channel or a direct message: answered with the bot's own token. */
export interface ChannelTarget {
  kind: 'channel'
  channelId: string
  userId: string
  /** What the person wrote. Absent: nothing to reply to. */
  replyTo?: string
  /** Our message. Absent: not posted yet. */
  messageId?: string
}

export type Target = InteractionTarget | ChannelTarget

const none = '-'

export function addressOf(place: Target): Address {
  const parts =
    place.kind === 'interaction'
      ? [
          'webhooks',
          place.applicationId,
          place.token,
          place.interactionId,
          place.channelId,
          place.userId,
          place.isPrivate ? 'private' : 'public',
          place.messageId ?? none,
        ]
      : ['channels', place.channelId, place.userId, place.replyTo ?? none, place.messageId ?? none]
  return `discord:/${parts.map(encodeURIComponent).join('/')}`
}

export function targetOf(address: string): Target {
  const [head, kind, ...rest] = address.split('/')
  const parts = rest.map(decodeURIComponent)
  const given = (at: number) => parts[at] ?? lost()
  const maybe = (at: number) => (given(at) === none ? undefined : parts[at])
  if (head === 'discord:' && kind === 'channels') {
    return { kind: 'channel', channelId: given(0), userId: given(1), replyTo: maybe(2), messageId: maybe(3) }
  }
  if (head !== 'discord:' || kind !== 'webhooks') return lost()
  return {
    kind: 'interaction',
    applicationId: given(0),
    token: given(1),
    interactionId: given(2),
    channelId: given(3),
    userId: given(4),
    isPrivate: given(5) === 'private',
    messageId: maybe(6),
  }
}

function lost(): never {
  throw new AppError('chat_refused', {}, { cause: new Error('this is no address of Discord') })
}
