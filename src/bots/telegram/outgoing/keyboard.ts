/** Rows of buttons as an inline keyboard. Telegram gives all buttons of a row the same width and cuts labels that do not fit. */
import type { InlineKeyboardMarkup } from 'grammy/types'
import type { Button, Reply } from '../../../core/ports/chat.ts'
import { labelOf } from '../../layout.ts'

/** Characters that fit into a row on a phone in a group, in all its buttons together. */
const rowWidth = 44

/** undefined removes the keyboard of an edited message. */
export function keyboardOf({ buttons, locale }: Pick<Reply, 'buttons' | 'locale'>): InlineKeyboardMarkup | undefined {
  if (!buttons) return undefined
  const rows = buttons.flatMap((row) =>
    fitting(row.map((each) => ({ text: labelOf(locale, each), callback_data: each.id }))),
  )
  return { inline_keyboard: rows }
}

type Key = { text: string; callback_data: Button['id'] }

/** As many in a row as the widest one permits, evenly spread. */
function fitting(keys: readonly Key[]): Key[][] {
  const widest = Math.max(1, ...keys.map(({ text }) => text.length))
  const rows = Math.ceil(keys.length / Math.max(1, Math.floor(rowWidth / widest)))
  const inRow = Math.ceil(keys.length / Math.max(1, rows))
  return Array.from({ length: rows }, (_, row) => keys.slice(row * inRow, (row + 1) * inRow))
}
