/** `POST /v1/images/generations` and `/v1/images/edits`: asked, waited for, answered in the form that was wanted. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Attachment } from '../../../core/ports/chat.ts'
import { waitForEnd } from '../../../core/programs/wait.ts'
import { bodyWithPicturesBytes } from '../../server/bodies.ts'
import { closedSignal } from '../../server/reply-closed.ts'
import type { ApiApp, Family } from '../family.ts'
import { answerOnce, wantsJob } from '../once.ts'
import { readEdit } from './edits.ts'
import { OpenAiError } from './errors.ts'
import { streamPictures, type Wanted } from './image-stream.ts'
import { answerJob, nameJob } from './jobs.ts'
import { answersBase64 } from './models.ts'
import { openAiParams } from './params.ts'
import { picturesAnswers as response, tags } from './response-schemas.ts'
import { type Format, imagesAnswer } from './responses.ts'
import {
  type EditsBody,
  editsBody,
  editsForm,
  type GenerationsBody,
  generationsBody,
  headersOfImages as headers,
} from './schemas.ts'

interface Drawing {
  body: GenerationsBody | EditsBody
  images: readonly Attachment[]
  /** What tells this request from others under the same idempotency key. */
  content: string
  events: 'image_generation' | 'image_edit'
}

const generations = {
  summary: 'Draws pictures from words.',
  operationId: 'createImage',
  tags,
  body: generationsBody,
  documented: { headers },
  response,
}

const edits = {
  summary: 'Draws pictures from pictures and words.',
  operationId: 'createImageEdit',
  tags,
  documented: { headers, bodies: { 'multipart/form-data': editsForm, 'application/json': editsBody } },
  response,
}

export function imageRoutes(app: ApiApp, family: Family): void {
  app.post('/images/generations', { schema: generations }, async (request, reply) => {
    const { body } = request
    refusePictures(body)
    const content = JSON.stringify(body)
    return draw(family, request, reply, { body, images: [], content, events: 'image_generation' })
  })
  app.post('/images/edits', { bodyLimit: bodyWithPicturesBytes, schema: edits }, async (request, reply) => {
    const edit = await readEdit(family, request)
    return draw(family, request, reply, { ...edit, events: 'image_edit' })
  })
}

/** They would be drawn without, and paid for. */
function refusePictures(body: GenerationsBody): void {
  const param = ['image', 'images', 'image_url'].find((name) => body[name] !== undefined && body[name] !== null)
  if (param === undefined) return
  throw new OpenAiError(`Unsupported parameter: '${param}'. Send pictures to /v1/images/edits.`, {
    param,
    code: 'unsupported_parameter',
  })
}

async function draw(family: Family, request: FastifyRequest, reply: FastifyReply, drawing: Drawing) {
  const { core, parts } = family
  const { body, images, content, events } = drawing
  const holder = await family.authenticate(request)
  const params = openAiParams(core, holder, body, images.length)
  const { response_format, model, stream, partial_images } = body
  // not the body, which may hold pictures
  const wanted = { response_format, model, partial_images }
  const format = formatOf(wanted)
  const order = { holder, params, images, webhookUrl: body.webhook_url, format, content }
  const answer = async (id: string) => {
    nameJob(reply, id)
    // a client that reads events cannot read a job
    if (stream) return streamPictures(family, request, reply, { id, holder, wanted, events })
    if (wantsJob(request)) return answerJob(family, reply, id)
    const outcome = await waitForEnd(core, holder.userId, id, { signal: closedSignal(reply) })
    return imagesAnswer(parts, outcome, format)
  }
  return answerOnce(family.parts, { request, reply, order, answer })
}

function formatOf({ response_format: format, model }: Wanted): Format {
  return format ?? (answersBase64(model) ? 'b64_json' : 'url')
}
