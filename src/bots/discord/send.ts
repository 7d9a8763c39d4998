/**
 * Puts a reply where it belongs: the interaction's own answer while its token lives, then a message in the channel, then a
 * direct message. Any process may repeat any step without showing anything twice.
 */
import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type APIMessage,
  RESTJSONErrorCodes as Code,
  InteractionResponseType,
  MessageFlags,
  Routes,
} from 'discord-api-types/v10'
import { AppError } from '../../core/errors.ts'
import { type ButtonRows, type Locale, noPicture, type Reply, type SentMessages } from '../../core/ports/chat.ts'
import {
  ageMs,
  type ChannelTarget,
  type InteractionTarget,
  isBoundToToken,
  offerAfterMs,
  type Target,
  targetOf,
} from './address.ts'
import { hasSpoilers, type Message, messageOf, rowsOf } from './message.ts'
import { modalOf } from './modal.ts'
import { type Api, codeOf, directChannel } from './rest/api.ts'
import { authOf, hasExpired, originalOf, reachable, routeOf } from './routes.ts'

/** Longer than the edit of a waiting message is tried, so that none replaces the button. */
const quietMs = 6_000
/** A first answer in the response to Discord's own request may take effect after a later edit has reached Discord. */
const firstAnswerMs = 5_000
const firstAnswerPauseMs = 200
/** Discord's limit, in characters. */
const maxNonce = 25

export const noAccess: readonly number[] = [Code.MissingAccess, Code.MissingPermissions, Code.UnknownChannel]

/** Where the reply is now. `message` absent: the reply was not a message of its own. */
export interface Placed {
  target: Target
  message?: APIMessage
  /** The message was there before, so Discord notifies no one of it. */
  edited?: boolean
}

export async function post(api: Api, target: Target, reply: Reply): Promise<Placed> {
  if (target.kind === 'channel') return write(api, target, reply)
  if (target.audience === 'form') return respond(api, target, reply)
  // the message shows the effect of the press
  if (target.audience === 'press' && reply.toast) return { target }
  return (await answerInTime(api, target, reply)) ?? answerLate(api, target, reply)
}

export async function edit(given: Api, target: Target, reply: Reply, sent?: SentMessages): Promise<Placed> {
  const api = reply.state === 'waiting' ? { ...given, send: given.sendProgress } : given
  if (target.kind === 'channel') return rewrite(api, target, messageOf(reply))
  // the button has to stay
  if (isQuiet(target) && reply.state === 'waiting' && !offersResult(reply)) return { target }
  const placed = (await answerInTime(api, target, reply)) ?? (await rewriteShown(api, target, reply, sent))
  if (placed?.target.kind === 'interaction') placed.target.offersResult = offersResult(reply)
  if (placed) return placed
  // neither is worth a new message
  if (reply.state === 'waiting' || reply.state === 'closed')
    throw new AppError('chat_refused', {}, { cause: new Error('the token has expired') })
  if (isBoundToToken(target)) return answerOnPress(api, target, reply)
  const late = await answerLate(api, target, reply, { isMentioned: wasMentioned(sent) })
  await takeOutdated(api, target)
  return late
}

/** Deletes the waiting message, whose buttons no longer work. Best effort: the bot needs rights to do so without the token. */
async function takeOutdated(api: Api, { channelId, userId, audience, messageId, answerId }: InteractionTarget) {
  const shown = audience === 'public' ? (messageId ?? answerId) : undefined
  if (shown === undefined) return
  await take(api, { kind: 'channel', channelId, userId, messageId: shown }).catch(() => undefined)
}

/** A message that only mentions the person has been sent (mention.ts). */
export const wasMentioned = (sent?: SentMessages) => sent?.earlier.some(({ part }) => part === noPicture) === true

const isQuiet = (target: InteractionTarget) => isBoundToToken(target) && ageMs(target) > offerAfterMs - quietMs

const offersResult = ({ buttons = [] }: Reply) => buttons.flat().some(({ action }) => action === 'getresult')

/** A person who takes no direct messages presses the button of the waiting message, if it has got one. */
async function answerOnPress(api: Api, target: InteractionTarget, reply: Reply): Promise<Placed> {
  try {
    return await answerLate(api, target, reply)
  } catch (error) {
    const isClosed = isOneOf(error, [Code.CannotSendMessagesToThisUser, Code.MissingAccess])
    if (!isClosed || !target.offersResult) throw error
    return { target }
  }
}

/**
 * An interaction is answered to the person alone; a message in a channel is answered in a direct message. Throws AppError
 * cannot_write_privately.
 */
export async function openDirect(api: Api, target: Target): Promise<Target> {
  if (target.kind === 'interaction') return target
  try {
    const channelId = await directChannel(api, target.userId)
    await api.send('post', Routes.channelTyping(channelId))
    return { kind: 'channel', channelId, userId: target.userId, about: target.replyTo }
  } catch (error) {
    if (isOneOf(error, [Code.CannotSendMessagesToThisUser, Code.MissingAccess])) {
      throw new AppError('cannot_write_privately', {}, { cause: error })
    }
    throw error
  }
}

// ── Through the interaction's token ──────────────────────────────────────────────────────────────────────────────

/** undefined: the token has expired. */
async function answerInTime(api: Api, target: InteractionTarget, reply: Reply): Promise<Placed | undefined> {
  if (hasExpired(target)) return undefined
  try {
    if (target.audience === 'press' && target.messageId === undefined) return await followUp(api, target, reply)
    return reply.private && target.audience === 'public'
      ? await whisper(api, target, reply)
      : await answer(api, target, messageOf(reply))
  } catch (error) {
    if (codeOf(error) === Code.UnknownWebhook && ageMs(target) < firstAnswerMs) {
      await pause(firstAnswerPauseMs)
      return answerInTime(api, target, reply)
    }
    if (isOneOf(error, [Code.InvalidWebhookToken, Code.UnknownWebhook])) return undefined
    throw error
  }
}

async function answer(api: Api, target: InteractionTarget, message: Message): Promise<Placed> {
  const { applicationId, token, messageId = '@original' } = target
  const route = Routes.webhookMessage(applicationId, token, messageId)
  const shown = await api.send<APIMessage>('patch', route, { ...message, auth: 'none' })
  const isSeen = target.audience === 'public' && !target.isOutside && messageId === '@original'
  return { target: isSeen ? { ...target, answerId: shown.id } : target, message: shown, edited: true }
}

/** A public acknowledgement cannot become private: it is deleted, and a private follow-up takes its place. */
async function whisper(api: Api, target: InteractionTarget, reply: Reply): Promise<Placed> {
  await take(api, target)
  return followUp(api, target, reply)
}

async function followUp(api: Api, target: InteractionTarget, reply: Reply): Promise<Placed> {
  const { applicationId, token } = target
  const { body, files } = messageOf(reply)
  const message = await api.send<APIMessage>('post', Routes.webhook(applicationId, token), {
    body: reply.private ? { ...body, flags: body.flags | MessageFlags.Ephemeral } : body,
    files,
    auth: 'none',
    once: true,
  })
  return { target: { ...target, audience: reply.private ? 'private' : 'public', messageId: message.id }, message }
}

/** A private answer does not appear in the channel. */
function answerLate(
  api: Api,
  target: InteractionTarget,
  reply: Reply,
  { isMentioned = false }: { isMentioned?: boolean } = {},
): Promise<Placed> {
  const { channelId, userId, interactionId } = target
  const isPrivate = reply.private === true || (target.audience === 'private' && target.originalId === undefined)
  const late = { key: interactionId, userId, message: messageOf(reply, isMentioned ? undefined : userId) }
  // the bot is not in the channel: a message there would only count as an invalid request
  return isPrivate || target.isOutside ? writeToPerson(api, late) : writeOrTellPerson(api, channelId, late)
}

/** The first answer: the form, or a private message in its place. A repeated one changes nothing. */
async function respond(api: Api, target: InteractionTarget, reply: Reply): Promise<Placed> {
  const { interactionId: id, token } = target
  const { body } = messageOf(reply)
  const outcome = await api.respond(
    { id, token },
    reply.form
      ? { type: InteractionResponseType.Modal, data: modalOf(reply.form) }
      : {
          type: InteractionResponseType.ChannelMessageWithSource,
          data: { content: body.content, allowed_mentions: { parse: [] }, flags: MessageFlags.Ephemeral },
        },
  )
  if (outcome !== 'done')
    throw new AppError('chat_refused', {}, { cause: new Error('a form could not be opened in time') })
  return { target }
}

// ── With the bot's own token ─────────────────────────────────────────────────────────────────────────────────────

interface Letter {
  /** What it answers: the same for each try, so that it arrives once. */
  key: string
  userId: string
  message: Message
}

function write(
  api: Api,
  { channelId, userId, replyTo = '', about = '' }: ChannelTarget,
  reply: Reply,
): Promise<Placed> {
  const { body, files } = messageOf(reply)
  const reference = { message_id: replyTo, fail_if_not_exists: false }
  const message = { body: replyTo ? { ...body, message_reference: reference } : body, files }
  return writeOrTellPerson(api, channelId, { key: replyTo || about || body.content, userId, message })
}

async function writeOrTellPerson(api: Api, channelId: string, letter: Letter): Promise<Placed> {
  try {
    return await writeTo(api, channelId, letter)
  } catch (error) {
    if (!isOneOf(error, noAccess)) throw error
    return writeToPerson(api, letter)
  }
}

async function writeToPerson(api: Api, letter: Letter): Promise<Placed> {
  // a direct message is not age-restricted
  if (hasSpoilers(letter.message))
    throw new AppError('chat_refused', {}, { cause: new Error('not in a direct message') })
  const { message_reference: _elsewhere, ...body } = letter.message.body
  return writeTo(api, await directChannel(api, letter.userId), { ...letter, message: { ...letter.message, body } })
}

/** With `enforce_nonce`, Discord answers a repeated one with the message that it first came with. */
export const nonceOf = (key: string) => createHash('sha256').update(key).digest('base64url').slice(0, maxNonce)

async function writeTo(api: Api, channelId: string, { key, userId, message }: Letter): Promise<Placed> {
  const body = { ...message.body, nonce: nonceOf(`${key} in ${channelId}`), enforce_nonce: true }
  const shown = await api.send<APIMessage>('post', Routes.channelMessages(channelId), { ...message, body })
  const target: ChannelTarget = { kind: 'channel', channelId, userId, messageId: shown.id }
  // Discord answers a repeated nonce with the earlier message, which may say something older
  const isCurrent =
    shown.content === body.content.trim() &&
    shown.attachments.length === body.attachments.length &&
    (shown.components?.length ?? 0) === body.components.length
  // the earlier one has notified the person
  return { target, message: isCurrent ? shown : (await rewrite(api, target, message)).message }
}

/** Once the token has expired. undefined: only the person sees the message, it is gone, or the bot has no access to its channel. */
async function rewriteShown(
  api: Api,
  target: InteractionTarget,
  reply: Reply,
  sent?: SentMessages,
): Promise<Placed | undefined> {
  const [first] = sent?.earlier.filter(({ part }) => part === 0) ?? []
  // it arrived before the token expired, and the bot cannot reach it now
  if (first && target.isOutside) return { target }
  const original = originalOf(target) ?? (first && targetOf(first.posted))
  if (original?.kind !== 'channel') return undefined
  try {
    return await rewrite(api, original, messageOf(reply))
  } catch (error) {
    if (isOneOf(error, [Code.UnknownMessage, ...noAccess])) return undefined
    throw error
  }
}

async function rewrite(api: Api, target: ChannelTarget, { body, files }: Message): Promise<Placed> {
  const { message_reference: _onlyOnce, ...changed } = body
  const message = await api.send<APIMessage>('patch', routeOf(target), { body: changed, files })
  return { target, message, edited: true }
}

// ── Messages that were posted before ─────────────────────────────────────────────────────────────────────────────

/** Their texts and pictures stay. */
export async function changeButtons(
  api: Api,
  target: Target,
  { locale, buttons }: { locale: Locale; buttons: ButtonRows },
): Promise<void> {
  const place = reachable(target)
  await api.send('patch', routeOf(place), { body: { components: rowsOf(locale, buttons) }, ...authOf(place) })
}

/** A message that is already gone is not an error. */
export async function take(api: Api, target: Target): Promise<void> {
  const place = reachable(target)
  if (place.kind === 'interaction' && hasExpired(place)) {
    // Discord counts a call with an expired token as invalid, and blocks the address after 10,000
    throw new AppError('chat_refused', {}, { cause: new Error('the token has expired') })
  }
  try {
    await api.send('delete', routeOf(place), authOf(place))
  } catch (error) {
    if (codeOf(error) !== Code.UnknownMessage) throw error
  }
}

export const isOneOf = (error: unknown, codes: readonly number[]) => codes.includes(codeOf(error) ?? 0)
