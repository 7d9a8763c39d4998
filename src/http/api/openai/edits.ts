/** The two forms of an edit: a form with files, as OpenAI's clients send it, or JSON with addresses. */
import type { FastifyRequest } from 'fastify'
import type { Attachment } from '../../../core/ports/chat.ts'
import { parseWith } from '../../server/validation.ts'
import type { Family } from '../family.ts'
import { inputOf } from '../inputs.ts'
import { OpenAiError } from './errors.ts'
import { maskRefused, readForm } from './form.ts'
import { type EditsBody, editsBody } from './schemas.ts'

export interface Edit {
  body: EditsBody
  images: Attachment[]
  content: string
}

/** Throws OpenAiError, AppError and InvalidRequest. */
export async function readEdit(family: Family, request: FastifyRequest): Promise<Edit> {
  const form = request.isMultipart() ? await readForm(request) : undefined
  const sent = form?.fields ?? request.body ?? {}
  const body = parseWith(editsBody, sent)
  if (body.mask !== undefined && body.mask !== null) throw maskRefused()
  const holder = await family.authenticate(request)
  const addresses = [body.image ?? [], body.images ?? []].flat().map(addressOf)
  const images = [...(form?.files ?? []), ...addresses.map((address) => inputOf(family, holder, address))]
  if (images.length === 0) {
    throw new OpenAiError("Missing required parameter: 'image'.", {
      param: 'image',
      code: 'missing_required_parameter',
    })
  }
  return { body, images, content: JSON.stringify([sent, form?.hashes]) }
}

type Addressed = string | { image_url?: unknown; url?: unknown }

function addressOf(given: Addressed): string {
  if (typeof given === 'string') return given
  const { image_url: address = given.url } = given
  return typeof address === 'string' ? address : (address as { url: string }).url
}
