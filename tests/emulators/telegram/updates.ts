/** Updates that the bot has not confirmed, and getUpdates, which holds the connection until there is one. */
import type { Update } from '@grammyjs/types'
import { conflict } from './errors.ts'

const MAX_TIMEOUT_SECONDS = 50
const CONFLICT_PAUSE_MS = 3000
/** Kinds that only bots get that name them in `allowed_updates`. */
const ON_REQUEST = new Set(['chat_member', 'message_reaction', 'message_reaction_count'])

export interface QueuedUpdate {
  update: Update
  /** Whether a test delivers it again. It stays until it is delivered; a confirmed offset does not remove it. */
  again: boolean
}

interface Poller {
  finish(): void
  fail(error: Error): void
}

interface PollOptions {
  offset?: number
  limit?: number
  timeoutSeconds?: number
  onClose(listener: () => void): void
}

export interface Updates {
  readonly queue: QueuedUpdate[]
  readonly allowed: string[] | undefined
  /** Called after a new update. */
  onPush: () => void
  /** Queues the update if the bot asked for its kind. Its id is used in either case. */
  push(body: Omit<Update, 'update_id'>): Update
  pushAgain(update: Update): void
  /** undefined: keep the setting. []: the default kinds. */
  allow(kinds: string[] | undefined): void
  poll(options: PollOptions): Promise<Update[]>
  /** Ends a held getUpdates with 409. */
  terminate(reason: string): void
  drop(entry: QueuedUpdate): void
  clear(): void
}

export function createUpdates({ firstId, pacing }: { firstId: number; pacing: boolean }): Updates {
  let queue: QueuedUpdate[] = []
  let allowed: string[] | undefined
  let nextId = firstId
  let poller: Poller | undefined
  let nextConflictAt = 0
  let previous = { offset: Number.NaN, at: 0 }

  const updates: Updates = {
    get queue() {
      return queue
    },
    get allowed() {
      return allowed
    },
    onPush: () => undefined,

    push(body) {
      const update = { update_id: nextId, ...body } as Update
      nextId += 1
      const kind = Object.keys(body)[0]!
      const isWanted = allowed ? allowed.includes(kind) : !ON_REQUEST.has(kind)
      if (isWanted) deliver(() => queue.push({ update, again: false }))
      return update
    },

    pushAgain(update) {
      deliver(() => queue.unshift({ update, again: true }))
    },

    allow(kinds) {
      if (kinds) allowed = kinds.length > 0 ? kinds : undefined
    },

    poll({ offset = 0, limit = 100, timeoutSeconds = 0, onClose }) {
      confirm(offset)
      updates.terminate('terminated by other getUpdates request; make sure that only one bot instance is running')
      const asked = paced(offset, Math.min(Math.max(limit, 1), 100), Math.min(timeoutSeconds, MAX_TIMEOUT_SECONDS))
      if (queue.length > 0 || asked.timeoutSeconds <= 0) return Promise.resolve(take(asked.limit))
      return hold(asked, onClose)
    },

    terminate(reason) {
      poller?.fail(conflict(reason))
    },

    drop(entry) {
      queue = queue.filter((other) => other !== entry)
    },

    clear() {
      queue = []
    },
  }

  function deliver(add: () => void) {
    add()
    poller?.finish()
    updates.onPush()
  }

  function confirm(offset: number) {
    if (offset > 0) queue = queue.filter(({ update, again }) => again || update.update_id >= offset)
    if (offset < 0) queue = queue.slice(offset)
  }

  /** Slows a bot that repeats the same getUpdates, as the real server does; see `pacing`. */
  function paced(offset: number, limit: number, timeoutSeconds: number) {
    const since = offset === previous.offset ? Date.now() - previous.at : Number.POSITIVE_INFINITY
    previous = { offset, at: Date.now() }
    if (!pacing) return { limit, timeoutSeconds }
    return {
      limit: since < 500 ? 1 : limit,
      timeoutSeconds: since < 3000 ? Math.max(timeoutSeconds, 3) : timeoutSeconds,
    }
  }

  function take(limit: number): Update[] {
    const taken = queue.slice(0, limit)
    if (taken.some(({ again }) => again)) queue = queue.filter((entry) => !(entry.again && taken.includes(entry)))
    return taken.map(({ update }) => update)
  }

  function hold(asked: { limit: number; timeoutSeconds: number }, onClose: PollOptions['onClose']): Promise<Update[]> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => held.finish(), asked.timeoutSeconds * 1000)
      const held: Poller = {
        finish() {
          leave()
          resolve(take(asked.limit))
        },
        fail(error) {
          leave()
          setTimeout(() => reject(error), conflictDelay()).unref()
        },
      }
      poller = held
      onClose(() => {
        leave()
        resolve([])
      })

      function leave() {
        clearTimeout(timer)
        if (poller === held) poller = undefined
      }
    })
  }

  /** Delays repeated conflicts by 3 s, as the real server does to limit the requests of two pollers. */
  function conflictDelay(): number {
    const now = Date.now()
    const wait = now < nextConflictAt ? CONFLICT_PAUSE_MS : 0
    nextConflictAt = now + wait + CONFLICT_PAUSE_MS
    return wait
  }

  return updates
}
