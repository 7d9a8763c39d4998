/** Ids of buttons: `<version>:<action>:<ref>`. They hold no state, so a button works for as long as its row exists. */
import type { Button } from '../ports/chat.ts'
import type { ButtonId } from '../ports/forms.ts'

const version = 1
/** Telegram's limit for callback data. */
const maxBytes = 64

export interface PressedButton {
  action: string
  /** What the action works on: a generation or one of its pictures, a draft, or a word that only the action understands. */
  ref: Ref
}

export interface Ref {
  /** Id of a generation or a draft. */
  id: string
  /** Number of a picture of the result, from 1. Absent: the result has one picture, or the button is about all. */
  number?: number
}

/** undefined: not an id of ours, or of a version that no longer works. */
export function parseButton(id: string): PressedButton | undefined {
  const [, of, action, ref] = /^(\d{1,3}):([a-z]{1,20}):([\w.-]{1,60})$/.exec(id) ?? []
  if (of !== String(version) || action === undefined || ref === undefined) return undefined
  const [, request = ref, number] = /^([\w-]{36})-(\d{1,3})$/.exec(ref) ?? []
  return { action, ref: number === undefined ? { id: request } : { id: request, number: Number(number) } }
}

/** `look.number`: the picture that it is about. */
export const button = (
  action: string,
  id: string,
  look: Pick<Button, 'style' | 'price' | 'number' | 'sale' | 'item'> = {},
): Button => ({
  id: buttonId(action, look.number === undefined ? id : `${id}-${look.number}`),
  action,
  ...look,
})

/** Throws for an id that Telegram would refuse: a defect of ours. */
export function buttonId(action: string, ref: string): ButtonId {
  const id: ButtonId = `${version}:${action}:${ref}`
  if (Buffer.byteLength(id) > maxBytes) throw new Error(`the button id ${id} is longer than ${maxBytes} bytes`)
  return id
}
