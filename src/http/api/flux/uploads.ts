/** Pictures that are sent ahead: looked at as closely as those that come with a request, and kept for a day. */
import type { FastifyRequest } from 'fastify'
import { keptHours, storeUploads, type Upload } from '../../../core/media/uploads.ts'
import { type FormFile, readForm } from '../../server/form.ts'
import { InvalidRequest } from '../../server/validation.ts'
import type { ApiApp, Family } from '../family.ts'
import { mostPictures } from '../fields.ts'
import type { ApiParts } from '../parts.ts'
import { filesOf } from './inputs.ts'
import { refused, type UploadAnswer, uploadAnswer, uploadsAnswer } from './response-schemas.ts'
import { tags, uploadForm, uploadsForm } from './schemas.ts'

const one = {
  summary: 'Sends a picture ahead, to be named in requests.',
  description: 'Its content decides whether it is a png, jpg or webp. The server encodes it again. Costs nothing.',
  operationId: 'fluxUploadImage',
  tags,
  documented: { bodies: { 'multipart/form-data': uploadForm } },
  response: { 200: uploadAnswer, ...refused },
}

const several = {
  summary: 'Sends several pictures ahead: all of them, or none.',
  description: 'At most 10 MB each, and 50 MB together.',
  operationId: 'fluxUploadImages',
  tags,
  documented: { bodies: { 'multipart/form-data': uploadsForm } },
  response: { 200: uploadsAnswer, ...refused },
}

const hourMs = 3_600_000

export function uploadRoutes(app: ApiApp, family: Family): void {
  app.post('/flux/upload-image', { schema: one }, async (request) => {
    const files = await readFiles(request, { name: 'file', most: 1 })
    const [answer] = await keep(family, request, files)
    return answer
  })
  app.post('/flux/upload-images', { schema: several }, async (request) =>
    keep(family, request, await readFiles(request, { name: 'files', most: mostPictures })),
  )
}

async function readFiles(request: FastifyRequest, { name, most }: { name: string; most: number }) {
  if (!request.isMultipart()) throw invalid(name, 'it must be a file in multipart/form-data')
  const files = filesOf(await readForm(request))
  if (files.length === 0) throw invalid(name, 'it must be given, as a file')
  if (files.length > most) throw invalid(name, most === 1 ? 'it must be one file' : `they must be at most ${most}`)
  return files
}

const invalid = (name: string, message: string) => new InvalidRequest([{ name, message, problem: 'missing' }])

async function keep({ core, parts, authenticate }: Family, request: FastifyRequest, files: readonly FormFile[]) {
  const bytes = files.map(({ data }) => data)
  const uploads = await storeUploads(core, await authenticate(request), bytes)
  return Promise.all(uploads.map((upload) => answerFor(parts, upload)))
}

async function answerFor({ core, imageExpirationSeconds }: ApiParts, upload: Upload): Promise<UploadAnswer> {
  const { key, type, width, height, bytes, createdAt } = upload
  const keptUntil = createdAt.getTime() + keptHours * hourMs
  const expiresAt = Math.min(Date.now() + imageExpirationSeconds * 1000, keptUntil)
  return {
    success: true,
    message: 'The picture is there.',
    url: await core.store.link(key, imageExpirationSeconds),
    key,
    file_id: key,
    width,
    height,
    content_type: type,
    bytes,
    expires_at: new Date(expiresAt).toISOString(),
    kept_until: new Date(keptUntil).toISOString(),
  }
}
