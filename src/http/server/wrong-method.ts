/** Answers 405 with the allowed methods for a path that exists, but not with the requested method. RFC 9110 §15.5.6. */
import type { FastifyInstance } from 'fastify'
import { AppError } from '../../core/errors.ts'

/** For the routes that `addRoutes` adds. Call it after `cors`. */
export function refuseOtherMethods(app: FastifyInstance, addRoutes: () => void): void {
  const methodsByPath = new Map<string, string[]>()
  app.addHook('onRoute', ({ routePath, method }) => {
    methodsByPath.set(routePath, [...(methodsByPath.get(routePath) ?? []), ...[method].flat()])
  })
  addRoutes()
  // copied first: the hook also runs for the routes that are added below
  const all = [...methodsByPath].map(([path, methods]) => ({ path, allowed: [...new Set(methods)].sort() }))
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
