/** The queued graphs: a binary heap by number, which GET /queue lists in heap order, as the real server does. */
import type { Graph } from './validate.ts'

export interface Item {
  number: number
  id: string
  graph: Graph
  extra: Record<string, unknown>
  outputs: string[]
  client: string | undefined
}

export interface Heap {
  items: Item[]
  push(item: Item): void
  pop(): Item | undefined
  remove(ids: readonly string[]): void
}

export function createHeap(): Heap {
  let items: Item[] = []

  function rise(from: number) {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1
      if (items[parent]!.number <= items[at]!.number) return
      swap(at, parent)
      at = parent
    }
  }

  function sink() {
    for (let at = 0; ; ) {
      const children = [2 * at + 1, 2 * at + 2].filter((child) => child < items.length)
      const least = children.sort((a, b) => items[a]!.number - items[b]!.number)[0]
      if (least === undefined || items[least]!.number >= items[at]!.number) return
      swap(at, least)
      at = least
    }
  }

  function swap(a: number, b: number) {
    const kept = items[a]!
    items[a] = items[b]!
    items[b] = kept
  }

  function push(item: Item) {
    items.push(item)
    rise(items.length - 1)
  }

  return {
    get items() {
      return items
    },
    push,
    pop() {
      const first = items[0]
      const last = items.pop()
      if (last && items.length > 0) {
        items[0] = last
        sink()
      }
      return first
    },
    remove(ids) {
      const kept = items.filter(({ id }) => !ids.includes(id))
      items = []
      for (const item of kept) push(item)
    },
  }
}

/** An entry of GET /queue and of the history. */
export function queueEntry({ number, id, graph, extra, outputs }: Item): unknown[] {
  return [number, id, graph, extra, outputs]
}
