/** Where a reply goes, and which message it became, as strings that survive queues and restarts. */
import type { Address, Posted } from '../../core/ports/chat.ts'

/** `threadId`: of a forum topic; absent elsewhere. `replyTo` absent: an answer to no message. */
export interface ChatTarget {
  kind: 'chat'
  chatId: number
  threadId?: number
  replyTo?: number
}

/** A press of a button. Its answer is a toast that only the person sees, or a question to the person below the message. */
export interface PressTarget {
  kind: 'press'
  queryId: string
  userId: number
  /** Where the button is. */
  message: ChatTarget
}

export type Target = ChatTarget | PressTarget

/** What an edit may turn our message into depends on what it is now. `target`: where to post it anew. */
export interface Shown {
  messageId: number
  kind: 'text' | 'photo' | 'document'
  target: ChatTarget
}

export function toAddress(target: Target): Address {
  const { chatId, threadId = '', replyTo = '' } = target.kind === 'press' ? target.message : target
  const chat = `${chatId}:${threadId}:${replyTo}`
  return target.kind === 'press' ? `telegram:press:${target.queryId}:${target.userId}:${chat}` : `telegram:${chat}`
}

export function fromAddress(address: Address): Target {
  const [, ...parts] = address.split(':')
  if (parts[0] !== 'press') return chatOf(parts)
  const [, queryId = '', userId, ...chat] = parts
  return { kind: 'press', queryId, userId: Number(userId), message: chatOf(chat) }
}

const chatOf = ([chatId, threadId, replyTo]: readonly string[]): ChatTarget => ({
  kind: 'chat',
  chatId: Number(chatId),
  threadId: numberOf(threadId),
  replyTo: numberOf(replyTo),
})

/** The name by which replies and presses refer to a message. */
export const messageName = (chatId: number, messageId: number) => `${chatId}:${messageId}`

export const toPosted = ({ messageId, kind, target: { chatId, threadId, replyTo } }: Shown): Posted =>
  `telegram:${chatId}:${messageId}:${kind}:${threadId ?? ''}:${replyTo ?? ''}`

export function fromPosted(posted: Posted): Shown {
  const [, chatId, messageId, kind, threadId, replyTo] = posted.split(':')
  return {
    messageId: Number(messageId),
    kind: kind as Shown['kind'],
    target: { kind: 'chat', chatId: Number(chatId), threadId: numberOf(threadId), replyTo: numberOf(replyTo) },
  }
}

function numberOf(text: string | undefined): number | undefined {
  return text ? Number(text) : undefined
}
