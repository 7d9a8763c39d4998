/** Reads multipart/form-data within limits: fields as text, files as bytes. */
import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { AppError } from '../../core/errors.ts'
import { megabyte, picturesBytes } from './bodies.ts'
import { InvalidRequest } from './validation.ts'

export interface Form {
  /** In the order of the form. A name may occur more than once. */
  fields: readonly { name: string; text: string }[]
  files: readonly FormFile[]
}

export interface FormFile {
  /** Name of the field. */
  field: string
  data: Buffer
  /** File name that the client sent. */
  name: string
  /** Hash of the data. */
  hash: string
}

/** What the text of form fields becomes, by name of the field. */
export interface FieldTypes {
  numbers: ReadonlySet<string>
  booleans: ReadonlySet<string>
  /** Fields that may be repeated, and the name of the list that they become. */
  lists: { names: RegExp; as: string }
}

const limits = { files: 16, fileSize: 10 * megabyte, fields: 60, fieldSize: 14 * megabyte, parts: 76 }

/** Throws AppError image_too_big, request_too_big, and InvalidRequest for other invalid forms. */
export async function readForm(request: FastifyRequest): Promise<Form> {
  const fields: Form['fields'][number][] = []
  const files: FormFile[] = []
  try {
    let bytes = 0
    for await (const part of request.parts({ limits })) {
      if (part.type === 'field') {
        if (part.valueTruncated || part.fieldnameTruncated) throw invalid('a field of the form is too long')
        const text = String(part.value)
        bytes = checkedTotal(bytes + text.length)
        fields.push({ name: part.fieldname, text })
        continue
      }
      const data = await part.toBuffer()
      bytes = checkedTotal(bytes + data.length)
      const hash = createHash('sha256').update(data).digest('base64url')
      files.push({ field: part.fieldname, data, name: part.filename ?? 'image', hash })
    }
  } catch (error) {
    throw formErrorOf(error)
  }
  return { fields, files }
}

/** Converts the form to a JSON body. The last value of a repeated field counts; text that is not a number stays text. */
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

function checkedTotal(bytes: number): number {
  if (bytes > picturesBytes) throw new AppError('request_too_big', { limitMb: picturesBytes / megabyte })
  return bytes
}

const invalid = (message: string, name?: string) => new InvalidRequest([{ name, message, problem: 'value' }])

function formErrorOf(error: unknown): AppError | InvalidRequest {
  if (error instanceof AppError || error instanceof InvalidRequest) return error
  const { code } = error as { code?: unknown }
  if (code === 'FST_REQ_FILE_TOO_LARGE')
    return new AppError('image_too_big', { limitMb: limits.fileSize / megabyte }, { cause: error })
  if (code === 'FST_FILES_LIMIT' || code === 'FST_PARTS_LIMIT' || code === 'FST_FIELDS_LIMIT') {
    return invalid('the form has too many parts')
  }
  return invalid('it is not valid multipart/form-data')
}
