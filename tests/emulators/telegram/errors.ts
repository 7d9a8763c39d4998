/** Telegram's error responses in its exact wording. Methods throw them; `http.ts` sends them. */
import type { Json } from './types.ts'

export class TelegramErrorResponse extends Error {
  readonly status: number
  readonly parameters: Json | undefined
  constructor(status: number, description: string, parameters?: Json) {
    super(description)
    this.status = status
    this.parameters = parameters
  }
}

export const badRequest = (reason: string, parameters?: Json) =>
  new TelegramErrorResponse(400, `Bad Request: ${reason}`, parameters)
export const forbidden = (reason: string) => new TelegramErrorResponse(403, `Forbidden: ${reason}`)
export const conflict = (reason: string) => new TelegramErrorResponse(409, `Conflict: ${reason}`)
export const unauthorized = () => new TelegramErrorResponse(401, 'Unauthorized')
export const notFound = () => new TelegramErrorResponse(404, 'Not Found')
export const tooManyRequests = (seconds: number) =>
  new TelegramErrorResponse(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds })
export const tooLarge = () => new TelegramErrorResponse(413, 'Request Entity Too Large')

export const chatNotFound = () => badRequest('chat not found')
export const replyNotFound = () => badRequest('message to be replied not found')
export const threadNotFound = () => badRequest('message thread not found')
export const topicClosed = () => badRequest('TOPIC_CLOSED')
export const albumInSlowMode = () => badRequest('SLOWMODE_MULTI_MSGS_DISABLED')
export const editNotFound = () => badRequest('message to edit not found')
export const deleteNotFound = () => badRequest('message to delete not found')
export const notModified = () =>
  badRequest(
    'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
  )
export const queryTooOld = () => badRequest('query is too old and response timeout expired or query ID is invalid')

/** Body of every error response. */
export function errorBody(status: number, description: string, parameters?: Json): string {
  return JSON.stringify({ ok: false, error_code: status, description, ...(parameters && { parameters }) })
}
