/**
 * The API of small services around ComfyUI: generation by size and steps, with routes at the root.
 */
import type { FastifyPluginAsync } from 'fastify'
import { createFamily } from '../family.ts'
import type { ApiParts } from '../parts.ts'
import { errorFormat } from './errors.ts'
import { generateRoutes } from './generate.ts'
import { imageRoutes } from './image.ts'
import { queueRoutes } from './queue.ts'
import { statusRoutes } from './status.ts'

export function comfyui(parts: ApiParts): FastifyPluginAsync {
  return createFamily(parts, {
    name: 'comfyui',
    ...errorFormat,
    routes: (app, family) => {
      generateRoutes(app, family)
      imageRoutes(app, family)
      statusRoutes(app, family)
      queueRoutes(app, family)
    },
  })
}
