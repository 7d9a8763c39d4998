/** Changes the buttons of messages that were posted before, and deletes such messages. */
import { type Api, InputFile } from 'grammy'
import type { Message } from 'grammy/types'
import type { ChatSurface } from '../../../core/ports/chat.ts'
import { fromPosted, type Shown } from '../address.ts'
import { asChatError, failureOf } from '../bot-api.ts'
import { keyboardOf } from './keyboard.ts'

/** A grey square: a PNG of 64 × 64 pixels. */
const blank = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAEAAAABAAQMAAACQp+OdAAAAA1BMVEWAgICQdD0xAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAAD0lEQVQoz2NgGAWjgHwAAAJAAAGMxat3' +
    'AAAAAElFTkSuQmCC',
  'base64',
)

export function createStanding(api: Api): Pick<ChatSurface, 'changeButtons' | 'remove'> {
  async function take({ messageId, kind, target: { chatId } }: Shown): Promise<void> {
    try {
      await api.deleteMessage(chatId, messageId)
    } catch (error) {
      const { description = '', newChatId } = failureOf(error) ?? {}
      if (newChatId !== undefined || description.includes('message to delete not found')) return
      // after two days Telegram deletes nothing, but what a message shows can still change
      if (!description.includes("message can't be deleted")) throw error
      if (kind === 'text') {
        await changed(api.editMessageText(chatId, messageId, '🗑'))
        return
      }
      const media = { type: kind, media: new InputFile(blank, 'deleted.png') } as const
      await changed(api.editMessageMedia(chatId, messageId, media))
    }
  }

  return {
    async changeButtons(posted, look) {
      const { messageId, target } = fromPosted(posted)
      try {
        await changed(api.editMessageReplyMarkup(target.chatId, messageId, { reply_markup: keyboardOf(look) }))
      } catch (error) {
        throw asChatError(error)
      }
    },
    async remove(posted) {
      try {
        await take(fromPosted(posted))
      } catch (error) {
        throw asChatError(error)
      }
    },
  }
}

/** Resolves to undefined if the message already looks like that: the edit was made before. */
export async function changed(edit: Promise<Message | true>): Promise<Message | undefined> {
  try {
    const message = await edit
    return message === true ? undefined : message
  } catch (error) {
    if (!failureOf(error)?.description.includes('message is not modified')) throw error
    return undefined
  }
}
