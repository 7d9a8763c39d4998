/** One multipart message: the words, an id that the page made, and pictures. */
import type { FastifyRequest } from 'fastify'
import { AppError } from '../../core/errors.ts'
import type { Attachment } from '../../core/ports.ts'

export interface Upload {
  id: string
  text: string
  locale: string
  images: Attachment[]
}

export const limits = { files: 14, fileSize: 10 * 1024 * 1024, fields: 5, fieldSize: 64 * 1024 }
/** All pictures of one message together. */
const totalBytes = 50 * 1024 * 1024

/** Throws AppError for what is too much or makes no sense. */
export async function readUpload(request: FastifyRequest): Promise<Upload> {
  const fields: Record<string, string> = {}
  const images: Attachment[] = []
  let bytes = 0
  for await (const part of request.parts({ limits })) {
    if (part.type === 'field') {
      fields[part.fieldname] = String(part.value)
      continue
    }
    const data = await part.toBuffer().catch((error: unknown) => {
      throw new AppError('image_too_big', { limitMb: limits.fileSize / 1024 / 1024 }, { cause: error })
    })
    bytes += data.length
    if (bytes > totalBytes) throw new AppError('image_too_big', { limitMb: totalBytes / 1024 / 1024 })
    if (data.length > 0) images.push({ name: part.filename.slice(0, 200), bytes: data.length, load: async () => data })
  }
  const { id = '', text = '', locale = '' } = fields
  if (!/^[\w-]{8,64}$/.test(id))
    throw new AppError('bad_option', { name: 'id', value: id.slice(0, 64), expected: 'a UUID' })
  return { id, text, locale, images }
}
