/** Improves the prompt before drawing, when asked for. It may take a little time, and its failure never fails the request. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { readFact } from '../../db/facts.ts'
import { actOnce, audited } from '../accounts/audit.ts'
import type { Core } from '../core.ts'
import { AppError, asAppError } from '../errors.ts'
import { type Generation, saveEnhanced } from '../generation/row.ts'
import { cleanText, shorten } from '../text.ts'
import { note, traced } from '../trace.ts'

const timeoutMs = 20_000
/** Characters. Text encoders gain nothing from longer prompts. */
const maxLength = 2_000

/** Name of the fact that holds the operator's own instruction. */
const instructionFact = 'enhancer:instruction'

/** The operator's own instruction (`npm run providers -- instruction`). undefined: the built-in one is in use. */
export const readInstruction = (database: Database) => readFact(database, instructionFact)

interface InstructionChange {
  /** Absent: back to the built-in one. */
  instruction?: string
  /** For the audit log. */
  actor: string
}

export async function changeInstruction(
  database: Database,
  { instruction: after, actor }: InstructionChange,
): Promise<void> {
  const earlier = sql`from facts where name = ${instructionFact}`
  const change = {
    before: sql`(select to_jsonb(value) ${earlier})`,
    after,
    from: after === undefined ? earlier : sql``,
  }
  const noted = audited(actOnce(actor, 'instruction', instructionFact), change)
  await database.rows(
    after === undefined
      ? sql`with noted as (${noted}) delete ${earlier} and exists (select from noted)`
      : sql`
        with noted as (${noted})
        insert into facts (name, value) select ${instructionFact}, ${after} from noted
        on conflict (name) do update set value = excluded.value`,
  )
}

/** Saved in the row, so that it happens once, also when a later step fails. */
export async function enhancePrompt(core: Core, generation: Generation, stop: AbortSignal): Promise<void> {
  const { request, enhanced, notes } = generation
  if (!request.enhance || enhanced !== null || notes?.some(({ kind }) => kind === 'not_enhanced')) return
  const better = await traced('enhance', { id: generation.id }, () => tryToEnhance(core, generation, stop))
  stop.throwIfAborted()
  generation.enhanced = better ?? null
  if (better === undefined) generation.notes = [...(notes ?? []), { kind: 'not_enhanced' }]
  if (!(await saveEnhanced(core, generation))) throw new AppError('interrupted', {}, { neverRan: true })
}

function tryToEnhance(core: Core, { request, leftMs }: Generation, stop: AbortSignal) {
  const limit = AbortSignal.timeout(Math.ceil(Math.max(1, Math.min(timeoutMs, leftMs / 2))))
  return enhancedOf(core, request.prompt, AbortSignal.any([stop, limit]))
}

/** undefined: it could not be enhanced. */
export async function enhancedOf(
  core: Core,
  prompt: string,
  signal = AbortSignal.timeout(timeoutMs),
): Promise<string | undefined> {
  try {
    const instruction = await readInstruction(core.database)
    const text = await core.enhancer?.enhance(prompt, { instruction, signal })
    return shorten(cleanText(text ?? ''), maxLength) || undefined
  } catch (error) {
    const { kind, cause } = asAppError(error)
    note({ error: kind })
    core.log.warn({ kind, err: cause }, 'could not enhance a prompt')
    return undefined
  }
}
