/** Discord's error responses with their codes. Handlers throw them; `rest.ts` sends them. */

export class DiscordErrorResponse extends Error {
  readonly status: number
  readonly body: { message: string; code: number; errors?: unknown }
  constructor(status: number, code: number, message: string, errors?: unknown) {
    super(message)
    this.status = status
    this.body = { message, code, ...(errors === undefined ? {} : { errors }) }
  }
}

const response = (status: number, code: number, message: string) => () =>
  new DiscordErrorResponse(status, code, message)

export const unauthorized = response(401, 0, '401: Unauthorized')
export const badRequest = response(400, 0, '400: Bad Request')
export const notFound = response(404, 0, '404: Not Found')
export const unknownChannel = response(404, 10003, 'Unknown Channel')
export const unknownGuild = response(404, 10004, 'Unknown Guild')
export const unknownMessage = response(404, 10008, 'Unknown Message')
export const unknownUser = response(404, 10013, 'Unknown User')
export const unknownWebhook = response(404, 10015, 'Unknown Webhook')
export const unknownSku = response(404, 10027, 'Unknown SKU')
export const unknownEntitlement = response(404, 10029, 'Unknown Entitlement')
export const unknownInteraction = response(404, 10062, 'Unknown interaction')
export const unknownCommand = response(404, 10063, 'Unknown application command')
export const tooManyAttachments = response(400, 30015, 'Maximum number of attachments in a message reached (10)')
export const requestTooLarge = response(413, 40005, 'Request entity too large')
export const notConsumable = response(400, 40018, 'Only consumable SKUs can be consumed')
export const notSandboxed = response(403, 40019, 'You can only delete sandbox entitlements.')
export const alreadyAcknowledged = response(400, 40060, 'Interaction has already been acknowledged.')
export const tooManyFollowUps = response(
  400,
  40094,
  'This interaction has hit the maximum number of follow up messages.',
)
export const missingAccess = response(403, 50001, 'Missing Access')
export const notYourMessage = response(403, 50005, 'Cannot edit a message authored by another user')
export const emptyMessage = response(400, 50006, 'Cannot send an empty message')
export const closedDms = response(403, 50007, 'Cannot send messages to this user')
export const missingPermissions = response(403, 50013, 'Missing Permissions')
export const invalidToken = response(401, 50027, 'Invalid Webhook Token')
export const invalidJson = response(400, 50109, 'The request body contains invalid JSON.')

/** Error 50035. `path` names the field: `components.0.components`. */
export function invalidForm(path: string, code: string, message: string): DiscordErrorResponse {
  const leaf: unknown = { _errors: [{ code, message }] }
  const errors = path.split('.').reduceRight((inner, key) => ({ [key]: inner }), leaf)
  return new DiscordErrorResponse(400, 50035, 'Invalid Form Body', errors)
}
