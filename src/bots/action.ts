/** What stands behind a button. One file in actions/ each; actions/index.ts lists them. */
import { parseButton, type Ref } from '../core/chats/buttons.ts'
import type { Form } from '../core/ports/forms.ts'
import type { Words } from '../locales/index.ts'
import type { Answer, Asked, Permission } from './command.ts'

export type ActionName = keyof Words['buttons']

export interface Pressed {
  /** Id of the generation or draft, or a word that only this action understands. */
  ref: string
  /** Number of the picture that the button is about, from 1. Absent: the result has one picture, or the button is about all. */
  number?: number
  /** What was submitted, by field: all fields of the action's form. Empty without a form. */
  fields: Readonly<Record<string, string>>
}

export interface Action {
  /** Its label in each language is `words.buttons[name]`. */
  name: ActionName
  /**
   * asker: the person who made the request, and admins unless it is private · viewer: also people in a chat that shows the result, or
   * who keep it as a favourite.
   */
  who: 'asker' | 'viewer' | Permission | ((ref: string) => Permission)
  /** Who sees its answer, a new message. Absent: the pressed message shows the effect, or a few words confirm it. */
  answers?: 'public' | 'private'
  /** Opened by a press; its submission runs the action. Absent: a press runs it. */
  form?: {
    /** Who sees the answer to a submission, where the surface can do that. Errors are always private. */
    audience: 'public' | 'private'
    make(asked: Asked<Pressed>): Promise<Form>
  }
  /** Dispatch has checked who pressed. It may run twice for one press after a crash, so its effect carries the call's key. */
  run(asked: Asked<Pressed>): Promise<Answer>
}

/** By the id of a button, as it came from the client. */
export function findAction(actions: readonly Action[], id: string): { action: Action; ref: Ref } | undefined {
  const button = parseButton(id)
  const action = button && actions.find(({ name }) => name === button.action)
  return button && action && { action, ref: button.ref }
}
