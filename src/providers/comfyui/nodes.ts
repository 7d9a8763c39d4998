/** What the inputs of a server's nodes accept, from GET /object_info/<class>. */
import { z } from 'zod'
import type { Range } from '../../core/ports/models.ts'
import { refused } from './errors.ts'

export interface NodeFacts {
  /** The values that an input accepts, for example installed files. undefined: there is no such node or input. */
  choices(classType: string, input: string, signal: AbortSignal): Promise<readonly string[] | undefined>
  /** The limits of a numeric input. undefined: there is no such node or input, or it has no limits. */
  range(classType: string, input: string, signal: AbortSignal): Promise<Range | undefined>
}

/** Reads GET /object_info/<class>. */
export type ReadNode = (classType: string, signal: AbortSignal) => Promise<Record<string, unknown>>

/** Installed files change rarely, so what a node accepts is cached for this time. */
const cachedMs = 60_000

const nodeShape = z.looseObject({
  input: z.looseObject({
    required: z.record(z.string(), z.unknown()).nullish(),
    optional: z.record(z.string(), z.unknown()).nullish(),
  }),
})

/** Older nodes list the values instead of a type. */
const olderInput = z.tuple([z.array(z.union([z.string(), z.number(), z.boolean()]))]).rest(z.unknown())
/** Newer nodes have the type COMBO and list the values as its options. */
const newerInput = z.tuple([z.literal('COMBO'), z.looseObject({ options: z.array(z.unknown()) })]).rest(z.unknown())
const numberInput = z
  .tuple([z.enum(['INT', 'FLOAT']), z.looseObject({ min: z.number(), max: z.number() })])
  .rest(z.unknown())

export function createNodeFacts(readNode: ReadNode): NodeFacts {
  const cache = new Map<string, { until: number; node: Record<string, unknown> }>()

  async function cachedNode(classType: string, signal: AbortSignal) {
    const cached = cache.get(classType)
    if (cached && cached.until > performance.now()) return cached.node
    const node = await readNode(classType, signal)
    cache.set(classType, { until: performance.now() + cachedMs, node })
    return node
  }

  async function specOf(classType: string, input: string, signal: AbortSignal): Promise<unknown> {
    const node = nodeShape.safeParse((await cachedNode(classType, signal))[classType])
    return node.data?.input.required?.[input] ?? node.data?.input.optional?.[input]
  }

  return {
    async choices(classType, input, signal) {
      const spec = await specOf(classType, input, signal)
      if (spec === undefined) return undefined
      const values = olderInput.safeParse(spec).data?.[0] ?? newerInput.safeParse(spec).data?.[1].options
      if (!values) throw refused(`${classType}, ${input}: this input takes no file name`)
      return values.map(String)
    },
    async range(classType, input, signal) {
      const limits = numberInput.safeParse(await specOf(classType, input, signal)).data?.[1]
      return limits && { min: limits.min, max: limits.max }
    },
  }
}
