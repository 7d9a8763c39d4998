/** Renders the outcome of a request as a task. */

import type { FastifyRequest } from 'fastify'
import { spelledName } from '../../../core/errors.ts'
import { type Outcome, pixelsOf } from '../../../core/history/outcome.ts'
import { formatExpand } from '../../../core/request/grow.ts'
import { formatLoras } from '../../../core/request/loras.ts'
import type { ApiParts } from '../parts.ts'
import { seedOf } from '../resolve-model.ts'
import { errorFormat } from './errors.ts'
import { names } from './names.ts'
import type { states, Task } from './response-schemas.ts'

type State = (typeof states)[number]

/** `request`: its language is used for errors. `accepted`: the response to the POST that created the task. */
export async function taskOf(
  parts: ApiParts,
  request: FastifyRequest,
  outcome: Outcome,
  accepted = false,
): Promise<Task> {
  const { id, prompt, enhanced, model, source, generator, userId, attempt, credits } = outcome
  const { aspect, count, steps, guidance, strength, safety, negative, fit, mask, expand, loras } = outcome.request
  const images = await Promise.all(outcome.pictures.map((picture) => imageOf(parts, picture)))
  const inputs = await Promise.all(
    outcome.inputs.map((key) => parts.core.store.link(key, parts.imageExpirationSeconds)),
  )
  const url = images[0]?.url ?? null
  const input = inputs[0] ?? null
  return {
    id,
    task_id: id,
    status: stateOf(outcome, accepted),
    task_type: typeOf(outcome),
    source,
    surface: source,
    generator,
    request_id: id,
    user_id: userId,
    model,
    prompt,
    enhanced_prompt: enhanced,
    negative_prompt: negative ?? null,
    aspect_ratio: aspect,
    ...pixelsOf(outcome),
    num_images: count,
    guidance_scale: guidance ?? null,
    num_inference_steps: steps ?? null,
    strength: strength ?? null,
    masked: mask === true,
    expand: expand ? formatExpand(expand) : null,
    loras: loras ? formatLoras(loras) : null,
    seed: seedOf(outcome),
    safety_tolerance: safety === undefined ? null : String(safety),
    ignored: (fit?.ignored ?? []).map((name) => spelledName(name, names)),
    adjusted: (fit?.adjusted ?? []).map((name) => spelledName(name, names)),
    input_image_url: input,
    input_image_urls: inputs,
    uploaded_image_url: input,
    images,
    image_url: url,
    cloud_image_url: url,
    progress: progressOf(outcome),
    queue_position: accepted ? null : outcome.position,
    credits,
    ...errorOf(request, outcome),
    retry_count: Math.max(0, attempt - 1),
    ...timesOf(outcome),
  }
}

async function imageOf({ core, imageExpirationSeconds }: ApiParts, picture: Outcome['pictures'][number]) {
  const { key, type, width, height } = picture
  return { url: await core.store.link(key, imageExpirationSeconds), width, height, content_type: type }
}

/** `stored`: the images are stored but not delivered yet, which is still in progress for a program. */
function stateOf({ state }: Outcome, accepted: boolean): State {
  if (state === 'queued') return accepted ? 'PENDING' : 'IN_QUEUE'
  if (state === 'delivered') return 'SUCCESS'
  return state === 'running' || state === 'stored' ? 'IN_PROGRESS' : 'FAILED'
}

function typeOf({ request: { images } }: Outcome): Task['task_type'] {
  if (images === 0) return 'text_to_image'
  return images === 1 ? 'image_to_image' : 'multi_image_edit'
}

function progressOf({ state, percent }: Outcome): number | null {
  if (state === 'delivered') return 100
  return state === 'queued' ? 0 : percent
}

function errorOf(request: FastifyRequest, { error }: Outcome): Pick<Task, 'error' | 'error_message'> {
  if (!error) return { error: null, error_message: null }
  const { code, message } = (errorFormat.answerTo(error, request) ?? errorFormat.defect).body.error
  return { error: { code, message }, error_message: message }
}

function timesOf({ createdAt, startedAt, endedAt }: Outcome) {
  return {
    generation_time: startedAt && endedAt && (endedAt.getTime() - startedAt.getTime()) / 1000,
    created_at: createdAt.toISOString(),
    started_at: startedAt?.toISOString() ?? null,
    completed_at: endedAt?.toISOString() ?? null,
    updated_at: (endedAt ?? startedAt ?? createdAt).toISOString(),
  }
}
