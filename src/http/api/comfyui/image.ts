/** `GET /image/{task_id}`: a picture of a task as PNG. Requires the account's key or a signed link. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { ownerOf } from '../../../core/accounts/api-keys.ts'
import { AppError } from '../../../core/errors.ts'
import { isExpired, type Outcome, outcomeOf } from '../../../core/history/outcome.ts'
import { verifyLink } from '../../../core/media/links.ts'
import { localeOf, wordsFor } from '../../../locales/index.ts'
import { type PictureReply, sendPicture } from '../../pictures/reply.ts'
import type { Thumbnail } from '../../pictures/stored.ts'
import type { ApiApp, Family } from '../family.ts'
import type { ApiParts } from '../parts.ts'
import { ComfyError, errorFormat } from './errors.ts'
import { errorResponses, pendingResponse } from './response-schemas.ts'
import { asPng, statusOf } from './responses.ts'
import { imageParams, imageQuery, tags } from './schemas.ts'

/** Seconds after which a client should poll again. */
const pollSeconds = 2

const part = { content: { 'image/png': { schema: z.file() }, 'image/webp': { schema: z.file() } } }

const schema = {
  summary: 'Returns an image of a task, as PNG, or as a small WebP with `w`.',
  description:
    'Requires the account’s key or the signed `image_url`. `Range`, `If-Range` and `If-None-Match` are supported.',
  operationId: 'comfyImage',
  tags,
  params: imageParams,
  querystring: imageQuery,
  response: {
    200: { description: 'PNG. With `w`: WebP.', ...part },
    202: pendingResponse.describe('The image is not finished. Poll again after `retry-after`.'),
    206: { description: 'The requested range.', ...part },
    304: z.null().describe('The client has the image already.'),
    416: z.null().describe('The image has fewer bytes than the range starts at.'),
    ...errorResponses,
  },
}

interface Viewer {
  /** null: any account's pictures, for administrators and for clients with a valid link. */
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
  app.get('/image/:task_id', { config: { open: hasOnlyLink }, schema }, async (request, reply) => {
    const id = request.params.task_id.toLowerCase()
    const { expires = '', signature = '', n, w } = request.query
    const { userId, cacheControl } = await viewerOf(family, request, { id, expires, signature })
    const outcome = await outcomeOf(family.core, userId, id)
    if (!outcome) throw new AppError('unknown_request')
    if (outcome.error) throw failureOf(request, outcome.error)
    if (outcome.state !== 'delivered') return respondPending(reply, outcome)
    if (isExpired(outcome)) throw failureOf(request, new AppError('pictures_expired'))
    const picture = outcome.pictures[n]
    if (!picture) throw new ComfyError(404, wordsOf(request).missing)
    const name = n === 0 ? id : `${id}-${n}`
    const thumbnail = w === undefined ? undefined : pictures.thumbnail(picture.key, w)
    const form = thumbnail ? thumbnailForm(thumbnail, picture, name) : pngForm(family.parts, picture, name)
    const sent = await sendPicture({ request, reply, ...form, cacheControl })
    if (!sent) throw new ComfyError(404, wordsOf(request).missing)
    return sent
  })
}

/** A request with a link and a key counts towards the limits of the key. Ignores Basic authorization, which proxies require. */
function hasOnlyLink({ query, headers }: FastifyRequest): boolean {
  const hasKey = headers['x-api-key'] !== undefined || /^bearer /i.test(headers.authorization ?? '')
  return !hasKey && (query as { signature?: unknown }).signature !== undefined
}

/** Accepts a valid link, or otherwise a key. */
async function viewerOf({ core, authenticate }: Family, request: FastifyRequest, link: Link): Promise<Viewer> {
  const now = Math.floor(Date.now() / 1000)
  const verdict = link.signature === '' ? undefined : verifyLink(core.secretKey, { ...link, key: link.id, now })
  if (verdict === 'ok') {
    return { userId: null, cacheControl: `private, max-age=${Number(link.expires) - now}, immutable` }
  }
  try {
    const userId = ownerOf(await authenticate(request))
    // revalidated each time, because the picture may be erased and the key revoked
    return { userId, cacheControl: 'private, no-cache' }
  } catch (error) {
    const hasNoKey = error instanceof AppError && error.kind === 'key_missing'
    throw hasNoKey && verdict ? new ComfyError(403, wordsOf(request)[verdict]) : error
  }
}

type Picture = Outcome['pictures'][number]
type Form = Pick<PictureReply, 'identity' | 'fileName' | 'load'>

function pngForm(parts: ApiParts, picture: Picture, name: string): Form {
  return { identity: `png ${picture.key}`, fileName: `${name}.png`, load: () => asPng(parts, picture) }
}

function thumbnailForm({ edge, load }: Thumbnail, { key }: Picture, name: string): Form {
  return { identity: `${edge} ${key}`, fileName: `${name}-${edge}.webp`, load }
}

function respondPending(reply: FastifyReply, outcome: Outcome) {
  const { id, position, percent } = outcome
  reply.code(202).header('retry-after', String(pollSeconds))
  return { task_id: id, status: statusOf(outcome), position, percent }
}

/** 410, because a failed task never gets a picture. */
function failureOf(request: FastifyRequest, error: AppError): ComfyError {
  const { body } = errorFormat.answerTo(error, request) ?? errorFormat.defect
  return new ComfyError(410, body.error, body.details)
}

const wordsOf = ({ headers }: FastifyRequest) => wordsFor(localeOf(headers['accept-language'])).link
