/** Jobs: requests sent with `Prefer: respond-async`, which clients poll with `GET /v1/images/jobs/{id}`. */
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { ownerOf } from '../../../core/accounts/api-keys.ts'
import { cancel } from '../../../core/generation/cancel.ts'
import { estimateOf } from '../../../core/history/estimate.ts'
import { type Outcome, outcomeOf } from '../../../core/history/outcome.ts'
import { optional } from '../../server/validation.ts'
import type { ApiApp, Family } from '../family.ts'
import type { ApiParts } from '../parts.ts'
import { errorFormat, OpenAiError } from './errors.ts'
import { errorResponses, type JobResponse, jobResponse, tags } from './response-schemas.ts'
import { type Format, imagesResponseOf, seconds } from './responses.ts'

const common = {
  tags,
  params: z.object({ id: z.string().describe('Id of the job.') }),
  querystring: z.object({
    response_format: optional(z.enum(['url', 'b64_json'])).describe(
      'Format of the images. Default: the one that the request asked for.',
    ),
  }),
  response: { 200: jobResponse, ...errorResponses },
}

const retrieval = {
  ...common,
  summary: 'Returns the state of a job and, once it has succeeded, its images.',
  operationId: 'retrieveImageJob',
}

const cancellation = {
  ...common,
  summary: 'Cancels a job and returns its credits.',
  description: 'A job that has ended is not changed.',
  operationId: 'cancelImageJob',
}

/** Seconds after which a client should poll again. */
const pollSeconds = 2

export function jobRoutes(app: ApiApp, { parts, authenticate }: Family): void {
  app.get('/images/jobs/:id', { schema: retrieval }, async (request, reply) => {
    const owner = ownerOf(await authenticate(request))
    const { id } = request.params
    const outcome = existing(await outcomeOf(parts.core, owner, id), id)
    return respondWithJob(parts, reply, { outcome, format: request.query.response_format })
  })
  app.delete('/images/jobs/:id', { schema: cancellation }, async (request, reply) => {
    const owner = ownerOf(await authenticate(request))
    const { id } = request.params
    const outcome = existing(await cancel(parts.core, owner, id), id)
    return respondWithJob(parts, reply, { outcome, format: request.query.response_format })
  })
}

const pathOf = (id: string) => `/v1/images/jobs/${id}`

/** Sent before anything is drawn, so that a client that loses the connection can still find its job. */
export const setJobHeader = (reply: FastifyReply, id: string) => reply.header('content-location', pathOf(id))

export async function respondWithNewJob(
  { core, parts }: Family,
  reply: FastifyReply,
  id: string,
): Promise<JobResponse> {
  // no owner to check: this request created the job
  const outcome = existing(await outcomeOf(core, null, id), id)
  reply.code(202).headers({ location: pathOf(id), 'preference-applied': 'respond-async' })
  return jobOf(parts, outcome, requestedFormat(outcome))
}

function existing(outcome: Outcome | undefined, id: string): Outcome {
  if (outcome) return outcome
  throw new OpenAiError(`There is no job '${id.slice(0, 100)}'.`, { status: 404, param: 'id', code: 'job_not_found' })
}

async function respondWithJob(
  parts: ApiParts,
  reply: FastifyReply,
  { outcome, format = requestedFormat(outcome) }: { outcome: Outcome; format?: Format },
): Promise<JobResponse> {
  const unfinished = ['queued', 'running', 'stored'].includes(outcome.state)
  if (unfinished) reply.header('retry-after', String(pollSeconds))
  return jobOf(parts, outcome, format)
}

const requestedFormat = ({ request }: Outcome): Format => (request.format === 'b64_json' ? 'b64_json' : 'url')

/** `format`: how the result holds its images. */
export async function jobOf(parts: ApiParts, outcome: Outcome, format: Format): Promise<JobResponse> {
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
    result: outcome.state === 'delivered' ? await imagesResponseOf(parts, outcome, format) : null,
    error: outcome.state === 'failed' ? (errorFormat.answerTo(outcome.error) ?? errorFormat.defect).body.error : null,
  }
}

/** `stored`: the images are stored but not delivered yet, which is still `running` for a program. */
function stateOf({ state }: Outcome): JobResponse['state'] {
  if (state === 'stored') return 'running'
  return state === 'delivered' ? 'succeeded' : state
}
