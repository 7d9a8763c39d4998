/** The LoRAs of requests, in a route of a model pack. */
import { z } from 'zod'
import type { Lora, Takes } from '../../core/ports/models.ts'
import { loraName, mostLoras } from '../../core/request/loras.ts'
import type { Json } from '../../db/json.ts'
import { number, only, whole, wireName } from './shape-parts.ts'

/** Where people publish LoRAs, and where fal keeps those that were trained there. */
const usualHosts = ['huggingface.co', 'civitai.com', 'fal.media']

const key = z
  .string({ error: 'write the name of the field, as in "path"' })
  .regex(/^[A-Za-z_][\w-]*$/, 'write the name of a field without dots, as in "path"')

export const lorasShape = only(
  {
    name: wireName,
    max: whole(1, mostLoras),
    /** Fields of each one. */
    path: key.default('path'),
    scale: key.default('scale'),
    /** Of a scale. */
    range: only({ min: number, max: number }, '"range"').default({ min: 0, max: 4 }),
    /** Where addresses that people write may lead. "*": anywhere. An empty list: only "stored" ones are taken. */
    hosts: z
      .array(
        z
          .string({ error: 'write the name of a host, as in "huggingface.co"' })
          .regex(
            /^(\*|([a-z0-9-]+\.)+[a-z][a-z0-9-]*)$/,
            'write the name of a host in small letters, as in "huggingface.co", or "*"',
          ),
        { error: 'write a list of hosts, as in ["huggingface.co"]' },
      )
      .max(50)
      .default(usualHosts),
    /** Name → what the service gets. */
    stored: z
      .record(
        z.string().regex(loraName, 'use a–z, 0–9, "-", "_" and ".", at most 40 characters'),
        z.string({ error: 'write the address of the LoRA' }).min(1, 'write the address of the LoRA').max(500),
        { error: 'write names with their addresses, as in { "pixel": "https://…" }' },
      )
      .default({}),
  },
  '"loras"',
)
type PackLoras = z.infer<typeof lorasShape>

export const lorasTaken = (loras: PackLoras | undefined): Takes['loras'] =>
  loras && {
    max: loras.max,
    range: loras.range,
    names: Object.keys(loras.stored),
    hosts: loras.hosts,
  }

/** undefined: the request names none. */
export function lorasSent({ path, scale, stored }: PackLoras, loras: readonly Lora[] | undefined): Json | undefined {
  return loras?.map((each) => ({
    [path]: stored[each.path] ?? each.path,
    ...(each.scale !== undefined && { [scale]: each.scale }),
  }))
}

export function loraMistakes(loras: PackLoras | undefined): (string | false | undefined)[] {
  if (!loras) return []
  const { range, path, scale, hosts, stored } = loras
  return [
    range.min > range.max && '.loras.range: min is greater than max',
    path === scale && '.loras.scale: is the name of "path" as well; write another one',
    hosts.length === 0 &&
      Object.keys(stored).length === 0 &&
      '.loras: without "hosts", requests can only name LoRAs in "stored"; write some',
  ]
}
