/**
 * The FLUX service under /api/v1: tasks from text and from images, uploads, and the history of an account. Fields of requests
 * have aliases, such as `numImages` and `n` for `num_images`.
 */
import type { FastifyPluginAsync } from 'fastify'
import { createFamily } from '../family.ts'
import type { ApiParts } from '../parts.ts'
import { drawRoutes } from './draw.ts'
import { errorFormat } from './errors.ts'
import { healthRoutes } from './health.ts'
import { modelRoutes } from './models.ts'
import { taskRoutes } from './tasks.ts'
import { uploadRoutes } from './uploads.ts'
import { userRoutes } from './user.ts'

export function flux(parts: ApiParts): FastifyPluginAsync {
  return createFamily(parts, {
    name: 'flux',
    prefix: '/api/v1',
    ...errorFormat,
    routes: (app, family) => {
      healthRoutes(app, family)
      modelRoutes(app, family)
      userRoutes(app, family)
      drawRoutes(app, family)
      uploadRoutes(app, family)
      taskRoutes(app, family)
    },
  })
}
