/**
 * The FLUX service under /api/v1: tasks by words and by pictures, pictures sent ahead, and one history of what an account
 * asked for anywhere. In requests `numImages` and `n` are as good as `num_images`.
 */
import type { FastifyPluginAsync } from 'fastify'
import { createFamily } from '../family.ts'
import type { ApiParts } from '../parts.ts'
import { drawRoutes } from './draw.ts'
import { refusals } from './errors.ts'
import { healthRoutes } from './health.ts'
import { modelRoutes } from './models.ts'
import { taskRoutes } from './tasks.ts'
import { uploadRoutes } from './uploads.ts'
import { userRoutes } from './user.ts'

export function flux(parts: ApiParts): FastifyPluginAsync {
  return createFamily(parts, {
    name: 'flux',
    prefix: '/api/v1',
    ...refusals,
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
