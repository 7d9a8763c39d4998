/** The names that clients of such services write, and the ones that count here. */
import { z } from 'zod'
import type { OptionNames } from '../../../core/errors.ts'

/** Other name → name. Names are compared without regard to 'aspectRatio' or 'aspect_ratio'. */
const others: Readonly<Record<string, string>> = {
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
}

/** What a field is called here, whichever way it was written. */
export function nameOf(written: string): string {
  const name = written.replace(/([a-z0-9])([A-Z]+)/g, '$1_$2').toLowerCase()
  return Object.hasOwn(others, name) ? (others[name] ?? name) : name
}

/** A body whose names may be any of those; what is said by its own name wins. */
export const named = <T extends z.ZodType>(schema: T) => z.preprocess(renamed, schema)

function renamed(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  const said = Object.entries(body)
  const isOwn = ([name]: [string, unknown]) => nameOf(name) === name
  const entries = [...said.filter((each) => !isOwn(each)), ...said.filter(isOwn)]
  return Object.fromEntries(entries.map(([name, value]) => [nameOf(name), value]))
}
