/** Parses Telegram's HTML: tags that must nest, and four named characters. Errors name the byte offset, as Telegram's do. */
import type { MessageEntity } from '@grammyjs/types'
import { badRequest } from './errors.ts'

const PLAIN_TAGS = new Map<string, MessageEntity.CommonMessageEntity['type']>([
  ['b', 'bold'],
  ['strong', 'bold'],
  ['i', 'italic'],
  ['em', 'italic'],
  ['u', 'underline'],
  ['ins', 'underline'],
  ['s', 'strikethrough'],
  ['strike', 'strikethrough'],
  ['del', 'strikethrough'],
  ['tg-spoiler', 'spoiler'],
  ['code', 'code'],
])

const TAGS = new Set([...PLAIN_TAGS.keys(), 'a', 'pre', 'span', 'blockquote', 'tg-emoji'])

const NAMED = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
])

interface OpenTag {
  name: string
  attributes: Map<string, string>
  /** Offset of its text in the result. */
  offset: number
}

export function parseHtml(source: string): { text: string; entities: MessageEntity[] } {
  const open: OpenTag[] = []
  const entities: MessageEntity[] = []
  /** Tag that was closed last. */
  let inner: (OpenTag & { end: number }) | undefined
  let text = ''
  let at = 0

  while (at < source.length) {
    const next = source.slice(at).search(/[<&]/)
    if (next === -1) break
    text += source.slice(at, at + next)
    at += next
    if (source[at] === '&') {
      const { character, length } = readCharacter(source, at)
      text += character
      at += length
    } else if (source[at + 1] === '/') {
      const { name, end } = readEndTag(source, at)
      const tag = open.pop()
      if (!tag) throw errorAt(source, at, 'Unexpected end tag at byte offset', '')
      if (name !== '' && name !== tag.name)
        throw errorAt(source, at, 'Unmatched end tag at byte offset', `, expected "</${tag.name}>", found "</${name}>"`)
      if (tag.name === 'pre' && wraps(tag, inner, text.length)) {
        entities.pop()
        tag.attributes = inner!.attributes
      }
      inner = { ...tag, end: text.length }
      const entity = toEntity(tag, text.slice(tag.offset))
      if (entity) entities.push(entity)
      at = end
    } else {
      const tag = readStartTag(source, at)
      open.push({ ...tag, offset: text.length })
      at = tag.end
    }
  }
  text += source.slice(at)

  const unclosed = open.at(-1)
  if (unclosed) throw cannotParse(`Can't find end tag corresponding to start tag "${unclosed.name}"`)
  return { text, entities }
}

function readStartTag(source: string, start: number): { name: string; attributes: Map<string, string>; end: number } {
  const nameEnd = from(source, start, /[\s>]/)
  if (nameEnd === -1) throw errorAt(source, start, 'Unclosed start tag at byte offset', '')
  const name = source.slice(start + 1, nameEnd).toLowerCase()
  if (!TAGS.has(name)) throw errorAt(source, start, `Unsupported start tag "${name}" at byte offset`, '')

  const attributes = new Map<string, string>()
  let at = nameEnd
  while (true) {
    at = skipSpaces(source, at)
    if (source[at] === '>') break
    const attribute = /^([^\s=>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9.-]+)))?/.exec(source.slice(at))
    if (!attribute) {
      if (at >= source.length) throw errorAt(source, start, `Unclosed start tag "${name}" at byte offset`, '')
      throw errorAt(source, start, `Empty attribute name in the tag "${name}" at byte offset`, '')
    }
    const value = attribute[2] ?? attribute[3] ?? attribute[4] ?? ''
    attributes.set(attribute[1]!.toLowerCase(), decode(value))
    at += attribute[0].length
  }
  const isBareSpan = name === 'span' && attributes.get('class') !== 'tg-spoiler'
  if (isBareSpan) throw errorAt(source, start, 'Tag "span" must have class "tg-spoiler" at byte offset', '')
  return { name, attributes, end: at + 1 }
}

function readEndTag(source: string, start: number): { name: string; end: number } {
  const nameEnd = from(source, start, /[\s>]/)
  const at = nameEnd === -1 ? source.length : skipSpaces(source, nameEnd)
  if (source[at] !== '>') throw errorAt(source, start, 'Unclosed end tag at byte offset', '')
  return { name: source.slice(start + 2, nameEnd).toLowerCase(), end: at + 1 }
}

/** Keeps an ampersand that does not start a character reference. */
function readCharacter(source: string, start: number): { character: string; length: number } {
  const match = /^&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z]+));?/.exec(source.slice(start, start + 12))
  const code = match?.[1] ? Number(match[1]) : match?.[2] ? Number.parseInt(match[2], 16) : undefined
  const character =
    code === undefined
      ? NAMED.get(match?.[3] ?? '')
      : code > 0 && code <= 0x10ffff
        ? String.fromCodePoint(code)
        : undefined
  return character === undefined ? { character: '&', length: 1 } : { character, length: match![0].length }
}

function decode(value: string): string {
  let text = ''
  for (let at = 0; at < value.length; ) {
    const { character, length } = value[at] === '&' ? readCharacter(value, at) : { character: value[at]!, length: 1 }
    text += character
    at += length
  }
  return text
}

function toEntity({ name, attributes, offset }: OpenTag, text: string): MessageEntity | undefined {
  const { length } = text
  if (length === 0) return undefined
  const type = PLAIN_TAGS.get(name)
  if (type) return { type, offset, length }
  if (name === 'a') {
    const url = attributes.get('href') || text // without href the text is the link
    return { type: 'text_link', offset, length, url }
  }
  if (name === 'tg-emoji')
    return { type: 'custom_emoji', offset, length, custom_emoji_id: attributes.get('emoji-id') ?? '' }
  if (name === 'span') return { type: 'spoiler', offset, length }
  if (name === 'blockquote')
    return { type: attributes.has('expandable') ? 'expandable_blockquote' : 'blockquote', offset, length }
  const language = languageOf(attributes)
  return { type: 'pre', offset, length, ...(language && { language }) }
}

/** Whether `inner` is the `code` of `<pre><code class="language-x">`, which is one block of code. */
function wraps({ offset }: OpenTag, inner: (OpenTag & { end: number }) | undefined, end: number): boolean {
  return inner?.name === 'code' && inner.offset === offset && inner.end === end && end > offset
}

function languageOf(attributes: Map<string, string>): string | undefined {
  return /^language-(.+)$/.exec(attributes.get('class') ?? '')?.[1]
}

function from(source: string, start: number, pattern: RegExp): number {
  const found = source.slice(start + 1).search(pattern)
  return found === -1 ? -1 : start + 1 + found
}

function skipSpaces(source: string, start: number): number {
  let at = start
  while (at < source.length && /\s/.test(source[at]!)) at += 1
  return at
}

function errorAt(source: string, at: number, before: string, after: string) {
  return cannotParse(`${before} ${Buffer.byteLength(source.slice(0, at))}${after}`)
}

function cannotParse(reason: string) {
  return badRequest(`can't parse entities: ${reason}`)
}
