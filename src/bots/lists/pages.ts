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
  /** Buttons of the action that show the previous and the next page. */
  buttons: readonly Button[]
}

interface Paging<T> {
  items: readonly T[]
  textOf(item: T): string
  perPage: number
  /** Number of the page, from 1; if it does not exist, the nearest one is shown. A function: the page with the first item that matches. */
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
  // the page's number is both the ref and part of the label
  const buttons = others.map((other) => ({ ...button(action, String(other)), number: other }))
  return { number, items: pages[number - 1] ?? [], buttons }
}
