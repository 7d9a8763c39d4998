/**
 * What clients of small services around ComfyUI expect: a picture by size and steps, at the root. Errors are `{ error, details }`.
 */
import type { FastifyPluginAsync } from 'fastify'
import { createFamily } from '../family.ts'
import type { ApiParts } from '../parts.ts'
import { refusals } from './errors.ts'
import { generateRoutes } from './generate.ts'
import { imageRoutes } from './image.ts'
import { queueRoutes } from './queue.ts'
import { statusRoutes } from './status.ts'

export function comfyui(parts: ApiParts): FastifyPluginAsync {
  return createFamily(parts, {
    name: 'comfyui',
    ...refusals,
    routes: (app, family) => {
      generateRoutes(app, family)
      imageRoutes(app, family)
      statusRoutes(app, family)
      queueRoutes(app, family)
    },
  })
}
