/** How many requests an account may still make in this minute, for `x-ratelimit-*`. */
import type { Holder } from '../../core/api-keys.ts'
import type { Core } from '../../core/core.ts'
import { limitsFor, paceLeft } from '../../core/limits.ts'

export async function paceHeaders(core: Core, holder: Holder): Promise<Record<string, string>> {
  const limits = limitsFor(core, holder)
  return {
    'x-ratelimit-limit-requests': String(limits.perMinute),
    'x-ratelimit-remaining-requests': String(await paceLeft(core, holder.userId, limits)),
  }
}
