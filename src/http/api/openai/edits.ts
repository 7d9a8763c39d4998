/**
 * Parses an edit request. OpenAI's clients send multipart/form-data with files named `image`, `image[]` or `image[0]`;
 * other clients send JSON with URLs.
 */

import type { FastifyRequest } from 'fastify'
import type { Attachment } from '../../../core/ports/chat.ts'
import { bodyOf, type FieldTypes, readForm } from '../../server/form.ts'
import { parseWith } from '../../server/validation.ts'
import { addressOf, maskIn } from '../areas.ts'
import type { Family } from '../family.ts'
import { attachmentOf } from '../fetcher.ts'
import { inputOf } from '../inputs.ts'
import { withLoras } from '../loras.ts'
import { OpenAiError } from './errors.ts'
import { type EditsBody, editsBody } from './schemas.ts'

export interface ParsedEdit {
  body: EditsBody
  images: Attachment[]
  mask?: Attachment
  /** Distinguishes this request from others with the same idempotency key. */
  content: string
}

/** Throws OpenAiError, AppError and InvalidRequest. */
export async function parseEdit(family: Family, request: FastifyRequest): Promise<ParsedEdit> {
  const form = request.isMultipart() ? await parseForm(request) : undefined
  const fields = form?.fields ?? request.body ?? {}
  const body = parseWith(editsBody, fields)
  const holder = await family.authenticate(request)
  const addresses = [body.image ?? [], body.images ?? []].flat().map(addressOf)
  const images = [...(form?.files ?? []), ...addresses.map((address) => inputOf(family, holder, address))]
  if (images.length === 0) {
    throw new OpenAiError("Missing required parameter: 'image'.", {
      param: 'image',
      code: 'missing_required_parameter',
    })
  }
  const mask = form?.mask ?? maskIn(family, holder, body.mask)
  return { body, images, mask, content: JSON.stringify([fields, form?.hashes]) }
}

interface ParsedForm {
  fields: Record<string, unknown>
  files: Attachment[]
  mask?: Attachment
  /** One for each file, in the same order. */
  hashes: string[]
}

const imageName = /^images?(\[\d*\])?$/

const types: FieldTypes = {
  numbers: new Set(['n', 'num_images', 'width', 'height', 'steps', 'guidance', 'strength', 'scale', 'partial_images']),
  booleans: new Set(['stream', 'enhance']),
  // text under a file's name is an image URL
  lists: { names: imageName, as: 'images' },
}

async function parseForm(request: FastifyRequest): Promise<ParsedForm> {
  const form = await readForm(request)
  assertFileNames(form.files.map(({ field }) => field))
  const mask = form.files.find(({ field }) => field === 'mask')
  return {
    fields: withLoras(withSides(bodyOf(form, types)), form.fields),
    files: form.files.filter((file) => file !== mask).map(({ data, name }) => attachmentOf(data, name)),
    mask: mask && attachmentOf(mask.data, mask.name),
    hashes: form.files.map(({ hash }) => hash),
  }
}

const sideName = /^expand\[(left|right|top|bottom)\]$/

/** OpenAI's client sends an object as a field for each of its entries: `expand[left]`. */
function withSides(fields: Record<string, unknown>): Record<string, unknown> {
  const sides = Object.entries(fields).flatMap(([name, value]): [string, unknown][] => {
    const [, side] = sideName.exec(name) ?? []
    return side === undefined ? [] : [[side, value]]
  })
  return sides.length === 0 ? fields : { ...fields, expand: Object.fromEntries(sides) }
}

function assertFileNames(names: readonly string[]): void {
  if (names.filter((name) => name === 'mask').length > 1) {
    throw new OpenAiError("Invalid value for 'mask': send one file.", { param: 'mask', code: 'invalid_value' })
  }
  const unknown = names.find((name) => !imageName.test(name) && name !== 'mask')?.slice(0, 100)
  if (unknown === undefined) return
  throw new OpenAiError(`Unknown parameter: '${unknown}'. Send image files as 'image'.`, { param: unknown })
}
