/** `GET /api/v1/flux/config/user`: what this key may use. The response contains no secret. */

import { readAccount } from '../../../core/accounts/accounts.ts'
import { type KeyHolder, listApiKeys } from '../../../core/accounts/api-keys.ts'
import { limitsFor, limitsOf } from '../../../core/accounts/limits.ts'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import { uploadsPerDay } from '../../../core/media/uploads.ts'
import { modelFor } from '../../../core/programs/ask.ts'
import { megabyte, picturesBytes } from '../../server/bodies.ts'
import type { ApiApp, Family } from '../family.ts'
import { maxPictures } from '../fields.ts'
import { shownModels } from './models.ts'
import { errorResponses, userResponse } from './response-schemas.ts'
import { tags } from './schemas.ts'

const schema = {
  summary: 'Returns the credits, limits and models of this key.',
  operationId: 'fluxUserConfig',
  tags,
  response: { 200: userResponse, ...errorResponses },
}

export function userRoutes(app: ApiApp, { core, authenticate }: Family): void {
  app.get('/flux/config/user', { schema }, async (request) => {
    const holder = await authenticate(request)
    const models = shownModels(core, holder)
    const limits = await limitsShown(core, holder)
    const providers = core.providers.all().map(({ provider }) => ({ name: provider.name, configured: true as const }))
    return {
      success: true as const,
      enabled: models.length > 0,
      user: await userOf(core, holder),
      key: await keyOf(core, holder),
      limits,
      timeout: timeoutSeconds(core),
      max_concurrent_tasks: limits.in_flight,
      models,
      default_model: modelFor(core, holder, undefined),
      model_credits: Object.fromEntries(models.map(({ id, price }) => [id, price])),
      ...(holder.admin ? { providers } : {}),
    }
  })
}

/** Of the slowest provider. */
function timeoutSeconds({ limits, providers }: Core): number {
  const timeouts = providers.all().map(({ settings }) => settings.timeoutMs)
  return Math.round(Math.max(0, ...timeouts, timeouts.length === 0 ? limits.deadlineMs : 0) / 1000)
}

async function userOf(core: Core, { userId }: KeyHolder) {
  const { name, balance, held } = await readAccount(core, userId)
  return { name, credits: { balance, held } }
}

async function keyOf(core: Core, { userId, keyId, admin }: KeyHolder) {
  if (keyId === null) return { operator: admin }
  const key = (await listApiKeys(core, userId)).find(({ id }) => id === keyId)
  // revoked since this request was authenticated
  if (!key) throw new AppError('key_wrong')
  const { name, tail, monthlyCap, spent, models } = key
  return {
    name,
    last_four: tail,
    monthly_cap: monthlyCap,
    spent_this_month: spent,
    models: models && [...models],
  }
}

async function limitsShown(core: Core, holder: KeyHolder) {
  const { inFlight, perMinute } = await limitsOf(core, holder.userId, limitsFor(core, holder))
  return {
    in_flight: inFlight,
    per_minute: perMinute,
    upload_mb: core.limits.uploadBytes / megabyte,
    request_mb: picturesBytes / megabyte,
    images: maxPictures,
    uploads_per_day: uploadsPerDay(holder),
  }
}
