/** Reads requests with input images: JSON with addresses, or a form with files. */

import type { FastifyRequest } from 'fastify'
import type { Attachment } from '../../../core/ports/chat.ts'
import { bodyOf, type FieldTypes, type Form, readForm } from '../../server/form.ts'
import { InvalidRequest, parseWith } from '../../server/validation.ts'
import { maskIn } from '../areas.ts'
import type { Family } from '../family.ts'
import { attachmentOf } from '../fetcher.ts'
import { maxPictures } from '../fields.ts'
import { inputOf } from '../inputs.ts'
import { withLoras } from '../loras.ts'
import { fieldNameOf } from './names.ts'
import { type ImagesBody, imageBody, imagesBody, type TextBody } from './schemas.ts'

export interface ParsedImages {
  body: ImagesBody
  images: Attachment[]
  mask?: Attachment
  /** Distinguishes this request from others with the same idempotency key. */
  content: string
}

const fileField = /^(input_)?(image|file)s?(_urls?)?(\[\d*\])?$/i

const types: FieldTypes = {
  numbers: new Set([
    'num_images',
    'width',
    'height',
    'seed',
    'guidance_scale',
    'num_inference_steps',
    'strength',
    'scale',
  ]),
  booleans: new Set(['enhance', 'sync_mode']),
  lists: { names: /^images?(_urls?)?(\[\d*\])?$/, as: 'image_urls' },
}

/** Throws AppError and InvalidRequest. */
export async function readImages(
  family: Family,
  request: FastifyRequest,
  count: 'one' | 'several',
): Promise<ParsedImages> {
  const form = request.isMultipart() ? await readForm(request) : undefined
  const fields = form ? fieldsOf(withFieldNames(form)) : (request.body ?? {})
  const body = parseWith(count === 'one' ? imageBody : imagesBody, fields)
  const holder = await family.authenticate(request)
  const addresses = [...(body.image_url ?? []), ...(body.image_urls ?? [])]
  const isMask = ({ field }: { field: string }) => /^mask(_image)?(_url)?$/i.test(field)
  const [masked, ...others] = form?.files.filter(isMask) ?? []
  if (others.length > 0) throw invalid('mask', 'send one file')
  const files = form ? filesOf({ ...form, files: form.files.filter((file) => !isMask(file)) }) : []
  const mask = masked ? attachmentOf(masked.data, masked.name) : maskIn(family, holder, body.mask_url)
  const images = [
    ...files.map(({ data, name }) => attachmentOf(data, name)),
    ...addresses.map((address) => inputOf(family, holder, address)),
  ]
  assertCount(images.length, count)
  return { body, images, mask, content: JSON.stringify([fields, files.map(({ hash }) => hash), masked?.hash]) }
}

/** Files of an upload or of a request. Throws InvalidRequest for a file in any other field. */
export function filesOf({ files }: Form): Form['files'] {
  const other = files.find(({ field }) => !fileField.test(field))
  if (other) throw invalid(other.field.slice(0, 100), "it is not a field for files. Use 'image' or 'file'")
  return files
}

/** Ignoring the images would charge for a result that the client did not ask for. Throws InvalidRequest. */
export function assertNoImages(body: TextBody): void {
  const name = ['image_url', 'image_urls', 'mask_url', 'expand'].find(
    (each) => body[each] !== undefined && body[each] !== null,
  )
  if (name !== undefined) throw invalid(name, 'this route takes no images. Send them to image-to-image')
}

function assertCount(images: number, count: 'one' | 'several'): void {
  if (count === 'one') {
    if (images === 0) throw invalid('image_url', 'an image is required, as an address or as a file', 'missing')
    if (images > 1) throw invalid('image_url', 'it must be one image. Send several to multi-image-edit')
  } else if (images < 2 || images > maxPictures) {
    throw invalid('image_urls', `there must be 2 to ${maxPictures} images. Send one image to image-to-image`)
  }
}

const invalid = (name: string, message: string, problem: 'missing' | 'value' = 'value') =>
  new InvalidRequest([{ name, message, problem }])

const fieldsOf = (form: Form) => withLoras(bodyOf(form, types), form.fields)

const withFieldNames = (form: Form): Form => ({
  ...form,
  fields: form.fields.map(({ name, text }) => ({ name: fieldNameOf(name), text })),
})
