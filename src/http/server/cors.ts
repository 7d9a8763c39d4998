/** Pages of any origin may use the API: requests are authenticated by a key in a header, and there are no cookies. */
import type { FastifyInstance } from 'fastify'

const exposed = [
  'x-request-id',
  'x-should-retry',
  'retry-after',
  'location',
  'content-location',
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
].join(', ')

const daySeconds = 86_400

/** For routes that are added to `app` later. Call it before adding hooks that require a key. */
export function cors(app: FastifyInstance): void {
  const paths = new Set<string>()
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'access-control-allow-origin': '*', 'access-control-expose-headers': exposed })
    if (request.method !== 'OPTIONS') return undefined
    return reply.code(204).headers(preflight(request.headers['access-control-request-headers'])).send()
  })
  app.addHook('onRoute', ({ path, method, prefix }) => {
    if (method === 'OPTIONS' || paths.has(path)) return
    paths.add(path)
    // `path` includes the prefix, and `options` adds it again
    app.options(path.slice(prefix.length), async () => undefined)
  })
}

/** Repeats the requested header names, because '*' does not include authorization. */
function preflight(requested: string | undefined): Record<string, string> {
  const allowed =
    requested !== undefined && /^[\w!#$%&'*+.^`|~, -]{1,2000}$/.test(requested)
      ? requested
      : 'authorization, content-type'
  return {
    'access-control-allow-methods': 'GET, POST, PUT, DELETE, OPTIONS',
    'access-control-allow-headers': allowed,
    'access-control-max-age': String(daySeconds),
    vary: 'access-control-request-headers',
  }
}
