/** What became of a request → what pages show. */
import type { FastifyRequest } from 'fastify'
import { type Outcome, pixelsOf } from '../../../core/history/outcome.ts'
import type { ApiParts } from '../parts.ts'
import { seedOf } from '../resolve-model.ts'
import { refusals } from './errors.ts'
import type { Item, statuses } from './schemas.ts'

/** `request`: errors are in its language. */
export async function itemOf(parts: ApiParts, request: FastifyRequest, outcome: Outcome): Promise<Item> {
  const { id, prompt, enhanced, model, provider, source, credits, position, percent, createdAt, endedAt } = outcome
  const { aspect, count, steps, guidance, strength, negative } = outcome.request
  const images = await Promise.all(outcome.pictures.map((picture) => shown(parts, picture)))
  const parameters = {
    aspect_ratio: aspect,
    ...pixelsOf(outcome),
    n: count,
    seed: seedOf(outcome),
    steps: steps ?? null,
    guidance: guidance ?? null,
    strength: strength ?? null,
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

async function shown({ core, imageExpirationSeconds }: ApiParts, { key, width, height }: Outcome['pictures'][number]) {
  return { url: await core.store.link(key, imageExpirationSeconds), width, height }
}

/** Whether the pictures are only stored or already told of makes no difference to a page. */
function statusOf({ state }: Outcome): (typeof statuses)[number] {
  if (state === 'stored') return 'running'
  return state === 'delivered' ? 'completed' : state
}

function errorOf(request: FastifyRequest, { error }: Outcome): Pick<Item, 'error' | 'code'> {
  if (!error) return { error: null, code: null }
  const { error: message, code } = (refusals.answerTo(error, request) ?? refusals.defect).body
  return { error: message, code }
}
