/** Ids of buttons: `<version>:<action>:<ref>`. They hold no state, so a button works for as long as its row exists. */
import type { Button, ButtonId } from '../ports/chat.ts'

const version = 1
/** Telegram's limit for callback data. */
const maxBytes = 64

export interface PressedButton {
  action: string
  /** What the action works on: the id of a generation. */
  ref: string
}

/** undefined: not an id of ours, or of a version that no longer works. */
export function parseButton(id: string): PressedButton | undefined {
  const [, of, action, ref] = /^(\d{1,3}):([a-z]{1,20}):([\w-]{1,60})$/.exec(id) ?? []
  if (of !== String(version) || action === undefined || ref === undefined) return undefined
  return { action, ref }
}

export const button = (action: string, ref: string, look: Pick<Button, 'style' | 'price'> = {}): Button => ({
  id: buttonId(action, ref),
  action,
  ...look,
})

/** Throws for an id that Telegram would refuse: a defect of ours. */
export function buttonId(action: string, ref: string): ButtonId {
  const id: ButtonId = `${version}:${action}:${ref}`
  if (Buffer.byteLength(id) > maxBytes) throw new Error(`the button id ${id} is longer than ${maxBytes} bytes`)
  return id
}
