import type { Address, Posted } from '../../core/ports/chat.ts'

/** `threadId` is a forum topic; absent elsewhere. `replyTo` absent: an answer to nothing. */
export interface Target {
  chatId: number
  threadId?: number
  replyTo?: number
}

/** What an edit may turn our message into depends on what it is now. `place`: where to post it anew. */
export interface Shown {
  messageId: number
  kind: 'text' | 'photo' | 'document'
  place: Target
}

export const toAddress = ({ chatId, threadId, replyTo }: Target): Address =>
  `telegram:${chatId}:${threadId ?? ''}:${replyTo ?? ''}`

export function fromAddress(address: Address): Target {
  const [, chatId, threadId, replyTo] = address.split(':')
  return { chatId: Number(chatId), threadId: numberOf(threadId), replyTo: numberOf(replyTo) }
}

export const toPosted = ({ messageId, kind, place: { chatId, threadId, replyTo } }: Shown): Posted =>
  `telegram:${chatId}:${messageId}:${kind}:${threadId ?? ''}:${replyTo ?? ''}`

export function fromPosted(posted: Posted): Shown {
  const [, chatId, messageId, kind, threadId, replyTo] = posted.split(':')
  return {
    messageId: Number(messageId),
    kind: kind as Shown['kind'],
    place: { chatId: Number(chatId), threadId: numberOf(threadId), replyTo: numberOf(replyTo) },
  }
}

function numberOf(text: string | undefined): number | undefined {
  return text ? Number(text) : undefined
}
