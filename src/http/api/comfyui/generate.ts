/** `POST /generate`: asked, and waited for unless the client would rather look later. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../../../core/errors.ts'
import { outcomeOf } from '../../../core/history/outcome.ts'
import { waitForEnd } from '../../../core/programs/wait.ts'
import { bodyWithPicturesBytes } from '../../server/bodies.ts'
import { closedSignal } from '../../server/reply-closed.ts'
import type { ApiApp, Family } from '../family.ts'
import { answerOnce, wantsJob } from '../once.ts'
import { picturesIn } from './inputs.ts'
import { comfyuiParams } from './params.ts'
import { refused, taskAnswer } from './response-schemas.ts'
import { taskOf } from './responses.ts'
import { type GenerateBody, generateBody, generateQuery, tags } from './schemas.ts'

const schema = {
  summary: 'Draws a picture from words, or from pictures and words.',
  description:
    'Answers when it is drawn; with `wait: false` or `Prefer: respond-async` at once. With `Idempotency-Key` the same ' +
    'request again is the same task, and is paid for once.',
  operationId: 'comfyGenerate',
  tags,
  querystring: generateQuery,
  body: generateBody,
  response: {
    200: taskAnswer,
    202: taskAnswer.describe('Under way: `image_url` has the picture later.'),
    ...refused,
  },
}

interface Wanted {
  body: GenerateBody
  withPicture: boolean
}

export function generateRoutes(app: ApiApp, family: Family): void {
  app.post('/generate', { bodyLimit: bodyWithPicturesBytes, schema }, async (request, reply) => {
    const { body, query } = request
    const withPicture = body.return_base64 ?? ['1', 'true'].includes(query.base64 ?? '')
    return generate(family, request, reply, { body, withPicture })
  })
}

async function generate(family: Family, request: FastifyRequest, reply: FastifyReply, { body, withPicture }: Wanted) {
  const { core, parts } = family
  const holder = await family.authenticate(request)
  const images = picturesIn(family, holder, body)
  const { chosen, params } = comfyuiParams(core, holder, body, images.length)
  const order = { holder, chosen, params, images, webhookUrl: body.webhook_url, content: JSON.stringify(body) }
  const later = body.wait === false || wantsJob(request)
  const answer = async (id: string) => {
    const outcome = later
      ? await outcomeOf(core, holder.userId, id)
      : await waitForEnd(core, holder.userId, id, { signal: closedSignal(reply) })
    if (!outcome) throw new AppError('unknown_request')
    if (later) reply.code(202).headers({ location: `/image/${id}`, 'preference-applied': 'respond-async' })
    // a client that waited gets a failure as an error
    else if (outcome.error) throw outcome.error
    return taskOf(parts, outcome, withPicture && !later)
  }
  return answerOnce(family.parts, { request, reply, order, answer })
}
