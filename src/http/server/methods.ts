/** Paths that are there, asked in a way that is not: 405, with the ways there are. RFC 9110 §15.5.6. */
import type { FastifyInstance } from 'fastify'
import { AppError } from '../../core/errors.ts'

/** For the routes that `add` adds; errors are said by whoever says those of `app`. To be called after `cors`. */
export function refuseOtherMethods(app: FastifyInstance, add: () => void): void {
  const answered = new Map<string, string[]>()
  app.addHook('onRoute', ({ routePath, method }) => {
    answered.set(routePath, [...(answered.get(routePath) ?? []), ...[method].flat()])
  })
  add()
  // the hook goes on for those that are added here
  const all = [...answered].map(([path, allowed]) => ({ path, allowed: [...new Set(allowed)].sort() }))
  for (const { path, allowed } of all) {
    app.route({
      url: path,
      method: app.supportedMethods.filter((method) => !allowed.includes(method)),
      config: { open: true },
      schema: { hide: true },
      // before the body is read
      onRequest: async ({ method }, reply) => {
        reply.header('allow', allowed.join(', '))
        throw new AppError('wrong_method', {
          method,
          allowed: allowed.filter((each) => !/^(HEAD|OPTIONS)$/.test(each)),
        })
      },
      handler: async () => undefined,
    })
  }
}
