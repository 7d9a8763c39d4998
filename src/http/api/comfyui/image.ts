/** `GET /image/{task_id}`: the picture of a request as PNG, for the account's key or a client that has the links signed link. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { ownerOf } from '../../../core/accounts/api-keys.ts'
import { AppError } from '../../../core/errors.ts'
import { type Outcome, outcomeOf } from '../../../core/history/outcome.ts'
import { verifyLink } from '../../../core/media/links.ts'
import { localeOf, wordsFor } from '../../../locales/index.ts'
import { type PictureReply, sendPicture } from '../../pictures/reply.ts'
import type { Thumbnail } from '../../pictures/stored.ts'
import type { ApiApp, Family } from '../family.ts'
import type { ApiParts } from '../parts.ts'
import { ComfyError, refusals } from './errors.ts'
import { refused, underWayAnswer } from './response-schemas.ts'
import { asPng, statusOf } from './responses.ts'
import { imageParams, imageQuery, tags } from './schemas.ts'

/** How often to ask again. */
const retrySeconds = 2

const part = { content: { 'image/png': { schema: z.file() }, 'image/webp': { schema: z.file() } } }

const schema = {
  summary: 'The picture of a task, as PNG; with `w`, a small WebP of it.',
  description:
    'With the account’s key, or without one by the signed `image_url`. `Range`, `If-Range` and `If-None-Match` are heeded.',
  operationId: 'comfyImage',
  tags,
  params: imageParams,
  querystring: imageQuery,
  response: {
    200: { description: 'PNG; with `w`, WebP.', ...part },
    202: underWayAnswer.describe('It is not drawn yet: ask again after `retry-after`.'),
    206: { description: 'The part of it that was asked for.', ...part },
    304: z.null().describe('The client has it already.'),
    416: z.null().describe('It is shorter than that.'),
    ...refused,
  },
}

/** The account that asks. null: an administrator, who may see all. */
interface Viewer {
  userId: string | null
  cacheControl: string
}

interface Link {
  id: string
  expires: string
  signature: string
}

export function imageRoutes(app: ApiApp, family: Family): void {
  const { pictures } = family.parts
  app.get('/image/:task_id', { config: { open: comesByLink }, schema }, async (request, reply) => {
    const id = request.params.task_id.toLowerCase()
    const { expires = '', signature = '', n, w } = request.query
    const { userId, cacheControl } = await viewerOf(family, request, { id, expires, signature })
    const outcome = await outcomeOf(family.core, userId, id)
    if (!outcome) throw new AppError('unknown_request')
    if (outcome.error) throw gone(request, outcome.error)
    if (outcome.state !== 'delivered') return underWay(reply, outcome)
    const picture = outcome.pictures[n]
    if (!picture) throw new ComfyError(404, wordsOf(request).missing)
    const name = n === 0 ? id : `${id}-${n}`
    const small = w === undefined ? undefined : pictures.thumbnail(picture.key, w)
    const form = small ? smallOf(small, picture, name) : wholeOf(family.parts, picture, name)
    const sent = await sendPicture({ request, reply, ...form, cacheControl })
    if (!sent) throw new ComfyError(404, wordsOf(request).missing)
    return sent
  })
}

/** A request that also has a key counts against that key. What proxies ask browsers for is no key. */
function comesByLink({ query, headers }: FastifyRequest): boolean {
  const withKey = headers['x-api-key'] !== undefined || /^bearer /i.test(headers.authorization ?? '')
  return !withKey && (query as { signature?: unknown }).signature !== undefined
}

/** A good link is enough, and without a good one a key is. */
async function viewerOf({ core, authenticate }: Family, request: FastifyRequest, link: Link): Promise<Viewer> {
  const now = Math.floor(Date.now() / 1000)
  const verdict = link.signature === '' ? undefined : verifyLink(core.secretKey, { ...link, key: link.id, now })
  if (verdict === 'ok') {
    return { userId: null, cacheControl: `private, max-age=${Number(link.expires) - now}, immutable` }
  }
  try {
    const userId = ownerOf(await authenticate(request))
    // looked at again each time, for it may be erased and the key revoked
    return { userId, cacheControl: 'private, no-cache' }
  } catch (error) {
    const keyless = error instanceof AppError && error.kind === 'key_missing'
    throw keyless && verdict ? new ComfyError(403, wordsOf(request)[verdict]) : error
  }
}

type Picture = Outcome['pictures'][number]
type Form = Pick<PictureReply, 'identity' | 'fileName' | 'load'>

function wholeOf(parts: ApiParts, picture: Picture, name: string): Form {
  return { identity: `png ${picture.key}`, fileName: `${name}.png`, load: () => asPng(parts, picture) }
}

function smallOf({ edge, load }: Thumbnail, { key }: Picture, name: string): Form {
  return { identity: `${edge} ${key}`, fileName: `${name}-${edge}.webp`, load }
}

function underWay(reply: FastifyReply, outcome: Outcome) {
  const { id, position, percent } = outcome
  reply.code(202).header('retry-after', String(retrySeconds))
  return { task_id: id, status: statusOf(outcome), position, percent }
}

/** The picture will never exist. */
function gone(request: FastifyRequest, error: AppError): ComfyError {
  const { body } = refusals.answerTo(error, request) ?? refusals.defect
  return new ComfyError(410, body.error, body.details)
}

const wordsOf = ({ headers }: FastifyRequest) => wordsFor(localeOf(headers['accept-language'])).link
