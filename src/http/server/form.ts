/** multipart/form-data, read within limits: fields as text, files as bytes. */
import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { AppError } from '../../core/errors.ts'
import { megabyte, picturesBytes } from '../api/parts.ts'
import { InvalidRequest } from './validation.ts'

export interface Form {
  /** In the order in which they came; a name may come more than once. */
  fields: readonly { name: string; text: string }[]
  files: readonly FormFile[]
}

export interface FormFile {
  /** The field's name. */
  field: string
  data: Buffer
  /** As the sender calls it. */
  name: string
  /** Tells it from others. */
  hash: string
}

/** What text in a form stands for, by the names of its fields. */
export interface FieldTypes {
  numbers: ReadonlySet<string>
  booleans: ReadonlySet<string>
  /** Fields that may come several times, and the name under which they are a list. */
  lists: { names: RegExp; as: string }
}

const limits = { files: 16, fileSize: 10 * megabyte, fields: 60, fieldSize: 14 * megabyte, parts: 76 }

/** Throws AppError image_too_big, request_too_big, and InvalidRequest for what is no form, or too much of one. */
export async function readForm(request: FastifyRequest): Promise<Form> {
  const fields: Form['fields'][number][] = []
  const files: FormFile[] = []
  try {
    let bytes = 0
    for await (const part of request.parts({ limits })) {
      if (part.type === 'field') {
        if (part.valueTruncated || part.fieldnameTruncated) throw invalid('a field of the form is too long')
        const text = String(part.value)
        bytes = counted(bytes + text.length)
        fields.push({ name: part.fieldname, text })
        continue
      }
      const data = await part.toBuffer()
      bytes = counted(bytes + data.length)
      const hash = createHash('sha256').update(data).digest('base64url')
      files.push({ field: part.fieldname, data, name: part.filename ?? 'image', hash })
    }
  } catch (error) {
    throw refusalOf(error)
  }
  return { fields, files }
}

/** As a body in JSON would have it. What comes twice keeps its last value; text that is no number stays text. */
export function bodyOf({ fields }: Form, { numbers, booleans, lists }: FieldTypes): Record<string, unknown> {
  const body = new Map<string, unknown>()
  for (const { name, text } of fields) {
    if (lists.names.test(name)) {
      const before = (body.get(lists.as) as string[] | undefined) ?? []
      if (text !== '') body.set(lists.as, [...before, text])
    } else if (numbers.has(name) && /^-?\d{1,9}(\.\d{1,9})?$/.test(text)) {
      body.set(name, Number(text))
    } else if (booleans.has(name) && /^(true|false)$/i.test(text)) {
      body.set(name, text.toLowerCase() === 'true')
    } else if (text !== '' || name === 'prompt') {
      body.set(name, text)
    }
  }
  return Object.fromEntries(body)
}

function counted(bytes: number): number {
  if (bytes > picturesBytes) throw new AppError('request_too_big', { limitMb: picturesBytes / megabyte })
  return bytes
}

const invalid = (message: string, name?: string) => new InvalidRequest([{ name, message, problem: 'value' }])

function refusalOf(error: unknown): AppError | InvalidRequest {
  if (error instanceof AppError || error instanceof InvalidRequest) return error
  const { code } = error as { code?: unknown }
  if (code === 'FST_REQ_FILE_TOO_LARGE')
    return new AppError('image_too_big', { limitMb: limits.fileSize / megabyte }, { cause: error })
  if (code === 'FST_FILES_LIMIT' || code === 'FST_PARTS_LIMIT' || code === 'FST_FIELDS_LIMIT') {
    return invalid('the form has too many parts')
  }
  return invalid('it is not valid multipart/form-data')
}
