/** Field names: clients of FLUX services use several names for the same field. */
import { z } from 'zod'
import type { OptionNames } from '../../../core/errors.ts'

/** Alias → name of the field. Both may also be written in camel case. */
const aliases: Readonly<Record<string, string>> = {
  n: 'num_images',
  count: 'num_images',
  ratio: 'aspect_ratio',
  size: 'aspect_ratio',
  guidance: 'guidance_scale',
  steps: 'num_inference_steps',
  negative: 'negative_prompt',
  image: 'image_url',
  images: 'image_urls',
  input_image_url: 'image_url',
  mask: 'mask_url',
  mask_image_url: 'mask_url',
  lora: 'loras',
  callback_url: 'webhook_url',
  sync: 'sync_mode',
  wait: 'sync_mode',
}

/** Options of the core → fields of this family. */
export const names: OptionNames = {
  aspect: 'aspect_ratio',
  negative: 'negative_prompt',
  count: 'num_images',
  steps: 'num_inference_steps',
  guidance: 'guidance_scale',
  safety: 'safety_tolerance',
  mask: 'mask_url',
}

/** Resolves aliases and camel case: 'numImages' and 'n' → 'num_images'. */
export function fieldNameOf(written: string): string {
  const name = written.replace(/([a-z0-9])([A-Z]+)/g, '$1_$2').toLowerCase()
  return Object.hasOwn(aliases, name) ? (aliases[name] ?? name) : name
}

/** A body whose fields may have any of these names. A field under its own name takes precedence over its aliases. */
export const withAliases = <T extends z.ZodType>(schema: T) => z.preprocess(resolveNames, schema)

function resolveNames(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  const fields = Object.entries(body)
  const isOwn = ([name]: [string, unknown]) => fieldNameOf(name) === name
  // the last entry wins
  const entries = [...fields.filter((each) => !isOwn(each)), ...fields.filter(isOwn)]
  return Object.fromEntries(entries.map(([name, value]) => [fieldNameOf(name), value]))
}
