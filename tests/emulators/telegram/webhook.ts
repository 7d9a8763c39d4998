/** Posts updates to the bot's URL, in order and one at a time within a chat, and retries until a 2xx response. */
import type { Update } from '@grammyjs/types'
import type { Json } from './types.ts'
import type { QueuedUpdate, Updates } from './updates.ts'

const ANSWER_WITHIN_MS = 60_000
const MAX_RETRY_MS = 60_000

interface WebhookSettings {
  url: string
  secretToken: string
  maxConnections: number
}

export interface WebhookOptions {
  updates: Updates
  /** Milliseconds before the first retry. Doubles after each failure. */
  retryMs: number
  /** Called for a response that contains a method call. */
  onReply(reply: Json): void
}

export interface Webhook {
  readonly settings: WebhookSettings | undefined
  readonly lastError: { date: number; message: string } | undefined
  set(settings: WebhookSettings): void
  remove(): void
  /** Also posts each update to this URL, at the same time and without retries. undefined: no longer. */
  mirror(url: string | undefined): void
}

interface Attempt {
  failures: number
  busy: boolean
  notBefore: number
}

export function createWebhook({ updates, retryMs, onReply }: WebhookOptions): Webhook {
  let settings: WebhookSettings | undefined
  let lastError: Webhook['lastError']
  let wakeUp: NodeJS.Timeout | undefined
  let inFlight = 0
  let mirrorUrl: string | undefined
  const chats = new Map<string, Attempt>()
  updates.onPush = pump

  function pump() {
    if (!settings) return
    const seen = new Set<string>()
    for (const entry of [...updates.queue]) {
      if (inFlight >= settings.maxConnections) return
      const chat = chatKey(entry.update)
      if (seen.has(chat)) continue // an earlier update of this chat comes first
      seen.add(chat)
      const attempt = chats.get(chat) ?? { failures: 0, busy: false, notBefore: 0 }
      chats.set(chat, attempt)
      if (!attempt.busy && attempt.notBefore <= Date.now()) void deliver(entry, attempt, settings)
    }
  }

  async function deliver(entry: QueuedUpdate, attempt: Attempt, to: WebhookSettings) {
    attempt.busy = true
    inFlight += 1
    const [problem] = await Promise.all([
      post(entry.update, to, onReply),
      mirrorUrl && post(entry.update, { ...to, url: mirrorUrl }, onReply),
    ])
    inFlight -= 1
    attempt.busy = false
    if (!problem) updates.drop(entry)
    if (settings !== to) return // another webhook was set or this one removed
    if (problem) postpone(attempt, problem)
    else chats.delete(chatKey(entry.update))
    pump()
  }

  function postpone(attempt: Attempt, problem: Problem) {
    lastError = { date: Math.floor(Date.now() / 1000), message: problem.message }
    const waitMs = Math.min(problem.retryAfterMs ?? retryMs * 2 ** attempt.failures, MAX_RETRY_MS)
    attempt.failures += 1
    attempt.notBefore = Date.now() + waitMs
    wakeUp = setTimeout(pump, waitMs + 1) // a timer can fire a millisecond early
    wakeUp.unref()
  }

  return {
    get settings() {
      return settings
    },
    get lastError() {
      return lastError
    },
    set(next) {
      settings = next
      lastError = undefined
      chats.clear()
      pump()
    },
    mirror(url) {
      mirrorUrl = url
    },
    remove() {
      settings = undefined
      chats.clear()
      clearTimeout(wakeUp)
    },
  }
}

interface Problem {
  message: string
  retryAfterMs?: number
}

async function post(
  update: Update,
  to: WebhookSettings,
  onReply: WebhookOptions['onReply'],
): Promise<Problem | undefined> {
  try {
    const response = await fetch(to.url, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': 'application/json',
        ...(to.secretToken && { 'x-telegram-bot-api-secret-token': to.secretToken }),
      },
      body: JSON.stringify(update),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    })
    const body = await response.text()
    if (!response.ok) {
      const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN)
      return {
        message: `Wrong response from the webhook: ${response.status} ${response.statusText}`,
        ...(retryAfter > 0 && { retryAfterMs: retryAfter * 1000 }),
      }
    }
    const reply = readReply(body)
    if (reply) onReply(reply)
    return undefined
  } catch (error) {
    const isTimeout = error instanceof Error && error.name === 'TimeoutError'
    return { message: isTimeout ? 'Read timeout expired' : 'Connection refused' }
  }
}

function readReply(body: string): Json | undefined {
  if (!body.startsWith('{')) return undefined
  try {
    const reply = JSON.parse(body) as Json
    return typeof reply.method === 'string' ? reply : undefined
  } catch {
    return undefined
  }
}

function chatKey(update: Update): string {
  const event = Object.entries(update).find(([name]) => name !== 'update_id')?.[1] as {
    chat?: { id: number }
    message?: { chat: { id: number } }
    from?: { id: number }
  }
  return String(event?.chat?.id ?? event?.message?.chat.id ?? event?.from?.id ?? '')
}
