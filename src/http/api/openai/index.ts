/** OpenAI's API under /v1, so that its clients work unchanged: the same accounts, credits and queue as the chats. */
import type { FastifyPluginAsync } from 'fastify'
import { AppError } from '../../../core/errors.ts'
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
    answerTo: (error, request) => {
      const answer = refusals.answerTo(error)
      const keyed = error instanceof AppError && request.headers['idempotency-key'] !== undefined
      // the same key would lead to the same end
      const again = !(keyed && answer !== undefined && answer.status >= 500)
      return answer && { ...answer, headers: again ? answer.headers : { ...answer.headers, 'x-should-retry': 'false' } }
    },
    routes: (app, family) => {
      modelRoutes(app, family)
      imageRoutes(app, family)
      jobRoutes(app, family)
      chatRoutes(app, family)
      webhookRoutes(app, family)
    },
  })
}
