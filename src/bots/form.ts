/** Forms of actions: their texts by action and field, and what people submit. */
import { buttonId } from '../core/chats/buttons.ts'
import { AppError } from '../core/errors.ts'
import type { Act } from '../core/ports/chat.ts'
import type { Form, FormField } from '../core/ports/forms.ts'
import type { Words } from '../locales/index.ts'

type FormName = keyof Words['forms']

type FieldNameOf<N extends FormName> = keyof Words['forms'][N]['fields'] & string

export type FieldSpec = Omit<FormField, 'name' | 'label' | 'hint'>

export interface FormSpec<N extends FormName> {
  action: N
  /** What the action works on. */
  ref: string
  /** In the order in which people see them. The first is the one that a written answer is about. */
  fields: Readonly<Record<FieldNameOf<N>, FieldSpec>>
}

/** The compiler checks that every field has its texts in every language, and that no text lacks its field. */
export function formOf<const N extends FormName>(words: Words, { action, ref, fields }: FormSpec<N>): Form {
  const { title } = words.forms[action]
  const texts: Readonly<Record<string, { label: string; hint: string }>> = words.forms[action].fields
  const all = Object.entries<FieldSpec>(fields).map(([name, spec]) => ({
    ...spec,
    name,
    ...(texts[name] ?? { label: name }),
  }))
  return { id: buttonId(action, ref), title, fields: all }
}

/**
 * Values of all fields but files. Throws AppError bad_option with the field's label, and words_only. Whether a choice exists is for the
 * action to check.
 */
export function submittedTo(
  form: Form,
  { fields, text }: Pick<Extract<Act, { kind: 'form' }>, 'fields' | 'text'>,
  images: number,
): Record<string, string> {
  const written = form.fields.filter(({ kind }) => kind !== 'files')
  if (images > 0 && written.length === form.fields.length) {
    throw new AppError('words_only')
  }
  const given = text === undefined ? fields : writtenTo(form, text)
  return Object.fromEntries(
    written.map((field) => {
      const value = Object.hasOwn(given, field.name) ? given[field.name] : field.value
      return [field.name, checked(field, value ?? '')]
    }),
  )
}

/** 'a dog\nRatio: 16:9': lines that start with a label are for that field, all others are for the first field. */
function writtenTo(form: Form, text: string): Record<string, string> {
  const fields = form.fields.filter(({ kind }) => kind !== 'files')
  const values: Record<string, string> = {}
  const others: string[] = []
  for (const line of text.split('\n')) {
    const [, label = '', value = ''] = /^([^:：]{1,60})[:：](.*)$/u.exec(line.trim()) ?? []
    const field = fields.find((each) => each.label.toLowerCase() === label.trim().toLowerCase())
    if (field) values[field.name] = value.trim()
    else others.push(line)
  }
  const [first] = fields
  const rest = others.join('\n').trim()
  return first && rest !== '' ? { ...values, [first.name]: rest } : values
}

function checked({ label: name, required, maxLength, choices = [] }: FormField, value: string): string {
  const text = value.trim()
  if (required && text === '') throw new AppError('bad_option', { name, value: '' })
  if (maxLength !== undefined && text.length > maxLength) {
    throw new AppError('bad_option', { name, value: `${text.slice(0, 40)}…`, limit: maxLength })
  }
  return choices.find(({ label }) => label === text)?.value ?? text
}
