/** The three ways to ask for pictures. A task answers at once, unless the client would rather wait. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import { type Outcome, outcomeOf } from '../../../core/history/outcome.ts'
import type { Attachment } from '../../../core/ports/chat.ts'
import { waitForEnd } from '../../../core/programs/wait.ts'
import { bodyWithPicturesBytes } from '../../server/bodies.ts'
import { closedSignal } from '../../server/reply-closed.ts'
import type { ApiApp, Family } from '../family.ts'
import { answerOnce } from '../once.ts'
import { readImages, refusePictures } from './inputs.ts'
import { fluxParams } from './params.ts'
import { refused, taskAnswer } from './response-schemas.ts'
import { taskOf } from './responses.ts'
import {
  type DrawQuery,
  drawQuery,
  drawHeaders as headers,
  type ImagesBody,
  imageBody,
  imageForm,
  imagesBody,
  imagesForm,
  type TextBody,
  tags,
  textBody,
} from './schemas.ts'

const description =
  'Answers at once with a task; `GET /api/v1/flux/task/{id}` tells how far it is. With `sync_mode`, `?wait=true` or ' +
  '`Prefer: wait` the answer is the finished task, whichever way it ended. With `Idempotency-Key` the same request again ' +
  'is the same task, and is paid for once.'

const common = { description, tags, querystring: drawQuery, response: { 200: taskAnswer, ...refused } }

const text = {
  ...common,
  summary: 'Draws pictures from words.',
  operationId: 'fluxTextToImage',
  body: textBody,
  documented: { headers },
}

const image = {
  ...common,
  summary: 'Draws pictures from one picture and words.',
  operationId: 'fluxImageToImage',
  documented: { headers, bodies: { 'application/json': imageBody, 'multipart/form-data': imageForm } },
}

const images = {
  ...common,
  summary: 'Draws pictures from several pictures and words.',
  operationId: 'fluxMultiImageEdit',
  documented: { headers, bodies: { 'application/json': imagesBody, 'multipart/form-data': imagesForm } },
}

interface Drawing {
  body: TextBody | ImagesBody
  images: readonly Attachment[]
  /** What tells this request from others under the same idempotency key. */
  content: string
}

type Asked = FastifyRequest & { query: DrawQuery }

/** Longer than any request takes. */
const longestWaitMs = 15 * 60_000

export function drawRoutes(app: ApiApp, family: Family): void {
  const bodyLimit = bodyWithPicturesBytes
  app.post('/flux/text-to-image', { schema: text }, async (request, reply) => {
    const { body } = request
    refusePictures(body)
    return draw(family, request, reply, { body, images: [], content: JSON.stringify(body) })
  })
  app.post('/flux/image-to-image', { bodyLimit, schema: image }, async (request, reply) =>
    draw(family, request, reply, await readImages(family, request, 'one')),
  )
  app.post('/flux/multi-image-edit', { bodyLimit, schema: images }, async (request, reply) =>
    draw(family, request, reply, await readImages(family, request, 'several')),
  )
}

async function draw(family: Family, request: Asked, reply: FastifyReply, drawing: Drawing) {
  const { core, parts } = family
  const { body, images, content } = drawing
  const holder = await family.authenticate(request)
  const { chosen, params } = fluxParams(core, holder, body, images.length)
  const order = { holder, chosen, params, images, webhookUrl: body.webhook_url, content }
  const waitMs = patienceOf(request, body)
  const answer = async (id: string) => {
    const outcome =
      waitMs === 0
        ? await outcomeOf(core, holder.userId, id)
        : await waitFor(core, holder.userId, id, { waitMs, gone: closedSignal(reply) })
    if (!outcome) throw new AppError('unknown_request')
    reply.header('location', `/api/v1/flux/task/${id}`)
    return { success: true as const, ...(await taskOf(parts, request, outcome, waitMs === 0)) }
  }
  return answerOnce(family.parts, { request, reply, order, answer })
}

/** 0: answered at once. What the address says counts first, then `Prefer` (RFC 7240), then the body. */
function patienceOf({ query, headers }: Asked, body: Drawing['body']): number {
  const preferred = /(?:^|[,;\s])wait(?:=(\d{1,3}))?(?:$|[,;\s])/i.exec(String(headers.prefer ?? ''))
  const said = query.wait ?? (preferred ? (preferred[1] ?? 'true') : String(body.sync_mode ?? false))
  if (said === 'true') return longestWaitMs
  return said === 'false' ? 0 : Math.min(Number(said) * 1000, longestWaitMs)
}

interface Waiting {
  waitMs: number
  /** Aborts when the client has stopped waiting. */
  gone: AbortSignal
}

/** As it is when the time is over. */
async function waitFor(
  core: Core,
  userId: string,
  id: string,
  { waitMs, gone }: Waiting,
): Promise<Outcome | undefined> {
  const patience = AbortSignal.timeout(waitMs)
  try {
    return await waitForEnd(core, userId, id, { signal: AbortSignal.any([patience, gone]) })
  } catch (error) {
    if (!patience.aborted || gone.aborted) throw error
    return outcomeOf(core, userId, id)
  }
}
