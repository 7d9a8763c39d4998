/** `POST /generate`: responds with the finished task, or at once with a task to poll. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../../../core/errors.ts'
import type { Following } from '../../../core/events/events.ts'
import { outcomeOf } from '../../../core/history/outcome.ts'
import { waitForEnd } from '../../../core/programs/wait.ts'
import { bodyWithPicturesBytes } from '../../server/bodies.ts'
import { closedSignal } from '../../server/reply-closed.ts'
import type { ApiApp, Family } from '../family.ts'
import { answerOnce, wantsJob } from '../once.ts'
import { maskIn, picturesIn } from './inputs.ts'
import { comfyuiParams } from './params.ts'
import { errorResponses, taskResponse } from './response-schemas.ts'
import { taskOf } from './responses.ts'
import { type GenerateBody, generateBody, generateQuery, tags } from './schemas.ts'

const schema = {
  summary: 'Creates images from a text prompt, input images, or both.',
  description:
    'Responds when the images are finished; with `wait: false` or `Prefer: respond-async` at once. Repeating a request ' +
    'with the same `Idempotency-Key` returns the same task and is charged once.',
  operationId: 'comfyGenerate',
  tags,
  querystring: generateQuery,
  body: generateBody,
  response: {
    200: taskResponse,
    202: taskResponse.describe('The task is not finished. `image_url` returns the image once it is.'),
    ...errorResponses,
  },
}

interface ParsedRequest {
  body: GenerateBody
  /** Whether the response contains the picture in base64. */
  withPicture: boolean
}

export function generateRoutes(app: ApiApp, family: Family): void {
  app.post('/generate', { bodyLimit: bodyWithPicturesBytes, schema }, async (request, reply) => {
    const { body, query } = request
    const withPicture = body.return_base64 ?? ['1', 'true'].includes(query.base64 ?? '')
    return generate(family, request, reply, { body, withPicture })
  })
}

async function generate(
  family: Family,
  request: FastifyRequest,
  reply: FastifyReply,
  { body, withPicture }: ParsedRequest,
) {
  const { core, parts } = family
  const holder = await family.authenticate(request)
  const images = picturesIn(family, holder, body)
  const mask = maskIn(family, holder, body)
  const { chosen, params } = comfyuiParams(core, holder, body, images.length)
  const order = { holder, chosen, params, images, mask, webhookUrl: body.webhook_url, content: JSON.stringify(body) }
  const respondAsync = body.wait === false || wantsJob(request)
  const answer = async (id: string, following?: Following) => {
    const outcome = respondAsync
      ? await outcomeOf(core, holder.userId, id)
      : await waitForEnd(core, holder.userId, id, { signal: closedSignal(reply), following })
    if (!outcome) throw new AppError('unknown_request')
    if (respondAsync) reply.code(202).headers({ location: `/image/${id}`, 'preference-applied': 'respond-async' })
    // a client that waited gets an error status for a failure
    else if (outcome.error) throw outcome.error
    return taskOf(parts, outcome, withPicture && !respondAsync)
  }
  return answerOnce(family.parts, { request, reply, order, answer })
}
