/** Discord's REST API and the meaning of its errors. Errors and texts that leave this file hold neither tokens nor URLs. */
import { setTimeout as sleep } from 'node:timers/promises'
import { DefaultRestOptions, DiscordAPIError, HTTPError, RateLimitError, type RawFile, REST } from '@discordjs/rest'
import {
  type APIChannel,
  type APIInteractionResponse,
  InteractionResponseType,
  MessageFlags,
  RESTJSONErrorCodes,
  Routes,
} from 'discord-api-types/v10'
import { AppError } from '../../../core/errors.ts'
import type { Database } from '../../../db/database.ts'
import type { InteractionTarget } from '../address.ts'
import { countInvalid } from './invalid-requests.ts'
import type { OpenRequests } from './open-requests.ts'

export interface DiscordLog {
  info(object: object, message: string): void
  warn(object: object, message: string): void
  error(object: object, message: string): void
}

interface ApiRequest {
  body?: unknown
  files?: RawFile[]
  query?: URLSearchParams
  /** 'none': the route itself carries an interaction's token. Default: the bot's token is sent. */
  auth?: 'none'
  /** true: the request is not repeated after a lost response, because people would see its effect twice. */
  once?: boolean
}

/** 'done' also when it was answered before. 'late': Discord has shown the person an error instead. 'unknown': Discord did not say. */
export type Acknowledged = 'done' | 'late' | 'unknown'

/** The first two show "thinking …"; the last one shows nothing, since the message stays. */
const acknowledgements = {
  public: { type: InteractionResponseType.DeferredChannelMessageWithSource },
  private: {
    type: InteractionResponseType.DeferredChannelMessageWithSource,
    data: { flags: MessageFlags.Ephemeral },
  },
  press: { type: InteractionResponseType.DeferredMessageUpdate },
} as const satisfies Record<Exclude<InteractionTarget['audience'], 'form'>, APIInteractionResponse>

/** The ways to acknowledge an interaction. */
export type Acknowledgement = keyof typeof acknowledgements

interface InteractionRef {
  id: string
  token: string
}

export interface Api {
  send<T>(method: 'post' | 'patch' | 'put' | 'delete' | 'get', route: `/${string}`, request?: ApiRequest): Promise<T>
  /** For edits that show progress: a result may wait for the end of one, so it is tried once and given up early. */
  sendProgress: Api['send']
  /** Shows "thinking …", or that the press arrived, within Discord's 3 s. */
  acknowledge(interaction: InteractionRef, audience: Acknowledgement): Promise<Acknowledged>
  /** The first answer to an interaction, within Discord's 3 s. */
  respond(interaction: InteractionRef, body: APIInteractionResponse): Promise<Acknowledged>
  /** Why requests are not sent at the moment. undefined: they are. */
  notReady(): string | undefined
  /** The error as the core understands it. */
  toAppError(error: unknown): AppError
  close(): void
}

/** An upload of 10 MiB over a slow connection takes longer than the library's default of 15 s. */
const sendTimeoutMs = 60_000
/** The library waits out rate limits up to this long; longer ones become a RateLimitError. */
const longestRateLimitMs = 5_000
const progressTimeoutMs = 5_000
const respondTimeoutMs = 900
/**
 * Pauses before the attempts of a first answer. Discord waits 3 seconds for it. The later attempts find out what became of the earlier
 * ones whose responses were lost: Discord says that it was answered, or that it no longer knows the interaction. Then it has shown the
 * person an error, and what the person did must have no effect.
 */
const respondAfterMs = [0, 0, 0, 500, 1_000, 2_000, 4_000]
/** A refused token is tried again after this time: the operator may have restored it. */
const tokenPauseMs = 60_000

export const tokenRefused =
  'Discord refuses DISCORD_TOKEN: reset the token at discord.com/developers → your application → Bot, then restart fluxbot'

const tooManyInvalid =
  'Discord has refused thousands of requests within ten minutes, and would block this address after 10,000: nothing is sent ' +
  'until that is over. The log says which requests were refused'

interface RestOptions {
  token: string
  apiUrl: string
  log: DiscordLog
  /** Where all processes count refused requests. */
  database: Pick<Database, 'rows'>
  /** Requests of Discord whose responses take the first answer. */
  openRequests: Pick<OpenRequests, 'answer'>
  /** Invalid requests of all processes in ten minutes after which nothing more is sent. Default: half of Discord's limit. */
  maxInvalid?: number
}

export function createRest(options: RestOptions): Api {
  const { token, apiUrl, log, openRequests, database, maxInvalid } = options
  const api = withoutTrailingSlash(apiUrl)
  const rest = new REST({
    api,
    timeout: sendTimeoutMs,
    retries: 1,
    makeRequest: encodeForm,
    rejectOnRateLimit: ({ retryAfter, timeToReset }) => Math.max(retryAfter, timeToReset) > longestRateLimitMs,
  }).setToken(token)
  const progress = new REST({
    api,
    timeout: progressTimeoutMs,
    retries: 0,
    makeRequest: encodeForm,
    rejectOnRateLimit: () => true,
  }).setToken(token)
  const quick = new REST({ api, timeout: respondTimeoutMs, retries: 0, rejectOnRateLimit: () => true })

  const { note: noteInvalid, isLimited } = countInvalid({
    database,
    reached: () => log.error({}, tooManyInvalid),
    max: maxInvalid,
  })
  let tokenRefusedAt: number | undefined
  for (const client of [rest, progress, quick]) {
    client.on('response', (_request, { status, headers }) => {
      const isInvalid =
        status === 401 || status === 403 || (status === 429 && headers.get('x-ratelimit-scope') !== 'shared')
      if (isInvalid) noteInvalid()
    })
  }

  /** Throws AppError chat_unavailable while Discord would only count the request as invalid. */
  function assertAllowed(auth: ApiRequest['auth']): void {
    if (isLimited()) throw new AppError('chat_unavailable', {}, { cause: new Error(tooManyInvalid) })
    if (auth === 'none' || tokenRefusedAt === undefined || Date.now() - tokenRefusedAt > tokenPauseMs) return
    throw new AppError('chat_unavailable', {}, { cause: new Error(tokenRefused) })
  }

  /** The outcome of a request with the bot's token. */
  async function noting<T>(auth: ApiRequest['auth'], work: Promise<T>): Promise<T> {
    try {
      const answer = await work
      if (auth !== 'none') tokenRefusedAt = undefined
      return answer
    } catch (error) {
      if (isTokenRefused(error)) noteRefusal(error)
      throw error
    }
  }

  function noteRefusal(error: unknown): void {
    // the library clears it, and later requests would fail with a misleading error
    for (const client of [rest, progress]) client.setToken(token)
    if (tokenRefusedAt === undefined) log.error({ reason: reasonOf(error) }, tokenRefused)
    tokenRefusedAt = Date.now()
  }

  async function send<T>(
    method: 'post' | 'patch' | 'put' | 'delete' | 'get',
    route: `/${string}`,
    request: ApiRequest,
  ) {
    const { auth, once, ...options } = request
    const attempt = () => noting(auth, rest[method](route, { ...options, auth: auth !== 'none' }) as Promise<T>)
    assertAllowed(auth)
    try {
      return await attempt()
    } catch (error) {
      if (once || isResponse(error) || isTimeout(error)) throw error
      return attempt()
    }
  }

  async function respond(
    { id, token: interactionToken }: InteractionRef,
    body: APIInteractionResponse,
  ): Promise<Acknowledged> {
    if (await openRequests.answer(id, body)) return 'done'
    let problem: unknown
    for (const waitMs of respondAfterMs) {
      // a process that stops need not wait
      if (waitMs > 0) await sleep(waitMs, undefined, { ref: false })
      if (isLimited()) return 'unknown'
      try {
        await quick.post(Routes.interactionCallback(id, interactionToken), { auth: false, body })
        return 'done'
      } catch (error) {
        if (codeOf(error) === RESTJSONErrorCodes.UnknownInteraction) return 'late'
        if (codeOf(error) === RESTJSONErrorCodes.InteractionHasAlreadyBeenAcknowledged) return 'done'
        problem = error
        if (error instanceof DiscordAPIError) break
      }
    }
    log.warn({ interaction: id, reason: reasonOf(problem) }, 'could not acknowledge an interaction')
    return 'unknown'
  }

  return {
    send: (method, route, request = {}) => send(method, route, request),
    sendProgress: async <T>(...[method, route, { body, files, auth } = {}]: Parameters<Api['send']>) => {
      assertAllowed(auth)
      return noting(auth, progress[method](route, { body, files, auth: auth !== 'none' }) as Promise<T>)
    },
    notReady() {
      if (isLimited()) return tooManyInvalid
      return tokenRefusedAt === undefined ? undefined : tokenRefused
    },
    acknowledge: (interaction, audience) => respond(interaction, acknowledgements[audience]),
    respond,
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
      if (isTokenRefused(error)) return new AppError('chat_unavailable', {}, { cause })
      return new AppError(isPermanent(error) ? 'chat_refused' : 'chat_unavailable', {}, { cause })
    },
    close() {
      for (const client of [rest, progress, quick]) {
        client.clearHashSweeper()
        client.clearHandlerSweeper()
      }
    },
  }
}

/** Id of the channel of direct messages with a person. */
export async function directChannel(api: Pick<Api, 'send'>, userId: string): Promise<string> {
  const { id } = await api.send<APIChannel>('post', Routes.userChannels(), { body: { recipient_id: userId } })
  return id
}

export const withoutTrailingSlash = (url: string) => url.replace(/\/+$/, '')

/**
 * Encodes forms to bytes. Both undici 6 (the library's) and undici 7 (ours) keep their global agent in the same place; if
 * ours is loaded first, the library hands it a form that it cannot read ("action is not a function").
 */
const encodeForm: typeof DefaultRestOptions.makeRequest = async (url, init) => {
  if (!(init.body instanceof FormData)) return DefaultRestOptions.makeRequest(url, init)
  const form = new Response(init.body)
  const headers = { ...init.headers, 'content-type': form.headers.get('content-type') ?? '' }
  return DefaultRestOptions.makeRequest(url, { ...init, headers, body: new Uint8Array(await form.arrayBuffer()) })
}

/** Discord's error code, such as 10008. undefined: no response, or one without a code. */
export function codeOf(error: unknown): number | undefined {
  return error instanceof DiscordAPIError && typeof error.code === 'number' ? error.code : undefined
}

/** Describes an error for the log, without URLs, because they hold tokens. */
export function reasonOf(error: unknown): string {
  if (error instanceof DiscordAPIError)
    return `Discord responded with ${error.status}, ${error.code}: ${withoutUrls(error.message)}`
  if (error instanceof HTTPError) return `Discord responded with ${error.status}`
  if (error instanceof RateLimitError) return `Discord asks for a pause of ${Math.ceil(error.retryAfter / 1000)} s`
  if (isTimeout(error)) return 'Discord did not respond in time'
  return withoutUrls(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
}

const withoutUrls = (text: string) =>
  text.replace(/\b\w+:\/\/\S+|\/(webhooks|interactions)\/\S+/g, '[address]').slice(0, 500)

const isResponse = (error: unknown) =>
  error instanceof DiscordAPIError || error instanceof HTTPError || error instanceof RateLimitError

const isTimeout = (error: unknown) => error instanceof Error && error.name === 'AbortError'

function isTokenRefused(error: unknown): boolean {
  return (
    error instanceof DiscordAPIError && error.status === 401 && error.code !== RESTJSONErrorCodes.InvalidWebhookToken
  )
}

/** A response without a code comes from a proxy in front of Discord, and retrying helps. */
function isPermanent(error: unknown): boolean {
  return codeOf(error) !== undefined && error instanceof DiscordAPIError && ![408, 429].includes(error.status)
}
