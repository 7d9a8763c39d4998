/** Masks, and sides that grow, in requests of all families. */
import { z } from 'zod'
import type { KeyHolder } from '../../core/accounts/api-keys.ts'
import type { Attachment } from '../../core/ports/chat.ts'
import { type Expand, sides } from '../../core/ports/models.ts'
import { expandExample, readExpand } from '../../core/request/grow.ts'
import { optional } from '../server/validation.ts'
import type { Family } from './family.ts'
import { address } from './fields.ts'
import { inputOf } from './inputs.ts'

const by = z.union([z.int().min(0).max(8_192), z.string().max(20)])
const rule = `it must be pixels or percent of each side, such as '${expandExample}' or { "left": 256, "top": "50%" }`

export const expandField = optional(
  z.union([z.string().max(200), z.strictObject({ left: by, right: by, top: by, bottom: by }).partial()], {
    error: rule,
  }),
).describe(
  "By how much the input image grows, for models that draw beyond its sides: 'left:256,top:50%', or an object with `left`, `right`, " +
    '`top` and `bottom`, in pixels or percent. The size of the result follows from the image: do not send a size or ratio.',
)

export type ExpandField = z.output<typeof expandField>

const maskMeaning =
  'An image with the size of the first input image. The image is redrawn only where the mask is transparent or, if the mask is fully ' +
  'opaque, where it is white. Models that take no masks refuse it.'

export const maskField = optional(
  z.union([
    address,
    z.looseObject({ image_url: z.union([address, z.looseObject({ url: address })]) }),
    z.looseObject({ url: address }),
  ]),
).describe(`${maskMeaning} An https URL, a data URL, or the key of an uploaded image.`)

/** In a form: a file. */
export const maskFile = z.file().optional().describe(maskMeaning)

/** Throws AppError bad_option. */
export function expandIn(field: ExpandField): Expand | undefined {
  if (field === undefined) return undefined
  if (typeof field === 'string') return readExpand(field)
  return readExpand(sides.flatMap((side) => (field[side] === undefined ? [] : [`${side}:${field[side]}`])).join(','))
}

type MaskField = z.output<typeof maskField>

/** undefined: the request has none. */
export function maskIn(family: Family, holder: KeyHolder, field: MaskField): Attachment | undefined {
  return field === undefined ? undefined : inputOf(family, holder, addressOf(field))
}

export type ImageReference = string | { image_url?: unknown; url?: unknown }

export function addressOf(reference: ImageReference): string {
  if (typeof reference === 'string') return reference
  const { image_url: address = reference.url } = reference
  return typeof address === 'string' ? address : (address as { url: string }).url
}
