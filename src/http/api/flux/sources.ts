/** The `source` filter of unified histories: a kind of model, or where requests were made. */
import { z } from 'zod'
import { sources } from '../fields.ts'

/** Names that clients use → kinds of models. */
const generators: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      'flux',
      'midjourney',
      'jimeng',
      'kling',
      'ark',
      'dashscope',
      'comfyui',
      'cloudflare',
      'openai',
      'gemini',
      'fal',
    ].map((name) => [name, name]),
  ),
  sketch: 'sketch',
  upscale: 'upscale',
  doubao: 'ark',
  seedream: 'ark',
  qwen: 'dashscope',
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
    'Returns only requests for this kind of model, or requests that were made there. `all`, or absent: all requests.',
  )

export function filterOf(source: string | undefined): { generator?: string; source?: string } {
  if (source === undefined) return {}
  const generator = Object.hasOwn(generators, source) ? generators[source] : undefined
  return generator === undefined ? { source } : { generator }
}
