/** What the forms of packs are made of. */
import { z } from 'zod'

interface Telling {
  /** What to write in place of something else than an object. The fields follow. */
  form?: string
  /** Where fields belong that there are not. */
  others?: string
}

/** Refuses unknown fields, and names those that there are. */
export function only<T extends z.core.$ZodShape>(
  shape: T,
  what: string,
  { form = `${what} as an object with the fields`, others = '' }: Telling = {},
) {
  const known = Object.keys(shape).join(', ')
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `${issue.keys.map((key) => `"${key}"`).join(', ')} ${issue.keys.length > 1 ? 'are not fields' : 'is not a field'} of ${what}; its fields are: ${known}${others}`
        : `write ${form}: ${known}`,
  })
}

/** Names in requests: 'num_images', or with dots for nested fields: 'image_config.aspect_ratio'. */
export const wireName = z
  .string({ error: 'write the name of the field in the request, as in "num_images"' })
  .regex(
    /^[A-Za-z_][\w-]*(\[\])?(\.[A-Za-z_][\w-]*)*$/,
    'write the name of a field, as in "num_images" or "config.size"',
  )
export const whole = (min: number, max: number) => {
  const error = `write a whole number, ${min}–${max}`
  return z.number({ error }).int(error).min(min, error).max(max, error)
}
export const number = z.number({ error: 'write a number' })
