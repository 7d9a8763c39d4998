/** Requests that nobody waits for: `Prefer: respond-async`, and the jobs they become. */
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { ownerOf } from '../../../core/accounts/api-keys.ts'
import { cancel } from '../../../core/generation/cancel.ts'
import { estimateOf } from '../../../core/history/estimate.ts'
import { type Outcome, outcomeOf } from '../../../core/history/outcome.ts'
import { optional } from '../../server/validation.ts'
import type { ApiApp, Family } from '../family.ts'
import type { ApiParts } from '../parts.ts'
import { OpenAiError, refusals } from './errors.ts'
import { type JobAnswer, jobAnswer, refused, tags } from './response-schemas.ts'
import { type Format, imagesAnswer, seconds } from './responses.ts'

const about = {
  tags,
  params: z.object({ id: z.string().describe('The id that the job was answered with.') }),
  querystring: z.object({
    response_format: optional(z.enum(['url', 'b64_json'])).describe(
      'Of the pictures. Default: as they were asked for.',
    ),
  }),
  response: { 200: jobAnswer, ...refused },
}

const looking = { ...about, summary: 'Where a job stands, and its pictures.', operationId: 'retrieveImageJob' }

const cancelling = {
  ...about,
  summary: 'Ends a job, with the credits back.',
  description: 'One that is over stays as it is.',
  operationId: 'cancelImageJob',
}

export function jobRoutes(app: ApiApp, { parts, authenticate }: Family): void {
  app.get('/images/jobs/:id', { schema: looking }, async (request, reply) => {
    const whose = ownerOf(await authenticate(request))
    const { id } = request.params
    const outcome = await outcomeOf(parts.core, whose, id)
    return show(parts, reply, { outcome: known(outcome, id), format: request.query.response_format })
  })
  app.delete('/images/jobs/:id', { schema: cancelling }, async (request, reply) => {
    const whose = ownerOf(await authenticate(request))
    const { id } = request.params
    const outcome = await cancel(parts.core, whose, id)
    return show(parts, reply, { outcome: known(outcome, id), format: request.query.response_format })
  })
}

const addressOf = (id: string) => `/v1/images/jobs/${id}`

/** For whoever waits and loses the connection: streams say it before anything is drawn. */
export const nameJob = (reply: FastifyReply, id: string) => reply.header('content-location', addressOf(id))

/** 202, and where to look from now on. */
export async function answerJob({ core, parts }: Family, reply: FastifyReply, id: string): Promise<JobAnswer> {
  // accepted a moment ago, by this very key
  const outcome = known(await outcomeOf(core, null, id), id)
  reply.code(202).headers({ location: addressOf(id), 'preference-applied': 'respond-async' })
  return jobOf(parts, outcome, askedFor(outcome))
}

function known(outcome: Outcome | undefined, id: string): Outcome {
  if (outcome) return outcome
  throw new OpenAiError(`There is no job '${id.slice(0, 100)}'.`, { status: 404, param: 'id', code: 'job_not_found' })
}

async function show(
  parts: ApiParts,
  reply: FastifyReply,
  { outcome, format = askedFor(outcome) }: { outcome: Outcome; format?: Format },
): Promise<JobAnswer> {
  const under = ['queued', 'running', 'stored'].includes(outcome.state)
  // how often to ask again
  if (under) reply.header('retry-after', '2')
  return jobOf(parts, outcome, format)
}

const askedFor = ({ request }: Outcome): Format => (request.format === 'b64_json' ? 'b64_json' : 'url')

/** `format`: of its pictures. */
export async function jobOf(parts: ApiParts, outcome: Outcome, format: Format): Promise<JobAnswer> {
  const { id, model, position, percent, createdAt, startedAt, endedAt } = outcome
  const time = (at: Date | null) => (at === null ? null : seconds(at))
  return {
    id,
    object: 'image.job',
    state: stateOf(outcome),
    model,
    position,
    percent,
    estimate: await estimateOf(parts.core, outcome),
    created_at: seconds(createdAt),
    started_at: time(startedAt),
    ended_at: time(endedAt),
    result: outcome.state === 'delivered' ? await imagesAnswer(parts, outcome, format) : null,
    error: outcome.state === 'failed' ? (refusals.answerTo(outcome.error) ?? refusals.defect).body.error : null,
  }
}

/** Whether the pictures are only stored or already told of makes no difference to a program. */
function stateOf({ state }: Outcome): 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' {
  if (state === 'stored') return 'running'
  return state === 'delivered' ? 'succeeded' : state
}
