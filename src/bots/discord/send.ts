/**
 * Puts a reply where it belongs: the interaction's own answer while its token lives, then a message in the channel, then
 * a direct message. Every step may be repeated from any process without showing twice.
 */
import { createHash } from 'node:crypto'
import type { RawFile } from '@discordjs/rest'
import {
  type APIChannel,
  type APIMessage,
  RESTJSONErrorCodes as Code,
  MessageFlags,
  Routes,
} from 'discord-api-types/v10'
import { AppError } from '../../core/errors.ts'
import type { Reply } from '../../core/ports/chat.ts'
import type { ChannelTarget, InteractionTarget, Target } from './address.ts'
import { type Api, codeOf, createdAtMs } from './api.ts'
import { altOf, contentOf } from './text.ts'

/** Discord takes 15 minutes from when the person acted; our clocks may differ a little. */
const tokenLifeMs = 14.5 * 60_000
const maxNonce = 25

export async function post(api: Api, place: Target, reply: Reply): Promise<Target> {
  if (place.kind === 'channel') return write(api, place, reply)
  return (await answerInTime(api, place, reply)) ?? answerLate(api, place, reply)
}

export async function edit(api: Api, place: Target, reply: Reply): Promise<Target> {
  if (place.kind === 'channel') return rewrite(api, place, messageOf(reply))
  const answered = await answerInTime(api, place, reply)
  if (answered) return answered
  // nobody needs a new message that says "still drawing"
  if (reply.state === 'waiting') throw new AppError('chat_refused', {}, { cause: new Error('the token has expired') })
  return answerLate(api, place, reply)
}

// ── Through the interaction's token ──────────────────────────────────────────────────────────────────────────────

/** undefined when the token is over. */
async function answerInTime(api: Api, place: InteractionTarget, reply: Reply): Promise<Target | undefined> {
  if (Date.now() - createdAtMs(place.interactionId) > tokenLifeMs) return undefined
  try {
    return reply.private && !place.isPrivate
      ? await whisper(api, place, reply)
      : await answer(api, place, messageOf(reply))
  } catch (error) {
    if (isOneOf(error, [Code.InvalidWebhookToken, Code.UnknownWebhook])) return undefined
    throw error
  }
}

async function answer(api: Api, place: InteractionTarget, message: Message): Promise<Target> {
  const { applicationId, token, messageId = '@original' } = place
  await api.send('patch', Routes.webhookMessage(applicationId, token, messageId), { ...message, auth: 'none' })
  return place
}

/** An answer that was announced to all cannot become private: it goes, and a private follow-up comes. */
async function whisper(api: Api, place: InteractionTarget, reply: Reply): Promise<Target> {
  const { applicationId, token, messageId = '@original' } = place
  try {
    await api.send('delete', Routes.webhookMessage(applicationId, token, messageId), { auth: 'none' })
  } catch (error) {
    if (codeOf(error) !== Code.UnknownMessage) throw error
  }
  const { body, files } = messageOf(reply)
  const followUp = await api.send<APIMessage>('post', Routes.webhook(applicationId, token), {
    body: { ...body, flags: MessageFlags.Ephemeral },
    files,
    auth: 'none',
    once: true,
  })
  return { ...place, isPrivate: true, messageId: followUp.id }
}

/** What was for the asker's eyes only does not appear in the channel. */
function answerLate(api: Api, place: InteractionTarget, reply: Reply): Promise<Target> {
  const { channelId, userId, interactionId } = place
  const isPrivate = place.isPrivate || reply.private === true
  const late = { key: interactionId, userId, message: messageOf(reply, userId) }
  return isPrivate ? writeToPerson(api, late) : writeOrTellPerson(api, channelId, late)
}

// ── With the bot's own token ─────────────────────────────────────────────────────────────────────────────────────

interface Letter {
  /** What it answers: the same for each try, so that it arrives once. */
  key: string
  userId: string
  message: Message
}

function write(api: Api, { channelId, userId, replyTo = '' }: ChannelTarget, reply: Reply): Promise<Target> {
  const { body, files } = messageOf(reply)
  const reference = { message_id: replyTo, fail_if_not_exists: false }
  const message = { body: replyTo ? { ...body, message_reference: reference } : body, files }
  return writeOrTellPerson(api, channelId, { key: replyTo, userId, message })
}

async function writeOrTellPerson(api: Api, channelId: string, letter: Letter): Promise<Target> {
  try {
    return await writeTo(api, channelId, letter)
  } catch (error) {
    if (!isOneOf(error, [Code.MissingAccess, Code.MissingPermissions, Code.UnknownChannel])) throw error
    return writeToPerson(api, letter)
  }
}

async function writeToPerson(api: Api, letter: Letter): Promise<Target> {
  const { message_reference: _elsewhere, ...body } = letter.message.body
  const channel = await api.send<APIChannel>('post', Routes.userChannels(), { body: { recipient_id: letter.userId } })
  return writeTo(api, channel.id, { ...letter, message: { ...letter.message, body } })
}

async function writeTo(api: Api, channelId: string, { key, userId, message }: Letter): Promise<Target> {
  const nonce = createHash('sha256').update(`${key} in ${channelId}`).digest('base64url').slice(0, maxNonce)
  const body = { ...message.body, nonce, enforce_nonce: true }
  const shown = await api.send<APIMessage>('post', Routes.channelMessages(channelId), { ...message, body })
  const place: ChannelTarget = { kind: 'channel', channelId, userId, messageId: shown.id }
  // a known nonce is answered with the message of then, which may say something older
  const isCurrent = shown.content === body.content.trim() && shown.attachments.length === body.attachments.length
  return isCurrent ? place : rewrite(api, place, message)
}

async function rewrite(api: Api, place: ChannelTarget, { body, files }: Message): Promise<Target> {
  const { message_reference: _onlyOnce, ...changed } = body
  await api.send('patch', Routes.channelMessage(place.channelId, place.messageId ?? ''), { body: changed, files })
  return place
}

// ── What is sent ─────────────────────────────────────────────────────────────────────────────────────────────────

interface Message {
  body: {
    content: string
    /** All of them: those not listed are removed. */
    attachments: { id: string; filename: string; description: string }[]
    allowed_mentions: { parse: []; users?: string[]; replied_user: false }
    message_reference?: { message_id: string; fail_if_not_exists: boolean }
  }
  files: RawFile[]
}

/** `mention`: a person who is told that this came. */
function messageOf({ text, images = [] }: Reply, mention?: string): Message {
  return {
    body: {
      content: contentOf(text, mention ? `<@${mention}> ` : ''),
      attachments: images.map(({ name, alt }, at) => ({ id: String(at), filename: name, description: altOf(alt) })),
      allowed_mentions: { parse: [], ...(mention ? { users: [mention] } : {}), replied_user: false },
    },
    files: images.map(({ name, file }) => ({ name, data: file.data, contentType: file.type })),
  }
}

const isOneOf = (error: unknown, codes: readonly number[]) => codes.includes(codeOf(error) ?? 0)
