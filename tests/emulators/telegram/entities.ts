/** Text as people see it: converts HTML markup to entities and detects commands, links, mentions and hashtags. */
import type { MessageEntity, ParseMode } from '@grammyjs/types'
import { badRequest } from './errors.ts'
import { parseHtml } from './html.ts'
import { isTelegramUrl } from './urls.ts'

export interface FormattedText {
  text: string
  entities: MessageEntity[]
}

/** `explicit`: entities given instead of a parse mode. Offsets are UTF-16 code units, as in JavaScript. */
export function formatText(source: string, parseMode: ParseMode | '', explicit: MessageEntity[] = []): FormattedText {
  if (!['', 'html', 'markdown', 'markdownv2'].includes(parseMode.toLowerCase()))
    throw badRequest('unsupported parse_mode')
  const parsed = parseMode.toLowerCase() === 'html' ? parseHtml(source) : { text: source, entities: explicit }
  const { text, entities } = trim(withoutDeadLinks(parsed))
  return { text, entities: [...entities, ...detect(text, entities)].sort(byPosition) }
}

/** Telegram shows a link that it does not accept as plain text. */
function withoutDeadLinks({ text, entities }: FormattedText): FormattedText {
  return { text, entities: entities.filter((entity) => entity.type !== 'text_link' || isTelegramUrl(entity.url)) }
}

function trim({ text, entities }: FormattedText): FormattedText {
  const start = text.length - text.trimStart().length
  const trimmed = text.trim()
  const moved = entities.map((entity) => {
    const from = Math.max(0, entity.offset - start)
    const to = Math.min(trimmed.length, entity.offset + entity.length - start)
    return { ...entity, offset: from, length: to - from }
  })
  return { text: trimmed, entities: moved.filter(({ length }) => length > 0) }
}

const DETECTED: [MessageEntity.CommonMessageEntity['type'], RegExp][] = [
  ['bot_command', /(?<![\w/])\/\w{1,64}(?:@\w{3,32})?(?![\w/])/g],
  ['url', /(?<![\w@])https?:\/\/[^\s<>"]+[^\s<>".,;:!?)]/gi],
  ['mention', /(?<![\w@/])@\w{3,32}(?!\w)/g],
  ['hashtag', /(?<![\w#/])#[\p{L}_][\p{L}\p{N}_]*/gu],
]

function detect(text: string, explicit: MessageEntity[]): MessageEntity[] {
  const found: MessageEntity[] = []
  for (const [type, pattern] of DETECTED) {
    for (const match of text.matchAll(pattern)) {
      const entity = { type, offset: match.index, length: match[0].length }
      const taken = [...explicit.filter(isOpaque), ...found].some((other) => overlaps(entity, other))
      if (!taken) found.push(entity)
    }
  }
  return found
}

/** Telegram detects nothing inside these entities. */
function isOpaque({ type }: MessageEntity): boolean {
  return ['code', 'pre', 'text_link', 'text_mention', ...DETECTED.map(([detected]) => detected)].includes(type)
}

function overlaps(one: MessageEntity, other: MessageEntity): boolean {
  return one.offset < other.offset + other.length && other.offset < one.offset + one.length
}

function byPosition(one: MessageEntity, other: MessageEntity): number {
  return one.offset - other.offset || other.length - one.length
}
