/** Requests without a key, from programs on this machine to the families that ANONYMOUS_API names. */
import type { FastifyRequest } from 'fastify'
import { rememberedAccountOf } from '../../core/accounts/accounts.ts'
import type { KeyHolder } from '../../core/accounts/api-keys.ts'
import type { Core } from '../../core/core.ts'
import { canParseUrl } from '../../net/can-parse-url.ts'
import { hasKey } from '../server/auth.ts'

/** Names of families that ANONYMOUS_API may contain. */
export type FamilyName = 'openai' | 'flux' | 'comfyui' | 'webui'

export interface Anonymous {
  families: ReadonlySet<string>
  holder(): Promise<KeyHolder>
}

export function createAnonymous(core: Core, families: readonly string[]): Anonymous {
  return {
    families: new Set(families),
    // no administrator; the credits never run out, because the operator's own machine draws for itself
    holder: async () => ({
      userId: await rememberedAccountOf(core, { id: 'api:anonymous', name: 'anonymous' }),
      keyId: null,
      admin: false,
      models: null,
    }),
  }
}

/** Makes the request one of the anonymous account, if the family allows that and it has no key. */
export function admitAnonymous(anonymous: Anonymous, name: FamilyName, request: FastifyRequest): void {
  if (!anonymous.families.has(name) || hasKey(request) || !isFromThisMachine(request)) return
  request.keyHolder = anonymous.holder()
}

/** Headers of tunnels and proxies on this machine, which pass on the requests of others. */
const forwarded = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'cf-connecting-ip']

/**
 * A browser on this machine may also send requests from pages of other sites: `Origin` names such a site. If its name resolves to
 * this machine (DNS rebinding), `Host` names it.
 */
function isFromThisMachine({ ip, headers }: FastifyRequest): boolean {
  if (forwarded.some((name) => headers[name] !== undefined)) return false
  const { host = '', origin } = headers
  return isLoopback(ip) && isLoopback(nameIn(`http://${host}`)) && (origin === undefined || isLoopback(nameIn(origin)))
}

const nameIn = (address: string) => (canParseUrl(address) ? new URL(address).hostname : '')

const isLoopback = (name: string) => /^(localhost|(::ffff:)?127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(name)
