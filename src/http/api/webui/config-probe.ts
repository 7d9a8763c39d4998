/** `POST /api/config/test`: the error that a generation would meet, without the cost of one. */

import type { Core } from '../../../core/core.ts'
import { AppError, type ErrorData } from '../../../core/errors.ts'
import type { ProviderSettings } from '../../../core/ports/providers.ts'
import { checkChange, type OpenConfig, openConfigs } from '../../../core/providers/configs.ts'
import { probe } from '../../../core/providers/probe.ts'
import { InvalidRequest } from '../../server/validation.ts'
import type { TestBody } from './config-schemas.ts'
import { readKey } from './config-shown.ts'
import { fieldsOf, providerNamed } from './other-names.ts'

/** Throws AppError and InvalidRequest, neither with the key in it. */
export async function testConfig(core: Core, body: TestBody) {
  const { provider, settings } = await settingsIn(core, body)
  try {
    return {
      success: true as const,
      provider: body.provider ?? provider,
      result: await probe(core.providers, provider, settings),
    }
  } catch (error) {
    throw error instanceof AppError ? discreet(error, settings.key) : error
  }
}

interface Tested {
  provider: string
  settings: ProviderSettings
}

async function settingsIn(core: Core, { id, ...given }: TestBody): Promise<Tested> {
  const others = Object.values(given).some((value) => value !== undefined)
  if (id !== undefined && others) throw invalid('id', 'nothing else is given with it')
  if (id !== undefined) {
    const config = (await openConfigs(core)).find((each) => each.id === id)
    if (!config) throw new AppError('unknown_config', { id })
    return settingsOf(core, config)
  }
  const { base_url: baseUrl } = given
  const { key, default_model: model } = fieldsOf(given)
  const provider = given.provider && providerNamed(given.provider)
  if (provider === undefined) throw invalid('provider', 'either this or id must be given')
  const used = core.providers.get(provider)
  if (used) assertDrawnBy(core, provider, model)
  if (used && !baseUrl && !key) return { provider, settings: used.settings }
  checkChange({ baseUrl })
  return settingsOf(core, { ...unsaved, provider, baseUrl: baseUrl ?? null, key: key ? readKey(key) : undefined })
}

/** Throws InvalidRequest for a model that this provider cannot draw with. */
export function assertDrawnBy({ models }: Core, provider: string, model: string | null | undefined): void {
  if (typeof model !== 'string') return
  const known = models.of(provider)
  if (known.some(({ id, aliases }) => id === model || aliases.includes(model))) return
  const message = `this provider draws with: ${known.map(({ id }) => id).join(', ') || 'no model that is known here'}`
  throw new InvalidRequest([{ name: 'default_model', message, problem: 'value' }])
}

const unsaved = {
  id: '',
  name: 'not stored yet',
  enabled: true,
  active: false,
  timeoutSeconds: null,
  maxConcurrent: null,
  defaultModel: null,
}

function settingsOf({ providers }: Core, config: OpenConfig): Tested {
  const { provider } = config
  const known = providers.kinds.map(({ name }) => name)
  if (!known.includes(provider)) throw new AppError('unknown_provider', { name: provider, available: known })
  const settings = providers.settingsOf(config)
  if (settings) return { provider, settings }
  if (config.key === 'unreadable') throw invalid('key', 'it was stored under another SECRET_KEY: store it again')
  const needsKey = providers.kinds.some(({ name, needsKey }) => name === provider && needsKey)
  throw needsKey && config.key === undefined
    ? invalid('key', 'this provider needs one')
    : invalid('base_url', 'this provider needs one')
}

const invalid = (name: string, message: string) => new InvalidRequest([{ name, message, problem: 'missing' }])

/** A provider that repeats the key in its words is not believed to be discreet. */
function discreet(error: AppError, key: string | undefined): AppError {
  const data: ErrorData = Object.fromEntries(
    Object.entries(error.data).map(([name, value]) => [
      name,
      key !== undefined && typeof value === 'string' ? value.replaceAll(key, '…') : value,
    ]),
  )
  const { cause, retryAfterMs } = error
  return new AppError(error.kind, data, { cause, retryAfterMs })
}
