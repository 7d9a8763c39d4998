/** The Bot API's methods, what their failures mean, and what it says about people. Nothing that leaves this file holds the token. */
import { autoRetry } from '@grammyjs/auto-retry'
import { Api, GrammyError, HttpError, type Transformer } from 'grammy'
import { AppError } from '../../core/errors.ts'
import { splitName } from '../../core/ids.ts'
import type { Address, Identity, Place } from '../../core/ports/chat.ts'
import { fromAddress, toAddress } from './address.ts'
import { isCounted } from './pace.ts'

type Signal = Parameters<Api['getMe']>[0]

/** `watch`: sees every call before it is sent, repeated ones included. */
export function createBotApi(token: string, apiUrl: string, watch?: Transformer): Api {
  const api = new Api(token, { apiRoot: apiUrl, timeoutSeconds: 60 })
  if (watch) api.config.use(watch)
  // retries after short pauses only, and no messages, which the caller plans again. A call that may have arrived is never repeated
  const retry = autoRetry({
    maxRetryAttempts: 2,
    maxDelaySeconds: 3,
    rethrowHttpErrors: true,
    rethrowInternalServerErrors: true,
  })
  api.config.use((call, method, payload, signal) =>
    isCounted(method, payload) ? call(method, payload, signal) : retry(call, method, payload, signal),
  )
  return api
}

/** For edits that show progress: a result may wait for the end of one, so it is tried once and given up early. */
export function createProgressApi(token: string, apiUrl: string, watch: Transformer): Api {
  const api = new Api(token, { apiRoot: apiUrl, timeoutSeconds: 5 })
  api.config.use(watch)
  return api
}

/** For announcements: each is tried once, and a process that stops waits for those under way. */
export const createAnnouncingApi = (token: string, apiUrl: string): Api =>
  new Api(token, { apiRoot: apiUrl, timeoutSeconds: 10 })

/** grammY types signals as those of a polyfill; Node's have everything that it uses. */
export const asSignal = (signal: AbortSignal) => signal as unknown as Signal

export interface ApiFailure {
  code: number
  description: string
  /** The group has become a supergroup with this id. */
  newChatId?: number
  /** Telegram asks for a pause. */
  retryAfterMs?: number
}

/** undefined: Telegram did not answer at all. */
export function failureOf(error: unknown): ApiFailure | undefined {
  if (!(error instanceof GrammyError)) return undefined
  const { error_code: code, description, parameters } = error
  const { migrate_to_chat_id: newChatId, retry_after: seconds } = parameters
  return { code, description, newChatId, ...(seconds !== undefined && { retryAfterMs: Math.ceil(seconds * 1_000) }) }
}

const neverConnected: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
])

/** Whether a call without an answer has certainly not reached Telegram. */
export const hasNotArrived = (error: unknown): boolean =>
  error instanceof HttpError && neverConnected.has(codeOf(error.error))

/** Whether a call that failed may have had its effect: Telegram, or the network, did not say. */
export const mayHaveArrived = (error: unknown): boolean =>
  error instanceof HttpError ? !hasNotArrived(error) : (failureOf(error)?.code ?? 0) >= 500

/** One line for the log: no address, which would hold the token, and nothing that was sent. */
export function reasonOf(error: unknown): string {
  if (error instanceof GrammyError) return `${error.method}: ${error.error_code} ${error.description}`
  if (error instanceof HttpError) return `${error.message} (${codeOf(error.error)})`
  return codeOf(error)
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const { code } = (error.cause instanceof Error ? error.cause : error) as NodeJS.ErrnoException
  // messages of our own defects are safe; others quote queries and addresses
  return code ?? (error instanceof TypeError || error instanceof RangeError ? error.message : error.name)
}

/** A failed post or edit as an AppError. Failures that neither Telegram nor the network caused stay as they are. */
export function asChatError(error: unknown): unknown {
  if (!(error instanceof GrammyError || error instanceof HttpError)) return error
  const cause = new Error(reasonOf(error))
  if (error instanceof HttpError) return new AppError('chat_unavailable', {}, { cause })
  const { error_code: code } = error
  if (code === 429) {
    const { retryAfterMs } = failureOf(error) ?? {}
    return new AppError('chat_unavailable', {}, { cause, retryAfterMs })
  }
  return new AppError(code >= 500 ? 'chat_unavailable' : 'chat_refused', {}, { cause })
}

/** The private chat with the person. Only a person who has started it can be written to. Throws AppError. */
export async function openPrivate(api: Api, address: Address, person: Identity): Promise<Address> {
  const target = fromAddress(address)
  const { chatId } = target.kind === 'press' ? target.message : target
  const userId = idOf(person)
  if (chatId === userId) return address
  try {
    // shows for a few seconds that the bot is at work; it fails as a message would
    await api.sendChatAction(userId, 'upload_photo')
  } catch (error) {
    const { code } = failureOf(error) ?? {}
    if (code === 400 || code === 403) throw new AppError('cannot_write_privately', {}, { cause: asChatError(error) })
    throw asChatError(error)
  }
  return toAddress({ kind: 'chat', chatId: userId })
}

export async function manages(api: Api, { group }: Place, person: Identity): Promise<boolean> {
  if (!group) return false
  try {
    const { status } = await api.getChatMember(Number(group.id), idOf(person))
    return status === 'creator' || status === 'administrator'
  } catch (error) {
    throw asChatError(error)
  }
}

const idOf = ({ id }: Identity) => Number(splitName(id).id)
