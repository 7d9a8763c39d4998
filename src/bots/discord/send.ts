/**
 * Puts a reply where it belongs: the interaction's own answer while its token lives, then a message in the channel, then a
 * direct message. Any process may repeat any step without showing anything twice.
 */
import { createHash } from 'node:crypto'
import type { RawFile } from '@discordjs/rest'
import {
  type APIActionRowComponent,
  type APIButtonComponentWithCustomId,
  type APIChannel,
  type APIMessage,
  ButtonStyle,
  RESTJSONErrorCodes as Code,
  ComponentType,
  MessageFlags,
  Routes,
} from 'discord-api-types/v10'
import { AppError } from '../../core/errors.ts'
import type { Button, Reply } from '../../core/ports/chat.ts'
import { labelOf, plainText } from '../layout.ts'
import type { ChannelTarget, InteractionTarget, Target } from './address.ts'
import { type Api, codeOf, createdAtMs } from './api.ts'
import { altOf, contentOf } from './text.ts'

/** Discord allows 15 minutes from when the person acted; the clocks may differ a little. */
const tokenLifeMs = 14.5 * 60_000
/** Discord's limit, in characters. */
const maxNonce = 25

export async function post(api: Api, target: Target, reply: Reply): Promise<Target> {
  if (target.kind === 'channel') return write(api, target, reply)
  // the message shows the effect of the press
  if (target.audience === 'press' && reply.toast) return target
  return (await answerInTime(api, target, reply)) ?? answerLate(api, target, reply)
}

export async function edit(api: Api, target: Target, reply: Reply): Promise<Target> {
  if (target.kind === 'channel') return rewrite(api, target, messageOf(reply))
  const answered = await answerInTime(api, target, reply)
  if (answered) return answered
  // progress is not worth a new message
  if (reply.state === 'waiting') throw new AppError('chat_refused', {}, { cause: new Error('the token has expired') })
  return answerLate(api, target, reply)
}

// ── Through the interaction's token ──────────────────────────────────────────────────────────────────────────────

/** undefined: the token has expired. */
async function answerInTime(api: Api, target: InteractionTarget, reply: Reply): Promise<Target | undefined> {
  if (Date.now() - createdAtMs(target.interactionId) > tokenLifeMs) return undefined
  try {
    if (target.audience === 'press' && target.messageId === undefined) return await followUp(api, target, reply)
    return reply.private && target.audience === 'public'
      ? await whisper(api, target, reply)
      : await answer(api, target, messageOf(reply))
  } catch (error) {
    if (isOneOf(error, [Code.InvalidWebhookToken, Code.UnknownWebhook])) return undefined
    throw error
  }
}

async function answer(api: Api, target: InteractionTarget, message: Message): Promise<Target> {
  const { applicationId, token, messageId = '@original' } = target
  await api.send('patch', Routes.webhookMessage(applicationId, token, messageId), { ...message, auth: 'none' })
  return target
}

/** A public acknowledgement cannot become private: it is deleted, and a private follow-up takes its place. */
async function whisper(api: Api, target: InteractionTarget, reply: Reply): Promise<Target> {
  const { applicationId, token, messageId = '@original' } = target
  try {
    await api.send('delete', Routes.webhookMessage(applicationId, token, messageId), { auth: 'none' })
  } catch (error) {
    if (codeOf(error) !== Code.UnknownMessage) throw error
  }
  return followUp(api, target, reply)
}

async function followUp(api: Api, target: InteractionTarget, reply: Reply): Promise<Target> {
  const { applicationId, token } = target
  const { body, files } = messageOf(reply)
  const message = await api.send<APIMessage>('post', Routes.webhook(applicationId, token), {
    body: reply.private ? { ...body, flags: body.flags | MessageFlags.Ephemeral } : body,
    files,
    auth: 'none',
    once: true,
  })
  return { ...target, audience: reply.private ? 'private' : 'public', messageId: message.id }
}

/** A private answer does not appear in the channel. */
function answerLate(api: Api, target: InteractionTarget, reply: Reply): Promise<Target> {
  const { channelId, userId, interactionId } = target
  const isPrivate = target.audience === 'private' || reply.private === true
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
  const target: ChannelTarget = { kind: 'channel', channelId, userId, messageId: shown.id }
  // Discord answers a repeated nonce with the earlier message, which may say something older
  const isCurrent =
    shown.content === body.content.trim() &&
    shown.attachments.length === body.attachments.length &&
    (shown.components?.length ?? 0) === body.components.length
  return isCurrent ? target : rewrite(api, target, message)
}

async function rewrite(api: Api, target: ChannelTarget, { body, files }: Message): Promise<Target> {
  const { message_reference: _onlyOnce, ...changed } = body
  await api.send('patch', Routes.channelMessage(target.channelId, target.messageId ?? ''), { body: changed, files })
  return target
}

// ── What is sent ─────────────────────────────────────────────────────────────────────────────────────────────────

type ButtonRow = APIActionRowComponent<APIButtonComponentWithCustomId>

interface Message {
  body: {
    content: string
    /** All of them: Discord removes those that are not listed. */
    attachments: { id: string; filename: string; description: string }[]
    /** All of them: an edit without buttons removes them. */
    components: ButtonRow[]
    allowed_mentions: { parse: []; users?: string[]; replied_user: false }
    /** Links in prompts show no previews. */
    flags: MessageFlags
    message_reference?: { message_id: string; fail_if_not_exists: boolean }
  }
  files: RawFile[]
}

/** `mention`: the person to notify that this has arrived. */
function messageOf(reply: Reply, mention?: string): Message {
  const { pictures = [], buttons = [], locale } = reply
  return {
    body: {
      content: contentOf(plainText(reply), mention ? `<@${mention}> ` : ''),
      attachments: pictures.map(({ name, alt }, index) => ({
        id: String(index),
        filename: name,
        description: altOf(alt),
      })),
      components: buttons.map((row) => rowOf(locale, row)),
      flags: MessageFlags.SuppressEmbeds,
      allowed_mentions: { parse: [], ...(mention ? { users: [mention] } : {}), replied_user: false },
    },
    files: pictures.map(({ name, file }) => ({ name, data: file.data, contentType: file.type })),
  }
}

const styles = { primary: ButtonStyle.Primary, danger: ButtonStyle.Danger, plain: ButtonStyle.Secondary } as const

const rowOf = (locale: string, row: readonly Button[]): ButtonRow => ({
  type: ComponentType.ActionRow,
  components: row.map((button) => ({
    type: ComponentType.Button,
    style: styles[button.style ?? 'plain'],
    label: labelOf(locale, button),
    custom_id: button.id,
  })),
})

const isOneOf = (error: unknown, codes: readonly number[]) => codes.includes(codeOf(error) ?? 0)
