/** A configuration as administrators see it, and what they send → what changes. */
import type { ConfigChange, ProviderConfig } from '../../../core/providers/configs.ts'
import { cleanText } from '../../../core/text.ts'
import { InvalidRequest } from '../../server/validation.ts'
import type { ChangeBody, ShownConfig } from './config-schemas.ts'
import { fieldsOf, otherProviderName } from './other-names.ts'

/** `sentProvider`: the provider as the client of this very request calls it. */
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

/** `before`: what is shown of it may be sent back, and changes nothing. Throws InvalidRequest. */
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

/** Keys travel in headers. Throws InvalidRequest, which does not repeat it. */
export function readKey(key: string): string {
  const trimmed = key.trim()
  if (/^[\x21-\x7e]+$/.test(trimmed)) return trimmed
  const message = 'a key has letters, digits and signs only, without spaces'
  throw new InvalidRequest([{ name: 'key', message, problem: 'value' }])
}

/** What is left out where it is shown would be lost. */
function readUrl(url: string): string {
  if (!url.includes('…')) return url.trim().replace(/\/+$/, '')
  throw new InvalidRequest([{ name: 'base_url', message: 'give the whole address again', problem: 'value' }])
}

function shownKey(end: string | null): string | null {
  return end === null || end === '…' || end === '????' ? end : `…${end}`
}

/** Names, passwords and queries may be secrets; there may be several addresses. */
function shownUrl(url: string | null): string | null {
  if (url === null) return null
  return url
    .split(',')
    .map((each) => each.replace(/\/\/[^/?#]*@/, '//…@').replace(/[?#].*/, '?…'))
    .join(',')
}
