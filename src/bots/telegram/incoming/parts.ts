/** Which updates belong together: the messages of an album, and the parts of a text that the client had to cut. */
import { createHash } from 'node:crypto'
import type { Message, Update } from 'grammy/types'
import type { Received } from '../../inbox-store.ts'
import { messageName } from '../address.ts'

/** Clients cut a text that is longer than this, at the limit or at the end of a line or word in the second half. */
const maxMessage = 4_096
const shortestCutText = maxMessage / 2
/** Spaces and signs of formatting that a client removes where it cuts. */
const lostInCut = 64
/** Clients send the rest at once, but Telegram's clock counts whole seconds. */
const restWithinSeconds = 1

/** Messages of a person in a chat are handled in order; a press waits for none of them. */
export function laneOf(update: Update): Omit<Received, 'key' | 'body'> {
  const { message, edited_message: edited, callback_query: query, update_id } = update
  if (edited) return { lane: `${edited.chat.id}:${edited.from?.id}`, message: saidIn(edited), isEdit: true }
  if (query || !message) return { lane: `press ${query?.id ?? update_id}` }
  return { ...partOf(message), message: saidIn(message) }
}

/** What a person may change: the words, and the picture. */
function saidIn({ chat, message_id: messageId, text, caption = text, photo, document }: Message): Received['message'] {
  const said = `${caption ?? ''} ${(photo?.at(-1) ?? document)?.file_unique_id ?? ''}`
  return { name: messageName(chat.id, messageId), said: createHash('sha256').update(said).digest('base64url') }
}

function partOf(message: Message): Pick<Received, 'lane' | 'album' | 'length' | 'joins'> {
  const { chat, from, media_group_id: album, text = '', date } = message
  const lane = `${chat.id}:${from?.id}`
  if (album !== undefined) return { lane, album: `${chat.id}:${album}` }
  const { length } = text
  // a long text waits a moment for its rest
  const part = { lane, length, album: length >= shortestCutText ? nameAt(lane, date) : undefined }
  if (!isOrdinaryText(message)) return part
  const seconds = Array.from({ length: restWithinSeconds + 1 }, (_, ago) => date - ago)
  const minLength = Math.max(shortestCutText, maxMessage - lostInCut - length)
  return { ...part, joins: { albums: seconds.map((at) => nameAt(lane, at)), minLength } }
}

const nameAt = (lane: string, date: number) => `text ${lane} ${date}`

/** A rest replies to no message and is no command. */
const isOrdinaryText = ({ text, reply_to_message: replied, entities = [] }: Message) =>
  text !== undefined &&
  replied === undefined &&
  !entities.some(({ type, offset }) => type === 'bot_command' && offset === 0)
