/** Forms that buttons open, and the ids of buttons. */

/** `<version>:<action>:<ref>`, at most 64 bytes (Telegram's limit). It holds no state: the ref leads to a row. */
export type ButtonId = `${number}:${string}:${string}`

/** Asked of the person who pressed a button. Its words are of the person's language already. */
export interface Form {
  /** The button that opened it. */
  id: ButtonId
  title: string
  /** Identity of the person who is asked. Absent: the one whose press the reply answers. */
  person?: string
  fields: readonly FormField[]
}

export interface FormField {
  name: string
  /** files: pictures, which arrive as those of the call. A form has one such field at most. */
  kind: 'text' | 'choice' | 'files'
  label: string
  /** Filled in already. Absent: empty. */
  value?: string
  /** What an empty field means. */
  hint?: string
  required?: boolean
  /** Of a text, in UTF-16 units. */
  maxLength?: number
  /** Of a choice. */
  choices?: readonly Choice[]
}

export interface Choice {
  value: string
  label: string
}
