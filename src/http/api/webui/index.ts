/**
 * The API for web pages: generation, history, provider configurations and status. Fields of requests may be in snake case or
 * camel case.
 */
import type { FastifyPluginAsync } from 'fastify'
import { createFamily } from '../family.ts'
import type { ApiParts } from '../parts.ts'
import { configRoutes } from './config.ts'
import { errorFormat } from './errors.ts'
import { generateRoutes } from './generate.ts'
import { historyRoutes } from './history.ts'
import { packRoutes } from './packs.ts'
import { statusRoutes } from './status.ts'

export function webui(parts: ApiParts): FastifyPluginAsync {
  return createFamily(parts, {
    name: 'webui',
    owns: '/api',
    ...errorFormat,
    routes: (app, family) => {
      generateRoutes(app, family)
      historyRoutes(app, family)
      configRoutes(app, family)
      packRoutes(app, family)
      statusRoutes(app, family)
    },
  })
}
