/**
 * Where an answer goes, as text that survives queues and restarts. It is shaped like Discord's own routes, so that the log's
 * redaction of tokens in routes covers addresses too.
 */
import { type APIMessage, MessageFlags } from 'discord-api-types/v10'
import { AppError } from '../../core/errors.ts'
import type { Address, Posted, Reply, SentMessages } from '../../core/ports/chat.ts'

/** An interaction: any process can answer it through its token, for 15 minutes. */
export interface InteractionTarget {
  kind: 'interaction'
  applicationId: string
  token: string
  interactionId: string
  channelId: string
  userId: string
  /**
   * public, private: how a command or a submitted form was acknowledged, which cannot change · press: of a button, whose
   * answers are follow-ups to the message that it is part of · form: a press that is not acknowledged, because a form can only
   * be the first answer.
   */
  audience: 'public' | 'private' | 'press' | 'form'
  /** A follow-up of ours. Absent: the answer itself, '@original'. */
  messageId?: string
  /** The id of '@original', if it is a pressed message that all see: it can be edited with the bot's own token as well. */
  originalId?: string
  /** The id of '@original', once it shows an answer that all see. */
  answerId?: string
  /** The bot is not in the channel, because only the person has installed it: it can write there with the token alone. */
  isOutside?: boolean
  /** The message has the button that fetches the result. */
  offersResult?: boolean
  /** Bytes of the largest file that Discord takes through this interaction. Absent: `usualFileBytes`. */
  maxFileBytes?: number
}

/** A channel or a direct message: answered with the bot's own token. */
export interface ChannelTarget {
  kind: 'channel'
  channelId: string
  userId: string
  /** The person's message. Absent: nothing to reply to. */
  replyTo?: string
  /** Our message. Absent: not posted yet. */
  messageId?: string
  /** Names the event behind a message that is not a reply in its own channel. It keeps several such messages in one channel distinct. */
  about?: string
}

export type Target = InteractionTarget | ChannelTarget

/** When a message that nothing but the token reaches gets the button that fetches the result. */
export const offerAfterMs = 13 * 60_000
/** Discord allows 15 minutes from when the person acted; the clocks may differ a little. */
export const tokenLifeMs = 14.5 * 60_000
/** Discord's limit for a file of a bot where no interaction says otherwise. Servers and people may have higher ones. */
export const usualFileBytes = 10 * 1024 * 1024
/** 2015-01-01, in milliseconds since 1970: the start of the time in ids. */
const discordEpochMs = 1_420_070_400_000

const none = '-'
const outside = 'outside'
const offers = 'offers'

export function addressOf(target: Target): Address {
  const parts =
    target.kind === 'interaction'
      ? [
          'webhooks',
          target.applicationId,
          target.token,
          target.interactionId,
          target.channelId,
          target.userId,
          target.audience,
          target.messageId ?? none,
          target.originalId ?? none,
          ...laterParts(target),
        ]
      : [
          'channels',
          target.channelId,
          target.userId,
          target.replyTo ?? none,
          target.messageId ?? none,
          ...(target.about === undefined ? [] : [target.about]),
        ]
  return `discord:/${parts.map(encodeURIComponent).join('/')}`
}

/** Most addresses have none of these parts. */
function laterParts({ isOutside, answerId, offersResult, maxFileBytes = usualFileBytes }: InteractionTarget): string[] {
  const limit = maxFileBytes === usualFileBytes ? none : String(maxFileBytes)
  const parts = [isOutside ? outside : none, answerId ?? none, offersResult ? offers : none, limit]
  return parts.slice(0, parts.findLastIndex((part) => part !== none) + 1)
}

export function targetOf(address: string): Target {
  const [head, kind, ...rest] = address.split('/')
  const parts = rest.map(decodeURIComponent)
  const part = (index: number) => parts[index] ?? invalid()
  const optional = (index: number) => (part(index) === none ? undefined : parts[index])
  if (head === 'discord:' && kind === 'channels') {
    return {
      kind: 'channel',
      channelId: part(0),
      userId: part(1),
      replyTo: optional(2),
      messageId: optional(3),
      ...(parts[4] !== undefined && { about: parts[4] }),
    }
  }
  if (head !== 'discord:' || kind !== 'webhooks') return invalid()
  return {
    kind: 'interaction',
    applicationId: part(0),
    token: part(1),
    interactionId: part(2),
    channelId: part(3),
    userId: part(4),
    audience: audienceIn(part(5)),
    messageId: optional(6),
    // older saved addresses do not have this part
    originalId: parts[7] === none ? undefined : parts[7],
    ...(parts[8] === outside && { isOutside: true }),
    ...(parts[9] !== undefined && parts[9] !== none && { answerId: parts[9] }),
    ...(parts[10] === offers && { offersResult: true }),
    ...(parts[11] !== undefined && { maxFileBytes: Number(parts[11]) }),
  }
}

/** When the message needs the button that fetches the result, in milliseconds since 1970. undefined: it needs none. */
export const needsPressFrom = (target: Target): number | undefined =>
  target.kind === 'interaction' && isBoundToToken(target) ? createdAtMs(target.interactionId) + offerAfterMs : undefined

/** Nothing but the token reaches the message: the bot is not in its channel, or only the person sees it. */
export const isBoundToToken = ({ isOutside, audience, originalId }: InteractionTarget): boolean =>
  isOutside === true || (audience === 'private' && originalId === undefined)

export const ageMs = ({ interactionId }: Pick<InteractionTarget, 'interactionId'>) =>
  Date.now() - createdAtMs(interactionId)

/** Creation time that an id of Discord contains, in milliseconds since 1970. */
export function createdAtMs(id: string): number {
  return Number(BigInt(id) >> 22n) + discordEpochMs
}

/** The lowest id that Discord can have given at this time. */
export const idAt = (ms: number): string => String(BigInt(Math.max(0, Math.floor(ms) - discordEpochMs)) << 22n)

const audienceIn = (text: string) => (text === 'private' || text === 'press' || text === 'form' ? text : 'public')

function invalid(): never {
  throw new AppError('chat_refused', {}, { cause: new Error('not an address of Discord') })
}

/** Records the message that shows the pictures, except an ephemeral one: it can be changed only through its own buttons. */
export async function recorded(
  { target, message }: { target: Target; message?: APIMessage },
  reply: Reply,
  sent?: SentMessages,
): Promise<Posted> {
  const isEphemeral = ((message?.flags ?? 0) & MessageFlags.Ephemeral) !== 0
  const shown = (reply.pictures ?? []).length + (reply.files ?? []).length
  if (message && shown > 0 && !isEphemeral) {
    const standing: Target = {
      kind: 'channel',
      channelId: message.channel_id,
      userId: target.userId,
      messageId: message.id,
    }
    const buttons = (reply.buttons ?? []).length > 0
    await sent?.add({ posted: addressOf(standing), part: 0, fileIds: [], message: message.id, buttons })
  }
  return addressOf(target)
}
