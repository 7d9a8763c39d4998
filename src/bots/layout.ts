/** Content → the parts of a message, in the person's language. Surfaces lay the parts out; `plainText` is for those without markup. */
import { spelled } from '../core/errors.ts'
import type { Button, Reply } from '../core/ports/chat.ts'
import type { Content, Result } from '../core/ports/content.ts'
import { flagSpellings } from '../core/request/parse.ts'
import { type Words, wordsFor } from '../locales/index.ts'
import type { ActionName } from './action.ts'

export interface ReplyParts {
  /** How the request stands. */
  status?: string
  /** The person's own words. */
  quote?: string
  /** The prompt that was drawn in their place. */
  enhanced?: string
  /** Short facts, for one line. */
  facts?: readonly string[]
  notes?: readonly string[]
  /** Anything else. */
  text?: string
}

/** How chats spell the options of requests and commands. */
const optionNames = { ...flagSpellings, cap: '--cap', models: '--models' }

export function partsOf({ locale, content }: Pick<Reply, 'locale' | 'content'>): ReplyParts {
  const words = wordsFor(locale)
  switch (content.kind) {
    case 'text':
      return { text: content.text }
    case 'queued':
      return { status: words.status.queued(content), quote: content.prompt || undefined }
    case 'drawing':
      return { status: words.status.drawing(content), quote: content.prompt || undefined }
    case 'finishing':
      return { status: words.status.finishing }
    case 'result':
      return resultParts(words, content)
    case 'failure':
      return failureParts(words, content)
    case 'report':
      return { text: words.admin.report(content) }
    case 'refusal':
      return { text: words.warning(errorText(words, content)) }
  }
}

export function plainText(reply: Pick<Reply, 'locale' | 'content'>): string {
  const { status, quote, enhanced, facts, notes = [], text } = partsOf(reply)
  if (status !== undefined) return quote === undefined ? status : wordsFor(reply.locale).status.of(status, quote)
  const lines = [quote, enhanced && `✨ ${enhanced}`, facts?.join(' · '), text, ...notes.map((note) => `ℹ️ ${note}`)]
  return lines.filter((line) => line !== undefined && line !== '').join('\n')
}

export interface PictureLink {
  label: string
  url: string
}

/** Links to the stored files of the pictures that are shown smaller. */
export function pictureLinks({ locale, pictures = [] }: Pick<Reply, 'locale' | 'pictures'>): PictureLink[] {
  const words = wordsFor(locale)
  return pictures.flatMap(({ link }, index) =>
    link === undefined ? [] : [{ label: words.fullSize(pictures.length > 1 ? index + 1 : undefined), url: link }],
  )
}

/** Labels by action, with the price. */
export function labelOf(locale: string, { action, number, title, price = 0, sale }: Button): string {
  const words = wordsFor(locale)
  if (sale) return words.shop.item(sale)
  const name = words.buttons[action as ActionName] ?? action
  const label = [name, title ?? number].filter((part) => part !== undefined).join(' ')
  return price > 0 ? words.priced(label, price) : label
}

function errorText(words: Words, { error: kind, data }: Extract<Content, { kind: 'failure' | 'refusal' }>): string {
  return words.errors[kind](spelled({ kind, data }, optionNames))
}

function failureParts(words: Words, content: Extract<Content, { kind: 'failure' }>): ReplyParts {
  const text = words.refunded(errorText(words, content), content.refunded)
  // requests that take no words have none to quote
  const marked = content.error === 'cancelled' ? words.stopped : words.warning
  return content.prompt === '' ? { text: marked(text) } : { quote: marked(content.prompt), text }
}

function resultParts(words: Words, result: Result): ReplyParts {
  const {
    id,
    parent,
    prompt,
    enhanced,
    enhancedBy,
    model,
    servedBy,
    width,
    height,
    seed,
    seconds,
    notes,
    masked,
    grown,
    loras = [],
  } = result
  return {
    quote: prompt,
    enhanced: enhanced && (enhancedBy ? words.facts.enhancedBy(enhanced, enhancedBy) : enhanced),
    facts: [
      model,
      ...(model.includes(servedBy) ? [] : [servedBy]),
      `${width}×${height}`,
      ...(seed ? [words.facts.seed(seed)] : []),
      words.facts.seconds(seconds),
      words.facts.credits(result),
      words.facts.id(id),
      ...(parent ? [words.facts.parent(parent)] : []),
      ...(masked ? [words.facts.masked] : []),
      ...(grown === undefined ? [] : [words.facts.grown(grown)]),
      ...(loras.length === 0 ? [] : [words.facts.loras(loras)]),
    ],
    notes: notes.map(({ kind, data = {} }) => words.notes[kind](data)),
  }
}
