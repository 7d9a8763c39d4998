/** OpenAI's API under /v1: OpenAI's clients work unchanged, with fluxbot's accounts, credits and queue. */
import type { FastifyPluginAsync } from 'fastify'
import { createFamily } from '../family.ts'
import type { ApiParts } from '../parts.ts'
import { chatRoutes } from './chat.ts'
import { errorFormat } from './errors.ts'
import { imageRoutes } from './images.ts'
import { jobRoutes } from './jobs.ts'
import { modelRoutes } from './models.ts'
import { responseRoutes } from './responses-api/routes.ts'
import { webhookRoutes } from './webhooks.ts'

export function openai(parts: ApiParts): FastifyPluginAsync {
  return createFamily(parts, {
    name: 'openai',
    prefix: '/v1',
    ...errorFormat,
    routes: (app, family) => {
      modelRoutes(app, family)
      imageRoutes(app, family)
      jobRoutes(app, family)
      chatRoutes(app, family)
      responseRoutes(app, family)
      webhookRoutes(app, family)
    },
  })
}
