/** What an entry in the menu of a message does. One file in menus/ each; menus/index.ts lists them. */
import type { Words } from '../../locales/index.ts'
import type { Answer, Asked } from '../command.ts'

export type MenuName = keyof Words['menus']

export interface Chosen {
  /** Names the message in a form that this opens. */
  ref: string
}

export interface Menu {
  /** Its label in each language is `words.menus[name]`. */
  name: MenuName
  /** Whether it answers with a form: nothing else may answer before one. Otherwise only the person sees the answer. */
  opensForm?: boolean
  /** The pictures of the message are `asked.images`. If it shows a result, they are the originals, and that is `asked.parent`. */
  run(asked: Asked<Chosen>): Promise<Answer>
}
