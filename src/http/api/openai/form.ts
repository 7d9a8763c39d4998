/** multipart/form-data as OpenAI's clients send it: files named `image`, `image[]` or `image[0]`, all else as text. */

import type { FastifyRequest } from 'fastify'
import type { Attachment } from '../../../core/ports/chat.ts'
import { bodyOf, type FieldTypes, readForm as readParts } from '../../server/form.ts'
import { attachmentOf } from '../fetcher.ts'
import { OpenAiError } from './errors.ts'

export interface Form {
  fields: Record<string, unknown>
  files: Attachment[]
  /** One for each file. */
  hashes: string[]
}

const imageName = /^images?(\[\d*\])?$/

const types: FieldTypes = {
  numbers: new Set(['n', 'steps', 'guidance', 'strength', 'partial_images']),
  booleans: new Set(['stream', 'enhance']),
  // pictures as addresses may come as text, in any of the names
  lists: { names: imageName, as: 'images' },
}

/** Throws OpenAiError, AppError and InvalidRequest; a mask is refused by name. */
export async function readForm(request: FastifyRequest): Promise<Form> {
  const form = await readParts(request)
  refuseOthers(form.files.map(({ field }) => field))
  return {
    fields: bodyOf(form, types),
    files: form.files.map(({ data, name }) => attachmentOf(data, name)),
    hashes: form.files.map(({ hash }) => hash),
  }
}

export const maskRefused = () =>
  new OpenAiError("Unsupported parameter: 'mask'. No model here takes masks: describe the place in words.", {
    param: 'mask',
    code: 'unsupported_parameter',
  })

function refuseOthers(names: readonly string[]): void {
  if (names.includes('mask')) throw maskRefused()
  const other = names.find((name) => !imageName.test(name))?.slice(0, 100)
  if (other !== undefined)
    throw new OpenAiError(`Unknown parameter: '${other}' is no field for files.`, { param: other })
}
