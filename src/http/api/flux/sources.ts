/** The `source` filter of unified histories: a family of models, or where requests were made. */
import { z } from 'zod'
import { sources } from '../fields.ts'

/** As `generator` of core/history/generator.ts has them. */
const families =
  'flux doubao qwen gemini openai jimeng kling midjourney ideogram recraft z-image comfyui cloudflare fal sketch lanczos upscale'.split(
    ' ',
  )
/** Names that clients use → families of models. */
const generators: Readonly<Record<string, string>> = {
  ...Object.fromEntries(families.map((name) => [name, name])),
  ark: 'doubao',
  seedream: 'doubao',
  dashscope: 'qwen',
  dreamwork: 'jimeng',
}

const names = [...Object.keys(generators), ...sources]

/** Pages send '' or 'all' for no filter. */
export const generatorOrSource = z
  .preprocess(
    (value) => (value === '' || value === 'all' ? undefined : value),
    z.enum(names as [string, ...string[]], `it must be one of ${names.join(', ')}, or all`).optional(),
  )
  .optional()
  .describe(
    'Returns only requests for this family of models, or requests that were made there. `all`, or absent: all requests.',
  )

export function filterOf(source: string | undefined): { generator?: string; source?: string } {
  if (source === undefined) return {}
  const generator = Object.hasOwn(generators, source) ? generators[source] : undefined
  return generator === undefined ? { source } : { generator }
}
