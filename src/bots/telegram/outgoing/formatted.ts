/** The words of a reply, with what Telegram formats marked: the person's own words as a quote. */
import type { MessageEntity } from 'grammy/types'
import type { Reply } from '../../../core/ports/chat.ts'
import { wordsFor } from '../../../locales/index.ts'
import { partsOf, pictureLinks, plainText } from '../../layout.ts'
import { cut } from './text.ts'

export interface Formatted {
  text: string
  entities: MessageEntity[]
}

/** UTF-16 units of a quote that is shown in full. */
const shortQuote = 300

/** A status stays in one line, since it changes all the time. `limit` in UTF-16 units, as all of Telegram's. */
export function formatted(reply: Pick<Reply, 'locale' | 'content' | 'pictures'>, limit: number): Formatted {
  const { status, quote } = partsOf(reply)
  const links = linksOf(reply)
  const text = cut(plainText(reply), limit - links.text.length)
  const shown = { text: text + links.text, entities: links.entities.map((each) => moved(each, text.length)) }
  if (status !== undefined || !quote) return shown
  const length = Math.min(quote.length, text.length)
  const type = length > shortQuote ? 'expandable_blockquote' : 'blockquote'
  return { ...shown, entities: [{ type, offset: 0, length }, ...shown.entities] }
}

/** Beside an album, if the text under it may not have arrived. Does not repeat that text. */
export function spareOf(reply: Reply): Reply {
  const { locale, state, unclear } = reply
  const { notes = [] } = partsOf(reply)
  const text = [...notes, wordsFor(locale).buttonsMayBeMissing].map((note) => `ℹ️ ${note}`).join('\n')
  return { locale, state, content: { kind: 'text', text }, buttons: unclear?.buttons ?? reply.buttons }
}

/** One line below the words: the labels, each a link. */
function linksOf(reply: Pick<Reply, 'locale' | 'pictures'>): Formatted {
  let text = ''
  const entities = pictureLinks(reply).map(({ label, url }): MessageEntity => {
    text += text === '' ? '\n' : ' · '
    const offset = text.length
    text += label
    return { type: 'text_link', offset, length: label.length, url }
  })
  return { text, entities }
}

const moved = (entity: MessageEntity, by: number): MessageEntity => ({ ...entity, offset: entity.offset + by })
