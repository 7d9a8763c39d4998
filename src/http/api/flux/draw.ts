/** The three routes that create images. Each responds at once with a task, unless the client asks to wait for the result. */

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
import { assertNoImages, readImages } from './inputs.ts'
import { fluxParams } from './params.ts'
import { errorResponses, taskResponse } from './response-schemas.ts'
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
  'Responds at once with a task, to poll with `GET /api/v1/flux/task/{id}`. With `sync_mode`, `?wait=true` or ' +
  '`Prefer: wait` it responds when the task has succeeded or failed. Repeating a request with the same `Idempotency-Key` ' +
  'returns the same task and is charged once.'

const common = { description, tags, querystring: drawQuery, response: { 200: taskResponse, ...errorResponses } }

const text = {
  ...common,
  summary: 'Creates images from a text prompt.',
  operationId: 'fluxTextToImage',
  body: textBody,
  documented: { headers },
}

const image = {
  ...common,
  summary: 'Creates images from one input image and a text prompt.',
  operationId: 'fluxImageToImage',
  documented: { headers, bodies: { 'application/json': imageBody, 'multipart/form-data': imageForm } },
}

const images = {
  ...common,
  summary: 'Creates images from several input images and a text prompt.',
  operationId: 'fluxMultiImageEdit',
  documented: { headers, bodies: { 'application/json': imagesBody, 'multipart/form-data': imagesForm } },
}

interface ParsedRequest {
  body: TextBody | ImagesBody
  images: readonly Attachment[]
  mask?: Attachment
  /** Distinguishes this request from others with the same idempotency key. */
  content: string
}

type DrawRequest = FastifyRequest & { query: DrawQuery }

/** Above the 14 minutes in which requests usually end. One that takes longer is answered with its state until then. */
const maxWaitMs = 15 * 60_000

export function drawRoutes(app: ApiApp, family: Family): void {
  const bodyLimit = bodyWithPicturesBytes
  app.post('/flux/text-to-image', { schema: text }, async (request, reply) => {
    const { body } = request
    assertNoImages(body)
    return draw(family, request, reply, { body, images: [], content: JSON.stringify(body) })
  })
  app.post('/flux/image-to-image', { bodyLimit, schema: image }, async (request, reply) =>
    draw(family, request, reply, await readImages(family, request, 'one')),
  )
  app.post('/flux/multi-image-edit', { bodyLimit, schema: images }, async (request, reply) =>
    draw(family, request, reply, await readImages(family, request, 'several')),
  )
}

async function draw(family: Family, request: DrawRequest, reply: FastifyReply, parsed: ParsedRequest) {
  const { core, parts } = family
  const { body, images, mask, content } = parsed
  const holder = await family.authenticate(request)
  const { chosen, params } = fluxParams(core, holder, { ...body, mask }, images.length)
  const order = { holder, chosen, params, images, mask, webhookUrl: body.webhook_url, content }
  const waitMs = waitMsOf(request, body)
  const answer = async (id: string) => {
    const outcome =
      waitMs === 0
        ? await outcomeOf(core, holder.userId, id)
        : await waitFor(core, holder.userId, id, { waitMs, closed: closedSignal(reply) })
    if (!outcome) throw new AppError('unknown_request')
    reply.header('location', `/api/v1/flux/task/${id}`)
    return { success: true as const, ...(await taskOf(parts, request, outcome, waitMs === 0)) }
  }
  return answerOnce(family.parts, { request, reply, order, answer })
}

/** 0: respond at once. The query takes precedence over `Prefer` (RFC 7240), and `Prefer` over the body. */
function waitMsOf({ query, headers }: DrawRequest, body: ParsedRequest['body']): number {
  const preferred = /(?:^|[,;\s])wait(?:=(\d{1,3}))?(?:$|[,;\s])/i.exec(String(headers.prefer ?? ''))
  const wait = query.wait ?? (preferred ? (preferred[1] ?? 'true') : String(body.sync_mode ?? false))
  if (wait === 'true') return maxWaitMs
  return wait === 'false' ? 0 : Math.min(Number(wait) * 1000, maxWaitMs)
}

interface WaitOptions {
  waitMs: number
  /** Aborts when the client has disconnected. */
  closed: AbortSignal
}

/** Resolves to the unfinished task when `waitMs` have passed. */
async function waitFor(
  core: Core,
  userId: string,
  id: string,
  { waitMs, closed }: WaitOptions,
): Promise<Outcome | undefined> {
  const timeout = AbortSignal.timeout(waitMs)
  try {
    return await waitForEnd(core, userId, id, { signal: AbortSignal.any([timeout, closed]) })
  } catch (error) {
    if (!timeout.aborted || closed.aborted) throw error
    return outcomeOf(core, userId, id)
  }
}
