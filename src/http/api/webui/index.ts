/**
 * What web pages that draw with FLUX expect of their server: generate, history, configuration, status. Names are written
 * with underscores; in requests `aspectRatio` is as good as `aspect_ratio`.
 */
import type { FastifyPluginAsync } from 'fastify'
import { createFamily } from '../family.ts'
import type { ApiParts } from '../parts.ts'
import { configRoutes } from './config.ts'
import { refusals } from './errors.ts'
import { generateRoutes } from './generate.ts'
import { historyRoutes } from './history.ts'
import { statusRoutes } from './status.ts'

export function webui(parts: ApiParts): FastifyPluginAsync {
  return createFamily(parts, {
    name: 'webui',
    owns: '/api',
    ...refusals,
    routes: (app, family) => {
      generateRoutes(app, family)
      historyRoutes(app, family)
      configRoutes(app, family)
      statusRoutes(app, family)
    },
  })
}
