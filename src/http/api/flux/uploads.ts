/** Uploads images for later requests. They pass the same checks as images in a request, and are kept for a day. */
import type { FastifyRequest } from 'fastify'
import { keptHours, storeUploads, type Upload } from '../../../core/media/uploads.ts'
import { type FormFile, readForm } from '../../server/form.ts'
import { InvalidRequest } from '../../server/validation.ts'
import type { ApiApp, Family } from '../family.ts'
import { maxPictures } from '../fields.ts'
import type { ApiParts } from '../parts.ts'
import { filesOf } from './inputs.ts'
import { errorResponses, type UploadResponse, uploadResponse, uploadsResponse } from './response-schemas.ts'
import { tags, uploadForm, uploadsForm } from './schemas.ts'

const one = {
  summary: 'Uploads an image for use in later requests.',
  description:
    'The format is detected from the content: PNG, JPEG or WebP. The server encodes the image again. Uploads are free.',
  operationId: 'fluxUploadImage',
  tags,
  documented: { bodies: { 'multipart/form-data': uploadForm } },
  response: { 200: uploadResponse, ...errorResponses },
}

const several = {
  summary: 'Uploads several images: all of them, or none.',
  description: 'At most 10 MB each, and 50 MB together.',
  operationId: 'fluxUploadImages',
  tags,
  documented: { bodies: { 'multipart/form-data': uploadsForm } },
  response: { 200: uploadsResponse, ...errorResponses },
}

const hourMs = 3_600_000

export function uploadRoutes(app: ApiApp, family: Family): void {
  app.post('/flux/upload-image', { schema: one }, async (request) => {
    const files = await readFiles(request, { name: 'file', max: 1 })
    const [uploaded] = await storeFiles(family, request, files)
    return uploaded
  })
  app.post('/flux/upload-images', { schema: several }, async (request) =>
    storeFiles(family, request, await readFiles(request, { name: 'files', max: maxPictures })),
  )
}

async function readFiles(request: FastifyRequest, { name, max }: { name: string; max: number }) {
  if (!request.isMultipart()) throw invalid(name, 'send the file as multipart/form-data')
  const files = filesOf(await readForm(request))
  if (files.length === 0) throw invalid(name, 'a file is required')
  if (files.length > max) throw invalid(name, max === 1 ? 'it must be one file' : `at most ${max} files are allowed`)
  return files
}

const invalid = (name: string, message: string) => new InvalidRequest([{ name, message, problem: 'missing' }])

async function storeFiles({ core, parts, authenticate }: Family, request: FastifyRequest, files: readonly FormFile[]) {
  const bytes = files.map(({ data }) => data)
  const uploads = await storeUploads(core, await authenticate(request), bytes)
  return Promise.all(uploads.map((upload) => uploadResponseOf(parts, upload)))
}

async function uploadResponseOf({ core, imageExpirationSeconds }: ApiParts, upload: Upload): Promise<UploadResponse> {
  const { key, type, width, height, bytes, createdAt } = upload
  const keptUntil = createdAt.getTime() + keptHours * hourMs
  const expiresAt = Math.min(Date.now() + imageExpirationSeconds * 1000, keptUntil)
  return {
    success: true,
    message: 'The image was uploaded.',
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
