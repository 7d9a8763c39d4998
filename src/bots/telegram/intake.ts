/** Updates → the inbox → calls being handled. What is taken in here is handled once, or again after a crash. */
import type { Update } from 'grammy/types'
import { AppError } from '../../core/errors.ts'
import type { Call } from '../../core/ports/chat.ts'
import type { Log } from '../../log.ts'
import { reasonOf } from './api.ts'
import type { Inbox } from './inbox.ts'
import { createLanes } from './lanes.ts'
import type { Reader } from './read.ts'

const mostAtOnce = 50
const mostWaiting = 10_000
/** The parts of an album come as messages of their own, and none says that it is the last. */
const albumQuietMs = 1_000
const mostParts = 10
const remembered = 20_000

export interface Intake {
  /** Resolves when all that concerns us is stored: only then may Telegram forget it. Handling goes on by itself. */
  accept(updates: readonly Update[]): Promise<void>
  /** Takes up what is stored and not handled. */
  resume(): Promise<void>
  /** There is more in memory than there should be. */
  isCrowded(): boolean
  /** What has not begun stays in the inbox. */
  close(graceMs: number): Promise<void>
}

interface IntakeOptions {
  inbox: Inbox
  reader: Reader
  handle(call: Call): Promise<void>
  log: Log
}

type Message = NonNullable<Update['message']>

interface Part {
  update: Update
  message: Message
}

export function createIntake({ inbox, reader, handle, log }: IntakeOptions): Intake {
  const lanes = createLanes(mostAtOnce)
  const taken = createMemory<number>(remembered)
  const albums = new Map<string, { parts: Part[]; timer: NodeJS.Timeout }>()
  const finishedAlbums = createMemory<string>(1_000)

  function concerns({ update_id, message }: Update): boolean {
    try {
      return message !== undefined && reader.concerns(message)
    } catch (error) {
      log.error({ update: update_id, reason: reasonOf(error) }, 'an update from Telegram could not be read')
      return false
    }
  }

  function take(update: Update) {
    const { message } = update
    if (!message || !taken.add(update.update_id)) return
    if (message.media_group_id) collect({ update, message })
    else run([{ update, message }])
  }

  function collect(part: Part) {
    const { message } = part
    const name = `${message.chat.id}:${message.media_group_id}`
    const album = albums.get(name)
    const parts = [...(album?.parts ?? []), part]
    clearTimeout(album?.timer)
    const finish = () => {
      albums.delete(name)
      // a part that comes later than this is left out: the rest is being drawn already
      run(parts, finishedAlbums.add(name))
    }
    const timer = setTimeout(finish, parts.length < mostParts ? albumQuietMs : 0)
    albums.set(name, { parts, timer })
  }

  function run(parts: readonly Part[], isWanted = true) {
    const messages = parts.map(({ message }) => message)
    const updates = parts.map(({ update }) => update)
    const { chat, from } = messages[0] ?? {}
    lanes.add(`${chat?.id}:${from?.id}`, async () => {
      try {
        const call = isWanted ? reader.call(messages) : undefined
        if (call) await handleOnce(call)
        await inbox.done(updates)
      } catch (error) {
        for (const { update_id } of updates) taken.delete(update_id)
        log.error({ reason: reasonOf(error) }, 'a Telegram message was not handled; the next start tries it again')
      }
    })
  }

  /** What can never succeed counts as handled. */
  async function handleOnce(call: Call) {
    try {
      await handle(call)
    } catch (error) {
      if (!(error instanceof AppError) || error.retry) throw error
      log.warn({ kind: error.kind }, 'a Telegram message was not answered')
    }
  }

  return {
    async accept(updates) {
      for (const update of await inbox.store(updates.filter(concerns))) take(update)
    },
    async resume() {
      for (const update of await inbox.unhandled()) take(update)
    },
    isCrowded: () => lanes.size() >= mostWaiting,
    async close(graceMs) {
      for (const { timer } of albums.values()) clearTimeout(timer)
      await lanes.close(graceMs)
    },
  }
}

/** The last `limit` values. `add` answers whether it is new. */
function createMemory<T>(limit: number) {
  const values = new Set<T>()
  return {
    add(value: T): boolean {
      if (values.has(value)) return false
      const [oldest] = values
      if (values.size >= limit && oldest !== undefined) values.delete(oldest)
      values.add(value)
      return true
    },
    delete: (value: T) => values.delete(value),
  }
}
