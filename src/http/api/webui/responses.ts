/** Renders the outcome of a request as an item of the history. */

import type { FastifyRequest } from 'fastify'
import { type Outcome, pixelsOf } from '../../../core/history/outcome.ts'
import { formatExpand } from '../../../core/request/grow.ts'
import { formatLoras } from '../../../core/request/loras.ts'
import type { ApiParts } from '../parts.ts'
import { seedOf } from '../resolve-model.ts'
import { errorFormat } from './errors.ts'
import type { Item, statuses } from './schemas.ts'

/** `request`: its language is used for errors. */
export async function itemOf(parts: ApiParts, request: FastifyRequest, outcome: Outcome): Promise<Item> {
  const { id, prompt, enhanced, model, provider, source, credits, position, percent, createdAt, endedAt } = outcome
  const { aspect, count, steps, guidance, strength, negative, mask, expand, loras } = outcome.request
  const images = await Promise.all(outcome.pictures.map((picture) => imageOf(parts, picture)))
  const parameters = {
    aspect_ratio: aspect,
    ...pixelsOf(outcome),
    n: count,
    seed: seedOf(outcome),
    steps: steps ?? null,
    guidance: guidance ?? null,
    strength: strength ?? null,
    masked: mask === true,
    expand: expand ? formatExpand(expand) : null,
    loras: loras ? formatLoras(loras) : null,
    negative_prompt: negative ?? null,
  }
  return {
    id,
    status: statusOf(outcome),
    images,
    image_url: images[0]?.url ?? null,
    image_urls: images.map(({ url }) => url),
    timestamp: createdAt.toISOString(),
    parameters,
    prompt,
    enhanced_prompt: enhanced,
    model,
    provider,
    source,
    ...parameters,
    credits,
    position,
    percent: outcome.state === 'delivered' ? 100 : percent,
    created_at: createdAt.toISOString(),
    ended_at: endedAt?.toISOString() ?? null,
    duration_ms: endedAt && endedAt.getTime() - createdAt.getTime(),
    ...errorOf(request, outcome),
  }
}

async function imageOf(
  { core, imageExpirationSeconds }: ApiParts,
  { key, width, height }: Outcome['pictures'][number],
) {
  return { url: await core.store.link(key, imageExpirationSeconds), width, height }
}

/** `stored`: the images are stored but not delivered yet, which is still `running` for a page. */
function statusOf({ state }: Outcome): (typeof statuses)[number] {
  if (state === 'stored') return 'running'
  return state === 'delivered' ? 'completed' : state
}

function errorOf(request: FastifyRequest, { error }: Outcome): Pick<Item, 'error' | 'code'> {
  if (!error) return { error: null, code: null }
  const { error: message, code } = (errorFormat.answerTo(error, request) ?? errorFormat.defect).body
  return { error: message, code }
}
