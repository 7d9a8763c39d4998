/** People and chats as Telegram names them. */
import type { Chat, User } from 'grammy/types'
import type { Identity, Place } from '../../../core/ports/chat.ts'
import { cleanText } from '../../../core/text.ts'

export const identityOf = ({ id, first_name, last_name, username }: User): Identity => ({
  id: `telegram:${id}`,
  name: cleanText([first_name, last_name].filter(Boolean).join(' ')) || username || String(id),
  handle: username,
})

/** Telegram does not say in an update whether a person manages the group. */
export function placeOf(chat: Chat): Place {
  const group = chat.type === 'private' ? undefined : { id: String(chat.id), title: chat.title }
  return { group, channel: String(chat.id), nsfw: false, manager: false, roles: [] }
}
