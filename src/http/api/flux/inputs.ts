/** The pictures that come with a request: as JSON with addresses, or as a form with files. */

import type { FastifyRequest } from 'fastify'
import type { Attachment } from '../../../core/ports/chat.ts'
import { bodyOf, type FieldTypes, type Form, readForm } from '../../server/form.ts'
import { InvalidRequest, parseWith } from '../../server/validation.ts'
import type { Family } from '../family.ts'
import { attachmentOf } from '../fetcher.ts'
import { mostPictures } from '../fields.ts'
import { inputOf } from '../inputs.ts'
import { nameOf } from './names.ts'
import { type ImagesBody, imageBody, imagesBody, type TextBody } from './schemas.ts'

export interface WithImages {
  body: ImagesBody
  images: Attachment[]
  content: string
}

const fileName = /^(input_)?(image|file)s?(_urls?)?(\[\d*\])?$/i

const types: FieldTypes = {
  numbers: new Set(['num_images', 'width', 'height', 'seed', 'guidance_scale', 'num_inference_steps', 'strength']),
  booleans: new Set(['enhance', 'sync_mode']),
  lists: { names: /^images?(_urls?)?(\[\d*\])?$/, as: 'image_urls' },
}

/** Throws AppError and InvalidRequest. */
export async function readImages(family: Family, request: FastifyRequest, how: 'one' | 'several'): Promise<WithImages> {
  const form = request.isMultipart() ? await readForm(request) : undefined
  const sent = form ? bodyOf(withNames(form), types) : (request.body ?? {})
  const body = parseWith(how === 'one' ? imageBody : imagesBody, sent)
  const holder = await family.authenticate(request)
  const addresses = [...(body.image_url ?? []), ...(body.image_urls ?? [])]
  const files = form ? filesOf(form) : []
  const images = [
    ...files.map(({ data, name }) => attachmentOf(data, name)),
    ...addresses.map((address) => inputOf(family, holder, address)),
  ]
  checkNumber(images.length, how)
  return { body, images, content: JSON.stringify([sent, files.map(({ hash }) => hash)]) }
}

/** For files that are sent ahead, or with a request. Throws InvalidRequest. */
export function filesOf({ files }: Form): Form['files'] {
  const other = files.find(({ field }) => !fileName.test(field))
  if (other) throw invalid(other.field.slice(0, 100), 'it is no field for files')
  return files
}

/** Where they would be lost. Throws InvalidRequest. */
export function refusePictures(body: TextBody): void {
  const name = ['image_url', 'image_urls'].find((each) => body[each] !== undefined && body[each] !== null)
  if (name !== undefined) throw invalid(name, 'this draws from words alone: image-to-image takes a picture')
}

function checkNumber(count: number, how: 'one' | 'several'): void {
  if (how === 'one') {
    if (count === 0) throw invalid('image_url', 'it must be given, as an address or as a file', 'missing')
    if (count > 1) throw invalid('image_url', 'it must be one picture: multi-image-edit takes several')
  } else if (count < 2 || count > mostPictures) {
    throw invalid('image_urls', `it must be 2 to ${mostPictures} pictures: image-to-image takes one`)
  }
}

const invalid = (name: string, message: string, problem: 'missing' | 'value' = 'value') =>
  new InvalidRequest([{ name, message, problem }])

const withNames = (form: Form): Form => ({
  ...form,
  fields: form.fields.map(({ name, text }) => ({ name: nameOf(name), text })),
})
