/** Which updates belong together: the messages of an album, and the parts of a text that the client had to cut. */
import type { Message, Update } from 'grammy/types'
import type { Received } from '../inbox.ts'

/** Clients cut a text at 4,096 characters, or at a line or word in the second half before that. */
const shortestCutText = 2_048
/** They send the rest at once. Telegram's clock counts whole seconds. */
const restWithinSeconds = 1

/** Messages of a person in a chat are handled in order; a press waits for none of them. */
export function laneOf({
  message,
  callback_query: query,
  update_id,
}: Update): Pick<Received, 'lane' | 'album' | 'joins'> {
  if (query || !message) return { lane: `press ${query?.id ?? update_id}` }
  const { chat, from, media_group_id: album } = message
  const lane = `${chat.id}:${from?.id}`
  if (album !== undefined) return { lane, album: `${chat.id}:${album}` }
  if (!isOrdinaryText(message)) return { lane, album: textAlbum(lane, message) }
  const seconds = Array.from({ length: restWithinSeconds + 1 }, (_, ago) => message.date - ago)
  return { lane, album: textAlbum(lane, message), joins: seconds.map((at) => nameAt(lane, at)) }
}

/** A long text waits a moment for its rest. */
const textAlbum = (lane: string, { text = '', date }: Message) =>
  text.length >= shortestCutText ? nameAt(lane, date) : undefined

const nameAt = (lane: string, date: number) => `text ${lane} ${date}`

/** A rest replies to no message and is no command. */
const isOrdinaryText = ({ text, reply_to_message: replied, entities = [] }: Message) =>
  text !== undefined &&
  replied === undefined &&
  !entities.some(({ type, offset }) => type === 'bot_command' && offset === 0)
