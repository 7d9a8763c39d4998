/** The words of a reply, with what Telegram formats marked: the person's own words as a quote. */
import type { MessageEntity } from 'grammy/types'
import type { Reply } from '../../../core/ports/chat.ts'
import { partsOf, plainText } from '../../layout.ts'
import { cut } from './text.ts'

export interface Formatted {
  text: string
  entities: MessageEntity[]
}

/** UTF-16 units of a quote that is shown in full. */
const shortQuote = 300

/** A status stays in one line, since it changes all the time. `limit` in UTF-16 units, as all of Telegram's. */
export function formatted(reply: Pick<Reply, 'locale' | 'content'>, limit: number): Formatted {
  const { status, quote } = partsOf(reply)
  const text = cut(plainText(reply), limit)
  if (status !== undefined || !quote) return { text, entities: [] }
  const length = Math.min(quote.length, text.length)
  const type = length > shortQuote ? 'expandable_blockquote' : 'blockquote'
  return { text, entities: [{ type, offset: 0, length }] }
}
