/** The Bot API's methods, and what their failures mean to us. Nothing that leaves this file holds the token. */
import { autoRetry } from '@grammyjs/auto-retry'
import { Api, GrammyError, HttpError } from 'grammy'
import { AppError } from '../../core/errors.ts'

type Signal = Parameters<Api['getMe']>[0]

export function createBotApi(token: string, apiUrl: string): Api {
  const api = new Api(token, { apiRoot: apiUrl, timeoutSeconds: 60 })
  // Short pauses only: longer ones are the caller's to plan. What may have arrived is never sent again from here.
  api.config.use(
    autoRetry({ maxRetryAttempts: 2, maxDelaySeconds: 3, rethrowHttpErrors: true, rethrowInternalServerErrors: true }),
  )
  return api
}

/** grammY's own type of signal is that of a polyfill; node's has all that it uses. */
export const asSignal = (signal: AbortSignal) => signal as unknown as Signal

/** The number and words with which Telegram refused a call; undefined when it did not answer at all. */
export function refusalOf(error: unknown): { code: number; words: string; newChatId?: number } | undefined {
  if (!(error instanceof GrammyError)) return undefined
  return { code: error.error_code, words: error.description, newChatId: error.parameters.migrate_to_chat_id }
}

/** One line about any error: never an address, which would hold the token, and never what was sent. */
export function reasonOf(error: unknown): string {
  if (error instanceof GrammyError) return `${error.method}: ${error.error_code} ${error.description}`
  if (error instanceof HttpError) return `${error.message} (${codeOf(error.error)})`
  return codeOf(error)
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const { code } = (error.cause instanceof Error ? error.cause : error) as NodeJS.ErrnoException
  // what a defect of ours says may be said; other messages quote queries and addresses
  return code ?? (error instanceof TypeError || error instanceof RangeError ? error.message : error.name)
}

/** A failed post or edit. What neither Telegram nor the way there caused stays as it is. */
export function asChatError(error: unknown): unknown {
  if (!(error instanceof GrammyError || error instanceof HttpError)) return error
  const cause = new Error(reasonOf(error))
  if (error instanceof HttpError) return new AppError('chat_unavailable', {}, { cause })
  const { error_code: code, parameters } = error
  if (code === 429) {
    const retryAfterMs = parameters.retry_after === undefined ? undefined : parameters.retry_after * 1000
    return new AppError('chat_unavailable', {}, { cause, retryAfterMs })
  }
  return new AppError(code >= 500 ? 'chat_unavailable' : 'chat_refused', {}, { cause })
}
