/** A better prompt before the picture, when asked for. It is worth waiting for a little, and never worth failing for. */
import { readFact } from '../../db/database.ts'
import type { Core } from '../core.ts'
import { AppError, asAppError } from '../errors.ts'
import { cleanText, shorten } from '../text.ts'
import { type Generation, saveEnhanced } from './row.ts'

const limitMs = 20_000
/** Characters. Longer ones cost encoders more than they gain. */
const longest = 2_000

/** The name under which an operator's own instruction is kept (see `npm run providers -- instruction`). */
export const instructionFact = 'enhancer:instruction'

/** Saved in the row, so that it is done once whatever happens afterwards. */
export async function enhancePrompt(core: Core, generation: Generation, stop: AbortSignal): Promise<void> {
  if (
    !generation.request.enhance ||
    generation.enhanced !== null ||
    generation.notes?.some((note) => note.kind === 'not_enhanced')
  )
    return
  const enhanced = await tryToEnhance(core, generation, stop)
  stop.throwIfAborted()
  generation.enhanced = enhanced ?? null
  if (enhanced === undefined) generation.notes = [...(generation.notes ?? []), { kind: 'not_enhanced' }]
  if (!(await saveEnhanced(core, generation))) throw new AppError('interrupted', {}, { neverRan: true })
}

async function tryToEnhance(core: Core, generation: Generation, stop: AbortSignal) {
  const { enhancer } = core
  if (!enhancer) return undefined
  const signal = AbortSignal.any([
    stop,
    AbortSignal.timeout(Math.ceil(Math.max(1, Math.min(limitMs, generation.leftMs / 2)))),
  ])
  try {
    const instruction = await readFact(core.database, instructionFact)
    const text = await enhancer.enhance(generation.request.prompt, { instruction, signal })
    return shorten(cleanText(text), longest) || undefined
  } catch (error) {
    const { kind, cause } = asAppError(error)
    core.log.warn({ id: generation.id, kind, err: cause }, 'a prompt was not enhanced')
    return undefined
  }
}
