/** What stands behind a button. One file in actions/ each; actions/index.ts lists them. */
import type { Words } from '../locales/index.ts'
import type { Answer, Asked, Permission } from './command.ts'

export type ActionName = keyof Words['buttons']

/** The button's ref: the id of a generation. */
export interface Pressed {
  ref: string
}

export interface Action {
  /** Its label in each language is `words.buttons[name]`. */
  name: ActionName
  /** asker: the person whose request it is, and admins. */
  who: 'asker' | Permission
  /** Dispatch has checked who pressed. It may run twice for one press after a crash, so its effect carries the call's key. */
  run(asked: Asked<Pressed>): Promise<Answer>
}
