/**
 * Mentions the person who asked once a request that took long has ended. Discord notifies people of new messages, not of edits, so
 * a short message follows the edited one.
 */
import { type APIMessage, MessageFlags, Routes } from 'discord-api-types/v10'
import { noPicture, type Reply, type SentMessages } from '../../core/ports/chat.ts'
import { wordsFor } from '../../locales/index.ts'
import { within } from '../../net/within.ts'
import { addressOf, ageMs, type InteractionTarget, type Target } from './address.ts'
import { type Api, type DiscordLog, reasonOf } from './rest/api.ts'
import { hasExpired } from './routes.ts'
import { isOneOf, noAccess, nonceOf, type Placed, wasMentioned } from './send.ts'

/** After a wait of this length the person may no longer look at the channel. */
const longWaitMs = 60_000
/** The credits of the request are on hold until it has ended, so its end does not wait for a slow response. */
const mentionWithinMs = 5_000

interface Parts {
  api: Pick<Api, 'send'>
  log: DiscordLog
}

interface Ended {
  reply: Reply
  /** Absent: it is no delivery, as when a request was cancelled. No one is mentioned then. */
  sent?: SentMessages
}

/** Best effort, because the result itself is shown: what fails here is logged. A slow mention goes on after this resolves. */
export async function mentionAfterLongWait(parts: Parts, placed: Placed, { reply, sent }: Ended): Promise<void> {
  const { target, message, edited } = placed
  if (!message || !edited || !sent || wasMentioned(sent) || !waitedLong(target, reply, sent)) return
  const mentioned = mention(parts, { target, message, content: contentOf(target, reply), sent }).catch((error) =>
    parts.log.warn({ reason: reasonOf(error) }, 'could not mention the person whose request took long'),
  )
  await within(mentionWithinMs, mentioned)
}

/** A message that only the person sees has no channel to notify in. */
function waitedLong(target: Target, { content, private: isPrivate }: Reply, { since }: SentMessages): boolean {
  if (content.kind !== 'result' && content.kind !== 'failure') return false
  // the message may be older than the request: it showed a draft before
  if (target.kind === 'channel') return Date.now() - since > longWaitMs
  const isSeen = !isPrivate && (target.audience === 'public' || target.originalId !== undefined)
  return isSeen && ageMs(target) > longWaitMs
}

function contentOf({ userId }: Target, { locale, content }: Reply): string {
  const { late } = wordsFor(locale)
  return `<@${userId}> ${content.kind === 'result' ? late.done : late.failed}`
}

interface Mention {
  target: Target
  /** The message that was edited. */
  message: APIMessage
  content: string
  sent: SentMessages
}

async function mention({ api }: Parts, { target, message, content, sent }: Mention): Promise<void> {
  const body = {
    content,
    flags: MessageFlags.SuppressEmbeds,
    allowed_mentions: { parse: [], users: [target.userId], replied_user: false },
  }
  const add = (shown: Pick<APIMessage, 'id'>) => {
    const posted = addressOf({
      kind: 'channel',
      channelId: message.channel_id,
      userId: target.userId,
      messageId: shown.id,
    })
    return sent.add({ posted, part: noPicture, fileIds: [] })
  }
  const isOutside = target.kind === 'interaction' && target.isOutside
  try {
    // the bot is not in the channel: a message there would only count as an invalid request
    if (!isOutside) return void (await add(await writeBelow(api, message, body)))
  } catch (error) {
    if (!isOneOf(error, noAccess)) throw error
  }
  if (target.kind !== 'interaction' || hasExpired(target)) return
  // follow-ups have no nonce, so it is recorded first: a crash leaves the mention out, and never repeats it
  if (!(await add(message))) return
  await followUp(api, target, body)
}

/** A call that is repeated within minutes adds no second message, because of the nonce. */
function writeBelow(api: Parts['api'], message: APIMessage, body: object) {
  return api.send<APIMessage>('post', Routes.channelMessages(message.channel_id), {
    body: {
      ...body,
      message_reference: { message_id: message.id, fail_if_not_exists: false },
      nonce: nonceOf(`mention below ${message.id}`),
      enforce_nonce: true,
    },
  })
}

function followUp(api: Parts['api'], { applicationId, token }: InteractionTarget, body: object) {
  return api.send('post', Routes.webhook(applicationId, token), { body, auth: 'none', once: true })
}
