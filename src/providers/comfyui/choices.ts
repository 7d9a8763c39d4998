/** Which values a server offers for a node's input; remembered for a minute, because installed files change rarely. */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'

const keepMs = 60_000

const nodeShape = z.looseObject({
  input: z.looseObject({
    required: z.record(z.string(), z.unknown()).nullish(),
    optional: z.record(z.string(), z.unknown()).nullish(),
  }),
})

/** Nodes of the older kind list the values in place of a type; those of the newer kind say COMBO and list them beside. */
const older = z.tuple([z.array(z.union([z.string(), z.number(), z.boolean()]))]).rest(z.unknown())
const newer = z.tuple([z.literal('COMBO'), z.looseObject({ options: z.array(z.unknown()) })]).rest(z.unknown())

export type ServerChoices = (
  classType: string,
  input: string,
  signal: AbortSignal,
) => Promise<readonly string[] | undefined>

/** `ask`: GET /object_info/<class>. */
export function createChoices(
  ask: (classType: string, signal: AbortSignal) => Promise<Record<string, unknown>>,
): ServerChoices {
  const known = new Map<string, { until: number; info: Record<string, unknown> }>()

  async function infoOf(classType: string, signal: AbortSignal) {
    const kept = known.get(classType)
    if (kept && kept.until > performance.now()) return kept.info
    const info = await ask(classType, signal)
    known.set(classType, { until: performance.now() + keepMs, info })
    return info
  }

  return async (classType, input, signal) => {
    const node = nodeShape.safeParse((await infoOf(classType, signal))[classType])
    const spec = node.data?.input.required?.[input] ?? node.data?.input.optional?.[input]
    if (spec === undefined) return undefined
    const values = older.safeParse(spec).data?.[0] ?? newer.safeParse(spec).data?.[1].options
    if (!values) throw new AppError('bad_result', { provider: 'comfyui' }, { cause: new Error(`${input} is no list`) })
    return values.map(String)
  }
}
