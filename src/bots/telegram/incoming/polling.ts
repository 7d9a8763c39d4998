/**
 * Long polling: asks Telegram for updates, and for the next ones only once the last are stored. Telegram interrupts one of two
 * processes that ask at the same time, so one asks and the others take its place when it dies.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Api } from 'grammy'
import type { Update } from 'grammy/types'
import type { Database } from '../../../db/database.ts'
import { keepLease } from '../../../db/lease.ts'
import type { Log } from '../../../log.ts'
import { asSignal, failureOf, reasonOf } from '../bot-api.ts'

export const allowedUpdates = [
  'message',
  'edited_message',
  'callback_query',
  'inline_query',
  'pre_checkout_query',
] as const

const holdSeconds = 30
/** Updates of one answer: as many as Telegram allows. */
const batch = 100
const maxPauseMs = 30_000
/** A call that has waited for so long found no updates. */
const answerMs = 500

interface Connection {
  /** undefined when Telegram answers, else a sentence. */
  problem(): string | undefined
  /** Repeats the action until it succeeds or the signal aborts; rejects when the token is refused from the start. */
  retry(action: () => Promise<void>): Promise<void>
}

interface ConnectionOptions {
  log: Log
  signal: AbortSignal
}

export function createConnection({ log, signal }: ConnectionOptions): Connection {
  let problem: string | undefined = 'Telegram has not answered yet'
  let failures = 0
  let hasWorked = false

  async function tryOnce(action: () => Promise<void>): Promise<boolean> {
    try {
      await action()
      if (failures > 0) log.info({}, 'Telegram answers again')
      failures = 0
      hasWorked = true
      problem = undefined
      return true
    } catch (error) {
      if (signal.aborted) return false
      if (!hasWorked && isTokenRefused(error)) {
        problem = wrongToken
        throw new Error(wrongToken)
      }
      failures += 1
      const sentence = sentenceFor(error)
      const details = { reason: reasonOf(error), failures }
      if (sentence === problem) log.debug(details, sentence)
      else log.warn(details, sentence)
      problem = sentence
      await pause(pauseMs(error, failures), undefined, { signal }).catch(() => undefined)
      return false
    }
  }

  return {
    problem: () => problem,
    async retry(action) {
      while (!signal.aborted) if (await tryOnce(action)) return
    },
  }
}

const wrongToken = 'Telegram does not accept TELEGRAM_TOKEN: copy it again from @BotFather'

/** Telegram answers 404 to what does not look like a token. */
function isTokenRefused(error: unknown): boolean {
  return [401, 404].includes(failureOf(error)?.code ?? 0)
}

function sentenceFor(error: unknown): string {
  const failure = failureOf(error)
  if (failure?.code === 409) return 'Another process receives Telegram updates with the same TELEGRAM_TOKEN: stop one'
  if (isTokenRefused(error)) return wrongToken
  if (failure || (error instanceof Error && error.name === 'HttpError')) return 'Telegram cannot be reached'
  return 'Updates from Telegram cannot be stored'
}

/** Two pollers that retry at once after a conflict would only interrupt each other. */
function pauseMs(error: unknown, failures: number): number {
  const firstMs = failureOf(error)?.code === 409 ? 3_000 : 500
  return Math.min(maxPauseMs, firstMs * 2 ** Math.min(failures - 1, 10))
}

interface PollingOptions {
  api: Api
  connection: Connection
  signal: AbortSignal
  database: Database
  /** Of the bot: of all its processes one polls, and the others stand by. */
  name: string
  /** Resolves once the updates are stored: only then does Telegram forget them. */
  receive(updates: readonly Update[]): Promise<void>
}

interface Polling {
  /** How long ago, in milliseconds, this process certainly had every update of Telegram. undefined: it may lack some. */
  upToDateMs(): number | undefined
  /** Resolves once the signal has aborted and no call is under way. */
  ended: Promise<void>
}

/** Resolves after the first answer, or at once if another process polls. */
export async function startPolling(options: PollingOptions): Promise<Polling> {
  const { api, connection, database, name, receive, signal } = options
  let offset: number | undefined
  /** When the latest call began that showed that Telegram had no more updates, in Unix milliseconds. */
  let upToDateAt: number | undefined
  /** Since when a call waits for updates. */
  let waitingSince: number | undefined
  /** Of this process's turn. undefined: another process polls. */
  let turn: AbortController | undefined
  let wakeUp: () => void = () => undefined

  async function poll(timeout: number, turnSignal: AbortSignal) {
    const asked = { offset, limit: batch, timeout, allowed_updates: allowedUpdates }
    const began = Date.now()
    waitingSince = began
    const updates = await api.getUpdates(asked, asSignal(turnSignal)).finally(() => {
      waitingSince = undefined
    })
    await receive(updates)
    if (updates.length > 0) offset = Math.max(...updates.map(({ update_id }) => update_id)) + 1
    if (updates.length < batch && !turnSignal.aborted) upToDateAt = began
  }

  function upToDateMs(): number | undefined {
    if (!lease.held() || upToDateAt === undefined) return undefined
    const now = Date.now()
    // Telegram answers at once if it has updates
    const isHeld = waitingSince !== undefined && now - waitingSince > answerMs
    return isHeld ? answerMs : now - upToDateAt
  }

  /** The end of a turn interrupts its last call. */
  async function pollWhile(ofTurn: AbortSignal, seconds: number): Promise<void> {
    try {
      if (!ofTurn.aborted) await poll(seconds, ofTurn)
    } catch (error) {
      if (!ofTurn.aborted) throw error
    }
  }

  async function takeTurn({ signal: ofTurn }: AbortController, firstSeconds: number): Promise<void> {
    let seconds = firstSeconds
    while (!ofTurn.aborted) {
      await connection.retry(() => pollWhile(ofTurn, seconds))
      seconds = holdSeconds
    }
  }

  async function loop() {
    while (!signal.aborted) {
      // the ids of updates go on where another process has stopped
      if (turn) await takeTurn(turn, upToDateAt === undefined ? 0 : holdSeconds)
      else
        await new Promise<void>((resolve) => {
          wakeUp = resolve
        })
    }
  }

  const lease = await keepLease({
    database,
    name: `${name} polling`,
    onChange(held) {
      upToDateAt = undefined
      turn?.abort()
      turn = held ? new AbortController() : undefined
      wakeUp()
    },
  })
  signal.addEventListener('abort', () => {
    turn?.abort()
    wakeUp()
  })
  const first = turn as AbortController | undefined
  if (first) await connection.retry(() => poll(0, first.signal))
  const ended = loop().finally(() => lease.release().catch(() => undefined))
  return { upToDateMs, ended }
}
