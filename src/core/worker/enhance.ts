/** Improves the prompt before drawing, when asked for. It may take a little time, and its failure never fails the request. */
import { readFact } from '../../db/facts.ts'
import type { Core } from '../core.ts'
import { AppError, asAppError } from '../errors.ts'
import { type Generation, saveEnhanced } from '../generation/row.ts'
import { cleanText, shorten } from '../text.ts'

const timeoutMs = 20_000
/** Characters. Text encoders gain nothing from longer prompts. */
const maxLength = 2_000

/** Name of the fact that holds the operator's own instruction (`npm run providers -- instruction`). */
export const instructionFact = 'enhancer:instruction'

/** Saved in the row, so that it happens once, also when a later step fails. */
export async function enhancePrompt(core: Core, generation: Generation, stop: AbortSignal): Promise<void> {
  const { request, enhanced, notes } = generation
  if (!request.enhance || enhanced !== null || notes?.some(({ kind }) => kind === 'not_enhanced')) return
  const better = await tryToEnhance(core, generation, stop)
  stop.throwIfAborted()
  generation.enhanced = better ?? null
  if (better === undefined) generation.notes = [...(notes ?? []), { kind: 'not_enhanced' }]
  if (!(await saveEnhanced(core, generation))) throw new AppError('interrupted', {}, { neverRan: true })
}

async function tryToEnhance(core: Core, { id, request, leftMs }: Generation, stop: AbortSignal) {
  const { enhancer } = core
  if (!enhancer) return undefined
  const limitMs = Math.ceil(Math.max(1, Math.min(timeoutMs, leftMs / 2)))
  try {
    const instruction = await readFact(core.database, instructionFact)
    const signal = AbortSignal.any([stop, AbortSignal.timeout(limitMs)])
    const text = await enhancer.enhance(request.prompt, { instruction, signal })
    return shorten(cleanText(text), maxLength) || undefined
  } catch (error) {
    const { kind, cause } = asAppError(error)
    core.log.warn({ id, kind, err: cause }, 'could not enhance a prompt; drawing the original')
    return undefined
  }
}
