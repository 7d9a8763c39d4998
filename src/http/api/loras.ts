/** LoRAs in requests of all families: a list, or a text as people write it in chats. */
import { z } from 'zod'
import type { Lora } from '../../core/ports/models.ts'
import { checkNumber, loraExample, mostLoras, readLoraPath, readLoras } from '../../core/request/loras.ts'
import { optional } from '../server/validation.ts'

const text = z.string().min(1).max(1_000)
const rule = `it must be a list such as [{ "path": "https://…", "scale": 0.8 }], or a text such as '${loraExample}'`

export const lorasField = optional(
  z.union([text, z.array(z.strictObject({ path: text, scale: optional(z.number()) })).max(mostLoras)], { error: rule }),
).describe(
  'LoRAs, extra weights that the image is drawn with: `[{ path, scale }]`. `path` is an https URL without credentials, or a name that the ' +
    "operator has stored; without `scale`, the model's default counts. A text such as 'name:0.8 https://…' is read, too. Models that take none refuse it.",
)

export type LorasField = string | readonly Lora[] | undefined

/** undefined: none. Throws AppError lora_address, too_many_loras, bad_option. */
export function lorasIn(field: LorasField): Lora[] | undefined {
  if (field === undefined || field.length === 0) return undefined
  if (typeof field === 'string') return readLoras(field)
  const loras = field.map(({ path, scale }) => ({ path: readLoraPath(path), ...(scale !== undefined && { scale }) }))
  return checkNumber(loras)
}

interface FormField {
  name: string
  text: string
}

const entryName = /^loras\[\d*\]\[(path|scale)\]$/

/** The fields of a form, with the list in it. Clients send it as a field for each entry, such as `loras[0][path]`, or as JSON. */
export function withLoras(fields: Record<string, unknown>, form: readonly FormField[]): Record<string, unknown> {
  const entries: { path?: string; scale?: number }[] = []
  for (const { name, text } of form) {
    const [, key] = entryName.exec(name) ?? []
    if (key === 'path') entries.push({ path: text })
    if (key === 'scale') Object.assign(entries.at(-1) ?? {}, { scale: Number(text) })
  }
  if (entries.length > 0) return { ...fields, loras: entries }
  const { loras } = fields
  return typeof loras === 'string' && loras.trimStart().startsWith('[') ? { ...fields, loras: parsed(loras) } : fields
}

/** Text that is not JSON stays as it is, and is refused by the schema. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return json
  }
}
