/** `POST /v1/images/generations` and `/v1/images/edits`: one response, an event stream, or a job to poll. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Following } from '../../../core/events/events.ts'
import type { Attachment } from '../../../core/ports/chat.ts'
import { waitForEnd } from '../../../core/programs/wait.ts'
import { bodyWithPicturesBytes } from '../../server/bodies.ts'
import { closedSignal } from '../../server/reply-closed.ts'
import type { ApiApp, Family } from '../family.ts'
import { answerOnce, wantsJob } from '../once.ts'
import { parseEdit } from './edits.ts'
import { OpenAiError } from './errors.ts'
import { type ImageResponseOptions, streamImages } from './image-stream.ts'
import { respondWithNewJob, setJobHeader } from './jobs.ts'
import { defaultsToBase64, defaultsToUrl } from './models.ts'
import { openAiParams } from './params.ts'
import { imageResponses as response, tags } from './response-schemas.ts'
import { type Format, imagesResponseOf } from './responses.ts'
import {
  type EditsBody,
  editsBody,
  editsForm,
  type GenerationsBody,
  generationsBody,
  imageHeaders as headers,
} from './schemas.ts'

interface ParsedRequest {
  body: GenerationsBody | EditsBody
  images: readonly Attachment[]
  mask?: Attachment
  /** Distinguishes this request from others with the same idempotency key. */
  content: string
  events: 'image_generation' | 'image_edit'
}

const generations = {
  summary: 'Creates images from a text prompt.',
  operationId: 'createImage',
  tags,
  body: generationsBody,
  documented: { headers },
  response,
}

const edits = {
  summary: 'Creates images from input images and a text prompt.',
  operationId: 'createImageEdit',
  tags,
  documented: { headers, bodies: { 'multipart/form-data': editsForm, 'application/json': editsBody } },
  response,
}

export function imageRoutes(app: ApiApp, family: Family): void {
  app.post('/images/generations', { schema: generations }, async (request, reply) => {
    const { body } = request
    assertNoImages(body)
    const content = JSON.stringify(body)
    return generate(family, request, reply, { body, images: [], content, events: 'image_generation' })
  })
  app.post('/images/edits', { bodyLimit: bodyWithPicturesBytes, schema: edits }, async (request, reply) => {
    const edit = await parseEdit(family, request)
    return generate(family, request, reply, { ...edit, events: 'image_edit' })
  })
}

/** Ignoring the images would charge for a result that the client did not ask for. */
function assertNoImages(body: GenerationsBody): void {
  const param = ['image', 'images', 'image_url', 'mask', 'expand'].find(
    (name) => body[name] !== undefined && body[name] !== null,
  )
  if (param === undefined) return
  throw new OpenAiError(`Unsupported parameter: '${param}'. Send input images to /v1/images/edits.`, {
    param,
    code: 'unsupported_parameter',
  })
}

async function generate(family: Family, request: FastifyRequest, reply: FastifyReply, parsed: ParsedRequest) {
  const { core, parts } = family
  const { body, images, mask, content, events } = parsed
  const holder = await family.authenticate(request)
  const { chosen, params } = openAiParams(core, holder, body, { images: images.length, mask })
  const { response_format, model, stream, partial_images } = body
  // do not hold the body while waiting: it may contain images
  const options = { response_format, model, partial_images }
  const format = formatOf(options, events)
  const order = { holder, chosen, params, images, mask, webhookUrl: body.webhook_url, format, content }
  const answer = async (id: string, following?: Following) => {
    setJobHeader(reply, id)
    // before `Prefer: respond-async`, because a client that expects events cannot parse a job
    if (stream) return streamImages(family, request, reply, { id, holder, options, events })
    if (wantsJob(request)) return respondWithNewJob(family, reply, id)
    const outcome = await waitForEnd(core, holder.userId, id, { signal: closedSignal(reply), following })
    return imagesResponseOf(parts, outcome, format)
  }
  return answerOnce(family.parts, { request, reply, order, answer })
}

/** OpenAI answers edits in base64, but with its oldest model. */
function formatOf({ response_format: format, model }: ImageResponseOptions, events: ParsedRequest['events']): Format {
  if (format) return format
  const base64 = events === 'image_edit' ? !defaultsToUrl(model) : defaultsToBase64(model)
  return base64 ? 'b64_json' : 'url'
}
