/** `POST /api/generate`: asked, and waited for unless the page would rather look later. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../../../core/errors.ts'
import { outcomeOf } from '../../../core/history/outcome.ts'
import { waitForEnd } from '../../../core/programs/wait.ts'
import { bodyWithPicturesBytes } from '../../server/bodies.ts'
import { closedSignal } from '../../server/reply-closed.ts'
import type { ApiApp, Family } from '../family.ts'
import { inputOf } from '../inputs.ts'
import { answerOnce, wantsJob } from '../once.ts'
import { addressesIn, webuiParams } from './params.ts'
import { itemOf } from './responses.ts'
import { type GenerateBody, generateBody, itemAnswer, refused, tags } from './schemas.ts'

const schema = {
  summary: 'Draws pictures from words, or from words and pictures.',
  description: 'With `Idempotency-Key` the same request again has the same pictures, and is paid for once.',
  operationId: 'webuiGenerate',
  tags,
  body: generateBody,
  response: { 200: itemAnswer, 202: itemAnswer.describe('Under way.'), ...refused },
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
  const { chosen, params } = webuiParams(core, holder, body, images.length)
  const order = { holder, chosen, params, images, webhookUrl: body.webhook_url, content: JSON.stringify(body) }
  const later = body.wait === false || wantsJob(request)
  const answer = async (id: string) => {
    const outcome = later
      ? await outcomeOf(core, holder.userId, id)
      : await waitForEnd(core, holder.userId, id, { signal: closedSignal(reply) })
    if (!outcome) throw new AppError('unknown_request')
    if (later) reply.code(202).headers({ location: `/api/history/${id}`, 'preference-applied': 'respond-async' })
    // a client that waited gets a failure as an error
    else if (outcome.error) throw outcome.error
    return { success: true as const, ...(await itemOf(parts, request, outcome)) }
  }
  return answerOnce(family.parts, { request, reply, order, answer })
}
