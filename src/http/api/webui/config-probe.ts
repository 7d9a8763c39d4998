/** `POST /api/config/test`: finds the errors of a configuration without paying for a generation. */

import type { Core } from '../../../core/core.ts'
import { AppError, type ErrorData } from '../../../core/errors.ts'
import type { ProviderSettings } from '../../../core/ports/providers.ts'
import { checkChange, type OpenConfig, openConfigs } from '../../../core/providers/configs.ts'
import { findKind, providerNamed } from '../../../core/providers/names.ts'
import { probe } from '../../../core/providers/probe.ts'
import type { MissingPart } from '../../../core/providers/registry.ts'
import { InvalidRequest } from '../../server/validation.ts'
import type { TestBody } from './config-schemas.ts'
import { readKey } from './config-shown.ts'
import { fieldsOf } from './other-names.ts'

/** Throws AppError and InvalidRequest, which never contain the key. */
export async function testConfig(core: Core, body: TestBody) {
  const { provider, settings } = await settingsIn(core, body)
  try {
    return {
      success: true as const,
      provider: body.provider ?? provider,
      result: await probe(core.providers, provider, settings),
    }
  } catch (error) {
    throw error instanceof AppError ? withoutKey(error, settings.key) : error
  }
}

interface ProbeTarget {
  provider: string
  settings: ProviderSettings
}

async function settingsIn(core: Core, { id, ...fields }: TestBody): Promise<ProbeTarget> {
  const hasFields = Object.values(fields).some((value) => value !== undefined)
  if (id !== undefined && hasFields) throw invalid('id', 'it cannot be combined with other fields')
  if (id !== undefined) {
    const config = (await openConfigs(core)).find((each) => each.id === id)
    if (!config) throw new AppError('unknown_config', { id })
    return settingsOf(core, config)
  }
  const { base_url: baseUrl } = fields
  const { key, default_model: model } = fieldsOf(fields)
  const provider = fields.provider && providerNamed(fields.provider)
  if (provider === undefined) throw invalid('provider', 'either provider or id is required')
  const current = core.providers.get(provider)
  if (current) assertServesModel(core, provider, model)
  if (current && !baseUrl && !key) return { provider, settings: current.settings }
  checkChange({ baseUrl })
  return settingsOf(core, { ...unsavedConfig, provider, baseUrl: baseUrl ?? null, key: key ? readKey(key) : undefined })
}

/** Throws InvalidRequest for a model that this provider does not serve. */
export function assertServesModel({ models }: Core, provider: string, model: string | null | undefined): void {
  if (typeof model !== 'string') return
  const served = models.of(provider)
  if (served.some(({ id, aliases }) => id === model || aliases.includes(model))) return
  const message = `it must be a model of this provider: ${served.map(({ id }) => id).join(', ') || 'there is none'}`
  throw new InvalidRequest([{ name: 'default_model', message, problem: 'value' }])
}

const unsavedConfig = {
  id: '',
  name: 'not saved yet',
  enabled: true,
  active: false,
  timeoutSeconds: null,
  maxConcurrent: null,
  defaultModel: null,
}

function settingsOf({ providers }: Core, config: OpenConfig): ProbeTarget {
  const { provider } = config
  findKind(providers.kinds, provider)
  const settings = providers.settingsOf(config)
  if (settings) return { provider, settings }
  throw missingField(providers.missingIn(config) ?? 'url')
}

export function missingField(part: MissingPart): InvalidRequest {
  if (part === 'readable key') return invalid('key', 'it was encrypted with another SECRET_KEY. Save the key again')
  return part === 'key'
    ? invalid('key', 'this provider requires a key')
    : invalid('base_url', 'this provider requires an address')
}

const invalid = (name: string, message: string) => new InvalidRequest([{ name, message, problem: 'missing' }])

/** Removes the key from the error, because a provider may repeat it in its message. */
function withoutKey(error: AppError, key: string | undefined): AppError {
  const data: ErrorData = Object.fromEntries(
    Object.entries(error.data).map(([name, value]) => [
      name,
      key !== undefined && typeof value === 'string' ? value.replaceAll(key, '…') : value,
    ]),
  )
  const { cause, retryAfterMs } = error
  return new AppError(error.kind, data, { cause, retryAfterMs })
}
