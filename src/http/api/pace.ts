/** How many requests an account may still make in this minute, for `x-ratelimit-*`. */
import type { KeyHolder } from '../../core/accounts/api-keys.ts'
import { limitsFor, paceLeft } from '../../core/accounts/limits.ts'
import type { Core } from '../../core/core.ts'

export async function paceHeaders(core: Core, holder: KeyHolder): Promise<Record<string, string>> {
  const limits = limitsFor(core, holder)
  return {
    'x-ratelimit-limit-requests': String(limits.perMinute),
    'x-ratelimit-remaining-requests': String(await paceLeft(core, holder.userId, limits)),
  }
}
