/** Rules that every request passes before it is accepted, on every surface. Adding one: a `Rule` and a line in the list. */
import { accountRule } from '../accounts/limits.ts'
import { fromPool, poolOf } from '../billing/pool.ts'
import { groupRule } from '../chats/rules.ts'
import type { Candidate, Core, Rule } from '../core.ts'
import { AppError } from '../errors.ts'
import { queueRule } from '../history/queue-rule.ts'

export const allRules: readonly Rule[] = [groupRule, accountRule, queueRule]

export interface Judged {
  /** With the payer that suffices. */
  candidate: Candidate
  /** The first reason to refuse. Absent: none. */
  error?: AppError
}

/** A member of a group whose own credits do not suffice draws on its pool. */
export async function judged(core: Core, candidate: Candidate): Promise<Judged> {
  const error = await refusal(core, candidate)
  if (error?.kind !== 'no_credits') return { candidate, error }
  const drawing = await fromPool(core, candidate)
  if (!drawing) return { candidate, error: await withPool(core, candidate, error) }
  return { candidate: drawing, error: await refusal(core, drawing) }
}

/** The refusal with what the pool still has for the member, where members may draw on it. */
async function withPool(core: Core, candidate: Candidate, error: AppError): Promise<AppError> {
  const pool = candidate.payer === undefined ? await poolOf(core, candidate) : undefined
  if (!pool || pool.cap === 0) return error
  const left = Math.max(0, Math.min(pool.balance, pool.cap - pool.drawn))
  return new AppError(error.kind, { ...error.data, pool: left })
}

async function refusal(core: Core, candidate: Candidate): Promise<AppError | undefined> {
  for (const rule of core.rules) {
    const error = await rule(core, candidate)
    if (error) return error
  }
  return undefined
}
