/** Long lists, in pages that fit every platform. A button turns the page in the same message. */
import { button } from '../../core/chats/buttons.ts'
import type { Button } from '../../core/ports/chat.ts'
import type { ActionName } from '../action.ts'

/** Discord's limit for a message is 2,000 characters, some of which the title takes. */
const maxCharacters = 1_700

export interface Page<T> {
  /** From 1. */
  number: number
  items: readonly T[]
  /** To the page before and the page after it, of the action that shows pages. */
  buttons: readonly Button[]
}

interface Paging<T> {
  items: readonly T[]
  textOf(item: T): string
  perPage: number
  /** From 1; the nearest page where there is no such page. Or the page with the item for which it is true. */
  page: number | ((item: T) => boolean)
  action: ActionName
}

export function pageOf<T>({ items, textOf, perPage, page, action }: Paging<T>): Page<T> {
  const pages: T[][] = [[]]
  let length = 0
  for (const item of items) {
    const added = textOf(item).length + 1
    const current = pages.at(-1) ?? []
    const isFull = current.length === perPage || (current.length > 0 && length + added > maxCharacters)
    if (isFull) pages.push([item])
    else current.push(item)
    length = isFull ? added : length + added
  }
  const wanted = typeof page === 'number' ? page : pages.findIndex((items) => items.some(page)) + 1
  const number = Math.min(Math.max(1, wanted), pages.length)
  const others = [number - 1, number + 1].filter((other) => other >= 1 && other <= pages.length)
  // the number of the page is the ref itself, beside being part of the label
  const buttons = others.map((other) => ({ ...button(action, String(other)), number: other }))
  return { number, items: pages[number - 1] ?? [], buttons }
}
