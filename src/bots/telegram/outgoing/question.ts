/** A form as a question: a message that shows what can be changed, with values to copy. */
import type { MessageEntity } from 'grammy/types'
import type { Form, FormField } from '../../../core/ports/forms.ts'
import { shorten } from '../../../core/text.ts'
import { type Words, wordsFor } from '../../../locales/index.ts'

interface Part {
  text: string
  entity?: { type: 'pre' | 'code' } | { type: 'text_mention'; user: { id: number; is_bot: false; first_name: string } }
}

interface Look {
  locale: string
  /** Characters of the message. */
  limit: number
  /** Telegram's id of the person to mention: in a group, only people who are mentioned see the reply box open by itself. */
  mention?: number
}

/** Characters of a list of choices. */
const maxChoices = 500

export function questionOf({ title, fields }: Form, look: Look): { text: string; entities: MessageEntity[] } {
  const [first, ...others] = fields.filter(({ kind }) => kind !== 'files')
  const pictures = fields.find(({ kind }) => kind === 'files')
  const words = wordsFor(look.locale).question
  const { mention } = look
  const before: Part[] = [
    { text: title, ...(mention && { entity: { type: 'text_mention', user: personOf(mention) } }) },
    { text: `\n${promptFor(words, first)}\n` },
  ]
  const more = others.flatMap((field): Part[] => [
    { text: '\n' },
    { text: words.example(field.label, shownValue(field)), entity: { type: 'code' } },
    ...(field.choices ? [{ text: ` ${words.choices(listed(field))}` }] : []),
  ])
  const after: Part[] = [
    ...(more.length === 0 ? [] : [{ text: `\n\n${words.more}` }, ...more]),
    ...(pictures ? [{ text: `\n\n📎 ${words.pictures(pictures.label)}` }] : []),
  ]
  const left = look.limit - lengthOf([...before, ...after])
  return joined([...before, ...copiesOf(first, left), ...after])
}

function promptFor(words: Words['question'], field: FormField | undefined): string {
  if (field?.choices) return words.choose
  return field?.value ? words.reply : words.write
}

/** What can be copied: the current text, or each choice. */
function copiesOf(field: FormField | undefined, limit: number): Part[] {
  if (!field?.choices)
    return field?.value ? [{ text: '\n' }, { text: shorten(field.value, limit - 1), entity: { type: 'pre' } }] : []
  const lines = field.choices.map(({ value, label }): Part[] => [
    { text: '\n' },
    { text: value, entity: { type: 'code' } },
    { text: ` (${label})` },
  ])
  const fitting = lines.filter((_, index) => lengthOf(lines.slice(0, index + 1).flat()) <= limit)
  return fitting.flat()
}

const shownValue = ({ value, hint, choices = [] }: FormField) => value ?? choices[0]?.value ?? hint ?? ''

/** As many as fit. */
function listed({ choices = [] }: FormField): string[] {
  const values: string[] = []
  let length = 0
  for (const { value } of choices) {
    length += value.length + 2
    if (length > maxChoices) return [...values, '…']
    values.push(value)
  }
  return values
}

/** Telegram fills in the name. */
const personOf = (id: number) => ({ id, is_bot: false, first_name: '-' }) as const

const lengthOf = (parts: readonly Part[]) => parts.reduce((sum, { text }) => sum + text.length, 0)

/** Offsets and lengths are in UTF-16 units. */
function joined(parts: readonly Part[]): { text: string; entities: MessageEntity[] } {
  const entities: MessageEntity[] = []
  let text = ''
  for (const part of parts) {
    if (part.entity) entities.push({ ...part.entity, offset: text.length, length: part.text.length })
    text += part.text
  }
  return { text, entities }
}
