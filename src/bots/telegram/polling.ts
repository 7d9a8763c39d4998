/** Asks Telegram for updates, for ever; asks for the next ones only when the last are kept. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Api } from 'grammy'
import type { Log } from '../../log.ts'
import { asSignal, reasonOf, refusalOf } from './api.ts'
import type { Intake } from './intake.ts'

export const allowedUpdates = ['message'] as const

const holdSeconds = 30
const longestPauseMs = 30_000
const crowdedPauseMs = 200

interface Line {
  /** Undefined when Telegram answers us, else a sentence. */
  problem(): string | undefined
  /** Repeats the action until Telegram takes it or the signal aborts; rejects when the token is wrong from the start. */
  reach(action: () => Promise<void>): Promise<void>
}

interface LineOptions {
  log: Log
  signal: AbortSignal
}

/** The connection as we last saw it. */
export function createLine({ log, signal }: LineOptions): Line {
  let problem: string | undefined = 'Telegram has not accepted us yet'
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
      if (!hasWorked && isTokenRefused(error)) throw new Error(wrongToken)
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
    async reach(action) {
      while (!signal.aborted) if (await tryOnce(action)) return
    },
  }
}

const wrongToken = 'Telegram does not accept TELEGRAM_TOKEN: copy it again from @BotFather'

/** 404 is for what does not even look like a token. */
function isTokenRefused(error: unknown): boolean {
  return [401, 404].includes(refusalOf(error)?.code ?? 0)
}

function sentenceFor(error: unknown): string {
  const refusal = refusalOf(error)
  if (refusal?.code === 409) return 'Another process receives Telegram updates with the same TELEGRAM_TOKEN: stop one'
  if (isTokenRefused(error)) return wrongToken
  if (refusal || (error instanceof Error && error.name === 'HttpError')) return 'Telegram cannot be reached'
  return 'Updates from Telegram cannot be stored'
}

/** Two pollers that answer each conflict at once would only cut each other off. */
function pauseMs(error: unknown, failures: number): number {
  const first = refusalOf(error)?.code === 409 ? 3_000 : 500
  return Math.min(longestPauseMs, first * 2 ** Math.min(failures - 1, 10))
}

interface PollingOptions {
  api: Api
  intake: Intake
  line: Line
  signal: AbortSignal
}

/** Resolves when the first answer is there; `ended` when the signal has aborted and nothing is asked any more. */
export async function startPolling(options: PollingOptions): Promise<{ ended: Promise<void> }> {
  const { api, intake, line, signal } = options
  let offset: number | undefined

  async function poll(timeout: number) {
    while (intake.isCrowded()) await pause(crowdedPauseMs, undefined, { signal })
    const asked = { offset, limit: 100, timeout, allowed_updates: allowedUpdates }
    const updates = await api.getUpdates(asked, asSignal(signal))
    await intake.accept(updates)
    if (updates.length > 0) offset = Math.max(...updates.map(({ update_id }) => update_id)) + 1
  }

  async function loop() {
    while (!signal.aborted) await line.reach(() => poll(holdSeconds))
  }

  await line.reach(() => poll(0))
  return { ended: loop() }
}
