/** Discord's REST interface, and what its refusals mean. No token and no address leaves this file in an error. */
import {
  DefaultRestOptions,
  DiscordAPIError,
  HTTPError,
  RateLimitError,
  type RawFile,
  REST,
  RESTJSONErrorCodes,
  Routes,
} from 'discord.js'
import { AppError } from '../../core/errors.ts'
import type { InteractionTarget } from './address.ts'

export interface DiscordLog {
  info(object: object, message: string): void
  warn(object: object, message: string): void
  error(object: object, message: string): void
}

interface ApiRequest {
  body?: unknown
  files?: RawFile[]
  /** 'none' for what an interaction's token opens. Default: the bot's token. */
  auth?: 'none'
  /** Doing it twice is noticed: then it is not repeated when its answer was lost. */
  once?: boolean
}

/** 'late': Discord has told the person that the bot did not answer. */
export type Acknowledged = 'done' | 'late' | 'unknown'

/** Callback types: 5 shows "thinking …", to the person only with flag 64; 6 shows nothing, since the message stays. */
const acknowledgements = {
  public: { type: 5 },
  private: { type: 5, data: { flags: 64 } },
  press: { type: 6 },
} as const satisfies Record<InteractionTarget['audience'], object>

export interface Api {
  send<T>(method: 'post' | 'patch' | 'put' | 'delete' | 'get', route: `/${string}`, request?: ApiRequest): Promise<T>
  /** Says "thinking …" within Discord's 3 seconds. 'late': the person was told that we did not answer. */
  acknowledge(
    interaction: { id: string; token: string },
    audience: InteractionTarget['audience'],
  ): Promise<Acknowledged>
  /** What to throw at those who know nothing of Discord. */
  toAppError(error: unknown): AppError
  close(): void
}

/** A picture of 10 MiB on a slow line takes longer than the library's 15 s. */
const sendTimeoutMs = 60_000
/** Shorter pauses than this are waited out by the library. */
const patienceMs = 5_000
const acknowledgeTries = 3
const acknowledgeTimeoutMs = 900

export function createRest({ token, apiUrl, log }: { token: string; apiUrl: string; log: DiscordLog }): Api {
  const api = apiUrl.replace(/\/+$/, '')
  const rest = new REST({
    api,
    timeout: sendTimeoutMs,
    retries: 1,
    makeRequest: encoded,
    rejectOnRateLimit: ({ retryAfter, timeToReset }) => Math.max(retryAfter, timeToReset) > patienceMs,
  }).setToken(token)
  const quick = new REST({ api, timeout: acknowledgeTimeoutMs, retries: 0, rejectOnRateLimit: () => true })

  async function send<T>(method: 'post' | 'patch' | 'put' | 'delete' | 'get', route: `/${string}`, wanted: ApiRequest) {
    const { body, files, auth, once } = wanted
    const request = () => rest[method](route, { body, files, auth: auth !== 'none' }) as Promise<T>
    try {
      return await request()
    } catch (error) {
      if (once || hasAnswered(error) || isTimeout(error)) throw error
      return request()
    }
  }

  return {
    send: (method, route, request = {}) => send(method, route, request),
    async acknowledge({ id, token: interactionToken }, audience) {
      const body = acknowledgements[audience]
      for (let left = acknowledgeTries; left > 0; left -= 1) {
        try {
          await quick.post(Routes.interactionCallback(id, interactionToken), { auth: false, body })
          return 'done'
        } catch (error) {
          if (codeOf(error) === RESTJSONErrorCodes.UnknownInteraction) return 'late'
          if (codeOf(error) === RESTJSONErrorCodes.InteractionHasAlreadyBeenAcknowledged) return 'done'
          if (error instanceof DiscordAPIError || left === 1) {
            log.warn({ interaction: id, reason: reasonOf(error) }, 'an interaction was not acknowledged')
            return 'unknown'
          }
        }
      }
      return 'unknown'
    },
    toAppError(error) {
      if (error instanceof AppError) return error
      const cause = new Error(reasonOf(error))
      if (error instanceof RateLimitError) {
        return new AppError(
          'chat_unavailable',
          {},
          { cause, retryAfterMs: Math.max(error.retryAfter, error.timeToReset) },
        )
      }
      if (isTokenRefused(error)) {
        rest.setToken(token) // the library forgets it, and then fails with words about itself
        log.error(
          { reason: cause.message },
          'Discord refuses DISCORD_TOKEN: reset it at discord.com/developers, then restart',
        )
        return new AppError('chat_unavailable', {}, { cause })
      }
      return new AppError(isPermanent(error) ? 'chat_refused' : 'chat_unavailable', {}, { cause })
    },
    close() {
      for (const each of [rest, quick]) {
        each.clearHashSweeper()
        each.clearHandlerSweeper()
      }
    },
  }
}

/**
 * The library's undici 6 finds the agent of our undici 7 where both keep the global one, if ours was loaded first, and
 * hands it forms that it cannot read ("action is not a function"). Bytes are bytes to both.
 */
const encoded: typeof DefaultRestOptions.makeRequest = async (url, init) => {
  if (!(init.body instanceof FormData)) return DefaultRestOptions.makeRequest(url, init)
  const form = new Response(init.body)
  const headers = { ...init.headers, 'content-type': form.headers.get('content-type') ?? '' }
  return DefaultRestOptions.makeRequest(url, { ...init, headers, body: new Uint8Array(await form.arrayBuffer()) })
}

/** Discord's own error code, such as 10008. undefined: it did not answer, or not with one. */
export function codeOf(error: unknown): number | undefined {
  return error instanceof DiscordAPIError && typeof error.code === 'number' ? error.code : undefined
}

/** Words for logs: what happened, without addresses, because these hold tokens. */
export function reasonOf(error: unknown): string {
  if (error instanceof DiscordAPIError)
    return `Discord answered ${error.status}, ${error.code}: ${plain(error.message)}`
  if (error instanceof HTTPError) return `Discord answered ${error.status}`
  if (error instanceof RateLimitError) return `Discord asks for a pause of ${Math.ceil(error.retryAfter / 1000)} s`
  if (isTimeout(error)) return 'Discord did not answer in time'
  return plain(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
}

const plain = (text: string) => text.replace(/\b\w+:\/\/\S+|\/(webhooks|interactions)\/\S+/g, '[address]').slice(0, 500)

const hasAnswered = (error: unknown) =>
  error instanceof DiscordAPIError || error instanceof HTTPError || error instanceof RateLimitError

const isTimeout = (error: unknown) => error instanceof Error && error.name === 'AbortError'

function isTokenRefused(error: unknown): boolean {
  return (
    error instanceof DiscordAPIError && error.status === 401 && error.code !== RESTJSONErrorCodes.InvalidWebhookToken
  )
}

/** A page of the proxy in front of Discord has no code: that passes. */
function isPermanent(error: unknown): boolean {
  return codeOf(error) !== undefined && error instanceof DiscordAPIError && ![408, 429].includes(error.status)
}
