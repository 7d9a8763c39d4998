/** What Telegram says when it refuses, in its words. Thrown by methods, turned into an answer in one place (http.ts). */
import type { Json } from './types.ts'

export class TelegramRefusal extends Error {
  readonly status: number
  readonly parameters: Json | undefined
  constructor(status: number, description: string, parameters?: Json) {
    super(description)
    this.status = status
    this.parameters = parameters
  }
}

export const badRequest = (why: string, parameters?: Json) =>
  new TelegramRefusal(400, `Bad Request: ${why}`, parameters)
export const forbidden = (why: string) => new TelegramRefusal(403, `Forbidden: ${why}`)
export const conflict = (why: string) => new TelegramRefusal(409, `Conflict: ${why}`)
export const unauthorized = () => new TelegramRefusal(401, 'Unauthorized')
export const notFound = () => new TelegramRefusal(404, 'Not Found')
export const tooLarge = () => new TelegramRefusal(413, 'Request Entity Too Large')

export const chatNotFound = () => badRequest('chat not found')
export const replyNotFound = () => badRequest('message to be replied not found')
export const threadNotFound = () => badRequest('message thread not found')
export const editNotFound = () => badRequest('message to edit not found')
export const deleteNotFound = () => badRequest('message to delete not found')
export const notModified = () =>
  badRequest(
    'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
  )
export const queryTooOld = () => badRequest('query is too old and response timeout expired or query ID is invalid')

/** The body of every refusal. */
export function refusalBody(status: number, description: string, parameters?: Json): string {
  return JSON.stringify({ ok: false, error_code: status, description, ...(parameters && { parameters }) })
}
