/** Pages of any origin may use the API: a key in a header is what counts, and there are no cookies here. */
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

/** For all routes added to `app` after this; to be called before hooks that ask for a key. */
export function cors(app: FastifyInstance): void {
  const known = new Set<string>()
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'access-control-allow-origin': '*', 'access-control-expose-headers': exposed })
    if (request.method !== 'OPTIONS') return undefined
    return reply.code(204).headers(permissions(request.headers['access-control-request-headers'])).send()
  })
  app.addHook('onRoute', ({ path, method, prefix }) => {
    if (method === 'OPTIONS' || known.has(path)) return
    known.add(path)
    // `path` has the prefix already, and `options` adds it again
    app.options(path.slice(prefix.length), async () => undefined)
  })
}

/** What was asked for is named again, because '*' does not cover authorization. */
function permissions(asked: string | undefined): Record<string, string> {
  const names =
    asked !== undefined && /^[\w!#$%&'*+.^`|~, -]{1,2000}$/.test(asked) ? asked : 'authorization, content-type'
  return {
    'access-control-allow-methods': 'GET, POST, PUT, DELETE, OPTIONS',
    'access-control-allow-headers': names,
    'access-control-max-age': String(daySeconds),
    vary: 'access-control-request-headers',
  }
}
