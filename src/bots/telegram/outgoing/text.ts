/** What all messages to Telegram have in common. */
import type { ChatTarget } from '../address.ts'

/** Telegram's limits, in UTF-16 units: of a message, and of a caption. */
export const maxText = 4096
export const maxCaption = 1024

export const withoutPreview = { link_preview_options: { is_disabled: true } } as const

export function optionsOf({ threadId, replyTo }: ChatTarget) {
  return {
    message_thread_id: threadId,
    ...(replyTo !== undefined && { reply_parameters: { message_id: replyTo, allow_sending_without_reply: true } }),
  }
}

export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text
  return `${text.slice(0, limit - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}
