/** `POST /api/generate`: responds with the finished images, or at once with an item to poll. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../../../core/errors.ts'
import type { Following } from '../../../core/events/events.ts'
import { outcomeOf } from '../../../core/history/outcome.ts'
import { waitForEnd } from '../../../core/programs/wait.ts'
import { bodyWithPicturesBytes } from '../../server/bodies.ts'
import { closedSignal } from '../../server/reply-closed.ts'
import { maskIn } from '../areas.ts'
import type { ApiApp, Family } from '../family.ts'
import { inputOf } from '../inputs.ts'
import { answerOnce, wantsJob } from '../once.ts'
import { addressesIn, webuiParams } from './params.ts'
import { itemOf } from './responses.ts'
import { errorResponses, type GenerateBody, generateBody, itemResponse, tags } from './schemas.ts'

const schema = {
  summary: 'Creates images from a text prompt, input images, or both.',
  description: 'Repeating a request with the same `Idempotency-Key` returns the same images and is charged once.',
  operationId: 'webuiGenerate',
  tags,
  body: generateBody,
  response: {
    200: itemResponse,
    202: itemResponse.describe('The images are not finished. Poll `location`.'),
    ...errorResponses,
  },
}

export function generateRoutes(app: ApiApp, family: Family): void {
  app.post('/api/generate', { bodyLimit: bodyWithPicturesBytes, schema }, (request, reply) =>
    generate(family, request, reply, request.body),
  )
}

async function generate(family: Family, request: FastifyRequest, reply: FastifyReply, body: GenerateBody) {
  const { core, parts } = family
  const holder = await family.authenticate(request)
  const images = addressesIn(body).map((address) => inputOf(family, holder, address))
  const mask = maskIn(family, holder, body.mask ?? body.mask_url)
  const { chosen, params } = webuiParams(core, holder, { ...body, mask: body.mask ?? body.mask_url }, images.length)
  const order = { holder, chosen, params, images, mask, webhookUrl: body.webhook_url, content: JSON.stringify(body) }
  const respondAsync = body.wait === false || wantsJob(request)
  const answer = async (id: string, following?: Following) => {
    const outcome = respondAsync
      ? await outcomeOf(core, holder.userId, id)
      : await waitForEnd(core, holder.userId, id, { signal: closedSignal(reply), following })
    if (!outcome) throw new AppError('unknown_request')
    if (respondAsync) reply.code(202).headers({ location: `/api/history/${id}`, 'preference-applied': 'respond-async' })
    // a client that waited gets an error status for a failure
    else if (outcome.error) throw outcome.error
    return { success: true as const, ...(await itemOf(parts, request, outcome)) }
  }
  return answerOnce(family.parts, { request, reply, order, answer })
}
