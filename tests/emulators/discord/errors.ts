/** What Discord says when it refuses, with its codes. Thrown by handlers, turned into an answer in one place (rest.ts). */

export class DiscordRefusal extends Error {
  readonly status: number
  readonly body: { message: string; code: number; errors?: unknown }
  constructor(status: number, code: number, message: string, errors?: unknown) {
    super(message)
    this.status = status
    this.body = { message, code, ...(errors === undefined ? {} : { errors }) }
  }
}

const refusal = (status: number, code: number, message: string) => () => new DiscordRefusal(status, code, message)

export const unauthorized = refusal(401, 0, '401: Unauthorized')
export const notFound = refusal(404, 0, '404: Not Found')
export const unknownChannel = refusal(404, 10003, 'Unknown Channel')
export const unknownGuild = refusal(404, 10004, 'Unknown Guild')
export const unknownMessage = refusal(404, 10008, 'Unknown Message')
export const unknownUser = refusal(404, 10013, 'Unknown User')
export const unknownWebhook = refusal(404, 10015, 'Unknown Webhook')
export const unknownInteraction = refusal(404, 10062, 'Unknown interaction')
export const unknownCommand = refusal(404, 10063, 'Unknown application command')
export const tooManyAttachments = refusal(400, 30015, 'Maximum number of attachments in a message reached (10)')
export const requestTooLarge = refusal(413, 40005, 'Request entity too large')
export const alreadyAcknowledged = refusal(400, 40060, 'Interaction has already been acknowledged.')
export const tooManyFollowUps = refusal(
  400,
  40094,
  'This interaction has hit the maximum number of follow up messages.',
)
export const missingAccess = refusal(403, 50001, 'Missing Access')
export const notYourMessage = refusal(403, 50005, 'Cannot edit a message authored by another user')
export const emptyMessage = refusal(400, 50006, 'Cannot send an empty message')
export const closedDms = refusal(403, 50007, 'Cannot send messages to this user')
export const missingPermissions = refusal(403, 50013, 'Missing Permissions')
export const invalidToken = refusal(401, 50027, 'Invalid Webhook Token')
export const invalidJson = refusal(400, 50109, 'The request body contains invalid JSON.')

/** 50035. `path` leads to the field, as in `components.0.components`. */
export function invalidForm(path: string, code: string, message: string): DiscordRefusal {
  const leaf: unknown = { _errors: [{ code, message }] }
  const errors = path.split('.').reduceRight((inner, key) => ({ [key]: inner }), leaf)
  return new DiscordRefusal(400, 50035, 'Invalid Form Body', errors)
}
