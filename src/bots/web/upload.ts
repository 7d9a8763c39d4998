/** Multipart bodies: a message with its words, options, an id that the page made, and pictures; a submitted form with pictures. */
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Options } from '../../core/ports/chat.ts'
import { maxAttached, typedOptions } from './calls.ts'

export interface Upload {
  /** Made by the page, the same for every try to send this message. */
  id: string
  text: string
  /** Chosen beside the text. */
  options: Options
  /** Credits that the page showed for it. Absent: it showed none for these words. */
  shownPrice?: number
  files: { name: string; data: Buffer }[]
}

/** Why a message was not taken. Each has its words in locales/page.*.ts. */
export type UploadError =
  | 'bad_message'
  | 'busy'
  | 'empty_message'
  | 'image_too_big'
  | 'message_too_long'
  | 'too_many_files'
  | 'upload_too_big'

export const refusalStatus: Readonly<Record<UploadError, number>> = {
  bad_message: 400,
  busy: 503,
  empty_message: 400,
  image_too_big: 413,
  message_too_long: 413,
  too_many_files: 400,
  upload_too_big: 413,
}

const megabyte = 1024 * 1024
const limits = { files: maxAttached, fileSize: 10 * megabyte, fields: 5, fieldSize: 64 * 1024, parts: maxAttached + 5 }
/** All pictures of one message together. */
const totalBytes = 50 * megabyte
/** Uploads that this process reads at a time: they are kept in memory. */
const mostAtOnce = 16

export interface Parts {
  fields: Readonly<Record<string, string>>
  files: Upload['files']
}

/** Reads the parts of a request. */
export function createUploads(): (request: FastifyRequest) => Promise<Parts | UploadError> {
  let reading = 0
  return async (request) => {
    if (!request.isMultipart()) return 'bad_message'
    if (Number(request.headers['content-length']) > totalBytes + megabyte) return 'upload_too_big'
    if (reading >= mostAtOnce) return 'busy'
    reading++
    try {
      return await readParts(request)
    } catch (error) {
      return refusalOf((error as { code?: unknown }).code)
    } finally {
      reading--
    }
  }
}

async function readParts(request: FastifyRequest): Promise<Parts | UploadError> {
  const fields: Record<string, string> = {}
  const files: Upload['files'] = []
  let bytes = 0
  for await (const part of request.parts({ limits })) {
    if (part.type === 'field') {
      if (part.valueTruncated) return 'message_too_long'
      fields[part.fieldname] = String(part.value)
      continue
    }
    const data = await part.toBuffer()
    bytes += data.length
    if (bytes > totalBytes) return 'upload_too_big'
    const name = part.filename.slice(0, 200)
    if (data.length > 0) files.push({ name, data })
  }
  return { fields, files }
}

/** A message of the person. */
export function messageIn({ fields, files }: Parts): Upload | UploadError {
  const { id = '' } = fields
  // forms are sent with the line ends of another age
  const text = (fields.text ?? '').replaceAll('\r\n', '\n')
  if (!/^[\w-]{8,64}$/.test(id)) return 'bad_message'
  if (text.trim() === '' && files.length === 0) return 'empty_message'
  const options = readOptions(fields.options)
  const { data: shownPrice, success } = shown.safeParse(fields.shown)
  return options && success ? { id, text, options, shownPrice, files } : 'bad_message'
}

const shown = z
  .string()
  .regex(/^\d{1,9}$/)
  .transform(Number)
  .optional()

function readOptions(text = '{}'): Options | undefined {
  try {
    return typedOptions.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

function refusalOf(code: unknown): UploadError {
  if (code === 'FST_REQ_FILE_TOO_LARGE') return 'image_too_big'
  if (code === 'FST_FILES_LIMIT' || code === 'FST_PARTS_LIMIT') return 'too_many_files'
  return 'bad_message'
}
