/** OpenAI's API under /v1, so that its clients work unchanged: the same accounts, credits and queue as the chats. */
import type { FastifyPluginAsync } from 'fastify'
import { createFamily } from '../family.ts'
import type { ApiParts } from '../parts.ts'
import { chatRoutes } from './chat.ts'
import { refusals } from './errors.ts'
import { imageRoutes } from './images.ts'
import { jobRoutes } from './jobs.ts'
import { modelRoutes } from './models.ts'
import { webhookRoutes } from './webhooks.ts'

export function openai(parts: ApiParts): FastifyPluginAsync {
  return createFamily(parts, {
    prefix: '/v1',
    ...refusals,
    routes: (app, family) => {
      modelRoutes(app, family)
      imageRoutes(app, family)
      jobRoutes(app, family)
      chatRoutes(app, family)
      webhookRoutes(app, family)
    },
  })
}
