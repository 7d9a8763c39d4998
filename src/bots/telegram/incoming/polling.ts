/** Long polling: asks Telegram for updates, and for the next ones only once the last are stored. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Api } from 'grammy'
import type { Update } from 'grammy/types'
import type { Log } from '../../../log.ts'
import { asSignal, failureOf, reasonOf } from '../bot-api.ts'

export const allowedUpdates = ['message', 'edited_message', 'callback_query'] as const

const holdSeconds = 30
const maxPauseMs = 30_000

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
  /** Resolves once the updates are stored: only then does Telegram forget them. */
  receive(updates: readonly Update[]): Promise<void>
}

/** Resolves after the first answer; `ended` resolves once the signal has aborted and no call is under way. */
export async function startPolling({ api, connection, signal, receive }: PollingOptions) {
  let offset: number | undefined

  async function poll(timeout: number) {
    const options = { offset, limit: 100, timeout, allowed_updates: allowedUpdates }
    const updates = await api.getUpdates(options, asSignal(signal))
    await receive(updates)
    if (updates.length > 0) offset = Math.max(...updates.map(({ update_id }) => update_id)) + 1
  }

  async function loop() {
    while (!signal.aborted) await connection.retry(() => poll(holdSeconds))
  }

  await connection.retry(() => poll(0))
  return { ended: loop() }
}
