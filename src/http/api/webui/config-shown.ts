/** Converts configurations to responses, and request bodies to changes. */
import type { ConfigChange, ProviderConfig } from '../../../core/providers/configs.ts'
import { otherProviderName } from '../../../core/providers/names.ts'
import { cleanText } from '../../../core/text.ts'
import { InvalidRequest } from '../../server/validation.ts'
import type { ChangeBody, ShownConfig } from './config-schemas.ts'
import { fieldsOf } from './other-names.ts'

/** `sentProvider`: the name of the provider that the client sent. */
export function shownConfig(config: ProviderConfig, sentProvider?: string): ShownConfig {
  const key = shownKey(config.keyEnd)
  return {
    id: config.id,
    provider: sentProvider ?? otherProviderName(config.provider) ?? config.provider,
    name: config.name,
    base_url: shownUrl(config.baseUrl),
    key,
    enabled: config.enabled,
    active: config.active,
    timeout_seconds: config.timeoutSeconds,
    max_concurrent: config.maxConcurrent,
    default_model: config.defaultModel,
    api_key: key,
    model: config.defaultModel,
    is_active: config.active,
  }
}

/** `before`: the current configuration. A field with the value that a response shows is not changed. Throws InvalidRequest. */
export function changeOf(body: Omit<ChangeBody, 'id' | 'provider'>, before?: ProviderConfig): ConfigChange {
  const shown = before && shownConfig(before)
  const baseUrl = body.base_url === shown?.base_url ? undefined : body.base_url
  const { key: sentKey, default_model, active } = fieldsOf(body, shown)
  const key = sentKey === shown?.key ? undefined : sentKey
  return {
    name: body.name === undefined ? undefined : cleanText(body.name),
    baseUrl: typeof baseUrl === 'string' ? readUrl(baseUrl) : baseUrl,
    key: typeof key === 'string' ? readKey(key) : key,
    enabled: body.enabled,
    active,
    timeoutSeconds: body.timeout_seconds,
    maxConcurrent: body.max_concurrent,
    defaultModel: default_model,
  }
}

/** Keys are sent in headers, so only printable ASCII is valid. Throws InvalidRequest, which does not contain the key. */
export function readKey(key: string): string {
  const trimmed = key.trim()
  if (/^[\x21-\x7e]+$/.test(trimmed)) return trimmed
  const message = 'it must consist of printable ASCII characters without spaces'
  throw new InvalidRequest([{ name: 'key', message, problem: 'value' }])
}

/** Refuses a shortened address from a response, which would lose the hidden parts. */
function readUrl(url: string): string {
  if (!url.includes('…')) return url.trim().replace(/\/+$/, '')
  throw new InvalidRequest([{ name: 'base_url', message: 'send the full address, without …', problem: 'value' }])
}

function shownKey(end: string | null): string | null {
  return end === null || end === '…' || end === '????' ? end : `…${end}`
}

/** Hides user, password and query, which may be secret. `url` may hold several addresses. */
function shownUrl(url: string | null): string | null {
  if (url === null) return null
  return url
    .split(',')
    .map((each) => each.replace(/\/\/[^/?#]*@/, '//…@').replace(/[?#].*/, '?…'))
    .join(',')
}
