/** The graph of a workflow pack, in the format that a ComfyUI server runs. */
import { z } from 'zod'
import type { Json } from '../../db/json.ts'

/** `$result`: the pictures of this node are the result. */
export type Graph = Record<string, { class_type: string; inputs: Record<string, Json>; $result?: true }>

const nodeLimit = 1000

export const graphShape = z
  .record(
    z.string(),
    z.looseObject(
      {
        class_type: z.string({ error: 'a node needs its "class_type"; export with Save (API Format)' }).min(1),
        inputs: z.record(z.string(), z.json(), { error: 'a node needs its "inputs"; export with Save (API Format)' }),
      },
      { error: 'every entry of a graph is a node; export with Save (API Format)' },
    ),
    { error: 'paste the exported graph here, as an object' },
  )
  .refine((graph) => Object.keys(graph).length > 0, 'it has no nodes')
  .refine((graph) => Object.keys(graph).length <= nodeLimit, `it has more than ${nodeLimit} nodes`)

/** What to do about a graph in the format of ComfyUI's page. undefined: it is not in that format. */
export function pageFormatMistake(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (!('nodes' in value && Array.isArray(value.nodes) && 'links' in value)) return undefined
  return 'this is the format of ComfyUI’s page, which its server cannot run; export with Save (API Format) and put the result under "graph"'
}

/** Whether an input takes its value from an output of another node. */
export function isLink(value: Json | undefined): value is [string, number] {
  return Array.isArray(value) && value.length === 2 && typeof value[1] === 'number'
}
